/* SPDX-License-Identifier: BSD-3-Clause */
/* The cipher: what it writes is XTS-AES-256 as others know it. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "check.h"
#include "cipher.h"
#include "pages.h"

#ifdef HAVE_LIBCRYPTO

/* IEEE 1619-2007, annex B, vector 10: the first digits of e and of pi. */
static const uint8_t key[CIPHER_KEY_BYTES] = {
  0x27, 0x18, 0x28, 0x18, 0x28, 0x45, 0x90, 0x45,
  0x23, 0x53, 0x60, 0x28, 0x74, 0x71, 0x35, 0x26,
  0x62, 0x49, 0x77, 0x57, 0x24, 0x70, 0x93, 0x69,
  0x99, 0x59, 0x57, 0x49, 0x66, 0x96, 0x76, 0x27,
  0x31, 0x41, 0x59, 0x26, 0x53, 0x58, 0x97, 0x93,
  0x23, 0x84, 0x62, 0x64, 0x33, 0x83, 0x27, 0x95,
  0x02, 0x88, 0x41, 0x97, 0x16, 0x93, 0x99, 0x37,
  0x51, 0x05, 0x82, 0x09, 0x74, 0x94, 0x45, 0x92,
};

/* The vector's unit has 512 bytes and the number 255; the bytes behind them,
 * which a page has more of, come from another program. */
static const struct {
  uint32_t offset;
  uint8_t bytes[16];
} known[] = {
  { 0, { 0x1c, 0x3b, 0x3a, 0x10, 0x2f, 0x77, 0x03, 0x86,
         0xe4, 0x83, 0x6c, 0x99, 0xe3, 0x70, 0xcf, 0x9b } },
  { 16, { 0xea, 0x00, 0x80, 0x3f, 0x5e, 0x48, 0x23, 0x57,
          0xa4, 0xae, 0x12, 0xd4, 0x14, 0xa3, 0xe6, 0x3b } },
  { 496, { 0xc4, 0xf3, 0x6f, 0xfd, 0xa9, 0xfc, 0xea, 0x70,
           0xb9, 0xc6, 0xe6, 0x93, 0xe1, 0x48, 0xc1, 0x51 } },
  { 4080, { 0x8e, 0x47, 0xd1, 0x05, 0xa1, 0x3e, 0x45, 0xd6,
            0xbe, 0x6e, 0xea, 0x1d, 0x49, 0x6d, 0xbf, 0xd5 } },
};

#define NR_PAGES 3

static uint8_t pages[NR_PAGES * PAGE_BYTES];

static void
fill_pages (void)
{
  for (size_t i = 0; i < sizeof pages; i++)
    pages[i] = i;
}

static bool
are_filled (void)
{
  for (size_t i = 0; i < sizeof pages; i++)
    if (pages[i] != (uint8_t) i)
      return false;
  return true;
}

static void
a_page_is_encrypted_as_the_standard_says (void)
{
  struct cipher *cipher = cipher_create (key);

  fill_pages ();
  check (cipher_encrypt (cipher, pages, 1, 255) == 0);
  for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
    check (memcmp (pages + known[i].offset, known[i].bytes, 16) == 0);
  cipher_destroy (cipher);
}

/* More than 32 bits of the number count. */
static void
a_large_number_is_a_tweak_of_its_own (void)
{
  static const uint8_t expected[16] = {
    0x50, 0xea, 0x7b, 0x0e, 0x72, 0xda, 0x79, 0x12,
    0x89, 0x2b, 0xcd, 0x0c, 0x74, 0x96, 0xba, 0xa4,
  };
  struct cipher *cipher = cipher_create (key);

  fill_pages ();
  check (cipher_encrypt (cipher, pages, 1, UINT64_C (0x123456789a)) == 0);
  check (memcmp (pages, expected, sizeof expected) == 0);
  cipher_destroy (cipher);
}

static void
what_was_encrypted_together_decrypts_page_by_page (void)
{
  struct cipher *cipher = cipher_create (key);

  fill_pages ();
  check (cipher_encrypt (cipher, pages, NR_PAGES, 7) == 0);
  check (!are_filled ());
  for (unsigned i = 0; i < NR_PAGES; i++)
    check (cipher_decrypt (cipher, pages + i * PAGE_BYTES, 1, 7 + i) == 0);
  check (are_filled ());
  cipher_destroy (cipher);
}

static void
equal_pages_look_different (void)
{
  struct cipher *cipher = cipher_create (key);

  memset (pages, 0, sizeof pages);
  check (cipher_encrypt (cipher, pages, 2, 1) == 0);
  check (memcmp (pages, pages + PAGE_BYTES, PAGE_BYTES) != 0);
  cipher_destroy (cipher);
}

static void
a_key_of_two_equal_halves_is_refused (void)
{
  uint8_t equal[CIPHER_KEY_BYTES];

  memcpy (equal, key, CIPHER_KEY_BYTES / 2);
  memcpy (equal + CIPHER_KEY_BYTES / 2, key, CIPHER_KEY_BYTES / 2);
  errno = 0;
  check (cipher_create (equal) == NULL);
  check (errno == EINVAL);
  check_reported ("halves");
}

int
main (void)
{
  capture_reports ();
  test (a_page_is_encrypted_as_the_standard_says);
  test (a_large_number_is_a_tweak_of_its_own);
  test (what_was_encrypted_together_decrypts_page_by_page);
  test (equal_pages_look_different);
  test (a_key_of_two_equal_halves_is_refused);
  check_nothing_reported ();
  return 0;
}

#else

static void
without_libcrypto_a_key_is_refused (void)
{
  const uint8_t key[CIPHER_KEY_BYTES] = { 1 };

  check (cipher_create (key) == NULL);
  check (errno == ENOTSUP);
  check_reported ("not compiled in");
}

int
main (void)
{
  capture_reports ();
  test (without_libcrypto_a_key_is_refused);
  return 0;
}

#endif

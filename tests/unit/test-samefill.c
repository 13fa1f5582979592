/* SPDX-License-Identifier: BSD-3-Clause */
/* Same-filled blocks: found whatever the word is, and only then; written back
 * from any byte of the block at any alignment.
 */
#include <config.h>

#include "check.h"
#include "samefill.h"

#define BYTES_MAX 65536
#define GUARD 0xa5

/* One word of each kind: equal bytes, and a different byte everywhere. */
static const uint64_t words[] = {
  0, UINT64_MAX, UINT64_C (0x4242424242424242),
  UINT64_C (0x0123456789abcdef), UINT64_C (0xdeadbeefdeadbeef),
};
#define NR_WORDS (sizeof words / sizeof *words)

static uint8_t buffer[BYTES_MAX + 64];

static uint8_t
byte_of (uint64_t word, size_t at)
{
  return word >> at % 8 * 8;
}

static void
fill (uint8_t *data, size_t bytes, uint64_t word)
{
  for (size_t i = 0; i < bytes; i++)
    data[i] = byte_of (word, i);
}

static void
check_detected (const void *data, size_t bytes, uint64_t expected)
{
  uint64_t word = ~expected;

  check (samefill_detect (data, bytes, &word));
  check (word == expected);
}

static void
a_filled_block_of_any_size_is_detected (void)
{
  for (unsigned w = 0; w < NR_WORDS; w++) {
    fill (buffer, BYTES_MAX, words[w]);
    for (size_t bytes = 16; bytes <= 4096; bytes += 8)
      check_detected (buffer, bytes, words[w]);
    for (size_t bytes = 8192; bytes <= BYTES_MAX; bytes *= 2)
      check_detected (buffer, bytes, words[w]);
  }
}

static void
a_filled_block_at_any_alignment_is_detected (void)
{
  for (unsigned w = 0; w < NR_WORDS; w++)
    for (unsigned shift = 0; shift < 16; shift++) {
      fill (buffer + shift, 4096, words[w]);
      check_detected (buffer + shift, 4096, words[w]);
    }
}

/* Each bit of the byte in turn, and the first word is told all the same. */
static void
check_one_byte_matters (size_t bytes, size_t at, uint64_t filled_with)
{
  uint64_t first, word;

  buffer[at] ^= 1u << at % 8;
  memcpy (&first, buffer, sizeof first);
  word = ~first;
  check (!samefill_detect (buffer, bytes, &word));
  check (word == first);
  buffer[at] = byte_of (filled_with, at);
}

static void
one_differing_byte_anywhere_is_detected (void)
{
  for (unsigned w = 0; w < NR_WORDS; w++) {
    fill (buffer, BYTES_MAX, words[w]);
    for (size_t bytes = 16; bytes <= 128; bytes += 8)
      for (size_t at = 0; at < bytes; at++)
        check_one_byte_matters (bytes, at, words[w]);
    for (size_t at = 0; at < 4096; at++)
      check_one_byte_matters (4096, at, words[w]);
    for (size_t at = 0; at < BYTES_MAX; at += 251)
      check_one_byte_matters (BYTES_MAX, at, words[w]);
    check_detected (buffer, BYTES_MAX, words[w]);
  }
}

/* Repeated, but not every 8 bytes. */
static void
a_longer_period_is_not_same_filled (void)
{
  uint64_t word;

  for (size_t i = 0; i < 4096; i++)
    buffer[i] = i / 8 % 2;
  check (!samefill_detect (buffer, 4096, &word));
  check (!samefill_detect (buffer, 4096 - 8, &word));   /* ends as it begins */
}

static void
check_part (uint64_t word, size_t from_byte, size_t bytes, unsigned shift)
{
  uint8_t *data = buffer + 16 + shift;

  memset (buffer, GUARD, bytes + 64);
  samefill_write (data, bytes, word, from_byte);
  for (size_t i = 0; i < bytes; i++)
    check (data[i] == byte_of (word, from_byte + i));
  for (size_t i = 0; i < 16; i++)
    check (data[-1 - (int) i] == GUARD && data[bytes + i] == GUARD);
}

static void
any_part_is_written_as_it_would_be_in_the_block (void)
{
  for (unsigned w = 0; w < NR_WORDS; w++)
    for (size_t from_byte = 0; from_byte < 20; from_byte++)
      for (size_t bytes = 0; bytes < 40; bytes++)
        for (unsigned shift = 0; shift < 8; shift++)
          check_part (words[w], from_byte, bytes, shift);
}

static void
a_whole_block_is_written_as_it_was (void)
{
  for (unsigned w = 0; w < NR_WORDS; w++)
    for (size_t bytes = 4096; bytes <= BYTES_MAX / 2; bytes *= 2) {
      check_part (words[w], 0, bytes, 0);
      check_part (words[w], 3, bytes - 3, 1);
    }
}

int
main (void)
{
  test (a_filled_block_of_any_size_is_detected);
  test (a_filled_block_at_any_alignment_is_detected);
  test (one_differing_byte_anywhere_is_detected);
  test (a_longer_period_is_not_same_filled);
  test (any_part_is_written_as_it_would_be_in_the_block);
  test (a_whole_block_is_written_as_it_was);
  return 0;
}

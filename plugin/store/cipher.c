/* SPDX-License-Identifier: BSD-3-Clause */
/* A cipher; see cipher.h. */
#include <config.h>

#include <errno.h>

#include "cipher.h"
#include "report.h"

#ifdef HAVE_LIBCRYPTO

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "pages.h"

/* As many as threads that read and write at once; others wait. */
#define NR_CONTEXTS 8u

struct context {
  pthread_mutex_t lock;
  EVP_CIPHER_CTX *evp[2];       /* [0] decrypts, [1] encrypts */
};

struct cipher {
  struct context contexts[NR_CONTEXTS];
};

static int
init_context (struct context *context, const void *key)
{
  pthread_mutex_init (&context->lock, NULL);
  for (int encrypt = 0; encrypt < 2; encrypt++) {
    context->evp[encrypt] = EVP_CIPHER_CTX_new ();
    if (!context->evp[encrypt] ||
        EVP_CipherInit_ex (context->evp[encrypt], EVP_aes_256_xts (), NULL,
                           key, NULL, encrypt) != 1)
      return -1;
  }
  return 0;
}

struct cipher *
cipher_create (const void *key)
{
  struct cipher *cipher = calloc (1, sizeof *cipher);

  if (!cipher) {
    report_error ("cipher: %m");
    return NULL;
  }
  for (unsigned i = 0; i < NR_CONTEXTS; i++)
    if (init_context (&cipher->contexts[i], key) == -1) {
      report_error ("the backing key does not do: its two halves must differ");
      cipher_destroy (cipher);
      errno = EINVAL;
      return NULL;
    }
  return cipher;
}

void
cipher_destroy (struct cipher *cipher)
{
  for (unsigned i = 0; cipher && i < NR_CONTEXTS; i++)
    for (int encrypt = 0; encrypt < 2; encrypt++)
      EVP_CIPHER_CTX_free (cipher->contexts[i].evp[encrypt]);
  free (cipher);
}

static struct context *
get_context (struct cipher *cipher)
{
  for (unsigned i = 0; i < NR_CONTEXTS; i++)
    if (pthread_mutex_trylock (&cipher->contexts[i].lock) == 0)
      return &cipher->contexts[i];
  pthread_mutex_lock (&cipher->contexts[0].lock);
  return &cipher->contexts[0];
}

/* The tweak is the page's number, little-endian, as plain64 of dm-crypt. */
static int
crypt_page (EVP_CIPHER_CTX *evp, uint8_t *page, uint64_t number)
{
  uint8_t tweak[16] = { 0 };
  int bytes;

  for (int i = 0; i < 8; i++)
    tweak[i] = number >> 8 * i;
  if (EVP_CipherInit_ex (evp, NULL, NULL, NULL, tweak, -1) == 1 &&
      EVP_CipherUpdate (evp, page, &bytes, page, PAGE_BYTES) == 1 &&
      bytes == (int) PAGE_BYTES)
    return 0;
  errno = EIO;
  return -1;
}

static int
crypt_pages (struct cipher *cipher, void *pages, size_t nr_pages,
             uint64_t number, int encrypt)
{
  struct context *context = get_context (cipher);
  int r = 0;

  for (size_t i = 0; i < nr_pages && r == 0; i++)
    r = crypt_page (context->evp[encrypt], (uint8_t *) pages + i * PAGE_BYTES,
                    number + i);
  pthread_mutex_unlock (&context->lock);
  return r;
}

int
cipher_encrypt (struct cipher *cipher, void *pages, size_t nr_pages,
                uint64_t number)
{
  return crypt_pages (cipher, pages, nr_pages, number, 1);
}

int
cipher_decrypt (struct cipher *cipher, void *pages, size_t nr_pages,
                uint64_t number)
{
  return crypt_pages (cipher, pages, nr_pages, number, 0);
}

#else /* !HAVE_LIBCRYPTO */

struct cipher *
cipher_create (const void *key)
{
  report_error ("encryption of the backing file is not compiled in "
                "(libcrypto)");
  errno = ENOTSUP;
  return NULL;
}

void
cipher_destroy (struct cipher *cipher)
{
}

int
cipher_encrypt (struct cipher *cipher, void *pages, size_t nr_pages,
                uint64_t number)
{
  errno = ENOTSUP;
  return -1;
}

int
cipher_decrypt (struct cipher *cipher, void *pages, size_t nr_pages,
                uint64_t number)
{
  errno = ENOTSUP;
  return -1;
}

#endif

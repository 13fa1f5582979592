/* SPDX-License-Identifier: BSD-3-Clause */
/* A cipher: AES-256 in XTS mode over pages, by OpenSSL's libcrypto.
 *
 * XTS is what disks are encrypted with (IEEE 1619): a page has the same length
 * encrypted, and its number makes equal pages look different.  It hides
 * content; it does not tell who changed it, checksums tell of damage.
 *
 * Thread-safe; contexts are pooled and made at start, so no request allocates.
 */
#ifndef ZRAM_CIPHER_H
#define ZRAM_CIPHER_H

#include <stddef.h>
#include <stdint.h>

#define CIPHER_KEY_BYTES 64u    /* two keys of 32 bytes */

struct cipher;

/* NULL: a message was given, errno is set: EINVAL if the two halves of the key
 * are the same, ENOTSUP if it is not compiled in. */
struct cipher *cipher_create (const void *key);
void cipher_destroy (struct cipher *cipher);

/* In place; number is of the first page.  -1: EIO. */
int cipher_encrypt (struct cipher *cipher, void *pages, size_t nr_pages,
                    uint64_t number);
int cipher_decrypt (struct cipher *cipher, void *pages, size_t nr_pages,
                    uint64_t number);

#endif

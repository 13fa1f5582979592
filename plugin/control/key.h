/* SPDX-License-Identifier: BSD-3-Clause */
/* The key of a backing file, from a file of 64 bytes or of 128 hex digits. */
#ifndef ZRAM_KEY_H
#define ZRAM_KEY_H

#include <stdint.h>

#include "../store/backing.h"

/* NULL; or what is wrong with the file, *errnum says it too, and the key is all
 * zeroes. */
const char *key_read (const char *path, uint8_t key[BACKING_KEY_BYTES],
                      int *errnum);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The checksum of whatever has to be known again: xxHash's XXH3, a library that
 * can be left out; without it there are no backing files and no store files.
 */
#ifndef ZRAM_CHECKSUM_H
#define ZRAM_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#ifdef HAVE_XXHASH
#include <xxhash.h>
#endif

static inline uint64_t
checksum_of_bytes (const void *data, size_t bytes, uint64_t seed)
{
#ifdef HAVE_XXHASH
  return XXH3_64bits_withSeed (data, bytes, seed);
#else
  return 0;
#endif
}

#endif

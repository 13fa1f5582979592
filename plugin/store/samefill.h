/* SPDX-License-Identifier: BSD-3-Clause */
/* Same-filled blocks: one 8-byte word repeated, whatever the word is. */
#ifndef ZRAM_SAMEFILL_H
#define ZRAM_SAMEFILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Is the data one word repeated?  data may be unaligned; bytes is a multiple of
 * 8, at least 16.  *word is set to the first word in either case. */
bool samefill_detect (const void *data, size_t bytes, uint64_t *word);

/* Fill part of such a block: from_byte..from_byte + bytes of it, at any
 * alignment. */
void samefill_write (void *data, size_t bytes, uint64_t word,
                     size_t from_byte);

#endif

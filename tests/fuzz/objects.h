/* SPDX-License-Identifier: BSD-3-Clause */
/* What fuzz-decompress is given: two bytes that say which codec reads the
 * object, then the object.
 *
 *   byte 0   the algorithm, by its place in objects_algorithms
 *   byte 1   bits 0-2: blocks of 4096 << this, 4 at the most
 *            bit 3: with the dictionary, if the algorithm takes one
 *
 * Seeds stay good when algorithms come or are left out of the build, since
 * numbers are given here and not by the order in which users see them.
 */
#ifndef ZRAM_FUZZ_OBJECTS_H
#define ZRAM_FUZZ_OBJECTS_H

#include <stddef.h>
#include <stdint.h>

#include "codec.h"

#define NR_OBJECTS_ALGORITHMS 5u
#define NR_BLOCK_SIZES 5u
#define OBJECTS_DICT 8u         /* in byte 1 */
#define OBJECTS_HEAD_BYTES 2u

extern const char *const objects_algorithms[NR_OBJECTS_ALGORITHMS];

/* The codec that these two bytes ask for; made when it is asked for first and
 * kept.  NULL: the algorithm is not compiled in. */
struct codec *objects_codec (uint8_t byte0, uint8_t byte1);

/* Text that compresses well, the same each time; longer ones begin as shorter
 * ones do. */
void objects_fill_text (uint8_t *data, size_t bytes);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* What fuzz-device is given: four bytes that describe a device, then a program
 * of operations.
 *
 *   byte 0     modulo 3: zstd, lz4, lzo
 *   byte 1     modulo 8: blocks of 4096 << this; 4096 for 5 to 7 too
 *   bytes 2-3  how much of the last block is there, modulo its size
 *
 * An operation is one byte, modulo NR_OPS, and its arguments:
 *
 *   range      7 bytes: shape, block, skew, length (two bytes each, the low one
 *              first).  Whole blocks from block on, length % 8 + 1 of them; or
 *              length + 1 bytes, skew bytes behind block's first; or all from
 *              block to the end.  What reaches beyond the end is cut.
 *   fill       2 bytes: the kind of data, and a number that it is made from
 *   number     2 bytes
 *
 * A program ends with the input, or after OPS_MAX operations.
 */
#ifndef ZRAM_FUZZ_PROGRAM_H
#define ZRAM_FUZZ_PROGRAM_H

#define PROGRAM_HEAD_BYTES 4u
#define OPS_MAX 256u

/* Numbers are never given anew: seeds are made of them. */
enum op {
  OP_WRITE,                     /* range fill */
  OP_READ,                      /* range */
  OP_TRIM,                      /* range */
  OP_ZERO,                      /* range */
  OP_ZERO_AS_HOLES,             /* range */
  OP_EXTENTS,                   /* range */
  OP_COMPACT,
  OP_LIMIT,                     /* number: 4 * it - 32768 above what is held */
  OP_NO_LIMIT,
  OP_FAIL_COMMIT,               /* number: number % 16 commits succeed before */
  OP_NO_FAILURES,
  OP_RECOUNT,
  NR_OPS
};

enum shape { SHAPE_WHOLE, SHAPE_BYTES, SHAPE_REST, NR_SHAPES };

enum fill {
  FILL_ZEROES,
  FILL_SMALL_WORD,              /* one word repeated: fits into a slot */
  FILL_WIDE_WORD,               /* does not */
  FILL_NOISE,
  FILL_HALF_NOISE,              /* noise, then one byte repeated */
  FILL_FEW_VALUES,              /* bytes of 4 values: 2 to 4 times smaller */
  FILL_ALMOST_ZEROES,           /* but for one byte */
  NR_FILLS
};

#endif

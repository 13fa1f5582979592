/* SPDX-License-Identifier: BSD-3-Clause */
/* Size classes: how long the objects of a zspage are, and how many fit.
 *
 * With blocks of B bytes there are 256 classes in steps of B/256 (16 bytes for
 * blocks of 4 KiB), so rounding up costs half a step: 0.2 % of a block, about
 * 1 % of an object compressed 5:1.  The last class is the huge one, for blocks
 * stored as they are.
 *
 * A zspage is a span of 128 * B bytes of address space (512 KiB; 8 MiB for
 * blocks of 64 KiB), cut like this, here for the class of 848 bytes:
 *
 *   page 0                    page 1              page 2
 *   +---------+------+--------+-------------------+---------...
 *   | held 16 | live 80 | owners 2460 | object 0 | object 1 | object 2 ...
 *   +---------+------+--------+-------------------+---------...
 *   0         16     96            2560 (header_bytes)
 *
 * held: a bit for each page of the span, set while the page is committed;
 * live: a bit for each object; owners: the number of the block that owns the
 * object, 4 bytes each.  615 objects of 848 bytes follow the header at once
 * and lie across page borders as they come: user space has contiguous
 * addresses, so nothing is copied together on reading.  Only pages that hold
 * something are committed, and zspages are filled from their lowest free
 * object, so a class wastes half a page, not half a zspage.
 *
 * The header never exceeds one page: at most 896 objects, 896 * 4 owners +
 * 112 live + 256 held (the most, at 64 KiB) = 3952 bytes.  Objects of the
 * huge class begin on a page border, so that freeing one frees its pages.
 *
 * In a store file a header also has 8 bytes in front that name the class, and
 * behind the owners 4 bytes for each object: its checksum.  Fewer objects fit
 * then, so that it still takes one page.
 *
 * 128 blocks in a zspage, because the one header page then costs the huge
 * class 0.8 %; with 64 it is 1.6 %, and 256 would only leave more half-full
 * zspages behind.
 */
#ifndef ZRAM_SIZECLASS_H
#define ZRAM_SIZECLASS_H

#include <stdbool.h>
#include <stdint.h>

#define BLOCK_BYTES_MIN 4096u
#define BLOCK_BYTES_MAX 65536u

#define NR_SIZECLASSES 256u
#define HUGE_SIZECLASS (NR_SIZECLASSES - 1)
#define ZSPAGE_OBJECTS_MAX 896u

/* 8 + 256 held + 64 live + 464 * 8 = 4040 bytes of header. */
#define ZSPAGE_SEALED_OBJECTS_MAX 464u

/* The shape of one class's zspages; offsets are from the zspage's start. */
struct sizeclass {
  uint32_t object_bytes;
  uint32_t nr_objects;          /* in one zspage */
  uint32_t held_offset;
  uint32_t live_offset;
  uint32_t owners_offset;
  uint32_t checks_offset;       /* 0: objects have no checksums */
  uint32_t header_bytes;        /* object 0 is here */
  uint64_t reciprocal;          /* of object_bytes, in units of 2^-40 */
};

/* The object that holds the byte at this offset behind the header, without a
 * division.  Exact: an offset is below 2^23 and an object at most 2^16 long, so
 * the reciprocal's error of at most 2^-40 never adds up to a step. */
static inline uint32_t
sizeclass_object_at (const struct sizeclass *class, uint32_t offset)
{
  return offset * class->reciprocal >> 40;
}

/* Which zspages a device with this block size has. */
struct geometry {
  uint32_t block_bytes;
  uint32_t step_shift;          /* classes are 1 << step_shift bytes apart */
  uint32_t zspage_shift;        /* a zspage is a span of 1 << zspage_shift */
  struct sizeclass classes[NR_SIZECLASSES];
};

/* block_bytes is a power of two, BLOCK_BYTES_MIN..BLOCK_BYTES_MAX.  Sealed:
 * objects have checksums. */
void geometry_init_sealed (struct geometry *geometry, uint32_t block_bytes,
                           bool sealed);

static inline void
geometry_init (struct geometry *geometry, uint32_t block_bytes)
{
  geometry_init_sealed (geometry, block_bytes, false);
}

/* The class for objects of 1..block_bytes bytes. */
static inline unsigned
sizeclass_index (const struct geometry *geometry, uint32_t size_bytes)
{
  return (size_bytes - 1) >> geometry->step_shift;
}

#endif

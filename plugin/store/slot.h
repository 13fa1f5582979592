/* SPDX-License-Identifier: BSD-3-Clause */
/* A slot: the 8 bytes that say where a block's content is.
 *
 *   63                       24 23         8 7   6 5     3 2    0
 *   +--------------------------+------------+-----+-------+------+
 *   | place, in units of 16 B  | size - 1   |flags| codec | kind | an object
 *   +--------------------------+------------+-----+---+---+------+
 *   |   59 bits of the fill word, packed as mode says |mode| kind | SAME
 *   +-------------------------------------------------+----+------+
 *
 * All-zero is EMPTY, so an untouched table is an empty disk.  Kinds exclude
 * each other, flags combine.  40 bits of place reach 16 TiB of arena; 16 bits
 * of size reach the largest block.
 *
 * The codec is a number of its own, not a priority, since a priority's
 * algorithm can change while objects of the old one are still there
 * (codec_set.h).
 *
 * A fill word of 64 bits does not fit beside its kind.  Three modes catch the
 * words that memory is really filled with: small positive and negative numbers
 * and kernel addresses (sign extended), repeated bytes and half words (both
 * halves equal), and floating point numbers and aligned addresses (low bits
 * zero).  Any other word becomes an object of 8 bytes: WIDE.
 */
#ifndef ZRAM_SLOT_H
#define ZRAM_SLOT_H

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t slot_t;

enum slot_kind {
  SLOT_EMPTY  = 0,              /* never written, or trimmed: zeroes */
  SLOT_SAME   = 1,              /* one word repeated, the word is in the slot */
  SLOT_WIDE   = 2,              /* one word repeated, the word is an object */
  SLOT_PACKED = 3,              /* a compressed object */
  SLOT_HUGE   = 4,              /* an object as long as the block, as it is */
  SLOT_BACKED = 5,              /* in the backing file */
  SLOT_SHARED = 6,              /* in a share (share.h), named by its number */
  SLOT_DAMAGED = 7,             /* was found damaged: reading it is an error */
};

enum slot_flag {
  SLOT_INCOMPRESSIBLE = 1,      /* no configured algorithm could do better */
  SLOT_CHOSEN         = 2,      /* selected by postproc, cleared by access */
  SLOT_WARM           = 2,      /* the same bit of a BACKED slot: it was read
                                 * since it was written back */
};

#define SLOT_PLACE_BITS 40
#define SLOT_PLACE_UNIT_SHIFT 4 /* places count 16 bytes */

static inline enum slot_kind
slot_kind (slot_t slot)
{
  return (enum slot_kind) (slot & 7);
}

static inline bool
slot_owns_object (slot_t slot)
{
  enum slot_kind kind = slot_kind (slot);

  return kind == SLOT_WIDE || kind == SLOT_PACKED || kind == SLOT_HUGE;
}

/* For kinds that own an object.  place is in units of 16 bytes, below 2^40;
 * size_bytes is 1..65536. */
static inline slot_t
slot_of_object (enum slot_kind kind, unsigned codec, unsigned size_bytes,
                uint64_t place)
{
  return (slot_t) kind | (slot_t) codec << 3 |
    (slot_t) (size_bytes - 1) << 8 | place << 24;
}

/* Which of the device's codecs wrote the object; PACKED and BACKED. */
static inline unsigned
slot_codec (slot_t slot)
{
  return slot >> 3 & 7;
}

/* For kinds that own an object, and BACKED. */
static inline unsigned
slot_flags (slot_t slot)
{
  return slot >> 6 & 3;
}

/* Any slot: the bits of a fill word are no flags. */
static inline bool
slot_has_flag (slot_t slot, enum slot_flag flag)
{
  return slot_kind (slot) >= SLOT_WIDE && (slot_flags (slot) & flag);
}

static inline slot_t
slot_with_flag (slot_t slot, enum slot_flag flag)
{
  return slot | (slot_t) flag << 6;
}

static inline slot_t
slot_without_flag (slot_t slot, enum slot_flag flag)
{
  return slot & ~((slot_t) flag << 6);
}

static inline unsigned
slot_size_bytes (slot_t slot)
{
  return (slot >> 8 & 0xffff) + 1;
}

/* Did a codec write its object?  One as long as the block is kept as it is. */
static inline bool
slot_is_compressed (slot_t slot, uint32_t block_bytes)
{
  return slot_kind (slot) == SLOT_PACKED ||
    (slot_kind (slot) == SLOT_BACKED && slot_size_bytes (slot) < block_bytes);
}

/* The slot of the same object in the backing file, or back in the arena.  What
 * was found out about its content stays. */
static inline slot_t
slot_moved (slot_t slot, enum slot_kind kind, uint64_t place)
{
  return slot_with_flag (slot_of_object (kind, slot_codec (slot),
                                         slot_size_bytes (slot), place),
                         (enum slot_flag) (slot_flags (slot) &
                                           SLOT_INCOMPRESSIBLE));
}

static inline uint64_t
slot_place (slot_t slot)
{
  return slot >> 24;
}

/* The slot of the same object at another place. */
static inline slot_t
slot_at_place (slot_t slot, uint64_t place)
{
  return (slot & (((slot_t) 1 << 24) - 1)) | place << 24;
}

/* For SHARED: the share's block number. */
static inline slot_t
slot_of_share (uint64_t share)
{
  return SLOT_SHARED | share << 24;
}

static inline uint64_t
slot_share (slot_t slot)
{
  return slot_place (slot);
}

enum slot_mode { SLOT_SIGNED = 0, SLOT_HALVES = 1, SLOT_HIGH = 2 };

#define SLOT_WORD_SHIFT 5

/* False if the word fits no mode: store it as an object, kind WIDE. */
static inline bool
slot_of_word (uint64_t word, slot_t *slot)
{
  uint64_t payload;
  unsigned mode;

  if ((int64_t) (word << SLOT_WORD_SHIFT) >> SLOT_WORD_SHIFT ==
      (int64_t) word) {
    mode = SLOT_SIGNED;
    payload = word;
  }
  else if ((uint32_t) word == word >> 32) {
    mode = SLOT_HALVES;
    payload = (uint32_t) word;
  }
  else if ((word & ((1 << SLOT_WORD_SHIFT) - 1)) == 0) {
    mode = SLOT_HIGH;
    payload = word >> SLOT_WORD_SHIFT;
  }
  else {
    *slot = 0;
    return false;
  }
  *slot = SLOT_SAME | (slot_t) mode << 3 | payload << SLOT_WORD_SHIFT;
  return true;
}

/* For SAME only. */
static inline uint64_t
slot_word (slot_t slot)
{
  const uint64_t payload = slot >> SLOT_WORD_SHIFT;

  switch ((enum slot_mode) (slot >> 3 & 3)) {
  case SLOT_HALVES:
    return payload << 32 | payload;
  case SLOT_HIGH:
    return payload << SLOT_WORD_SHIFT;
  case SLOT_SIGNED:
  default:
    return (uint64_t) ((int64_t) slot >> SLOT_WORD_SHIFT);
  }
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The codecs of a device: which algorithm each priority uses now, and those
 * that older objects still need.
 *
 * The kernel fixes algorithms for the life of a device, so its slots name a
 * priority.  Here they can change under a live disk: an object names one of
 * eight codecs, a priority points to the codec that it uses for new objects,
 * and a codec without a priority stays until its last object is overwritten,
 * trimmed or recompressed.  Four priorities leave four such old ones.
 *
 * A codec that decompresses what the old one wrote (same algorithm, neither has
 * a dictionary) takes over its number, so changing a level costs none.
 *
 * Readers hold a block lock.  Changes are made while the device is quiesced,
 * under its state lock.
 */
#ifndef ZRAM_CODEC_SET_H
#define ZRAM_CODEC_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec.h"

#define NR_CODECS 8u            /* 3 bits of a slot */
#define CODEC_NONE NR_CODECS

struct codec_set {
  struct codec *codecs[NR_CODECS];      /* NULL: a free number */
  uint8_t ids[NR_PRIORITIES];           /* CODEC_NONE: no algorithm */
};

void codec_set_init (struct codec_set *set);
void codec_set_destroy (struct codec_set *set);

/* The codec of a priority; NULL: it has no algorithm. */
static inline struct codec *
codec_set_at (const struct codec_set *set, unsigned priority)
{
  const unsigned id = set->ids[priority];

  return id == CODEC_NONE ? NULL : set->codecs[id];
}

/* The priority that uses this codec; NR_PRIORITIES if it is an old one. */
unsigned codec_set_priority (const struct codec_set *set, unsigned id);

/* Which number a new codec for this priority gets: the one it has now, if the
 * new codec reads what the present one wrote, or a free one.  CODEC_NONE: all
 * are taken. */
unsigned codec_set_number_for (const struct codec_set *set, unsigned priority,
                               const struct codec *codec);

/* Put the codec there; NULL and NR_PRIORITIES free the number.  Returns the one
 * that had the number before, or NULL. The set owns codec, the caller what is
 * returned. */
struct codec *codec_set_put (struct codec_set *set, unsigned priority,
                             unsigned id, struct codec *codec);

/* The memory that all of them hold. */
size_t codec_set_held_bytes (const struct codec_set *set);

#endif

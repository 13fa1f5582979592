/* SPDX-License-Identifier: BSD-3-Clause */
/* The arena of a store file, made usable again from what the slots name.
 *
 * Of a zspage's header two things count: its label, which says the class, and
 * the owners, which say whose object each is.  Who is right about an object is
 * the slot that names it: it claims the object, and what nobody claims is free.
 * First all claims are made, while the file is only read; then descriptors and
 * headers follow from them.
 */
#ifndef ZRAM_ARENA_ADOPT_H
#define ZRAM_ARENA_ADOPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

struct arena_claims {
  struct arena *arena;
  _Atomic uint64_t *live;       /* of each span, a bit for each object */
  uint64_t *present;            /* of each span, a bit for each page */
  size_t live_bytes, present_bytes;
  uint8_t *pooled;              /* spans that went into the pool */
  _Atomic uint64_t nr_borrowed[NR_SIZECLASSES]; /* of smaller objects */
};

/* Look which pages are there.  -1: a message was given, nothing is held. */
int arena_claims_init (struct arena_claims *claims, struct arena *arena);
void arena_claims_destroy (struct arena_claims *claims);

/* An object that a slot names. */
struct arena_found {
  uint32_t span;
  unsigned class, index;
  uint32_t size_bytes;
  uint32_t owner;               /* as the header has it */
};

/* False: there is no object at that place that could hold so much. */
bool arena_find (const struct arena *arena, uint64_t place,
                 uint32_t size_bytes, struct arena_found *found);

/* False: it was claimed already.  Thread-safe. */
bool arena_claim (struct arena_claims *claims,
                  const struct arena_found *found);

/* Its owner is this one from now on. */
void arena_found_give (const struct arena *arena,
                       const struct arena_found *found, uint32_t owner);

/* Make this span what the claims say.  Pages that no object needs are kept
 * and mapped where there is a reserve, in the pool where the span has no
 * objects; else they go back.  Thread-safe for different spans. */
void arena_adopt_span (struct arena_claims *claims, uint32_t span);

/* After all spans: which are free. */
void arena_adopt_end (struct arena_claims *claims);

#endif

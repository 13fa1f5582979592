/* SPDX-License-Identifier: BSD-3-Clause */
/* The journal of a table in a store file: how a damaged slot is told from one
 * that a dying server was just about to change.
 *
 * An object has a checksum of its own (zspage.h).  A slot that says all by
 * itself has none, so each page of slots has a hash, the XOR of one hash for
 * each slot that is not empty, and a store takes the old one out and the new
 * one in.  A server can die between slot and hash; so whoever publishes first
 * notes block, old and new slot as an intent, one for each stripe of block
 * locks, and takes the note away last.  A page whose hash is wrong by what some
 * of its intents stand for is right.
 *
 * 8 bytes for 512 slots, and 20 KiB; some nanoseconds a store.
 */
#ifndef ZRAM_JOURNAL_H
#define ZRAM_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "budget.h"
#include "slot.h"

#define JOURNAL_INTENTS 320u    /* stripes (table.h) */

struct memory;

struct intent {
  _Atomic uint32_t active;      /* the rest is valid */
  uint32_t zero;
  uint64_t block;
  slot_t old, slot;
} __attribute__ ((aligned (64)));

struct journal {
  struct intent *intents;       /* NULL: there is no store file */
  _Atomic uint64_t *hashes;     /* of each page of slots */
  _Atomic uint8_t *present;     /* pages of hashes that are there */
  struct budget *budget;
};

/* -1: a message was given, nothing is held.  The journal of memory without a
 * file is none. */
int journal_init (struct journal *journal, struct memory *memory,
                  struct budget *budget);
void journal_destroy (struct journal *journal);

static inline bool
journal_is_kept (const struct journal *journal)
{
  return journal->intents != NULL;
}

/* What a slot adds to its page's hash; murmur's finisher, as splitmix64 has
 * it. */
static inline uint64_t
journal_hash (uint64_t block, slot_t slot)
{
  uint64_t z = slot + (block + 1) * UINT64_C (0x9e3779b97f4a7c15);

  if (slot == 0)
    return 0;
  z = (z ^ z >> 30) * UINT64_C (0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C (0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* Make the hash of this page of slots present.  -1: ENOSPC or ENOMEM. */
int journal_prepare (struct journal *journal, uint64_t page);

/* Put slot in the place of old, which nobody else changes meanwhile. */
void journal_exchange (struct journal *journal, unsigned stripe,
                       _Atomic slot_t *at, uint64_t block, slot_t old,
                       slot_t slot);

/* What a hash may differ by.  At most so many intents of a page can be told
 * apart. */
#define JOURNAL_DELTAS_MAX 64u

struct journal_deltas {
  uint64_t rows[JOURNAL_DELTAS_MAX];    /* none has another's highest bit */
  unsigned nr;
};

/* The intents of this page of slots whose new slot is there. */
void journal_get_deltas (const struct journal *journal, uint64_t page,
                         const _Atomic slot_t *slots,
                         struct journal_deltas *deltas);

/* Is it the XOR of some of them? */
bool journal_explains (const struct journal_deltas *deltas,
                       uint64_t difference);

/* The hash of this page, which was found in a store file, is this. */
void journal_adopt (struct journal *journal, uint64_t page, uint64_t hash);

/* All intents have been dealt with. */
void journal_clear (struct journal *journal);

uint64_t journal_held_bytes (const struct journal *journal);

#endif

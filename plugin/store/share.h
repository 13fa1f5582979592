/* SPDX-License-Identifier: BSD-3-Clause */
/* Shares: objects that several blocks have in common.
 *
 * A share is a block that no client sees.  Its number lies behind those of the
 * largest disk, it has a slot in the same table and an object in the same
 * arena, and compaction, recompression, writeback and the recount treat it as
 * any block. Blocks that share it have SHARED slots with its number, and a
 * count says how many they are; the last one to go takes it along.
 *
 * A share's block lock is taken inside that of a block which shares it, and is
 * one of other stripes (device.h).  It guards the count, too.
 */
#ifndef ZRAM_SHARE_H
#define ZRAM_SHARE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sparse.h"
#include "table.h"

/* The upper half of the block numbers that an owner can be. */
#define SHARE_BASE (NR_SLOTS_MAX / 2)
#define NR_SHARES_MAX (NR_SLOTS_MAX - SHARE_BASE)

#define NR_FREED_SHARES 1024u

struct shares {
  struct sparse counts;         /* uint32_t each */

  pthread_mutex_t lock;         /* guards where to look for one; innermost */
  uint32_t nr_used;             /* numbers from here on were never taken */
  uint32_t next;                /* where the search for a free one goes on */
  uint32_t nr_freed;
  uint32_t freed[NR_FREED_SHARES];
};

/* -1: a message was given, nothing is held. */
int shares_init (struct shares *shares, struct budget *budget);
void shares_destroy (struct shares *shares);

/* One behind the highest number taken so far. */
uint64_t shares_end (struct shares *shares);

/* Take the number of a free share; its count is 1 then and its slot empty.  -1:
 * ENOSPC or ENOMEM; it will do without sharing. */
int share_take (struct shares *shares, uint64_t *share);

/* A share that was found in a store file has so many users, at least one.  -1:
 * ENOMEM. */
int share_adopt (struct shares *shares, uint64_t share, uint32_t nr_users);

/* The share is empty and may be taken again. */
void share_put (struct shares *shares, uint64_t share);

/* How many blocks share it; 0: it is free. */
static inline _Atomic uint32_t *
share_count (const struct shares *shares, uint64_t share)
{
  return (_Atomic uint32_t *) shares->counts.start + (share - SHARE_BASE);
}

/* Bytes that the counts hold.  No request is in flight. */
uint64_t shares_held_bytes (struct shares *shares);

#endif

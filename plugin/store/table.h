/* SPDX-License-Identifier: BSD-3-Clause */
/* The table: all slots of a device, the truth about where blocks are.
 *
 * One atomic store of 8 bytes commits a block.  The table is a sparse array: a
 * page of it (512 slots, 2 MiB of disk at 4 KiB blocks) that holds only empty
 * slots goes back to the system, so an untouched terabyte costs nothing, and
 * neither does a trimmed one.  Ages (age.h) lie in an array of their own, since
 * they are not part of the truth: a lost age loses no data.
 *
 * Invariants; tests cite the numbers, recount_device verifies 2, 3, 5, 6
 * and 7.
 *  1. A block's content is a function of its slot and what the slot names, of
 *     nothing else.
 *  2. Every live object has exactly one slot that names it, and its owner is
 *     that slot's block.
 *  3. EMPTY and SAME own nothing; WIDE, PACKED and HUGE own one object.
 *  4. A failed store leaves the slot, the object and the statistics as they
 *     were.
 *  5. No object is longer than the largest packed size unless its kind is HUGE;
 *     a huge object has the block's size.
 *  6. Sums over slots are what the statistics say, when no request is in
 *     flight.
 *  7. A table page's use count is the number of its slots that are not empty,
 *     when no request is in flight; the budget counts the pages whose count is
 *     not 0, and those that are kept.
 *  8. A slot changes only under its block's lock and only in table_publish;
 *     whoever published releases what the old slot named.
 *  9. Two writes to different bytes of one block, in any interleaving, both
 *     survive.
 */
#ifndef ZRAM_TABLE_H
#define ZRAM_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "age.h"
#include "budget.h"
#include "journal.h"
#include "slot.h"
#include "sparse.h"

#define SLOTS_IN_PAGE_SHIFT 9           /* 4096 / 8 */
#define SLOTS_IN_PAGE ((uint64_t) 1 << SLOTS_IN_PAGE_SHIFT)
#define AGES_IN_PAGE_SHIFT 11           /* 4096 / 2 */

/* As many as an object's owner can name, so that a disk can grow under its
 * clients; 40 GiB of address space. */
#define NR_SLOTS_MAX ((uint64_t) 1 << 32)

/* Stripes of block locks (device.h).  Enough that 16 threads seldom meet (a
 * write holds one for some microseconds, so 16 random ones collide with
 * probability 16/256 each), and 48 KiB. */
#define NR_BLOCK_LOCKS 256u

/* Behind them, those of shares.  A popular share has many readers, whatever is
 * done here. */
#define NR_SHARE_LOCKS 64u
#define NR_LOCKS (NR_BLOCK_LOCKS + NR_SHARE_LOCKS)

struct table {
  struct sparse slots;
  struct sparse ages;
  struct journal journal;       /* of a table in a store file */
  /* Both change while the device is quiesced. */
  uint64_t nr_slots;            /* of the disk as it is now */
  _Atomic uint64_t first_share; /* from here on slots are shares' (share.h);
                                 * UINT64_MAX: none are */
};

/* Reserve address space, all slots are empty unless they are in a store file.
 * The budget outlives the table.  -1: a message was given, nothing is held. */
int table_init_at (struct table *table, struct memory *memory,
                   uint64_t nr_slots, struct budget *budget);

static inline int
table_init (struct table *table, uint64_t nr_slots, struct budget *budget)
{
  return table_init_at (table, NULL, nr_slots, budget);
}

void table_destroy (struct table *table);

/* Which stripe of locks, and of intents, a block has. */
static inline unsigned
table_stripe (const struct table *table, uint64_t block)
{
  return block >= atomic_load_explicit (&table->first_share,
                                        memory_order_relaxed) ?
    NR_BLOCK_LOCKS + block % NR_SHARE_LOCKS : block % NR_BLOCK_LOCKS;
}

/* Keep the pages of the disk's first slots present, and no others, so that
 * table_prepare cannot fail for them.  Meanwhile nothing is published between
 * the old number and the new one.  -1: ENOSPC or ENOMEM, nothing changed; never
 * for a smaller number. */
int table_keep (struct table *table, uint64_t nr_slots);

/* After a fork pages are shared with the parent: make those that are kept this
 * process's own.  -1: ENOMEM. */
int table_own_kept (struct table *table);

/* Is every slot of this block's page empty?  Late without the locks, never
 * wrong about a slot whose block lock is held. */
static inline bool
table_page_is_empty (const struct table *table, uint64_t block)
{
  return !sparse_is_present (&table->slots, block >> SLOTS_IN_PAGE_SHIFT);
}

static inline _Atomic slot_t *
table_slot (const struct table *table, uint64_t block)
{
  return (_Atomic slot_t *) table->slots.start + block;
}

/* The slot now.  Without the block's lock it can be late, never torn.  A page
 * that is not there is not touched. */
static inline slot_t
table_peek (const struct table *table, uint64_t block)
{
  if (table_page_is_empty (table, block))
    return 0;
  return atomic_load_explicit (table_slot (table, block),
                               memory_order_acquire);
}

/* When a block whose slot is not empty was used last.  Ages are written under
 * the block's lock, and read without it: they can be late. */
static inline _Atomic age_t *
table_age (const struct table *table, uint64_t block)
{
  return (_Atomic age_t *) table->ages.start + block;
}

/* The slot is not empty.  A cache line that would not change is not written
 * to. */
static inline void
table_touch (struct table *table, uint64_t block, age_t age)
{
  _Atomic age_t *noted = table_age (table, block);

  if (atomic_load_explicit (noted, memory_order_relaxed) != age)
    atomic_store_explicit (noted, age, memory_order_relaxed);
}

/* The first block of the next page of slots. */
static inline uint64_t
table_next_page (uint64_t block)
{
  return ((block >> SLOTS_IN_PAGE_SHIFT) + 1) << SLOTS_IN_PAGE_SHIFT;
}

/* Prepare to publish a slot that is not empty: if the block's slot is empty
 * now, its page is made present and gets a user more.  -1: ENOSPC or ENOMEM.
 * The caller holds the block's lock and calls table_publish or table_unprepare
 * next. */
int table_prepare (struct table *table, uint64_t block);
void table_unprepare (struct table *table, uint64_t block);

/* The commit: the block is now what the slot says.  Returns the old slot, which
 * the caller releases.  A slot that is not empty has been prepared.  Cannot
 * fail. */
slot_t table_publish (struct table *table, uint64_t block, slot_t slot);

/* Bytes held for the disk, and for shares up to that number: pages with a user
 * or kept, and their counts.  No request is in flight. */
uint64_t table_held_bytes (const struct table *table, uint64_t shares_end);

/* The use counts are what a recount says.  No request is in flight. */
bool table_check (const struct table *table, uint64_t shares_end);

#endif

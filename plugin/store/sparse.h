/* SPDX-License-Identifier: BSD-3-Clause */
/* A sparse array: pages that are present while somebody uses them, and the
 * first ones for ever if the owner wants that.
 *
 * One reservation of address space, a use count for each page of it.  Whoever
 * needs a page counts itself in and out; the first one has it committed, the
 * last one gives it back.  An absent page reads as zeroes and is never touched.
 *
 * Whoever brings the count to or from 0 sets it to CHANGING for the length of
 * the system call, and others who want the page wait for that.  Readers need no
 * care: they see zeroes before, while and after.
 *
 * Thread-safe; the caller holds its block lock, and takes nothing in here.
 */
#ifndef ZRAM_SPARSE_H
#define ZRAM_SPARSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "budget.h"
#include "pages.h"

struct memory;

struct sparse {
  char *start;
  _Atomic uint16_t *use_counts;
  uint64_t nr_pages;
  _Atomic uint64_t nr_kept_pages;       /* the first ones are always present */
  struct budget *budget;
};

/* What a page costs: itself and its use count. */
#define SPARSE_PAGE_COST (PAGE_BYTES + sizeof (uint16_t))

/* At this place of a store file, or in memory of its own.  -1: a message was
 * given, nothing is held.  The budget outlives the array. */
int sparse_init_at (struct sparse *sparse, struct memory *memory,
                    uint64_t place, uint64_t nr_pages, struct budget *budget);

static inline int
sparse_init (struct sparse *sparse, uint64_t nr_pages, struct budget *budget)
{
  return sparse_init_at (sparse, NULL, 0, nr_pages, budget);
}

void sparse_destroy (struct sparse *sparse);

static inline void *
sparse_page (const struct sparse *sparse, uint64_t page)
{
  return sparse->start + (page << PAGE_SHIFT);
}

/* Does anybody use it?  Late without a user's own count, never wrong with
 * one. */
static inline bool
sparse_is_present (const struct sparse *sparse, uint64_t page)
{
  const uint16_t count = atomic_load_explicit (&sparse->use_counts[page],
                                               memory_order_acquire);

  return count != 0;
}

/* One user more.  -1: ENOSPC or ENOMEM, nothing changed. */
int sparse_get (struct sparse *sparse, uint64_t page);

/* One user less.  Where it is the last one, the page holds only zeroes, or its
 * content is no matter. */
void sparse_put (struct sparse *sparse, uint64_t page);

/* A page that was found in a store file has so many users, at least one.  -1:
 * ENOMEM.  The limit is not asked: what is there is there. */
int sparse_adopt (struct sparse *sparse, uint64_t page, unsigned nr_users);

/* Keep the first pages present, so that sparse_get cannot fail there and costs
 * no system call, and no others.  Meanwhile nobody gets or puts pages between
 * the old number and the new one.  -1: ENOSPC or ENOMEM, nothing changed; never
 * for a smaller number. */
int sparse_keep (struct sparse *sparse, uint64_t nr_pages);

/* After a fork: make the kept pages this process's own.  -1: ENOMEM. */
int sparse_own_kept (struct sparse *sparse);

/* Bytes that these pages hold, with their counts.  No request is in flight. */
uint64_t sparse_held_bytes (const struct sparse *sparse, uint64_t page,
                            uint64_t end);

#endif

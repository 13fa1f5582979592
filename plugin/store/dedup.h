/* SPDX-License-Identifier: BSD-3-Clause */
/* Deduplication: blocks with the same content share one object.
 *
 * An index says for the hash of a content which block may have it.  It is
 * lossy, as a processor's cache is: eight entries to a bucket, no locks, no
 * removal; an entry that is late is found out when the contents are compared,
 * which is done always.  So it can be small, and it need not survive a restart.
 *
 * The kernel's patch keeps a tree of all objects for it; here an entry takes 8
 * bytes, and only the second block with a content costs a comparison.
 */
#ifndef ZRAM_DEDUP_H
#define ZRAM_DEDUP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "budget.h"
#include "slot.h"

struct device;

struct dedup {
  _Atomic uint64_t *entries;    /* NULL: off */
  uint64_t nr_entries;          /* a power of two */
};

/* Make the index so large.  -1: ENOSPC or ENOMEM, it is off. */
int dedup_init (struct dedup *dedup, uint64_t nr_entries,
                struct budget *budget);
void dedup_destroy (struct dedup *dedup, struct budget *budget);

/* Take over the entries of a smaller index.  No request is in flight. */
void dedup_copy (struct dedup *dedup, const struct dedup *smaller);

/* Enough entries for so many blocks. */
uint64_t dedup_entries_for (uint64_t nr_blocks);

static inline bool
dedup_is_on (const struct dedup *dedup)
{
  return dedup->entries != NULL;
}

/* The hash of a content. */
uint32_t dedup_tag (const struct device *device, const void *data);

/* Is there a block with this content?  Then *slot shares its object, and the
 * caller publishes it.  The block is locked. */
bool dedup_find (struct device *device, uint64_t block, uint32_t tag,
                 const void *data, slot_t *slot);

/* The block has this content from now on. */
void dedup_note (struct dedup *dedup, uint32_t tag, uint64_t block);

/* A slot that shared this object does so no more. */
void dedup_release (struct device *device, uint64_t share);

#endif

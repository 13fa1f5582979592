/* SPDX-License-Identifier: BSD-3-Clause */
/* Post-processing: what recompression and writeback have in common.
 *
 * A pass selects blocks, marks them chosen and acts on one after the other.
 * Largest objects come first, since they give most.  No lock is held while a
 * block waits for its turn, and any access takes the mark away: whoever used it
 * meanwhile keeps it as it is.  One pass at a time for each device, under its
 * state lock.
 */
#ifndef ZRAM_POSTPROC_H
#define ZRAM_POSTPROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../store/slot.h"

struct device;

/* Types of blocks; several together mean all of them at once.  0: any. */
#define POSTPROC_HUGE 1u
#define POSTPROC_IDLE 2u
#define POSTPROC_INCOMPRESSIBLE 4u

/* Blocks by number, both ends included. */
struct postproc_range {
  uint64_t first, last;
};

struct postproc_filter {
  unsigned types;
  uint32_t threshold_bytes;     /* at least; 0: any size */
  uint32_t idle_age_s;          /* not 0: unused for longer than that, too */
  const struct postproc_range *ranges;  /* NULL: all blocks */
  size_t nr_ranges;
};

/* What came of a pass. */
struct postproc_result {
  uint64_t nr_tried;
  uint64_t nr_done;
  int64_t freed_bytes;          /* of objects */
};

/* One more condition of the caller's, for a slot that owns an object. */
typedef bool postproc_wants (const struct device *device, slot_t slot,
                             const void *opaque);

struct postproc;

/* Select.  The caller holds the state lock until postproc_end.  NULL: ENOMEM, a
 * message was given. */
struct postproc *postproc_begin (struct device *device,
                                 const struct postproc_filter *filter,
                                 postproc_wants *wants, const void *opaque);

/* The next chosen block, the largest objects first; false: there is none, or
 * the pass has to end (pace.h).  Thread-safe. */
bool postproc_next (struct postproc *postproc, uint64_t *block);

/* This one is not chosen any more. */
void postproc_let_go (struct device *device, uint64_t block);

/* Those that were chosen and had no turn are let go. */
void postproc_end (struct postproc *postproc);

#endif

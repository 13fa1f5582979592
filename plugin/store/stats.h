/* SPDX-License-Identifier: BSD-3-Clause */
/* What is counted.  Each block lock has a set of counters beside it, so that
 * threads do not meet on one cache line; a snapshot is their sum.
 *
 * A snapshot is taken without locks: each counter can be late, none is wrong,
 * and with no request in flight the sums are exact (recount_device
 * proves it).
 */
#ifndef ZRAM_STATS_H
#define ZRAM_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "codec_set.h"

enum stat_id {
  /* What is stored now. */
  STAT_SAME_BLOCKS,             /* same-filled, WIDE ones too */
  STAT_PACKED_BLOCKS,
  STAT_HUGE_BLOCKS,
  STAT_BACKED_BLOCKS,
  STAT_SHARED_BLOCKS,           /* whatever their share is */
  STAT_DAMAGED_BLOCKS,          /* found so in a store file */
  STAT_SHARES,                  /* packed, huge and backed, counted only here */
  STAT_DUP_BYTES,               /* what shares save */
  STAT_OBJECT_BYTES,            /* exact sizes of all objects in the arena */
  STAT_CODEC_BLOCKS,            /* compressed by codec 0, wherever they are */
  STAT_CODEC_BLOCKS_LAST = STAT_CODEC_BLOCKS + NR_CODECS - 1,
  /* What happened so far. */
  STAT_HUGE_SINCE,
  STAT_READS,                   /* blocks, also those touched in part */
  STAT_WRITES,
  STAT_FAILED_READS,
  STAT_FAILED_WRITES,
  STAT_NOTIFY_FREE,             /* blocks freed by trim or zero */
  NR_STATS
};

struct stats {
  _Atomic int64_t values[NR_STATS];
};

/* The plain sums. */
struct stats_snapshot {
  int64_t values[NR_STATS];
};

static inline void
stats_add (struct stats *stats, enum stat_id stat, int64_t value)
{
  atomic_fetch_add_explicit (&stats->values[stat], value,
                             memory_order_relaxed);
}

/* The same for whoever holds the block lock that these counters lie beside,
 * when all others who write this counter hold it too: no locked instruction. */
static inline void
stats_add_locked (struct stats *stats, enum stat_id stat, int64_t value)
{
  atomic_store_explicit (&stats->values[stat],
                         atomic_load_explicit (&stats->values[stat],
                                               memory_order_relaxed) + value,
                         memory_order_relaxed);
}

/* sum += stats */
void stats_sum (struct stats_snapshot *sum, const struct stats *stats);

/* The counter's name, for messages and tables. */
const char *stats_name (enum stat_id stat);

#endif

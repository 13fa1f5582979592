/* SPDX-License-Identifier: BSD-3-Clause */
/* What is counted; see stats.h. */
#include <config.h>

#include "stats.h"

static const char *const names[NR_STATS] = {
  [STAT_SAME_BLOCKS] = "same_blocks",
  [STAT_PACKED_BLOCKS] = "packed_blocks",
  [STAT_HUGE_BLOCKS] = "huge_blocks",
  [STAT_BACKED_BLOCKS] = "backed_blocks",
  [STAT_SHARED_BLOCKS] = "shared_blocks",
  [STAT_DAMAGED_BLOCKS] = "damaged_blocks",
  [STAT_SHARES] = "shares",
  [STAT_DUP_BYTES] = "dup_bytes",
  [STAT_OBJECT_BYTES] = "object_bytes",
  [STAT_CODEC_BLOCKS ... STAT_CODEC_BLOCKS_LAST] = "codec_blocks",
  [STAT_HUGE_SINCE] = "huge_blocks_since",
  [STAT_READS] = "num_reads",
  [STAT_WRITES] = "num_writes",
  [STAT_FAILED_READS] = "failed_reads",
  [STAT_FAILED_WRITES] = "failed_writes",
  [STAT_NOTIFY_FREE] = "notify_free",
};

void
stats_sum (struct stats_snapshot *sum, const struct stats *stats)
{
  for (unsigned i = 0; i < NR_STATS; i++)
    sum->values[i] += atomic_load_explicit (&stats->values[i],
                                            memory_order_relaxed);
}

const char *
stats_name (enum stat_id stat)
{
  return names[stat];
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Attributes that are counters: the kernel's lines, and the single values that
 * it had before them.
 */
#include <config.h>

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "../store/device.h"
#include "../store/live.h"
#include "../store/refill.h"
#include "attributes.h"

/* One look at everything that is shown. */
struct look {
  struct stats_snapshot stats;
  uint32_t block_bytes;
  uint64_t used_bytes, max_used_bytes, limit_bytes;
  uint64_t pages_compacted;
};

static struct look
look_at (struct export *export)
{
  struct device *device = export->device;
  struct look look = {
    .block_bytes = device->block_bytes,
    .used_bytes = device->budget.used_bytes,
    .max_used_bytes = device->budget.max_used_bytes,
    .limit_bytes = device->budget.limit_bytes,
    .pages_compacted = device->pages_compacted,
  };

  device_get_stats (device, &look.stats);
  return look;
}

/* Counters are late on their own, so a sum may be seen below zero. */
static uint64_t
count (const struct look *look, enum stat_id stat)
{
  const int64_t value = look->stats.values[stat];

  return value < 0 ? 0 : value;
}

/* Everything that a read finds, wherever it is. */
static uint64_t
original_bytes (const struct look *look)
{
  return (count (look, STAT_SAME_BLOCKS) + count (look, STAT_PACKED_BLOCKS) +
          count (look, STAT_HUGE_BLOCKS) + count (look, STAT_BACKED_BLOCKS) +
          count (look, STAT_SHARED_BLOCKS)) *
    look->block_bytes;
}

static uint64_t
duplicate_bytes (const struct look *look)
{
  return count (look, STAT_DUP_BYTES);
}

/* The first nine columns are the kernel's, the last is what Android's kernels
 * append. */
int
attribute_show_mm_stat (struct export *export, struct payload *payload)
{
  const struct look look = look_at (export);

  fprintf (payload->out, "%8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64
           " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64
           " %8" PRIu64 "\n", original_bytes (&look),
           count (&look, STAT_OBJECT_BYTES), look.used_bytes, look.limit_bytes,
           look.max_used_bytes, count (&look, STAT_SAME_BLOCKS),
           look.pages_compacted, count (&look, STAT_HUGE_BLOCKS),
           count (&look, STAT_HUGE_SINCE), duplicate_bytes (&look));
  return 0;
}

int
attribute_show_io_stat (struct export *export, struct payload *payload)
{
  const struct look look = look_at (export);

  fprintf (payload->out, "%8" PRIu64 " %8" PRIu64 " %8d %8" PRIu64 "\n",
           count (&look, STAT_FAILED_READS), count (&look, STAT_FAILED_WRITES),
           0, count (&look, STAT_NOTIFY_FREE));
  return 0;
}

int
attribute_show_bd_stat (struct export *export, struct payload *payload)
{
  struct backing_stats stats = { .count = 0 };
  char path[PATH_MAX];

  live_get_backing (export->device, path, sizeof path, &stats);
  fprintf (payload->out, "%8" PRIu64 " %8" PRIu64 " %8" PRIu64 "\n",
           stats.count, stats.reads, stats.writes);
  return 0;
}

/* What is ready for requests now, and how often one did not find it so, since
 * the start: it waited for refill, or used room of a larger class. */
static void
show_reserve (struct arena *arena, struct payload *payload)
{
  struct refill_stats stats;

  refill_get_stats (arena, &stats);
  fprintf (payload->out, "reserve_bytes: %" PRIu64 "\n"
           "reserve_waits: %" PRIu64 "\nreserve_borrows: %" PRIu64 "\n",
           stats.ready_bytes, stats.nr_waits, stats.nr_borrows);
}

/* Both of the kernel's are about locks that it could not get. */
int
attribute_show_debug_stat (struct export *export, struct payload *payload)
{
  struct arena *arena = &export->device->arena;

  fprintf (payload->out, "version: 1\n%8d %8d\n", 0, 0);
  if (arena_has_reserve (arena))
    show_reserve (arena, payload);
  return 0;
}

/* Reads, writes, discards and flushes; for each requests, merges, sectors of
 * 512 bytes and milliseconds; behind the writes what is in flight and two
 * times. */
int
attribute_show_stat (struct export *export, struct payload *payload)
{
  const struct look look = look_at (export);
  const uint64_t sectors = look.block_bytes / 512;
  const uint64_t reads = count (&look, STAT_READS);
  const uint64_t writes = count (&look, STAT_WRITES);
  const uint64_t discards = count (&look, STAT_NOTIFY_FREE);

  fprintf (payload->out, "%8" PRIu64 " %8d %8" PRIu64 " %8d "
           "%8" PRIu64 " %8d %8" PRIu64 " %8d %8d %8d %8d "
           "%8" PRIu64 " %8d %8" PRIu64 " %8d %8d %8d\n",
           reads, 0, reads * sectors, 0, writes, 0, writes * sectors, 0,
           0, 0, 0, discards, 0, discards * sectors, 0, 0, 0);
  return 0;
}

static int
show_value (struct payload *payload, uint64_t value)
{
  fprintf (payload->out, "%" PRIu64 "\n", value);
  return 0;
}

#define SINGLE_VALUE(name, value)                                             \
  int                                                                         \
  attribute_show_##name (struct export *export, struct payload *payload)      \
  {                                                                           \
    const struct look look = look_at (export);                                \
                                                                              \
    return show_value (payload, value);                                       \
  }

SINGLE_VALUE (orig_data_size, original_bytes (&look))
SINGLE_VALUE (compr_data_size, count (&look, STAT_OBJECT_BYTES))
SINGLE_VALUE (mem_used_total, look.used_bytes)
SINGLE_VALUE (mem_used_max, look.max_used_bytes)
SINGLE_VALUE (mem_limit, look.limit_bytes)
SINGLE_VALUE (dup_data_size, duplicate_bytes (&look))
SINGLE_VALUE (zero_pages, count (&look, STAT_SAME_BLOCKS))
SINGLE_VALUE (num_reads, count (&look, STAT_READS))
SINGLE_VALUE (num_writes, count (&look, STAT_WRITES))
SINGLE_VALUE (failed_reads, count (&look, STAT_FAILED_READS))
SINGLE_VALUE (failed_writes, count (&look, STAT_FAILED_WRITES))
SINGLE_VALUE (notify_free, count (&look, STAT_NOTIFY_FREE))
SINGLE_VALUE (pages_compacted, look.pages_compacted)

int
attribute_show_invalid_io (struct export *export, struct payload *payload)
{
  return show_value (payload, 0);
}

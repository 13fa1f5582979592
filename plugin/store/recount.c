/* SPDX-License-Identifier: BSD-3-Clause */
/* The recount; see recount.h. */
#include <config.h>

#include <inttypes.h>
#include <stdlib.h>

#include "block.h"
#include "device.h"
#include "pages.h"
#include "recount.h"
#include "report.h"

struct recount {
  struct stats_snapshot sums;
  uint64_t nr_objects;
  uint64_t nr_borrowed;         /* of them */
  uint8_t *backing_counts;      /* NULL: there is no backing file */
  uint32_t *share_counts;       /* for each share that ever was */
};

static bool
check_object (struct device *device, uint64_t block, slot_t slot)
{
  const enum slot_kind kind = slot_kind (slot);
  const uint32_t size_bytes = slot_size_bytes (slot);
  const bool size_fits =
    kind == SLOT_WIDE ? size_bytes == sizeof (uint64_t) :
    kind == SLOT_HUGE ? size_bytes == device->block_bytes :
    size_bytes <= device->packed_bytes_max;

  if (size_fits && arena_is_owned (&device->arena, slot_place (slot),
                                   size_bytes, block))
    return true;
  report_error ("%s: block %" PRIu64 ": its slot %016" PRIx64
                " names no object of its own", device->name, block, slot);
  return false;
}

static bool
check_seal (const struct device *device, uint64_t block, slot_t slot)
{
  if (block_object_is_intact (device, slot))
    return true;
  report_error ("%s: block %" PRIu64 ": the checksum of its object is wrong",
                device->name, block);
  return false;
}

/* A share is counted as such, and what it saves. */
static void
count_kind (const struct device *device, uint64_t block, enum stat_id stat,
            struct recount *recount)
{
  int64_t *values = recount->sums.values;
  const slot_t slot = table_peek (&device->table, block);

  if (!device_is_share (device, block)) {
    values[stat]++;
    return;
  }
  values[STAT_SHARES]++;
  values[STAT_DUP_BYTES] += (int64_t) slot_size_bytes (slot) *
    (*share_count (&device->shares, block) - 1);
}

static bool
check_shared (const struct device *device, uint64_t block, slot_t slot,
              struct recount *recount)
{
  const uint64_t share = slot_share (slot);

  recount->sums.values[STAT_SHARED_BLOCKS]++;
  if (device_is_share (device, share) &&
      table_peek (&device->table, share) != 0) {
    recount->share_counts[share - SHARE_BASE]++;
    return true;
  }
  report_error ("%s: block %" PRIu64 ": its share %" PRIu64 " is empty",
                device->name, block, share);
  return false;
}

/* Shares come behind the blocks that share them. */
static bool
check_share (const struct device *device, uint64_t share,
             const struct recount *recount)
{
  const uint32_t noted = *share_count (&device->shares, share);
  const uint32_t counted = recount->share_counts[share - SHARE_BASE];

  if (counted == noted)
    return true;
  report_error ("%s: share %" PRIu64 ": %u blocks counted, %u noted",
                device->name, share, counted, noted);
  return false;
}

static bool
check_backed (const struct device *device, uint64_t block, slot_t slot,
              struct recount *recount)
{
  count_kind (device, block, STAT_BACKED_BLOCKS, recount);
  if (slot_is_compressed (slot, device->block_bytes))
    recount->sums.values[STAT_CODEC_BLOCKS + slot_codec (slot)]++;
  if (recount->backing_counts) {
    backing_count (recount->backing_counts, slot_place (slot),
                   slot_size_bytes (slot));
    return true;
  }
  report_error ("%s: block %" PRIu64 ": backed, without a backing file",
                device->name, block);
  return false;
}

static bool
check_slot (struct device *device, uint64_t block, struct recount *recount)
{
  const slot_t slot = table_peek (&device->table, block);
  int64_t *values = recount->sums.values;

  switch (slot_kind (slot)) {
  case SLOT_EMPTY:
    return slot == 0;
  case SLOT_SAME:
    values[STAT_SAME_BLOCKS]++;
    return true;
  case SLOT_WIDE:
    values[STAT_SAME_BLOCKS]++;
    break;
  case SLOT_PACKED:
    count_kind (device, block, STAT_PACKED_BLOCKS, recount);
    break;
  case SLOT_HUGE:
    count_kind (device, block, STAT_HUGE_BLOCKS, recount);
    break;
  case SLOT_BACKED:
    return check_backed (device, block, slot, recount);
  case SLOT_SHARED:
    return check_shared (device, block, slot, recount);
  case SLOT_DAMAGED:
    count_kind (device, block, STAT_DAMAGED_BLOCKS, recount);
    return true;
  default:
    report_error ("%s: block %" PRIu64 ": unknown slot %016" PRIx64,
                  device->name, block, slot);
    return false;
  }
  if (slot_is_compressed (slot, device->block_bytes))
    values[STAT_CODEC_BLOCKS + slot_codec (slot)]++;
  values[STAT_OBJECT_BYTES] += slot_size_bytes (slot);
  recount->nr_objects++;
  recount->nr_borrowed += arena_is_borrowed (&device->arena, slot_place (slot),
                                             slot_size_bytes (slot));
  return check_object (device, block, slot) &&
    check_seal (device, block, slot);
}

static bool
check_slots (struct device *device, struct recount *recount)
{
  bool ok = true;
  uint64_t block;

  for (block = device_next_block (device, 0); block != UINT64_MAX;
       block = device_next_block (device, block + 1)) {
    ok &= check_slot (device, block, recount);
    if (device_is_share (device, block) &&
        table_peek (&device->table, block) != 0)
      ok &= check_share (device, block, recount);
  }
  return ok;
}

static bool
check_stats (struct device *device, const struct recount *recount)
{
  struct stats_snapshot noted;
  bool ok = true;

  device_get_stats (device, &noted);
  for (unsigned i = 0; i <= STAT_CODEC_BLOCKS_LAST; i++)
    if (noted.values[i] != recount->sums.values[i]) {
      report_error ("%s: %s: %" PRId64 " counted, %" PRId64 " noted",
                    device->name, stats_name (i), recount->sums.values[i],
                    noted.values[i]);
      ok = false;
    }
  return ok;
}

static bool
check_budget (struct device *device)
{
  const uint64_t counted = device->fixed_bytes +
    table_held_bytes (&device->table, shares_end (&device->shares)) +
    shares_held_bytes (&device->shares) +
    device->dedup.nr_entries * sizeof *device->dedup.entries +
    (arena_held_pages (&device->arena) << PAGE_SHIFT);
  const uint64_t noted = atomic_load (&device->budget.used_bytes);

  if (counted == noted)
    return true;
  report_error ("%s: %" PRIu64 " bytes held, %" PRIu64 " noted", device->name,
                counted, noted);
  return false;
}

static bool
check_backing (struct device *device, const struct recount *recount)
{
  return !device->backing ||
    backing_check (device->backing, recount->backing_counts);
}

bool
recount_device (struct device *device)
{
  struct recount recount = { .nr_objects = 0 };
  bool ok;

  device_lock (device);
  arena_hold_still (&device->arena);
  device_quiesce_begin (device);
  if (device->backing)
    recount.backing_counts = calloc (backing_nr_pages (device->backing), 1);
  recount.share_counts = calloc (shares_end (&device->shares) - SHARE_BASE + 1,
                                 sizeof *recount.share_counts);
  ok = check_slots (device, &recount);
  ok &= recount.nr_objects == arena_nr_live (&device->arena);
  ok &= recount.nr_borrowed == arena_nr_borrowed (&device->arena);
  ok &= check_stats (device, &recount);
  ok &= table_check (&device->table, shares_end (&device->shares));
  ok &= arena_check (&device->arena);
  ok &= check_budget (device);
  ok &= check_backing (device, &recount);
  free (recount.backing_counts);
  free (recount.share_counts);
  device_quiesce_end (device);
  arena_let_go (&device->arena);
  device_unlock (device);
  return ok;
}

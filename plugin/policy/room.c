/* SPDX-License-Identifier: BSD-3-Clause */
/* Room; see room.h. */
#include <config.h>

#include "../store/device.h"
#include "../store/live.h"
#include "../store/pages.h"
#include "compact.h"
#include "room.h"
#include "writeback.h"

#define STEP_MIN_BYTES (256u << 10)

/* Ages by their number of bits: under a second, one, two or three, ... */
#define NR_AGE_BUCKETS 33

static uint64_t
limit_bytes (struct device *device)
{
  return atomic_load (&device->budget.limit_bytes);
}

uint64_t
room_step_bytes (struct device *device)
{
  const uint64_t step = limit_bytes (device) / 64;

  return step > STEP_MIN_BYTES ? step : STEP_MIN_BYTES;
}

/* What the pool has is held, but room all the same. */
bool
room_is_short (struct device *device, uint64_t bytes)
{
  const uint64_t limit = limit_bytes (device);
  const uint64_t pool_bytes =
    pool_held_pages (&device->arena.pool) << PAGE_SHIFT;

  return limit != 0 &&
    atomic_load (&device->budget.used_bytes) + bytes > limit + pool_bytes;
}

static unsigned
bucket_of (uint32_t age_s)
{
  return age_s == 0 ? 0 : 32 - __builtin_clz (age_s);
}

static void
count_block (struct device *device, uint64_t block, uint64_t now_s,
             uint64_t *buckets)
{
  const slot_t slot = table_peek (&device->table, block);

  if (slot_owns_object (slot))
    buckets[bucket_of (age_seconds (*table_age (&device->table, block),
                                    now_s))] += slot_size_bytes (slot);
}

/* Objects that were not used for longer than this are so many bytes or more, as
 * far as buckets tell; 0: any age. */
static uint32_t
coldest_age (struct device *device, uint64_t bytes)
{
  const uint64_t now_s = age_now_s ();
  uint64_t buckets[NR_AGE_BUCKETS] = { 0 }, block, sum = 0;
  unsigned bucket = NR_AGE_BUCKETS;

  for (block = device_next_block (device, 0); block != UINT64_MAX;
       block = device_next_block (device, block + 1))
    count_block (device, block, now_s, buckets);
  while (bucket > 0 && sum < bytes)
    sum += buckets[--bucket];
  return bucket <= 1 ? 0 : (1u << (bucket - 1)) - 1;
}

/* Under the room lock.  How much memory is held says nothing here: other writes
 * take what becomes free. */
static bool
make (struct device *device, uint64_t bytes)
{
  const struct postproc_filter filter = {
    .idle_age_s = coldest_age (device, bytes),
  };
  struct postproc_result result;
  const int r = writeback_some (device, &filter, pages_for_bytes (bytes),
                                &result);

  /* Whatever stopped it, what was moved counts. */
  if (result.nr_done > 0)
    compact_device (device);
  else if (r == -1)
    device->room_failed_s = age_now_s ();
  return result.nr_done > 0;
}

/* A full file is not asked again in the same second: each time costs a scan. */
static bool
may_help (struct device *device)
{
  struct backing_stats stats;
  char path[1];

  return live_get_backing (device, path, sizeof path, &stats) &&
    device->room_failed_s != age_now_s ();
}

/* Who waited for the lock finds the room that another one made. */
bool
room_make (struct device *device, uint64_t bytes)
{
  bool made;

  pthread_mutex_lock (&device->room_lock);
  made = !room_is_short (device, bytes / 2) ||
    (may_help (device) && make (device, bytes));
  pthread_mutex_unlock (&device->room_lock);
  return made;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Deduplication; see dedup.h.
 *
 * An entry: the hash in the upper half, the block's number in the lower one.
 * The number of a bucket is the hash's upper bits, so that an index can grow
 * without the contents.
 *
 * Whoever looks holds the lock of the block it stores.  The other block's lock
 * it only tries, so two of them cannot wait for each other; a block of the same
 * stripe is locked already.
 */
#include <config.h>

#include <alloca.h>
#include <errno.h>
#include <string.h>
#ifdef HAVE_XXHASH
#include <xxhash.h>
#endif

#include "block.h"
#include "crash.h"
#include "dedup.h"
#include "device.h"
#include "pages.h"

#define BUCKET_ENTRIES 8u       /* a cache line */
#define NR_ENTRIES_MIN 65536u

/* Making. */

uint64_t
dedup_entries_for (uint64_t nr_blocks)
{
  uint64_t nr = NR_ENTRIES_MIN;

  while (nr < nr_blocks && nr < SHARE_BASE)
    nr *= 2;
  return nr;
}

int
dedup_init (struct dedup *dedup, uint64_t nr_entries, struct budget *budget)
{
  const uint64_t bytes = nr_entries * sizeof *dedup->entries;

  if (budget_take (budget, bytes) == -1)
    return -1;
  dedup->entries = pages_reserve (bytes);
  if (!dedup->entries) {
    budget_give (budget, bytes);
    return -1;
  }
  dedup->nr_entries = nr_entries;
  return 0;
}

void
dedup_destroy (struct dedup *dedup, struct budget *budget)
{
  const uint64_t bytes = dedup->nr_entries * sizeof *dedup->entries;

  if (!dedup->entries)
    return;
  pages_unreserve (dedup->entries, bytes);
  budget_give (budget, bytes);
  dedup->entries = NULL;
  dedup->nr_entries = 0;
}

/* The index. */

uint32_t
dedup_tag (const struct device *device, const void *data)
{
#ifdef HAVE_XXHASH
  return XXH3_64bits (data, device->block_bytes);
#else
  return 0;
#endif
}

static _Atomic uint64_t *
bucket_of (const struct dedup *dedup, uint32_t tag)
{
  const uint64_t nr_buckets = dedup->nr_entries / BUCKET_ENTRIES;

  return &dedup->entries[(tag * nr_buckets >> 32) * BUCKET_ENTRIES];
}

static uint64_t
entry_of (uint32_t tag, uint64_t block)
{
  return (uint64_t) tag << 32 | (uint32_t) block;
}

/* Which one to write over: the same one, the first empty one, or any. */
static unsigned
victim (_Atomic uint64_t *bucket, uint64_t entry)
{
  unsigned found = entry % BUCKET_ENTRIES;

  for (unsigned i = BUCKET_ENTRIES; i-- > 0; ) {
    const uint64_t here =
      atomic_load_explicit (&bucket[i], memory_order_relaxed);

    if (here == entry)
      return i;
    if (here == 0)
      found = i;
  }
  return found;
}

void
dedup_note (struct dedup *dedup, uint32_t tag, uint64_t block)
{
  _Atomic uint64_t *bucket = bucket_of (dedup, tag);
  const uint64_t entry = entry_of (tag, block);

  atomic_store_explicit (&bucket[victim (bucket, entry)], entry,
                         memory_order_relaxed);
}

void
dedup_copy (struct dedup *dedup, const struct dedup *smaller)
{
  for (uint64_t i = 0; i < smaller->nr_entries; i++) {
    const uint64_t entry = atomic_load (&smaller->entries[i]);

    if (entry != 0)
      dedup_note (dedup, entry >> 32, (uint32_t) entry);
  }
}

/* Comparing. */

/* Does the block have this content, in an object in memory?  It is locked.
 * What lies in the backing file is not read for this. */
static bool
has_content (struct device *device, uint64_t block, const void *data)
{
  const slot_t slot = table_peek (&device->table, block);
  uint8_t *content = device_block_buffer (device);

  return (slot_kind (slot) == SLOT_PACKED || slot_kind (slot) == SLOT_HUGE) &&
    block_load_slot (device, block, slot, content) == 0 &&
    memcmp (content, data, device->block_bytes) == 0;
}

/* Shares. */

static void
count_duplicate (struct device *device, uint64_t share, int times)
{
  const slot_t slot = table_peek (&device->table, share);

  stats_add_locked (device_stats (device, share), STAT_DUP_BYTES,
                    times * (int) slot_size_bytes (slot));
}

static bool
join (struct device *device, uint64_t share, const void *data, slot_t *slot)
{
  bool same;

  device_lock_block (device, share);
  same = has_content (device, share, data);
  if (same) {
    atomic_fetch_add (share_count (&device->shares, share), 1);
    count_duplicate (device, share, 1);
    crash_point ("share-counted");
    *slot = slot_of_share (share);
  }
  device_unlock_block (device, share);
  return same;
}

/* The share has a number and a page in the table: move the other block's object
 * to it.  All three are locked. */
static void
convert (struct device *device, uint64_t other, uint64_t share)
{
  const slot_t slot = table_peek (&device->table, other);

  atomic_store (share_count (&device->shares, share), 2);
  block_give_object (device, other, share,
                     slot_without_flag (slot, SLOT_CHOSEN));
}

static bool
make_share (struct device *device, uint64_t other, slot_t *slot)
{
  uint64_t share;

  if (share_take (&device->shares, &share) == -1)
    return false;
  device_lock_block (device, share);
  if (table_prepare (&device->table, share) == -1) {
    device_unlock_block (device, share);
    share_put (&device->shares, share);
    return false;
  }
  convert (device, other, share);
  device_unlock_block (device, share);
  *slot = slot_of_share (share);
  return true;
}

/* Locked already, as one of the same stripe, or now. */
static bool
try_lock_other (struct device *device, uint64_t block, uint64_t other)
{
  struct block_lock *lock = device_block_lock (device, other);

  if (lock == device_block_lock (device, block))
    return true;
  if (pthread_mutex_trylock (&lock->lock) != 0)
    return false;
  if (!lock->quiesced)
    return true;
  pthread_mutex_unlock (&lock->lock);
  return false;
}

static void
unlock_other (struct device *device, uint64_t block, uint64_t other)
{
  struct block_lock *lock = device_block_lock (device, other);

  if (lock != device_block_lock (device, block))
    pthread_mutex_unlock (&lock->lock);
}

static bool
share_with (struct device *device, uint64_t block, uint64_t other,
            const void *data, slot_t *slot)
{
  bool shared;

  if (other == block || !try_lock_other (device, block, other))
    return false;
  shared = has_content (device, other, data) &&
    make_share (device, other, slot);
  unlock_other (device, block, other);
  return shared;
}

static bool
try_entry (struct device *device, uint64_t block, _Atomic uint64_t *entry,
           const void *data, slot_t *slot)
{
  const uint64_t noted = atomic_load_explicit (entry, memory_order_relaxed);
  const uint64_t other = (uint32_t) noted;

  if (device_is_share (device, other))
    return join (device, other, data, slot);
  if (!share_with (device, block, other, data, slot))
    return false;
  atomic_store_explicit (entry, entry_of (noted >> 32, slot_share (*slot)),
                         memory_order_relaxed);
  return true;
}

bool
dedup_find (struct device *device, uint64_t block, uint32_t tag,
            const void *data, slot_t *slot)
{
  _Atomic uint64_t *bucket = bucket_of (&device->dedup, tag);

  *slot = 0;
  for (unsigned i = 0; i < BUCKET_ENTRIES; i++) {
    const uint64_t entry =
      atomic_load_explicit (&bucket[i], memory_order_relaxed);

    if (entry != 0 && entry >> 32 == tag &&
        try_entry (device, block, &bucket[i], data, slot))
      return true;
  }
  return false;
}

/* Called with the lock of the block that goes, or under quiescence. */
void
dedup_release (struct device *device, uint64_t share)
{
  _Atomic uint32_t *count = share_count (&device->shares, share);

  device_lock_block (device, share);
  if (atomic_load (count) > 1) {
    atomic_fetch_sub (count, 1);
    count_duplicate (device, share, -1);
  }
  else {
    block_clear_share (device, share);
    share_put (&device->shares, share);
  }
  device_unlock_block (device, share);
}

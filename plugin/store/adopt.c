/* SPDX-License-Identifier: BSD-3-Clause */
/* Adoption; see adopt.h.
 *
 * 1. find the pages of the table that hold something        (reads)
 * 2. look at each slot: what it names is claimed            (reads, parallel)
 * 3. decide about shares, and objects on their way to one
 * 4. mark slots that are damaged, empty those that are void (writes)
 * 5. count: pages' users, hashes, statistics                (writes, parallel)
 * 6. make zspages                                           (writes, parallel)
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adopt.h"
#include "arena_adopt.h"
#include "block.h"
#include "crash.h"
#include "device.h"
#include "memory.h"
#include "pages.h"
#include "report.h"

/* More threads than this wait for memory, not for a processor. */
#define NR_THREADS_MAX 8u

/* A thread takes so many pages, or spans, at a time. */
#define BATCH 16u

/* Some blocks, by number. */
struct blocks {
  uint64_t *numbers;
  size_t nr, capacity;
};

struct adoption {
  struct device *device;
  struct arena_claims claims;
  struct blocks pages;          /* of slots, that hold something */
  uint16_t *nr_users;           /* of each of these */
  _Atomic uint32_t *share_refs; /* NULL: there are no shares */
  struct stats stats;
  _Atomic size_t next;          /* page or span for the next thread */
  _Atomic bool failed;          /* no memory for a list */
  _Atomic bool beyond;          /* there is a slot behind the end of the disk */

  pthread_mutex_t lock;         /* guards what follows */
  struct blocks damaged, void_slots, shares, contested;
};

#define REFS_BYTES (NR_SHARES_MAX * sizeof (uint32_t))

static void
blocks_add (struct adoption *adoption, struct blocks *blocks, uint64_t number)
{
  pthread_mutex_lock (&adoption->lock);
  if (blocks->nr == blocks->capacity) {
    const size_t capacity = blocks->capacity * 2 + 64;
    uint64_t *numbers = reallocarray (blocks->numbers, capacity,
                                      sizeof *numbers);

    if (!numbers)
      adoption->failed = true;
    else {
      blocks->numbers = numbers;
      blocks->capacity = capacity;
    }
  }
  if (blocks->nr < blocks->capacity)
    blocks->numbers[blocks->nr++] = number;
  pthread_mutex_unlock (&adoption->lock);
}

/* Threads. */

struct task {
  struct adoption *adoption;
  void (*do_one) (struct adoption *adoption, size_t i);
  size_t end;
};

static void *
run_task (void *opaque)
{
  const struct task *task = opaque;
  size_t i;

  while ((i = atomic_fetch_add (&task->adoption->next, BATCH)) < task->end)
    for (size_t end = i + BATCH; i < end && i < task->end; i++)
      task->do_one (task->adoption, i);
  return NULL;
}

/* Without threads this one does it all. */
static void
in_parallel (struct adoption *adoption, size_t end,
             void (*do_one) (struct adoption *adoption, size_t i))
{
  struct task task = { adoption, do_one, end };
  const long nr_processors = sysconf (_SC_NPROCESSORS_ONLN);
  pthread_t threads[NR_THREADS_MAX];
  unsigned nr = 0;

  adoption->next = 0;
  while (nr + 1 < NR_THREADS_MAX && (long) nr + 1 < nr_processors &&
         end > (nr + 1) * BATCH &&
         pthread_create (&threads[nr], NULL, run_task, &task) == 0)
    nr++;
  run_task (&task);
  while (nr > 0)
    pthread_join (threads[--nr], NULL);
}

/* 1. Pages of slots. */

#define NR_PAGES (NR_SLOTS_MAX >> SLOTS_IN_PAGE_SHIFT)

static void
add_pages (struct adoption *adoption, struct blocks *pages, uint64_t page,
           uint64_t end)
{
  for (; page < end; page++)
    blocks_add (adoption, pages, page);
}

/* Pages that are there. */
static void
find_present (struct adoption *adoption, struct blocks *pages)
{
  const struct memory *memory = &adoption->device->memory;
  uint64_t from = SUPER_AT_SLOTS, run_end;

  for (; memory_next_run (memory, &from, &run_end, SUPER_AT_AGES);
       from = run_end)
    add_pages (adoption, pages, (from - SUPER_AT_SLOTS) >> PAGE_SHIFT,
               (run_end - SUPER_AT_SLOTS) >> PAGE_SHIFT);
}

/* Pages whose hash says that they should be there. */
static void
find_hashed (struct adoption *adoption, struct blocks *pages)
{
  const struct memory *memory = &adoption->device->memory;
  const _Atomic uint64_t *hashes = adoption->device->table.journal.hashes;
  uint64_t from = SUPER_AT_HASHES, run_end;

  for (; memory_next_run (memory, &from, &run_end, SUPER_AT_DICTS);
       from = run_end)
    for (uint64_t page = (from - SUPER_AT_HASHES) / sizeof (uint64_t);
         page < (run_end - SUPER_AT_HASHES) / sizeof (uint64_t) &&
         page < NR_PAGES; page++)
      if (hashes[page] != 0)
        blocks_add (adoption, pages, page);
}

/* Without shares only those of the disk can be there. */
static void
find_all (struct adoption *adoption)
{
  const struct device *device = adoption->device;

  add_pages (adoption, &adoption->pages, 0,
             pages_for_bytes (device->nr_blocks * sizeof (slot_t)));
  if (device_is_share (device, SHARE_BASE))
    add_pages (adoption, &adoption->pages, SHARE_BASE >> SLOTS_IN_PAGE_SHIFT,
               NR_PAGES);
}

/* Both are in order. */
static void
merge_pages (struct adoption *adoption, const struct blocks *one,
             const struct blocks *other)
{
  size_t i = 0, j = 0;

  while (i < one->nr || j < other->nr) {
    const uint64_t a = i < one->nr ? one->numbers[i] : UINT64_MAX;
    const uint64_t b = j < other->nr ? other->numbers[j] : UINT64_MAX;

    blocks_add (adoption, &adoption->pages, a < b ? a : b);
    i += a <= b;
    j += b <= a;
  }
}

static int
find_pages (struct adoption *adoption)
{
  struct blocks present = { .nr = 0 }, hashed = { .nr = 0 };

  if (memory_knows_holes (&adoption->device->memory)) {
    find_present (adoption, &present);
    find_hashed (adoption, &hashed);
    merge_pages (adoption, &present, &hashed);
  }
  else
    find_all (adoption);
  free (present.numbers);
  free (hashed.numbers);
  adoption->nr_users = calloc (adoption->pages.nr + 1, sizeof (uint16_t));
  return adoption->failed || !adoption->nr_users ? -1 : 0;
}

static const _Atomic slot_t *
slots_of_page (const struct adoption *adoption, uint64_t page)
{
  return table_slot (&adoption->device->table, page << SLOTS_IN_PAGE_SHIFT);
}

/* 2. Slots. */

static bool
has_possible_size (const struct device *device, slot_t slot)
{
  const uint32_t size_bytes = slot_size_bytes (slot);

  switch (slot_kind (slot)) {
  case SLOT_WIDE:
    return size_bytes == sizeof (uint64_t);
  case SLOT_HUGE:
    return size_bytes == device->block_bytes;
  case SLOT_BACKED:
    if (size_bytes == device->block_bytes)
      return true;
    /* fall through */
  default:
    return size_bytes <= device->packed_bytes_max &&
      device->codecs.codecs[slot_codec (slot)];
  }
}

/* An object whose owner is a share may be on its way there: the owner is
 * changed before the slots are. */
static void
look_at_object (struct adoption *adoption, uint64_t block, slot_t slot)
{
  const struct device *device = adoption->device;
  struct arena_found found;

  if (!has_possible_size (device, slot) ||
      !arena_find (&device->arena, slot_place (slot), slot_size_bytes (slot),
                   &found))
    blocks_add (adoption, &adoption->damaged, block);
  else if (found.owner != block)
    blocks_add (adoption, device_is_share (device, found.owner) ?
                &adoption->contested : &adoption->damaged, block);
  else if (device_is_share (device, block))
    blocks_add (adoption, &adoption->shares, block);
  else if (!arena_claim (&adoption->claims, &found))
    blocks_add (adoption, &adoption->damaged, block);
}

static void
look_at_backed (struct adoption *adoption, uint64_t block, slot_t slot)
{
  const struct device *device = adoption->device;

  if (!device->backing || !has_possible_size (device, slot) ||
      !backing_has_room (device->backing, slot_place (slot),
                         slot_size_bytes (slot)))
    blocks_add (adoption, &adoption->damaged, block);
  else if (device_is_share (device, block))
    blocks_add (adoption, &adoption->shares, block);
}

static void
look_at_shared (struct adoption *adoption, uint64_t block, slot_t slot)
{
  const struct device *device = adoption->device;
  const uint64_t share = slot_share (slot);

  if (share < NR_SLOTS_MAX && device_is_share (device, share) &&
      *table_slot (&device->table, share) != 0)
    atomic_fetch_add (&adoption->share_refs[share - SHARE_BASE], 1);
  else
    blocks_add (adoption, &adoption->damaged, block);
}

static bool
is_block (const struct device *device, uint64_t block)
{
  return block < device->nr_blocks || device_is_share (device, block);
}

/* suspicious: the page's hash is wrong, so slots that say all themselves may
 * say anything. */
static void
look_at_slot (struct adoption *adoption, uint64_t block, slot_t slot,
              bool suspicious)
{
  if (!is_block (adoption->device, block)) {
    adoption->beyond |= slot != 0;
    return;
  }
  switch (slot_kind (slot)) {
  case SLOT_EMPTY:
  case SLOT_SAME:
    if (suspicious || (slot_kind (slot) == SLOT_EMPTY && slot != 0))
      blocks_add (adoption, &adoption->damaged, block);
    break;
  case SLOT_WIDE:
  case SLOT_PACKED:
  case SLOT_HUGE:
    look_at_object (adoption, block, slot);
    break;
  case SLOT_BACKED:
    look_at_backed (adoption, block, slot);
    break;
  case SLOT_SHARED:
    if (suspicious)
      blocks_add (adoption, &adoption->damaged, block);
    else
      look_at_shared (adoption, block, slot);
    break;
  case SLOT_DAMAGED:
    blocks_add (adoption, &adoption->damaged, block);
    break;
  }
}

static bool
is_suspicious (const struct adoption *adoption, uint64_t page, uint64_t hash)
{
  const struct journal *journal = &adoption->device->table.journal;
  struct journal_deltas deltas;

  if (hash == journal->hashes[page])
    return false;
  journal_get_deltas (journal, page, slots_of_page (adoption, page), &deltas);
  return !journal_explains (&deltas, hash ^ journal->hashes[page]);
}

static uint64_t
hash_page (const struct adoption *adoption, uint64_t page)
{
  const _Atomic slot_t *slots = slots_of_page (adoption, page);
  const uint64_t first = page << SLOTS_IN_PAGE_SHIFT;
  uint64_t hash = 0;

  for (unsigned i = 0; i < SLOTS_IN_PAGE; i++)
    hash ^= journal_hash (first + i, slots[i]);
  return hash;
}

static void
look_at_page (struct adoption *adoption, size_t i)
{
  const uint64_t page = adoption->pages.numbers[i];
  const _Atomic slot_t *slots = slots_of_page (adoption, page);
  const bool suspicious =
    is_suspicious (adoption, page, hash_page (adoption, page));

  for (unsigned at = 0; at < SLOTS_IN_PAGE; at++)
    if (slots[at] != 0 || suspicious)
      look_at_slot (adoption, (page << SLOTS_IN_PAGE_SHIFT) + at, slots[at],
                    suspicious);
}

/* 3. Shares. */

static uint32_t
nr_refs (const struct adoption *adoption, uint64_t share)
{
  return adoption->share_refs ?
    adoption->share_refs[share - SHARE_BASE] : 0;
}

static bool
find_again (const struct adoption *adoption, uint64_t block,
            struct arena_found *found)
{
  const slot_t slot = *table_slot (&adoption->device->table, block);

  return arena_find (&adoption->device->arena, slot_place (slot),
                     slot_size_bytes (slot), found);
}

/* Nobody shares it: its only block was to, or does no more. */
static void
decide_share (struct adoption *adoption, uint64_t share)
{
  const slot_t slot = *table_slot (&adoption->device->table, share);
  struct arena_found found;

  if (nr_refs (adoption, share) == 0)
    blocks_add (adoption, &adoption->void_slots, share);
  else if (slot_owns_object (slot) &&
           !(find_again (adoption, share, &found) &&
             arena_claim (&adoption->claims, &found)))
    blocks_add (adoption, &adoption->damaged, share);
}

/* The block's object, if the share did not come to be. */
static void
decide_contested (struct adoption *adoption, uint64_t block)
{
  struct arena_found found;

  if (!device_is_share (adoption->device, block) &&
      find_again (adoption, block, &found) &&
      nr_refs (adoption, found.owner) == 0 &&
      arena_claim (&adoption->claims, &found))
    arena_found_give (&adoption->device->arena, &found, block);
  else
    blocks_add (adoption, &adoption->damaged, block);
}

static void
decide (struct adoption *adoption)
{
  for (size_t i = 0; i < adoption->shares.nr; i++)
    decide_share (adoption, adoption->shares.numbers[i]);
  for (size_t i = 0; i < adoption->contested.nr; i++)
    decide_contested (adoption, adoption->contested.numbers[i]);
}

/* 4. Marks. */

static void
mark_slots (struct adoption *adoption)
{
  const struct table *table = &adoption->device->table;

  for (size_t i = 0; i < adoption->damaged.nr; i++) {
    const uint64_t block = adoption->damaged.numbers[i];
    const bool is_void = device_is_share (adoption->device, block) &&
      nr_refs (adoption, block) == 0;

    *table_slot (table, block) = is_void ? 0 : SLOT_DAMAGED;
    crash_point ("adopt-damaged");
  }
  for (size_t i = 0; i < adoption->void_slots.nr; i++)
    *table_slot (table, adoption->void_slots.numbers[i]) = 0;
}

/* 5. Counts. */

static void
count_slot (struct adoption *adoption, uint64_t block, slot_t slot,
            struct stats *stats)
{
  const struct device *device = adoption->device;

  if (device_is_share (device, block))
    return;                     /* its count is not known yet */
  block_count (device, block, slot, stats);
  if (slot_kind (slot) == SLOT_BACKED)
    backing_hold (device->backing, slot_place (slot), slot_size_bytes (slot));
}

static void
add_stats (struct adoption *adoption, const struct stats *stats)
{
  for (unsigned i = 0; i < NR_STATS; i++)
    if (stats->values[i] != 0)
      stats_add (&adoption->stats, i, stats->values[i]);
}

static void
count_page (struct adoption *adoption, size_t i)
{
  const uint64_t page = adoption->pages.numbers[i];
  const _Atomic slot_t *slots = slots_of_page (adoption, page);
  struct stats stats = { .values = { 0 } };

  for (unsigned at = 0; at < SLOTS_IN_PAGE; at++)
    if (slots[at] != 0) {
      adoption->nr_users[i]++;
      count_slot (adoption, (page << SLOTS_IN_PAGE_SHIFT) + at, slots[at],
                  &stats);
    }
  add_stats (adoption, &stats);
}

/* Hashes of one page of them are counted once. */
static void
note_hashes (struct adoption *adoption)
{
  for (size_t i = 0; i < adoption->pages.nr; i++) {
    const uint64_t page = adoption->pages.numbers[i];

    journal_adopt (&adoption->device->table.journal, page,
                   hash_page (adoption, page));
    crash_point ("adopt-hash");
  }
  journal_clear (&adoption->device->table.journal);
}

/* Pages of ages are four times as many blocks long, and pages are in order. */
static int
hold_pages (struct adoption *adoption)
{
  struct table *table = &adoption->device->table;
  const unsigned shift = AGES_IN_PAGE_SHIFT - SLOTS_IN_PAGE_SHIFT;
  unsigned nr_users = 0;

  for (size_t i = 0; i < adoption->pages.nr; i++) {
    const uint64_t page = adoption->pages.numbers[i];

    if (adoption->nr_users[i] == 0)
      pages_release (sparse_page (&table->slots, page), PAGE_BYTES);
    else if (sparse_adopt (&table->slots, page, adoption->nr_users[i]) == -1)
      return -1;
    nr_users += adoption->nr_users[i];
    if (i + 1 < adoption->pages.nr &&
        adoption->pages.numbers[i + 1] >> shift == page >> shift)
      continue;
    if (nr_users > 0 &&
        sparse_adopt (&table->ages, page >> shift, nr_users) == -1)
      return -1;
    nr_users = 0;
  }
  return 0;
}

static int
hold_share (struct adoption *adoption, uint64_t share)
{
  struct device *device = adoption->device;
  const slot_t slot = *table_slot (&device->table, share);
  const uint32_t refs = nr_refs (adoption, share);

  if (slot == 0)
    return 0;
  if (share_adopt (&device->shares, share, refs) == -1)
    return -1;
  block_count (device, share, slot, &adoption->stats);
  if (slot_kind (slot) == SLOT_BACKED)
    backing_hold (device->backing, slot_place (slot), slot_size_bytes (slot));
  return 0;
}

/* Those that are damaged now were shares before, too. */
static int
hold_shares (struct adoption *adoption)
{
  const struct blocks *damaged = &adoption->damaged;
  const struct blocks *shares = &adoption->shares;

  for (size_t i = 0; i < shares->nr; i++)
    if (slot_kind (*table_slot (&adoption->device->table, shares->numbers[i]))
        != SLOT_DAMAGED && hold_share (adoption, shares->numbers[i]) == -1)
      return -1;
  for (size_t i = 0; i < damaged->nr; i++)
    if (device_is_share (adoption->device, damaged->numbers[i]) &&
        hold_share (adoption, damaged->numbers[i]) == -1)
      return -1;
  return 0;
}

/* 6. Zspages. */

static void
adopt_span (struct adoption *adoption, size_t i)
{
  arena_adopt_span (&adoption->claims, i);
}

/* All steps. */

static int
read_slots (struct adoption *adoption)
{
  if (find_pages (adoption) == -1)
    return -1;
  in_parallel (adoption, adoption->pages.nr, look_at_page);
  if (adoption->beyond) {
    errno = EUCLEAN;
    return -1;
  }
  decide (adoption);
  return adoption->failed ? -1 : 0;
}

static int
write_counts (struct adoption *adoption)
{
  struct device *device = adoption->device;

  mark_slots (adoption);
  in_parallel (adoption, adoption->pages.nr, count_page);
  note_hashes (adoption);
  if (hold_pages (adoption) == -1 || hold_shares (adoption) == -1)
    return -1;
  for (unsigned i = 0; i < NR_STATS; i++)
    stats_add (&device->block_locks[0].stats, i, adoption->stats.values[i]);
  in_parallel (adoption, device->arena.nr_spans_max, adopt_span);
  arena_adopt_end (&adoption->claims);
  return 0;
}

static int
adopt (struct adoption *adoption)
{
  const struct device *device = adoption->device;
  int r;

  if (arena_claims_init (&adoption->claims, &adoption->device->arena) == -1)
    return -1;
  r = read_slots (adoption);
  if (r == 0)
    r = write_counts (adoption);
  if (r == -1)
    report_error ("%s: %s", device->memory.path, adoption->beyond ?
                  "it is damaged: blocks are stored behind the end of the disk"
                  : "no memory to adopt it");
  else if (adoption->damaged.nr > 0)
    report_error ("%s: %zu blocks are damaged and cannot be read until they "
                  "are written", device->memory.path, adoption->damaged.nr);
  arena_claims_destroy (&adoption->claims);
  return r;
}

static int
open_backing (struct device *device, const struct backing_params *given)
{
  const struct super *super = &device->memory.super;
  struct backing_params params = {
    .path = super->backing_path, .size_bytes = super->backing_bytes,
    .nonce = super->backing_nonce, .key = given ? given->key : NULL,
  };

  if (super->backing_nonce == 0)
    return 0;
  device->backing = backing_open (&params);
  if (!device->backing)
    return -1;
  budget_force (&device->budget, backing_held_bytes (device->backing));
  device->fixed_bytes += backing_held_bytes (device->backing);
  return 0;
}

static int
map_refs (struct adoption *adoption)
{
  if (!adoption->device->memory.super.has_shares)
    return 0;
  adoption->device->table.first_share = SHARE_BASE;
  adoption->share_refs = pages_reserve (REFS_BYTES);
  return adoption->share_refs ? 0 : -1;
}

/* The index of contents is made anew; without memory for it blocks are not
 * shared. */
static void
begin_dedup (struct device *device)
{
  struct stats_snapshot stats;

  device_get_stats (device, &stats);
  if (device->memory.super.use_dedup)
    dedup_init (&device->dedup,
                dedup_entries_for (stats.values[STAT_PACKED_BLOCKS]),
                &device->budget);
}

static void
free_adoption (struct adoption *adoption)
{
  free (adoption->pages.numbers);
  free (adoption->damaged.numbers);
  free (adoption->void_slots.numbers);
  free (adoption->shares.numbers);
  free (adoption->contested.numbers);
  free (adoption->nr_users);
  pages_unreserve ((void *) adoption->share_refs, REFS_BYTES);
  pthread_mutex_destroy (&adoption->lock);
}

/* What is there is there, whatever the limit is. */
int
adopt_device (struct device *device, const struct backing_params *backing)
{
  struct adoption adoption = { .device = device };
  const uint64_t limit_bytes = device->budget.limit_bytes;
  int r = -1;

  pthread_mutex_init (&adoption.lock, NULL);
  device->budget.limit_bytes = 0;
  if (map_refs (&adoption) == 0 && open_backing (device, backing) == 0)
    r = adopt (&adoption);
  device->budget.limit_bytes = limit_bytes;
  free_adoption (&adoption);
  if (r == 0)
    begin_dedup (device);
  return r;
}

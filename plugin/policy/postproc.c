/* SPDX-License-Identifier: BSD-3-Clause */
/* Post-processing; see postproc.h.
 *
 * The kernel keeps a list entry for each candidate.  A terabyte has too many:
 * here one scan of the table counts candidates in buckets of 64 bytes of size,
 * and further scans collect them, from the largest buckets down, some hundred
 * thousand at a time.
 */
#include <config.h>

#include <stdlib.h>

#include "../store/block.h"
#include "../store/device.h"
#include "../store/report.h"
#include "pace.h"
#include "postproc.h"

#define BUCKET_SHIFT 6
#define NR_BUCKETS ((BLOCK_BYTES_MAX >> BUCKET_SHIFT) + 1)

/* 2 MiB of them: fewer scans than a disk of 64 GiB has seconds of work. */
#define NR_CHOSEN_MAX 262144u

struct choice {
  uint32_t block, size_bytes;
};

struct postproc {
  struct device *device;
  struct postproc_filter filter;
  postproc_wants *wants;
  const void *opaque;
  uint64_t now_s;

  pthread_mutex_t lock;         /* guards what follows; outside block locks */
  uint64_t histogram[NR_BUCKETS];
  unsigned bucket_end;          /* buckets from here on are done */
  unsigned first_bucket, last_bucket;   /* those being collected */
  uint64_t next_block;          /* of the scan that collects them */
  uint32_t nr_chosen, next_chosen;
  struct choice chosen[NR_CHOSEN_MAX];
};

static unsigned
bucket_of (slot_t slot)
{
  return slot_size_bytes (slot) >> BUCKET_SHIFT;
}

static bool
in_ranges (const struct postproc_filter *filter, uint64_t block)
{
  if (!filter->ranges)
    return true;
  for (size_t i = 0; i < filter->nr_ranges; i++)
    if (filter->ranges[i].first <= block && block <= filter->ranges[i].last)
      return true;
  return false;
}

static bool
has_types (unsigned types, slot_t slot, age_t age)
{
  return
    (!(types & POSTPROC_HUGE) || slot_kind (slot) == SLOT_HUGE) &&
    (!(types & POSTPROC_IDLE) || age_is_idle (age)) &&
    (!(types & POSTPROC_INCOMPRESSIBLE) ||
     slot_has_flag (slot, SLOT_INCOMPRESSIBLE));
}

static bool
is_candidate (const struct postproc *postproc, uint64_t block)
{
  const struct postproc_filter *filter = &postproc->filter;
  const struct table *table = &postproc->device->table;
  const slot_t slot = table_peek (table, block);
  const age_t age = *table_age (table, block);

  return slot_owns_object (slot) && slot_kind (slot) != SLOT_WIDE &&
    slot_size_bytes (slot) >= filter->threshold_bytes &&
    in_ranges (filter, block) && has_types (filter->types, slot, age) &&
    (filter->idle_age_s == 0 ||
     age_seconds (age, postproc->now_s) > filter->idle_age_s) &&
    (!postproc->wants ||
     postproc->wants (postproc->device, slot, postproc->opaque));
}

/* Call visit for each block of a page of slots that is not empty, until it
 * returns false; then *block is behind the one that it was called for. */
typedef bool visitor (struct postproc *postproc, uint64_t block);

static void
scan (struct postproc *postproc, uint64_t *block, visitor *visit)
{
  while ((*block = device_next_block (postproc->device, *block)) != UINT64_MAX)
    if (!visit (postproc, (*block)++))
      return;
}

static bool
count (struct postproc *postproc, uint64_t block)
{
  if (is_candidate (postproc, block))
    postproc->histogram[bucket_of (table_peek (&postproc->device->table,
                                               block))]++;
  return true;
}

/* Choose it if it still is what it was. */
static bool
choose (struct postproc *postproc, uint64_t block)
{
  const slot_t slot = table_peek (&postproc->device->table, block);
  bool chosen;

  if (!slot_owns_object (slot) ||
      bucket_of (slot) < postproc->first_bucket ||
      bucket_of (slot) > postproc->last_bucket ||
      !is_candidate (postproc, block))
    return true;
  device_lock_block (postproc->device, block);
  chosen = is_candidate (postproc, block);
  if (chosen)
    block_flag (postproc->device, block, SLOT_CHOSEN, true);
  device_unlock_block (postproc->device, block);
  if (chosen)
    postproc->chosen[postproc->nr_chosen++] = (struct choice) {
      .block = block, .size_bytes = slot_size_bytes (slot),
    };
  return postproc->nr_chosen < NR_CHOSEN_MAX;
}

/* The next buckets from the largest down that fit into the list, and at least
 * one. */
static bool
next_buckets (struct postproc *postproc)
{
  uint64_t sum = 0;

  while (postproc->bucket_end > 0 &&
         postproc->histogram[postproc->bucket_end - 1] == 0)
    postproc->bucket_end--;
  if (postproc->bucket_end == 0)
    return false;
  postproc->last_bucket = postproc->bucket_end - 1;
  while (postproc->bucket_end > 0 &&
         (sum == 0 || sum + postproc->histogram[postproc->bucket_end - 1] <=
          NR_CHOSEN_MAX))
    sum += postproc->histogram[--postproc->bucket_end];
  postproc->first_bucket = postproc->bucket_end;
  postproc->next_block = 0;
  return true;
}

/* The largest first; those of one size in the order of the disk. */
static int
compare (const void *one, const void *other)
{
  const struct choice *a = one, *b = other;

  if (a->size_bytes != b->size_bytes)
    return a->size_bytes < b->size_bytes ? 1 : -1;
  return a->block < b->block ? -1 : 1;
}

/* Fill the list.  False: all blocks had their turn. */
static bool
collect (struct postproc *postproc)
{
  postproc->nr_chosen = postproc->next_chosen = 0;
  for (;;) {
    scan (postproc, &postproc->next_block, choose);
    if (postproc->nr_chosen > 0) {
      qsort (postproc->chosen, postproc->nr_chosen, sizeof *postproc->chosen,
             compare);
      return true;
    }
    if (!next_buckets (postproc))
      return false;
  }
}

static uint64_t
count_all (struct postproc *postproc)
{
  uint64_t block = 0, sum = 0;

  scan (postproc, &block, count);
  for (unsigned i = 0; i < NR_BUCKETS; i++)
    sum += postproc->histogram[i];
  return sum;
}

struct postproc *
postproc_begin (struct device *device, const struct postproc_filter *filter,
                postproc_wants *wants, const void *opaque)
{
  struct postproc *postproc = calloc (1, sizeof *postproc);

  if (!postproc) {
    report_error ("%s: no memory to select blocks: %m", device->name);
    return NULL;
  }
  postproc->device = device;
  postproc->filter = *filter;
  postproc->wants = wants;
  postproc->opaque = opaque;
  postproc->now_s = age_now_s ();
  postproc->bucket_end = NR_BUCKETS;
  postproc->next_block = UINT64_MAX;
  pthread_mutex_init (&postproc->lock, NULL);
  device->progress.done = 0;
  device->progress.total = count_all (postproc);
  return postproc;
}

bool
postproc_next (struct postproc *postproc, uint64_t *block)
{
  bool r;

  *block = 0;
  if (!pace_step (postproc->device))
    return false;
  pthread_mutex_lock (&postproc->lock);
  r = postproc->next_chosen < postproc->nr_chosen || collect (postproc);
  if (r)
    *block = postproc->chosen[postproc->next_chosen++].block;
  pthread_mutex_unlock (&postproc->lock);
  if (r)
    postproc->device->progress.done++;
  return r;
}

void
postproc_let_go (struct device *device, uint64_t block)
{
  device_lock_block (device, block);
  if (slot_has_flag (table_peek (&device->table, block), SLOT_CHOSEN))
    block_flag (device, block, SLOT_CHOSEN, false);
  device_unlock_block (device, block);
}

void
postproc_end (struct postproc *postproc)
{
  while (postproc->next_chosen < postproc->nr_chosen)
    postproc_let_go (postproc->device,
                     postproc->chosen[postproc->next_chosen++].block);
  postproc->device->progress.total = 0;
  pthread_mutex_destroy (&postproc->lock);
  free (postproc);
}

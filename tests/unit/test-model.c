/* SPDX-License-Identifier: BSD-3-Clause */
/* Random operations on a device against a plain array of bytes: every algorithm
 * and block size, any offset and length, with the memory limit and allocation
 * failures injected, and a full recount after each step.  Attacks invariants 1
 * to 7 of table.h.
 *
 * A step that fails must be a prefix: blocks before the failed one are new,
 * that one and those behind it are old.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compact.h"
#include "live.h"
#include "model.h"
#include "pages.h"
#include "refill.h"
#include "recount.h"

#define NR_BLOCKS 40
#define STEPS steps_alone (300)

struct model {
  struct random random;
  struct device *device;
  uint64_t size_bytes;
  uint8_t *bytes;               /* what the device must read as */
  uint8_t *before;              /* the same, before the step under way */
  uint8_t *buffer;
  unsigned nr_failures;
};

struct range { uint64_t offset, bytes; };

static struct range
pick_range (struct model *model)
{
  struct random *random = &model->random;
  const uint64_t block_bytes = model->device->block_bytes;
  struct range range;

  if (random_below (random, 2)) {       /* whole blocks */
    range.offset =
      random_below (random, model->device->nr_blocks) * block_bytes;
    range.bytes = (1 + random_below (random, 8)) * block_bytes;
  }
  else {
    range.offset = random_below (random, model->size_bytes);
    range.bytes = 1 + random_below (random, 3 * block_bytes);
  }
  if (range.bytes > model->size_bytes - range.offset)
    range.bytes = model->size_bytes - range.offset;
  return range;
}

static void
read_back (struct model *model, struct range range)
{
  memset (model->buffer, 0xee, range.bytes);
  check (device_read (model->device, model->buffer, range.bytes,
                      range.offset) == 0);
}

static void
check_equal (struct model *model, struct range range)
{
  read_back (model, range);
  check (memcmp (model->buffer, model->bytes + range.offset,
                 range.bytes) == 0);
}

/* The step failed: take over the new bytes of the blocks that were done. */
static void
accept_prefix (struct model *model, struct range range)
{
  const uint64_t end = range.offset + range.bytes;
  uint64_t at = range.offset, next;

  check (errno == ENOSPC || errno == ENOMEM);
  model->nr_failures++;
  read_back (model, range);
  for (; at < end; at = next) {
    next = (at / model->device->block_bytes + 1) * model->device->block_bytes;
    next = next < end ? next : end;
    if (memcmp (model->buffer + at - range.offset, model->bytes + at,
                next - at) != 0)
      break;
  }
  memcpy (model->bytes + at, model->before + at, end - at);
}

static void
step_write (struct model *model)
{
  const struct range range = pick_range (model);
  const uint64_t block_bytes = model->device->block_bytes;
  uint8_t *data = model->bytes + range.offset;

  for (uint64_t done = 0; done < range.bytes; done += block_bytes)
    model_fill (&model->random, data + done,
                range.bytes - done < block_bytes ?
                range.bytes - done : block_bytes);
  memcpy (model->buffer, data, range.bytes);
  if (device_write (model->device, model->buffer, range.bytes,
                    range.offset) == -1)
    accept_prefix (model, range);
  check_equal (model, range);
}

/* Blocks with a content that others have. */
static void
step_copy (struct model *model)
{
  const uint64_t block_bytes = model->device->block_bytes;
  const uint64_t nr = model->size_bytes / block_bytes;
  const uint64_t from = random_below (&model->random, nr) * block_bytes;

  for (unsigned i = random_below (&model->random, 4); i > 0; i--) {
    const struct range range = {
      random_below (&model->random, nr) * block_bytes, block_bytes,
    };

    memmove (model->bytes + range.offset, model->bytes + from, block_bytes);
    if (device_write (model->device, model->bytes + range.offset, block_bytes,
                      range.offset) == -1)
      accept_prefix (model, range);
    check_equal (model, range);
  }
}

static void
step_zero (struct model *model)
{
  const struct range range = pick_range (model);

  memset (model->bytes + range.offset, 0, range.bytes);
  if (device_zero (model->device, range.bytes, range.offset,
                   random_below (&model->random, 2)) == -1)
    accept_prefix (model, range);
  check_equal (model, range);
}

/* Whole blocks read as zeroes, parts of blocks keep their content. */
static void
step_trim (struct model *model)
{
  const struct range range = pick_range (model);
  const uint64_t block_bytes = model->device->block_bytes;
  const uint64_t end = range.offset + range.bytes;
  uint64_t at = range.offset, next;

  device_trim (model->device, range.bytes, range.offset);
  for (; at < end; at = next) {
    next = (at / block_bytes + 1) * block_bytes;
    if (next > model->size_bytes)
      next = model->size_bytes;
    if (at % block_bytes == 0 && next <= end)
      memset (model->bytes + at, 0, next - at);
  }
  check_equal (model, range);
}

static void
step_read (struct model *model)
{
  check_equal (model, pick_range (model));
}

struct extents_check {
  const struct model *model;
  uint64_t next;
};

static int
check_extent (void *opaque, uint64_t offset, uint64_t bytes,
              enum extent_kind kind)
{
  struct extents_check *state = opaque;

  check (offset == state->next && bytes > 0);
  if (kind != EXTENT_DATA)
    for (uint64_t i = offset; i < offset + bytes; i++)
      check (state->model->bytes[i] == 0);
  state->next += bytes;
  return 0;
}

static void
step_extents (struct model *model)
{
  const struct range range = pick_range (model);
  struct extents_check state = { model, range.offset };

  check (device_extents (model->device, range.bytes, range.offset,
                         check_extent, &state) == 0);
  check (state.next == range.offset + range.bytes);
}

static void
step_compact (struct model *model)
{
  const struct range all = { 0, model->size_bytes };

  compact_device (model->device);
  check_equal (model, all);
}

/* A limit a little above or below what is held, or none. */
static void
step_limit (struct model *model)
{
  struct budget *budget = &model->device->budget;
  const uint64_t used = atomic_load (&budget->used_bytes);

  atomic_store (&budget->limit_bytes,
                random_below (&model->random, 3) == 0 ?
                used + random_below (&model->random, 65536) - 8192 : 0);
}

static void
step_fail_commits (struct model *model)
{
  zram_debug_fail_commit (random_below (&model->random, 4) == 0 ?
                          (long) random_below (&model->random, 5) : -1);
}

static void
step_steer (struct model *model)
{
  const struct range all = { 0, model->size_bytes };

  model_steer (&model->random, model->device);
  check_equal (model, all);
}

/* Refill has no thread here: it works when it is waited for, and now. */
static void
step_refill (struct model *model)
{
  struct arena *arena = &model->device->arena;

  if (arena_has_reserve (arena) && refill_round (arena) == -1)
    check (errno == ENOSPC || errno == ENOMEM);
}

static void
step (struct model *model)
{
  static void (*const steps[]) (struct model *) = {
    step_write, step_write, step_write, step_write, step_zero, step_trim,
    step_read, step_extents, step_compact, step_limit, step_fail_commits,
    step_copy, step_copy, step_steer, step_steer, step_steer, step_refill,
  };

  memcpy (model->before, model->bytes, model->size_bytes);
  steps[random_below (&model->random,
                      sizeof steps / sizeof *steps)] (model);
  check (recount_device (model->device));
}

static uint64_t
reserve_bytes (struct device *device)
{
  if (!arena_has_reserve (&device->arena))
    return 0;
  return table_held_bytes (&device->table, SHARE_BASE) +
    arena_ready_pages (&device->arena) * PAGE_BYTES;
}

/* Everything trimmed: nothing is held but what an empty device holds. */
static void
check_emptied (struct model *model)
{
  zram_debug_fail_commit (-1);
  device_trim (model->device, model->size_bytes, 0);
  check (live_set_dedup (model->device, false) == 0);
  check (recount_device (model->device));
  check (atomic_load (&model->device->budget.used_bytes) ==
         model->device->fixed_bytes + reserve_bytes (model->device));
}

static unsigned
run (uint64_t seed, unsigned algorithm, uint32_t block_bytes)
{
  struct model model = { .random = random_seeded (seed) };

  /* The last block is cut off, at a page or where the random number says. */
  model.size_bytes = (NR_BLOCKS - 1) * (uint64_t) block_bytes + 1 +
    random_below (&model.random, block_bytes);
  /* The least reserve there is, so that it often is used up. */
  model.device = model_device_reserve (algorithm, block_bytes, model.size_bytes,
                                       random_below (&model.random, 2));
  model_attach_backing (model.device);
  if (random_below (&model.random, 2))
    model_start_dedup (model.device);
  model.bytes = calloc (1, model.size_bytes);
  model.before = calloc (1, model.size_bytes);
  model.buffer = malloc (model.size_bytes);
  for (unsigned i = 0; i < STEPS; i++)
    step (&model);
  check_emptied (&model);
  device_destroy (model.device);
  free (model.bytes);
  free (model.before);
  free (model.buffer);
  return model.nr_failures;
}

int
main (void)
{
  uint64_t seed = test_seed ();
  unsigned nr_runs = 0, nr_failures = 0;

  /* Failures are injected on purpose, thousands of lines of them. */
  ignore_reports ();
  do
    for (uint32_t block_bytes = BLOCK_BYTES_MIN;
         block_bytes <= BLOCK_BYTES_MAX; block_bytes *= 2)
      for (unsigned algorithm = 0; codec_algorithms[algorithm]; algorithm++) {
        printf ("seed %llu, %s, blocks of %u bytes\n",
                (unsigned long long) seed, codec_algorithms[algorithm]->name,
                block_bytes);
        fflush (stdout);
        nr_failures += run (seed, algorithm, block_bytes);
        seed++;
        nr_runs++;
      }
  while (test_time_left ());
  printf ("%u runs of %u steps, %u steps failed as they were made to\n",
          nr_runs, STEPS, nr_failures);
  check (nr_failures > 0);
  return 0;
}

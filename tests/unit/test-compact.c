/* SPDX-License-Identifier: BSD-3-Clause */
/* Compaction: afterwards each class has one zspage with room at the most, and
 * that one has no hole; no content changed, and the pages that went back are
 * counted.  Attacks invariants 1 and 2 of table.h.
 */
#include <config.h>

#include "check.h"
#include "compact.h"
#include "device.h"
#include "model.h"
#include "pages.h"
#include "recount.h"

#define NR_BLOCKS 3000u
#define PARTS_OF_SIZE 8u        /* sizes of objects: 1/8 .. 7/8 of a block */

static struct device *device;
static uint32_t block_bytes;
static uint32_t *written;       /* which data a block has; 0: none */
static uint8_t data[BLOCK_BYTES_MAX], copy[BLOCK_BYTES_MAX];

/* Noise, as much as the object is to be long, and zeroes; some are noise only,
 * so huge, and some are one word, in an object of their own. */
static void
make_data (uint32_t number)
{
  struct random random = random_seeded (number);
  const unsigned kind = random_below (&random, 20);
  const uint64_t word = random_next (&random) | 1;

  memset (data, 0, block_bytes);
  if (kind == 0)
    for (uint32_t i = 0; i < block_bytes; i += sizeof word)
      memcpy (data + i, &word, sizeof word);
  else
    random_fill (&random, data, kind == 1 ? block_bytes :
                 block_bytes / PARTS_OF_SIZE * (1 + kind % 3));
}

static void
write_block (uint64_t block, uint32_t number)
{
  make_data (number);
  check (device_write (device, data, block_bytes, block * block_bytes) == 0);
  written[block] = number;
}

static void
trim_block (uint64_t block)
{
  device_trim (device, block_bytes, block * block_bytes);
  written[block] = 0;
}

static void
check_content (void)
{
  check (recount_device (device));
  for (uint64_t block = 0; block < NR_BLOCKS; block++) {
    check (device_read (device, copy, block_bytes, block * block_bytes) == 0);
    if (written[block])
      make_data (written[block]);
    else
      memset (data, 0, block_bytes);
    check (memcmp (copy, data, block_bytes) == 0);
  }
}

static uint64_t
held_pages (void)
{
  return arena_held_pages (&device->arena);
}

/* Compact, check all that is promised, return how many pages went. */
static uint64_t
compact (void)
{
  const uint64_t before = held_pages ();
  const uint64_t counted = device->pages_compacted;
  const uint64_t freed = compact_device (device);

  check (held_pages () == before - freed);
  check (device->pages_compacted == counted + freed);
  return freed;
}

/* No second zspage with room, no hole, no page to spare. */
static void
check_dense (void)
{
  const uint64_t before = held_pages ();
  struct arena_object object;
  uint32_t number;

  for (unsigned i = 0; i < NR_SIZECLASSES; i++) {
    check (!arena_isolate (&device->arena, i, &number));
    check (!arena_last_object (&device->arena, i, &object));
    arena_release_spare (&device->arena, i);
  }
  check (held_pages () == before);
}

static void
start (uint32_t bytes)
{
  struct random random = random_seeded (test_seed ());

  block_bytes = bytes;
  device = model_device (1, block_bytes, (uint64_t) NR_BLOCKS * block_bytes);
  written = calloc (NR_BLOCKS, sizeof *written);
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    write_block (block, 1 + random_below (&random, UINT32_MAX));
}

static void
trim_one_in (unsigned nth)
{
  struct random random = random_seeded (test_seed () + nth);

  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    if (random_below (&random, nth) == 0)
      trim_block (block);
}

static void
stop (void)
{
  device_trim (device, device->size_bytes, 0);
  check (recount_device (device) && held_pages () == 0);
  free (written);
  device_destroy (device);
}

static void
an_empty_device_has_nothing_to_compact (void)
{
  device = model_device (0, 4096, 4096);
  check (compact_device (device) == 0);
  check (device->pages_compacted == 0);
  device_destroy (device);
}

static void
a_device_that_was_only_written_is_dense (void)
{
  start (4096);
  compact ();                   /* spare pages may go */
  check_dense ();
  check (compact () == 0);
  check_content ();
  stop ();
}

static void
after_random_frees_one_zspage_with_room_is_left_in_each_class (void)
{
  for (uint32_t bytes = 4096; bytes <= 65536; bytes *= 16) {
    start (bytes);
    trim_one_in (2);
    check (compact () > 0);
    check_dense ();
    check_content ();
    check (compact () == 0);
    stop ();
  }
}

static void
memory_is_what_the_rest_needs (void)
{
  uint64_t full, left;
  struct stats_snapshot sums;

  start (4096);
  full = held_pages ();
  trim_one_in (2);
  trim_one_in (3);
  compact ();
  device_get_stats (device, &sums);
  left = pages_for_bytes (sums.values[STAT_OBJECT_BYTES]);
  check (held_pages () < full / 2);
  /* A class wastes a header and a part of a page; objects a part of a step. */
  check (held_pages () <= left + left / 50 + 2 * 8);
  stop ();
}

static void
a_compacted_device_goes_on_as_before (void)
{
  struct random random = random_seeded (test_seed ());

  start (4096);
  for (unsigned round = 0; round < 5; round++) {
    for (unsigned i = 0; i < NR_BLOCKS / 2; i++) {
      const uint64_t block = random_below (&random, NR_BLOCKS);

      if (random_below (&random, 2))
        trim_block (block);
      else
        write_block (block, 1 + random_below (&random, UINT32_MAX));
    }
    compact ();
    check_dense ();
    check_content ();
  }
  stop ();
}

/* Moves need a page now and then before they give one back. */
static void
compaction_without_memory_loses_nothing (void)
{
  start (4096);
  trim_one_in (3);
  device->budget.limit_bytes = device->budget.used_bytes;
  zram_debug_fail_commit (0);
  compact ();
  zram_debug_fail_commit (-1);
  check (device->budget.used_bytes <= device->budget.limit_bytes);
  check_content ();
  compact ();
  check (device->budget.used_bytes <= device->budget.limit_bytes);
  check_dense ();
  check_content ();
  stop ();
}

static void
pages_compacted_adds_up (void)
{
  uint64_t sum = 0;

  start (4096);
  for (unsigned nth = 5; nth >= 2; nth--) {
    trim_one_in (nth);
    sum += compact ();
    check (device->pages_compacted == sum);
  }
  check (sum > 0);
  stop ();
}

int
main (void)
{
  test (an_empty_device_has_nothing_to_compact);
  test (a_device_that_was_only_written_is_dense);
  test (after_random_frees_one_zspage_with_room_is_left_in_each_class);
  test (memory_is_what_the_rest_needs);
  test (a_compacted_device_goes_on_as_before);
  test (compaction_without_memory_loses_nothing);
  test (pages_compacted_adds_up);
  return 0;
}

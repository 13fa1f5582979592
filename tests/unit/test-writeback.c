/* SPDX-License-Identifier: BSD-3-Clause */
/* Writeback: which blocks go, how many, and what becomes of those that are used
 * meanwhile.  Linked with -Wl,--wrap=backing_write, to be there while a pass
 * writes.
 */
#include <config.h>

#include <pthread.h>

#include "backing_file.h"
#include "blocks.h"
#include "idle.h"
#include "model.h"
#include "pages.h"

#define PATH "test-writeback.file"
#define MIB ((uint64_t) 1 << 20)
#define SIZE 500u

int __wrap_backing_write (struct backing *backing, const struct extent *extent,
                          void *pages);
int __real_backing_write (struct backing *backing, const struct extent *extent,
                          void *pages);

static struct device *device;
static void (*while_writing) (void);    /* NULL: nothing happens meanwhile */

int
__wrap_backing_write (struct backing *backing, const struct extent *extent,
                      void *pages)
{
  if (while_writing)
    while_writing ();
  return __real_backing_write (backing, extent, pages);
}

static void
start (uint64_t nr_blocks)
{
  device = model_device (1, 4096, nr_blocks * 4096);
  unlink (PATH);
  attach_backing (device, PATH, 2 * MIB, false);
}

static void
stop (void)
{
  while_writing = NULL;
  check_and_destroy_with_backing (device, PATH);
}

static void
put_blocks (uint64_t nr_blocks, uint32_t noise_bytes)
{
  block_put_all (device, nr_blocks, noise_bytes);
}

static void
check_blocks (uint64_t nr_blocks, uint32_t noise_bytes)
{
  block_check_all (device, nr_blocks, noise_bytes);
}

static int64_t
nr_backed (void)
{
  return device_stat (device, STAT_BACKED_BLOCKS);
}

/* Which blocks go. */

/* Eight blocks: the bits of a block's number say which types it has. */
static void
put_one_of_each (void)
{
  for (unsigned block = 0; block < 8; block++) {
    block_put (device, block, block, block & POSTPROC_HUGE ? 4096 : SIZE);
    if (block & POSTPROC_INCOMPRESSIBLE)
      block_set_flag (device, block, SLOT_INCOMPRESSIBLE);
  }
  idle_mark_all (device);
  for (unsigned block = 0; block < 8; block++)
    if (!(block & POSTPROC_IDLE))
      block_set_age (device, block, 0);
}

static void
blocks_go_that_have_all_the_types (void)
{
  for (unsigned types = 0; types < 8; types++) {
    const struct postproc_filter filter = { .types = types };
    struct postproc_result result;
    unsigned expected = 0;

    start (8);
    put_one_of_each ();
    check (writeback_device (device, &filter, &result) == 0);
    for (unsigned block = 0; block < 8; block++) {
      check (block_is_backed (device, block) == ((block & types) == types));
      expected += block_is_backed (device, block);
    }
    check (result.nr_done == expected && result.nr_tried == expected);
    stop ();
  }
}

static void
blocks_go_that_lie_in_a_range (void)
{
  static const struct postproc_range ranges[] = {
    { 3, 3 }, { 510, 513 }, { 990, 2000 },
  };
  const struct postproc_filter filter = { .ranges = ranges, .nr_ranges = 3 };
  struct postproc_result result;

  start (1000);
  put_blocks (1000, SIZE);
  check (writeback_device (device, &filter, &result) == 0);
  check (result.nr_done == 1 + 4 + 10);
  check (nr_backed () == 15);
  for (uint64_t block = 0; block < 1000; block++)
    check (block_is_backed (device, block) ==
           (block == 3 || (block >= 510 && block <= 513) || block >= 990));
  stop ();
}

static void
no_ranges_are_no_blocks (void)
{
  static const struct postproc_range none = { 0, 0 };
  const struct postproc_filter filter = { .ranges = &none, .nr_ranges = 0 };
  struct postproc_result result;

  start (2);
  put_blocks (2, SIZE);
  check (writeback_device (device, &filter, &result) == 0);
  check (result.nr_tried == 0 && nr_backed () == 0);
  stop ();
}

static void
blocks_go_that_are_large_or_old_enough (void)
{
  const struct postproc_filter large = { .threshold_bytes = 2000 };
  const struct postproc_filter old = { .idle_age_s = 100 };
  struct postproc_result result;

  start (4);
  block_put (device, 0, 1, 1900);
  block_put (device, 1, 2, 2100);
  block_put (device, 2, 3, SIZE);
  block_put (device, 3, 4, SIZE);
  block_set_age (device, 2, 200);
  block_set_age (device, 3, 50);
  check (writeback_device (device, &large, &result) == 0);
  check (nr_backed () == 1 && block_is_backed (device, 1));
  check (writeback_device (device, &old, &result) == 0);
  check (nr_backed () == 2 && block_is_backed (device, 2));
  stop ();
}

static void
what_costs_no_memory_stays (void)
{
  uint64_t words[512];

  start (4);
  check (device_zero (device, 4096, 0, false) == 0);
  for (unsigned i = 0; i < 512; i++)
    words[i] = UINT64_C (0x0123456789abcdef);
  check (device_write (device, words, 4096, 4096) == 0);
  check (write_back (device) == 0);
  check (nr_backed () == 0);
  check (backing_stats_of (device).writes == 0);
  stop ();
}

/* Sizes in no order; buckets of 64 bytes are as precise as it gets. */
static void
the_largest_go_first (void)
{
  const struct postproc_filter filter = { .types = 0 };
  uint32_t sizes[300], smallest_gone = UINT32_MAX, largest_left = 0;
  struct postproc_result result;

  start (300);
  for (uint64_t block = 0; block < 300; block++) {
    block_put (device, block, block + 1, 100 + block * 7 % 300 * 10);
    sizes[block] = slot_size_bytes (block_slot (device, block));
  }
  check (writeback_some (device, &filter, 20, &result) == 0);
  check (nr_backed () > 0 && nr_backed () < 300);
  for (uint64_t block = 0; block < 300; block++)
    if (!block_is_backed (device, block))
      largest_left = sizes[block] > largest_left ? sizes[block] : largest_left;
    else if (sizes[block] < smallest_gone)
      smallest_gone = sizes[block];
  check (smallest_gone + 64 > largest_left);
  stop ();
}

/* How many. */

static void
without_a_file_it_fails_with_enodev (void)
{
  device = model_device (1, 4096, 4096);
  errno = 0;
  check (write_back (device) == -1 && errno == ENODEV);
  check_reported ("no backing file");
  check_and_destroy (device);
}

static void
what_was_done_is_counted (void)
{
  const struct postproc_filter filter = { .types = 0 };
  struct postproc_result result;
  int64_t object_bytes;

  start (100);
  put_blocks (100, SIZE);
  object_bytes = device_stat (device, STAT_OBJECT_BYTES);
  check (writeback_device (device, &filter, &result) == 0);
  check (result.nr_tried == 100 && result.nr_done == 100);
  check (result.freed_bytes == object_bytes);
  check (device_stat (device, STAT_OBJECT_BYTES) == 0);
  check (device->progress.total == 0);
  check (writeback_device (device, &filter, &result) == 0);
  check (result.nr_tried == 0 && result.freed_bytes == 0);
  stop ();
}

static void
a_limit_of_nothing_writes_nothing (void)
{
  start (10);
  put_blocks (10, SIZE);
  atomic_store (&device->writeback_limit_enable, true);
  check (write_back (device) == -1 && errno == EIO);
  check (nr_backed () == 0 && backing_stats_of (device).writes == 0);
  stop ();
}

static void
the_limit_goes_down_by_what_is_written (void)
{
  start (200);
  put_blocks (200, SIZE);
  atomic_store (&device->writeback_limit_pages, 1000);
  atomic_store (&device->writeback_limit_enable, true);
  check (write_back (device) == 0);
  check (nr_backed () == 200);
  check (device->writeback_limit_pages ==
         1000 - backing_stats_of (device).writes);
  stop ();
}

static void
at_the_limit_it_stops (void)
{
  start (200);
  put_blocks (200, 4096);
  atomic_store (&device->writeback_limit_pages, 50);
  atomic_store (&device->writeback_limit_enable, true);
  check (write_back (device) == -1 && errno == EIO);
  check (backing_stats_of (device).writes + device->writeback_limit_pages ==
         50);
  check (device->writeback_limit_pages <= 1);
  check (nr_backed () >= 45 && nr_backed () <= 50);
  check_blocks (200, 4096);
  stop ();
}

static void
the_limit_counts_only_when_it_is_switched_on (void)
{
  start (100);
  put_blocks (100, SIZE);
  atomic_store (&device->writeback_limit_pages, 1);
  check (write_back (device) == 0);
  check (nr_backed () == 100 && device->writeback_limit_pages == 1);
  stop ();
}

static void
what_could_not_be_written_is_not_taken_from_the_limit (void)
{
  start (100);
  put_blocks (100, SIZE);
  atomic_store (&device->writeback_limit_pages, 77);
  atomic_store (&device->writeback_limit_enable, true);
  zram_debug_fail_backing ("write", 0);
  check (write_back (device) == -1 && errno == EIO);
  check_reported ("cannot write");
  check (device->writeback_limit_pages == 77);
  stop ();
}

static void
writeback_some_writes_no_more_than_it_may (void)
{
  const struct postproc_filter filter = { .types = 0 };
  struct postproc_result result;
  uint64_t before = 0;

  start (200);
  put_blocks (200, 4096);
  for (uint64_t pages = 2; pages < 70; pages += 13) {
    check (writeback_some (device, &filter, pages, &result) == 0);
    check (result.nr_done > 0);
    check (backing_stats_of (device).writes - before <= pages);
    before = backing_stats_of (device).writes;
  }
  check_blocks (200, 4096);
  stop ();
}

static void
a_full_file_keeps_the_rest_in_memory (void)
{
  start (700);
  put_blocks (700, 4096);
  check (write_back (device) == -1 && errno == ENOSPC);
  check (nr_backed () > 450 && nr_backed () < 512);
  check (nr_backed () + device_stat (device, STAT_HUGE_BLOCKS) == 700);
  check (recount_device (device));
  check_blocks (700, 4096);
  stop ();
}

/* The first writer takes more than it needs and gives it back. */
static void
many_writers_use_a_small_rest_up (void)
{
  for (unsigned i = 0; i < 200; i++) {
    start (40);
    device->writeback_batch_size = 32;
    put_blocks (40, SIZE);
    atomic_store (&device->writeback_limit_pages, 32);
    atomic_store (&device->writeback_limit_enable, true);
    check (write_back (device) == 0);
    check (nr_backed () == 40);
    stop ();
  }
}

/* Meanwhile. */

static void
use_some (void)
{
  uint8_t byte;

  check (device_read (device, &byte, 1, 0) == 0);
  block_put (device, 1, 100, SIZE);
  block_trim (device, 2);
  check (device_write (device, "x", 1, 3 * 4096 + 4095) == 0);
  check (device_zero (device, 4096, 4 * 4096, false) == 0);
}

static void
blocks_that_are_used_meanwhile_stay_in_memory (void)
{
  const struct postproc_filter filter = { .types = 0 };
  struct postproc_result result;
  uint8_t byte;

  start (10);
  put_blocks (10, SIZE);
  while_writing = use_some;
  check (writeback_device (device, &filter, &result) == 0);
  while_writing = NULL;
  check (result.nr_tried == 10 && result.nr_done == 5 && nr_backed () == 5);
  for (uint64_t block = 0; block < 10; block++)
    check (block_is_backed (device, block) == (block >= 5));
  check (recount_device (device));
  check (block_is (device, 0, 1, SIZE) && block_is (device, 1, 100, SIZE) &&
         block_is (device, 2, 0, 0) && block_is (device, 4, 0, 0));
  check (device_read (device, &byte, 1, 3 * 4096 + 4095) == 0 && byte == 'x');
  check (block_is (device, 5, 6, SIZE));
  stop ();
}

/* It looks the same again, but is not the object that was copied. */
static void
put_all_again (void)
{
  while_writing = NULL;
  for (uint64_t block = 0; block < 10; block++) {
    block_trim (device, block);
    block_put (device, block, block + 51, SIZE);
  }
}

static void
blocks_that_are_replaced_meanwhile_stay_new (void)
{
  start (10);
  put_blocks (10, SIZE);
  while_writing = put_all_again;
  check (write_back (device) == 0);
  check (nr_backed () == 0 && backing_stats_of (device).count == 0);
  for (uint64_t block = 0; block < 10; block++)
    check (block_is (device, block, block + 51, SIZE));
  stop ();
}

static void
nobody_is_chosen_after_a_pass (void)
{
  start (300);
  put_blocks (300, 4096);
  atomic_store (&device->writeback_limit_pages, 40);
  atomic_store (&device->writeback_limit_enable, true);
  zram_debug_fail_backing ("write", 0);
  check (write_back (device) == -1);
  capture_reports ();
  zram_debug_fail_backing (NULL, 0);
  check (write_back (device) == -1 && errno == EIO);
  for (uint64_t block = 0; block < 300; block++)
    check (!slot_has_flag (block_slot (device, block), SLOT_CHOSEN));
  stop ();
}

static void
ages_stay_and_idle_marks_go (void)
{
  age_t ages[8];

  start (8);
  put_one_of_each ();
  for (unsigned block = 0; block < 8; block++)
    ages[block] = block_age (device, block);
  check (write_back (device) == 0);
  for (unsigned block = 0; block < 8; block++) {
    check (block_is_backed (device, block));
    check (block_age (device, block) == (ages[block] & ~AGE_IDLE));
    check (slot_has_flag (block_slot (device, block), SLOT_INCOMPRESSIBLE) ==
           !!(block & POSTPROC_INCOMPRESSIBLE));
  }
  stop ();
}

/* Several in flight, beside requests. */

#define NR_SHARED 400u

static atomic_bool stopping;

static void *
user (void *opaque)
{
  struct random random = random_seeded (test_seed () + (uintptr_t) opaque);

  while (!atomic_load (&stopping)) {
    const uint64_t block = random_below (&random, NR_SHARED);

    if (random_below (&random, 2))
      block_put (device, block, block + 1, SIZE);
    else
      check (block_is (device, block, block + 1, SIZE));
  }
  return NULL;
}

static void
passes_run_beside_requests (void)
{
  pthread_t users[2];

  start (NR_SHARED);
  device->writeback_batch_size = 32;
  put_blocks (NR_SHARED, SIZE);
  atomic_store (&stopping, false);
  for (uintptr_t i = 0; i < 2; i++)
    check (pthread_create (&users[i], NULL, user, (void *) i) == 0);
  for (unsigned i = 0; i < 30; i++) {
    check (write_back (device) == 0);
    check (recount_device (device));
  }
  atomic_store (&stopping, true);
  for (unsigned i = 0; i < 2; i++)
    pthread_join (users[i], NULL);
  check_blocks (NR_SHARED, SIZE);
  stop ();
}

int
main (void)
{
  if (!has_backing_files ())
    skip_test ("backing files are not compiled in");
  capture_reports ();
  test (blocks_go_that_have_all_the_types);
  test (blocks_go_that_lie_in_a_range);
  test (no_ranges_are_no_blocks);
  test (blocks_go_that_are_large_or_old_enough);
  test (what_costs_no_memory_stays);
  test (without_a_file_it_fails_with_enodev);
  test (what_was_done_is_counted);
  test (a_limit_of_nothing_writes_nothing);
  test (the_limit_goes_down_by_what_is_written);
  test (at_the_limit_it_stops);
  test (the_limit_counts_only_when_it_is_switched_on);
  test (what_could_not_be_written_is_not_taken_from_the_limit);
  test (writeback_some_writes_no_more_than_it_may);
  test (a_full_file_keeps_the_rest_in_memory);
  test (blocks_that_are_used_meanwhile_stay_in_memory);
  test (blocks_that_are_replaced_meanwhile_stay_new);
  test (nobody_is_chosen_after_a_pass);
  test (ages_stay_and_idle_marks_go);
  test (passes_run_beside_requests);
  test (the_largest_go_first);
  test (many_writers_use_a_small_rest_up);
  return 0;
}

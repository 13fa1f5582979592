/* SPDX-License-Identifier: BSD-3-Clause */
/* A live device changes: algorithms, size, limits, backing file, reset.  What
 * is stored stays as it is, beside requests too.
 */
#include <config.h>

#include <pthread.h>

#include "backing_file.h"
#include "blocks.h"
#include "model.h"
#include "pages.h"
#include "recompress.h"

#define PATH "test-live.file"
#define NR_BLOCKS 64u

static struct device *device;

static void
start (void)
{
  device = model_device (1, 4096, NR_BLOCKS * 4096);
}

static void
stop (void)
{
  check_and_destroy (device);
  check_nothing_reported ();
}

/* Huge, hardly and well compressed. */
static uint32_t
noise_of (uint64_t block)
{
  return 4096 >> block % 5;
}

static void
put_blocks (uint64_t first, uint64_t end)
{
  for (uint64_t block = first; block < end; block++)
    block_put (device, block, block, noise_of (block));
}

static void
check_blocks (uint64_t first, uint64_t end)
{
  for (uint64_t block = first; block < end; block++)
    check (block_is (device, block, block, noise_of (block)));
}

/* Algorithms. */

static const struct codec_ops *
find (const char *name)
{
  const char *why;

  return codec_find (name, &why);
}

static int
set_codec (unsigned priority, const char *name, int level, uint8_t dict_byte)
{
  uint8_t dict[1024];
  const struct codec_params params = {
    .level = level, .dict = dict_byte ? dict : NULL,
    .dict_bytes = dict_byte ? sizeof dict : 0,
  };

  memset (dict, dict_byte, sizeof dict);
  return live_set_codec (device, priority, find (name), &params);
}

static void
stored_blocks_outlive_every_change_of_algorithm (void)
{
  start ();
  put_blocks (0, 10);
  for (unsigned i = 0; codec_algorithms[i] && i < 5; i++) {
    check (live_set_codec (device, 0, codec_algorithms[i], NULL) == 0);
    put_blocks (10 * i + 10, 10 * i + 20);
    check (recount_device (device));
    check_blocks (0, 10 * i + 20);
  }
  stop ();
}

static void
new_writes_use_the_new_algorithm (void)
{
  struct codec_description now;

  start ();
  check (live_get_codec (device, 0, &now) && now.algorithm == find ("lz4"));
  check (!live_get_codec (device, 1, &now));
  block_put (device, 0, 0, 500);
  check (set_codec (0, "zstd", 5, 0) == 0);
  block_put (device, 1, 1, 500);
  check (live_get_codec (device, 0, &now) && now.algorithm == find ("zstd") &&
         now.level == 5 && now.dict_bytes == 0);
  check (slot_codec (block_slot (device, 0)) !=
         slot_codec (block_slot (device, 1)));
  check (codec_set_priority (&device->codecs,
                             slot_codec (block_slot (device, 1))) == 0);
  stop ();
}

static void
a_level_changes_under_stored_blocks (void)
{
  start ();
  for (int level = -3; level < 10; level++) {
    check (set_codec (0, "zstd", level, 0) == 0);
    put_blocks (level + 3, level + 4);
  }
  check_blocks (0, 13);
  stop ();
}

static void
a_dictionary_changes_under_stored_blocks (void)
{
  start ();
  for (unsigned i = 0; i < 5; i++) {
    check (set_codec (0, "zstd", CODEC_LEVEL_DEFAULT, i) == 0);
    put_blocks (4 * i, 4 * i + 4);
  }
  check_blocks (0, 20);
  stop ();
}

/* Each dictionary makes a codec that only its own objects can do with. */
static void
the_ninth_codec_in_use_is_refused (void)
{
  const struct recompress_params params = { .priority = 0 };
  struct codec_description now;
  struct postproc_result result;

  start ();
  block_put (device, 0, 0, 500);
  for (unsigned i = 1; i < NR_CODECS; i++) {
    check (set_codec (0, "zstd", CODEC_LEVEL_DEFAULT, i) == 0);
    block_put (device, i, i, 500);
  }
  check (set_codec (0, "zstd", 9, 99) == -1 && errno == EBUSY);
  check_reported ("recompress with priority=0");
  check (live_get_codec (device, 0, &now) && now.level != 9);
  check (recount_device (device));
  check (recompress_device (device, &params, &result) == 0);
  check (result.nr_done == NR_CODECS - 1);
  check (set_codec (0, "zstd", 9, 99) == 0);
  for (uint64_t block = 0; block < NR_CODECS; block++)
    check (block_is (device, block, block, 500));
  stop ();
}

static void
codecs_without_objects_are_no_burden (void)
{
  uint64_t used;

  start ();
  check (set_codec (0, "zstd", 3, 1) == 0);
  used = device->budget.used_bytes;
  for (unsigned i = 0; i < 30; i++) {
    check (set_codec (0, "zstd", 3, 1 + i) == 0);
    put_blocks (0, 10);
    check (device_trim (device, device->size_bytes, 0) == 0);
  }
  check (set_codec (0, "zstd", 3, 1) == 0);
  check (set_codec (0, "zstd", 3, 2) == 0);
  check (device->budget.used_bytes <= 2 * used);
  stop ();
}

static void
wrong_parameters_change_nothing (void)
{
  struct codec_description now;

  start ();
  errno = 0;
  check (set_codec (0, "zstd", 1000, 0) == -1 && errno == EINVAL);
  check_reported ("zstd");
  check (live_get_codec (device, 0, &now) && now.algorithm == find ("lz4"));
  stop ();
}

static void
a_codec_that_does_not_fit_below_the_limit_is_refused (void)
{
  struct codec_description now;

  start ();
  put_blocks (0, 10);
  live_set_mem_limit (device, device->budget.used_bytes + 1);
  check (set_codec (1, "zstd", 12, 0) == -1 && errno == ENOSPC);
  check_reported ("memory limit");
  check (!live_get_codec (device, 1, &now));
  check_blocks (0, 10);
  stop ();
}

/* Size. */

static void
a_disk_grows_and_what_is_new_is_zeroes (void)
{
  start ();
  put_blocks (0, NR_BLOCKS);
  check (live_set_size (device, 10000 * 4096 + 100) == 0);
  check (device->size_bytes == 10000 * 4096 + 100);
  check_blocks (0, NR_BLOCKS);
  check (block_is (device, 9000, 0, 0));
  block_put (device, 9999, 9, 4096);
  check (device_write (device, "last", 4, 10000 * 4096 + 96) == 0);
  check (block_is (device, 9999, 9, 4096));
  stop ();
}

/* The thread sanitizer leaves less address space. */
#ifdef __SANITIZE_THREAD__
#define NR_BLOCKS_LARGE (UINT64_C (1) << 24)
#else
#define NR_BLOCKS_LARGE (UINT64_C (1) << 28)    /* a terabyte */
#endif

static void
a_disk_grows_very_large (void)
{
  start ();
  put_blocks (0, NR_BLOCKS);
  check (live_set_size (device, NR_BLOCKS_LARGE * 4096) == 0);
  check_blocks (0, NR_BLOCKS);
  block_put (device, NR_BLOCKS_LARGE - 1, 7, 500);
  check (block_is (device, NR_BLOCKS_LARGE - 1, 7, 500));
  stop ();
}

static void
too_large_a_size_is_refused (void)
{
  start ();
  put_blocks (0, NR_BLOCKS);
  check (live_set_size (device, (NR_BLOCKS_MAX << 12) + 1) == -1);
  check (errno == EFBIG);
  check_reported ("too large");
  check (live_set_size (device, UINT64_MAX) == -1 && errno == EFBIG);
  check_reported ("too large");
  check (device->size_bytes == NR_BLOCKS * 4096);
  check_blocks (0, NR_BLOCKS);
  stop ();
}

static void
a_disk_shrinks_where_its_tail_is_empty (void)
{
  start ();
  put_blocks (0, 20);
  check (live_set_size (device, 19 * 4096) == -1 && errno == EBUSY);
  check_reported ("trim them first");
  check (device->size_bytes == NR_BLOCKS * 4096);
  check (live_set_size (device, 20 * 4096) == 0);
  check_blocks (0, 20);
  block_trim (device, 19);
  check (live_set_size (device, 19 * 4096) == 0);
  check_blocks (0, 19);
  stop ();
}

static void
a_backed_block_is_in_the_way_too (void)
{
  start ();
  block_put (device, 40, 1, 500);
  attach_backing (device, PATH, 1 << 20, false);
  check (write_back (device) == 0);
  check (live_set_size (device, 40 * 4096) == -1 && errno == EBUSY);
  check_reported ("trim them first");
  stop ();
  check (unlink (PATH) == 0);
}

static void
what_comes_back_when_it_grows_again_is_zeroes (void)
{
  uint8_t data[4096];

  start ();
  block_put (device, 0, 1, 4096);
  check (live_set_size (device, 1000) == 0);
  check (live_set_size (device, NR_BLOCKS * 4096) == 0);
  check (device_read (device, data, 4096, 0) == 0);
  for (unsigned i = 1000; i < 4096; i++)
    check (data[i] == 0);
  check (data[0] || data[1] || data[2]);
  stop ();
}

static void
a_request_behind_the_end_fails (void)
{
  uint8_t data[8192] = { 1 };

  start ();
  put_blocks (0, 2);
  check (live_set_size (device, 2 * 4096) == 0);
  check (device_read (device, data, 1, 2 * 4096) == -1 && errno == EINVAL);
  check (device_read (device, data, 8192, 4096) == -1 && errno == EINVAL);
  check (device_write (device, data, 1, 2 * 4096) == -1 && errno == ENOSPC);
  check (device_write (device, data, 8192, 4096) == -1 && errno == ENOSPC);
  check (device_write (device, data, 2, UINT64_MAX) == -1 && errno == ENOSPC);
  check (device_zero (device, 4096, 60 * 4096, true) == -1 && errno == ENOSPC);
  check (device_trim (device, 4096, 60 * 4096) == -1 && errno == ENOSPC);
  check (device_cache (device, 4096, 60 * 4096) == -1 && errno == EINVAL);
  check_reported ("behind the end");
  check_blocks (0, 2);
  stop ();
}

/* Memory. */

static void
a_limit_can_be_lower_than_what_is_held (void)
{
  uint8_t data[4096];

  start ();
  put_blocks (0, 30);
  live_set_mem_limit (device, 1);
  block_make (device, data, 1, 4096);
  check (device_write (device, data, 4096, 40 * 4096) == -1);
  check (errno == ENOSPC);
  check_reported ("memory limit");
  check_blocks (0, 30);
  block_trim (device, 0);
  live_set_mem_limit (device, 0);
  put_blocks (0, 41);
  check_blocks (0, 41);
  stop ();
}

static void
the_high_water_mark_starts_again (void)
{
  start ();
  put_blocks (0, NR_BLOCKS);
  check (device_trim (device, device->size_bytes, 0) == 0);
  check (device->budget.max_used_bytes > device->budget.used_bytes);
  live_reset_mem_max (device);
  check (device->budget.max_used_bytes == device->budget.used_bytes);
  stop ();
}

/* The backing file. */

static void
detaching_brings_all_blocks_back (void)
{
  char path[64];
  struct backing_stats stats;
  uint64_t used;

  start ();
  used = device->budget.used_bytes;
  put_blocks (0, NR_BLOCKS);
  attach_backing (device, PATH, 1 << 20, false);
  check (live_get_backing (device, path, sizeof path, &stats));
  check_str_equal (path, PATH);
  check (stats.size == 256);
  check (write_back (device) == 0);
  check (device_stat (device, STAT_BACKED_BLOCKS) == NR_BLOCKS);
  check (live_detach_backing (device) == 0);
  check (!live_get_backing (device, path, sizeof path, &stats));
  check (device_stat (device, STAT_BACKED_BLOCKS) == 0);
  check (unlink (PATH) == 0);
  check_blocks (0, NR_BLOCKS);
  check (device_trim (device, device->size_bytes, 0) == 0);
  check (device->budget.used_bytes == used);
  stop ();
}

static void
detaching_without_a_file_fails_with_enodev (void)
{
  start ();
  check (live_detach_backing (device) == -1 && errno == ENODEV);
  check_reported ("no backing file");
  stop ();
}

static void
refuse_to_detach (int errnum)
{
  check (live_detach_backing (device) == -1 && errno == errnum);
  check_reported ("block ");
  zram_debug_fail_backing (NULL, 0);
  check (recount_device (device));
  check_blocks (0, NR_BLOCKS);
  live_set_mem_limit (device, 0);
  check (live_detach_backing (device) == 0);
  check_blocks (0, NR_BLOCKS);
  stop ();
  check (unlink (PATH) == 0);
}

static void
without_room_for_the_blocks_the_file_stays (void)
{
  start ();
  put_blocks (0, NR_BLOCKS);
  attach_backing (device, PATH, 1 << 20, false);
  check (write_back (device) == 0);
  live_set_mem_limit (device, device->budget.used_bytes + 65536);
  refuse_to_detach (ENOSPC);
}

static void
while_blocks_cannot_be_read_the_file_stays (void)
{
  start ();
  put_blocks (0, NR_BLOCKS);
  attach_backing (device, PATH, 1 << 20, false);
  check (write_back (device) == 0);
  zram_debug_fail_backing ("read", 5);
  refuse_to_detach (EIO);
}

static void
no_file_is_attached_when_its_book_keeping_does_not_fit (void)
{
  const struct backing_params params = { .path = PATH,
                                         .size_bytes = 256 << 20 };

  start ();
  live_set_mem_limit (device, device->budget.used_bytes + 4096);
  check (live_attach_backing (device, &params) == -1 && errno == ENOSPC);
  check_reported ("memory limit");
  live_set_mem_limit (device, 0);
  check (live_attach_backing (device, &params) == 0);
  stop ();
  check (unlink (PATH) == 0);
}

/* Reset. */

static void
a_reset_is_refused_while_a_client_is_connected (void)
{
  start ();
  put_blocks (0, NR_BLOCKS);
  check (device_open (device) == 0 && device_open (device) == 0);
  check (live_reset (device) == -1 && errno == EBUSY);
  check_reported ("clients are connected");
  device_close (device);
  check (live_reset (device) == -1 && errno == EBUSY);
  capture_reports ();
  check_blocks (0, NR_BLOCKS);
  device_close (device);
  check (live_reset (device) == 0);
  stop ();
}

static void
a_reset_empties_everything (void)
{
  struct codec_description now;
  struct stats_snapshot stats;

  start ();
  check (set_codec (1, "zstd", 12, 7) == 0);
  attach_backing (device, PATH, 1 << 20, false);
  put_blocks (0, NR_BLOCKS);
  check (write_back (device) == 0);
  put_blocks (0, NR_BLOCKS / 2);
  live_set_mem_limit (device, UINT64_C (1) << 40);
  check (live_reset (device) == 0);
  device_get_stats (device, &stats);
  for (unsigned i = 0; i < NR_STATS; i++)
    check (stats.values[i] == 0);
  check (device->size_bytes == 0 && device->nr_blocks == 0);
  check (device->budget.limit_bytes == 0 && !device->backing);
  check (device->budget.used_bytes == device->fixed_bytes);
  check (device->budget.max_used_bytes == device->fixed_bytes);
  check (live_get_codec (device, 0, &now) &&
         now.algorithm == codec_algorithms[0]);
  check (!live_get_codec (device, 1, &now));
  stop ();
  check (unlink (PATH) == 0);
}

static void
after_a_reset_a_size_makes_a_new_disk (void)
{
  start ();
  put_blocks (0, NR_BLOCKS);
  check (live_reset (device) == 0);
  check (device_open (device) == -1 && errno == ENODEV);
  check_reported ("until its disksize is set");
  check (live_set_size (device, NR_BLOCKS * 4096) == 0);
  check (device_open (device) == 0);
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    check (block_is (device, block, 0, 0));
  put_blocks (0, NR_BLOCKS);
  check_blocks (0, NR_BLOCKS);
  device_close (device);
  stop ();
}

/* Beside requests. */

static atomic_bool stopping;

/* Its own half of the blocks. */
static void *
user (void *opaque)
{
  const uint64_t half = (uintptr_t) opaque;
  struct random random = random_seeded (test_seed () + half);

  while (!atomic_load (&stopping)) {
    const uint64_t block = half * NR_BLOCKS / 2 +
      random_below (&random, NR_BLOCKS / 2);

    if (random_below (&random, 2))
      block_put (device, block, block, noise_of (block));
    else
      check (block_is (device, block, block, noise_of (block)));
  }
  return NULL;
}

static void
beside_users (void (*change) (void), unsigned times)
{
  pthread_t users[2];

  start ();
  put_blocks (0, NR_BLOCKS);
  atomic_store (&stopping, false);
  for (uintptr_t i = 0; i < 2; i++)
    check (pthread_create (&users[i], NULL, user, (void *) i) == 0);
  for (unsigned i = 0; i < times; i++)
    change ();
  atomic_store (&stopping, true);
  for (unsigned i = 0; i < 2; i++)
    pthread_join (users[i], NULL);
  check (recount_device (device));
  check_blocks (0, NR_BLOCKS);
  stop ();
}

static void
change_algorithms (void)
{
  const struct recompress_params params = { .priority = 0 };
  struct postproc_result result;
  struct codec_description now;

  for (unsigned i = 0; codec_algorithms[i]; i++) {
    check (live_set_codec (device, 0, codec_algorithms[i], NULL) == 0);
    check (live_get_codec (device, 0, &now));
    check (recompress_device (device, &params, &result) == 0);
  }
}

static void
change_size (void)
{
  check (live_set_size (device, 100000 * 4096) == 0);
  check (live_set_size (device, NR_BLOCKS * 4096 + 1000) == 0);
  check (live_set_size (device, NR_BLOCKS * 4096) == 0);
}

static void
change_backing (void)
{
  attach_backing (device, PATH, 1 << 20, false);
  check (write_back (device) == 0);
  check (live_detach_backing (device) == 0);
  check (unlink (PATH) == 0);
}

static void
algorithms_change_beside_requests (void)
{
  beside_users (change_algorithms, 10);
}

static void
the_size_changes_beside_requests (void)
{
  beside_users (change_size, 200);
}

static void
files_come_and_go_beside_requests (void)
{
  beside_users (change_backing, 20);
}

static _Atomic unsigned nr_rounds;

/* Writes what may be cut off any moment, and nothing stays of it. */
static void *
tail_user (void *opaque)
{
  uint8_t data[4096];

  block_make (device, data, 1, 500);
  for (; !atomic_load (&stopping); nr_rounds++) {
    if (device_write (device, data, 4096, 50 * 4096) == -1)
      check (errno == ENOSPC);
    if (device_trim (device, 4096, 50 * 4096) == -1)
      check (errno == ENOSPC);
  }
  return NULL;
}

/* A request that began before the disk shrank has ended by then. */
static void
await_rounds (unsigned nr)
{
  const unsigned end = nr_rounds + nr;

  while (nr_rounds < end)
    sched_yield ();
}

static void
nothing_is_stored_behind_the_end (void)
{
  unsigned nr_shrunk = 0;
  pthread_t thread;

  start ();
  ignore_reports ();
  atomic_store (&stopping, false);
  check (pthread_create (&thread, NULL, tail_user, NULL) == 0);
  while (nr_shrunk < 100) {
    if (live_set_size (device, 50 * 4096) == 0) {
      nr_shrunk++;
      await_rounds (2);
      check (recount_device (device));
    }
    check (live_set_size (device, NR_BLOCKS * 4096) == 0);
    await_rounds (1);
  }
  atomic_store (&stopping, true);
  pthread_join (thread, NULL);
  capture_reports ();
  stop ();
}

int
main (void)
{
  capture_reports ();
  unlink (PATH);
  test (stored_blocks_outlive_every_change_of_algorithm);
  test (new_writes_use_the_new_algorithm);
  test (a_level_changes_under_stored_blocks);
  test (a_dictionary_changes_under_stored_blocks);
  test (the_ninth_codec_in_use_is_refused);
  test (codecs_without_objects_are_no_burden);
  test (wrong_parameters_change_nothing);
  test (a_codec_that_does_not_fit_below_the_limit_is_refused);
  test (a_disk_grows_and_what_is_new_is_zeroes);
  test (a_disk_grows_very_large);
  test (too_large_a_size_is_refused);
  test (a_disk_shrinks_where_its_tail_is_empty);
  test (what_comes_back_when_it_grows_again_is_zeroes);
  test (a_request_behind_the_end_fails);
  test (a_limit_can_be_lower_than_what_is_held);
  test (the_high_water_mark_starts_again);
  test (detaching_without_a_file_fails_with_enodev);
  test (a_reset_is_refused_while_a_client_is_connected);
  test (after_a_reset_a_size_makes_a_new_disk);
  test (algorithms_change_beside_requests);
  test (the_size_changes_beside_requests);
  test (nothing_is_stored_behind_the_end);
  if (has_backing_files ()) {
    test (a_backed_block_is_in_the_way_too);
    test (detaching_brings_all_blocks_back);
    test (without_room_for_the_blocks_the_file_stays);
    test (while_blocks_cannot_be_read_the_file_stays);
    test (no_file_is_attached_when_its_book_keeping_does_not_fit);
    test (a_reset_empties_everything);
    test (files_come_and_go_beside_requests);
  }
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Deduplication: blocks with one content have one object, whatever becomes of
 * it and of them, and a block never gets a content that it was not given.
 * Attacks invariants 1, 2, 4 and 6 of table.h.  Linked with
 * -Wl,--wrap=device_count_blocks, to be there while a disk grows.
 */
#include <config.h>

#include <pthread.h>
#include <sched.h>

#include "backing_file.h"
#include "blocks.h"
#include "compact.h"
#include "idle.h"
#include "model.h"
#include "pages.h"
#include "recompress.h"

#define PATH "test-dedup.file"
#define MIB ((uint64_t) 1 << 20)
#define SIZE 500u               /* of noise in a block */
#define NR_BLOCKS 2000u

int __wrap_device_count_blocks (const struct device *counted,
                                uint64_t size_bytes, uint64_t *nr_blocks);
int __real_device_count_blocks (const struct device *counted,
                                uint64_t size_bytes, uint64_t *nr_blocks);

static struct device *device;
static uint32_t block_bytes;

static void
start_without (uint64_t nr_blocks)
{
  device = model_device (1, block_bytes, nr_blocks * block_bytes);
}

static void
start (void)
{
  start_without (NR_BLOCKS);
  check (live_set_dedup (device, true) == 0);
}

static void
start_with_backing (void)
{
  start ();
  unlink (PATH);
  attach_backing (device, PATH, 8 * MIB, false);
}

/* Without blocks there are no shares. */
static void
stop (void)
{
  check (recount_device (device));
  check (device_trim (device, device->size_bytes, 0) == 0);
  check (shares_held_bytes (&device->shares) == 0);
  check_and_destroy (device);
  check_nothing_reported ();
}

static void
stop_with_backing (void)
{
  stop ();
  check (unlink (PATH) == 0);
}

/* Content 1 is that of block_make, number 1, and so on. */
static void
put (uint64_t block, uint64_t content)
{
  block_put (device, block, content, SIZE);
}

static void
put_range (uint64_t first, uint64_t end, uint64_t content)
{
  for (uint64_t block = first; block < end; block++)
    put (block, content);
}

static bool
is (uint64_t block, uint64_t content)
{
  return block_is (device, block, content, SIZE);
}

static void
check_range_is (uint64_t first, uint64_t end, uint64_t content)
{
  for (uint64_t block = first; block < end; block++)
    check (is (block, content));
}

static bool
is_shared (uint64_t block)
{
  return slot_kind (block_slot (device, block)) == SLOT_SHARED;
}

static uint64_t
share_of (uint64_t block)
{
  check (is_shared (block));
  return slot_share (block_slot (device, block));
}

static uint32_t
sharers_of (uint64_t block)
{
  return *share_count (&device->shares, share_of (block));
}

static uint32_t
size_of (uint64_t block)
{
  return slot_size_bytes (block_object_slot (device, block));
}

static uint64_t
nr_objects (void)
{
  return arena_nr_live (&device->arena);
}

static uint32_t
tag_of (uint64_t content)
{
  uint8_t data[BLOCK_BYTES_MAX];

  block_make (device, data, content, SIZE);
  return dedup_tag (device, data);
}

/* Sharing. */

static void
equal_blocks_share_one_object (void)
{
  start ();
  put_range (0, 10, 1);
  check (nr_objects () == 1 && sharers_of (3) == 10);
  check (share_of (0) == share_of (9));
  check (device_stat (device, STAT_SHARED_BLOCKS) == 10);
  check (device_stat (device, STAT_SHARES) == 1);
  check (device_stat (device, STAT_PACKED_BLOCKS) == 0);
  check (device_stat (device, STAT_OBJECT_BYTES) == size_of (0));
  check (device_stat (device, STAT_DUP_BYTES) == 9 * (int64_t) size_of (0));
  check_range_is (0, 10, 1);
  stop ();
}

static void
different_blocks_share_nothing (void)
{
  start ();
  for (uint64_t block = 0; block < 100; block++)
    put (block, block);
  check (nr_objects () == 100);
  check (device_stat (device, STAT_SHARES) == 0);
  check (device_stat (device, STAT_DUP_BYTES) == 0);
  stop ();
}

static void
huge_blocks_share_one_object_too (void)
{
  start ();
  block_put (device, 0, 1, block_bytes);
  block_put (device, 1, 1, block_bytes);
  check (share_of (0) == share_of (1) && nr_objects () == 1);
  check (device_stat (device, STAT_DUP_BYTES) == block_bytes);
  check (device_stat (device, STAT_HUGE_BLOCKS) == 0);
  check (block_is (device, 1, 1, block_bytes));
  stop ();
}

static void
same_filled_blocks_need_no_share (void)
{
  uint8_t data[BLOCK_BYTES_MAX];

  start ();
  memset (data, 7, block_bytes);
  for (uint64_t block = 0; block < 3; block++)
    check (device_write (device, data, block_bytes,
                         block * block_bytes) == 0);
  check (device_stat (device, STAT_SAME_BLOCKS) == 3);
  check (device_stat (device, STAT_SHARES) == 0);
  stop ();
}

static void
a_block_written_again_as_it_is_counts_once (void)
{
  start ();
  put_range (0, 3, 1);
  put_range (0, 3, 1);
  check (sharers_of (0) == 3 && nr_objects () == 1);
  block_trim (device, 0);
  block_trim (device, 1);
  put (2, 1);
  check (sharers_of (2) == 1 && nr_objects () == 1);
  check (device_stat (device, STAT_DUP_BYTES) == 0);
  check (is (2, 1));
  stop ();
}

/* Contents are compared. */

static void
a_wrong_entry_makes_no_wrong_block (void)
{
  start ();
  put (0, 1);
  dedup_note (&device->dedup, tag_of (2), 0);
  put (1, 2);
  check (!is_shared (0) && !is_shared (1));
  check (is (0, 1) && is (1, 2));
  stop ();
}

static void
a_wrong_entry_of_a_share_makes_no_wrong_block (void)
{
  start ();
  put_range (0, 2, 1);
  dedup_note (&device->dedup, tag_of (2), share_of (0));
  put (2, 2);
  check (!is_shared (2) && sharers_of (0) == 2);
  check (is (0, 1) && is (2, 2));
  stop ();
}

/* Of blocks that are empty, not there, not in an object, or shared, and of
 * shares that never were. */
static void
entries_of_anything_make_no_wrong_block (void)
{
  const uint64_t entries[] = {
    0, 10, NR_BLOCKS, SHARE_BASE - 1, SHARE_BASE, SHARE_BASE + 1000,
    NR_SLOTS_MAX - 1, 1, 2,
  };

  for (unsigned i = 0; i < sizeof entries / sizeof *entries; i++) {
    start ();
    check (device_zero (device, block_bytes, 0, false) == 0);
    put_range (1, 3, 3);
    dedup_note (&device->dedup, tag_of (1), entries[i]);
    put (20, 1);
    check (is (20, 1) && is (1, 3) && !is_shared (20));
    stop ();
  }
}

static void
an_entry_that_is_late_makes_no_wrong_block (void)
{
  start ();
  put (0, 1);
  put (0, 2);
  put (1, 1);
  check (!is_shared (0) && !is_shared (1));
  check (is (0, 2) && is (1, 1));
  stop ();
}

/* All have one tag: only the comparison tells them apart. */
static void
contents_with_one_tag_share_what_is_equal (void)
{
  start ();
  for (uint64_t content = 1; content <= 8; content++) {
    put (content, content);
    for (uint64_t other = 1; other <= 8; other++)
      dedup_note (&device->dedup, tag_of (other), content);
  }
  for (uint64_t content = 1; content <= 8; content++)
    put (100 + content, content);
  for (uint64_t content = 1; content <= 8; content++) {
    check (is (content, content) && is (100 + content, content));
    if (is_shared (100 + content))
      check (share_of (content) == share_of (100 + content));
  }
  stop ();
}

/* Sharers come and go. */

static void
overwriting_one_leaves_the_others (void)
{
  start ();
  put_range (0, 5, 1);
  put (2, 2);
  check (sharers_of (0) == 4 && !is_shared (2));
  check (is (2, 2));
  check_range_is (0, 2, 1);
  check_range_is (3, 5, 1);
  stop ();
}

static void
writing_a_part_leaves_the_others (void)
{
  uint8_t data[BLOCK_BYTES_MAX], copy[BLOCK_BYTES_MAX];

  start ();
  put_range (0, 3, 1);
  check (device_write (device, "part", 4, block_bytes + 100) == 0);
  check (device_zero (device, 10, 2 * block_bytes + 7, true) == 0);
  check (is (0, 1) && sharers_of (0) == 1);
  block_make (device, data, 1, SIZE);
  memcpy (data + 100, "part", 4);
  check (device_read (device, copy, block_bytes, block_bytes) == 0);
  check (memcmp (copy, data, block_bytes) == 0);
  block_make (device, data, 1, SIZE);
  memset (data + 7, 0, 10);
  check (device_read (device, copy, block_bytes, 2 * block_bytes) == 0);
  check (memcmp (copy, data, block_bytes) == 0);
  stop ();
}

static void
zeroing_one_leaves_the_others (void)
{
  start ();
  put_range (0, 4, 1);
  check (device_zero (device, block_bytes, block_bytes, false) == 0);
  check (device_zero (device, block_bytes, 2 * block_bytes, true) == 0);
  check (sharers_of (0) == 2);
  check (is (0, 1) && is (3, 1));
  check (block_is (device, 1, 0, 0) && block_is (device, 2, 0, 0));
  stop ();
}

static void
a_part_of_a_shared_block_can_be_read (void)
{
  uint8_t data[BLOCK_BYTES_MAX], copy[300];

  start ();
  put_range (0, 2, 1);
  block_make (device, data, 1, SIZE);
  check (device_read (device, copy, 300, block_bytes + 333) == 0);
  check (memcmp (copy, data + 333, 300) == 0);
  stop ();
}

static void
the_last_one_takes_the_share_along (void)
{
  uint64_t share;

  start ();
  put_range (0, 3, 1);
  share = share_of (0);
  block_trim (device, 0);
  put (1, 2);
  check (nr_objects () == 2 && is (2, 1));
  block_trim (device, 2);
  check (nr_objects () == 1);
  check (device_stat (device, STAT_SHARES) == 0);
  check (device_stat (device, STAT_DUP_BYTES) == 0);
  check (*share_count (&device->shares, share) == 0);
  put (5, 2);
  check (share_of (5) == share);
  check (is (1, 2) && is (5, 2));
  stop ();
}

static void
trimming_all_gives_all_memory_back (void)
{
  uint64_t used;

  start ();
  used = device->budget.used_bytes;
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    put (block, block % 700);
  check (device->budget.used_bytes > used);
  check (device_trim (device, device->size_bytes, 0) == 0);
  check (nr_objects () == 0);
  check (device->budget.used_bytes == used);
  stop ();
}

/* What moves objects. */

static void
compaction_moves_shares (void)
{
  start ();
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    put (block, block / 2);
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    if (block / 2 % 20 != 0)
      block_trim (device, block);
  check (compact_device (device) > 0);
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    if (block / 2 % 20 == 0)
      check (is (block, block / 2) && sharers_of (block) == 2);
  stop ();
}

/* Half of each byte is noise: zstd finds it, lz4 does not. */
static void
put_nibbles (uint64_t block, uint64_t number)
{
  uint8_t data[BLOCK_BYTES_MAX];

  block_make (device, data, number, block_bytes / 2);
  for (uint32_t i = 0; i < block_bytes; i++)
    data[i] &= 15;
  check (device_write (device, data, block_bytes, block * block_bytes) == 0);
}

static void
check_nibbles (uint64_t block, uint64_t number)
{
  uint8_t data[BLOCK_BYTES_MAX], copy[BLOCK_BYTES_MAX];

  block_make (device, data, number, block_bytes / 2);
  for (uint32_t i = 0; i < block_bytes; i++)
    data[i] &= 15;
  check (device_read (device, copy, block_bytes, block * block_bytes) == 0);
  check (memcmp (copy, data, block_bytes) == 0);
}

static void
set_codec (unsigned priority, const char *name)
{
  const char *why;
  const struct codec_params params = {
    .level = strcmp (name, "zstd") == 0 ? 9 : CODEC_LEVEL_DEFAULT,
  };

  check (live_set_codec (device, priority, codec_find (name, &why),
                         &params) == 0);
}

static void
a_share_is_recompressed_once_for_all (void)
{
  const struct recompress_params params = { .priority = 1 };
  struct postproc_result result;
  uint32_t size;

  start ();
  set_codec (1, "zstd");
  for (uint64_t block = 0; block < 10; block++)
    put_nibbles (block, block / 5);
  size = size_of (0);
  check (recompress_device (device, &params, &result) == 0);
  check (result.nr_tried == 2 && result.nr_done == 2);
  check (sharers_of (0) == 5 && size_of (0) < size);
  check (device_stat (device, STAT_DUP_BYTES) ==
         4 * (int64_t) (size_of (0) + size_of (5)));
  check (recount_device (device));
  for (uint64_t block = 0; block < 10; block++)
    check_nibbles (block, block / 5);
  put_nibbles (20, 1);
  check (share_of (20) == share_of (5));
  stop ();
}

static void
what_is_known_of_a_block_its_share_knows (void)
{
  const struct recompress_params params = { .priority = 1 };
  struct postproc_result result;

  start ();
  set_codec (1, "zstd");
  block_put (device, 0, 1, block_bytes);
  check (recompress_device (device, &params, &result) == 0);
  check (result.nr_tried == 1 && result.nr_done == 0);
  block_put (device, 1, 1, block_bytes);
  check (slot_has_flag (block_object_slot (device, 1), SLOT_INCOMPRESSIBLE));
  check (recompress_device (device, &params, &result) == 0);
  check (result.nr_tried == 0);
  stop ();
}

static void
shares_outlive_a_change_of_algorithm (void)
{
  const struct recompress_params params = { .priority = 0 };
  struct postproc_result result;

  start ();
  put_range (0, 4, 1);
  set_codec (0, "zstd");
  put (4, 1);
  check (sharers_of (4) == 5);
  put_range (10, 13, 2);
  check_range_is (0, 5, 1);
  check (recompress_device (device, &params, &result) == 0);
  check (result.nr_done == 1);
  check_range_is (0, 5, 1);
  check_range_is (10, 13, 2);
  check (sharers_of (0) == 5 && sharers_of (10) == 3);
  stop ();
}

/* Ages. */

static void
a_share_is_as_young_as_its_last_use (void)
{
  uint64_t share;

  start ();
  put_range (0, 2, 1);
  put_range (5, 7, 2);
  share = share_of (0);
  block_set_age (device, share, 200);
  block_set_age (device, share_of (5), 200);
  check (is (1, 1));
  check (idle_mark_older (device, 100) == 1);
  check (!block_is_idle (device, share));
  check (block_is_idle (device, share_of (5)));
  check (is (6, 2));
  check (!block_is_idle (device, share_of (5)));
  stop ();
}

/* Writeback. */

static bool
share_is_backed (uint64_t block)
{
  return slot_kind (block_object_slot (device, block)) == SLOT_BACKED;
}

static void
a_share_goes_to_the_file_once (void)
{
  start_with_backing ();
  put_range (0, 50, 1);
  put_range (50, 100, 2);
  check (write_back (device) == 0);
  check (share_is_backed (0) && share_is_backed (99));
  check (nr_objects () == 0);
  check (backing_stats_of (device).count == 1);
  check (device_stat (device, STAT_SHARES) == 2);
  check (device_stat (device, STAT_BACKED_BLOCKS) == 0);
  check (recount_device (device));
  check_range_is (0, 50, 1);
  check_range_is (50, 100, 2);
  stop_with_backing ();
}

static void
its_place_in_the_file_goes_with_the_last_one (void)
{
  start_with_backing ();
  put_range (0, 3, 1);
  check (write_back (device) == 0);
  put (0, 2);
  block_trim (device, 1);
  check (backing_stats_of (device).count == 1 && is (2, 1));
  block_trim (device, 2);
  check (backing_stats_of (device).count == 0);
  check (device_stat (device, STAT_SHARES) == 0);
  stop_with_backing ();
}

static void
what_lies_in_the_file_is_not_read_to_be_shared (void)
{
  start_with_backing ();
  put_range (0, 2, 1);
  check (write_back (device) == 0);
  put (2, 1);
  check (!is_shared (2) && nr_objects () == 1);
  check (backing_stats_of (device).reads == 0);
  check_range_is (0, 3, 1);
  stop_with_backing ();
}

static void
a_part_written_to_a_backed_share_leaves_the_others (void)
{
  start_with_backing ();
  put_range (0, 3, 1);
  check (write_back (device) == 0);
  check (device_write (device, "part", 4, 100) == 0);
  check (!is_shared (0) && sharers_of (1) == 2 && share_is_backed (1));
  check_range_is (1, 3, 1);
  stop_with_backing ();
}

static void
caching_one_brings_the_share_back (void)
{
  start_with_backing ();
  put_range (0, 4, 1);
  check (write_back (device) == 0);
  check (device_cache (device, block_bytes, 2 * block_bytes) == 0);
  check (!share_is_backed (0) && nr_objects () == 1);
  check (sharers_of (0) == 4);
  check (recount_device (device));
  check_range_is (0, 4, 1);
  put (4, 1);
  check (sharers_of (4) == 5);
  stop_with_backing ();
}

static void
a_share_that_is_read_often_comes_back (void)
{
  start_with_backing ();
  put_range (0, 2, 1);
  check (write_back (device) == 0);
  check (is (0, 1) && share_is_backed (0));
  check (is (1, 1) && !share_is_backed (0));
  check_range_is (0, 2, 1);
  stop_with_backing ();
}

static void
detaching_brings_all_shares_back (void)
{
  start_with_backing ();
  for (uint64_t block = 0; block < 300; block++)
    put (block, block / 3);
  check (write_back (device) == 0);
  check (nr_objects () == 0);
  check (live_detach_backing (device) == 0);
  check (nr_objects () == 100);
  for (uint64_t block = 0; block < 300; block++)
    check (is (block, block / 3) && sharers_of (block) == 3);
  stop_with_backing ();
}

static void
a_share_that_cannot_be_read_fails_each_sharer (void)
{
  start_with_backing ();
  put_range (0, 2, 1);
  check (write_back (device) == 0);
  zram_debug_fail_backing ("read", 0);
  errno = 0;
  check (!is (0, 1) && errno == EIO);
  check (!is (1, 1) && errno == EIO);
  check (device_write (device, "part", 4, 100) == -1 && errno == EIO);
  check_reported ("cannot read it");
  captured_reports[0] = '\0';
  zram_debug_fail_backing (NULL, 0);
  check_range_is (0, 2, 1);
  stop_with_backing ();
}

/* The switch. */

static void
off_it_costs_nothing (void)
{
  uint64_t used;

  start_without (NR_BLOCKS);
  used = device->budget.used_bytes;
  put_range (0, 10, 1);
  check (nr_objects () == 10 && !dedup_is_on (&device->dedup));
  check (device_stat (device, STAT_SHARED_BLOCKS) == 0);
  check (shares_held_bytes (&device->shares) == 0);
  check (shares_end (&device->shares) == SHARE_BASE);
  check (device_trim (device, device->size_bytes, 0) == 0);
  check (device->budget.used_bytes == used);
  check (live_set_dedup (device, true) == 0);
  check (device->budget.used_bytes > used);
  check (live_set_dedup (device, true) == 0);
  check (live_set_dedup (device, false) == 0);
  check (device->budget.used_bytes == used);
  check (live_set_dedup (device, false) == 0);
  stop ();
}

static void
turned_off_what_is_shared_stays_so_until_written (void)
{
  start ();
  put_range (0, 4, 1);
  check (live_set_dedup (device, false) == 0);
  check (recount_device (device));
  put (4, 1);
  check (!is_shared (4) && sharers_of (0) == 4);
  put (0, 1);
  check (!is_shared (0) && sharers_of (1) == 3);
  check_range_is (0, 5, 1);
  check (device_trim (device, 4 * block_bytes, 0) == 0);
  check (device_stat (device, STAT_SHARES) == 0 && nr_objects () == 1);
  check (is (4, 1));
  stop ();
}

static void
turned_on_again_it_knows_what_is_written_then (void)
{
  start ();
  put_range (0, 2, 1);
  put (2, 2);
  check (live_set_dedup (device, false) == 0);
  check (live_set_dedup (device, true) == 0);
  put (3, 2);
  put (4, 2);
  check (!is_shared (2) && share_of (3) == share_of (4));
  check_range_is (0, 2, 1);
  check_range_is (2, 5, 2);
  stop ();
}

static void
a_reset_forgets_shares (void)
{
  start ();
  for (uint64_t block = 0; block < 100; block++)
    put (block, block / 2);
  check (live_reset (device) == 0);
  check (!dedup_is_on (&device->dedup));
  check (nr_objects () == 0 && device_stat (device, STAT_SHARES) == 0);
  check (live_set_size (device, NR_BLOCKS * (uint64_t) block_bytes) == 0);
  check (live_set_dedup (device, true) == 0);
  check (block_is (device, 0, 0, 0));
  put_range (10, 12, 1);
  check (sharers_of (10) == 2);
  check_range_is (10, 12, 1);
  stop ();
}

/* The index. */

static void
the_index_keeps_its_entries_when_it_grows (void)
{
  uint64_t nr_entries;

  start_without (90000);
  put_range (0, 70000, 0);
  check (live_set_dedup (device, true) == 0);
  nr_entries = device->dedup.nr_entries;
  for (uint64_t i = 1; i <= 200; i++)
    put (70000 + i, i);
  live_fit_dedup (device);
  check (device->dedup.nr_entries == 2 * nr_entries);
  check (recount_device (device));
  for (uint64_t i = 1; i <= 200; i++) {
    put (71000 + i, i);
    check (share_of (71000 + i) == share_of (70000 + i));
  }
  live_fit_dedup (device);
  check (device->dedup.nr_entries == 2 * nr_entries);
  stop ();
}

static void
without_memory_the_index_stays_as_it_is (void)
{
  uint64_t nr_entries;

  start_without (90000);
  put_range (0, 70000, 0);
  check (live_set_dedup (device, true) == 0);
  nr_entries = device->dedup.nr_entries;
  put (70001, 1);
  live_set_mem_limit (device, device->budget.used_bytes + 4 * PAGE_BYTES);
  live_fit_dedup (device);
  check (device->dedup.nr_entries == nr_entries);
  live_set_mem_limit (device, 0);
  put (70002, 1);
  check (sharers_of (70001) == 2);
  stop ();
}

static void
without_an_index_no_index_grows (void)
{
  start_without (NR_BLOCKS);
  live_fit_dedup (device);
  check (!dedup_is_on (&device->dedup));
  stop ();
}

/* Limits. */

static void
an_index_that_does_not_fit_is_refused (void)
{
  uint64_t used;

  start_without (NR_BLOCKS);
  put (0, 1);
  used = device->budget.used_bytes;
  live_set_mem_limit (device, used + PAGE_BYTES);
  check (live_set_dedup (device, true) == -1 && errno == ENOSPC);
  check_reported ("no memory for the index of contents");
  check (device->budget.used_bytes == used);
  put (0, 1);
  stop ();
}

/* One that is shared already takes nothing; others may find no room for a new
 * share, and have an object of their own or get the error. */
static void
at_the_memory_limit_blocks_are_right_or_as_they_were (void)
{
  uint8_t data[BLOCK_BYTES_MAX];

  start ();
  put_range (0, 2, 1);
  for (uint64_t block = 2; block < 500; block++)
    block_put (device, block, block, block_bytes / 2);
  live_set_mem_limit (device, device->budget.used_bytes);
  put (510, 1);
  check (sharers_of (510) == 3);
  for (uint64_t block = 2; block < 500; block++) {
    const uint64_t copy = 1000 + block;
    bool written;

    block_make (device, data, block, block_bytes / 2);
    written = device_write (device, data, block_bytes,
                            copy * block_bytes) == 0;
    check (written || errno == ENOSPC);
    check (block_is (device, block, block, block_bytes / 2));
    check (block_is (device, copy, written ? block : 0,
                     written ? block_bytes / 2 : 0));
  }
  captured_reports[0] = '\0';
  check (device->budget.max_used_bytes <= device->budget.limit_bytes);
  stop ();
}

/* Every commit on the way fails once.  Returns whether one did. */
static bool
share_with_commit_failing (long after)
{
  uint8_t data[BLOCK_BYTES_MAX];
  bool written, failed;

  start ();
  put (0, 1);
  put (1, 2);
  block_make (device, data, 1, SIZE);
  zram_debug_fail_commit (after);
  written = device_write (device, data, block_bytes,
                          1500 * block_bytes) == 0;
  failed = !written || !is_shared (0);
  zram_debug_fail_commit (-1);
  check (written || errno == ENOMEM);
  check (recount_device (device));
  check (is (0, 1) && is (1, 2));
  if (written)
    check (is (1500, 1));
  else
    check (block_is (device, 1500, 0, 0));
  captured_reports[0] = '\0';
  put (1501, 1);
  check (is (1501, 1) && sharers_of (0) == (written && !failed ? 3 : 2));
  stop ();
  return failed;
}

static void
a_failed_commit_leaves_all_blocks_as_they_were (void)
{
  long after = 0;

  while (share_with_commit_failing (after))
    check (++after < 20);
  check (after >= 3);           /* the block's slot, the count, the share's */
}

/* The thread sanitizer leaves less address space.  No recount: it would look at
 * each span of 8 TiB. */
static void
a_disk_with_more_blocks_than_shares_leave_is_refused (void)
{
#ifndef __SANITIZE_THREAD__
  start_without (SHARE_BASE + 1);
  check (live_set_dedup (device, true) == -1 && errno == EFBIG);
  check_reported ("cannot share them");
  put_range (0, 2, 1);
  check (!is_shared (0));
  check (live_set_size (device, SHARE_BASE * block_bytes) == 0);
  check (live_set_dedup (device, true) == 0);
  put (SHARE_BASE - 1, 2);
  put (1, 2);
  check (share_of (1) == share_of (SHARE_BASE - 1));
  check (is (0, 1) && is (1, 2) && is (SHARE_BASE - 1, 2));
  device_destroy (device);
#endif
}

static void
after_a_reset_a_disk_can_be_as_large_as_ever (void)
{
#ifndef __SANITIZE_THREAD__
  start ();
  put_range (0, 3, 1);
  check (live_reset (device) == 0);
  check (live_set_size (device, (SHARE_BASE + 1) * block_bytes) == 0);
  put_range (SHARE_BASE - 1, SHARE_BASE + 1, 1);
  check_range_is (SHARE_BASE - 1, SHARE_BASE + 1, 1);
  device_destroy (device);
#endif
}

/* The size was found good, and then shares took half of the numbers: whoever
 * comes second is refused. */

static bool switches_on;
static pthread_t switcher;
static _Atomic bool switched;

static void *
switch_on (void *opaque)
{
  errno = 0;
  if (live_set_dedup (device, true) == -1)
    check (errno == EFBIG);
  switched = true;
  return NULL;
}

int
__wrap_device_count_blocks (const struct device *counted, uint64_t size_bytes,
                            uint64_t *nr_blocks)
{
  const int r = __real_device_count_blocks (counted, size_bytes, nr_blocks);

  if (switches_on) {
    switches_on = false;
    check (pthread_create (&switcher, NULL, switch_on, NULL) == 0);
    while (!switched && device->nr_waiting == 0)
      sched_yield ();
  }
  return r;
}

static void
a_disk_does_not_grow_into_shares_that_come_meanwhile (void)
{
#ifndef __SANITIZE_THREAD__
  start_without (NR_BLOCKS);
  switches_on = true;
  check (live_set_size (device, (SHARE_BASE + 1) * block_bytes) == 0 ||
         errno == EFBIG);
  pthread_join (switcher, NULL);
  captured_reports[0] = '\0';
  check (device->nr_blocks <= SHARE_BASE ||
         device->table.first_share == UINT64_MAX);
  device_destroy (device);
#endif
}

static void
a_disk_that_shares_cannot_grow_beyond (void)
{
  start ();
  put_range (0, 2, 1);
  check (live_set_size (device, SHARE_BASE * block_bytes + 1) == -1);
  check (errno == EFBIG);
  check_reported ("too large");
  check_range_is (0, 2, 1);
  stop ();
}

/* Threads.  Each writes few contents to blocks that others write too; a block
 * is one of them whole, or empty. */

#define NR_THREADS 4u
#define NR_STEPS 2500u
#define NR_CONTENTS 6u
#define NR_COMMON 40u

static _Atomic unsigned nr_running;

static bool
is_one_of (const uint8_t *data)
{
  uint8_t wanted[BLOCK_BYTES_MAX];

  for (uint64_t content = 1; content <= NR_CONTENTS; content++) {
    block_make (device, wanted, content, SIZE);
    if (memcmp (data, wanted, block_bytes) == 0)
      return true;
  }
  memset (wanted, 0, block_bytes);
  return memcmp (data, wanted, block_bytes) == 0;
}

static void *
use (void *opaque)
{
  struct random random = random_seeded (test_seed () + (uintptr_t) opaque);
  uint8_t data[BLOCK_BYTES_MAX];

  for (unsigned step = 0; step < NR_STEPS; step++) {
    const uint64_t block = random_below (&random, NR_COMMON);

    switch (random_below (&random, 4)) {
    case 0:
      check (device_read (device, data, block_bytes,
                          block * block_bytes) == 0);
      check (is_one_of (data));
      break;
    case 1:
      block_trim (device, block);
      break;
    default:
      put (block, 1 + random_below (&random, NR_CONTENTS));
    }
  }
  nr_running--;
  return NULL;
}

static void
threads_share_while_the_device_is_steered (void)
{
  pthread_t threads[NR_THREADS];
  bool on = true;

  start_with_backing ();
  nr_running = NR_THREADS;
  for (uintptr_t i = 0; i < NR_THREADS; i++)
    check (pthread_create (&threads[i], NULL, use, (void *) i) == 0);
  while (nr_running > 0) {
    check (write_back (device) == 0);
    compact_device (device);
    idle_mark_all (device);
    check (device_cache (device, device->size_bytes, 0) == 0);
    on = !on;
    check (live_set_dedup (device, on) == 0);
  }
  for (unsigned i = 0; i < NR_THREADS; i++)
    pthread_join (threads[i], NULL);
  stop_with_backing ();
}

static void
test_with_blocks_of (uint32_t bytes)
{
  printf ("blocks of %u bytes\n", bytes);
  block_bytes = bytes;
  test (equal_blocks_share_one_object);
  test (different_blocks_share_nothing);
  test (huge_blocks_share_one_object_too);
  test (same_filled_blocks_need_no_share);
  test (a_block_written_again_as_it_is_counts_once);
  test (a_wrong_entry_makes_no_wrong_block);
  test (a_wrong_entry_of_a_share_makes_no_wrong_block);
  test (entries_of_anything_make_no_wrong_block);
  test (an_entry_that_is_late_makes_no_wrong_block);
  test (contents_with_one_tag_share_what_is_equal);
  test (overwriting_one_leaves_the_others);
  test (writing_a_part_leaves_the_others);
  test (zeroing_one_leaves_the_others);
  test (a_part_of_a_shared_block_can_be_read);
  test (the_last_one_takes_the_share_along);
  test (trimming_all_gives_all_memory_back);
  test (compaction_moves_shares);
  test (a_share_is_recompressed_once_for_all);
  test (what_is_known_of_a_block_its_share_knows);
  test (shares_outlive_a_change_of_algorithm);
  test (a_share_is_as_young_as_its_last_use);
  test (a_share_goes_to_the_file_once);
  test (its_place_in_the_file_goes_with_the_last_one);
  test (what_lies_in_the_file_is_not_read_to_be_shared);
  test (a_part_written_to_a_backed_share_leaves_the_others);
  test (caching_one_brings_the_share_back);
  test (a_share_that_is_read_often_comes_back);
  test (detaching_brings_all_shares_back);
  test (a_share_that_cannot_be_read_fails_each_sharer);
  test (off_it_costs_nothing);
  test (turned_off_what_is_shared_stays_so_until_written);
  test (turned_on_again_it_knows_what_is_written_then);
  test (a_reset_forgets_shares);
  test (an_index_that_does_not_fit_is_refused);
  test (at_the_memory_limit_blocks_are_right_or_as_they_were);
  test (a_failed_commit_leaves_all_blocks_as_they_were);
  test (a_disk_that_shares_cannot_grow_beyond);
  test (threads_share_while_the_device_is_steered);
}

int
main (void)
{
  if (!has_backing_files ())
    skip_test ("deduplication is not compiled in (xxhash)");
  capture_reports ();
  test_with_blocks_of (65536);
  test_with_blocks_of (4096);
  test (a_disk_with_more_blocks_than_shares_leave_is_refused);
  test (after_a_reset_a_disk_can_be_as_large_as_ever);
  test (a_disk_does_not_grow_into_shares_that_come_meanwhile);
  test_alone (the_index_keeps_its_entries_when_it_grows);
  test_alone (without_memory_the_index_stays_as_it_is);
  test (without_an_index_no_index_grows);
  return 0;
}

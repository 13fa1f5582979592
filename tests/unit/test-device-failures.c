/* SPDX-License-Identifier: BSD-3-Clause */
/* What fails leaves the old content, and says which block of which device, and
 * why.  Attacks invariant 4 of table.h.
 */
#include <config.h>

#include <errno.h>

#include "disk.h"
#include "pages.h"

/* The whole range has old, and so it stays behind the blocks that were done. */
static void
check_write_fails (int expected, uint64_t bytes, uint64_t offset)
{
  fill (NOISE, 99, bytes);
  errno = 0;
  check (device_write (device, data, bytes, offset) == -1);
  check (errno == expected);
  check (recount_device (device));
}

static void
at_the_limit_old_content_stays_and_the_message_names_the_block (void)
{
  start ();
  for (unsigned kind = 0; kind < NR_DATA; kind++)
    write_data (kind, 1, BLOCK, (10 + kind) * BLOCK);
  device->budget.limit_bytes = device->budget.used_bytes;
  for (unsigned kind = 0; kind < NR_DATA; kind++) {
    char expected[80];

    check_write_fails (ENOSPC, BLOCK, (10 + kind) * BLOCK);
    sprintf (expected, "model: block %u: cannot store it: "
             "the device is at its memory limit", 10 + kind);
    check_reported (expected);
    check_data (kind, 1, BLOCK, (10 + kind) * BLOCK);
  }
  check (counter (STAT_FAILED_WRITES) == NR_DATA);
  check (device->budget.max_used_bytes <= device->budget.limit_bytes);
  stop ();
}

static void
at_the_limit_reads_trims_and_same_filled_blocks_go_on (void)
{
  start ();
  write_data (NOISE, 1, 8 * BLOCK, 0);
  device->budget.limit_bytes = device->budget.used_bytes;
  check_data (NOISE, 1, 8 * BLOCK, 0);
  write_data (SMALL_WORD, 1, BLOCK, 8 * BLOCK);
  check (device_zero (device, 2 * BLOCK, 0, false) == 0);
  write_data (NOISE, 2, BLOCK, 0);              /* what that made free */
  check_data (NOISE, 2, BLOCK, 0);
  check_write_fails (ENOSPC, 3 * BLOCK, 20 * BLOCK);
  device->budget.limit_bytes = 0;
  write_data (NOISE, 3, 8 * BLOCK, 0);
  check_data (NOISE, 3, 8 * BLOCK, 0);
  stop ();
}

static void
a_write_that_fails_half_way_is_old_behind_the_new (void)
{
  unsigned nr_new;

  start ();
  write_data (SMALL_WORD, 1, 6 * BLOCK, 0);
  device->budget.limit_bytes = device->budget.used_bytes + 4 * BLOCK;
  check_write_fails (ENOSPC, 6 * BLOCK, 0);
  check (device_read (device, copy, 6 * BLOCK, 0) == 0);
  for (nr_new = 0; memcmp (copy + nr_new * BLOCK, data + nr_new * BLOCK,
                           BLOCK) == 0; nr_new++)
    continue;
  check (nr_new > 0 && nr_new < 6);
  check_data (SMALL_WORD, 1, (6 - nr_new) * BLOCK, nr_new * BLOCK);
  stop ();
}

static void
without_memory_old_content_stays (void)
{
  start ();
  for (unsigned kind = 0; kind < NR_DATA; kind++) {
    const uint64_t offset = (10 + kind) * BLOCK;

    write_data (kind, 1, BLOCK, offset);
    zram_debug_fail_commit (0);
    check_write_fails (ENOMEM, 100, 600 * BLOCK);       /* a new table page */
    check_reported ("model: block 600: cannot store it: "
                    "Cannot allocate memory");
    check (device_zero (device, BLOCK, 601 * BLOCK, false) == -1);
    check_reported ("model: block 601: cannot zero it: "
                    "Cannot allocate memory");
    zram_debug_fail_commit (-1);
    check_data (kind, 1, BLOCK, offset);
    check_zeroes (2 * BLOCK, 600 * BLOCK);
  }
  stop ();
}

/* Overwrite the object of a packed block with what no codec writes. */
static void
damage (uint64_t block)
{
  const slot_t slot = table_peek (&device->table, block);

  check (slot_kind (slot) == SLOT_PACKED);
  memset (arena_load (&device->arena, slot_place (slot)), 0xff,
          slot_size_bytes (slot));
}

static void
a_damaged_object_is_an_error_for_its_block_alone (void)
{
  for (unsigned algorithm = 0; codec_algorithms[algorithm]; algorithm++) {
    device = model_device (algorithm, BLOCK, SIZE);
    write_data (TEXT, 1, 3 * BLOCK, 4 * BLOCK);
    write_data (TEXT, 2, BLOCK, 5 * BLOCK);
    damage (5);
    for (unsigned i = 0; i < 2; i++) {
      errno = 0;
      check (device_read (device, copy, i ? 10 : BLOCK, 5 * BLOCK) == -1);
      check (errno == EIO);
      check_reported ("model: block 5: cannot read it: its object is damaged");
    }
    check (counter (STAT_FAILED_READS) == 2);
    check (device_write (device, data, 10, 5 * BLOCK) == -1 && errno == EIO);
    check_reported ("model: block 5");
    check_data (TEXT, 1, BLOCK, 4 * BLOCK);
    write_data (TEXT, 3, BLOCK, 5 * BLOCK);
    check_data (TEXT, 3, BLOCK, 5 * BLOCK);
    stop ();
  }
}

static void
check_refused (const struct device_params *params, int expected,
               const char *message)
{
  errno = 0;
  check (device_create (params) == NULL);
  check (errno == expected);
  check_reported (message);
}

static void
a_device_that_is_too_large_is_refused (void)
{
  struct device_params params = {
    .name = "big", .size_bytes = (NR_BLOCKS_MAX << 12) + 1,
    .block_bytes = 4096, .algorithm = codec_algorithms[0],
  };

  check_refused (&params, EFBIG, "big: a disk of 17592186044417 bytes is too "
                 "large: with blocks of 4096 bytes it can have "
                 "17592186044416");
  params.block_bytes = 65536;
  params.size_bytes = (NR_BLOCKS_MAX << 16) + 1;
  check_refused (&params, EFBIG, "big: a disk of 281474976710657 bytes");
}

static void
a_limit_that_the_empty_device_exceeds_is_refused (void)
{
  struct device_params params = {
    .name = "low", .size_bytes = 1 << 20, .block_bytes = 4096,
    .algorithm = codec_algorithms[0], .mem_limit_bytes = 1000,
  };

  check_refused (&params, EINVAL, "low: a memory limit of 1000 bytes is too "
                 "low, the empty device takes ");
  start ();
  params.mem_limit_bytes = device->fixed_bytes;
  stop ();
  check_refused (&params, EINVAL, "is too low");
  params.mem_limit_bytes += 1 << 20;
  device = device_create (&params);
  check (device && device->budget.limit_bytes == params.mem_limit_bytes);
  stop ();
}

static void
codec_parameters_that_do_not_suit_are_refused (void)
{
  const struct codec_params codec_params = { .level = 1000 };
  const struct device_params params = {
    .name = "bad", .size_bytes = 1 << 20, .block_bytes = 4096,
    .algorithm = codec_algorithms[0], .codec_params = &codec_params,
  };

  check_refused (&params, EINVAL, "zstd: the level is out of this algorithm's "
                 "range");
}

int
main (void)
{
  capture_reports ();
  test (at_the_limit_old_content_stays_and_the_message_names_the_block);
  test (at_the_limit_reads_trims_and_same_filled_blocks_go_on);
  test (a_write_that_fails_half_way_is_old_behind_the_new);
  test (without_memory_old_content_stays);
  test (a_damaged_object_is_an_error_for_its_block_alone);
  test (a_device_that_is_too_large_is_refused);
  test (a_limit_that_the_empty_device_exceeds_is_refused);
  test (codec_parameters_that_do_not_suit_are_refused);
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The attributes as a whole, and those of the device: how each is read, each
 * form in which it can be written, and each error.
 */
#include <config.h>

#include "attribute_fixture.h"

/* Tests of all of them. */

static void
modes_are_kept (void)
{
  for (size_t i = 0; i < nr_attributes; i++) {
    const struct attribute *attribute = &attributes[i];

    check (attribute->show || attribute->store);
    check (*attribute->help);
    check (attribute_find (attribute->name) == attribute);
    if (!attribute->show)
      check (show_errno (attribute->name) == EACCES);
    else
      check (show_errno (attribute->name) == 0);
    if (!attribute->store)
      check (store (attribute->name, "1") == EACCES);
  }
  check (!attribute_find ("mm_sta"));
  check (!attribute_find ("mm_stat "));
  check (!attribute_find (""));
}

/* What users of zram find there, whatever else we have. */
static void
every_attribute_of_the_kernel_is_there (void)
{
  static const char *const names[] = {
    "disksize rw", "initstate ro", "reset wo", "comp_algorithm rw",
    "recomp_algorithm rw", "algorithm_params wo", "recompress wo",
    "compact wo", "mem_limit rw", "mem_used_max rw", "mm_stat ro",
    "io_stat ro", "bd_stat ro", "debug_stat ro", "stat ro", "idle wo",
    "backing_dev rw", "writeback wo", "writeback_limit rw",
    "writeback_limit_enable rw", "writeback_batch_size rw",
    "compressed_writeback rw", "max_comp_streams rw", "block_state ro",
    "classes ro", "use_dedup rw", "orig_data_size ro", "compr_data_size ro",
    "mem_used_total ro", "zero_pages ro", "num_reads ro", "num_writes ro",
    "failed_reads ro", "failed_writes ro", "invalid_io ro", "notify_free ro",
    "pages_compacted ro",
  };
  char name[40];

  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *blank = strchr (names[i], ' ');

    snprintf (name, sizeof name, "%.*s", (int) (blank - names[i]), names[i]);
    printf ("  %s\n", name);
    check (attribute_find (name));
    check_str_equal (attribute_mode (attribute_find (name)), blank + 1);
  }
}

static void
white_space_around_a_value_is_nothing (void)
{
  check (store ("mem_limit", " \t64M\n") == 0);
  check_str_equal (show ("mem_limit"), "67108864\n");
  check (store ("idle", "all\n") == 0);
  check (store ("reset", "\n") == EINVAL);
}

/* The device. */

static void
disksize_takes_what_memparse_takes (void)
{
  CHECK_FORMS ("disksize",
    { "128M", 0, "134217728\n" }, { "0x10000000", 0, "268435456\n" },
    { "01000000000", 0, "134217728\n" }, { "1g", 0, "1073741824\n" },
    { "134217729", 0, "134221824\n" },  /* rounded up */
    { "0", EINVAL, NULL }, { "", EINVAL, NULL }, { "-1", EINVAL, NULL },
    { "1X", EINVAL, NULL }, { "1G2", EINVAL, NULL }, { "M", EINVAL, NULL },
    { "99999999999999999999", EINVAL, NULL }, { "8E", ERANGE, NULL },
    { "1E", EFBIG, NULL }, { "64K", EBUSY, NULL });
  check_str_equal (show ("initstate"), "1\n");
}

static void
disksize_grows_and_shrinks_around_what_is_stored (void)
{
  CHECK_FORMS ("disksize", { "480K", 0, "491520\n" },
               { "476K", EBUSY, NULL }, { "1T", 0, "1099511627776\n" });
  check (column ("mm_stat", 0) == 3 * NR_EACH * BLOCK_BYTES);
}

static void
reset_takes_a_number_that_is_not_0 (void)
{
  CHECK_FORMS ("reset", { "0", EINVAL, NULL }, { "", EINVAL, NULL },
               { "yes", EINVAL, NULL }, { "0x1", EINVAL, NULL },
               { "65536", ERANGE, NULL }, { "1 1", EINVAL, NULL });
  check (store ("recomp_algorithm", "algo=zstd") == 0);
  check (store ("mem_limit", "1G") == 0);
  CHECK_FORMS ("reset", { "1", 0, NULL }, { "65535", 0, NULL },
               { "+1", 0, NULL });
  check_str_equal (show ("initstate"), "0\n");
  check_str_equal (show ("disksize"), "0\n");
  check_str_equal (show ("recomp_algorithm"), "");
  check_str_equal (show ("mem_limit"), "0\n");
  check (column ("mm_stat", 0) == 0);
}

static void
reset_is_refused_while_somebody_is_connected (void)
{
  check (device_open (export.device) == 0);
  check (store ("reset", "1") == EBUSY);
  check (column ("mm_stat", 0) == 3 * NR_EACH * BLOCK_BYTES);
  device_close (export.device);
  check (store ("reset", "1") == 0);
  check (device_open (export.device) == -1 && errno == ENODEV);
}

static void
what_needs_a_disk_is_refused_without_a_size (void)
{
  check (store ("reset", "1") == 0);
  check (store ("compact", "1") == EINVAL);
  check (store ("idle", "all") == EINVAL);
  check (store ("recompress", "type=huge") == EINVAL);
  check (store ("writeback", "huge") == EINVAL);
  check (show_errno ("block_state") == EINVAL);
  check (store ("disksize", "1M") == 0);
  check (store ("compact", "1") == 0);
  check (show_errno ("block_state") == 0);
}

static void
compact_takes_anything (void)
{
  uint64_t before;

  for (uint64_t block = 0; block < 4000; block++)
    write_text (block);
  for (uint64_t block = 0; block < 4000; block++)
    if (block % 4 != 0)
      check (device_trim (export.device, BLOCK_BYTES,
                          block * BLOCK_BYTES) == 0);
  before = show_number ("mem_used_total");
  CHECK_FORMS ("compact", { "1", 0, NULL }, { "", 0, NULL },
               { "please", 0, NULL });
  check (show_number ("pages_compacted") > 0);
  check (show_number ("mem_used_total") < before);
}

static void
mem_limit_takes_a_size (void)
{
  CHECK_FORMS ("mem_limit",
    { "64M", 0, "67108864\n" }, { "4097", 0, "8192\n" }, { "0", 0, "0\n" },
    { "0x10K", 0, "16384\n" }, { "", EINVAL, NULL }, { "x", EINVAL, NULL },
    { "-1", EINVAL, NULL }, { "1G!", EINVAL, NULL }, { "9E", ERANGE, NULL });
}

static void
a_mem_limit_stops_writes (void)
{
  char data[BLOCK_BYTES];

  random_fill (&random_numbers, data, sizeof data);
  check (store ("mem_limit", "4096") == 0);
  check (device_write (export.device, data, sizeof data, 50 << 20) == -1);
  check (errno == ENOSPC);
  check (show_number ("failed_writes") == 1);
  check (store ("mem_limit", "0") == 0);
  check (device_write (export.device, data, sizeof data, 50 << 20) == 0);
}

static void
mem_used_max_takes_a_0_and_begins_anew (void)
{
  check (device_trim (export.device, DISK_BYTES, 0) == 0);
  check (show_number ("mem_used_max") > show_number ("mem_used_total"));
  CHECK_FORMS ("mem_used_max", { "1", EINVAL, NULL }, { "", EINVAL, NULL },
               { "0x0", EINVAL, NULL }, { "all", EINVAL, NULL });
  check (store ("mem_used_max", "0") == 0);
  check (show_number ("mem_used_max") == show_number ("mem_used_total"));
}

static void
max_comp_streams_takes_anything (void)
{
  check (show_number ("max_comp_streams") >= 1);
  CHECK_FORMS ("max_comp_streams", { "4", 0, NULL }, { "x", 0, NULL });
}

static void
idle_takes_all_or_seconds (void)
{
  CHECK_FORMS ("idle",
    { "all", 0, NULL }, { "0", 0, NULL }, { "3600", 0, NULL },
    { "0x10", 0, NULL }, { "010", 0, NULL }, { "", EINVAL, NULL },
    { "-1", EINVAL, NULL }, { "All", EINVAL, NULL }, { "1h", EINVAL, NULL },
    { "all 1", EINVAL, NULL }, { "4294967296", EINVAL, NULL });
  check (store ("idle", "all") == 0);
  check (nr_blocks_with (3, 'i') == 2 * NR_EACH);
  check (store ("idle", "3600") == 0);
  check (nr_blocks_with (3, 'i') == 0);
}

static void
progress_is_0_of_0_when_nothing_runs (void)
{
  check_str_equal (show ("progress"), "0 0\n");
  check (store ("idle", "all") == 0);
  check_str_equal (show ("progress"), "0 0\n");
}

static void
block_size_is_shown (void)
{
  check_str_equal (show ("block_size"), "4096\n");
}

/* Policies. */

static void
ages_are_times_below_6_days (void)
{
  static const char *const names[] = {
    "idle_age", "recompress_age", "writeback_age",
  };

  for (unsigned i = 0; i < 3; i++) {
    check_str_equal (show (names[i]), "off\n");
    CHECK_FORMS (names[i],
      { "90s", 0, "90s\n" }, { "90", 0, "90s\n" }, { "120", 0, "2m\n" },
      { "2h", 0, "2h\n" }, { "5d", 0, "5d\n" }, { "0", 0, "off\n" },
      { "26h", 0, "26h\n" }, { "off", 0, "off\n" }, { "6d", EINVAL, NULL },
      { "1w", EINVAL, NULL }, { "", EINVAL, NULL }, { "1y", EINVAL, NULL },
      { "-1s", EINVAL, NULL }, { "1 h", EINVAL, NULL },
      { "4294967296", EINVAL, NULL }, { "99999999999999999999", EINVAL, NULL });
  }
}

static void
writeback_rate_is_a_size_in_a_time (void)
{
  check_str_equal (show ("writeback_rate"), "off\n");
  CHECK_FORMS ("writeback_rate",
    { "1G/1d", 0, "1G/1d\n" }, { "300M/90m", 0, "300M/90m\n" },
    { "1000/60", 0, "1000/1m\n" }, { "1024M/24h", 0, "1G/1d\n" },
    { "off", 0, "off\n" }, { "1G", EINVAL, NULL }, { "1G/", EINVAL, NULL },
    { "/1d", EINVAL, NULL }, { "0/1d", EINVAL, NULL },
    { "1G/off", EINVAL, NULL }, { "1G/1d/1d", EINVAL, NULL },
    { "", EINVAL, NULL }, { "x/y", EINVAL, NULL });
}

static void
on_incompressible_and_on_full_are_words (void)
{
  CHECK_FORMS ("on_incompressible",
    { "writeback", 0, "writeback\n" }, { "reject", 0, "reject\n" },
    { "store", 0, "store\n" }, { "", EINVAL, NULL }, { "error", EINVAL, NULL },
    { "Store", EINVAL, NULL });
  CHECK_FORMS ("on_full",
    { "writeback", 0, "writeback\n" }, { "error", 0, "error\n" },
    { "", EINVAL, NULL }, { "reject", EINVAL, NULL });
}

static void
on_incompressible_holds_at_once (void)
{
  char data[BLOCK_BYTES];

  random_fill (&random_numbers, data, sizeof data);
  check (store ("on_incompressible", "reject") == 0);
  check (device_write (export.device, data, sizeof data, 0) == -1);
  check (errno == ENOSPC);
  check (store ("on_incompressible", "store") == 0);
  check (device_write (export.device, data, sizeof data, 0) == 0);
}

static void
use_dedup_is_a_switch (void)
{
  check_str_equal (show ("use_dedup"), "0\n");
  CHECK_FORMS ("use_dedup", { "0", 0, "0\n" }, { "off", 0, "0\n" },
               { "", EINVAL, NULL }, { "2", EINVAL, NULL },
               { "maybe", EINVAL, NULL });
  check (show_number ("dup_data_size") == 0);
}

/* ENOTSUP: not compiled in. */
static void
use_dedup_counts_what_it_saves (void)
{
  char data[BLOCK_BYTES];
  const int r = store ("use_dedup", "1");

  check (r == 0 || r == ENOTSUP);
  if (r == ENOTSUP)
    return;
  check_str_equal (show ("use_dedup"), "1\n");
  random_fill (&random_numbers, data, sizeof data);
  for (unsigned i = 0; i < 10; i++)
    write_block (1000 + i, data);
  check (show_number ("dup_data_size") == 9 * BLOCK_BYTES);
  check (column ("mm_stat", 9) == 9 * BLOCK_BYTES);
  check (column ("mm_stat", 0) == (3 * NR_EACH + 10) * BLOCK_BYTES);
  check (nr_blocks_with (2, 'h') == NR_EACH + 10);
  check (store ("idle", "all") == 0);
  check (nr_blocks_with (3, 'i') == 2 * NR_EACH + 10);
  check (store ("reset", "1") == 0);
  check_str_equal (show ("use_dedup"), "0\n");
}

int
main (void)
{
  random_numbers = random_seeded (test_seed ());
  capture_reports ();
  test_with_device (modes_are_kept);
  test_with_device (every_attribute_of_the_kernel_is_there);
  test_with_device (white_space_around_a_value_is_nothing);
  test_with_device (disksize_takes_what_memparse_takes);
  test_with_device (disksize_grows_and_shrinks_around_what_is_stored);
  test_with_device (reset_takes_a_number_that_is_not_0);
  test_with_device (reset_is_refused_while_somebody_is_connected);
  test_with_device (what_needs_a_disk_is_refused_without_a_size);
  test_with_device (compact_takes_anything);
  test_with_device (mem_limit_takes_a_size);
  test_with_device (a_mem_limit_stops_writes);
  test_with_device (mem_used_max_takes_a_0_and_begins_anew);
  test_with_device (max_comp_streams_takes_anything);
  test_with_device (idle_takes_all_or_seconds);
  test_with_device (progress_is_0_of_0_when_nothing_runs);
  test_with_device (block_size_is_shown);
  test_with_device (ages_are_times_below_6_days);
  test_with_device (writeback_rate_is_a_size_in_a_time);
  test_with_device (on_incompressible_and_on_full_are_words);
  test_with_device (on_incompressible_holds_at_once);
  test_with_device (use_dedup_is_a_switch);
  test_with_device (use_dedup_counts_what_it_saves);
  return 0;
}

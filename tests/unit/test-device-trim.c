/* SPDX-License-Identifier: BSD-3-Clause */
/* Trims and zeroes touch what they say and no byte more, also where the last
 * block reaches beyond the disk, and extents tell no lies.
 */
#include <config.h>

#include "disk.h"

/* Extents as a text, "H0+4096 D4096+8192": kind, offset and length of each run;
 * neighbours of a kind are put together if they were not. */
struct extents {
  char text[4096];
  size_t used;
  enum extent_kind kind;
  uint64_t offset, bytes;
  unsigned nr_visits;
};

static void
flush (struct extents *extents)
{
  if (extents->bytes > 0)
    extents->used += sprintf (extents->text + extents->used, "%s%c%llu+%llu",
                              extents->used > 0 ? " " : "",
                              "DZH"[extents->kind],
                              (unsigned long long) extents->offset,
                              (unsigned long long) extents->bytes);
}

static int
visit (void *opaque, uint64_t offset, uint64_t bytes, enum extent_kind kind)
{
  struct extents *extents = opaque;

  check (bytes > 0);
  extents->nr_visits++;
  if (extents->bytes > 0)
    check (offset == extents->offset + extents->bytes);
  if (extents->bytes > 0 && kind == extents->kind)
    extents->bytes += bytes;
  else {
    flush (extents);
    extents->kind = kind;
    extents->offset = offset;
    extents->bytes = bytes;
  }
  return 0;
}

static void
check_extents (uint64_t bytes, uint64_t offset, const char *expected)
{
  struct extents extents = { .used = 0 };

  check (device_extents (device, bytes, offset, visit, &extents) == 0);
  flush (&extents);
  check_str_equal (extents.text, expected);
}

static void
a_new_device_reads_as_zeroes_and_is_one_hole (void)
{
  char expected[40];

  start ();
  check_zeroes (3 * BLOCK, 0);
  check_zeroes (CUT, SIZE - CUT);
  check_zeroes (1, SIZE - 1);
  sprintf (expected, "H0+%llu", (unsigned long long) SIZE);
  check_extents (SIZE, 0, expected);
  check (device->budget.used_bytes == device->fixed_bytes);
  stop ();
}

static void
nothing_is_done_with_no_bytes (void)
{
  start ();
  check (device_write (device, NULL, 0, SIZE) == 0);
  check (device_read (device, NULL, 0, SIZE) == 0);
  check (device_zero (device, 0, SIZE, false) == 0);
  device_trim (device, 0, SIZE);
  check_extents (0, SIZE, "");
  stop ();
}

static void
the_last_block_may_reach_beyond_the_disk (void)
{
  const uint64_t last = SIZE - CUT;

  start ();
  for (unsigned kind = 0; kind < NR_DATA; kind++) {
    write_data (kind, 3, CUT + BLOCK, last - BLOCK);
    check_data (kind, 3, CUT + BLOCK, last - BLOCK);
    device_trim (device, CUT, last);            /* all of it that there is */
    check_zeroes (CUT, last);
    check_extents (CUT, last, "H4911104+1000");
    write_data (NOISE, 4, 1, SIZE - 1);
    check_data (NOISE, 4, 1, SIZE - 1);
    check_zeroes (CUT - 1, last);
    check (device_zero (device, CUT, last, true) == 0);
    check_extents (CUT, last, "H4911104+1000");
    check (device_zero (device, CUT, last, false) == 0);
    check_extents (CUT, last, "Z4911104+1000");
  }
  stop ();
}

static void
a_disk_of_one_byte_works (void)
{
  device = model_device (0, BLOCK, 1);
  write_data (NOISE, 1, 1, 0);
  check_data (NOISE, 1, 1, 0);
  check_extents (1, 0, "D0+1");
  device_trim (device, 1, 0);
  check_extents (1, 0, "H0+1");
  stop ();
}

static void
trim_frees_whole_blocks_and_keeps_parts (void)
{
  start ();
  for (unsigned kind = 0; kind < NR_DATA; kind++) {
    write_data (kind, 5, 6 * BLOCK, BLOCK);
    device_trim (device, 4 * BLOCK, BLOCK + 1);
    fill (kind, 5, 6 * BLOCK);
    memset (data + BLOCK, 0, 3 * BLOCK);
    check (device_read (device, copy, 6 * BLOCK, BLOCK) == 0);
    check (memcmp (copy, data, 6 * BLOCK) == 0);
    check_extents (3 * BLOCK, 2 * BLOCK, "H8192+12288");
    device_trim (device, BLOCK - 1, BLOCK + 1);
    device_trim (device, BLOCK - 1, BLOCK);
    fill (kind, 5, 6 * BLOCK);
    check (device_read (device, copy, BLOCK, BLOCK) == 0);
    check (memcmp (copy, data, BLOCK) == 0);
  }
  stop ();
}

static void
zeroes_of_any_range_read_as_zeroes (void)
{
  start ();
  for (unsigned kind = 0; kind < NR_DATA; kind++)
    for (unsigned may_trim = 0; may_trim < 2; may_trim++) {
      write_data (kind, 6, 6 * BLOCK, 0);
      check (device_zero (device, 3 * BLOCK + 5, BLOCK - 3, may_trim) == 0);
      fill (kind, 6, 6 * BLOCK);
      memset (data + BLOCK - 3, 0, 3 * BLOCK + 5);
      check (device_read (device, copy, 6 * BLOCK, 0) == 0);
      check (memcmp (copy, data, 6 * BLOCK) == 0);
      check_extents (3 * BLOCK, BLOCK,
                     may_trim ? "H4096+12288" : "Z4096+12288");
    }
  stop ();
}

static void
zeroes_that_may_trim_leave_a_hole_where_nothing_is (void)
{
  start ();
  check (device_zero (device, SIZE - 200, 100, true) == 0);
  check (device->budget.used_bytes == device->fixed_bytes);
  check (counter (STAT_NOTIFY_FREE) == 0);
  stop ();
}

static void
zeroes_that_may_not_trim_are_there_where_nothing_was (void)
{
  start ();
  check (device_zero (device, 3 * BLOCK + 10, 700 * BLOCK, false) == 0);
  check_extents (5 * BLOCK, 699 * BLOCK,
                 "H2863104+4096 Z2867200+16384");
  check (device->budget.used_bytes > device->fixed_bytes);
  check (counter (STAT_SAME_BLOCKS) == 4);
  stop ();
}

static void
extents_are_merged_and_clipped_to_the_request (void)
{
  struct extents extents = { .used = 0 };

  start ();
  write_data (TEXT, 1, 2 * BLOCK, BLOCK);
  write_data (NOISE, 1, BLOCK, 3 * BLOCK);
  write_data (SMALL_WORD, 1, BLOCK, 4 * BLOCK);
  write_data (ZEROES, 1, 2 * BLOCK, 5 * BLOCK);
  write_data (WIDE_WORD, 1, BLOCK, 600 * BLOCK);
  check_extents (8 * BLOCK, 0,
                 "H0+4096 D4096+16384 Z20480+8192 H28672+4096");
  check_extents (10, BLOCK - 5, "H4091+5 D4096+5");
  check_extents (1, 5 * BLOCK, "Z20480+1");
  check_extents (700, 2 * BLOCK + 1, "D8193+700");
  check_extents (SIZE - 7 * BLOCK, 7 * BLOCK,
                 "H28672+2428928 D2457600+4096 H2461696+2450408");
  check (device_extents (device, 4 * BLOCK, BLOCK, visit, &extents) == 0);
  check (extents.nr_visits == 1);
  stop ();
}

static int
stop_at_second (void *opaque, uint64_t offset, uint64_t bytes,
                enum extent_kind kind)
{
  unsigned *nr_visits = opaque;

  return ++*nr_visits == 2 ? 77 : 0;
}

static void
a_visitor_can_stop (void)
{
  unsigned nr_visits = 0;

  start ();
  for (unsigned i = 0; i < 10; i += 2)
    write_data (TEXT, i, BLOCK, i * BLOCK);
  check (device_extents (device, SIZE, 0, stop_at_second, &nr_visits) == 77);
  check (nr_visits == 2);
  stop ();
}

int
main (void)
{
  capture_reports ();
  test (a_new_device_reads_as_zeroes_and_is_one_hole);
  test (nothing_is_done_with_no_bytes);
  test (the_last_block_may_reach_beyond_the_disk);
  test (a_disk_of_one_byte_works);
  test (trim_frees_whole_blocks_and_keeps_parts);
  test (zeroes_of_any_range_read_as_zeroes);
  test (zeroes_that_may_trim_leave_a_hole_where_nothing_is);
  test (zeroes_that_may_not_trim_are_there_where_nothing_was);
  test (extents_are_merged_and_clipped_to_the_request);
  test (a_visitor_can_stop);
  return 0;
}

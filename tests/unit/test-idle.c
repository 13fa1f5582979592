/* SPDX-License-Identifier: BSD-3-Clause */
/* Idle marks: who gets one, who loses it, and that ages last for hours. */
#include <config.h>

#include "blocks.h"
#include "idle.h"
#include "model.h"

#define NR_BLOCKS 1500u         /* three pages of slots, one of ages */
#define SIZE 300u

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
}

/* 0 and 1 packed, 1400 huge, on another page of slots. */
static void
put_three (void)
{
  block_put (device, 0, 1, SIZE);
  block_put (device, 1, 2, SIZE);
  block_put (device, 1400, 3, 4096);
}

static void
all_stored_blocks_are_marked (void)
{
  start ();
  put_three ();
  check (!block_is_idle (device, 0));
  check (idle_mark_all (device) == 3);
  check (block_is_idle (device, 0) && block_is_idle (device, 1) &&
         block_is_idle (device, 1400));
  check (idle_mark_all (device) == 3);
  stop ();
}

static void
blocks_that_cost_no_memory_are_not_marked (void)
{
  uint8_t ones[4096];

  start ();
  memset (ones, 1, sizeof ones);
  check (device_write (device, ones, sizeof ones, 0) == 0);
  check (device_zero (device, 4096, 4096, false) == 0);
  check (idle_mark_all (device) == 0);
  check (!block_is_idle (device, 0) && !block_is_idle (device, 1) &&
         !block_is_idle (device, 2));
  stop ();
}

static void
backed_blocks_are_not_marked (void)
{
  start ();
  put_three ();
  attach_backing (device, "test-idle.backing", 1 << 20, false);
  check (write_back (device) == 0);
  check (idle_mark_all (device) == 0);
  stop ();
  check (unlink ("test-idle.backing") == 0);
}

static void
only_blocks_older_than_that_are_marked (void)
{
  start ();
  put_three ();
  block_set_age (device, 0, 100);
  block_set_age (device, 1400, 200);
  check (idle_mark_older (device, 150) == 1);
  check (!block_is_idle (device, 0) && !block_is_idle (device, 1) &&
         block_is_idle (device, 1400));
  check (idle_mark_older (device, 50) == 2);
  check (block_is_idle (device, 0) && !block_is_idle (device, 1));
  stop ();
}

static void
younger_blocks_lose_their_mark (void)
{
  start ();
  put_three ();
  block_set_age (device, 0, 100);
  check (idle_mark_all (device) == 3);
  check (idle_mark_older (device, 50) == 1);
  check (block_is_idle (device, 0) && !block_is_idle (device, 1));
  stop ();
}

static void
reading_takes_the_mark_away (void)
{
  uint8_t byte;

  start ();
  put_three ();
  idle_mark_all (device);
  check (block_is (device, 0, 1, SIZE));
  check (device_read (device, &byte, 1, 1400 * 4096 + 5) == 0);
  check (!block_is_idle (device, 0) && block_is_idle (device, 1) &&
         !block_is_idle (device, 1400));
  stop ();
}

static void
writing_takes_the_mark_away (void)
{
  start ();
  put_three ();
  idle_mark_all (device);
  block_put (device, 0, 4, SIZE);
  check (device_write (device, "x", 1, 4096 + 7) == 0);
  check (device_zero (device, 100, 1400 * 4096, false) == 0);
  check (!block_is_idle (device, 0) && !block_is_idle (device, 1) &&
         !block_is_idle (device, 1400));
  stop ();
}

/* A trimmed block's age may be found again by the one that comes there next. */
static void
a_block_written_anew_after_a_trim_has_no_mark (void)
{
  start ();
  put_three ();
  idle_mark_all (device);
  block_trim (device, 0);
  block_put (device, 0, 4, SIZE);
  check (!block_is_idle (device, 0));
  stop ();
}

/* A fine time wraps round after 4.5 hours: without a sweep a block of 5 hours
 * looks as if it were half an hour old. */
static void
sweeping_keeps_ages_over_hours (void)
{
  const uint64_t now_s = age_now_s ();

  start ();
  put_three ();
  block_set_age (device, 0, AGE_FINE_MAX_S + 100);
  idle_sweep (device);
  check (block_age (device, 0) & AGE_COARSE);
  check (!(block_age (device, 1) & AGE_COARSE));
  for (uint64_t later_s = 0; later_s < 4 * 3600; later_s += AGE_SWEEP_S) {
    const uint32_t age_s = age_seconds (block_age (device, 0),
                                        now_s + later_s);

    check (age_s + 128 >= AGE_FINE_MAX_S + 100 + later_s);
    check (age_s <= AGE_FINE_MAX_S + 100 + later_s + 128);
  }
  stop ();
}

static void
sweeping_keeps_marks_and_young_ages (void)
{
  age_t before;

  start ();
  put_three ();
  idle_mark_all (device);
  block_set_age (device, 1, 50);
  before = block_age (device, 1);
  idle_sweep (device);
  check (block_is_idle (device, 0) && block_is_idle (device, 1400));
  check (block_age (device, 1) == before);
  stop ();
}

static void
days_old_stays_days_old (void)
{
  const uint64_t now_s = age_now_s ();

  start ();
  put_three ();
  device_lock_block (device, 0);
  table_touch (&device->table, 0, AGE_COARSE |
               (((now_s - 7 * 86400) >> AGE_COARSE_SHIFT) & AGE_TIME));
  device_unlock_block (device, 0);
  idle_sweep (device);
  check (idle_mark_older (device, AGE_COARSE_MAX_S - 600) == 1);
  check (block_is_idle (device, 0));
  stop ();
}

int
main (void)
{
  test (all_stored_blocks_are_marked);
  test (blocks_that_cost_no_memory_are_not_marked);
  if (has_backing_files ())
    test (backed_blocks_are_not_marked);
  test (only_blocks_older_than_that_are_marked);
  test (younger_blocks_lose_their_mark);
  test (reading_takes_the_mark_away);
  test (writing_takes_the_mark_away);
  test (a_block_written_anew_after_a_trim_has_no_mark);
  test (sweeping_keeps_ages_over_hours);
  test (sweeping_keeps_marks_and_young_ages);
  test (days_old_stays_days_old);
  return 0;
}

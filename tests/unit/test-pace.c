/* SPDX-License-Identifier: BSD-3-Clause */
/* The pace: who keeps one works a quarter of the time and gives way; who keeps
 * none goes on, until the server stops.  Linked with -Wl,--wrap=clock_gettime
 * and nanosleep: time goes on as this test says.
 */
#include <config.h>

#include <pthread.h>
#include <time.h>

#include "check.h"
#include "compact.h"
#include "device.h"
#include "idle.h"
#include "live.h"
#include "model.h"
#include "pace.h"
#include "recompress.h"

#define MS 1000000

int __wrap_clock_gettime (clockid_t clock, struct timespec *now);
int __real_clock_gettime (clockid_t clock, struct timespec *now);
int __wrap_nanosleep (const struct timespec *time, struct timespec *left);

static struct device *device;
static uint64_t clock_ns;
static uint64_t tick_ns;        /* time goes on by it at each look */
static uint64_t rested_ns, nr_rests;

int
__wrap_clock_gettime (clockid_t clock, struct timespec *now)
{
  if (clock == CLOCK_MONOTONIC_COARSE)  /* ages */
    return __real_clock_gettime (clock, now);
  clock_ns += tick_ns;
  now->tv_sec = clock_ns / 1000000000;
  now->tv_nsec = clock_ns % 1000000000;
  return 0;
}

int
__wrap_nanosleep (const struct timespec *time, struct timespec *left)
{
  const uint64_t ns = time->tv_sec * UINT64_C (1000000000) + time->tv_nsec;

  check (time->tv_nsec >= 0 && time->tv_nsec < 1000000000);
  clock_ns += ns;
  rested_ns += ns;
  nr_rests++;
  return 0;
}

/* Each thread of a test has its own pace, so that none is left to the next. */
static void *
run (void *opaque)
{
  void (*const body) (void) = *(void (**) (void)) opaque;

  body ();
  return NULL;
}

static void
in_a_thread (void (*body) (void))
{
  pthread_t thread;

  clock_ns = 12345 * UINT64_C (1000000000);
  rested_ns = nr_rests = tick_ns = 0;
  device = model_device (1, 4096, 8 << 20);
  check (pthread_create (&thread, NULL, run, &body) == 0);
  pthread_join (thread, NULL);
  device_destroy (device);
  check_nothing_reported ();
}

/* So many steps of so many nanoseconds. */
static void
work (unsigned nr_steps, uint64_t ns)
{
  for (unsigned i = 0; i < nr_steps; i++) {
    clock_ns += ns;
    check (pace_step (device));
  }
}

static void
who_keeps_no_pace_never_rests (void)
{
  check (!pace_is_kept ());
  work (100, 1000 * MS);
  check (nr_rests == 0);
}

static void
a_quarter_of_the_time_is_work (void)
{
  pace_begin ();
  check (pace_is_kept ());
  work (1000, MS / 10);
  check (rested_ns == 3 * 100 * MS);
  check (nr_rests == 100);
}

static void
a_turn_is_over_after_a_millisecond (void)
{
  pace_begin ();
  work (9, MS / 10);
  check (nr_rests == 0);
  work (1, MS / 10);
  check (nr_rests == 1 && rested_ns == 3 * MS);
}

static void
a_long_step_has_a_long_rest (void)
{
  pace_begin ();
  work (1, 4 * MS);
  check (nr_rests == 1 && rested_ns == 12 * MS);
  work (9, MS / 10);
  check (nr_rests == 1);
}

/* For the next round, or a lock. */
static void
what_it_waited_for_is_no_work (void)
{
  pace_begin ();
  work (1, 3600 * (uint64_t) 1000 * MS);
  check (rested_ns <= 100 * MS);
}

static void
it_remembers_that_it_gave_way (void)
{
  pace_begin ();
  work (1, MS);
  check (!pace_gave_way ());
  atomic_fetch_add (&device->nr_waiting, 1);
  check (!pace_step (device));
  atomic_fetch_sub (&device->nr_waiting, 1);
  check (pace_step (device));
  check (pace_gave_way () && !pace_gave_way ());
}

static void
suspended_it_does_not_rest (void)
{
  pace_begin ();
  pace_suspend (true);
  check (!pace_is_kept ());
  work (100, MS);
  check (nr_rests == 0);
  pace_suspend (false);
  check (pace_is_kept ());
  work (100, MS);
  check (nr_rests > 0);
}

static void
whoever_waits_ends_a_pass_that_keeps_a_pace (void)
{
  atomic_fetch_add (&device->nr_waiting, 1);
  check (pace_step (device));
  pace_begin ();
  check (!pace_step (device));
  pace_suspend (true);
  check (pace_step (device));
  pace_suspend (false);
  check (!pace_step (device));
  atomic_fetch_sub (&device->nr_waiting, 1);
  check (pace_step (device));
}

static void
the_end_of_the_server_ends_each_pass (void)
{
  device->stopping = true;
  check (!pace_step (device));
  pace_begin ();
  check (!pace_step (device));
  pace_suspend (true);
  check (!pace_step (device));
}

/* Passes ask at each step. */

#define NR_BLOCKS 2048u

static void
put_blocks (void)
{
  struct random random = random_seeded (1);
  uint8_t data[4096];

  for (uint64_t block = 0; block < NR_BLOCKS; block++) {
    memset (data, 0, sizeof data);
    random_fill (&random, data, 2000);
    check (device_write (device, data, 4096, block * 4096) == 0);
  }
}

static unsigned
nr_idle (void)
{
  unsigned nr = 0;

  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    nr += age_is_idle (*table_age (&device->table, block));
  return nr;
}

static void
a_scan_of_ages_ends_within_a_page_of_slots (void)
{
  put_blocks ();
  check (idle_mark_all (device) == NR_BLOCKS && nr_idle () == NR_BLOCKS);
  device->stopping = true;
  check (idle_mark_older (device, 100) == 0);
  check (nr_idle () == NR_BLOCKS - 1);
}

static void
a_recompression_ends_between_two_blocks (void)
{
  const struct recompress_params params = { .priority = 0 };
  struct postproc_result result;

  put_blocks ();
  check (live_set_codec (device, 0, codec_algorithms[0], NULL) == 0);
  device->stopping = true;
  check (recompress_device (device, &params, &result) == 0);
  check (result.nr_tried == 0);
  device->stopping = false;
  check (recompress_device (device, &params, &result) == 0);
  check (result.nr_tried == NR_BLOCKS);
}

static slot_t slots[NR_BLOCKS];

static void
make_holes (void)
{
  put_blocks ();
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    if (block % 10)
      check (device_trim (device, 4096, block * 4096) == 0);
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    slots[block] = table_peek (&device->table, block);
}

static unsigned
nr_moved (void)
{
  unsigned nr = 0;

  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    nr += table_peek (&device->table, block) != slots[block];
  return nr;
}

static void
a_compaction_ends_between_two_objects (void)
{
  make_holes ();
  device->stopping = true;
  compact_device (device);
  check (nr_moved () == 0);
  device->stopping = false;
  compact_device (device);
  check (nr_moved () > 10);
}

/* What rests there are when nothing moves come on top. */
static void
a_compaction_can_rest_after_each_object (void)
{
  uint64_t nr_first;

  make_holes ();
  pace_begin ();
  tick_ns = MS;
  compact_device (device);
  check (nr_moved () > 10);
  nr_first = nr_rests;
  compact_device (device);
  check (nr_first >= (nr_rests - nr_first) + nr_moved ());
}

#define test_in_a_thread(sentence)                                            \
  (printf ("%s\n", #sentence), fflush (stdout), in_a_thread (sentence))

int
main (void)
{
  capture_reports ();
  test_in_a_thread (who_keeps_no_pace_never_rests);
  test_in_a_thread (a_quarter_of_the_time_is_work);
  test_in_a_thread (a_turn_is_over_after_a_millisecond);
  test_in_a_thread (a_long_step_has_a_long_rest);
  test_in_a_thread (what_it_waited_for_is_no_work);
  test_in_a_thread (it_remembers_that_it_gave_way);
  test_in_a_thread (suspended_it_does_not_rest);
  test_in_a_thread (whoever_waits_ends_a_pass_that_keeps_a_pace);
  test_in_a_thread (the_end_of_the_server_ends_each_pass);
  test_in_a_thread (a_scan_of_ages_ends_within_a_page_of_slots);
  test_in_a_thread (a_recompression_ends_between_two_blocks);
  test_in_a_thread (a_compaction_ends_between_two_objects);
  test_in_a_thread (a_compaction_can_rest_after_each_object);
  return 0;
}

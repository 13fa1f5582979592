/* SPDX-License-Identifier: BSD-3-Clause */
/* The worker: it does what the policy says, no more, and gives way.  Linked
 * with -Wl,--wrap=pthread_cond_timedwait and nanosleep: rounds and rests are
 * short, and a test can be there while the worker rests.
 */
#include <config.h>

#include <poll.h>
#include <pthread.h>

#include "blocks.h"
#include "compact.h"
#include "idle.h"
#include "model.h"
#include "pages.h"
#include "recompress.h"
#include "room.h"
#include "worker.h"

#define PATH "test-worker.file"
#define MIB ((uint64_t) 1 << 20)
#define SIZE 2000u              /* of noise in a block */
#define NR_BLOCKS 4000u
#define NR_ROUNDS 20u           /* enough to see that nothing happens */
#define PATIENCE_S 100

int __wrap_pthread_cond_timedwait (pthread_cond_t *cond,
                                   pthread_mutex_t *mutex,
                                   const struct timespec *until);
int __real_pthread_cond_timedwait (pthread_cond_t *cond,
                                   pthread_mutex_t *mutex,
                                   const struct timespec *until);
int __wrap_nanosleep (const struct timespec *time, struct timespec *left);

static struct device *device;
static struct policy policy;
static struct worker *worker;
static _Atomic unsigned nr_rounds, nr_rests;
static void (*_Atomic while_resting) (void);    /* NULL: nothing happens */

/* Waiting. */

static void
wait_a_little (void)
{
  poll (NULL, 0, 1);
}

#define wait_until(condition)                                                 \
  do {                                                                        \
    const double end = seconds_now () + PATIENCE_S;                           \
                                                                              \
    while (!(condition)) {                                                    \
      if (seconds_now () > end)                                               \
        check_failed (__FILE__, __LINE__, "in time: " #condition);            \
      wait_a_little ();                                                       \
    }                                                                         \
  } while (0)

/* A round begins a hundredth of a second after the last one. */
int
__wrap_pthread_cond_timedwait (pthread_cond_t *cond, pthread_mutex_t *mutex,
                               const struct timespec *until)
{
  struct timespec soon;
  int r;

  clock_gettime (CLOCK_MONOTONIC, &soon);
  soon.tv_nsec += 10000000;
  if (soon.tv_nsec >= 1000000000) {
    soon.tv_sec++;
    soon.tv_nsec -= 1000000000;
  }
  r = __real_pthread_cond_timedwait (cond, mutex, &soon);
  if (r == ETIMEDOUT)
    nr_rounds++;
  return r;
}

int
__wrap_nanosleep (const struct timespec *time, struct timespec *left)
{
  nr_rests++;
  if (while_resting)
    while_resting ();
  return 0;
}

/* Those that began before are over, too. */
static void
let_rounds_pass (void)
{
  const unsigned first = nr_rounds;

  wait_until (nr_rounds >= first + NR_ROUNDS);
}

/* Devices. */

static void
start_device (void)
{
  device = model_device (1, 4096, NR_BLOCKS * 4096);
  policy = (struct policy) { .idle_age_s = 0 };
  while_resting = NULL;
  nr_rounds = nr_rests = 0;
}

static void
start_device_with_backing (void)
{
  start_device ();
  unlink (PATH);
  attach_backing (device, PATH, 32 * MIB, false);
}

static void
start_worker (void)
{
  worker = worker_create ();
  check (worker != NULL);
  check (worker_add (worker, device, &policy) == 0);
  check (worker_start (worker) == 0);
}

static void
stop (void)
{
  worker_destroy (worker);
  check_and_destroy (device);
  check_nothing_reported ();
}

static void
stop_with_backing (void)
{
  stop ();
  check (unlink (PATH) == 0);
}

static void
put_blocks (uint64_t first, uint64_t end, uint32_t noise_bytes, uint32_t age_s)
{
  for (uint64_t block = first; block < end; block++) {
    block_put (device, block, block + 1, noise_bytes);
    block_set_age (device, block, age_s);
  }
}

static void
check_blocks (uint64_t first, uint64_t end, uint32_t noise_bytes)
{
  for (uint64_t block = first; block < end; block++)
    check (block_is (device, block, block + 1, noise_bytes));
}

/* Half of each byte is noise: zstd finds it, lz4 does not. */
static void
put_nibbles (uint64_t block, uint32_t age_s)
{
  uint8_t data[4096];

  block_make (device, data, block + 1, SIZE);
  for (unsigned i = 0; i < 4096; i++)
    data[i] &= 15;
  check (device_write (device, data, 4096, block * 4096) == 0);
  block_set_age (device, block, age_s);
}

static void
put_all_nibbles (uint64_t end, uint32_t age_s)
{
  for (uint64_t block = 0; block < end; block++)
    put_nibbles (block, age_s);
}

static void
set_zstd (unsigned priority, int level)
{
  const struct codec_params params = { .level = level };
  const char *why;

  check (live_set_codec (device, priority, codec_find ("zstd", &why),
                         &params) == 0);
}

static unsigned
priority_of (uint64_t block)
{
  return codec_set_priority (&device->codecs,
                             slot_codec (block_slot (device, block)));
}

static unsigned
nr_of_priority (unsigned priority, uint64_t end)
{
  unsigned nr = 0;

  for (uint64_t block = 0; block < end; block++)
    nr += priority_of (block) == priority;
  return nr;
}

static unsigned
nr_idle (uint64_t end)
{
  unsigned nr = 0;

  for (uint64_t block = 0; block < end; block++)
    nr += block_is_idle (device, block);
  return nr;
}

static int64_t
nr_backed (void)
{
  return device_stat (device, STAT_BACKED_BLOCKS);
}

/* What it does. */

static void
without_a_policy_nothing_happens (void)
{
  static slot_t slots[30];

  start_device_with_backing ();
  set_zstd (1, 9);
  put_blocks (0, 10, SIZE, 5000);
  put_blocks (10, 20, 4096, 5000);
  for (uint64_t block = 20; block < 30; block++)
    put_nibbles (block, 5000);
  live_set_mem_limit (device, device->budget.used_bytes);
  for (uint64_t block = 0; block < 30; block++)
    slots[block] = block_slot (device, block);
  start_worker ();
  let_rounds_pass ();
  check (nr_idle (30) == 0 && backing_stats_of (device).writes == 0);
  for (uint64_t block = 0; block < 30; block++)
    check (block_slot (device, block) == slots[block]);
  stop_with_backing ();
}

static void
old_blocks_are_marked_idle (void)
{
  start_device ();
  put_blocks (0, 10, SIZE, 200);
  put_blocks (10, 20, SIZE, 0);
  policy.idle_age_s = 100;
  start_worker ();
  wait_until (nr_idle (20) == 10);
  let_rounds_pass ();
  check (nr_idle (10) == 10 && nr_idle (20) == 10);
  stop ();
}

static void
a_mark_made_by_hand_stays (void)
{
  start_device ();
  put_blocks (0, 10, SIZE, 0);
  put_blocks (10, 11, SIZE, 200);
  check (idle_mark_all (device) == 11);
  block_set_age (device, 10, 200);
  policy.idle_age_s = 100;
  start_worker ();
  wait_until (block_is_idle (device, 10));
  check (nr_idle (11) == 11);
  stop ();
}

static void
old_blocks_are_recompressed_as_dense_as_can_be (void)
{
  start_device ();
  set_zstd (1, 3);
  set_zstd (2, 12);
  for (uint64_t block = 0; block < 20; block++)
    put_nibbles (block, block < 10 ? 200 : 0);
  policy.recompress_age_s = 100;
  start_worker ();
  wait_until (nr_of_priority (2, 20) == 10);
  let_rounds_pass ();
  check (nr_of_priority (2, 10) == 10 && nr_of_priority (0, 20) == 10);
  stop ();
}

static void
without_a_second_algorithm_nothing_is_recompressed (void)
{
  start_device ();
  put_all_nibbles (10, 200);
  policy.recompress_age_s = 100;
  start_worker ();
  let_rounds_pass ();
  check (nr_of_priority (0, 10) == 10);
  stop ();
}

static void
old_blocks_are_written_back (void)
{
  start_device_with_backing ();
  put_blocks (0, 10, SIZE, 200);
  put_blocks (10, 20, SIZE, 0);
  policy.writeback_age_s = 100;
  start_worker ();
  wait_until (nr_backed () == 10);
  let_rounds_pass ();
  check (nr_backed () == 10);
  for (uint64_t block = 0; block < 20; block++)
    check (block_is_backed (device, block) == (block < 10));
  check_blocks (0, 20, SIZE);
  stop_with_backing ();
}

static void
without_a_file_nothing_is_written_back (void)
{
  start_device ();
  put_blocks (0, 10, 4096, 200);
  policy.writeback_age_s = 100;
  policy.on_incompressible = POLICY_INCOMPRESSIBLE_WRITEBACK;
  start_worker ();
  let_rounds_pass ();
  check (nr_backed () == 0);
  check_blocks (0, 10, 4096);
  stop ();
}

static void
incompressible_blocks_are_written_back_soon (void)
{
  start_device_with_backing ();
  policy.on_incompressible = POLICY_INCOMPRESSIBLE_WRITEBACK;
  start_worker ();
  put_blocks (0, 10, 4096, 0);
  put_blocks (10, 20, SIZE, 0);
  wait_until (nr_backed () == 10);
  put_blocks (20, 30, 4096, 0);
  wait_until (nr_backed () == 20);
  for (uint64_t block = 10; block < 20; block++)
    check (!block_is_backed (device, block));
  check_blocks (0, 10, 4096);
  stop_with_backing ();
}

static void
incompressible_blocks_can_be_rejected (void)
{
  uint8_t data[4096];

  start_device ();
  policy.on_incompressible = POLICY_INCOMPRESSIBLE_REJECT;
  start_worker ();
  block_put (device, 0, 1, SIZE);
  block_make (device, data, 2, 4096);
  check (device_write (device, data, 4096, 0) == -1 && errno == ENOSPC);
  check_reported ("on_incompressible is reject");
  check (block_is (device, 0, 1, SIZE));
  policy.on_incompressible = POLICY_INCOMPRESSIBLE_STORE;
  policy_apply (&policy, device);
  check (device_write (device, data, 4096, 0) == 0);
  stop ();
}

/* So many pages in a period as long as the machine runs: all of them come in at
 * once, and hardly any later. */
static void
set_slow_rate (uint64_t nr_pages)
{
  policy.writeback_rate_bytes = nr_pages * PAGE_BYTES;
  policy.writeback_rate_period_s = age_now_s ();
}

/* Including what came in since. */
static uint64_t
most_pages (uint64_t nr_pages)
{
  const uint64_t period_s = policy.writeback_rate_period_s;

  return nr_pages + nr_pages * (age_now_s () + 1 - period_s) / period_s;
}

/* There is a look at each round. */
static void
writeback_keeps_to_its_rate (void)
{
  start_device_with_backing ();
  put_blocks (0, 500, 4096, 0);
  policy.on_incompressible = POLICY_INCOMPRESSIBLE_WRITEBACK;
  set_slow_rate (100);
  start_worker ();
  wait_until (backing_stats_of (device).writes > 90);
  let_rounds_pass ();
  let_rounds_pass ();
  check (backing_stats_of (device).writes <= most_pages (100));
  check (nr_backed () < 500);
  stop_with_backing ();
}

/* However short the machine runs. */
static void
the_first_period_has_all_its_pages (void)
{
  start_device_with_backing ();
  put_blocks (0, 500, 4096, 0);
  policy.on_incompressible = POLICY_INCOMPRESSIBLE_WRITEBACK;
  policy.writeback_rate_bytes = 100 * PAGE_BYTES;
  policy.writeback_rate_period_s = 30 * 86400 + age_now_s ();
  start_worker ();
  wait_until (backing_stats_of (device).writes > 90);
  stop_with_backing ();
}

/* Both policies that write to the file draw on it. */
static void
the_rate_is_for_all_that_is_written (void)
{
  start_device_with_backing ();
  put_blocks (0, 200, 4096, 0);
  put_blocks (200, 400, SIZE, 200);
  policy.on_incompressible = POLICY_INCOMPRESSIBLE_WRITEBACK;
  policy.writeback_age_s = 100;
  set_slow_rate (50);
  start_worker ();
  wait_until (nr_backed () > 0);
  let_rounds_pass ();
  check (backing_stats_of (device).writes <= most_pages (50));
  stop_with_backing ();
}

static void
each_period_brings_new_pages (void)
{
  start_device_with_backing ();
  put_blocks (0, 200, 4096, 0);
  policy.on_incompressible = POLICY_INCOMPRESSIBLE_WRITEBACK;
  policy.writeback_rate_bytes = 120 * PAGE_BYTES;
  policy.writeback_rate_period_s = 1;
  start_worker ();
  wait_until (nr_backed () == 200);
  check_blocks (0, 200, 4096);
  stop_with_backing ();
}

/* Three of four objects go, so most of the arena is holes. */
static void
make_waste (void)
{
  put_blocks (0, NR_BLOCKS, SIZE, 0);
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    if (block % 4)
      block_trim (device, block);
}

static uint64_t
waste_pages (void)
{
  return arena_held_pages (&device->arena) -
    device_stat (device, STAT_OBJECT_BYTES) / PAGE_BYTES;
}

static void
a_wasteful_device_is_compacted (void)
{
  start_device ();
  make_waste ();
  check (waste_pages () > 500);
  start_worker ();
  wait_until (waste_pages () < 100);
  for (uint64_t block = 0; block < NR_BLOCKS; block += 4)
    check (block_is (device, block, block + 1, SIZE));
  stop ();
}

static void
a_little_waste_is_left_alone (void)
{
  uint64_t held;

  start_device ();
  put_blocks (0, 400, SIZE, 0);
  for (uint64_t block = 0; block < 400; block++)
    if (block % 4)
      block_trim (device, block);
  held = arena_held_pages (&device->arena);
  check (waste_pages () < 256);
  start_worker ();
  let_rounds_pass ();
  check (arena_held_pages (&device->arena) == held);
  stop ();
}

static void
ages_are_swept (void)
{
  start_device ();
  put_blocks (0, 1, SIZE, 7 * 1800);
  put_blocks (1, 2, SIZE, 1000);
  check (!(block_age (device, 0) & AGE_COARSE));
  start_worker ();
  wait_until (block_age (device, 0) & AGE_COARSE);
  check (!(block_age (device, 1) & AGE_COARSE));
  check (age_seconds (block_age (device, 0), age_now_s ()) / 3600 == 3);
  stop ();
}

static void
room_is_made_before_a_device_is_full (void)
{
  start_device_with_backing ();
  put_blocks (0, 1000, SIZE, 200);
  put_blocks (1000, 2000, SIZE, 0);
  policy.on_full = POLICY_FULL_WRITEBACK;
  live_set_mem_limit (device, device->budget.used_bytes +
                      room_step_bytes (device));
  start_worker ();
  wait_until (!room_is_short (device, 4 * room_step_bytes (device)));
  check (nr_backed () > 0 && nr_backed () < 1000);
  for (uint64_t block = 1000; block < 2000; block++)
    check (!block_is_backed (device, block));
  check_blocks (0, 2000, SIZE);
  stop_with_backing ();
}

static void
the_index_of_contents_grows_with_the_device (void)
{
  uint64_t nr_entries;

  if (!has_backing_files ())
    return;                     /* without xxhash there is no index */
  start_device ();
  check (live_set_size (device, 70000 * 4096) == 0);
  for (uint64_t block = 0; block < 70000; block++)
    block_put (device, block, 1, 100);
  check (live_set_dedup (device, true) == 0);
  nr_entries = device->dedup.nr_entries;
  start_worker ();
  wait_until (device->budget.max_used_bytes >
              device->budget.used_bytes + nr_entries);
  worker_stop (worker);
  check (device->dedup.nr_entries == 2 * nr_entries);
  stop ();
}

static void
a_policy_can_change_at_any_time (void)
{
  start_device ();
  put_blocks (0, 10, SIZE, 200);
  start_worker ();
  let_rounds_pass ();
  check (nr_idle (10) == 0);
  policy.idle_age_s = 100;
  wait_until (nr_idle (10) == 10);
  stop ();
}

static void
each_device_has_its_own_policy (void)
{
  struct policy off = { .idle_age_s = 0 };
  struct device *other;

  start_device ();
  other = device;
  put_blocks (0, 10, SIZE, 200);
  start_device ();
  put_blocks (0, 10, SIZE, 200);
  policy.idle_age_s = 100;
  worker = worker_create ();
  check (worker && worker_add (worker, other, &off) == 0);
  check (worker_add (worker, device, &policy) == 0);
  check (worker_start (worker) == 0);
  wait_until (nr_idle (10) == 10);
  for (uint64_t block = 0; block < 10; block++)
    check (!block_is_idle (other, block));
  stop ();
  check_and_destroy (other);
}

/* Giving way.  The worker rests in the middle of a pass until somebody waits,
 * so the pass is not over before. */

static _Atomic bool is_there;

static void
rest_until_somebody_waits (void)
{
  if (device->progress.total == 0 || device->progress.done < 10)
    return;
  is_there = true;
  wait_until (device->nr_waiting > 0 || device->stopping);
}

static void
start_long_pass (void)
{
  start_device ();
  set_zstd (1, 12);
  put_all_nibbles (NR_BLOCKS, 2000);
  policy.recompress_age_s = 1000;
  is_there = false;
  while_resting = rest_until_somebody_waits;
  start_worker ();
  wait_until (is_there);
}

static void
check_pass_was_ended (void)
{
  const unsigned nr = nr_of_priority (1, NR_BLOCKS);

  check (nr > 0 && nr < NR_BLOCKS / 2);
}

static void
set_codec_by_hand (void)
{
  set_zstd (2, 3);
}

static void
mark_idle_by_hand (void)
{
  check (idle_mark_all (device) == NR_BLOCKS);
}

static void
compact_by_hand (void)
{
  compact_device (device);
}

static void
grow_by_hand (void)
{
  check (live_set_size (device, 2 * NR_BLOCKS * 4096) == 0);
}

static void
recompress_by_hand (void)
{
  const struct recompress_params params = { .priority = 1, .max_blocks = 1 };
  struct postproc_result result;

  check (recompress_device (device, &params, &result) == 0);
  check (result.nr_tried == 1);
}

static void
who_asks_by_hand_does_not_wait_for_a_pass (void)
{
  static void (*const ways[]) (void) = {
    set_codec_by_hand, mark_idle_by_hand, compact_by_hand, grow_by_hand,
    recompress_by_hand,
  };

  for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
    start_long_pass ();
    ways[i] ();
    check_pass_was_ended ();
    stop ();
  }
}

static void
a_pass_that_gave_way_goes_on_soon (void)
{
  start_long_pass ();
  while_resting = NULL;
  compact_by_hand ();
  wait_until (nr_of_priority (1, NR_BLOCKS) == NR_BLOCKS);
  stop ();
}

/* Somebody waits for a while. */
static void
a_compaction_that_gave_way_goes_on (void)
{
  start_device ();
  make_waste ();
  atomic_fetch_add (&device->nr_waiting, 1);
  start_worker ();
  let_rounds_pass ();
  check (waste_pages () > 500);
  atomic_fetch_sub (&device->nr_waiting, 1);
  wait_until (waste_pages () < 100);
  stop ();
}

/* While it rests in the middle of a pass. */
static void
check_no_block_is_locked (void)
{
  if (device->progress.total == 0 || device->progress.done < 10)
    return;
  for (unsigned i = 0; i < NR_LOCKS; i++) {
    check (pthread_mutex_trylock (&device->block_locks[i].lock) == 0);
    pthread_mutex_unlock (&device->block_locks[i].lock);
  }
  is_there = true;
}

static void
it_rests_where_it_locks_no_block (void)
{
  start_device ();
  set_zstd (1, 12);
  put_all_nibbles (1000, 2000);
  policy.recompress_age_s = 1000;
  is_there = false;
  while_resting = check_no_block_is_locked;
  start_worker ();
  wait_until (is_there && nr_of_priority (1, 1000) == 1000);
  stop ();
}

static void
it_rests_in_a_long_pass (void)
{
  start_device ();
  set_zstd (1, 12);
  put_all_nibbles (1000, 2000);
  policy.recompress_age_s = 1000;
  start_worker ();
  wait_until (nr_of_priority (1, 1000) == 1000);
  check (nr_rests >= 10);
  stop ();
}

/* Ending. */

static void
a_stop_does_not_wait_for_a_pass (void)
{
  start_long_pass ();
  worker_stop (worker);
  check_pass_was_ended ();
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    check (!slot_has_flag (block_slot (device, block), SLOT_CHOSEN));
  stop ();
}

static void
a_worker_can_end_without_a_start_and_twice (void)
{
  start_device ();
  worker = worker_create ();
  check (worker && worker_add (worker, device, &policy) == 0);
  worker_stop (worker);
  worker_stop (worker);
  stop ();
  start_device ();
  start_worker ();
  worker_stop (worker);
  worker_stop (worker);
  stop ();
}

int
main (void)
{
  capture_reports ();
  test (old_blocks_are_marked_idle);
  test (a_mark_made_by_hand_stays);
  test (old_blocks_are_recompressed_as_dense_as_can_be);
  test (without_a_second_algorithm_nothing_is_recompressed);
  test (without_a_file_nothing_is_written_back);
  test (incompressible_blocks_can_be_rejected);
  test (a_wasteful_device_is_compacted);
  test (a_little_waste_is_left_alone);
  test (ages_are_swept);
  test (the_index_of_contents_grows_with_the_device);
  test (a_policy_can_change_at_any_time);
  test (each_device_has_its_own_policy);
  test (who_asks_by_hand_does_not_wait_for_a_pass);
  test (a_pass_that_gave_way_goes_on_soon);
  test (a_compaction_that_gave_way_goes_on);
  test (it_rests_where_it_locks_no_block);
  test (it_rests_in_a_long_pass);
  test (a_stop_does_not_wait_for_a_pass);
  test (a_worker_can_end_without_a_start_and_twice);
  if (!has_backing_files ())
    skip_test ("backing files are not compiled in (xxhash)");
  test (without_a_policy_nothing_happens);
  test (old_blocks_are_written_back);
  test (incompressible_blocks_are_written_back_soon);
  test (writeback_keeps_to_its_rate);
  test (the_first_period_has_all_its_pages);
  test (the_rate_is_for_all_that_is_written);
  test (each_period_brings_new_pages);
  test (room_is_made_before_a_device_is_full);
  return 0;
}

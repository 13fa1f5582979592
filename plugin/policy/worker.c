/* SPDX-License-Identifier: BSD-3-Clause */
/* The worker; see worker.h. */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "../store/background.h"
#include "../store/device.h"
#include "../store/live.h"
#include "../store/pages.h"
#include "../store/report.h"
#include "compact.h"
#include "errand.h"
#include "idle.h"
#include "pace.h"
#include "recompress.h"
#include "room.h"
#include "worker.h"
#include "writeback.h"

#define ROUND_S 1

/* A policy for an age is looked at eight times in that age: blocks wait for it
 * by an eighth longer at the most, and a scan of the table is rare. */
#define LOOKS_IN_AGE 8

/* Compact when more than a sixteenth of the arena, and a MiB, is waste, and a
 * 32nd more than the last compaction left: what it could not give back then, it
 * cannot give back now. */
#define WASTE_SHARE 16
#define WASTE_MORE_SHARE 32
#define WASTE_MIN_BYTES (1u << 20)

struct charge {
  struct device *device;
  struct policy *policy;
  uint64_t next_sweep_s, next_idle_s, next_recompress_s, next_writeback_s;
  uint64_t waste_left_bytes;    /* after the last compaction */
  double rate_bytes_left;       /* what writeback_rate allows by now */
  uint64_t rate_counted_s;
};

struct worker {
  struct charge *charges;
  size_t nr_charges;
  struct errands errands;       /* of writes that find a device full */
  pthread_t thread;
  bool started;
  pthread_mutex_t lock;         /* guards stopping */
  pthread_cond_t wake;
  bool stopping;
};

/* Is it time?  Then say when it is again. */
static bool
is_due (uint64_t *next_s, uint64_t now_s, uint32_t age_s)
{
  const uint32_t every_s = age_s / LOOKS_IN_AGE;

  if (age_s == 0 || now_s < *next_s)
    return false;
  *next_s = now_s + (every_s > ROUND_S ? every_s : ROUND_S);
  return true;
}

/* A pass that gave way goes on in the next round. */
static void
go_on_soon (uint64_t *next_s)
{
  if (pace_gave_way ())
    *next_s = 0;
}

static void
sweep (struct charge *charge, uint64_t now_s)
{
  if (is_due (&charge->next_sweep_s, now_s, AGE_SWEEP_S))
    idle_sweep (charge->device);
  go_on_soon (&charge->next_sweep_s);
}

static void
mark_idle (struct charge *charge, uint64_t now_s)
{
  const uint32_t age_s = charge->policy->idle_age_s;

  if (is_due (&charge->next_idle_s, now_s, age_s))
    idle_mark_too (charge->device, age_s);
  go_on_soon (&charge->next_idle_s);
}

/* The densest algorithm that there is: a block is recompressed once. */
static unsigned
highest_priority (struct device *device)
{
  struct codec_description description;
  unsigned priority = NR_PRIORITIES - 1;

  while (priority > 0 && !live_get_codec (device, priority, &description))
    priority--;
  return priority;
}

static void
recompress (struct charge *charge, uint64_t now_s)
{
  const uint32_t age_s = charge->policy->recompress_age_s;
  const struct recompress_params params = {
    .filter.idle_age_s = age_s,
    .priority = highest_priority (charge->device),
  };
  struct postproc_result result;

  if (params.priority > 0 && is_due (&charge->next_recompress_s, now_s, age_s))
    recompress_device (charge->device, &params, &result);
  go_on_soon (&charge->next_recompress_s);
}

/* Writeback. */

static bool
get_backing (struct device *device, struct backing_stats *stats)
{
  char path[1];

  return live_get_backing (device, path, sizeof path, stats);
}

/* What came in since the last time, never more than one period's worth. */
static uint64_t
rate_pages (struct charge *charge, uint64_t now_s)
{
  const uint64_t rate_bytes = charge->policy->writeback_rate_bytes;
  const uint32_t period_s = charge->policy->writeback_rate_period_s;
  const bool first = charge->rate_counted_s == 0;
  const uint64_t elapsed_s = now_s - charge->rate_counted_s;

  charge->rate_counted_s = now_s;
  if (rate_bytes == 0 || period_s == 0)
    return UINT64_MAX;
  if (first || elapsed_s >= period_s)
    charge->rate_bytes_left = rate_bytes;
  else
    charge->rate_bytes_left += (double) rate_bytes * elapsed_s / period_s;
  if (charge->rate_bytes_left > rate_bytes)
    charge->rate_bytes_left = rate_bytes;
  return charge->rate_bytes_left / PAGE_BYTES;
}

static void
pay_rate (struct charge *charge, uint64_t nr_pages)
{
  const uint64_t bytes = nr_pages * PAGE_BYTES;

  charge->rate_bytes_left -=
    bytes < charge->rate_bytes_left ? bytes : charge->rate_bytes_left;
}

static void
write_back (struct charge *charge, const struct postproc_filter *filter,
            uint64_t now_s)
{
  const uint64_t max_pages = rate_pages (charge, now_s);
  struct backing_stats before, after;
  struct postproc_result result;

  if (max_pages == 0 || !get_backing (charge->device, &before))
    return;
  writeback_some (charge->device, filter, max_pages, &result);
  if (get_backing (charge->device, &after))
    pay_rate (charge, after.writes - before.writes);
}

static void
write_back_old (struct charge *charge, uint64_t now_s)
{
  const uint32_t age_s = charge->policy->writeback_age_s;
  const struct postproc_filter filter = { .idle_age_s = age_s };

  if (is_due (&charge->next_writeback_s, now_s, age_s))
    write_back (charge, &filter, now_s);
  go_on_soon (&charge->next_writeback_s);
}

static void
write_back_incompressible (struct charge *charge, uint64_t now_s)
{
  const struct postproc_filter filter = { .types = POSTPROC_HUGE };
  struct stats_snapshot stats;

  if (charge->policy->on_incompressible != POLICY_INCOMPRESSIBLE_WRITEBACK)
    return;
  device_get_stats (charge->device, &stats);
  if (stats.values[STAT_HUGE_BLOCKS] > 0)
    write_back (charge, &filter, now_s);
}

/* Before a write has to wait for it. */
static void
make_room (struct charge *charge, uint64_t now_s)
{
  const uint64_t bytes = 4 * room_step_bytes (charge->device);

  if (charge->policy->on_full == POLICY_FULL_WRITEBACK &&
      room_is_short (charge->device, bytes)) {
    pace_suspend (true);
    room_make (charge->device, bytes);
    pace_suspend (false);
  }
}

/* Compaction. */

static uint64_t
waste_bytes (struct device *device, uint64_t *held_bytes)
{
  struct stats_snapshot stats;

  *held_bytes = arena_used_pages (&device->arena) << PAGE_SHIFT;
  device_get_stats (device, &stats);
  return *held_bytes > (uint64_t) stats.values[STAT_OBJECT_BYTES] ?
    *held_bytes - stats.values[STAT_OBJECT_BYTES] : 0;
}

static void
compact (struct charge *charge, uint64_t now_s)
{
  uint64_t held_bytes;
  const uint64_t waste = waste_bytes (charge->device, &held_bytes);

  if (waste < charge->waste_left_bytes)
    charge->waste_left_bytes = waste;
  if (waste < WASTE_MIN_BYTES || waste < held_bytes / WASTE_SHARE ||
      waste < charge->waste_left_bytes + held_bytes / WASTE_MORE_SHARE)
    return;
  compact_device (charge->device);
  if (pace_gave_way ())         /* what is left is not what has to stay */
    return;
  charge->waste_left_bytes = waste_bytes (charge->device, &held_bytes);
}

static void
fit_dedup (struct charge *charge, uint64_t now_s)
{
  live_fit_dedup (charge->device);
}

/* Rounds. */

static void
work (struct charge *charge)
{
  static void (*const duties[]) (struct charge *, uint64_t) = {
    sweep, mark_idle, make_room, write_back_incompressible, recompress,
    write_back_old, compact, fit_dedup,
  };
  const uint64_t now_s = age_now_s ();

  for (size_t i = 0; i < sizeof duties / sizeof *duties; i++) {
    pace_gave_way ();           /* what an earlier duty did says nothing */
    duties[i] (charge, now_s);
  }
}

/* False: stop. */
static bool
wait_for_round (struct worker *worker)
{
  struct timespec until;
  bool stopping;

  clock_gettime (CLOCK_MONOTONIC, &until);
  until.tv_sec += ROUND_S;
  pthread_mutex_lock (&worker->lock);
  while (!worker->stopping &&
         pthread_cond_timedwait (&worker->wake, &worker->lock, &until) == 0)
    continue;
  stopping = worker->stopping;
  pthread_mutex_unlock (&worker->lock);
  return !stopping;
}

static void *
worker_loop (void *opaque)
{
  struct worker *worker = opaque;

  background_begin ();
  pace_begin ();
  while (wait_for_round (worker))
    for (size_t i = 0; i < worker->nr_charges; i++)
      work (&worker->charges[i]);
  return NULL;
}

struct worker *
worker_create (void)
{
  struct worker *worker = calloc (1, sizeof *worker);
  pthread_condattr_t monotonic;

  if (!worker) {
    report_error ("worker: %m");
    return NULL;
  }
  errands_init (&worker->errands);
  pthread_mutex_init (&worker->lock, NULL);
  pthread_condattr_init (&monotonic);
  pthread_condattr_setclock (&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init (&worker->wake, &monotonic);
  pthread_condattr_destroy (&monotonic);
  return worker;
}

static bool
make_step_of_room (void *opaque)
{
  struct device *device = opaque;

  return room_make (device, room_step_bytes (device));
}

static const struct policy *
policy_of (const struct worker *worker, const struct device *device)
{
  size_t i = 0;

  while (worker->charges[i].device != device)
    i++;
  return worker->charges[i].policy;
}

/* Called by a write that found the device full, with no lock held. */
static bool
make_room_for_write (struct device *device, void *opaque)
{
  struct worker *worker = opaque;

  return policy_of (worker, device)->on_full == POLICY_FULL_WRITEBACK &&
    errand_run (&worker->errands, make_step_of_room, device);
}

void
policy_apply (struct policy *policy, struct device *device)
{
  device->reject_incompressible =
    policy->on_incompressible == POLICY_INCOMPRESSIBLE_REJECT;
}

int
worker_add (struct worker *worker, struct device *device,
            struct policy *policy)
{
  const size_t nr = worker->nr_charges + 1;
  struct charge *charges =
    reallocarray (worker->charges, nr, sizeof *charges);

  if (!charges) {
    report_error ("worker: %m");
    return -1;
  }
  charges[nr - 1] = (struct charge) { .device = device, .policy = policy };
  worker->charges = charges;
  worker->nr_charges = nr;
  policy_apply (policy, device);
  device->make_room = make_room_for_write;
  device->make_room_opaque = worker;
  return 0;
}

int
worker_start (struct worker *worker)
{
  int errnum;

  if (errands_start (&worker->errands) == -1)
    return -1;
  errnum = pthread_create (&worker->thread, NULL, worker_loop, worker);
  if (errnum == 0) {
    worker->started = true;
    return 0;
  }
  errno = errnum;
  report_error ("worker: cannot start its thread: %m");
  return -1;
}

void
worker_stop (struct worker *worker)
{
  for (size_t i = 0; i < worker->nr_charges; i++)
    atomic_store (&worker->charges[i].device->stopping, true);
  errands_stop (&worker->errands);
  if (!worker->started)
    return;
  pthread_mutex_lock (&worker->lock);
  worker->stopping = true;
  pthread_cond_signal (&worker->wake);
  pthread_mutex_unlock (&worker->lock);
  pthread_join (worker->thread, NULL);
  worker->started = false;
}

void
worker_destroy (struct worker *worker)
{
  worker_stop (worker);
  errands_destroy (&worker->errands);
  pthread_cond_destroy (&worker->wake);
  pthread_mutex_destroy (&worker->lock);
  free (worker->charges);
  free (worker);
}

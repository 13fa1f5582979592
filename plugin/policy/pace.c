/* SPDX-License-Identifier: BSD-3-Clause */
/* The pace of the worker; see pace.h. */
#include <config.h>

#include <stdint.h>
#include <time.h>

#include "../store/device.h"
#include "pace.h"

/* A quarter of one processor.  Short turns: a request that meets one waits a
 * block's time at the most, not for the turn. */
#define TURN_NS 1000000
#define REST_TURNS 3

/* What took longer was a wait, for the next round or a lock, and no work; and
 * whoever waits for the device waits for a rest. */
#define WORK_NS_MAX (20 * TURN_NS)

static _Thread_local bool keeps_pace;
static _Thread_local uint64_t turn_began_ns;
static _Thread_local bool gave_way;

static uint64_t
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * UINT64_C (1000000000) + now.tv_nsec;
}

void
pace_begin (void)
{
  keeps_pace = true;
  turn_began_ns = now_ns ();
}

void
pace_suspend (bool suspended)
{
  keeps_pace = !suspended;
}

bool
pace_is_kept (void)
{
  return keeps_pace;
}

bool
pace_gave_way (void)
{
  const bool was = gave_way;

  gave_way = false;
  return was;
}

static void
rest (uint64_t worked_ns)
{
  const uint64_t ns = REST_TURNS *
    (worked_ns < WORK_NS_MAX ? worked_ns : WORK_NS_MAX);
  const struct timespec time = {
    .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000,
  };

  nanosleep (&time, NULL);
}

bool
pace_step (const struct device *device)
{
  uint64_t worked_ns;
  bool waits;

  if (!keeps_pace)
    return !atomic_load (&device->stopping);
  worked_ns = now_ns () - turn_began_ns;
  if (worked_ns >= TURN_NS) {
    rest (worked_ns);
    turn_began_ns = now_ns ();
  }
  waits = atomic_load (&device->nr_waiting) > 0;
  gave_way |= waits;
  return !waits && !atomic_load (&device->stopping);
}

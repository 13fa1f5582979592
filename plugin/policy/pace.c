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

static _Thread_local bool keeps_pace;
static _Thread_local uint64_t turn_began_ns;

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

static void
rest (uint64_t worked_ns)
{
  const uint64_t ns = worked_ns * REST_TURNS;
  const struct timespec time = {
    .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000,
  };

  nanosleep (&time, NULL);
}

bool
pace_step (const struct device *device)
{
  uint64_t worked_ns;

  if (!keeps_pace)
    return !atomic_load (&device->stopping);
  worked_ns = now_ns () - turn_began_ns;
  if (worked_ns >= TURN_NS) {
    rest (worked_ns);
    turn_began_ns = now_ns ();
  }
  return atomic_load (&device->nr_waiting) == 0 &&
    !atomic_load (&device->stopping);
}

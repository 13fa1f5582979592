/* SPDX-License-Identifier: BSD-3-Clause */
/* An age: the two bytes that say when a block was used last.
 *
 *   15     14      13                        0
 *   +------+-------+-------------------------+
 *   | idle | coarse| time                    |
 *   +------+-------+-------------------------+
 *
 * idle: marked so by hand or by age; any access stamps a new age without it.
 * Time counts seconds, or units of 64 seconds if coarse, and wraps round: after
 * 4.5 hours or 12 days.  So ages are swept at least every AGE_SWEEP_S: a fine
 * one older than 2 hours becomes coarse, a coarse one older than 6 days stays
 * at 6 days.  A second is what people say to `idle`; nobody asks for seconds of
 * an age of hours.  The kernel spends 4 bytes.
 */
#ifndef ZRAM_AGE_H
#define ZRAM_AGE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

typedef uint16_t age_t;

#define AGE_IDLE ((age_t) 0x8000)
#define AGE_COARSE ((age_t) 0x4000)
#define AGE_TIME ((age_t) 0x3fff)
#define AGE_COARSE_SHIFT 6

#define AGE_FINE_MAX_S 7200u
#define AGE_COARSE_MAX_S (6 * 86400u)
#define AGE_SWEEP_S 3600u

/* Seconds that only go forward; the origin is no matter.  Cheap: no system
 * call, and late by a tick at the most. */
static inline uint64_t
age_now_s (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec;
}

static inline age_t
age_stamp (uint64_t now_s)
{
  return now_s & AGE_TIME;
}

/* How long ago, in seconds. */
static inline uint32_t
age_seconds (age_t age, uint64_t now_s)
{
  if (age & AGE_COARSE)
    return (uint32_t) (((now_s >> AGE_COARSE_SHIFT) - age) & AGE_TIME) <<
      AGE_COARSE_SHIFT;
  return (now_s - age) & AGE_TIME;
}

static inline bool
age_is_idle (age_t age)
{
  return age & AGE_IDLE;
}

/* The same age, in the form that lasts until the next sweep. */
static inline age_t
age_swept (age_t age, uint64_t now_s)
{
  uint64_t seconds = age_seconds (age, now_s);

  if (seconds <= (age & AGE_COARSE ? AGE_COARSE_MAX_S : AGE_FINE_MAX_S))
    return age;
  if (seconds > AGE_COARSE_MAX_S)
    seconds = AGE_COARSE_MAX_S;
  return (age & AGE_IDLE) | AGE_COARSE |
    ((now_s - seconds) >> AGE_COARSE_SHIFT & AGE_TIME);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Milliseconds that only go forward; the origin is no matter. */
#ifndef NBDZRAM_CLOCK_H
#define NBDZRAM_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t
clock_now_ms (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C (1000) + now.tv_nsec / 1000000;
}

#endif

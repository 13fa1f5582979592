/* SPDX-License-Identifier: BSD-3-Clause */
/* Places where a test lets the process die, as kill -9 would at that instant:
 * each step between prepare and release has one.  crash.c lists them.
 */
#ifndef ZRAM_CRASH_H
#define ZRAM_CRASH_H

#include <stdbool.h>
#include <stddef.h>

extern const char *crash_armed; /* NULL: none */

void crash_here (const char *name);

/* Die at this place, when it is come by for the so-many-th time (from 1 on).
 * NULL: do not.  Before the threads start. */
void zram_debug_crash (const char *name, long times);

/* The same from NAME:TIMES; false: it is not so written. */
bool crash_arm (const char *text);

/* All places, for tests that go through them; NULL at the end. */
extern const char *const crash_names[];

static inline void
crash_point (const char *name)
{
  if (__builtin_expect (crash_armed != NULL, 0))
    crash_here (name);
}

#endif

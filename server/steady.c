/* SPDX-License-Identifier: BSD-3-Clause */
/* A process that goes on when there is no memory left; see steady.h. */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "notice.h"
#include "resident.h"
#include "steady.h"

/* Connecting takes some 100 KiB of heap and 30 KiB of stack. */
#define HEAP_SPARE_BYTES (384 << 10)
#define STACK_SPARE_BYTES (96 << 10)

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

void
steady_begin (void)
{
  mallopt (M_ARENA_MAX, 1);
  mallopt (M_MMAP_MAX, 0);
  mallopt (M_TRIM_THRESHOLD, INT_MAX);
  mallopt (M_TOP_PAD, HEAP_SPARE_BYTES);
}

/* The compiler is not to find out that nobody reads it. */
static void
touch_stack (void)
{
  volatile char stack[STACK_SPARE_BYTES];

  for (size_t i = 0; i < sizeof stack; i += 4096)
    stack[i] = 1;
}

static void
touch_heap (void)
{
  char *spare = malloc (HEAP_SPARE_BYTES);

  if (spare)
    explicit_bzero (spare, HEAP_SPARE_BYTES);
  free (spare);
}

static void
say_missing (const char *what)
{
  notice ("without %s: %s", what, strerror (errno));
}

static int
run_first (void)
{
  const struct sched_param first = { .sched_priority = 1 };

  return sched_setscheduler (0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first);
}

void
steady_hold_thread (void)
{
  prctl (PR_SET_IO_FLUSHER, 1, 0, 0, 0);
  run_first ();
}

void
steady_hold (void)
{
  touch_heap ();
  touch_stack ();
  /* Two calls: what comes is wanted wholly, of what is there not all. */
  if (!resident_keep_self (true) || mlockall (MCL_FUTURE) == -1)
    say_missing ("locked memory");
  if (!resident_leave_killer ())
    say_missing ("protection from the kernel's killer");
  if (prctl (PR_SET_IO_FLUSHER, 1, 0, 0, 0) == -1)
    say_missing ("the kernel's reserve of memory");
  if (run_first () == -1)
    say_missing ("real-time priority");
}

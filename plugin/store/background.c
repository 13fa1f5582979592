/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that no request waits for; see background.h. */
#include <config.h>

#include <errno.h>
#include <sched.h>

#include "background.h"

void
background_begin (void)
{
  const struct sched_param param = { .sched_priority = 0 };
  const int saved_errno = errno;

  if (sched_getscheduler (0) == SCHED_FIFO)
    sched_setscheduler (0, SCHED_OTHER, &param);
  errno = saved_errno;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The next server; see next.h. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "descriptor.h"
#include "next.h"
#include "notice.h"
#include "resident.h"

/* So many that die while they stand by are put up with, with pauses, since
 * they are not missed yet. */
#define FAILURES_MAX 5
#define PAUSE_MS 5000

int
next_open (struct next *next, int first_fd)
{
  *next = (struct next) { .pid = 0 };
  return descriptor_pipe (next->go, O_CLOEXEC | O_NONBLOCK, first_fd);
}

static pid_t
start (const struct next *next)
{
  const pid_t pid = launch_start (next->launch, next->fds);

  if (pid != -1)
    return pid;
  notice ("no process for a server: %s", strerrordesc_np (errno));
  return 0;
}

bool
next_start (struct next *next)
{
  next->due_ms = 0;
  descriptor_drain (next->go[0]);
  next->pid = start (next);
  return next->pid != 0;
}

void
next_postpone (struct next *next)
{
  if (++next->nr_failures < FAILURES_MAX)
    next->due_ms = clock_now_ms () + PAUSE_MS;
  else
    notice ("nobody stands by any more");
}

/* A new one finds the word there. */
pid_t
next_take (struct next *next)
{
  const pid_t pid = next->pid;

  next->pid = 0;
  next->due_ms = 0;
  (void) !write (next->go[1], "", 1);
  if (pid == 0)
    return start (next);
  if (next->launch->is_locked)
    resident_hurry (pid);
  return pid;
}

void
next_end (struct next *next)
{
  next->due_ms = 0;
  if (next->pid != 0)
    kill (next->pid, SIGKILL);
}

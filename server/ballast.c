/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory for the next server; see ballast.h. */
#include <config.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ballast.h"

/* A server's heap, stacks and page tables, and what the kernel takes for a
 * process. */
#define BALLAST_BYTES ((size_t) 10 << 20)

static pid_t ballast;           /* 0: none */

void
ballast_take (const char *program)
{
  static char name[] = BALLAST_NAME;
  char *const argv[] = { name, NULL };

  if (ballast > 0)
    return;
  ballast = vfork ();
  if (ballast == 0) {
    execv (program, argv);
    _exit (127);
  }
}

/* It has to run to end, whatever else wants to. */
void
ballast_drop (void)
{
  const struct sched_param first = { .sched_priority = 1 };

  if (ballast <= 0)
    return;
  sched_setscheduler (ballast, SCHED_FIFO, &first);
  kill (ballast, SIGKILL);
  ballast = 0;
}

pid_t
ballast_pid (void)
{
  return ballast;
}

void
ballast_adopt (pid_t pid)
{
  ballast = pid;
}

void
ballast_note_end (pid_t pid)
{
  if (pid == ballast)
    ballast = 0;
}

/* It waits for no disk, as the keeper does not: who waits cannot be killed.
 * Others find memory for it meanwhile. */
static void
fill (volatile char *memory)
{
  const long page_bytes = sysconf (_SC_PAGESIZE);

  for (size_t i = 0; i < BALLAST_BYTES; i += page_bytes)
    memory[i] = 1;
}

int
ballast_run (void)
{
  const struct sched_param usual = { .sched_priority = 0 };
  char *memory;

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  sched_setscheduler (0, SCHED_OTHER, &usual);
  memory = mmap (NULL, BALLAST_BYTES, PROT_READ|PROT_WRITE,
                 MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED ||
      mlock2 (memory, BALLAST_BYTES, MLOCK_ONFAULT) == -1)
    return EXIT_FAILURE;
  fill (memory);
  for (;;)
    pause ();
}

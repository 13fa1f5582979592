/* SPDX-License-Identifier: BSD-3-Clause */
/* How a keeper becomes the next version of itself; see successor.h. */
#include <config.h>

#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "arguments.h"
#include "names.h"
#include "notify.h"
#include "successor.h"

#define FIRST_FD 3              /* systemd's SD_LISTEN_FDS_START */

#define SUCCESSOR_VARIABLE "NBDZRAM_SUCCESSOR"

struct legacy {
  char *names;                  /* with colons between them */
  unsigned nr;
};

/* The keeper's descriptors are all above these. */
static void
hand_over (struct legacy *legacy, const char *name, int fd)
{
  char *names;

  if (asprintf (&names, "%s%s%s", legacy->names ? legacy->names : "",
                legacy->names ? ":" : "", name) == -1 ||
      dup2 (fd, FIRST_FD + legacy->nr) == -1) {
    warn ("%s", name);
    return;
  }
  free (legacy->names);
  legacy->names = names;
  legacy->nr++;
}

static void
hand_all_over (struct legacy *legacy, const struct keeper_parts *parts)
{
  for (unsigned i = 0; i < parts->listeners.nr; i++)
    hand_over (legacy, parts->listeners.name, parts->listeners.fds[i]);
  for (unsigned i = 0; i < parts->memory.nr_all; i++)
    if (parts->memory.stores[i].is_anonymous)
      hand_over (legacy, parts->memory.stores[i].name,
                 parts->memory.stores[i].fd);
  hand_over (legacy, NAME_PIDFILE, parts->pidfile.fd);
  hand_over (legacy, NAME_STATE, parts->pidfile.state_fd);
}

void
successor_start (const struct keeper_parts *parts, bool may_forget)
{
  struct legacy legacy = { .nr = 0 };

  hand_all_over (&legacy, parts);
  stores_hold_over (&parts->memory, keeper_first_fd (parts));
  handed_announce (legacy.nr, legacy.names ? legacy.names : "");
  setenv (SUCCESSOR_VARIABLE, may_forget ? "may forget" : "", 1);
  execv (parts->argv[0], parts->argv);
}

bool
successor_is_here (bool *may_forget)
{
  const char *value = getenv (SUCCESSOR_VARIABLE);

  *may_forget = value && *value;
  unsetenv (SUCCESSOR_VARIABLE);
  return value != NULL;
}

/* Holding. */

static void
set_state (const struct handed *handed, enum keeper_state state, unsigned more)
{
  struct pidfile pidfile = { .state_fd = -1 };
  enum keeper_state old;

  for (unsigned i = 0; i < handed->nr; i++)
    if (strcmp (handed->fds[i].name, NAME_STATE) == 0)
      pidfile.state_fd = FIRST_FD + i;
  if (!pidfile_get_state (pidfile.state_fd, &pidfile.nr_restarts, &old))
    return;
  pidfile.nr_restarts += more;
  pidfile_set_state (&pidfile, state);
}

/* Returns the signal. */
static int
await_signal (void)
{
  const unsigned watchdog_ms = notify_watchdog_ms ();
  const struct timespec timeout = {
    .tv_sec = watchdog_ms / 1000, .tv_nsec = watchdog_ms % 1000 * 1000000,
  };
  sigset_t set;
  int signal;

  sigemptyset (&set);
  sigaddset (&set, SIGHUP);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGTERM);
  sigprocmask (SIG_BLOCK, &set, NULL);
  while ((signal = sigtimedwait (&set, NULL, watchdog_ms ? &timeout : NULL))
         == -1)
    notify ("WATCHDOG=1\n");
  return signal;
}

int
successor_hold (const struct handed *handed, char **argv)
{
  warnx ("the memory is held until nbdzram restart or stop");
  notify ("STATUS=not serving, the memory is held\n");
  set_state (handed, KEEPER_HOLDING, 0);
  if (await_signal () != SIGHUP)
    return STATUS_FAILED;
  set_state (handed, KEEPER_STARTING, 1);
  handed_pass_on (handed);
  setenv (SUCCESSOR_VARIABLE, "", 1);
  execv (argv[0], argv);
  err (STATUS_FAILED, "%s", argv[0]);
}

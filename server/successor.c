/* SPDX-License-Identifier: BSD-3-Clause */
/* How a keeper becomes the next version of itself; see successor.h. */
#include <config.h>

#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arguments.h"
#include "names.h"
#include "notify.h"
#include "resident.h"
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

static void
announce (const struct inheritance *inheritance)
{
  char text[64];

  snprintf (text, sizeof text, "%d %d", inheritance->may_forget,
            (int) inheritance->server);
  setenv (SUCCESSOR_VARIABLE, text, 1);
}

void
successor_start (const struct keeper_parts *parts,
                 const struct inheritance *inheritance)
{
  struct legacy legacy = { .nr = 0 };

  hand_all_over (&legacy, parts);
  stores_hold_over (&parts->memory, keeper_first_fd (parts));
  handed_announce (legacy.nr, legacy.names ? legacy.names : "");
  announce (inheritance);
  if (inheritance->server && parts->launch.is_locked)
    resident_expose ();
  execv (parts->argv[0], parts->argv);
  if (parts->launch.is_locked)
    resident_protect ();
}

bool
successor_is_here (struct inheritance *inherited)
{
  const char *value = getenv (SUCCESSOR_VARIABLE);
  int may_forget = 0, server = 0;

  if (value)
    sscanf (value, "%d %d", &may_forget, &server);
  *inherited = (struct inheritance) { may_forget, server };
  unsetenv (SUCCESSOR_VARIABLE);
  return value != NULL;
}

/* Holding.  Nothing is known of the configuration. */

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
await_signal (const sigset_t *set)
{
  const unsigned watchdog_ms = notify_watchdog_ms ();
  const struct timespec timeout = {
    .tv_sec = watchdog_ms / 1000, .tv_nsec = watchdog_ms % 1000 * 1000000,
  };
  int signal;

  while ((signal = sigtimedwait (set, NULL, watchdog_ms ? &timeout : NULL))
         == -1)
    notify ("WATCHDOG=1\n");
  return signal;
}

static void
say_what_is_held (const struct handed *handed, pid_t server)
{
  if (server)
    warnx ("the server goes on, but nobody would start it again: nbdzram "
           "restart, once the configuration is right");
  else
    warnx ("the memory is held until nbdzram restart or stop");
  notify ("STATUS=%s\n", server ? "serving, but not able to start again" :
          "not serving, the memory is held");
  set_state (handed, server ? KEEPER_REFUSED : KEEPER_HOLDING, 0);
}

static void
reap (const struct handed *handed, struct inheritance *held)
{
  pid_t pid;

  while ((pid = waitpid (-1, NULL, WNOHANG)) > 0)
    if (pid == held->server) {
      held->server = 0;
      say_what_is_held (handed, 0);
    }
}

static int
end_held (const struct inheritance *held)
{
  if (held->server) {
    kill (held->server, SIGKILL);
    waitpid (held->server, NULL, 0);
  }
  return STATUS_FAILED;
}

int
successor_hold (const struct handed *handed,
                const struct inheritance *inherited, char **argv)
{
  struct inheritance held = *inherited;
  sigset_t set;
  int signal;

  keeper_block_signals (&set);
  say_what_is_held (handed, held.server);
  while ((signal = await_signal (&set)) == SIGCHLD)
    reap (handed, &held);
  if (signal != SIGHUP)
    return end_held (&held);
  set_state (handed, KEEPER_STARTING, 1);
  handed_pass_on (handed);
  announce (&held);
  execv (argv[0], argv);
  err (STATUS_FAILED, "%s", argv[0]);
}

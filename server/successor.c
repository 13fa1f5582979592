/* SPDX-License-Identifier: BSD-3-Clause */
/* How a keeper becomes the next version of itself; see successor.h. */
#include <config.h>

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "names.h"
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
  for (unsigned i = 0; i < parts->memory.nr; i++)
    if (parts->memory.stores[i].is_anonymous)
      hand_over (legacy, parts->memory.stores[i].name,
                 parts->memory.stores[i].fd);
  hand_over (legacy, NAME_PIDFILE, parts->pidfile.fd);
  hand_over (legacy, NAME_STATE, parts->pidfile.state_fd);
}

static void
set_number (const char *variable, unsigned number)
{
  char text[16];

  snprintf (text, sizeof text, "%u", number);
  setenv (variable, text, 1);
}

void
successor_start (const struct keeper_parts *parts)
{
  struct legacy legacy = { .nr = 0 };

  hand_all_over (&legacy, parts);
  stores_hold_over (&parts->memory, keeper_first_fd (parts));
  set_number ("LISTEN_FDS", legacy.nr);
  set_number ("LISTEN_PID", getpid ());
  setenv ("LISTEN_FDNAMES", legacy.names ? legacy.names : "", 1);
  setenv (SUCCESSOR_VARIABLE, "1", 1);
  execv (parts->program, parts->argv);
}

bool
successor_is_here (void)
{
  const bool is_here = getenv (SUCCESSOR_VARIABLE) != NULL;

  unsetenv (SUCCESSOR_VARIABLE);
  return is_here;
}

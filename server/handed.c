/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors that were handed over; see handed.h. */
#include <config.h>

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../plugin/control/units.h"
#include "arguments.h"
#include "handed.h"

#define FIRST_FD 3              /* systemd's SD_LISTEN_FDS_START */
#define FDS_MAX 65536

static unsigned
number_in (const char *variable)
{
  const char *text = getenv (variable);
  uint64_t number;

  return text && units_parse_number (text, 10, UINT32_MAX, &number) == 0 ?
    number : 0;
}

/* Names with colons between them; fewer than descriptors is fine. */
static void
receive (struct handed *handed, unsigned nr, char *names)
{
  handed->names = strdup (names ? names : "");
  if (!handed->names)
    err (STATUS_FAILED, "descriptors that were handed over");
  handed->fds = calloc (nr, sizeof *handed->fds);
  if (!handed->fds)
    err (STATUS_FAILED, "descriptors that were handed over");
  for (handed->nr = 0; handed->nr < nr; handed->nr++) {
    char *name = names ? strsep (&names, ":") : NULL;

    handed->fds[handed->nr] = (struct handed_fd) {
      .fd = FIRST_FD + handed->nr, .name = strdup (name ? name : ""),
    };
    if (!handed->fds[handed->nr].name)
      err (STATUS_FAILED, "descriptors that were handed over");
    fcntl (FIRST_FD + handed->nr, F_SETFD, FD_CLOEXEC);
  }
}

void
handed_receive (struct handed *handed)
{
  const unsigned nr = number_in ("LISTEN_FDS");
  char *names = getenv ("LISTEN_FDNAMES");

  *handed = (struct handed) { .nr = 0 };
  if (number_in ("LISTEN_PID") == (unsigned) getpid () && nr > 0 &&
      nr <= FDS_MAX)
    receive (handed, nr, names);
  unsetenv ("LISTEN_PID");
  unsetenv ("LISTEN_FDS");
  unsetenv ("LISTEN_FDNAMES");
}

int
handed_take (struct handed *handed, const char *name)
{
  for (unsigned i = 0; i < handed->nr; i++) {
    const int fd = handed->fds[i].fd;

    if (fd != -1 && strcmp (handed->fds[i].name, name) == 0) {
      handed->fds[i].fd = -1;
      return fd;
    }
  }
  return -1;
}

void
handed_close (struct handed *handed)
{
  for (unsigned i = 0; i < handed->nr; i++) {
    if (handed->fds[i].fd != -1)
      close (handed->fds[i].fd);
    free (handed->fds[i].name);
  }
  free (handed->fds);
  free (handed->names);
  *handed = (struct handed) { .nr = 0 };
}

static void
set_number (const char *variable, unsigned number)
{
  char text[16];

  snprintf (text, sizeof text, "%u", number);
  setenv (variable, text, 1);
}

void
handed_announce (unsigned nr, const char *names)
{
  set_number ("LISTEN_FDS", nr);
  set_number ("LISTEN_PID", getpid ());
  setenv ("LISTEN_FDNAMES", names, 1);
}

void
handed_pass_on (const struct handed *handed)
{
  for (unsigned i = 0; i < handed->nr; i++)
    fcntl (FIRST_FD + i, F_SETFD, 0);
  handed_announce (handed->nr, handed->names ? handed->names : "");
}

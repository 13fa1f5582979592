/* SPDX-License-Identifier: BSD-3-Clause */
/* A server that waits until it is needed; see standby.h. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../store/background.h"
#include "../store/pages.h"
#include "safeguard.h"
#include "standby.h"

/* What only the one that serves has, and would have to find in a machine
 * without memory: the page tables of its disks, stacks, what it adopts with. */
#define SPARE_BYTES ((size_t) 4 << 20)

#define NAME_CHARS 16           /* the kernel's TASK_COMM_LEN */

/* What all servers' names begin with. */
#define SERVER_NAME "nbdkit"

#define PATH_CHARS 64

struct ends {
  int ready;                    /* to the keeper */
  int go;                       /* from it */
};

static bool
find_ends (struct ends *ends)
{
  const char *value = getenv (STANDBY_VARIABLE);

  return value && sscanf (value, "%d:%d", &ends->ready, &ends->go) == 2;
}

/* Is the word there, or the keeper gone? */
static bool
is_told (const struct ends *ends, int timeout_ms)
{
  struct pollfd go = { .fd = ends->go, .events = POLLIN };

  while (poll (&go, 1, timeout_ms) == -1 && errno == EINTR)
    ;
  return go.revents != 0;
}

static int
take_word (const struct ends *ends)
{
  char word;
  const ssize_t r = read (ends->go, &word, 1);

  close (ends->go);
  return r == 1 ? 0 : -1;
}

static void
announce (const struct ends *ends)
{
  static const char ready = STANDBY_IS_READY;

  prctl (PR_SET_NAME, STANDBY_NAME, 0, 0, 0);
  (void) !write (ends->ready, &ready, 1);
}

static void
wait_for_word (const struct ends *ends, bool is_locked)
{
  char name[NAME_CHARS] = "";
  void *spare = NULL;

  if (is_locked) {
    spare = pages_reserve (SPARE_BYTES);
    if (spare)
      pages_commit (spare, SPARE_BYTES);
    safeguard_stand_by ();
  }
  prctl (PR_GET_NAME, name, 0, 0, 0);
  announce (ends);
  is_told (ends, -1);
  prctl (PR_SET_NAME, name, 0, 0, 0);
  pages_unreserve (spare, SPARE_BYTES);
}

void
standby_begin (void)
{
  struct ends ends;

  if (find_ends (&ends) && !is_told (&ends, 0))
    background_begin ();
}

bool
standby_is_expected (void)
{
  struct ends ends;

  return find_ends (&ends);
}

/* name is "" if the process is gone. */
static void
read_name (pid_t pid, char name[NAME_CHARS])
{
  char path[PATH_CHARS];
  FILE *file;

  snprintf (path, sizeof path, "/proc/%d/comm", (int) pid);
  file = fopen (path, "re");
  if (!file || !fgets (name, NAME_CHARS, file))
    name[0] = '\0';
  if (file)
    fclose (file);
  name[strcspn (name, "\n")] = '\0';
}

/* The keeper's other children are no servers. */
pid_t
standby_find (bool *is_ready)
{
  char path[PATH_CHARS], name[NAME_CHARS];
  pid_t found = 0;
  FILE *children;
  int pid;

  *is_ready = false;
  snprintf (path, sizeof path, "/proc/%d/task/%d/children", (int) getppid (),
            (int) getppid ());
  children = fopen (path, "re");
  if (!children)
    return -1;
  while (!*is_ready && fscanf (children, "%d", &pid) == 1) {
    read_name (pid, name);
    if (pid == getpid () || strncmp (name, SERVER_NAME, strlen (SERVER_NAME)))
      continue;
    found = pid;
    *is_ready = strcmp (name, STANDBY_NAME) == 0;
  }
  fclose (children);
  return found;
}

int
standby_wait (bool is_locked)
{
  struct ends ends;

  if (!find_ends (&ends))
    return 0;
  if (!is_told (&ends, 0))
    wait_for_word (&ends, is_locked);
  return take_word (&ends);
}

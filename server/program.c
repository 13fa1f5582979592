/* SPDX-License-Identifier: BSD-3-Clause */
/* Other programs; see program.h. */
#include <config.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

extern char **environ;

#define PATH_BYTES 4096

/* Where they are looked for: PATH of a user lacks the last two. */
static const char *const roots[] = { "/usr/sbin", "/sbin" };
#define NR_ROOTS (sizeof roots / sizeof *roots)

static bool
is_at (const char *directory, size_t bytes, const char *name,
       char path[PATH_BYTES])
{
  const int length = snprintf (path, PATH_BYTES, "%.*s/%s", (int) bytes,
                               directory, name);

  return length > 0 && length < PATH_BYTES && access (path, X_OK) == 0;
}

static bool
find (const char *name, char path[PATH_BYTES])
{
  const char *directory = getenv ("PATH");
  size_t bytes;

  for (; directory && *directory; directory += bytes + (directory[bytes] != 0))
  {
    bytes = strcspn (directory, ":");
    if (bytes > 0 && is_at (directory, bytes, name, path))
      return true;
  }
  for (size_t i = 0; i < NR_ROOTS; i++)
    if (is_at (roots[i], strlen (roots[i]), name, path))
      return true;
  return false;
}

bool
program_exists (const char *name)
{
  char path[PATH_BYTES];

  return find (name, path);
}

/* Returns an errno. */
static int
start (const char *path, const char *const *argv, pid_t *pid)
{
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none;
  int r;

  sigemptyset (&none);
  posix_spawn_file_actions_init (&actions);
  posix_spawnattr_init (&attributes);
  posix_spawnattr_setflags (&attributes, POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setsigmask (&attributes, &none);
  posix_spawn_file_actions_addopen (&actions, STDIN_FILENO, "/dev/null",
                                    O_RDONLY, 0);
  posix_spawn_file_actions_addopen (&actions, STDOUT_FILENO, "/dev/null",
                                    O_WRONLY, 0);
  r = posix_spawn (pid, path, &actions, &attributes, (char *const *) argv,
                   environ);
  posix_spawnattr_destroy (&attributes);
  posix_spawn_file_actions_destroy (&actions);
  return r;
}

/* The status, or -1 and errno. */
static int
run (const char *const *argv)
{
  char path[PATH_BYTES];
  int status;
  pid_t pid;

  errno = find (argv[0], path) ? start (path, argv, &pid) : ENOENT;
  if (errno != 0)
    return -1;
  while (waitpid (pid, &status, 0) == -1)
    if (errno != EINTR)
      return -1;
  return status;
}

int
program_try (const char *const *argv)
{
  return run (argv) == 0 ? 0 : -1;
}

int
program_run (const char *const *argv)
{
  const int status = run (argv);

  if (status == 0)
    return 0;
  if (status == -1)
    warn ("%s", argv[0]);
  else if (WIFSIGNALED (status))
    warnx ("%s was killed by signal %d", argv[0], WTERMSIG (status));
  else
    warnx ("%s failed with status %d", argv[0], WEXITSTATUS (status));
  return -1;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The file with the keeper's number; see pidfile.h. */
#include <config.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../plugin/control/file.h"
#include "arguments.h"
#include "names.h"
#include "pidfile.h"

static const char *const state_words[] = {
  [KEEPER_STARTING] = "starting",
  [KEEPER_SERVING] = "serving",
  [KEEPER_REFUSED] = "refused",
  [KEEPER_HOLDING] = "holding",
};

#define NR_STATES (sizeof state_words / sizeof *state_words)

/* A record of one length is seen whole. */
#define STATE_CHARS 32

/* Whoever else may put a file there could have us signal any process. */
static bool
is_trustworthy (int fd)
{
  struct stat file;

  return fstat (fd, &file) == 0 && S_ISREG (file.st_mode) &&
    (file.st_uid == 0 || file.st_uid == geteuid ());
}

static int
open_file (const char *path)
{
  const int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
                       O_NONBLOCK | O_NOCTTY, 0644);

  if (fd == -1)
    warn ("pidfile: %s", path);
  else if (!is_trustworthy (fd)) {
    warnx ("pidfile: %s: is there, and somebody else's", path);
    close (fd);
    return -1;
  }
  return fd;
}

static pid_t
read_pid (int fd)
{
  char text[16];
  const ssize_t r = pread (fd, text, sizeof text - 1, 0);

  text[r > 0 ? r : 0] = '\0';
  return atoi (text);
}

/* Was it removed, or another put in its place, before we had the lock? */
static bool
is_there (int fd, const char *path)
{
  struct stat ours, there;

  return fstat (fd, &ours) == 0 && stat (path, &there) == 0 &&
    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* -1: a message was given. */
static int
lock (const char *path)
{
  for (;;) {
    const int fd = open_file (path);

    if (fd == -1)
      return -1;
    if (flock (fd, LOCK_EX | LOCK_NB) == -1) {
      warnx ("%s: another keeper is here, process %d", path,
             (int) read_pid (fd));
      close (fd);
      return -1;
    }
    if (is_there (fd, path))
      return fd;
    close (fd);
  }
}

char *
pidfile_state_path (const char *path)
{
  char *state_path;

  if (asprintf (&state_path, "%s.state", path) == -1)
    err (STATUS_FAILED, "out of memory");
  return state_path;
}

int
pidfile_open (struct pidfile *pidfile, const char *path,
              struct handed *handed)
{
  enum keeper_state state;

  pidfile->path = file_absolute (path);
  if (!pidfile->path)
    err (STATUS_FAILED, "out of memory");
  pidfile->state_path = pidfile_state_path (pidfile->path);
  pidfile->fd = handed_take (handed, NAME_PIDFILE);
  pidfile->state_fd = handed_take (handed, NAME_STATE);
  if (pidfile->fd == -1)
    pidfile->fd = lock (pidfile->path);
  if (pidfile->fd == -1)
    return -1;
  if (pidfile->state_fd != -1)
    return pidfile_get_state (pidfile->state_fd, &pidfile->nr_restarts,
                              &state) ? 0 : -1;
  pidfile->nr_restarts = 0;
  pidfile->state_fd = open_file (pidfile->state_path);
  return pidfile->state_fd == -1 ? -1 : 0;
}

int
pidfile_write (const struct pidfile *pidfile)
{
  char text[16];
  const int chars = snprintf (text, sizeof text, "%d\n", (int) getpid ());

  if (ftruncate (pidfile->fd, 0) == 0 &&
      pwrite (pidfile->fd, text, chars, 0) == chars)
    return 0;
  warn ("pidfile: %s", pidfile->path);
  return -1;
}

void
pidfile_remove (struct pidfile *pidfile)
{
  unlink (pidfile->state_path);
  unlink (pidfile->path);
}

/* The state. */

void
pidfile_set_state (const struct pidfile *pidfile, enum keeper_state state)
{
  char text[STATE_CHARS + 1];

  snprintf (text, sizeof text, "%-20s %10u\n", state_words[state],
            pidfile->nr_restarts);
  (void) !pwrite (pidfile->state_fd, text, STATE_CHARS, 0);
}

/* What is in /run may be swapped out, too.  Once locked, the page stays for as
 * long as it is mapped: until the keeper's end. */
void
pidfile_keep_state (const struct pidfile *pidfile)
{
  void *page = mmap (NULL, STATE_CHARS, PROT_READ, MAP_SHARED,
                     pidfile->state_fd, 0);

  if (page != MAP_FAILED)
    mlock (page, STATE_CHARS);
}

bool
pidfile_get_state (int state_fd, unsigned *nr_restarts,
                   enum keeper_state *state)
{
  char text[STATE_CHARS + 1], word[STATE_CHARS + 1];
  const ssize_t r = pread (state_fd, text, STATE_CHARS, 0);

  text[r > 0 ? r : 0] = '\0';
  if (sscanf (text, "%s %u", word, nr_restarts) != 2)
    return false;
  for (*state = 0; *state < NR_STATES; ++*state)
    if (strcmp (word, state_words[*state]) == 0)
      return true;
  return false;
}

/* Nobody can have the lock and be dead. */
pid_t
pidfile_find_keeper (const char *path)
{
  const int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  pid_t pid = 0;

  if (fd == -1)
    return 0;
  if (is_trustworthy (fd) &&
      flock (fd, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK)
    pid = read_pid (fd);
  close (fd);
  return pid;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Who keeps a device connected; see lease.h. */
#include <config.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lease.h"

#define DIRECTORY "/run/nbdzram"
#define PATH_BYTES (sizeof DIRECTORY + BLOCKDEV_NAME_BYTES + 8)

#define LOOK_AGAIN_MS 20

static void
path_of (const struct blockdev *dev, char path[PATH_BYTES])
{
  snprintf (path, PATH_BYTES, DIRECTORY "/%s.pid", dev->name);
}

/* Is it still the file with that name, now that it is locked? */
static bool
is_current (int fd, const char *path)
{
  struct stat mine, there;

  return fstat (fd, &mine) == 0 && stat (path, &there) == 0 &&
    mine.st_ino == there.st_ino && mine.st_dev == there.st_dev;
}

static pid_t
read_pid (int fd)
{
  char text[16] = "";

  return pread (fd, text, sizeof text - 1, 0) > 0 ? atoi (text) : 0;
}

static int
write_pid (int fd)
{
  if (ftruncate (fd, 0) == -1)
    return -1;
  return dprintf (fd, "%d\n", (int) getpid ()) < 0 ? -1 : 0;
}

/* Whoever asks does not take it, not even for a moment. */
static int
lock (int fd, int command, struct flock *whole)
{
  memset (whole, 0, sizeof *whole);
  whole->l_type = F_WRLCK;
  return fcntl (fd, command, whole);
}

static int
lock_file (const struct blockdev *dev, const char *path)
{
  struct flock whole;
  int fd;

  for (;;) {
    fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd == -1) {
      warn ("%s", path);
      return -1;
    }
    if (lock (fd, F_OFD_SETLK, &whole) == -1)
      break;
    if (is_current (fd, path))
      return fd;
    close (fd);
  }
  if (errno == EAGAIN || errno == EACCES)
    warnx ("%s is attached, process %d keeps it", dev->path,
           (int) read_pid (fd));
  else
    warn ("%s", path);
  close (fd);
  return -1;
}

int
lease_take (const struct blockdev *dev)
{
  char path[PATH_BYTES];
  int fd;

  path_of (dev, path);
  if (mkdir (DIRECTORY, 0755) == -1 && errno != EEXIST) {
    warn (DIRECTORY);
    return -1;
  }
  fd = lock_file (dev, path);
  if (fd == -1 || write_pid (fd) == 0)
    return fd;
  warn ("%s", path);
  lease_give_back (dev, fd);
  return -1;
}

void
lease_give_back (const struct blockdev *dev, int fd)
{
  char path[PATH_BYTES];

  path_of (dev, path);
  unlink (path);
  close (fd);
}

pid_t
lease_holder (const struct blockdev *dev)
{
  char path[PATH_BYTES];
  struct flock whole;
  pid_t pid = 0;
  int fd;

  path_of (dev, path);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd == -1)
    return 0;
  if (lock (fd, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK)
    pid = read_pid (fd);
  close (fd);
  return pid;
}

int
lease_await_end (const struct blockdev *dev, unsigned timeout_s)
{
  const struct timespec pause = { .tv_nsec = LOOK_AGAIN_MS * 1000000 };

  for (unsigned i = 0; i < timeout_s * 1000 / LOOK_AGAIN_MS; i++) {
    if (lease_holder (dev) == 0)
      return 0;
    nanosleep (&pause, NULL);
  }
  return -1;
}

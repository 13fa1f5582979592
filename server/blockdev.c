/* SPDX-License-Identifier: BSD-3-Clause */
/* A block device /dev/nbdN; see blockdev.h. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blockdev.h"

/* The kernel's minor numbers have 20 bits, 5 of them for partitions. */
#define INDEX_DIGITS_MAX 5

#define PATH_BYTES 320

bool
blockdev_parse (struct blockdev *dev, const char *word)
{
  const char *digits;

  if (strncmp (word, "/dev/", 5) == 0)
    word += 5;
  if (strncmp (word, "nbd", 3) != 0)
    return false;
  digits = word + 3;
  if (!*digits || strlen (digits) > INDEX_DIGITS_MAX ||
      strspn (digits, "0123456789") != strlen (digits) ||
      (digits[0] == '0' && digits[1]))
    return false;
  dev->index = strtoul (digits, NULL, 10);
  snprintf (dev->name, sizeof dev->name, "nbd%u", dev->index);
  snprintf (dev->path, sizeof dev->path, "/dev/%s", dev->name);
  return true;
}

/* sysfs. */

static int
open_attribute (const struct blockdev *dev, const char *attribute, int flags)
{
  char path[PATH_BYTES];

  snprintf (path, sizeof path, "/sys/block/%s/%s", dev->name, attribute);
  return open (path, flags | O_CLOEXEC);
}

bool
blockdev_is_attached (const struct blockdev *dev)
{
  char text[16];

  return blockdev_get (dev, "pid", text, sizeof text) == 0;
}

bool
blockdev_is_read_only (const struct blockdev *dev)
{
  char text[16];

  return blockdev_get (dev, "ro", text, sizeof text) == 0 && text[0] == '1';
}

int
blockdev_get (const struct blockdev *dev, const char *attribute, char *text,
              size_t bytes)
{
  const int fd = open_attribute (dev, attribute, O_RDONLY);
  ssize_t got;
  int errno_kept;

  if (fd == -1)
    return -1;
  got = read (fd, text, bytes - 1);
  errno_kept = errno;
  close (fd);
  errno = errno_kept;
  if (got == -1)
    return -1;
  if (got > 0 && text[got - 1] == '\n')
    got--;
  text[got] = '\0';
  return 0;
}

int
blockdev_set (const struct blockdev *dev, const char *attribute,
              const char *text)
{
  const int fd = open_attribute (dev, attribute, O_WRONLY);
  ssize_t put;
  int errno_kept;

  if (fd == -1)
    return -1;
  put = write (fd, text, strlen (text));
  errno_kept = errno;
  close (fd);
  errno = errno_kept;
  return put == -1 ? -1 : 0;
}

/* Users. */

/* Read only: closing a writable one makes udev look at it. */
int
blockdev_claim (const struct blockdev *dev)
{
  return open (dev->path, O_RDONLY | O_EXCL | O_CLOEXEC);
}

/* One file descriptor of a process; fd is the directory with them. */
static bool
leads_to (int fd, const char *link, const char *path)
{
  char target[BLOCKDEV_NAME_BYTES + 6];
  const ssize_t bytes = readlinkat (fd, link, target, sizeof target - 1);

  if (bytes == -1)
    return false;
  target[bytes] = '\0';
  return strcmp (target, path) == 0;
}

static bool
process_has_open (const char *pid, const char *path)
{
  char directory[PATH_BYTES];
  struct dirent *entry;
  bool found = false;
  DIR *dir;

  snprintf (directory, sizeof directory, "/proc/%s/fd", pid);
  dir = opendir (directory);
  if (!dir)
    return false;
  while (!found && (entry = readdir (dir)))
    found = leads_to (dirfd (dir), entry->d_name, path);
  closedir (dir);
  return found;
}

static void
name_process (const char *pid, char name[BLOCKDEV_USER_BYTES])
{
  char path[PATH_BYTES];
  FILE *stream;

  snprintf (path, sizeof path, "/proc/%s/comm", pid);
  stream = fopen (path, "re");
  if (!stream || !fgets (name, BLOCKDEV_USER_BYTES, stream))
    strcpy (name, "?");
  name[strcspn (name, "\n")] = '\0';
  if (stream)
    fclose (stream);
}

int
blockdev_find_user (const struct blockdev *dev, char name[BLOCKDEV_USER_BYTES])
{
  DIR *dir = opendir ("/proc");
  struct dirent *entry;
  int pid = 0;

  while (dir && pid == 0 && (entry = readdir (dir)))
    if (atoi (entry->d_name) > 0 &&
        process_has_open (entry->d_name, dev->path)) {
      pid = atoi (entry->d_name);
      name_process (entry->d_name, name);
    }
  if (dir)
    closedir (dir);
  return pid;
}

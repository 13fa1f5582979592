/* SPDX-License-Identifier: BSD-3-Clause */
/* What has to be in memory to start a server; see resident.h. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resident.h"

/* Of /proc/PID/maps. */
#define LINE_CHARS 4352

/* Line by line, with a buffer of our own. */
struct lines {
  int fd;
  size_t used;                  /* of the buffer */
  char buffer[LINE_CHARS];
};

static struct lines lines;

/* The next line without its newline, to be given back by drop_line.  NULL: no
 * more. */
static char *
next_line (void)
{
  char *newline;
  ssize_t r;

  while (!(newline = memchr (lines.buffer, '\n', lines.used))) {
    r = read (lines.fd, lines.buffer + lines.used,
              sizeof lines.buffer - lines.used);
    if (r <= 0)
      return NULL;
    lines.used += r;
  }
  *newline = '\0';
  return lines.buffer;
}

static void
drop_line (const char *line)
{
  const size_t bytes = strlen (line) + 1;

  lines.used -= bytes;
  memmove (lines.buffer, lines.buffer + bytes, lines.used);
}

static bool
open_maps (const char *path)
{
  lines.used = 0;
  lines.fd = open (path, O_RDONLY | O_CLOEXEC);
  return lines.fd != -1;
}

/* Stays mapped and locked for as long as we are here. */
static bool
keep_file (const char *path)
{
  const int fd = open (path, O_RDONLY | O_CLOEXEC);
  struct stat file;
  void *mapped = MAP_FAILED;

  if (fd == -1)
    return false;
  if (fstat (fd, &file) == 0 && S_ISREG (file.st_mode) && file.st_size > 0)
    mapped = mmap (NULL, file.st_size, PROT_READ, MAP_SHARED, fd, 0);
  close (fd);
  return mapped != MAP_FAILED && mlock (mapped, file.st_size) == 0;
}

/* Files that are executed from: each has just one such mapping, as a rule. */
static bool
is_program (const char *line, const char **path)
{
  *path = strchr (line, '/');
  return *path && strstr (line, " r-xp ") && !strstr (line, " (deleted)");
}

static bool
keep_files_of (pid_t server)
{
  char path[32], *line;
  const char *file;
  bool good;

  snprintf (path, sizeof path, "/proc/%d/maps", (int) server);
  good = open_maps (path);
  if (!good)
    return false;
  while ((line = next_line ())) {
    if (is_program (line, &file) && !keep_file (file))
      good = false;
    drop_line (line);
  }
  close (lines.fd);
  return good;
}

/* Data and stack wholly; programs and libraries wholly if they are ours or the
 * C library's, which the keeper may be anywhere in, or those an agent connects
 * with.  Of the others, which only reading the ini file needs, what is there. */
static bool
needs_all (const char *line)
{
  return strstr (line, " rw-p ") || strstr (line, "/nbdzram") ||
    strstr (line, "/libc.") || strstr (line, "/ld-linux") ||
    strstr (line, "/libnbd.") || strstr (line, "/libnl-");
}

bool
resident_keep_self (void)
{
  bool good = mlockall (MCL_CURRENT | MCL_ONFAULT) == 0;
  unsigned long start, end;
  char *line;

  if (!open_maps ("/proc/self/maps"))
    return false;
  while ((line = next_line ())) {
    if (needs_all (line) && sscanf (line, "%lx-%lx", &start, &end) == 2 &&
        mlock ((void *) start, end - start) == -1)
      good = false;
    drop_line (line);
  }
  close (lines.fd);
  return good;
}

void
resident_keep (pid_t server)
{
  static const char missed[] = "nbdzram: the keeper is not wholly locked in "
    "memory (CAP_IPC_LOCK, or a higher RLIMIT_MEMLOCK)\n";
  bool good = resident_keep_self ();

  good &= keep_files_of (server);
  if (!good)
    (void) !write (STDERR_FILENO, missed, sizeof missed - 1);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What has to be in memory to start a server; see resident.h. */
#include <config.h>

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "resident.h"

/* Linux 5.6 */
#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

/* Of /proc/PID/maps. */
#define LINE_CHARS 4352

/* Line by line, with a buffer of our own. */
struct lines {
  int fd;
  size_t used;                  /* of the buffer */
  char buffer[LINE_CHARS];
};

static struct lines lines;
static unsigned long page_bytes;

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

static void
open_lines (int fd)
{
  lines.used = 0;
  lines.fd = fd;
}

static void
close_lines (void)
{
  if (lines.fd != -1)
    close (lines.fd);
}

/* A part of a file that the server has mapped for itself alone. */
struct part {
  unsigned long start, end;
  unsigned long offset;
  const char *path;             /* in the line */
};

static bool
parse_part (const char *line, struct part *part)
{
  char flags[8];

  if (sscanf (line, "%lx-%lx %7s %lx", &part->start, &part->end, flags,
              &part->offset) != 4)
    return false;
  part->path = strchr (line, '/');
  return flags[3] == 'p' && part->path && !strstr (line, " (deleted)");
}

/* Pages of the server at once, 8 bytes for each; the highest bit: it is
 * there. */
#define PAGES_AT_ONCE 512

/* Which of them the server needed, by its own page table. */
static bool
read_pages (int pagemap, unsigned long start, size_t nr,
            uint64_t pages[PAGES_AT_ONCE])
{
  const ssize_t bytes = nr * sizeof *pages;

  return pread (pagemap, pages, bytes, start / page_bytes * sizeof *pages) ==
    bytes;
}

static bool
lock_needed (char *mapped, const uint64_t *pages, size_t nr)
{
  bool good = true;

  for (size_t i = 0; i < nr; i++)
    if (pages[i] >> 63)
      good &= mlock (mapped + i * page_bytes, page_bytes) == 0;
  return good;
}

static bool
lock_part (const struct part *part, char *mapped, int pagemap)
{
  static uint64_t pages[PAGES_AT_ONCE];
  const size_t nr_all = (part->end - part->start) / page_bytes;
  bool good = true;

  for (size_t done = 0, nr; good && done < nr_all; done += nr) {
    nr = nr_all - done < PAGES_AT_ONCE ? nr_all - done : PAGES_AT_ONCE;
    good = read_pages (pagemap, part->start + done * page_bytes, nr, pages) &&
      lock_needed (mapped + done * page_bytes, pages, nr);
  }
  return good;
}

/* Stays mapped and locked for as long as we are here. */
static bool
keep_part (const struct part *part, int pagemap)
{
  const int fd = open (part->path, O_RDONLY | O_CLOEXEC);
  char *mapped;

  if (fd == -1)
    return false;
  mapped = mmap (NULL, part->end - part->start, PROT_READ, MAP_SHARED, fd,
                 part->offset);
  close (fd);
  return mapped != MAP_FAILED && lock_part (part, mapped, pagemap);
}

static int
open_of (pid_t server, const char *name)
{
  char path[32];

  snprintf (path, sizeof path, "/proc/%d/%s", (int) server, name);
  return open (path, O_RDONLY | O_CLOEXEC);
}

static bool
keep_files_of (pid_t server)
{
  const int pagemap = open_of (server, "pagemap");
  struct part part;
  char *line;
  bool good = pagemap != -1;

  open_lines (open_of (server, "maps"));
  while ((line = next_line ())) {
    if (parse_part (line, &part))
      good &= keep_part (&part, pagemap);
    drop_line (line);
  }
  close_lines ();
  close (pagemap);
  return good;
}

/* Data and stack wholly; programs and libraries wholly if they are ours or the
 * C library's, which the keeper may be anywhere in, or those an agent connects
 * with. */
static bool
needs_all (const char *line, bool connects)
{
  return strstr (line, " rw-p ") || strstr (line, "/nbdzram") ||
    strstr (line, "/libc.") || strstr (line, "/ld-linux") ||
    (connects && (strstr (line, "/libnbd.") || strstr (line, "/libnl-")));
}

/* Of the other libraries an agent needs what was used already.  A keeper needs
 * none, not even to look up a function (Makefile.am): the other subcommands do,
 * and reading the ini file did. */
static bool
keep_mapping (const char *line, bool connects)
{
  unsigned long start, end;

  if (sscanf (line, "%lx-%lx", &start, &end) != 2)
    return false;
  if (needs_all (line, connects))
    return mlock ((void *) start, end - start) == 0;
  if (!connects && strchr (line, '/'))
    munlock ((void *) start, end - start);
  return true;
}

bool
resident_keep_self (bool connects)
{
  bool good = mlockall (MCL_CURRENT | MCL_ONFAULT) == 0;
  char *line;

  open_lines (open_of (getpid (), "maps"));
  while ((line = next_line ())) {
    good &= keep_mapping (line, connects);
    drop_line (line);
  }
  close_lines ();
  return good;
}

/* These are inherited. */

bool
resident_leave_killer (void)
{
  static const char least[] = "-1000";
  const int fd = open ("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  bool good;

  if (fd == -1)
    return false;
  good = write (fd, least, sizeof least - 1) == sizeof least - 1;
  close (fd);
  return good;
}

static bool
become_realtime (pid_t pid)
{
  const struct sched_param param = { .sched_priority = 1 };

  return sched_setscheduler (pid, SCHED_FIFO, &param) == 0;
}

void
resident_hurry (pid_t server)
{
  become_realtime (server);
}

void
resident_expose (void)
{
  const struct sched_param param = { .sched_priority = 0 };

  sched_setscheduler (0, SCHED_OTHER, &param);
  prctl (PR_SET_IO_FLUSHER, 0, 0, 0, 0);
}

static void
say_missing (const char *what, const char *needed)
{
  char text[160];
  const int chars = snprintf (text, sizeof text, "nbdzram: lock_memory: the "
                              "keeper %s: needs %s\n", what, needed);

  (void) !write (STDERR_FILENO, text, chars);
}

void
resident_protect (void)
{
  if (!resident_leave_killer ())
    say_missing ("may be killed when memory is short", "CAP_SYS_RESOURCE");
  if (prctl (PR_SET_IO_FLUSHER, 1, 0, 0, 0) == -1)
    say_missing ("may wait for its own disk", "CAP_SYS_RESOURCE");
  if (!become_realtime (0))
    say_missing ("has no real-time priority", "CAP_SYS_NICE");
}

/* To see what a server of another user uses takes a capability, too. */
void
resident_keep (pid_t server)
{
  page_bytes = sysconf (_SC_PAGESIZE);
  if (!resident_keep_self (false))
    say_missing ("is not wholly locked", "CAP_IPC_LOCK");
  if (!keep_files_of (server))
    say_missing ("does not hold all that a server starts from",
                 "CAP_IPC_LOCK, and CAP_SYS_PTRACE beside user=");
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Swap on an attached device; see swap.h. */
#include <config.h>

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"
#include "swap.h"

/* Below that, memory of programs is kept at the cost of files that are in use:
 * right for disks, which are slower than this. */
#define SWAPPINESS_LEAST 100

/* The server keeps a buffer for each of its threads, as long as the longest
 * request that came, in locked memory.  Swap comes in much shorter ones. */
#define REQUEST_KIB "128"

/* A kernel that delays writes, so that reads of a disk need not wait, delays
 * those that set memory free: there is nothing to wait for. */
static void
tune_queue (const struct blockdev *dev)
{
  if (blockdev_set (dev, "queue/max_sectors_kb", REQUEST_KIB) == -1)
    warn ("%s: requests stay as long as they are: max_sectors_kb", dev->path);
  /* Not every kernel can do that. */
  blockdev_set (dev, "queue/wbt_lat_usec", "0");
}

/* The kernel frees what swap holds no more only if it is told to. */
int
swap_begin (const struct blockdev *dev, int priority)
{
  const char *const mkswap[] = { "mkswap", dev->path, NULL };
  const int flags = SWAP_FLAG_DISCARD | SWAP_FLAG_PREFER |
    ((priority << SWAP_FLAG_PRIO_SHIFT) & SWAP_FLAG_PRIO_MASK);

  if (program_run (mkswap) == -1)
    return -1;
  tune_queue (dev);
  if (swapon (dev->path, flags) == 0)
    return 0;
  warn ("swapon %s", dev->path);
  return -1;
}

/* What is on. */

struct area {
  char path[256];
  uint64_t size_kib;
  uint64_t used_kib;
};

static bool
read_area (FILE *stream, struct area *area)
{
  char line[512];

  while (fgets (line, sizeof line, stream))
    if (sscanf (line, "%255s %*s %" SCNu64 " %" SCNu64, area->path,
                &area->size_kib, &area->used_kib) == 3)
      return true;
  return false;
}

/* Of the device, and what is free in others. */
static bool
find_area (const struct blockdev *dev, struct area *found,
           uint64_t *free_elsewhere_kib)
{
  FILE *stream = fopen ("/proc/swaps", "re");
  struct area area;
  bool is_on = false;

  *free_elsewhere_kib = 0;
  while (stream && read_area (stream, &area))
    if (strcmp (area.path, dev->path) == 0) {
      *found = area;
      is_on = true;
    }
    else
      *free_elsewhere_kib += area.size_kib - area.used_kib;
  if (stream)
    fclose (stream);
  return is_on;
}

bool
swap_is_on (const struct blockdev *dev)
{
  uint64_t free_kib;
  struct area area;

  return find_area (dev, &area, &free_kib);
}

/* The end. */

static uint64_t
available_memory_kib (void)
{
  FILE *stream = fopen ("/proc/meminfo", "re");
  uint64_t kib = UINT64_MAX;
  char line[128];

  while (stream && fgets (line, sizeof line, stream))
    if (sscanf (line, "MemAvailable: %" SCNu64, &kib) == 1)
      break;
  if (stream)
    fclose (stream);
  return kib;
}

static int
check_room (const struct blockdev *dev)
{
  uint64_t free_kib, memory_kib = available_memory_kib ();
  struct area area;

  if (!find_area (dev, &area, &free_kib) || area.used_kib <= free_kib ||
      area.used_kib - free_kib <= memory_kib)
    return 0;
  warnx ("%s holds %" PRIu64 " MiB of swap, and there is room for %" PRIu64
         " MiB: it stays", dev->path, area.used_kib >> 10,
         (memory_kib + free_kib) >> 10);
  return -1;
}

/* The kernel kills whoever does this first when memory runs out: a child, so
 * that somebody is left to say so.  Swap stays on then. */
static int
swap_off_in_child (const struct blockdev *dev)
{
  int status;
  pid_t pid = fork ();

  if (pid == -1)
    return errno;
  if (pid == 0) {
    signal (SIGINT, SIG_DFL);
    _exit (swapoff (dev->path) == 0 ? 0 : errno);
  }
  while (waitpid (pid, &status, 0) == -1)
    if (errno != EINTR)
      return errno;
  return WIFEXITED (status) ? WEXITSTATUS (status) : ENOMEM;
}

int
swap_end (const struct blockdev *dev)
{
  if (check_room (dev) == -1)
    return -1;
  errno = swap_off_in_child (dev);
  if (errno == 0)
    return 0;
  if (errno == ENOMEM)
    warnx ("%s: memory does not suffice to take back what is swapped out: it "
           "stays", dev->path);
  else
    warn ("swapoff %s", dev->path);
  return -1;
}

/* Hints. */

static bool
read_setting (const char *name, long *value)
{
  char path[64], text[32] = "", *end;
  FILE *stream;

  snprintf (path, sizeof path, "/proc/sys/vm/%s", name);
  stream = fopen (path, "re");
  if (stream) {
    if (!fgets (text, sizeof text, stream))
      text[0] = '\0';
    fclose (stream);
  }
  *value = strtol (text, &end, 10);
  return end != text;
}

void
swap_print_hints (void)
{
  long value;

  if (read_setting ("page-cluster", &value) && value == 0)
    warnx ("hint: vm.page-cluster is 0; each page is then asked for alone, and "
           "3 is several times faster over NBD");
  if (read_setting ("swappiness", &value) && value < SWAPPINESS_LEAST)
    warnx ("hint: vm.swappiness is %ld; %d to 180 suits compressed swap, which "
           "is faster than reading files again", value, SWAPPINESS_LEAST);
}

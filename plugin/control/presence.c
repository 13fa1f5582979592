/* SPDX-License-Identifier: BSD-3-Clause */
/* What is in memory before the first request; see presence.h. */
#include <config.h>

#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../store/pages.h"
#include "../store/report.h"
#include "presence.h"

/* nbdkit keeps a buffer for each thread, as long as the longest request that it
 * served.  The kernel's swap sends up to 128 KiB (server/swap.c): that is 16
 * threads, and what else is allocated. */
#define HEAP_BYTES ((size_t) 5 << 19)

/* The heap grows by this much, if it has to. */
#define HEAP_STEP_BYTES (512 << 10)

/* Longer than a request of the kernel, or what a pass over a device takes.  A
 * client that asks for more at once gets memory of its own for it, which goes
 * back to the system when it leaves. */
#define MMAP_THRESHOLD_BYTES (4 << 20)

/* Libraries that are larger are for cryptography, but for the C library: with
 * TLS there is no promise, and 11 MiB would be in memory for nothing. */
#define FILE_BYTES_MAX ((size_t) 1 << 20)

/* Static data.  Reservations and nbdkit's 192 MiB of buffers are larger. */
#define ANONYMOUS_BYTES_MAX ((size_t) 1 << 20)

/* Those buffers; reservations are larger. */
#define STATIC_BYTES_MAX ((size_t) 256 << 20)

/* The compiler must not see that nothing is done with it. */
static void *volatile grown;

void
presence_prepare_heap (void)
{
  mallopt (M_ARENA_MAX, 1);
  mallopt (M_TRIM_THRESHOLD, INT32_MAX);
  mallopt (M_TOP_PAD, HEAP_STEP_BYTES);
  mallopt (M_MMAP_MAX, 0);
  grown = malloc (HEAP_BYTES);
  free (grown);
  mallopt (M_MMAP_MAX, 65536);
  mallopt (M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
}

/* A line of /proc/self/maps. */
struct mapping {
  unsigned long start, end;
  bool readable, writable;
  char path[256];               /* "": anonymous */
};

static bool
read_mapping (FILE *file, struct mapping *mapping)
{
  char line[512], mode[5];
  int path_at = 0;

  if (!fgets (line, sizeof line, file) ||
      sscanf (line, "%lx-%lx %4s %*s %*s %*s %n", &mapping->start,
              &mapping->end, mode, &path_at) < 3)
    return false;
  line[strcspn (line, "\n")] = '\0';
  snprintf (mapping->path, sizeof mapping->path, "%.255s", line + path_at);
  mapping->readable = mode[0] == 'r';
  mapping->writable = mode[1] == 'w';
  return true;
}

static bool
is_heap (const struct mapping *mapping)
{
  return strcmp (mapping->path, "[heap]") == 0;
}

/* The mappings of one file follow each other. */
static bool
is_same_file (const struct mapping *one, const struct mapping *other)
{
  return one->path[0] == '/' && strcmp (one->path, other->path) == 0;
}

#define PAGES_AT_ONCE 512

/* Of what need not be there, what was written to must not be swapped out
 * either, and may be already: bit 62 of an entry of pagemap. */
static void
bring_back (const struct mapping *mapping, int pagemap)
{
  static uint64_t entries[PAGES_AT_ONCE];
  const size_t nr_all = (mapping->end - mapping->start) / PAGE_BYTES;
  ssize_t nr;

  for (size_t done = 0; done < nr_all; done += nr) {
    nr = nr_all - done < PAGES_AT_ONCE ? nr_all - done : PAGES_AT_ONCE;
    nr = pread (pagemap, entries, nr * sizeof *entries,
                (mapping->start / PAGE_BYTES + done) * sizeof *entries);
    nr /= (ssize_t) sizeof *entries;
    if (nr <= 0)
      return;
    for (ssize_t i = 0; i < nr; i++)
      if (entries[i] >> 62 & 1)
        pages_touch ((char *) mapping->start + (done + i) * PAGE_BYTES,
                     PAGE_BYTES, false);
  }
}

/* Data of a file, large or small, and where its code and constants are wanted,
 * these too. */
static void
make_present (const struct mapping *mapping, bool wanted, int pagemap)
{
  const size_t bytes = mapping->end - mapping->start;
  const size_t bytes_max =
    is_heap (mapping) ? SIZE_MAX : ANONYMOUS_BYTES_MAX;

  if (mapping->writable && bytes <= bytes_max)
    pages_touch ((void *) mapping->start, bytes, true);
  else if (mapping->readable && wanted)
    pages_touch ((void *) mapping->start, bytes, false);
  else if (mapping->readable && bytes <= STATIC_BYTES_MAX)
    bring_back (mapping, pagemap);
}

#define FILE_MAPPINGS_MAX 16

/* The mappings of a file, or one that is of none. */
struct group {
  struct mapping mappings[FILE_MAPPINGS_MAX];
  unsigned nr;
};

static bool
is_c_library (const struct group *group)
{
  const unsigned long function = (unsigned long) fopen;

  for (unsigned i = 0; i < group->nr; i++)
    if (group->mappings[i].start <= function &&
        function < group->mappings[i].end)
      return true;
  return false;
}

static void
finish_group (struct group *group, int pagemap)
{
  size_t bytes = 0;
  bool wanted;

  for (unsigned i = 0; i < group->nr; i++)
    bytes += group->mappings[i].end - group->mappings[i].start;
  wanted = group->nr > 0 && group->mappings[0].path[0] == '/' &&
    (bytes <= FILE_BYTES_MAX || is_c_library (group));
  for (unsigned i = 0; i < group->nr; i++)
    make_present (&group->mappings[i], wanted, pagemap);
  group->nr = 0;
}

void
presence_make (void)
{
  FILE *file = fopen ("/proc/self/maps", "re");
  const int pagemap = open ("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  struct group group = { .nr = 0 };
  struct mapping mapping;

  /* A huge page has more than is wanted, and while the kernel makes one of
   * small ones these are gone. */
  prctl (PR_SET_THP_DISABLE, 1, 0, 0, 0);
  /* First, so that nothing goes behind our back; safeguard.c tells if it could
   * not be had. */
  pages_lock_present ();
  if (!file) {
    report_error ("lock_memory: /proc/self/maps: %m");
    return;
  }
  while (read_mapping (file, &mapping)) {
    if (group.nr == FILE_MAPPINGS_MAX ||
        (group.nr > 0 && !is_same_file (&group.mappings[0], &mapping)))
      finish_group (&group, pagemap);
    group.mappings[group.nr++] = mapping;
  }
  finish_group (&group, pagemap);
  fclose (file);
  if (pagemap != -1)
    close (pagemap);
  pages_touch_files ();
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The file behind a backing: opened, locked, read and written in pages.
 *
 * Page 0 says whose file it is, so that a path with a slip of the pen in it
 * does not cost somebody a file: a regular file that has content but not our
 * page 0 is refused.  The page cache is passed by where the file system can do
 * so, since it would keep in memory what was moved out of memory.
 *
 * Thread-safe.
 */
#ifndef ZRAM_BACKING_FILE_H
#define ZRAM_BACKING_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "cipher.h"

struct backing_params;

struct backing_file {
  int fd;
  char *path;
  uint64_t nr_pages;
  uint64_t nonce;               /* made anew unless the content is kept */
  struct cipher *cipher;        /* NULL: not encrypted */
};

/* -1: a message was given, errno is set, nothing is open. */
int backing_file_open (struct backing_file *file,
                       const struct backing_params *params);
void backing_file_close (struct backing_file *file);

/* pages is aligned to a page.  -1: EIO or what the system said, also if the
 * file ends too early. */
int backing_file_read (struct backing_file *file, void *pages, size_t nr_pages,
                       uint64_t number);

/* Encrypts in place, so pages are not what they were. */
int backing_file_write (struct backing_file *file, void *pages,
                        size_t nr_pages, uint64_t number);

/* Fault injection for tests: after so many calls go well, one of each kind that
 * is named fails so, and all behind it until this is called again.  NULL: off.
 * Kinds: "read" and "write" (EIO), "full" (a write gets ENOSPC), "short" (a
 * write stops in the middle, then EIO), "flip" (a read gives a wrong bit). */
void zram_debug_fail_backing (const char *kind, long after);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The only door to the system's memory calls (mimalloc's src/prim does the
 * same): reserve address space, commit pages, give them back.
 *
 * A reservation costs nothing until its pages are committed or touched.
 * Transparent huge pages are switched off for it, since one touched page
 * must cost one page, and it stays out of core dumps, since it holds the
 * memory of other programs.
 */
#ifndef ZRAM_PAGES_H
#define ZRAM_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_BYTES ((size_t) 1 << PAGE_SHIFT)

static inline uint64_t
pages_for_bytes (uint64_t bytes)
{
  return (bytes + PAGE_BYTES - 1) >> PAGE_SHIFT;
}

/* 0 if this system's pages are the 4 KiB that the store is built on, else a
 * message and -1 with ENOTSUP. */
int pages_check_system (void);

/* Address space that reads as zeroes, page aligned.  NULL: errno is set and a
 * message is given. */
void *pages_reserve (size_t bytes);
void pages_unreserve (void *start, size_t bytes);

/* The same, but what is written there is in the file, from offset on, and stays
 * there.  Whoever reads where nothing was written reads zeroes.  The file is as
 * long as that, and open at least until pages_unreserve. */
void *pages_map (int fd, uint64_t offset, size_t bytes);

/* From now on nothing that is mapped, or will be, is swapped out.  What is
 * mapped now, and reservations, are locked page by page as they are touched;
 * what else is mapped later (stacks, the heap) is present at once.  -1:
 * errno. */
int pages_lock (void);

/* What is there now alone; what comes later may be swapped out.  -1: errno. */
int pages_lock_present (void);

/* Does the kernel say so? */
bool pages_are_locked (void);

/* Make pages of any mapping present, to read or to write them.  It is a wish:
 * before Linux 5.14 nothing happens. */
void pages_touch (void *start, size_t bytes, bool writes);

/* The same for all that there is of files in reservations: a process begins
 * without, though its parent had them. */
void pages_touch_files (void);

/* Make a reservation longer.  It may move, with all that is in it; NULL: it
 * stays as it is, errno is set and a message is given. */
void *pages_extend (void *start, size_t bytes, size_t new_bytes);

/* Make pages present, so that a shortage is an error here and not a fault
 * later.  start and bytes are page aligned.  Content is kept.  -1: ENOMEM. */
int pages_commit (void *start, size_t bytes);

/* Give pages back to the system, out of the file too; they read as zeroes from
 * now on.  -1: the system kept them (errno says why), content is then
 * undefined.  Else errno is what it was: failed writes give pages back, too. */
int pages_release (void *start, size_t bytes);

/* Fault injection for tests: the next `after` commits succeed, the one behind
 * them fails with ENOMEM, and so do all until this is called again.
 * Negative: off. */
void zram_debug_fail_commit (long after);

/* For tests: this thread aborts when it commits or releases anything, until
 * this is called again. */
void zram_debug_forbid_commits (bool forbidden);

#endif

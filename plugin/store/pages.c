/* SPDX-License-Identifier: BSD-3-Clause */
/* The only door to the system's memory calls; see pages.h. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pages.h"
#include "report.h"

/* Linux 5.14 and 5.18; older headers lack them, older kernels answer EINVAL. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

static _Atomic long commits_before_failure = -1;

__attribute__ ((visibility ("default"))) void
zram_debug_fail_commit (long after)
{
  atomic_store (&commits_before_failure, after);
}

/* Count down to 0 and stay there. */
static bool
commit_fails_by_order (void)
{
  long left = atomic_load_explicit (&commits_before_failure,
                                    memory_order_relaxed);

  while (left > 0)
    if (atomic_compare_exchange_weak (&commits_before_failure, &left, left - 1))
      return false;
  return left == 0;
}

static _Thread_local bool commits_forbidden;

__attribute__ ((visibility ("default"))) void
zram_debug_forbid_commits (bool forbidden)
{
  commits_forbidden = forbidden;
}

static void
check_not_forbidden (void)
{
  if (__builtin_expect (commits_forbidden, false)) {
    report_error ("a thread that may not changes which pages are present");
    abort ();
  }
}

static _Atomic bool locked;     /* pages_lock succeeded */

int
pages_check_system (void)
{
  long bytes = sysconf (_SC_PAGESIZE);

  if (bytes == (long) PAGE_BYTES)
    return 0;
  report_error ("this system's memory pages have %ld bytes, "
                "only %zu are supported", bytes, PAGE_BYTES);
  errno = ENOTSUP;
  return -1;
}

static void
report_no_space (size_t bytes)
{
  report_error ("cannot reserve %zu bytes of address space: %m "
                "(vm.overcommit_memory=2 and ulimit -v forbid large "
                "reservations)", bytes);
}

/* Once all that is mapped is locked, what is mapped readable is populated at
 * once, and so is what becomes writable later, unless it was told to wait for
 * the first touch in between. */
static void *
map_locked (size_t bytes)
{
  void *start = mmap (NULL, bytes, PROT_NONE,
                      MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);

  if (start == MAP_FAILED)
    return start;
  if (mlock2 (start, bytes, MLOCK_ONFAULT) == 0 &&
      mprotect (start, bytes, PROT_READ|PROT_WRITE) == 0)
    return start;
  munmap (start, bytes);
  return MAP_FAILED;
}

static void *
map (size_t bytes)
{
  if (atomic_load (&locked))
    return map_locked (bytes);
  return mmap (NULL, bytes, PROT_READ|PROT_WRITE,
               MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);
}

void *
pages_reserve (size_t bytes)
{
  void *start = map (bytes);

  if (start == MAP_FAILED) {
    report_no_space (bytes);
    return NULL;
  }
  /* Advice: a kernel built without these features answers EINVAL. */
  madvise (start, bytes, MADV_NOHUGEPAGE);
  madvise (start, bytes, MADV_DONTDUMP);
  return start;
}

/* Reservations that are a part of a file.  Pages go back through the file,
 * since madvise refuses to do it where memory is locked. */
struct mapped {
  struct mapped *next;
  char *start;
  size_t bytes;
  int fd;
  uint64_t offset;
};

static struct mapped *mapped;
static pthread_rwlock_t mapped_lock = PTHREAD_RWLOCK_INITIALIZER;

static int
note_mapped (void *start, size_t bytes, int fd, uint64_t offset)
{
  struct mapped *note = malloc (sizeof *note);

  if (!note)
    return -1;
  pthread_rwlock_wrlock (&mapped_lock);
  *note = (struct mapped) {
    .next = mapped, .start = start, .bytes = bytes, .fd = fd, .offset = offset,
  };
  mapped = note;
  pthread_rwlock_unlock (&mapped_lock);
  return 0;
}

/* The link to the note of a reservation, or to NULL. */
static struct mapped **
find_mapped (const char *address)
{
  struct mapped **link = &mapped;

  while (*link && (address < (*link)->start ||
                   address >= (*link)->start + (*link)->bytes))
    link = &(*link)->next;
  return link;
}

static void
move_mapped (const void *start, void *new_start, size_t new_bytes)
{
  struct mapped *note;

  pthread_rwlock_wrlock (&mapped_lock);
  note = *find_mapped (start);
  if (note) {
    note->start = new_start;
    note->bytes = new_bytes;
  }
  pthread_rwlock_unlock (&mapped_lock);
}

static void
forget_mapped (const void *start)
{
  struct mapped **link, *note;

  pthread_rwlock_wrlock (&mapped_lock);
  link = find_mapped (start);
  note = *link;
  if (note)
    *link = note->next;
  pthread_rwlock_unlock (&mapped_lock);
  free (note);
}

void *
pages_map (int fd, uint64_t offset, size_t bytes)
{
  void *start = mmap (NULL, bytes, PROT_READ|PROT_WRITE,
                      MAP_SHARED|MAP_NORESERVE, fd, offset);

  if (start == MAP_FAILED) {
    report_no_space (bytes);
    return NULL;
  }
  madvise (start, bytes, MADV_NOHUGEPAGE);
  madvise (start, bytes, MADV_DONTDUMP);
  if (note_mapped (start, bytes, fd, offset) == 0)
    return start;
  report_error ("%m");
  munmap (start, bytes);
  return NULL;
}

/* Pages that hold something; holes stay holes. */
static void
touch_mapped (const struct mapped *note)
{
  const off_t end = note->offset + note->bytes;
  off_t from = note->offset, to = from;

  while (to < end && (from = lseek (note->fd, to, SEEK_DATA)) != -1 &&
         from < end && (to = lseek (note->fd, from, SEEK_HOLE)) != -1)
    pages_touch (note->start + (from - (off_t) note->offset),
                 (to < end ? to : end) - from, false);
}

void
pages_touch_files (void)
{
  pthread_rwlock_rdlock (&mapped_lock);
  for (const struct mapped *note = mapped; note; note = note->next)
    touch_mapped (note);
  pthread_rwlock_unlock (&mapped_lock);
}

void *
pages_extend (void *start, size_t bytes, size_t new_bytes)
{
  void *extended = mremap (start, bytes, new_bytes, MREMAP_MAYMOVE);

  if (extended != MAP_FAILED) {
    move_mapped (start, extended, new_bytes);
    return extended;
  }
  report_no_space (new_bytes);
  return NULL;
}

void
pages_unreserve (void *start, size_t bytes)
{
  if (!start)
    return;
  forget_mapped (start);
  munmap (start, bytes);
}

int
pages_lock_present (void)
{
  return mlockall (MCL_CURRENT|MCL_ONFAULT);
}

/* In this order: with both at once all that is mapped now would be populated,
 * and a second call that says nothing of the present leaves it as it is. */
int
pages_lock (void)
{
  if (pages_lock_present () == -1 || mlockall (MCL_FUTURE) == -1)
    return -1;
  atomic_store (&locked, true);
  return 0;
}

static bool
has_locked_pages (void)
{
  FILE *file = fopen ("/proc/self/status", "re");
  unsigned long kib = 0;
  char line[128];

  while (file && fgets (line, sizeof line, file) &&
         sscanf (line, "VmLck: %lu", &kib) != 1)
    continue;
  if (file)
    fclose (file);
  return kib > 0;
}

/* Is a new page there though nobody touched it? */
static bool
new_pages_are_present (void)
{
  void *page = mmap (NULL, PAGE_BYTES, PROT_READ|PROT_WRITE,
                     MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);
  unsigned char present = 0;

  if (page == MAP_FAILED)
    return false;
  mincore (page, PAGE_BYTES, &present);
  munmap (page, PAGE_BYTES);
  return present & 1;
}

bool
pages_are_locked (void)
{
  return has_locked_pages () && new_pages_are_present ();
}

void
pages_touch (void *start, size_t bytes, bool writes)
{
  madvise (start, bytes, writes ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}

int
pages_commit (void *start, size_t bytes)
{
  check_not_forbidden ();
  if (commit_fails_by_order ()) {
    errno = ENOMEM;
    return -1;
  }
  if (madvise (start, bytes, MADV_POPULATE_WRITE) == 0)
    return 0;
  if (errno == EINVAL)          /* before 5.14: the first touch commits */
    return 0;
  errno = ENOMEM;
  return -1;
}

/* 1: it is no part of a file. */
static int
release_mapped (const char *start, size_t bytes)
{
  const struct mapped *note;
  int r = 1;

  pthread_rwlock_rdlock (&mapped_lock);
  note = *find_mapped (start);
  if (note)
    r = fallocate (note->fd, FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE,
                   note->offset + (start - note->start), bytes);
  pthread_rwlock_unlock (&mapped_lock);
  return r;
}

int
pages_release (void *start, size_t bytes)
{
  const int saved_errno = errno;
  int r;

  check_not_forbidden ();
  r = release_mapped (start, bytes);
  if (r != 1)
    return r;
  if (!atomic_load_explicit (&locked, memory_order_relaxed) &&
      madvise (start, bytes, MADV_DONTNEED) == 0)
    return 0;
  /* Locked memory needs the stronger call. */
  if (madvise (start, bytes, MADV_DONTNEED_LOCKED) == -1)
    return -1;
  errno = saved_errno;
  return 0;
}

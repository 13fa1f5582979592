/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages: what is reserved reads as zeroes, what is committed is present, what
 * is released reads as zeroes again, and commits fail when told to.
 */
#include <config.h>

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "pages.h"

#define NR_PAGES 8u

static uint8_t *pages;

static uint8_t *
page (unsigned i)
{
  return pages + i * PAGE_BYTES;
}

static void
check_filled (unsigned i, uint8_t byte)
{
  for (size_t at = 0; at < PAGE_BYTES; at++)
    check (page (i)[at] == byte);
}

/* Before Linux 5.14. */
static bool
pages_touch_does_nothing (void)
{
  return madvise (pages, PAGE_BYTES, MADV_POPULATE_WRITE) == -1;
}

static bool
is_present (unsigned i)
{
  unsigned char present = 0;

  check (mincore (page (i), PAGE_BYTES, &present) == 0);
  return present & 1;
}

static void
a_part_of_a_page_counts_as_a_page (void)
{
  check (pages_for_bytes (0) == 0);
  check (pages_for_bytes (1) == 1);
  check (pages_for_bytes (PAGE_BYTES) == 1);
  check (pages_for_bytes (PAGE_BYTES + 1) == 2);
}

static void
this_system_is_supported (void)
{
  check (pages_check_system () == 0);
  check_nothing_reported ();
}

static void
reserved_pages_read_as_zeroes (void)
{
  for (unsigned i = 0; i < NR_PAGES; i++)
    check_filled (i, 0);
}

static void
a_reservation_that_is_too_large_is_refused (void)
{
  check (pages_reserve (SIZE_MAX / 4) == NULL);
  check (errno == ENOMEM);
  check_reported ("cannot reserve 4611686018427387903 bytes");
}

static void
nothing_can_be_unreserved (void)
{
  pages_unreserve (NULL, PAGE_BYTES);
  check_nothing_reported ();
}

static void
a_commit_keeps_content (void)
{
  memset (page (1), 0x11, PAGE_BYTES);
  check (pages_commit (page (0), 3 * PAGE_BYTES) == 0);
  check_filled (0, 0);
  check_filled (1, 0x11);
  check_filled (2, 0);
}

/* Before Linux 5.14 the first touch commits. */
static void
committed_pages_are_present_before_they_are_touched (void)
{
  check (pages_release (page (4), 2 * PAGE_BYTES) == 0);
  check (!is_present (4) && !is_present (5));
  check (pages_commit (page (4), PAGE_BYTES) == 0);
#ifdef MADV_POPULATE_WRITE
  check (is_present (4) ||
         madvise (page (4), PAGE_BYTES, MADV_POPULATE_WRITE) == -1);
#endif
  check (!is_present (5));
}

static void
released_pages_are_gone_and_read_as_zeroes (void)
{
  for (unsigned i = 0; i < 4; i++)
    memset (page (i), 0x22, PAGE_BYTES);
  check (pages_release (page (1), 2 * PAGE_BYTES) == 0);
  check (!is_present (1) && !is_present (2));
  check_filled (0, 0x22);
  check_filled (1, 0);
  check_filled (2, 0);
  check_filled (3, 0x22);
}

static void
locked_pages_are_released_too (void)
{
  memset (page (0), 0x33, PAGE_BYTES);
  if (mlock (page (0), PAGE_BYTES) == -1)
    return;                     /* no memory may be locked here */
  if (pages_release (page (0), PAGE_BYTES) == 0)
    check_filled (0, 0);
  else
    check (errno == EINVAL);    /* before Linux 5.18 */
  munlock (page (0), PAGE_BYTES);
}

static void
check_commit_fails (void)
{
  errno = 0;
  check (pages_commit (page (0), PAGE_BYTES) == -1);
  check (errno == ENOMEM);
}

static void
commits_fail_from_the_one_that_was_ordered (void)
{
  for (long after = 0; after < 4; after++) {
    zram_debug_fail_commit (after);
    for (long i = 0; i < after; i++)
      check (pages_commit (page (0), PAGE_BYTES) == 0);
    check_commit_fails ();
    check_commit_fails ();
    zram_debug_fail_commit (-1);
    check (pages_commit (page (0), PAGE_BYTES) == 0);
  }
}

static void
a_failed_commit_changes_nothing (void)
{
  check (pages_release (page (6), PAGE_BYTES) == 0);
  memset (page (7), 0x44, PAGE_BYTES);
  zram_debug_fail_commit (0);
  check (pages_commit (page (6), 2 * PAGE_BYTES) == -1);
  zram_debug_fail_commit (-1);
  check (!is_present (6));
  check_filled (7, 0x44);
}

/* Files. */

/* A sanitizer's own memory faults, too, so there they are not counted. */
static unsigned
nr_faults (void)
{
  struct rusage usage;

  check (getrusage (RUSAGE_SELF, &usage) == 0);
#if defined __SANITIZE_THREAD__ || defined __SANITIZE_ADDRESS__
  return 0;
#else
  return usage.ru_minflt;
#endif
}

static unsigned
nr_pages_of_file (int fd)
{
  struct stat file;

  check (fstat (fd, &file) == 0);
  return file.st_blocks * 512 / PAGE_BYTES;
}

/* Pages 2, 3 and 7 of a file whose first page is not mapped. */
static void
what_is_in_a_file_is_there_and_holes_stay_holes (void)
{
  const int fd = memfd_create ("test-pages", 0);
  const uint8_t data[2 * PAGE_BYTES] = { 0x66 };
  volatile uint8_t *mapped;
  unsigned before;

  check (fd != -1 && ftruncate (fd, NR_PAGES * PAGE_BYTES) == 0);
  check (pwrite (fd, data, sizeof data, 2 * PAGE_BYTES) > 0);
  check (pwrite (fd, data, PAGE_BYTES, 7 * PAGE_BYTES) > 0);
  mapped = pages_map (fd, PAGE_BYTES, (NR_PAGES - 1) * PAGE_BYTES);
  check (mapped);
  pages_touch_files ();
  before = nr_faults ();
  check (mapped[1 * PAGE_BYTES] == 0x66 && mapped[2 * PAGE_BYTES] == 0);
  check (mapped[6 * PAGE_BYTES] == 0x66);
  mapped[2 * PAGE_BYTES] = 1;
  check (nr_faults () == before || pages_touch_does_nothing ());
  check (nr_pages_of_file (fd) == 3);
  pages_unreserve ((void *) mapped, (NR_PAGES - 1) * PAGE_BYTES);
  check (close (fd) == 0);
}

/* Locked memory. */

#define LARGE_BYTES ((size_t) 1 << 40)

static bool
byte_is_present (const uint8_t *byte)
{
  unsigned char present = 0;

  check (mincore ((void *) ((uintptr_t) byte & -PAGE_BYTES), PAGE_BYTES,
                  &present) == 0);
  return present & 1;
}

/* A terabyte that was not waited for would not fit. */
static void
locked_reservations_wait_to_be_touched (void)
{
  uint8_t *large = pages_reserve (LARGE_BYTES);
  uint8_t *extended;

  check (large);
  check (!byte_is_present (large) && !byte_is_present (large + PAGE_BYTES));
  check (pages_commit (large, PAGE_BYTES) == 0);
  check (byte_is_present (large) && !byte_is_present (large + PAGE_BYTES));
  large[0] = 1;
  extended = pages_extend (large, LARGE_BYTES, 2 * LARGE_BYTES);
  check (extended && extended[0] == 1);
  check (!byte_is_present (extended + LARGE_BYTES));
  check (pages_release (extended, PAGE_BYTES) == 0);
  check (!byte_is_present (extended) && extended[0] == 0);
  pages_unreserve (extended, 2 * LARGE_BYTES);
}

static void
what_was_there_is_released_as_before (void)
{
  memset (page (1), 0x55, PAGE_BYTES);
  errno = ENOSPC;
  check (pages_release (page (1), PAGE_BYTES) == 0);
  check (errno == ENOSPC);
  check (!is_present (1));
  check_filled (1, 0);
}

static void
touched_pages_are_present (void)
{
  uint8_t *few = pages_reserve (2 * PAGE_BYTES);

  check (few);
  pages_touch (few, PAGE_BYTES, true);
  check (byte_is_present (few) && !byte_is_present (few + PAGE_BYTES));
  pages_unreserve (few, 2 * PAGE_BYTES);
}

/* Where it can be: not with a small limit and no privilege, and a sanitizer
 * locks nothing whoever asks. */
static void
memory_can_be_locked (void)
{
  check (!pages_are_locked ());
  if (pages_lock () == -1 || !pages_are_locked ()) {
    printf ("  not here: %s\n", strerror (errno));
    return;
  }
  locked_reservations_wait_to_be_touched ();
  what_was_there_is_released_as_before ();
  touched_pages_are_present ();
}

int
main (void)
{
  capture_reports ();
  pages = pages_reserve (NR_PAGES * PAGE_BYTES);
  check (pages != NULL);
  test (a_part_of_a_page_counts_as_a_page);
  test (this_system_is_supported);
  test (reserved_pages_read_as_zeroes);
  test (a_reservation_that_is_too_large_is_refused);
  test (nothing_can_be_unreserved);
  test (a_commit_keeps_content);
  test (committed_pages_are_present_before_they_are_touched);
  test (released_pages_are_gone_and_read_as_zeroes);
  test (locked_pages_are_released_too);
  test (commits_fail_from_the_one_that_was_ordered);
  test (a_failed_commit_changes_nothing);
  test (what_is_in_a_file_is_there_and_holes_stay_holes);
  test (memory_can_be_locked);
  pages_unreserve (pages, NR_PAGES * PAGE_BYTES);
  return 0;
}

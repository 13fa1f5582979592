/* SPDX-License-Identifier: BSD-3-Clause */
/* The only door to the system's memory calls; see pages.h. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pages.h"
#include "report.h"

/* Linux 5.14 and 5.18; older headers lack them, older kernels answer EINVAL. */
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

void *
pages_reserve (size_t bytes)
{
  void *start = mmap (NULL, bytes, PROT_READ|PROT_WRITE,
                      MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);

  if (start == MAP_FAILED) {
    report_no_space (bytes);
    return NULL;
  }
  /* Advice: a kernel built without these features answers EINVAL. */
  madvise (start, bytes, MADV_NOHUGEPAGE);
  madvise (start, bytes, MADV_DONTDUMP);
  return start;
}

void *
pages_extend (void *start, size_t bytes, size_t new_bytes)
{
  void *extended = mremap (start, bytes, new_bytes, MREMAP_MAYMOVE);

  if (extended != MAP_FAILED)
    return extended;
  report_no_space (new_bytes);
  return NULL;
}

void
pages_unreserve (void *start, size_t bytes)
{
  if (start)
    munmap (start, bytes);
}

int
pages_commit (void *start, size_t bytes)
{
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

int
pages_release (void *start, size_t bytes)
{
  if (madvise (start, bytes, MADV_DONTNEED) == 0)
    return 0;
  if (errno == EINVAL)          /* locked memory needs the stronger call */
    return madvise (start, bytes, MADV_DONTNEED_LOCKED);
  return -1;
}

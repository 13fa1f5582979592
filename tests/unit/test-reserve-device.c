/* SPDX-License-Identifier: BSD-3-Clause */
/* A device with a reserve: a request never commits memory, nor gives any back,
 * and does not fault where it stores; the table is there from the start; at the
 * limit a write fails and does not hang.
 */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compact.h"
#include "disk.h"
#include "live.h"
#include "pages.h"
#include "refill.h"

#define RESERVE (1u << 20)
#define NR_ROUNDS 3u

/* Refill is not woken by the clock here. */
int __wrap_pthread_cond_timedwait (pthread_cond_t *cond, pthread_mutex_t *lock,
                                   const struct timespec *until);

int
__wrap_pthread_cond_timedwait (pthread_cond_t *cond, pthread_mutex_t *lock,
                               const struct timespec *until)
{
  return pthread_cond_wait (cond, lock);
}

static void
start_reserve (uint64_t reserve_bytes)
{
  device = model_device_reserve (0, BLOCK, SIZE, reserve_bytes);
}

static uint64_t
table_bytes (void)
{
  return table_held_bytes (&device->table, SHARE_BASE);
}

static void
stop_reserve (void)
{
  device_stop (device);
  check (recount_device (device));
  device_trim (device, device->size_bytes, 0);
  check (recount_device (device));
  check (device->budget.used_bytes == device->fixed_bytes + table_bytes () +
         arena_ready_pages (&device->arena) * PAGE_BYTES);
  device_destroy (device);
}

static void
the_table_is_there_from_the_start (void)
{
  start_reserve (RESERVE);
  check (table_bytes () == 4 * SPARSE_PAGE_COST);       /* 3 slots, 1 ages */
  check (device->budget.used_bytes >= device->fixed_bytes + RESERVE);
  check (recount_device (device));
  stop_reserve ();
}

/* Each kind of data, whole blocks and parts, over what was there. */
static void
write_everything (unsigned round)
{
  for (unsigned i = 0; i + 1 < NR_BLOCKS; i++)
    write_data ((i + round) % NR_DATA, i + round, BLOCK,
                (uint64_t) i * BLOCK);
  write_data (TEXT, round, CUT, SIZE - CUT);
  for (unsigned i = round; i < NR_BLOCKS - 8; i += 37)
    write_data (NOISE, i, BLOCK + 100, (uint64_t) i * BLOCK + 50);
}

static void
write_without_commits (void)
{
  check (device_start (device) == 0);
  zram_debug_forbid_commits (true);
  for (unsigned round = 0; round < NR_ROUNDS; round++) {
    write_everything (round);
    check_data (NOISE, round, BLOCK + 100, (uint64_t) round * BLOCK + 50);
    check (device_zero (device, 100 * BLOCK, 50 * BLOCK, round % 2) == 0);
    check (device_trim (device, SIZE / 2, SIZE / 4) == 0);
  }
  check (device_trim (device, SIZE, 0) == 0);
  zram_debug_forbid_commits (false);
}

static void
a_request_never_commits (void)
{
  start_reserve (RESERVE);
  write_without_commits ();
  stop_reserve ();
}

#ifdef HAVE_XXHASH
static void
a_request_never_commits_in_a_store_file (void)
{
  const struct device_params params = {
    .name = "file", .size_bytes = SIZE, .block_bytes = BLOCK,
    .algorithm = codec_algorithms[0], .reserve_bytes = RESERVE,
    .memory = { .is_open = true, .fd = memfd_create ("store", MFD_CLOEXEC) },
  };

  device = device_create (&params);
  check (device);
  write_without_commits ();
  stop_reserve ();
}
#endif

static long
nr_faults (void)
{
  struct rusage usage;

  check (getrusage (RUSAGE_THREAD, &usage) == 0);
  return usage.ru_minflt;
}

/* A sanitizer's own memory faults, too. */
#if defined __SANITIZE_THREAD__ || defined __SANITIZE_ADDRESS__
#define NR_FAULTS_MAX LONG_MAX
#else
#define NR_FAULTS_MAX 50
#endif

/* Each block has its slot in another page of the table. */
#define FAR_BYTES ((uint64_t) SLOTS_IN_PAGE * BLOCK)
#define NR_FAR 200u

/* Noise that takes 200 pages of the reserve, in one request after another. */
static long
faults_of_writes (void)
{
  long before;
  cpu_set_t one;

  /* Each processor has working memory of its own, which faults after a fork. */
  CPU_ZERO (&one);
  CPU_SET (sched_getcpu (), &one);
  check (sched_setaffinity (0, sizeof one, &one) == 0);
  fill (NOISE, 1, BLOCK);
  check (device_write (device, data, BLOCK, 0) == 0);
  before = nr_faults ();
  for (unsigned i = 1; i <= NR_FAR; i++)
    check (device_write (device, data, BLOCK, i * FAR_BYTES) == 0);
  return nr_faults () - before;
}

/* In a child, which has the processor for itself, and to which all pages are
 * copied when it writes to them. */
static void
pages_are_there_after_a_fork (void)
{
  int status;
  pid_t pid;

  device = model_device_reserve (0, BLOCK, (NR_FAR + 1) * FAR_BYTES,
                                 2 * RESERVE);
  pid = fork ();
  check (pid != -1);
  if (pid == 0) {
    check (device_start (device) == 0);
    check (faults_of_writes () < NR_FAULTS_MAX);
    device_stop (device);
    _exit (0);
  }
  check (waitpid (pid, &status, 0) == pid);
  check (WIFEXITED (status) && WEXITSTATUS (status) == 0);
  stop_reserve ();
}

/* The pool is used up again and again, and full in the end. */
static void
the_pool_is_refilled (void)
{
  struct pool *pool;

  start_reserve (RESERVE);
  check (device_start (device) == 0);
  for (unsigned i = 0; i + 1 < NR_BLOCKS; i++)
    write_data (NOISE, i, BLOCK, (uint64_t) i * BLOCK);
  pool = &device->arena.pool;
  pthread_mutex_lock (&pool->lock);
  while (pool->nr_spans[POOL_READY] < pool->nr_wanted - pool->nr_wanted / 4)
    pthread_cond_wait (&pool->supply, &pool->lock);
  pthread_mutex_unlock (&pool->lock);
  check_data (NOISE, 7, BLOCK, 7 * BLOCK);
  stop_reserve ();
}

/* How many blocks can be stored. */
static unsigned
write_until_full (void)
{
  unsigned nr = 0;

  for (; nr + 1 < NR_BLOCKS; nr++) {
    fill (NOISE, nr, BLOCK);
    errno = 0;
    if (device_write (device, data, BLOCK, (uint64_t) nr * BLOCK) == -1)
      break;
  }
  check (nr + 1 < NR_BLOCKS && errno == ENOSPC);
  return nr;
}

static void
check_limit (void)
{
  const uint64_t limit = device->budget.used_bytes + 100 * BLOCK;
  unsigned nr;

  live_set_mem_limit (device, limit);
  nr = write_until_full ();
  /* The reserve went to objects, but for less than two spans of the pool. */
  check (nr >= 100 + RESERVE / BLOCK * 3 / 4);
  check (device->budget.used_bytes <= limit);
  for (unsigned i = 0; i < nr; i += 10)
    check_data (NOISE, i, BLOCK, (uint64_t) i * BLOCK);
  check (device_trim (device, 20 * BLOCK, 0) == 0);
  write_data (TEXT, 1, 10 * BLOCK, 0);
  check_data (TEXT, 1, 10 * BLOCK, 0);
}

static void
at_the_limit_a_write_fails (void)
{
  start_reserve (RESERVE);
  check_limit ();
  stop_reserve ();
}

static void
at_the_limit_a_write_does_not_wait_for_ever (void)
{
  start_reserve (RESERVE);
  check (device_start (device) == 0);
  check_limit ();
  stop_reserve ();
}

static void
without_memory_a_write_fails (void)
{
  start_reserve (1);
  check (device_start (device) == 0);
  zram_debug_fail_commit (0);
  for (unsigned i = 0; i < 3 * 8; i++) {
    fill (NOISE, i, BLOCK);
    if (device_write (device, data, BLOCK, (uint64_t) i * BLOCK) == -1) {
      check (errno == ENOMEM && i > 8);
      break;
    }
    check (i + 1 < 3 * 8);
  }
  zram_debug_fail_commit (-1);
  write_data (NOISE, 1, 8 * BLOCK, 0);
  check_data (NOISE, 1, 8 * BLOCK, 0);
  stop_reserve ();
}

/* A wide word has no zspage of its own, and goes to that of the text. */
static void
compaction_brings_borrowed_objects_home (void)
{
  start_reserve (1);
  zram_debug_fail_commit (0);
  write_data (NOISE, 1, BLOCK, 0);
  write_data (TEXT, 1, BLOCK, BLOCK);
  write_data (WIDE_WORD, 1, BLOCK, 2 * BLOCK);
  check (arena_nr_borrowed (&device->arena) == 1);
  zram_debug_fail_commit (-1);
  check (refill_round (&device->arena) == 0);
  write_data (WIDE_WORD, 2, BLOCK, 3 * BLOCK);
  check (device_trim (device, BLOCK, BLOCK) == 0);
  check (recount_device (device));
  zram_debug_forbid_commits (true);
  compact_device (device);
  zram_debug_forbid_commits (false);
  check (arena_nr_borrowed (&device->arena) == 0);
  check_data (WIDE_WORD, 1, BLOCK, 2 * BLOCK);
  check_data (WIDE_WORD, 2, BLOCK, 3 * BLOCK);
  stop_reserve ();
}

/* Not for a disk of another size. */
static void
the_table_grows_and_shrinks_with_the_disk (void)
{
  uint64_t before;

  start_reserve (RESERVE);
  before = device->budget.used_bytes;
  write_data (TEXT, 1, BLOCK, 0);
  check (live_set_size (device, 8 * SIZE) == 0);
  check (table_bytes () == (19 + 5) * SPARSE_PAGE_COST);
  zram_debug_forbid_commits (true);
  write_data (SMALL_WORD, 1, BLOCK, 7 * SIZE / BLOCK * BLOCK);
  zram_debug_forbid_commits (false);
  check (recount_device (device));
  check (device_trim (device, 7 * SIZE, SIZE) == 0);
  check (live_set_size (device, SIZE) == 0);
  check (table_bytes () == 4 * SPARSE_PAGE_COST);
  check_data (TEXT, 1, BLOCK, 0);
  check (recount_device (device));
  zram_debug_fail_commit (0);
  check (live_set_size (device, 8 * SIZE) == -1 && errno == ENOMEM);
  zram_debug_fail_commit (-1);
  check (device->size_bytes == SIZE);
  check (live_reset (device) == 0);
  check (table_bytes () == 0);
  check (live_set_size (device, SIZE) == 0);
  check (device->budget.used_bytes == before);
  stop_reserve ();
}

static void
a_reserve_excludes_deduplication (void)
{
  start_reserve (RESERVE);
  check (live_set_dedup (device, true) == -1);
#ifdef HAVE_XXHASH
  check (errno == EINVAL);
#endif
  stop_reserve ();
}

static void
a_limit_below_the_reserve_is_refused (void)
{
  const struct device_params params = {
    .name = "small", .size_bytes = SIZE, .block_bytes = BLOCK,
    .algorithm = codec_algorithms[0], .reserve_bytes = 64 << 20,
    .mem_limit_bytes = 32 << 20,
  };

  check (!device_create (&params) && errno == EINVAL);
}

int
main (void)
{
  ignore_reports ();
  test (the_table_is_there_from_the_start);
  test (a_request_never_commits);
#ifdef HAVE_XXHASH
  test (a_request_never_commits_in_a_store_file);
#endif
  test (pages_are_there_after_a_fork);
  test (the_pool_is_refilled);
  test (at_the_limit_a_write_fails);
  test (at_the_limit_a_write_does_not_wait_for_ever);
  test (without_memory_a_write_fails);
  test (compaction_brings_borrowed_objects_home);
  test (the_table_grows_and_shrinks_with_the_disk);
  test (a_reserve_excludes_deduplication);
  test (a_limit_below_the_reserve_is_refused);
  return 0;
}

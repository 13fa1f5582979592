/* SPDX-License-Identifier: BSD-3-Clause */
/* Refill; see refill.h. */
#include <config.h>

#include <errno.h>
#include <time.h>

#include "arena_inside.h"
#include "background.h"
#include "pages.h"
#include "refill.h"
#include "report.h"

#define ROUND_S 1

/* So many ready spans at least, or a burst in one class takes all. */
#define NR_READY_MIN 2u

/* At the limit spare pages of the classes are turned into so many spans. */
#define NR_RECLAIMED 4u

/* How many spans are to be ready, beside what the classes have. */
static uint32_t
nr_wanted (struct arena *arena)
{
  const struct pool *pool = &arena->pool;
  const uint64_t spare = arena_spare_pages (arena);
  const uint64_t half = pool->reserve_pages / 2;
  uint64_t pages = half, nr;

  if (spare < pool->reserve_pages - half)
    pages = pool->reserve_pages - spare;
  nr = (pages + pool->unit_pages - 1) / pool->unit_pages;
  return nr > NR_READY_MIN ? nr : NR_READY_MIN;
}

static int
fill (struct arena *arena, uint32_t nr_ready)
{
  while (pool_nr_ready (&arena->pool) < nr_ready)
    if (arena_fill_pool (arena) == -1)
      return -1;
  return 0;
}

/* Did any class get something? */
static bool
extend_classes (struct arena *arena)
{
  bool extended = false;
  unsigned i;

  while ((i = pool_next_short (&arena->pool)) < NR_SIZECLASSES)
    while (arena_extend_class (arena, i))
      extended = true;
  return extended;
}

/* At the limit, and the pool is empty: what classes have to spare can be of
 * more use there.  Not what one has just been given, or requests would wait for
 * ever while pages go to and fro. */
static void
reclaim (struct arena *arena)
{
  const uint64_t max = NR_RECLAIMED * arena->pool.unit_pages;
  uint64_t gone = 0;

  for (unsigned i = 0; i < NR_SIZECLASSES && gone < max; i++)
    gone += arena_trim_class (arena, i, true, max - gone);
  fill (arena, NR_READY_MIN);
}

/* What is ready, above the reserve and half of it. */
static uint64_t
surplus (struct arena *arena)
{
  const uint64_t ready = arena_ready_pages (arena);
  const uint64_t enough = arena->pool.reserve_pages / 2 * 3;

  return ready > enough ? ready - enough : 0;
}

/* Spans first, above those that are wanted.  What classes were just given is
 * left to them: a request may wait for it. */
static void
give_back (struct arena *arena, uint32_t wanted)
{
  uint64_t left;

  while (surplus (arena) > 0 && pool_nr_ready (&arena->pool) > wanted)
    arena_drain_pool (arena);
  for (unsigned i = 0; i < NR_SIZECLASSES && (left = surplus (arena)) > 0; i++)
    arena_trim_class (arena, i, false, left);
}

/* First enough for the next requests, then what classes want, then the rest. */
static int
work (struct arena *arena, uint32_t wanted, bool *extended)
{
  int r = arena_restore_pool (arena);
  int saved_errno;

  if (r == 0)
    r = fill (arena, (wanted + 3) / 4);
  saved_errno = errno;
  *extended = extend_classes (arena);
  errno = saved_errno;
  return r == 0 ? fill (arena, wanted) : r;
}

static int
round_locked (struct arena *arena, bool *extended)
{
  struct pool *pool = &arena->pool;
  const uint32_t wanted = nr_wanted (arena);
  int r, saved_errno;

  pthread_mutex_lock (&pool->lock);
  pool->nr_wanted = wanted;
  pthread_mutex_unlock (&pool->lock);
  r = work (arena, wanted, extended);
  saved_errno = errno;
  if (r == -1 && errno == ENOSPC && !*extended && pool_nr_ready (pool) == 0)
    reclaim (arena);
  else if (arena_ready_pages (arena) > 2 * pool->reserve_pages)
    give_back (arena, wanted);
  errno = saved_errno;
  return r;
}

static int
run_round (struct arena *arena, bool *extended)
{
  int r;

  pthread_mutex_lock (&arena->refill_lock);
  pthread_rwlock_rdlock (&arena->layout_lock);
  r = round_locked (arena, extended);
  pthread_rwlock_unlock (&arena->layout_lock);
  pthread_mutex_unlock (&arena->refill_lock);
  return r;
}

int
refill_round (struct arena *arena)
{
  bool extended;

  return run_round (arena, &extended) == 0 || extended ||
    pool_nr_ready (&arena->pool) > 0 ? 0 : -1;
}

int
refill_first (struct arena *arena)
{
  bool extended;

  return run_round (arena, &extended);
}

/* Under the pool's lock, but not in between: 0 or errno, of a round that begins
 * after this. */
static int
wait_for_round (struct pool *pool)
{
  const uint64_t ticket = pool->nr_begun + 1;

  pool->asked = true;
  pthread_cond_signal (&pool->work);
  while (pool->runs && pool->lists[POOL_READY] == 0 && pool->nr_done < ticket)
    pthread_cond_wait (&pool->supply, &pool->lock);
  return pool->lists[POOL_READY] != 0 || pool->nr_done < ticket ? 0 :
    pool->result;
}

bool
refill_wait (struct arena *arena)
{
  struct pool *pool = &arena->pool;
  bool runs;
  int result = 0;

  pthread_mutex_lock (&pool->lock);
  pool->nr_waits++;
  runs = pool->runs;
  if (runs)
    result = wait_for_round (pool);
  pthread_mutex_unlock (&pool->lock);
  if (!runs)
    return refill_round (arena) == 0;
  if (result != 0)
    errno = result;
  return result == 0;
}

void
refill_get_stats (struct arena *arena, struct refill_stats *stats)
{
  struct pool *pool = &arena->pool;

  stats->ready_bytes = arena_ready_pages (arena) << PAGE_SHIFT;
  stats->nr_borrows = atomic_load (&pool->nr_borrowed);
  pthread_mutex_lock (&pool->lock);
  stats->nr_waits = pool->nr_waits;
  pthread_mutex_unlock (&pool->lock);
}

/* The thread. */

/* Under the pool's lock. */
static void
wait_for_work (struct pool *pool)
{
  struct timespec until;

  clock_gettime (CLOCK_MONOTONIC, &until);
  until.tv_sec += ROUND_S;
  while (!pool->asked && !pool->stopping &&
         pthread_cond_timedwait (&pool->work, &pool->lock, &until) == 0)
    continue;
}

static void
calm_classes (struct arena *arena)
{
  for (unsigned i = 0; i < NR_SIZECLASSES; i++)
    arena_calm_class (arena, i);
}

static void *
refill_loop (void *opaque)
{
  struct arena *arena = opaque;
  struct pool *pool = &arena->pool;
  int result;
  bool calm;

  background_begin ();
  pthread_mutex_lock (&pool->lock);
  for (;;) {
    wait_for_work (pool);
    if (pool->stopping)
      break;
    calm = !pool->asked;
    pool->asked = false;
    pool->nr_begun++;
    pthread_mutex_unlock (&pool->lock);
    if (calm)
      calm_classes (arena);
    result = refill_round (arena) == 0 ? 0 : errno;
    pthread_mutex_lock (&pool->lock);
    pool->result = result;
    pool->nr_done = pool->nr_begun;
    pthread_cond_broadcast (&pool->supply);
  }
  pthread_mutex_unlock (&pool->lock);
  return NULL;
}

/* Pages are shared with the parent after a fork. */
static int
own_pool (struct arena *arena)
{
  for (uint32_t link = arena->pool.lists[POOL_READY]; link != 0;
       link = arena->zspages[link - 1].next)
    if (arena_own_span (arena, link - 1) == -1)
      return -1;
  return 0;
}

static int
start_thread (struct arena *arena)
{
  int errnum;

  arena->pool.stopping = false;
  arena->pool.runs = true;
  errnum = pthread_create (&arena->refill_thread, NULL, refill_loop, arena);
  if (errnum == 0)
    return 0;
  arena->pool.runs = false;
  errno = errnum;
  return -1;
}

int
refill_start (struct arena *arena)
{
  if (own_pool (arena) == 0 && start_thread (arena) == 0)
    return 0;
  report_error ("cannot start to keep a reserve: %m");
  return -1;
}

void
refill_stop (struct arena *arena)
{
  struct pool *pool = &arena->pool;
  bool runs;

  pthread_mutex_lock (&pool->lock);
  runs = pool->runs;
  pool->runs = false;
  pool->stopping = true;
  pthread_cond_signal (&pool->work);
  pthread_cond_broadcast (&pool->supply);
  pthread_mutex_unlock (&pool->lock);
  if (runs)
    pthread_join (arena->refill_thread, NULL);
}

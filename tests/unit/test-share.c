/* SPDX-License-Identifier: BSD-3-Clause */
/* The numbers of shares: each is taken once, found again when it is free, and
 * costs memory only while it is taken.
 */
#include <config.h>

#include <errno.h>
#include <pthread.h>

#include "check.h"
#include "pages.h"
#include "share.h"

/* More than the list of freed ones has room for, and a page of counts. */
#define NR_MANY (NR_FREED_SHARES + 600u)

#define NR_THREADS 4u
#define NR_OF_EACH 1500u
#define NR_ROUNDS 20u

static struct budget budget;
static struct shares shares;

static void
start (void)
{
  budget = (struct budget) { .used_bytes = 0 };
  check (shares_init (&shares, &budget) == 0);
}

static void
stop (void)
{
  check (shares_held_bytes (&shares) == budget.used_bytes);
  shares_destroy (&shares);
}

static uint64_t
take (void)
{
  uint64_t share;

  check (share_take (&shares, &share) == 0);
  check (share >= SHARE_BASE && share < NR_SLOTS_MAX);
  check (*share_count (&shares, share) == 1);
  return share;
}

static void
take_many (uint64_t nr)
{
  for (uint64_t i = 0; i < nr; i++)
    check (take () == SHARE_BASE + i);
}

static void
put_range (uint64_t first, uint64_t end)
{
  for (uint64_t i = first; i < end; i++)
    share_put (&shares, SHARE_BASE + i);
}

static void
numbers_count_up_from_the_lowest (void)
{
  start ();
  check (shares_end (&shares) == SHARE_BASE);
  take_many (NR_MANY);
  check (shares_end (&shares) == SHARE_BASE + NR_MANY);
  stop ();
}

static void
the_last_one_freed_is_taken_first (void)
{
  start ();
  take_many (10);
  share_put (&shares, SHARE_BASE + 3);
  share_put (&shares, SHARE_BASE + 7);
  check (*share_count (&shares, SHARE_BASE + 7) == 0);
  check (take () == SHARE_BASE + 7);
  check (take () == SHARE_BASE + 3);
  check (take () == SHARE_BASE + 10);
  stop ();
}

static void
numbers_that_the_list_has_no_room_for_are_found_again (void)
{
  static bool taken[NR_MANY];

  start ();
  memset (taken, 0, sizeof taken);
  take_many (NR_MANY);
  put_range (0, NR_MANY);
  for (unsigned i = 0; i < NR_MANY; i++) {
    const uint64_t share = take ();

    check (share < SHARE_BASE + NR_MANY && !taken[share - SHARE_BASE]);
    taken[share - SHARE_BASE] = true;
  }
  check (shares_end (&shares) == SHARE_BASE + NR_MANY);
  stop ();
}

/* The list is full, so the search begins at 100 again. */
static void
a_search_goes_round_those_in_use (void)
{
  start ();
  take_many (2 * NR_MANY);
  put_range (NR_MANY, NR_MANY + NR_FREED_SHARES);
  share_put (&shares, SHARE_BASE + 100);
  share_put (&shares, SHARE_BASE + 400);
  for (unsigned i = 0; i < NR_FREED_SHARES; i++)
    check (take () >= SHARE_BASE + NR_MANY);
  check (take () == SHARE_BASE + 100);
  check (take () == SHARE_BASE + 400);
  stop ();
}

/* Each one goes on where the last one gave up. */
static void
a_search_that_is_too_long_is_given_up_for_now (void)
{
  unsigned nr_given_up = 0;
  uint64_t share;

  start ();
  take_many (2 * NR_MANY);
  put_range (NR_MANY, NR_MANY + NR_FREED_SHARES);
  share_put (&shares, SHARE_BASE);
  for (unsigned i = 0; i < NR_FREED_SHARES + 1; i++)
    take ();
  for (errno = 0; share_take (&shares, &share) == -1; errno = 0) {
    check (errno == ENOSPC);
    check (++nr_given_up < 2 * NR_MANY);
  }
  check (share == SHARE_BASE + 2 * NR_MANY);
  check (nr_given_up > 1);
  stop ();
}

static void
behind_the_last_number_comes_the_first (void)
{
  start ();
  take_many (3);
  share_put (&shares, SHARE_BASE + 1);
  check (take () == SHARE_BASE + 1);
  shares.next = NR_SHARES_MAX;
  share_put (&shares, SHARE_BASE);
  check (take () == SHARE_BASE);
  check (take () == SHARE_BASE + 3);
  stop ();
}

static void
memory_is_held_for_as_long_as_a_page_has_a_share (void)
{
  const uint64_t in_page = PAGE_BYTES / sizeof (uint32_t);

  start ();
  check (budget.used_bytes == 0);
  take_many (2 * in_page);
  check (budget.used_bytes == 2 * SPARSE_PAGE_COST);
  put_range (0, in_page - 1);
  check (budget.used_bytes == 2 * SPARSE_PAGE_COST);
  put_range (in_page - 1, in_page);
  check (budget.used_bytes == SPARSE_PAGE_COST);
  put_range (in_page, 2 * in_page);
  check (budget.used_bytes == 0);
  stop ();
}

static void
a_number_without_memory_is_not_lost (void)
{
  uint64_t share;

  start ();
  zram_debug_fail_commit (0);
  for (unsigned i = 0; i < 5000; i++)
    check (share_take (&shares, &share) == -1 && errno == ENOMEM);
  zram_debug_fail_commit (-1);
  check (shares_end (&shares) <= SHARE_BASE + 1);
  take_many (3);
  stop ();
}

static void
without_memory_nothing_is_taken (void)
{
  uint64_t share;

  start ();
  budget.limit_bytes = SPARSE_PAGE_COST - 1;
  check (share_take (&shares, &share) == -1 && errno == ENOSPC);
  budget.limit_bytes = 0;
  zram_debug_fail_commit (0);
  check (share_take (&shares, &share) == -1 && errno == ENOMEM);
  zram_debug_fail_commit (-1);
  check (budget.used_bytes == 0);
  take ();
  check (budget.used_bytes == SPARSE_PAGE_COST);
  stop ();
}

/* Who has a number writes its own into the count: nobody else does. */
static void *
take_and_put (void *opaque)
{
  const uint32_t own = 2 + (uintptr_t) opaque;
  uint64_t mine[NR_OF_EACH];

  for (unsigned round = 0; round < NR_ROUNDS; round++) {
    for (unsigned i = 0; i < NR_OF_EACH; i++) {
      while (share_take (&shares, &mine[i]) == -1)
        check (errno == ENOSPC);
      check (atomic_exchange (share_count (&shares, mine[i]), own) == 1);
    }
    for (unsigned i = 0; i < NR_OF_EACH; i++) {
      check (*share_count (&shares, mine[i]) == own);
      share_put (&shares, mine[i]);
    }
  }
  return NULL;
}

static void
threads_never_have_the_same_number (void)
{
  pthread_t threads[NR_THREADS];

  start ();
  for (uintptr_t i = 0; i < NR_THREADS; i++)
    check (pthread_create (&threads[i], NULL, take_and_put, (void *) i) == 0);
  for (unsigned i = 0; i < NR_THREADS; i++)
    pthread_join (threads[i], NULL);
  check (budget.used_bytes == 0);
  stop ();
}

int
main (void)
{
  capture_reports ();
  test (numbers_count_up_from_the_lowest);
  test (the_last_one_freed_is_taken_first);
  test (numbers_that_the_list_has_no_room_for_are_found_again);
  test (a_search_goes_round_those_in_use);
  test (a_search_that_is_too_long_is_given_up_for_now);
  test (behind_the_last_number_comes_the_first);
  test (memory_is_held_for_as_long_as_a_page_has_a_share);
  test (without_memory_nothing_is_taken);
  test (a_number_without_memory_is_not_lost);
  test (threads_never_have_the_same_number);
  return 0;
}

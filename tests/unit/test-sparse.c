/* SPDX-License-Identifier: BSD-3-Clause */
/* The sparse array: a page is there, and paid for, exactly while it has a
 * user.
 */
#include <config.h>

#include <errno.h>
#include <pthread.h>

#include "check.h"
#include "sparse.h"

#define NR_PAGES 16u
#define NR_USERS 4u
#define ROUNDS 3000u

static struct budget budget;
static struct sparse sparse;

static void
check_held (unsigned nr_pages)
{
  check (budget.used_bytes == nr_pages * SPARSE_PAGE_COST);
  check (sparse_held_bytes (&sparse, 0, NR_PAGES) ==
         nr_pages * SPARSE_PAGE_COST);
}

static void
check_zeroes (unsigned page)
{
  const uint8_t *bytes = sparse_page (&sparse, page);

  for (size_t i = 0; i < PAGE_BYTES; i++)
    check (bytes[i] == 0);
}

static void
an_untouched_page_is_absent_and_reads_as_zeroes (void)
{
  check (!sparse_is_present (&sparse, 0));
  check (!sparse_is_present (&sparse, NR_PAGES - 1));
  check_zeroes (NR_PAGES - 1);
  check_held (0);
}

static void
the_first_user_brings_a_page_and_the_last_takes_it_away (void)
{
  check (sparse_get (&sparse, 3) == 0);
  check_held (1);
  check (sparse_get (&sparse, 3) == 0);
  check_held (1);
  sparse_put (&sparse, 3);
  check (sparse_is_present (&sparse, 3));
  check_held (1);
  sparse_put (&sparse, 3);
  check (!sparse_is_present (&sparse, 3));
  check_held (0);
}

static void
as_many_users_as_a_page_has_bytes_are_counted (void)
{
  for (unsigned i = 0; i < PAGE_BYTES; i++)
    check (sparse_get (&sparse, 3) == 0);
  for (unsigned i = 0; i < PAGE_BYTES; i++) {
    check_held (1);
    sparse_put (&sparse, 3);
  }
  check_held (0);
}

static void
content_stays_while_there_is_a_user_and_is_gone_after (void)
{
  check (sparse_get (&sparse, 5) == 0);
  check_zeroes (5);
  memset (sparse_page (&sparse, 5), 0x55, PAGE_BYTES);
  check (sparse_get (&sparse, 5) == 0);
  sparse_put (&sparse, 5);
  check (*(uint8_t *) sparse_page (&sparse, 5) == 0x55);
  sparse_put (&sparse, 5);
  check_zeroes (5);
}

static void
pages_do_not_touch_each_other (void)
{
  for (unsigned i = 0; i < NR_PAGES; i++) {
    check (sparse_get (&sparse, i) == 0);
    memset (sparse_page (&sparse, i), i + 1, PAGE_BYTES);
    check_held (i + 1);
  }
  for (unsigned i = 0; i < NR_PAGES; i++) {
    const uint8_t *bytes = sparse_page (&sparse, i);

    check (bytes[0] == i + 1 && bytes[PAGE_BYTES - 1] == i + 1);
    sparse_put (&sparse, i);
    check_held (NR_PAGES - 1 - i);
  }
}

static void
only_the_first_pages_are_summed_up (void)
{
  check (sparse_get (&sparse, 2) == 0);
  check (sparse_held_bytes (&sparse, 0, 2) == 0);
  check (sparse_held_bytes (&sparse, 0, 3) == SPARSE_PAGE_COST);
  sparse_put (&sparse, 2);
}

static void
check_get_fails (unsigned page, int expected)
{
  errno = 0;
  check (sparse_get (&sparse, page) == -1);
  check (errno == expected);
  check (!sparse_is_present (&sparse, page));
}

/* Who is there already may bring others: they cost nothing. */
static void
no_new_page_comes_above_the_limit (void)
{
  check (sparse_get (&sparse, 0) == 0);
  budget.limit_bytes = 2 * SPARSE_PAGE_COST - 1;
  check_get_fails (1, ENOSPC);
  check (sparse_get (&sparse, 0) == 0);
  check_held (1);
  budget.limit_bytes = 2 * SPARSE_PAGE_COST;
  check (sparse_get (&sparse, 1) == 0);
  sparse_put (&sparse, 0);
  sparse_put (&sparse, 0);
  sparse_put (&sparse, 1);
  budget.limit_bytes = 0;
  check_held (0);
}

static void
a_failed_commit_leaves_the_page_absent_and_unpaid (void)
{
  zram_debug_fail_commit (0);
  check_get_fails (1, ENOMEM);
  check_held (0);
  zram_debug_fail_commit (-1);
  check (sparse_get (&sparse, 1) == 0);
  sparse_put (&sparse, 1);
}

/* Each user has a word of the page, 0 while it is not counted in. */
static void *
use_a_page (void *opaque)
{
  const uintptr_t user = (uintptr_t) opaque;
  _Atomic uint64_t *word = (_Atomic uint64_t *) sparse_page (&sparse, 7) + user;

  for (unsigned i = 0; i < ROUNDS; i++) {
    check (sparse_get (&sparse, 7) == 0);
    check (*word == 0);
    *word = user + i + 1;
    check (sparse_is_present (&sparse, 7));
    check (*word == user + i + 1);
    *word = 0;
    sparse_put (&sparse, 7);
  }
  return NULL;
}

static void
users_who_come_and_go_together_lose_nothing (void)
{
  pthread_t threads[NR_USERS];

  for (uintptr_t i = 0; i < NR_USERS; i++)
    check (pthread_create (&threads[i], NULL, use_a_page, (void *) i) == 0);
  for (unsigned i = 0; i < NR_USERS; i++)
    pthread_join (threads[i], NULL);
  check (!sparse_is_present (&sparse, 7));
  check_held (0);
}

/* Kept pages are there without a user, and one more or less costs nothing. */
static void
kept_pages_stay (void)
{
  check (sparse_get (&sparse, 5) == 0);
  check (sparse_keep (&sparse, 8) == 0);
  check_held (8);
  zram_debug_forbid_commits (true);
  check (sparse_get (&sparse, 3) == 0);
  check (sparse_is_present (&sparse, 3));
  sparse_put (&sparse, 3);
  check (!sparse_is_present (&sparse, 3));
  sparse_put (&sparse, 5);
  zram_debug_forbid_commits (false);
  check_held (8);
  check (sparse_own_kept (&sparse) == 0);
  check (sparse_get (&sparse, 12) == 0);
  check_held (9);
  sparse_put (&sparse, 12);
  check_held (8);
  check (sparse_get (&sparse, 6) == 0);
  check (sparse_keep (&sparse, 2) == 0);
  check_held (3);
  sparse_put (&sparse, 6);
  check_held (2);
  check (sparse_keep (&sparse, 0) == 0);
  check_held (0);
}

static void
pages_that_cannot_be_kept_are_not (void)
{
  check (sparse_keep (&sparse, 2) == 0);
  check (sparse_get (&sparse, 4) == 0);
  budget.limit_bytes = budget.used_bytes + 4 * SPARSE_PAGE_COST - 1;
  check (sparse_keep (&sparse, 7) == -1 && errno == ENOSPC);
  check_held (3);
  budget.limit_bytes = 0;
  for (long after = 0; after < 2; after++) {
    zram_debug_fail_commit (after);
    check (sparse_keep (&sparse, 7) == -1 && errno == ENOMEM);
    check_held (3);
  }
  zram_debug_fail_commit (-1);
  sparse_put (&sparse, 4);
  check (sparse_keep (&sparse, 0) == 0);
  check_held (0);
}

int
main (void)
{
  check (sparse_init (&sparse, NR_PAGES, &budget) == 0);
  test (an_untouched_page_is_absent_and_reads_as_zeroes);
  test (the_first_user_brings_a_page_and_the_last_takes_it_away);
  test (as_many_users_as_a_page_has_bytes_are_counted);
  test (content_stays_while_there_is_a_user_and_is_gone_after);
  test (pages_do_not_touch_each_other);
  test (only_the_first_pages_are_summed_up);
  test (no_new_page_comes_above_the_limit);
  test (a_failed_commit_leaves_the_page_absent_and_unpaid);
  test (users_who_come_and_go_together_lose_nothing);
  test (kept_pages_stay);
  test (pages_that_cannot_be_kept_are_not);
  sparse_destroy (&sparse);
  return 0;
}

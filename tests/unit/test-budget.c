/* SPDX-License-Identifier: BSD-3-Clause */
/* The budget: never above its limit, not even for a moment while threads take
 * and give, and the highest mark is remembered.
 */
#include <config.h>

#include <errno.h>
#include <pthread.h>

#include "budget.h"
#include "check.h"

#define NR_TAKERS 4
#define ROUNDS 100000
#define LIMIT 10000

static struct budget budget;

static void
check_full (uint64_t bytes)
{
  const uint64_t used = budget.used_bytes, max = budget.max_used_bytes;

  errno = 0;
  check (budget_take (&budget, bytes) == -1);
  check (errno == ENOSPC);
  check (budget.used_bytes == used && budget.max_used_bytes == max);
}

static void
an_empty_budget_has_no_limit (void)
{
  budget = (struct budget) { 0 };
  check (budget_take (&budget, UINT64_C (1) << 60) == 0);
  check (budget.used_bytes == UINT64_C (1) << 60);
}

static void
what_does_not_fit_is_not_taken (void)
{
  budget = (struct budget) { .limit_bytes = 100 };
  check_full (101);
  check (budget_take (&budget, 100) == 0);
  check_full (1);
  check (budget_take (&budget, 0) == 0);
}

static void
what_was_given_can_be_taken_again (void)
{
  budget = (struct budget) { .limit_bytes = 100 };
  check (budget_take (&budget, 60) == 0);
  check_full (41);
  budget_give (&budget, 1);
  check (budget_take (&budget, 41) == 0);
  check (budget.used_bytes == 100);
  budget_give (&budget, 100);
  check (budget.used_bytes == 0);
}

static void
the_highest_use_is_remembered (void)
{
  budget = (struct budget) { 0 };
  check (budget_take (&budget, 70) == 0);
  budget_give (&budget, 50);
  check (budget_take (&budget, 30) == 0);
  check (budget.max_used_bytes == 70);
  check (budget_take (&budget, 21) == 0);
  check (budget.max_used_bytes == 71);
}

static void
a_sum_that_wraps_round_does_not_fit (void)
{
  budget = (struct budget) { .limit_bytes = 100 };
  check (budget_take (&budget, 10) == 0);
  check_full (UINT64_MAX);
  check_full (UINT64_MAX - 9);
}

static void
a_limit_below_what_is_held_only_stops_takers (void)
{
  budget = (struct budget) { 0 };
  check (budget_take (&budget, 100) == 0);
  budget.limit_bytes = 50;
  check_full (1);
  budget_give (&budget, 60);
  check (budget_take (&budget, 10) == 0);
  check_full (1);
}

/* Counted by the takers themselves: after a take, before a give. */
static _Atomic uint64_t held_bytes;

/* More than half of it: no two can hold theirs at a time. */
static void *
take_and_give (void *opaque)
{
  struct random random = random_seeded (test_seed () + (uintptr_t) opaque);

  for (unsigned i = 0; i < ROUNDS; i++) {
    const uint64_t bytes = LIMIT / 2 + 1 + random_below (&random, LIMIT / 2);

    if (budget_take (&budget, bytes) == -1)
      continue;
    check (atomic_fetch_add (&held_bytes, bytes) + bytes <= LIMIT);
    check (budget.used_bytes <= LIMIT);
    atomic_fetch_sub (&held_bytes, bytes);
    budget_give (&budget, bytes);
  }
  return NULL;
}

static void
run_threads (void *(*one) (void *), void *(*others) (void *))
{
  pthread_t threads[NR_TAKERS];

  for (uintptr_t i = 0; i < NR_TAKERS; i++)
    check (pthread_create (&threads[i], NULL, i == 0 ? one : others,
                           (void *) i) == 0);
  for (unsigned i = 0; i < NR_TAKERS; i++)
    pthread_join (threads[i], NULL);
}

static void
takers_together_never_exceed_the_limit (void)
{
  budget = (struct budget) { .limit_bytes = LIMIT };
  run_threads (take_and_give, take_and_give);
  check (budget.used_bytes == 0);
  check (budget.max_used_bytes > 0 && budget.max_used_bytes <= LIMIT);
}

static void *
take_what_fits (void *opaque)
{
  for (unsigned i = 0; i < ROUNDS; i++) {
    check (budget_take (&budget, LIMIT) == 0);
    budget_give (&budget, LIMIT);
  }
  return NULL;
}

static void *
take_too_much (void *opaque)
{
  for (unsigned i = 0; i < ROUNDS; i++)
    check (budget_take (&budget, LIMIT + 1) == -1);
  return NULL;
}

static void
a_taker_that_fails_makes_no_other_fail (void)
{
  budget = (struct budget) { .limit_bytes = LIMIT };
  run_threads (take_what_fits, take_too_much);
  check (budget.used_bytes == 0);
}

int
main (void)
{
  test (an_empty_budget_has_no_limit);
  test (what_does_not_fit_is_not_taken);
  test (what_was_given_can_be_taken_again);
  test (the_highest_use_is_remembered);
  test (a_sum_that_wraps_round_does_not_fit);
  test (a_limit_below_what_is_held_only_stops_takers);
  test (takers_together_never_exceed_the_limit);
  test (a_taker_that_fails_makes_no_other_fail);
  return 0;
}

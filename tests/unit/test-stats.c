/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters: sums are exact, and each has a name. */
#include <config.h>

#include <pthread.h>

#include "check.h"
#include "stats.h"

#define NR_THREADS 4u
#define ROUNDS 50000u

static struct stats stats;

static void
what_is_added_is_counted_there_alone (void)
{
  for (unsigned i = 0; i < NR_STATS; i++) {
    struct stats one = { .values = { 0 } };
    struct stats_snapshot sum = { .values = { 0 } };

    stats_add (&one, i, 5);
    stats_add_locked (&one, i, 7);
    stats_add (&one, i, -2);
    stats_add_locked (&one, i, -1);
    stats_sum (&sum, &one);
    for (unsigned j = 0; j < NR_STATS; j++)
      check (sum.values[j] == (i == j ? 9 : 0));
  }
}

/* One set can go below zero while another one has what it lost. */
static void
sets_are_summed_up (void)
{
  struct stats one = { .values = { 0 } }, other = { .values = { 0 } };
  struct stats_snapshot sum = { .values = { 0 } };

  for (unsigned i = 0; i < NR_STATS; i++) {
    stats_add (&one, i, 1000 + i);
    stats_add (&other, i, -300);
  }
  stats_sum (&sum, &one);
  stats_sum (&sum, &other);
  stats_sum (&sum, &one);
  for (unsigned i = 0; i < NR_STATS; i++)
    check (sum.values[i] == 2 * (1000 + (int64_t) i) - 300);
}

static bool
is_of_a_codec (unsigned stat)
{
  return stat >= STAT_CODEC_BLOCKS && stat <= STAT_CODEC_BLOCKS_LAST;
}

static void
each_counter_has_a_name_of_its_own (void)
{
  for (unsigned i = 0; i < NR_STATS; i++) {
    check (stats_name (i) != NULL && *stats_name (i));
    for (unsigned j = 0; j < i; j++)
      if (!is_of_a_codec (i) || !is_of_a_codec (j))
        check (strcmp (stats_name (i), stats_name (j)) != 0);
  }
}

static void *
add_many (void *opaque)
{
  for (unsigned i = 0; i < ROUNDS; i++)
    stats_add (&stats, STAT_READS, 1 + i % 2);
  return NULL;
}

static void
threads_that_add_together_lose_nothing (void)
{
  struct stats_snapshot sum = { .values = { 0 } };
  pthread_t threads[NR_THREADS];

  for (unsigned i = 0; i < NR_THREADS; i++)
    check (pthread_create (&threads[i], NULL, add_many, NULL) == 0);
  for (unsigned i = 0; i < NR_THREADS; i++)
    pthread_join (threads[i], NULL);
  stats_sum (&sum, &stats);
  check (sum.values[STAT_READS] == NR_THREADS * ROUNDS / 2 * 3);
}

int
main (void)
{
  test (what_is_added_is_counted_there_alone);
  test (sets_are_summed_up);
  test (each_counter_has_a_name_of_its_own);
  test (threads_that_add_together_lose_nothing);
  return 0;
}

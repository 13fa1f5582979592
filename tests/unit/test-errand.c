/* SPDX-License-Identifier: BSD-3-Clause */
/* Errands: each is run once, by another thread, and its result comes back to
 * who asked for it.
 */
#include <config.h>

#include <pthread.h>

#include "check.h"
#include "errand.h"

#define NR_THREADS 8u
#define NR_ERRANDS 500u

static struct errands errands;

struct task {
  pthread_t runner;
  unsigned nr_runs;
  bool result;
};

static unsigned nr_at_once;     /* one thread runs them: no lock needed */

static bool
run (void *opaque)
{
  struct task *task = opaque;

  check (nr_at_once++ == 0);
  task->runner = pthread_self ();
  task->nr_runs++;
  nr_at_once--;
  return task->result;
}

static void
check_run (bool result, bool by_another)
{
  struct task task = { .result = result };

  check (errand_run (&errands, run, &task) == result);
  check (task.nr_runs == 1);
  check (!pthread_equal (task.runner, pthread_self ()) == by_another);
}

static void
without_a_thread_the_caller_runs_them (void)
{
  check_run (true, false);
  check_run (false, false);
}

static void
another_thread_runs_them (void)
{
  check (errands_start (&errands) == 0);
  for (unsigned i = 0; i < 10; i++)
    check_run (i % 2, true);
  errands_stop (&errands);
  check_run (true, false);
}

static void *
ask_often (void *opaque)
{
  for (unsigned i = 0; i < NR_ERRANDS; i++)
    check_run (random_below (opaque, 2), true);
  return NULL;
}

static void
each_of_many_gets_its_own_result (void)
{
  struct random states[NR_THREADS];
  pthread_t threads[NR_THREADS];

  errands_destroy (&errands);
  errands_init (&errands);
  check (errands_start (&errands) == 0);
  for (unsigned i = 0; i < NR_THREADS; i++) {
    states[i] = random_seeded (test_seed () + i);
    check (pthread_create (&threads[i], NULL, ask_often, &states[i]) == 0);
  }
  for (unsigned i = 0; i < NR_THREADS; i++)
    check (pthread_join (threads[i], NULL) == 0);
  errands_stop (&errands);
}

int
main (void)
{
  errands_init (&errands);
  test (without_a_thread_the_caller_runs_them);
  test (another_thread_runs_them);
  test (each_of_many_gets_its_own_result);
  errands_destroy (&errands);
  return 0;
}

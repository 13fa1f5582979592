/* SPDX-License-Identifier: BSD-3-Clause */
/* What takes long has a bar on a terminal and nowhere else, and closes with one
 * line of what came of it.
 *
 * The store is answered when the progress was asked for a few times, so the bar
 * has been drawn by then, however slow the machine is.  Where nobody is to ask,
 * it is answered a little later than somebody would have.
 */
#include <config.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "fake.h"

#define ASKED_MAX 3

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned nr_asked, nr_wanted;
static const char *stored;      /* the answer to the store */
static atomic_bool is_stored, stays_the_same;

/* Or nobody is to ask, and nobody did for three times as long as it takes. */
static void
wait_until_asked (void)
{
  struct timespec end;

  clock_gettime (CLOCK_REALTIME, &end);
  end.tv_nsec += 300 * 1000 * 1000;
  end.tv_sec += end.tv_nsec / (1000 * 1000 * 1000);
  end.tv_nsec %= 1000 * 1000 * 1000;
  pthread_mutex_lock (&lock);
  if (nr_wanted == 0)
    while (nr_asked == 0 &&
           pthread_cond_timedwait (&changed, &lock, &end) == 0)
      ;
  while (nr_asked < nr_wanted)
    pthread_cond_wait (&changed, &lock);
  pthread_mutex_unlock (&lock);
}

/* 0 0 is nothing yet; then some; then more than there is. */
static const char *
progress (void)
{
  static const char *const answers[] = {
    "0 0\n", "25 100\n", "120 100\n",
  };
  const char *answer;

  pthread_mutex_lock (&lock);
  answer = answers[nr_asked < ASKED_MAX ? nr_asked : ASKED_MAX - 1];
  nr_asked++;
  pthread_cond_signal (&changed);
  pthread_mutex_unlock (&lock);
  return fake_ok (answer);
}

static const char *
answer (const char *line)
{
  if (strcmp (line, "list") == 0)
    return fake_ok ("swap\n");
  if (strcmp (line, "show swap progress") == 0)
    return progress ();
  if (strcmp (line, "show swap mm_stat") == 0)
    return fake_ok (is_stored ? "9437184 1048576 2097152 0 0 0 7 0 0\n" :
                    "9437184 3145728 4194304 0 0 0 4 0 0\n");
  if (strcmp (line, "show swap bd_stat") == 0)
    return fake_ok (is_stored ? "512 0 0\n" : "0 0 0\n");
  if (strncmp (line, "store swap ", 11) != 0)
    return NULL;
  wait_until_asked ();
  is_stored = !stays_the_same;
  return stored;
}

/* The next store is answered after the progress was shown so often. */
static void
prepare (unsigned nr, const char *text)
{
  pthread_mutex_lock (&lock);
  nr_asked = 0;
  nr_wanted = nr;
  pthread_mutex_unlock (&lock);
  stored = text;
  is_stored = false;
}

/* One more question than there are answers: the last one was drawn by then. */
static void
a_terminal_has_a_bar (void)
{
  struct outcome outcome;

  CHECK ("a terminal has a bar");
  prepare (ASKED_MAX + 1, "ok 0\n");
  fake_run_on_terminal (&outcome, WORDS ("recompress"));
  require (outcome.status == 0);
  require (strstr (outcome.err, "\rswap: recompress [=======                 "
                                "      ]  25 %"));
  require (strstr (outcome.err, "\rswap: recompress [========================"
                                "======] 100 %"));
  require (!strchr (outcome.err, '\n'));
  require (strcmp (outcome.err + strlen (outcome.err) - 4, "\r\033[K") == 0);
  require (strcmp (outcome.out, "swap: compressed data 3M -> 1M, "
                                "memory 4M -> 2M\n") == 0);
}

static void
what_takes_no_time_has_no_bar (void)
{
  struct outcome outcome;

  CHECK ("what nobody asks about has no bar, and no line is erased");
  prepare (1, "ok 0\n");
  fake_run_on_terminal (&outcome, WORDS ("compact"));
  require (outcome.status == 0);
  require (strcmp (outcome.err, "") == 0);
  require (strcmp (outcome.out,
                   "swap: memory 4M -> 2M, pages freed: 3\n") == 0);
}

static void
a_pipe_has_no_bar (void)
{
  struct outcome outcome;

  CHECK ("a pipe has no bar");
  prepare (0, "ok 0\n");
  fake_run (&outcome, WORDS ("writeback", "--type=huge"));
  require (outcome.status == 0);
  require (nr_asked == 0);
  require (strcmp (outcome.err, "") == 0);
  require (strcmp (outcome.out, "swap: backing file 0B -> 2M, "
                                "memory 4M -> 2M\n") == 0);
}

static void
half_a_pass_is_told_too (void)
{
  struct outcome outcome;

  CHECK ("a pass that ends with an error tells what was done until then");
  prepare (0, "error ENOSPC the backing file is full\n");
  fake_run (&outcome, WORDS ("writeback", "--type=huge"));
  require (outcome.status == 1);
  require (strcmp (outcome.err, "nbdzram: swap: writeback: ENOSPC the backing "
                                "file is full\n") == 0);
  require (strcmp (outcome.out, "swap: backing file 0B -> 2M, "
                                "memory 4M -> 2M\n") == 0);
}

static void
a_pass_that_does_not_begin_is_not_told (void)
{
  struct outcome outcome;

  CHECK ("a store that changed nothing says what is wrong, no more");
  prepare (0, "error EBUSY another pass\n");
  stays_the_same = true;
  fake_run (&outcome, WORDS ("compact"));
  require (outcome.status == 1);
  require (strcmp (outcome.err, "nbdzram: swap: compact: EBUSY another pass\n")
           == 0);
  require (strcmp (outcome.out, "") == 0);
  stays_the_same = false;
}

static void
a_server_that_dies_is_told_in_one_line (void)
{
  struct outcome outcome;

  CHECK ("a server that dies meanwhile is told in one line");
  prepare (0, NULL);
  fake_run (&outcome, WORDS ("compact"));
  require (outcome.status == 1);
  require (strstr (outcome.err, ": the server closed the connection\n"));
  require (strchr (outcome.err, '\n') == strrchr (outcome.err, '\n'));
}

int
main (void)
{
  fake_start (answer);
  a_terminal_has_a_bar ();
  what_takes_no_time_has_no_bar ();
  a_pipe_has_no_bar ();
  half_a_pass_is_told_too ();
  a_pass_that_does_not_begin_is_not_told ();
  a_server_that_dies_is_told_in_one_line ();
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Errands; see errand.h. */
#include <config.h>

#include <errno.h>

#include "../store/background.h"
#include "../store/report.h"
#include "errand.h"

/* On the stack of who waits for it. */
struct errand {
  errand_function *function;
  void *opaque;
  struct errand *next;
  bool done, result;
};

void
errands_init (struct errands *errands)
{
  *errands = (struct errands) { .started = false };
  pthread_mutex_init (&errands->lock, NULL);
  pthread_cond_init (&errands->changed, NULL);
}

void
errands_destroy (struct errands *errands)
{
  pthread_cond_destroy (&errands->changed);
  pthread_mutex_destroy (&errands->lock);
}

/* The lock is held, but not meanwhile. */
static void
run_first (struct errands *errands)
{
  struct errand *errand = errands->first;
  bool result;

  errands->first = errand->next;
  pthread_mutex_unlock (&errands->lock);
  result = errand->function (errand->opaque);
  pthread_mutex_lock (&errands->lock);
  errand->result = result;
  errand->done = true;
  pthread_cond_broadcast (&errands->changed);
}

static void *
errand_loop (void *opaque)
{
  struct errands *errands = opaque;

  background_begin ();
  pthread_mutex_lock (&errands->lock);
  while (errands->first || !errands->stopping)
    if (errands->first)
      run_first (errands);
    else
      pthread_cond_wait (&errands->changed, &errands->lock);
  pthread_mutex_unlock (&errands->lock);
  return NULL;
}

int
errands_start (struct errands *errands)
{
  const int errnum =
    pthread_create (&errands->thread, NULL, errand_loop, errands);

  if (errnum == 0) {
    errands->started = true;
    return 0;
  }
  errno = errnum;
  report_error ("errands: cannot start their thread: %m");
  return -1;
}

void
errands_stop (struct errands *errands)
{
  if (!errands->started)
    return;
  pthread_mutex_lock (&errands->lock);
  errands->stopping = true;
  pthread_cond_broadcast (&errands->changed);
  pthread_mutex_unlock (&errands->lock);
  pthread_join (errands->thread, NULL);
  errands->started = false;
}

static void
append (struct errands *errands, struct errand *errand)
{
  struct errand **last = &errands->first;

  while (*last)
    last = &(*last)->next;
  *last = errand;
}

bool
errand_run (struct errands *errands, errand_function *function, void *opaque)
{
  struct errand errand = { .function = function, .opaque = opaque };

  if (!errands->started)
    return function (opaque);
  pthread_mutex_lock (&errands->lock);
  append (errands, &errand);
  pthread_cond_broadcast (&errands->changed);
  while (!errand.done)
    pthread_cond_wait (&errands->changed, &errands->lock);
  pthread_mutex_unlock (&errands->lock);
  return errand.result;
}

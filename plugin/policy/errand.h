/* SPDX-License-Identifier: BSD-3-Clause */
/* Errands: what a request needs done and must not do itself, since it allocates
 * or starts threads.  One thread does them, one after the other; the request
 * waits.  The thread is neither real-time nor an IO flusher, as the threads of
 * requests may be (control/safeguard.h), so it may wait for memory.
 */
#ifndef ZRAM_ERRAND_H
#define ZRAM_ERRAND_H

#include <pthread.h>
#include <stdbool.h>

typedef bool errand_function (void *opaque);

struct errand;

struct errands {
  pthread_t thread;
  bool started;
  pthread_mutex_t lock;         /* guards what follows; innermost */
  pthread_cond_t changed;       /* one came, one is done, or stopping */
  struct errand *first;
  bool stopping;
};

void errands_init (struct errands *errands);

/* -1: a message was given. */
int errands_start (struct errands *errands);

/* No request is in flight. */
void errands_stop (struct errands *errands);
void errands_destroy (struct errands *errands);

/* What the function returns.  Called with no lock held; without a thread it is
 * the caller who runs it. */
bool errand_run (struct errands *errands, errand_function *function,
                 void *opaque);

#endif

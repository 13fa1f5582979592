/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool: memory that is present before a request needs it.
 *
 * With a reserve no request commits memory, or gives any back.  What it stores
 * goes to pages that are held already: spare pages of zspages, and, where a
 * class has none, those of a span from the pool, which belongs to no class yet.
 * A thread of its own (refill.h) keeps all that as large as was asked for.
 *
 *           request                         refill
 *   pool --open a zspage-->  class  <--commit pages ahead--
 *   pool <--close an empty one--    ---give surplus back-->  system
 *   pool <------------------commit------------------------  system
 *
 * A span in the pool is ready or emptied.  Ready: its first pages are held, as
 * many as unit_pages says, and no others.  Emptied: it was a zspage, and has
 * what that held; refill makes it ready.
 *
 * The pool's lock comes behind a class lock, and nothing behind it.
 */
#ifndef ZRAM_POOL_H
#define ZRAM_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sizeclass.h"
#include "zspage.h"

enum pool_list { POOL_READY, POOL_EMPTIED, NR_POOL_LISTS };

struct pool {
  /* Set once, before the first request. */
  uint64_t reserve_pages;       /* to be kept ready; 0: there is no reserve */
  uint32_t unit_pages;          /* of a span that is ready */

  pthread_mutex_t lock;         /* guards what follows */
  uint32_t lists[NR_POOL_LISTS];        /* first span's number + 1, 0: none */
  uint32_t nr_spans[NR_POOL_LISTS];
  uint64_t nr_held_pages;       /* of all of them */
  uint32_t nr_wanted;           /* ready spans, as refill found last */
  uint64_t short_classes[NR_SIZECLASSES / 64];  /* bits: pages are wanted */

  pthread_cond_t work;          /* refill waits for it */
  pthread_cond_t supply;        /* requests do */
  bool asked;                   /* there is work */
  bool runs, stopping;          /* refill's thread */
  uint64_t nr_begun, nr_done;   /* rounds of it */
  int result;                   /* errno of the last one, 0: it is well */
  uint64_t nr_waits;            /* of requests, since the start */

  _Atomic uint64_t nr_borrowed; /* objects that went to a larger class, since
                                 * the start */
};

void pool_init (struct pool *pool);
void pool_destroy (struct pool *pool);

/* The pages of a span go into the pool, or out of it; links are in the
 * descriptors.  False: the list is empty. */
void pool_put (struct pool *pool, struct zspage *zspages, enum pool_list list,
               uint32_t number);
bool pool_take (struct pool *pool, struct zspage *zspages, enum pool_list list,
                uint32_t *number);

uint32_t pool_nr_ready (struct pool *pool);
uint64_t pool_held_pages (struct pool *pool);

/* This class wants pages ahead. */
void pool_ask (struct pool *pool, unsigned class_index);

/* Which classes did so since the last time?  One of them; NR_SIZECLASSES: none
 * is left. */
unsigned pool_next_short (struct pool *pool);

#endif

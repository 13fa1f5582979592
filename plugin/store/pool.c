/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool; see pool.h. */
#include <config.h>

#include <assert.h>
#include <time.h>

#include "pool.h"

void
pool_init (struct pool *pool)
{
  pthread_condattr_t monotonic;

  pthread_condattr_init (&monotonic);
  pthread_condattr_setclock (&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init (&pool->lock, NULL);
  pthread_cond_init (&pool->work, &monotonic);
  pthread_cond_init (&pool->supply, NULL);
  pthread_condattr_destroy (&monotonic);
}

void
pool_destroy (struct pool *pool)
{
  pthread_cond_destroy (&pool->supply);
  pthread_cond_destroy (&pool->work);
  pthread_mutex_destroy (&pool->lock);
}

/* Under the lock. */
static void
wake_refill (struct pool *pool)
{
  if (pool->asked)
    return;
  pool->asked = true;
  pthread_cond_signal (&pool->work);
}

void
pool_put (struct pool *pool, struct zspage *zspages, enum pool_list list,
          uint32_t number)
{
  pthread_mutex_lock (&pool->lock);
  zspages[number].next = pool->lists[list];
  pool->lists[list] = number + 1;
  pool->nr_spans[list]++;
  pool->nr_held_pages += zspages[number].nr_held_pages;
  if (list == POOL_READY)
    pthread_cond_broadcast (&pool->supply);
  pthread_mutex_unlock (&pool->lock);
}

/* Below three quarters of what is wanted refill has work. */
bool
pool_take (struct pool *pool, struct zspage *zspages, enum pool_list list,
           uint32_t *number)
{
  bool found;

  pthread_mutex_lock (&pool->lock);
  found = pool->lists[list] != 0;
  *number = found ? pool->lists[list] - 1 : 0;
  if (found) {
    pool->lists[list] = zspages[*number].next;
    pool->nr_spans[list]--;
    pool->nr_held_pages -= zspages[*number].nr_held_pages;
  }
  if (list == POOL_READY &&
      pool->nr_spans[list] < pool->nr_wanted - pool->nr_wanted / 4)
    wake_refill (pool);
  pthread_mutex_unlock (&pool->lock);
  return found;
}

uint32_t
pool_nr_ready (struct pool *pool)
{
  uint32_t nr;

  pthread_mutex_lock (&pool->lock);
  nr = pool->nr_spans[POOL_READY];
  pthread_mutex_unlock (&pool->lock);
  return nr;
}

uint64_t
pool_held_pages (struct pool *pool)
{
  uint64_t nr;

  pthread_mutex_lock (&pool->lock);
  nr = pool->nr_held_pages;
  pthread_mutex_unlock (&pool->lock);
  return nr;
}

void
pool_ask (struct pool *pool, unsigned class_index)
{
  pthread_mutex_lock (&pool->lock);
  pool->short_classes[class_index / 64] |= UINT64_C (1) << class_index % 64;
  wake_refill (pool);
  pthread_mutex_unlock (&pool->lock);
}

unsigned
pool_next_short (struct pool *pool)
{
  unsigned class_index = NR_SIZECLASSES;

  pthread_mutex_lock (&pool->lock);
  for (unsigned i = 0; i < NR_SIZECLASSES / 64; i++)
    if (pool->short_classes[i] != 0) {
      class_index = i * 64 + __builtin_ctzll (pool->short_classes[i]);
      pool->short_classes[i] &= pool->short_classes[i] - 1;
      break;
    }
  pthread_mutex_unlock (&pool->lock);
  return class_index;
}

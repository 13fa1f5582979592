/* SPDX-License-Identifier: BSD-3-Clause */
/* Shares; see share.h. */
#include <config.h>

#include <errno.h>

#include "share.h"

#define COUNTS_IN_PAGE_SHIFT 10         /* 4096 / 4 */

/* A search that finds no free number soon is given up: the next one goes on. */
#define NR_TRIES 512u

int
shares_init (struct shares *shares, struct budget *budget)
{
  shares->nr_used = shares->next = shares->nr_freed = 0;
  pthread_mutex_init (&shares->lock, NULL);
  return sparse_init (&shares->counts, NR_SHARES_MAX >> COUNTS_IN_PAGE_SHIFT,
                      budget);
}

void
shares_destroy (struct shares *shares)
{
  sparse_destroy (&shares->counts);
  pthread_mutex_destroy (&shares->lock);
}

uint64_t
shares_end (struct shares *shares)
{
  uint64_t end;

  pthread_mutex_lock (&shares->lock);
  end = SHARE_BASE + shares->nr_used;
  pthread_mutex_unlock (&shares->lock);
  return end;
}

/* Freed ones first, then from the lowest that may be free upwards. */
static uint32_t
next_number (struct shares *shares)
{
  uint32_t number;

  pthread_mutex_lock (&shares->lock);
  if (shares->nr_freed > 0)
    number = shares->freed[--shares->nr_freed];
  else {
    if (shares->next == NR_SHARES_MAX)
      shares->next = 0;
    number = shares->next++;
  }
  if (number >= shares->nr_used)
    shares->nr_used = number + 1;
  pthread_mutex_unlock (&shares->lock);
  return number;
}

/* 1: taken; 0: it is not free; -1: no memory for its count. */
static int
claim (struct shares *shares, uint32_t number)
{
  const uint64_t page = number >> COUNTS_IN_PAGE_SHIFT;
  uint32_t none = 0;

  if (sparse_get (&shares->counts, page) == -1)
    return -1;
  if (atomic_compare_exchange_strong (share_count (shares,
                                                   SHARE_BASE + number),
                                      &none, 1))
    return 1;
  sparse_put (&shares->counts, page);
  return 0;
}

/* Numbers that do not fit into the list are found again by the search. */
static void
note_freed (struct shares *shares, uint32_t number)
{
  pthread_mutex_lock (&shares->lock);
  if (shares->nr_freed < NR_FREED_SHARES)
    shares->freed[shares->nr_freed++] = number;
  else if (number < shares->next)
    shares->next = number;
  pthread_mutex_unlock (&shares->lock);
}

int
share_take (struct shares *shares, uint64_t *share)
{
  int r = 0;

  for (unsigned i = 0; i < NR_TRIES && r == 0; i++) {
    *share = SHARE_BASE + next_number (shares);
    r = claim (shares, *share - SHARE_BASE);
  }
  if (r == 1)
    return 0;
  if (r == -1)
    note_freed (shares, *share - SHARE_BASE);
  errno = r == 0 ? ENOSPC : errno;
  return -1;
}

int
share_adopt (struct shares *shares, uint64_t share, uint32_t nr_users)
{
  const uint32_t number = share - SHARE_BASE;

  if (sparse_get (&shares->counts, number >> COUNTS_IN_PAGE_SHIFT) == -1)
    return -1;
  atomic_store (share_count (shares, share), nr_users);
  if (number >= shares->nr_used)
    shares->nr_used = number + 1;
  return 0;
}

void
share_put (struct shares *shares, uint64_t share)
{
  const uint32_t number = share - SHARE_BASE;

  atomic_store (share_count (shares, share), 0);
  sparse_put (&shares->counts, number >> COUNTS_IN_PAGE_SHIFT);
  note_freed (shares, number);
}

uint64_t
shares_held_bytes (struct shares *shares)
{
  return sparse_held_bytes (&shares->counts, 0,
                            pages_for_bytes (shares->nr_used *
                                             sizeof (uint32_t)));
}

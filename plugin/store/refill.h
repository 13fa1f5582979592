/* SPDX-License-Identifier: BSD-3-Clause */
/* Refill: keeps a device's reserve (pool.h) as large as it is to be.
 *
 * Spans of the pool and spare pages of zspages count.  Half of the reserve is
 * in the pool, whatever the classes have, since any class can use that; and a
 * class that runs short gets pages ahead in the zspage that it is filling.
 * More than twice the reserve goes back to the system.
 *
 * A thread does it, woken when the pool falls below three quarters, when a
 * class runs short or a request waits, and each second.  It makes all of the
 * system calls, and holds no lock that a request takes meanwhile: it may wait
 * for memory that only these requests set free.  Where it does not run, before
 * the start and behind the end, whoever would wait for it does its work.
 */
#ifndef ZRAM_REFILL_H
#define ZRAM_REFILL_H

#include <stdbool.h>

#include "arena.h"

/* Make the reserve what it is to be, once.  -1: there is nothing more for any
 * class, for the reason in errno: ENOSPC or ENOMEM. */
int refill_round (struct arena *arena);

/* Fill the reserve for the first time.  -1: ENOSPC or ENOMEM, it is not
 * full. */
int refill_first (struct arena *arena);

/* The arena had nothing for an object (EAGAIN): wait until it may have.  No
 * lock is held.  False: there will be nothing, for the reason in errno, as
 * above. */
bool refill_wait (struct arena *arena);

struct refill_stats {
  uint64_t ready_bytes;
  uint64_t nr_waits, nr_borrows;        /* of requests, since the start */
};

void refill_get_stats (struct arena *arena, struct refill_stats *stats);

/* After the fork.  The start makes the pool this process's own, too.  -1: a
 * message was given.  The stop may be called without start, and twice. */
int refill_start (struct arena *arena);
void refill_stop (struct arena *arena);

#endif

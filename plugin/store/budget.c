/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device holds and may hold; see budget.h. */
#include <config.h>

#include <assert.h>
#include <errno.h>

#include "budget.h"

static void
raise_max (struct budget *budget, uint64_t used_bytes)
{
  uint64_t max = atomic_load_explicit (&budget->max_used_bytes,
                                       memory_order_relaxed);

  while (used_bytes > max)
    if (atomic_compare_exchange_weak (&budget->max_used_bytes, &max,
                                      used_bytes))
      break;
}

int
budget_take (struct budget *budget, uint64_t bytes)
{
  uint64_t limit = atomic_load_explicit (&budget->limit_bytes,
                                         memory_order_relaxed);
  uint64_t used = atomic_load_explicit (&budget->used_bytes,
                                        memory_order_relaxed);

  /* Compare and swap, not add and undo: a request that does not fit must not
   * make a smaller one beside it fail. */
  do {
    if (limit != 0 && (bytes > limit || used > limit - bytes)) {
      errno = ENOSPC;
      return -1;
    }
  } while (!atomic_compare_exchange_weak (&budget->used_bytes, &used,
                                          used + bytes));
  raise_max (budget, used + bytes);
  return 0;
}

void
budget_force (struct budget *budget, uint64_t bytes)
{
  raise_max (budget, atomic_fetch_add (&budget->used_bytes, bytes) + bytes);
}

void
budget_give (struct budget *budget, uint64_t bytes)
{
  uint64_t before = atomic_fetch_sub (&budget->used_bytes, bytes);

  assert (before >= bytes);
  (void) before;
}

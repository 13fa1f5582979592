/* SPDX-License-Identifier: BSD-3-Clause */
/* Sparse arrays; see sparse.h. */
#include <config.h>

#include <errno.h>
#include <sched.h>

#include "memory.h"
#include "sparse.h"

/* No count reaches it: a page has 4096 bytes, and as many users at the most. */
#define CHANGING UINT16_MAX

int
sparse_init_at (struct sparse *sparse, struct memory *memory, uint64_t place,
                uint64_t nr_pages, struct budget *budget)
{
  sparse->nr_pages = nr_pages;
  sparse->nr_kept_pages = 0;
  sparse->budget = budget;
  sparse->use_counts = NULL;
  sparse->start = memory_map (memory, place, nr_pages << PAGE_SHIFT);
  if (!sparse->start)
    return -1;
  sparse->use_counts = pages_reserve (nr_pages * sizeof (uint16_t));
  if (sparse->use_counts)
    return 0;
  pages_unreserve (sparse->start, nr_pages << PAGE_SHIFT);
  return -1;
}

void
sparse_destroy (struct sparse *sparse)
{
  pages_unreserve (sparse->use_counts, sparse->nr_pages * sizeof (uint16_t));
  pages_unreserve (sparse->start, sparse->nr_pages << PAGE_SHIFT);
}

/* The count was 0 and is CHANGING: the page is ours alone. */
static int
hold_page (struct sparse *sparse, uint64_t page)
{
  if (budget_take (sparse->budget, SPARSE_PAGE_COST) == -1)
    return -1;
  if (pages_commit (sparse_page (sparse, page), PAGE_BYTES) == -1) {
    budget_give (sparse->budget, SPARSE_PAGE_COST);
    return -1;
  }
  return 0;
}

static bool
is_kept (const struct sparse *sparse, uint64_t page)
{
  return page < atomic_load_explicit (&sparse->nr_kept_pages,
                                      memory_order_relaxed);
}

static int
hold_first (struct sparse *sparse, uint64_t page)
{
  const int r = hold_page (sparse, page);
  const int saved_errno = errno;

  atomic_store_explicit (&sparse->use_counts[page], r == 0 ? 1 : 0,
                         memory_order_release);
  errno = saved_errno;
  return r;
}

int
sparse_get (struct sparse *sparse, uint64_t page)
{
  _Atomic uint16_t *count = &sparse->use_counts[page];
  uint16_t users = atomic_load_explicit (count, memory_order_relaxed);

  for (;;) {
    if (users == CHANGING) {
      sched_yield ();
      users = atomic_load_explicit (count, memory_order_relaxed);
    }
    else if (users == 0 && !is_kept (sparse, page)) {
      if (atomic_compare_exchange_weak (count, &users, CHANGING))
        return hold_first (sparse, page);
    }
    else if (atomic_compare_exchange_weak (count, &users, users + 1))
      return 0;
  }
}

/* Where the system keeps the page nevertheless it keeps its content, too. */
static void
release_page (struct sparse *sparse, uint64_t page)
{
  pages_release (sparse_page (sparse, page), PAGE_BYTES);
  budget_give (sparse->budget, SPARSE_PAGE_COST);
}

void
sparse_put (struct sparse *sparse, uint64_t page)
{
  _Atomic uint16_t *count = &sparse->use_counts[page];
  uint16_t users = atomic_load_explicit (count, memory_order_relaxed);
  const bool kept = is_kept (sparse, page);

  while (!atomic_compare_exchange_weak (count, &users, users == 1 && !kept ?
                                        CHANGING : users - 1))
    continue;
  if (users == 1 && !kept) {
    release_page (sparse, page);
    atomic_store_explicit (count, 0, memory_order_release);
  }
}

int
sparse_adopt (struct sparse *sparse, uint64_t page, unsigned nr_users)
{
  if (pages_commit (sparse_page (sparse, page), PAGE_BYTES) == -1)
    return -1;
  budget_force (sparse->budget, SPARSE_PAGE_COST);
  atomic_store (&sparse->use_counts[page], nr_users);
  return 0;
}

/* The counts of these pages must not be absent either; they are zeroes, and
 * stay where they are once they are there. */
static int
commit_counts (struct sparse *sparse, uint64_t page, uint64_t end)
{
  char *counts = (char *) sparse->use_counts;
  const uint64_t first = page * sizeof (uint16_t) >> PAGE_SHIFT;
  const uint64_t last = pages_for_bytes (end * sizeof (uint16_t));

  return pages_commit (counts + (first << PAGE_SHIFT),
                       (last - first) << PAGE_SHIFT);
}

static uint64_t
count_unused (const struct sparse *sparse, uint64_t page, uint64_t end)
{
  uint64_t count = 0;

  for (; page < end; page++)
    count += !sparse_is_present (sparse, page);
  return count;
}

static void
release_unused (struct sparse *sparse, uint64_t page, uint64_t end)
{
  for (; page < end; page++)
    if (!sparse_is_present (sparse, page))
      release_page (sparse, page);
}

static int
keep_more (struct sparse *sparse, uint64_t page, uint64_t end)
{
  const uint64_t nr_unused = count_unused (sparse, page, end);

  if (budget_take (sparse->budget, nr_unused * SPARSE_PAGE_COST) == -1)
    return -1;
  if (commit_counts (sparse, page, end) == 0 &&
      pages_commit (sparse_page (sparse, page),
                    (end - page) << PAGE_SHIFT) == 0) {
    sparse->nr_kept_pages = end;
    return 0;
  }
  release_unused (sparse, page, end);
  errno = ENOMEM;
  return -1;
}

int
sparse_keep (struct sparse *sparse, uint64_t nr_pages)
{
  const uint64_t kept = sparse->nr_kept_pages;

  if (nr_pages > kept)
    return keep_more (sparse, kept, nr_pages);
  sparse->nr_kept_pages = nr_pages;
  release_unused (sparse, nr_pages, kept);
  return 0;
}

int
sparse_own_kept (struct sparse *sparse)
{
  const uint64_t kept = sparse->nr_kept_pages;

  if (kept == 0)
    return 0;
  return commit_counts (sparse, 0, kept) == 0 ?
    pages_commit (sparse->start, kept << PAGE_SHIFT) : -1;
}

uint64_t
sparse_held_bytes (const struct sparse *sparse, uint64_t page, uint64_t end)
{
  uint64_t held = 0;

  for (; page < end; page++)
    if (is_kept (sparse, page) || sparse_is_present (sparse, page))
      held += SPARSE_PAGE_COST;
  return held;
}

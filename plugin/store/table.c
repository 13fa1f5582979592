/* SPDX-License-Identifier: BSD-3-Clause */
/* The table; see table.h.
 *
 * A page of slots is shared by 512 blocks and so by many block locks.  Its use
 * count says when it may go: a writer counts itself in before it publishes a
 * slot that is not empty, and whoever brings the count to 0 turns it into
 * RELEASING, gives the page back and then sets it to 0.  A writer that meets
 * RELEASING waits for the one system call; a reader needs no care, since it
 * sees an empty slot before, while and after.
 */
#include <config.h>

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "pages.h"
#include "report.h"
#include "table.h"

/* No count reaches it: a page has 512 slots. */
#define RELEASING UINT16_MAX

/* What a page of slots costs: itself and its use count. */
#define PAGE_COST (PAGE_BYTES + sizeof (uint16_t))

static uint64_t
nr_pages (const struct table *table)
{
  return pages_for_bytes (table->nr_slots * sizeof (slot_t));
}

int
table_init (struct table *table, uint64_t nr_slots, struct budget *budget)
{
  memset (table, 0, sizeof *table);
  table->nr_slots = nr_slots;
  table->budget = budget;
  table->slots = pages_reserve (nr_pages (table) << PAGE_SHIFT);
  if (!table->slots)
    return -1;
  table->use_counts = pages_reserve (nr_pages (table) * sizeof (uint16_t));
  if (!table->use_counts) {
    pages_unreserve (table->slots, nr_pages (table) << PAGE_SHIFT);
    return -1;
  }
  return 0;
}

void
table_destroy (struct table *table)
{
  pages_unreserve (table->use_counts, nr_pages (table) * sizeof (uint16_t));
  pages_unreserve (table->slots, nr_pages (table) << PAGE_SHIFT);
}

static void *
page_address (const struct table *table, uint64_t page)
{
  return (char *) table->slots + (page << PAGE_SHIFT);
}

/* The count was 0 and is RELEASING: the page is ours alone. */
static int
hold_page (struct table *table, uint64_t page)
{
  if (budget_take (table->budget, PAGE_COST) == -1)
    return -1;
  if (pages_commit (page_address (table, page), PAGE_BYTES) == -1) {
    budget_give (table->budget, PAGE_COST);
    return -1;
  }
  return 0;
}

/* Where the system keeps the page it holds only zeroes, the empty slots. */
static void
release_page (struct table *table, uint64_t page)
{
  pages_release (page_address (table, page), PAGE_BYTES);
  budget_give (table->budget, PAGE_COST);
}

static int
hold_first (struct table *table, uint64_t page)
{
  const int r = hold_page (table, page);
  const int saved_errno = errno;

  atomic_store_explicit (&table->use_counts[page], r == 0 ? 1 : 0,
                         memory_order_release);
  errno = saved_errno;
  return r;
}

static int
page_get (struct table *table, uint64_t page)
{
  _Atomic uint16_t *count = &table->use_counts[page];
  uint16_t users = atomic_load_explicit (count, memory_order_relaxed);

  for (;;) {
    if (users == RELEASING) {
      sched_yield ();
      users = atomic_load_explicit (count, memory_order_relaxed);
    }
    else if (users == 0) {
      if (atomic_compare_exchange_weak (count, &users, RELEASING))
        return hold_first (table, page);
    }
    else if (atomic_compare_exchange_weak (count, &users, users + 1))
      return 0;
  }
}

static void
page_put (struct table *table, uint64_t page)
{
  _Atomic uint16_t *count = &table->use_counts[page];
  uint16_t users = atomic_load_explicit (count, memory_order_relaxed);

  while (!atomic_compare_exchange_weak (count, &users,
                                        users == 1 ? RELEASING : users - 1))
    continue;
  if (users == 1) {
    release_page (table, page);
    atomic_store_explicit (count, 0, memory_order_release);
  }
}

int
table_prepare (struct table *table, uint64_t block)
{
  if (table_peek (table, block) != 0)
    return 0;
  return page_get (table, block >> SLOTS_IN_PAGE_SHIFT);
}

void
table_unprepare (struct table *table, uint64_t block)
{
  if (table_peek (table, block) == 0)
    page_put (table, block >> SLOTS_IN_PAGE_SHIFT);
}

slot_t
table_publish (struct table *table, uint64_t block, slot_t slot)
{
  slot_t old = table_peek (table, block);

  if (old == slot)              /* an absent page is not written to */
    return old;
  old = atomic_exchange_explicit (&table->slots[block], slot,
                                  memory_order_acq_rel);
  if (slot == 0)
    page_put (table, block >> SLOTS_IN_PAGE_SHIFT);
  return old;
}

uint64_t
table_held_bytes (const struct table *table)
{
  uint64_t held = 0;

  for (uint64_t page = 0; page < nr_pages (table); page++)
    if (atomic_load (&table->use_counts[page]) != 0)
      held += PAGE_COST;
  return held;
}

static unsigned
count_users (const struct table *table, uint64_t page)
{
  uint64_t block = page << SLOTS_IN_PAGE_SHIFT;
  const uint64_t end = block + SLOTS_IN_PAGE;
  unsigned users = 0;

  for (; block < end && block < table->nr_slots; block++)
    users += table_peek (table, block) != 0;
  return users;
}

bool
table_check (const struct table *table)
{
  for (uint64_t page = 0; page < nr_pages (table); page++) {
    const unsigned noted = atomic_load (&table->use_counts[page]);
    const unsigned users = count_users (table, page);

    if (users != noted) {
      report_error ("table page %llu: %u slots in use, %u noted",
                    (unsigned long long) page, users, noted);
      return false;
    }
  }
  return true;
}

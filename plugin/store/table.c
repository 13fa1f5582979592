/* SPDX-License-Identifier: BSD-3-Clause */
/* The table; see table.h.
 *
 * A page of slots is shared by 512 blocks and so by many block locks: a writer
 * counts itself in before it publishes a slot that is not empty, and out when
 * it published an empty one.
 */
#include <config.h>

#include <errno.h>

#include "crash.h"
#include "memory.h"
#include "report.h"
#include "super.h"
#include "table.h"

_Static_assert (JOURNAL_INTENTS == NR_LOCKS, "an intent for each stripe");

int
table_init_at (struct table *table, struct memory *memory, uint64_t nr_slots,
               struct budget *budget)
{
  table->nr_slots = nr_slots;
  table->first_share = UINT64_MAX;
  if (journal_init (&table->journal, memory, budget) == -1)
    return -1;
  if (sparse_init_at (&table->slots, memory, SUPER_AT_SLOTS,
                      NR_SLOTS_MAX >> SLOTS_IN_PAGE_SHIFT, budget) == -1)
    goto err1;
  if (sparse_init_at (&table->ages, memory, SUPER_AT_AGES,
                      NR_SLOTS_MAX >> AGES_IN_PAGE_SHIFT, budget) == -1)
    goto err2;
  return 0;

 err2:
  sparse_destroy (&table->slots);
 err1:
  journal_destroy (&table->journal);
  return -1;
}

void
table_destroy (struct table *table)
{
  journal_destroy (&table->journal);
  sparse_destroy (&table->ages);
  sparse_destroy (&table->slots);
}

/* Hashes never go, so there is nothing to undo. */
static int
prepare_journal (struct table *table, uint64_t nr_pages)
{
  for (uint64_t page = 0; page < nr_pages; page++)
    if (journal_prepare (&table->journal, page) == -1)
      return -1;
  return 0;
}

int
table_keep (struct table *table, uint64_t nr_slots)
{
  const uint64_t nr_pages = table->slots.nr_kept_pages;
  int saved_errno;

  if (prepare_journal (table, pages_for_bytes (nr_slots *
                                               sizeof (slot_t))) == -1)
    return -1;
  if (sparse_keep (&table->slots,
                   pages_for_bytes (nr_slots * sizeof (slot_t))) == -1)
    return -1;
  if (sparse_keep (&table->ages,
                   pages_for_bytes (nr_slots * sizeof (age_t))) == 0)
    return 0;
  saved_errno = errno;
  sparse_keep (&table->slots, nr_pages);
  errno = saved_errno;
  return -1;
}

int
table_own_kept (struct table *table)
{
  return sparse_own_kept (&table->slots) == 0 ?
    sparse_own_kept (&table->ages) : -1;
}

static int
count_in (struct table *table, uint64_t block)
{
  int saved_errno;

  if (journal_prepare (&table->journal, block >> SLOTS_IN_PAGE_SHIFT) == -1)
    return -1;
  if (sparse_get (&table->ages, block >> AGES_IN_PAGE_SHIFT) == -1)
    return -1;
  if (sparse_get (&table->slots, block >> SLOTS_IN_PAGE_SHIFT) == 0)
    return 0;
  saved_errno = errno;
  sparse_put (&table->ages, block >> AGES_IN_PAGE_SHIFT);
  errno = saved_errno;
  return -1;
}

static void
count_out (struct table *table, uint64_t block)
{
  sparse_put (&table->slots, block >> SLOTS_IN_PAGE_SHIFT);
  sparse_put (&table->ages, block >> AGES_IN_PAGE_SHIFT);
}

int
table_prepare (struct table *table, uint64_t block)
{
  if (table_peek (table, block) != 0)
    return 0;
  if (block < table->nr_slots || block >= table->first_share)
    return count_in (table, block);
  errno = ENOSPC;
  return -1;
}

void
table_unprepare (struct table *table, uint64_t block)
{
  if (table_peek (table, block) == 0)
    count_out (table, block);
}

slot_t
table_publish (struct table *table, uint64_t block, slot_t slot)
{
  slot_t old = table_peek (table, block);

  if (old == slot)              /* an absent page is not written to */
    return old;
  if (journal_is_kept (&table->journal))
    journal_exchange (&table->journal, table_stripe (table, block),
                      table_slot (table, block), block, old, slot);
  else
    old = atomic_exchange_explicit (table_slot (table, block), slot,
                                    memory_order_acq_rel);
  crash_point ("published");
  if (slot == 0)
    count_out (table, block);
  return old;
}

static uint64_t
held_bytes (const struct table *table, uint64_t block, uint64_t end)
{
  return
    sparse_held_bytes (&table->slots, block >> SLOTS_IN_PAGE_SHIFT,
                       pages_for_bytes (end * sizeof (slot_t))) +
    sparse_held_bytes (&table->ages, block >> AGES_IN_PAGE_SHIFT,
                       pages_for_bytes (end * sizeof (age_t)));
}

uint64_t
table_held_bytes (const struct table *table, uint64_t shares_end)
{
  return journal_held_bytes (&table->journal) +
    held_bytes (table, 0, table->nr_slots) +
    (table->first_share < shares_end ?
     held_bytes (table, table->first_share, shares_end) : 0);
}

static unsigned
count_users (const struct table *table, uint64_t block, uint64_t end)
{
  unsigned users = 0;

  for (; block < end; block++)
    users += table_peek (table, block) != 0;
  return users;
}

static bool
check_counts (const struct table *table, const struct sparse *sparse,
              unsigned shift, uint64_t block, uint64_t end)
{
  for (uint64_t page = block >> shift; page << shift < end; page++) {
    const unsigned noted = atomic_load (&sparse->use_counts[page]);
    const unsigned users =
      count_users (table, page << shift, (page + 1) << shift);

    if (users != noted) {
      report_error ("table page %llu: %u slots in use, %u noted",
                    (unsigned long long) page, users, noted);
      return false;
    }
  }
  return true;
}

static bool
check (const struct table *table, uint64_t block, uint64_t end)
{
  return
    check_counts (table, &table->slots, SLOTS_IN_PAGE_SHIFT, block, end) &&
    check_counts (table, &table->ages, AGES_IN_PAGE_SHIFT, block, end);
}

bool
table_check (const struct table *table, uint64_t shares_end)
{
  return check (table, 0, table->nr_slots) &&
    (table->first_share >= shares_end ||
     check (table, table->first_share, shares_end));
}

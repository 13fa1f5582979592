/* SPDX-License-Identifier: BSD-3-Clause */
/* The journal of a table; see journal.h. */
#include <config.h>

#include <string.h>

#include "crash.h"
#include "journal.h"
#include "memory.h"
#include "pages.h"
#include "super.h"
#include "table.h"

#define HASHES_IN_PAGE_SHIFT 9
#define NR_HASHES (NR_SLOTS_MAX >> SLOTS_IN_PAGE_SHIFT)
#define NR_HASH_PAGES (NR_HASHES >> HASHES_IN_PAGE_SHIFT)
#define HASHES_BYTES (NR_HASHES * sizeof (uint64_t))
#define INTENTS_BYTES \
  (pages_for_bytes (JOURNAL_INTENTS * sizeof (struct intent)) << PAGE_SHIFT)

static int
map (struct journal *journal, struct memory *memory)
{
  struct intent *intents =
    memory_map (memory, SUPER_AT_INTENTS, INTENTS_BYTES);

  if (!intents)
    return -1;
  journal->hashes = memory_map (memory, SUPER_AT_HASHES, HASHES_BYTES);
  if (!journal->hashes)
    goto err1;
  journal->present = pages_reserve (NR_HASH_PAGES);
  if (!journal->present)
    goto err2;
  if (pages_commit (intents, INTENTS_BYTES) == 0) {
    journal->intents = intents;
    return 0;
  }
  pages_unreserve ((void *) journal->present, NR_HASH_PAGES);
 err2:
  pages_unreserve ((void *) journal->hashes, HASHES_BYTES);
 err1:
  pages_unreserve (intents, INTENTS_BYTES);
  return -1;
}

int
journal_init (struct journal *journal, struct memory *memory,
              struct budget *budget)
{
  *journal = (struct journal) { .budget = budget };
  return memory_is_file (memory) ? map (journal, memory) : 0;
}

void
journal_destroy (struct journal *journal)
{
  if (!journal_is_kept (journal))
    return;
  pages_unreserve ((void *) journal->present, NR_HASH_PAGES);
  pages_unreserve ((void *) journal->hashes, HASHES_BYTES);
  pages_unreserve (journal->intents, INTENTS_BYTES);
}

static int
hold (struct journal *journal, uint64_t page)
{
  char *start = (char *) journal->hashes + (page << PAGE_SHIFT);
  uint8_t absent = 0;

  if (budget_take (journal->budget, PAGE_BYTES) == -1)
    return -1;
  if (pages_commit (start, PAGE_BYTES) == -1) {
    budget_give (journal->budget, PAGE_BYTES);
    return -1;
  }
  if (!atomic_compare_exchange_strong (&journal->present[page], &absent, 1))
    budget_give (journal->budget, PAGE_BYTES);  /* another one was quicker */
  return 0;
}

int
journal_prepare (struct journal *journal, uint64_t page)
{
  const uint64_t hash_page = page >> HASHES_IN_PAGE_SHIFT;

  if (!journal_is_kept (journal) || journal->present[hash_page])
    return 0;
  return hold (journal, hash_page);
}

static void
note (struct intent *intent, uint64_t block, slot_t old, slot_t slot)
{
  intent->block = block;
  intent->old = old;
  intent->slot = slot;
  atomic_store_explicit (&intent->active, 1, memory_order_release);
  crash_point ("intended");
}

void
journal_exchange (struct journal *journal, unsigned stripe,
                  _Atomic slot_t *at, uint64_t block, slot_t old, slot_t slot)
{
  struct intent *intent = &journal->intents[stripe];

  note (intent, block, old, slot);
  atomic_exchange_explicit (at, slot, memory_order_acq_rel);
  crash_point ("swapped");
  atomic_fetch_xor (&journal->hashes[block >> SLOTS_IN_PAGE_SHIFT],
                    journal_hash (block, old) ^ journal_hash (block, slot));
  crash_point ("hashed");
  atomic_store_explicit (&intent->active, 0, memory_order_release);
}

/* Take out of a number what the rows before it have: Gauss's elimination over
 * bits.  Each row is the only one with its highest bit. */
static uint64_t
reduce (const struct journal_deltas *deltas, uint64_t number)
{
  for (unsigned i = 0; i < deltas->nr; i++)
    if ((number ^ deltas->rows[i]) < number)
      number ^= deltas->rows[i];
  return number;
}

/* Rows stay in falling order, so that one pass reduces. */
static void
add (struct journal_deltas *deltas, uint64_t delta)
{
  unsigned at = deltas->nr;

  delta = reduce (deltas, delta);
  if (delta == 0 || deltas->nr == JOURNAL_DELTAS_MAX)
    return;
  while (at > 0 && deltas->rows[at - 1] < delta) {
    deltas->rows[at] = deltas->rows[at - 1];
    at--;
  }
  deltas->rows[at] = delta;
  deltas->nr++;
}

void
journal_get_deltas (const struct journal *journal, uint64_t page,
                    const _Atomic slot_t *slots, struct journal_deltas *deltas)
{
  deltas->nr = 0;
  for (unsigned i = 0; i < JOURNAL_INTENTS; i++) {
    const struct intent *intent = &journal->intents[i];

    if (intent->active == 1 && intent->block >> SLOTS_IN_PAGE_SHIFT == page &&
        slots[intent->block % SLOTS_IN_PAGE] == intent->slot)
      add (deltas, journal_hash (intent->block, intent->old) ^
           journal_hash (intent->block, intent->slot));
  }
}

bool
journal_explains (const struct journal_deltas *deltas, uint64_t difference)
{
  return reduce (deltas, difference) == 0;
}

void
journal_adopt (struct journal *journal, uint64_t page, uint64_t hash)
{
  const uint64_t hash_page = page >> HASHES_IN_PAGE_SHIFT;

  if (journal->hashes[page] != hash)
    journal->hashes[page] = hash;
  if (hash == 0 || journal->present[hash_page])
    return;
  journal->present[hash_page] = 1;
  budget_force (journal->budget, PAGE_BYTES);
}

void
journal_clear (struct journal *journal)
{
  memset (journal->intents, 0, INTENTS_BYTES);
}

uint64_t
journal_held_bytes (const struct journal *journal)
{
  uint64_t held = 0;

  if (journal_is_kept (journal))
    for (uint64_t page = 0; page < NR_HASH_PAGES; page++)
      held += journal->present[page] ? PAGE_BYTES : 0;
  return held;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The table: a publish is the whole truth, and an empty page costs nothing.
 * Attacks invariants 7 and 8 of table.h.
 */
#include <config.h>

#include <errno.h>
#include <pthread.h>

#include "check.h"
#include "pages.h"
#include "table.h"

#define NR_SLOTS (8 * SLOTS_IN_PAGE + 100)
#define NR_PUBLISHERS 4u
#define ROUNDS 3000u

static struct budget budget;
static struct table table;

static slot_t
some_slot (uint64_t n)
{
  slot_t slot;

  slot_of_word (n + 1, &slot);
  return slot;
}

static void
put (uint64_t block, slot_t slot)
{
  check (table_prepare (&table, block) == 0);
  table_publish (&table, block, slot);
}

static void
clear (uint64_t block)
{
  table_publish (&table, block, 0);
}

/* No slot is in use: nothing is held. */
static void
check_nothing_held (void)
{
  check (budget.used_bytes == 0);
  check (table_held_bytes (&table, 0) == 0);
  check (table_check (&table, 0));
}

static void
check_counts (void)
{
  check (budget.used_bytes == table_held_bytes (&table, 0));
  check (table_check (&table, 0));
}

static void
an_untouched_table_is_empty_and_costs_nothing (void)
{
  for (uint64_t block = 0; block < NR_SLOTS; block++) {
    check (table_page_is_empty (&table, block));
    check (table_peek (&table, block) == 0);
  }
  check_nothing_held ();
}

static void
a_publish_is_seen_and_gives_the_old_slot_back (void)
{
  check (table_prepare (&table, 5) == 0);
  check (table_peek (&table, 5) == 0);
  check (table_publish (&table, 5, some_slot (1)) == 0);
  check (table_peek (&table, 5) == some_slot (1));
  check (table_prepare (&table, 5) == 0);
  check (table_publish (&table, 5, some_slot (2)) == some_slot (1));
  check (table_publish (&table, 5, some_slot (2)) == some_slot (2));
  check (table_publish (&table, 5, 0) == some_slot (2));
  check (table_peek (&table, 5) == 0);
  check_nothing_held ();
}

static void
neighbours_are_left_alone (void)
{
  for (uint64_t block = 0; block < NR_SLOTS; block++)
    put (block, some_slot (block));
  check_counts ();
  for (uint64_t block = 0; block < NR_SLOTS; block += 3)
    clear (block);
  check_counts ();
  for (uint64_t block = 0; block < NR_SLOTS; block++)
    check (table_peek (&table, block) ==
           (block % 3 == 0 ? 0 : some_slot (block)));
  for (uint64_t block = 0; block < NR_SLOTS; block++)
    clear (block);
  check_nothing_held ();
}

static void
a_page_goes_back_with_its_last_slot (void)
{
  put (SLOTS_IN_PAGE, some_slot (1));
  put (2 * SLOTS_IN_PAGE - 1, some_slot (2));
  check (table_page_is_empty (&table, SLOTS_IN_PAGE - 1));
  check (!table_page_is_empty (&table, SLOTS_IN_PAGE + 7));
  check (table_page_is_empty (&table, 2 * SLOTS_IN_PAGE));
  clear (SLOTS_IN_PAGE);
  check (!table_page_is_empty (&table, SLOTS_IN_PAGE));
  clear (2 * SLOTS_IN_PAGE - 1);
  check (table_page_is_empty (&table, SLOTS_IN_PAGE));
  check_nothing_held ();
}

static void
the_next_page_begins_after_512_slots (void)
{
  check (SLOTS_IN_PAGE == 512);
  check (table_next_page (0) == 512);
  check (table_next_page (511) == 512);
  check (table_next_page (512) == 1024);
}

static void
clearing_an_empty_slot_changes_nothing (void)
{
  check (table_publish (&table, 9, 0) == 0);
  check_nothing_held ();
  put (8, some_slot (1));
  check (table_publish (&table, 9, 0) == 0);
  check_counts ();
  clear (8);
  check_nothing_held ();
}

static void
unprepare_takes_prepare_back (void)
{
  check (table_prepare (&table, 7) == 0);
  table_unprepare (&table, 7);
  check_nothing_held ();
  put (7, some_slot (3));
  check (table_prepare (&table, 7) == 0);
  table_unprepare (&table, 7);
  check (table_peek (&table, 7) == some_slot (3));
  check_counts ();
  clear (7);
  check_nothing_held ();
}

static void
check_prepare_fails (uint64_t block, int expected)
{
  const uint64_t used = budget.used_bytes;

  errno = 0;
  check (table_prepare (&table, block) == -1);
  check (errno == expected);
  check (budget.used_bytes == used);
  check (table_peek (&table, block) == 0);
  check_counts ();
}

static void
a_prepare_that_fails_for_want_of_memory_holds_nothing (void)
{
  for (long after = 0; ; after++) {
    zram_debug_fail_commit (after);
    if (table_prepare (&table, 11) == 0)
      break;
    check (errno == ENOMEM && after < 10);
    check_nothing_held ();
  }
  zram_debug_fail_commit (-1);
  table_unprepare (&table, 11);
  check_nothing_held ();
}

static void
a_prepare_above_the_limit_holds_nothing (void)
{
  for (budget.limit_bytes = 1; ; budget.limit_bytes += PAGE_BYTES / 2) {
    if (table_prepare (&table, 11) == 0)
      break;
    check (errno == ENOSPC && budget.limit_bytes < 10 * PAGE_BYTES);
    check_nothing_held ();
  }
  table_publish (&table, 11, some_slot (1));
  check_prepare_fails (5 * SLOTS_IN_PAGE, ENOSPC);
  put (12, some_slot (2));      /* its page is there */
  clear (11);
  clear (12);
  budget.limit_bytes = 0;
  check_nothing_held ();
}

static void
an_age_is_kept_for_each_block (void)
{
  for (uint64_t block = 0; block < NR_SLOTS; block += 50) {
    put (block, some_slot (1));
    table_touch (&table, block, block & AGE_TIME);
  }
  for (uint64_t block = 0; block < NR_SLOTS; block += 50) {
    check (*table_age (&table, block) == (block & AGE_TIME));
    table_touch (&table, block, AGE_IDLE);
    check (age_is_idle (*table_age (&table, block)));
    check (table_peek (&table, block) == some_slot (1));
    clear (block);
  }
  check_nothing_held ();
}

static void
the_last_slot_of_the_largest_disk_is_there (void)
{
  table.nr_slots = NR_SLOTS_MAX;
  put (NR_SLOTS_MAX - 1, some_slot (4));
  table_touch (&table, NR_SLOTS_MAX - 1, 77);
  check (table_peek (&table, NR_SLOTS_MAX - 1) == some_slot (4));
  check (*table_age (&table, NR_SLOTS_MAX - 1) == 77);
  clear (NR_SLOTS_MAX - 1);
  table.nr_slots = NR_SLOTS;
  check_nothing_held ();
}

static void
a_slot_behind_the_end_is_refused (void)
{
  errno = 0;
  check (table_prepare (&table, NR_SLOTS) == -1 && errno == ENOSPC);
  check_nothing_held ();
}

/* As memory that was damaged would have it. */
static void
a_slot_that_was_not_published_fails_the_check (void)
{
  put (20, some_slot (1));
  atomic_store (table_slot (&table, 21), some_slot (2));
  check (!table_check (&table, 0));
  check_reported ("table page 0: 2 slots in use, 1 noted");
  atomic_store (table_slot (&table, 21), 0);
  clear (20);
  check_nothing_held ();
}

/* Slots of one page, each with one writer. */
static void *
publish_and_clear (void *opaque)
{
  const uint64_t block = (uintptr_t) opaque;

  for (unsigned i = 0; i < ROUNDS; i++) {
    check (table_prepare (&table, block) == 0);
    check (table_publish (&table, block, some_slot (i)) == 0);
    check (table_peek (&table, block) == some_slot (i));
    check (table_publish (&table, block, 0) == some_slot (i));
    check (table_peek (&table, block) == 0);
  }
  return NULL;
}

static void
publishers_in_one_page_do_not_lose_it (void)
{
  pthread_t threads[NR_PUBLISHERS];

  for (uintptr_t i = 0; i < NR_PUBLISHERS; i++)
    check (pthread_create (&threads[i], NULL, publish_and_clear,
                           (void *) i) == 0);
  for (unsigned i = 0; i < NR_PUBLISHERS; i++)
    pthread_join (threads[i], NULL);
  check_nothing_held ();
}

int
main (void)
{
  capture_reports ();
  check (table_init (&table, NR_SLOTS, &budget) == 0);
  test (an_untouched_table_is_empty_and_costs_nothing);
  test (a_publish_is_seen_and_gives_the_old_slot_back);
  test (neighbours_are_left_alone);
  test (a_page_goes_back_with_its_last_slot);
  test (the_next_page_begins_after_512_slots);
  test (clearing_an_empty_slot_changes_nothing);
  test (unprepare_takes_prepare_back);
  test (a_prepare_that_fails_for_want_of_memory_holds_nothing);
  test (a_prepare_above_the_limit_holds_nothing);
  test (an_age_is_kept_for_each_block);
  test (the_last_slot_of_the_largest_disk_is_there);
  test (a_slot_behind_the_end_is_refused);
  test (a_slot_that_was_not_published_fails_the_check);
  test (publishers_in_one_page_do_not_lose_it);
  table_destroy (&table);
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The arena with a reserve: what is stored goes to pages that are there, in a
 * larger class if need be, refill brings more, and gives back what is too much.
 * Refill has no thread here: it works when the test says so.
 */
#include <config.h>

#include <errno.h>
#include <limits.h>

#include "arena.h"
#include "arena_inside.h"
#include "check.h"
#include "pages.h"
#include "refill.h"

#define BLOCK_BYTES 4096u
#define NR_BLOCKS 4096u
#define UNIT_PAGES 8u           /* of a ready span, at this block size */
#define STEPS 20000u
#define NR_RANDOM 400u

static struct budget budget;
static struct arena arena;
static uint8_t object[BLOCK_BYTES];

static void
make_object (uint32_t owner, uint32_t size_bytes)
{
  struct random random = random_seeded ((uint64_t) size_bytes << 32 | owner);

  random_fill (&random, object, size_bytes);
}

static int
try_store (uint32_t owner, uint32_t size_bytes, uint64_t *place)
{
  int r;

  make_object (owner, size_bytes);
  zram_debug_forbid_commits (true);
  r = arena_store (&arena, owner, object, size_bytes, place);
  zram_debug_forbid_commits (false);
  return r;
}

static uint64_t
store (uint32_t owner, uint32_t size_bytes)
{
  uint64_t place;

  check (try_store (owner, size_bytes, &place) == 0);
  return place;
}

static void
check_object (uint64_t place, uint32_t owner, uint32_t size_bytes)
{
  make_object (owner, size_bytes);
  check (arena_is_owned (&arena, place, size_bytes, owner));
  check (memcmp (arena_load (&arena, place), object, size_bytes) == 0);
}

static void
free_object (uint64_t place, uint32_t size_bytes)
{
  zram_debug_forbid_commits (true);
  arena_free (&arena, place, size_bytes);
  zram_debug_forbid_commits (false);
}

static void
check_all (void)
{
  check (arena_check (&arena));
  check (budget.used_bytes == arena_held_pages (&arena) * PAGE_BYTES);
}

static void
start (uint64_t reserve_bytes)
{
  check (arena_init (&arena, BLOCK_BYTES, NR_BLOCKS, &budget) == 0);
  check (arena_set_reserve (&arena, NR_BLOCKS, reserve_bytes) == 0);
  check (refill_first (&arena) == 0);
  check_all ();
}

/* Nothing is stored any more. */
static void
stop (void)
{
  zram_debug_fail_commit (-1);
  budget.limit_bytes = 0;
  check_all ();
  check (arena_nr_live (&arena) == 0 && arena_nr_borrowed (&arena) == 0);
  check (arena_held_pages (&arena) == arena_ready_pages (&arena));
  arena_destroy (&arena);
  budget = (struct budget) { .used_bytes = 0 };
}

static unsigned
class_of (uint32_t size_bytes)
{
  return sizeclass_index (&arena.geometry, size_bytes);
}

static void
the_reserve_is_there_at_the_start (void)
{
  start (1 << 20);
  check (arena_ready_pages (&arena) * PAGE_BYTES >= 1 << 20);
  check (arena_ready_pages (&arena) * PAGE_BYTES <
         (1 << 20) + UNIT_PAGES * PAGE_BYTES);
  check (arena.pool.nr_spans[POOL_READY] ==
         (1 << 20) / PAGE_BYTES / UNIT_PAGES);
  stop ();
}

/* The smallest objects' zspages would be shorter than a span of the pool. */
static void
objects_of_every_size_are_found_at_their_place (void)
{
  uint64_t places[BLOCK_BYTES + 1];

  start (256 * UNIT_PAGES * PAGE_BYTES);
  for (unsigned size = 1; size <= BLOCK_BYTES; size++) {
    if (size % 16 == 1)
      check (refill_round (&arena) == 0);
    places[size] = store (size, size);
  }
  check_all ();
  check (arena_nr_live (&arena) == BLOCK_BYTES);
  check (arena_nr_borrowed (&arena) == 0);
  for (unsigned size = 1; size <= BLOCK_BYTES; size++) {
    check_object (places[size], size, size);
    free_object (places[size], size);
    check (!arena_is_owned (&arena, places[size], size, size));
  }
  stop ();
}

/* Two spans are the least. */
static void
a_class_without_room_borrows_some_from_a_larger_one (void)
{
  uint64_t large, middle, small, none;

  start (1);
  large = store (1, 2000);
  middle = store (2, 1000);
  check (pool_nr_ready (&arena.pool) == 0 && arena_nr_borrowed (&arena) == 0);
  small = store (3, 500);
  check (arena_nr_borrowed (&arena) == 1);
  check (arena_is_borrowed (&arena, small, 500));
  check (arena_nr_zspages (&arena, class_of (500)) == 0);
  check_object (small, 3, 500);
  arena_set_owner (&arena, small, 4);
  check (arena_is_owned (&arena, small, 500, 4));
  check_all ();
  check (try_store (5, 3000, &none) == -1 && errno == EAGAIN);
  check (arena_store_in_open (&arena, 5, object, 500, &none) == -1);
  check (errno == ENOSPC);
  free_object (small, 500);
  check (arena_nr_borrowed (&arena) == 0);
  check (arena.pool.nr_borrowed == 1);
  free_object (middle, 1000);
  free_object (large, 2000);
  stop ();
}

static void
who_found_nothing_waits_for_refill (void)
{
  uint64_t places[2], place;

  start (1);
  places[0] = store (1, 3000);
  places[1] = store (2, 2000);
  check (try_store (3, 4000, &place) == -1 && errno == EAGAIN);
  check (refill_wait (&arena));
  place = store (3, 4000);
  check (arena.pool.nr_waits == 1);
  check_object (place, 3, 4000);
  check_all ();
  free_object (place, 4000);
  free_object (places[0], 3000);
  free_object (places[1], 2000);
  stop ();
}

static void
refill_is_asked_below_three_quarters (void)
{
  const unsigned nr = 32;       /* spans */
  uint64_t places[32];

  start (nr * UNIT_PAGES * PAGE_BYTES);
  for (unsigned i = 0; i <= nr / 4; i++) {
    check (!arena.pool.asked);
    places[i] = store (i, 1000 + 100 * i);
  }
  check (arena.pool.asked);
  for (unsigned i = 0; i <= nr / 4; i++)
    free_object (places[i], 1000 + 100 * i);
  stop ();
}

/* With refill at it between one object and the next a class needs no second
 * zspage before the first is full, and not all of its pages before. */
static void
a_zspage_is_extended_ahead_of_what_is_stored (void)
{
  const unsigned class_index = HUGE_SIZECLASS;
  unsigned nr;
  uint64_t places[ZSPAGE_OBJECTS_MAX];

  start (1);
  nr = arena.geometry.classes[class_index].nr_objects;
  for (unsigned i = 0; i < nr; i++) {
    places[i] = store (i, BLOCK_BYTES);
    check (refill_round (&arena) == 0);
    check (arena_nr_zspages (&arena, class_index) == 1);
    check (arena.classes[class_index].nr_held_pages <=
           1 + i + 2 * UNIT_PAGES);
  }
  check_all ();
  for (unsigned i = 0; i < nr; i++)
    free_object (places[i], BLOCK_BYTES);
  stop ();
}

static unsigned
nr_listed (unsigned class_index, unsigned group)
{
  unsigned nr = 0;

  for (uint32_t link = arena.classes[class_index].groups[group]; link != 0;
       link = arena.zspages[link - 1].next)
    nr++;
  return nr;
}

/* Without refill it runs dry, and is used again when it is not any more. */
static void
a_dry_zspage_waits_for_pages_or_a_free (void)
{
  const unsigned class_index = HUGE_SIZECLASS;
  uint64_t places[3 * UNIT_PAGES];
  unsigned nr = 0;

  start (1);
  while (nr < UNIT_PAGES) {     /* one more than the first span takes */
    places[nr] = store (nr, BLOCK_BYTES);
    nr++;
  }
  check (nr_listed (class_index, DRY_GROUP) == 1);
  check (arena_nr_zspages (&arena, class_index) == 2);
  check_all ();
  free_object (places[2], BLOCK_BYTES);
  check (nr_listed (class_index, DRY_GROUP) == 0);
  places[2] = store (2, BLOCK_BYTES);
  check_all ();
  places[nr] = store (nr, BLOCK_BYTES);
  nr++;
  check (nr_listed (class_index, DRY_GROUP) == 1);
  for (; nr < 2 * (UNIT_PAGES - 1); nr++)
    places[nr] = store (nr, BLOCK_BYTES);
  check (refill_round (&arena) == 0);
  check (nr_listed (class_index, DRY_GROUP) == 0);
  for (; nr < 3 * (UNIT_PAGES - 1); nr++)
    places[nr] = store (nr, BLOCK_BYTES);
  check (arena_nr_zspages (&arena, class_index) == 2);
  check_all ();
  while (nr-- > 0) {
    check_object (places[nr], nr, BLOCK_BYTES);
    free_object (places[nr], BLOCK_BYTES);
  }
  stop ();
}

static unsigned
store_in_bursts (unsigned nr, unsigned burst)
{
  for (unsigned i = 0; i < nr; i++) {
    store (i, BLOCK_BYTES);
    if (i % burst == burst - 1)
      check (refill_round (&arena) == 0);
  }
  return arena_nr_zspages (&arena, HUGE_SIZECLASS);
}

static void
free_all (unsigned class_index)
{
  struct arena_object last;

  for (uint32_t number = 0; number < arena.nr_spans_used; number++)
    for (unsigned end = UINT_MAX;
         arena.zspages[number].open && arena.zspages[number].nr_live > 0 &&
           arena_previous_object (&arena, class_index, number, &end, &last); )
      free_object (last.place, BLOCK_BYTES);
}

/* A class that is short again and again is given more at once. */
static void
bursts_leave_no_trail_of_zspages (void)
{
  start (4 << 20);
  check (store_in_bursts (1500, 64) < 50);
  check_all ();
  for (unsigned i = 0; i < 10; i++)
    arena_calm_class (&arena, HUGE_SIZECLASS);
  check (arena.classes[HUGE_SIZECLASS].nr_ahead_pages == UNIT_PAGES - 1);
  free_all (HUGE_SIZECLASS);
  stop ();
}

/* Dry zspages with little in them are emptied into one that was extended. */
static void
compaction_takes_dry_zspages_too (void)
{
  uint32_t number;

  start (1 << 20);
  check (store_in_bursts (10 * (UNIT_PAGES - 1) + 1, 1000) == 11);
  check (!arena_isolate (&arena, HUGE_SIZECLASS, &number));
  check (refill_round (&arena) == 0);
  check (arena_isolate (&arena, HUGE_SIZECLASS, &number));
  check (arena.zspages[number].group == DRY_GROUP);
  arena_putback (&arena, HUGE_SIZECLASS, number);
  free_all (HUGE_SIZECLASS);
  stop ();
}

/* Pages of zspages that were emptied go back, and no more than that. */
static void
surplus_goes_back (void)
{
  const uint64_t reserve_pages = 64;
  enum { NR = 1500 };
  uint64_t places[NR];

  start (reserve_pages * PAGE_BYTES);
  for (unsigned i = 0; i < NR; i++) {
    while (try_store (i, 3000, &places[i]) == -1)
      check (errno == EAGAIN && refill_wait (&arena));
    check (i % 100 != 0 || refill_round (&arena) == 0);
  }
  for (unsigned i = 10; i < NR; i++)
    free_object (places[i], 3000);
  check (arena_ready_pages (&arena) > 4 * reserve_pages);
  check_all ();
  check (refill_round (&arena) == 0);
  check_all ();
  check (arena_ready_pages (&arena) <= 2 * reserve_pages);
  check (arena_ready_pages (&arena) >= reserve_pages);
  for (unsigned i = 0; i < 10; i++) {
    check_object (places[i], i, 3000);
    free_object (places[i], 3000);
  }
  stop ();
}

/* What one class has to spare another one gets, if there is no other way. */
static void
at_the_limit_pages_go_from_class_to_class (void)
{
  enum { NR = 200 };
  uint64_t places[NR], large, last;

  start (1);
  for (unsigned i = 0; i < NR; i++)
    while (try_store (i, 1000, &places[i]) == -1)
      check (refill_wait (&arena));
  for (unsigned i = 1; i < NR; i++)
    free_object (places[i], 1000);
  check (refill_round (&arena) == 0);
  budget.limit_bytes = budget.used_bytes;
  large = store (1000, 3000);   /* and with it the pool is empty */
  last = store (1001, 3500);
  check (pool_nr_ready (&arena.pool) == 0);
  check (try_store (1002, 4000, &places[1]) == -1 && errno == EAGAIN);
  check (refill_wait (&arena));
  places[1] = store (1002, 4000);
  check_object (places[1], 1002, 4000);
  check_all ();
  check (budget.used_bytes <= budget.limit_bytes);
  free_object (places[0], 1000);
  free_object (places[1], 4000);
  free_object (large, 3000);
  free_object (last, 3500);
  stop ();
}

static void
at_the_limit_a_class_gets_what_is_too_little_for_a_span (void)
{
  const unsigned nr = 2 * (UNIT_PAGES - 1);
  uint64_t place;

  start (1);
  check (store_in_bursts (nr, 1000) == 2);
  budget.limit_bytes = budget.used_bytes + (UNIT_PAGES - 1) * PAGE_BYTES;
  for (unsigned i = 0; i < UNIT_PAGES - 1; i++)
    if (try_store (nr + i, BLOCK_BYTES, &place) == -1) {
      check (i == 0 && errno == EAGAIN);
      check (refill_wait (&arena));
      store (nr, BLOCK_BYTES);
    }
  check (try_store (100, BLOCK_BYTES, &place) == -1 && errno == EAGAIN);
  check (!refill_wait (&arena) && errno == ENOSPC);
  check_all ();
  free_all (HUGE_SIZECLASS);
  stop ();
}

static void
without_memory_it_does_not_wait (void)
{
  uint64_t places[2], place;

  start (1);
  places[0] = store (1, 3000);
  places[1] = store (2, 2000);
  check (try_store (3, 4000, &place) == -1 && errno == EAGAIN);
  zram_debug_fail_commit (0);
  check (!refill_wait (&arena) && errno == ENOMEM);
  zram_debug_fail_commit (-1);
  budget.limit_bytes = 1;
  check (!refill_wait (&arena) && errno == ENOSPC);
  budget.limit_bytes = 0;
  check (refill_wait (&arena));
  check_all ();
  free_object (places[0], 3000);
  free_object (places[1], 2000);
  stop ();
}

static void
a_reserve_that_does_not_fit_is_refused (void)
{
  check (arena_init (&arena, BLOCK_BYTES, NR_BLOCKS, &budget) == 0);
  check (arena_set_reserve (&arena, NR_BLOCKS, 1 << 20) == 0);
  budget.limit_bytes = 1 << 19;
  check (refill_first (&arena) == -1 && errno == ENOSPC);
  check_all ();
  budget.limit_bytes = 0;
  zram_debug_fail_commit (10);
  check (refill_first (&arena) == -1 && errno == ENOMEM);
  check_all ();
  stop ();
}

/* While pages are on their way objects come and go, all of them even. */
static void
a_zspage_that_is_busy_stays_open (void)
{
  uint64_t place;
  uint32_t number;

  start (1);
  place = store (1, 1000);
  number = place >> (arena.geometry.zspage_shift - 4);
  arena.zspages[number].busy = true;
  free_object (place, 1000);
  check (arena.zspages[number].open);
  place = store (2, 1000);
  check (place >> (arena.geometry.zspage_shift - 4) == number);
  arena.zspages[number].busy = false;
  free_object (place, 1000);
  check (!arena.zspages[number].open);
  stop ();
}

static void
objects_keep_their_bytes_while_others_come_and_go (void)
{
  struct random random = random_seeded (test_seed ());
  struct { uint64_t place; uint32_t size_bytes; } live[NR_RANDOM] = { { 0 } };

  start (1 << 18);
  for (unsigned i = 0; i < STEPS; i++) {
    const uint32_t owner = random_below (&random, NR_RANDOM);

    if (live[owner].size_bytes != 0) {
      check_object (live[owner].place, owner, live[owner].size_bytes);
      free_object (live[owner].place, live[owner].size_bytes);
      live[owner].size_bytes = 0;
    }
    else {
      const uint32_t size_bytes = 1 + random_below (&random, BLOCK_BYTES);

      if (try_store (owner, size_bytes, &live[owner].place) == 0)
        live[owner].size_bytes = size_bytes;
      else
        check (errno == EAGAIN && refill_wait (&arena));
    }
    if (random_below (&random, 100) == 0)
      check (refill_round (&arena) == 0);
    if (i % 500 == 0)
      check_all ();
  }
  for (uint32_t owner = 0; owner < NR_RANDOM; owner++)
    if (live[owner].size_bytes != 0) {
      check_object (live[owner].place, owner, live[owner].size_bytes);
      free_object (live[owner].place, live[owner].size_bytes);
    }
  check (arena.pool.nr_borrowed > 0 && arena.pool.nr_waits > 0);
  stop ();
}

int
main (void)
{
  test (the_reserve_is_there_at_the_start);
  test (objects_of_every_size_are_found_at_their_place);
  test (a_class_without_room_borrows_some_from_a_larger_one);
  test (who_found_nothing_waits_for_refill);
  test (refill_is_asked_below_three_quarters);
  test (a_zspage_is_extended_ahead_of_what_is_stored);
  test (a_dry_zspage_waits_for_pages_or_a_free);
  test (bursts_leave_no_trail_of_zspages);
  test (compaction_takes_dry_zspages_too);
  test (surplus_goes_back);
  test (at_the_limit_pages_go_from_class_to_class);
  test (at_the_limit_a_class_gets_what_is_too_little_for_a_span);
  test (without_memory_it_does_not_wait);
  test (a_reserve_that_does_not_fit_is_refused);
  test (a_zspage_that_is_busy_stays_open);
  test (objects_keep_their_bytes_while_others_come_and_go);
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The arena: an object is where its place says and as it was stored, the
 * fullest zspage is filled first, and memory goes back when objects do.
 * Attacks invariants 2 and 4 of table.h.
 */
#include <config.h>

#include <errno.h>
#include <limits.h>

#include "arena.h"
#include "check.h"
#include "pages.h"
#include "slot.h"

#define BLOCK_BYTES 4096u
#define NR_BLOCKS 4096u
#define SIZE 1000u              /* of most objects here */
#define NR_RANDOM 300u
#define STEPS 6000u

static struct budget budget;
static struct arena arena;
static uint8_t object[BLOCK_BYTES];

/* Bytes that only this owner's object of this size has. */
static void
make_object (uint32_t owner, uint32_t size_bytes)
{
  struct random random =
    random_seeded ((uint64_t) size_bytes << 32 | owner);

  random_fill (&random, object, size_bytes);
}

static void
check_all (void)
{
  check (arena_check (&arena));
  check (budget.used_bytes == arena_held_pages (&arena) * PAGE_BYTES);
}

static uint64_t
store (uint32_t owner, uint32_t size_bytes)
{
  uint64_t place;

  make_object (owner, size_bytes);
  check (arena_store (&arena, owner, object, size_bytes, &place) == 0);
  check (place < UINT64_C (1) << SLOT_PLACE_BITS);
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
check_emptied (void)
{
  check_all ();
  check (arena_nr_live (&arena) == 0);
  check (budget.used_bytes == 0);
}

/* How many objects of SIZE a zspage has. */
static unsigned
nr_objects (void)
{
  return arena.geometry.classes[sizeclass_index (&arena.geometry,
                                                 SIZE)].nr_objects;
}

static unsigned
class_index (void)
{
  return sizeclass_index (&arena.geometry, SIZE);
}

static uint64_t
span_of (uint64_t place)
{
  return place >> (arena.geometry.zspage_shift - SLOT_PLACE_UNIT_SHIFT);
}

/* Three zspages full of SIZE; places by owner. */
static uint64_t *
fill_three (void)
{
  const unsigned nr = 3 * nr_objects ();
  uint64_t *places = calloc (nr, sizeof *places);

  for (unsigned i = 0; i < nr; i++)
    places[i] = store (i, SIZE);
  check (arena_nr_zspages (&arena, class_index ()) == 3);
  check_all ();
  return places;
}

static void
empty_three (uint64_t *places)
{
  for (unsigned i = 0; i < 3 * nr_objects (); i++)
    if (places[i] != UINT64_MAX)
      arena_free (&arena, places[i], SIZE);
  free (places);
  check_emptied ();
}

/* places[i] is noted as free. */
static void
free_one (uint64_t *places, unsigned i)
{
  arena_free (&arena, places[i], SIZE);
  places[i] = UINT64_MAX;
}

static void
an_empty_arena_holds_nothing (void)
{
  check_emptied ();
}

static void
objects_of_every_size_are_found_at_their_place (void)
{
  uint64_t places[BLOCK_BYTES + 1];

  for (unsigned size = 1; size <= BLOCK_BYTES; size++)
    places[size] = store (size, size);
  check_all ();
  check (arena_nr_live (&arena) == BLOCK_BYTES);
  for (unsigned size = 1; size <= BLOCK_BYTES; size++) {
    check_object (places[size], size, size);
    check (!arena_is_owned (&arena, places[size], size, size + 1));
    arena_free (&arena, places[size], size);
    check (!arena_is_owned (&arena, places[size], size, size));
  }
  check_emptied ();
}

static void
a_place_that_is_no_objects_is_owned_by_nobody (void)
{
  const uint64_t place = store (7, SIZE);

  check (!arena_is_owned (&arena, place + 1, SIZE, 7));
  check (!arena_is_owned (&arena, place, SIZE / 2, 7));
  check (!arena_is_owned (&arena, UINT64_C (1) << 39, SIZE, 7));
  arena_free (&arena, place, SIZE);
  check_emptied ();
}

static void
the_fullest_zspage_with_room_is_filled_first (void)
{
  uint64_t *places = fill_three ();
  const unsigned n = nr_objects ();
  const uint64_t fullest = span_of (places[n]);

  for (unsigned i = 0; i < n / 2; i++) {
    free_one (places, i);
    free_one (places, 2 * n + i);
  }
  for (unsigned i = n; i < n + n / 5; i++)
    free_one (places, i);
  for (unsigned i = n; i < n + n / 5; i++) {
    places[i] = store (i, SIZE);
    check (span_of (places[i]) == fullest);
  }
  places[0] = store (0, SIZE);
  check (span_of (places[0]) != fullest);
  check (arena_nr_zspages (&arena, class_index ()) == 3);
  empty_three (places);
}

static void
a_freed_zspage_goes_back_and_its_span_is_used_again (void)
{
  uint64_t *places = fill_three ();
  const unsigned n = nr_objects ();
  const uint64_t held = arena_held_pages (&arena);
  const uint64_t span = span_of (places[n]);

  for (unsigned i = n; i < 2 * n; i++)
    free_one (places, i);
  check (arena_nr_zspages (&arena, class_index ()) == 2);
  check (arena_held_pages (&arena) == held / 3 * 2);
  check_all ();
  for (unsigned i = n; i < 2 * n; i++) {
    places[i] = store (i, SIZE);
    check (span_of (places[i]) == span);
  }
  empty_three (places);
}

/* Not above the spare pages that a zspage may keep, one in 64. */
static void
memory_goes_back_page_by_page (void)
{
  uint64_t *places = fill_three ();
  const unsigned n = nr_objects ();
  const uint64_t held = arena_held_pages (&arena);

  for (unsigned i = 10; i < n; i++)
    free_one (places, i);
  check (arena_held_pages (&arena) <= held - (n - 10) * SIZE / PAGE_BYTES + 2);
  arena_release_spare (&arena, class_index ());
  check (arena_held_pages (&arena) <= held - (n - 10) * SIZE / PAGE_BYTES);
  check_all ();
  empty_three (places);
}

static void
check_store_fails (int expected)
{
  const uint64_t nr_live = arena_nr_live (&arena), used = budget.used_bytes;
  uint64_t place;

  errno = 0;
  make_object (9, BLOCK_BYTES);
  check (arena_store (&arena, 9, object, BLOCK_BYTES, &place) == -1);
  check (errno == expected);
  check (arena_nr_live (&arena) == nr_live && budget.used_bytes == used);
  check_all ();
}

static void
a_store_that_fails_changes_nothing (void)
{
  const uint64_t place = store (1, SIZE);

  for (long after = 0; after < 2; after++) {
    zram_debug_fail_commit (after);     /* the header, then the object */
    check_store_fails (ENOMEM);
  }
  zram_debug_fail_commit (-1);
  for (unsigned i = 0; i < 2; i++) {
    budget.limit_bytes = budget.used_bytes + i * PAGE_BYTES;
    check_store_fails (ENOSPC);
  }
  budget.limit_bytes = 0;
  check_object (place, 1, SIZE);
  arena_free (&arena, place, SIZE);
  check_emptied ();
}

/* A new arena with as many spans as the test says. */
static void
start_again (unsigned nr_spans_max)
{
  arena_destroy (&arena);
  check (arena_init (&arena, BLOCK_BYTES, NR_BLOCKS, &budget) == 0);
  if (nr_spans_max != 0)
    arena.nr_spans_max = nr_spans_max;
}

static void
when_no_span_is_left_a_store_fails (void)
{
  uint64_t *places, place;

  start_again (3);
  places = fill_three ();
  make_object (1, BLOCK_BYTES);
  check (arena_store (&arena, 1, object, SIZE, &place) == -1);
  check (errno == ENOSPC);
  check (arena_store (&arena, 1, object, BLOCK_BYTES, &place) == -1);
  check (errno == ENOSPC);
  check_all ();
  free_one (places, 8);
  places[8] = store (8, SIZE);
  empty_three (places);
  start_again (0);
}

static void
a_store_that_fails_costs_no_span (void)
{
  start_again (1);
  for (long after = 0; after < 2; after++) {
    zram_debug_fail_commit (after);
    check_store_fails (ENOMEM);
  }
  zram_debug_fail_commit (-1);
  arena_free (&arena, store (1, SIZE), SIZE);
  check_emptied ();
  start_again (0);
}

static void
only_an_open_zspage_takes_what_compaction_moves (void)
{
  uint64_t first, second, third;

  make_object (2, SIZE);
  check (arena_store_in_open (&arena, 2, object, SIZE, &second) == -1);
  check_emptied ();
  first = store (1, SIZE);
  make_object (2, SIZE);
  check (arena_store_in_open (&arena, 2, object, SIZE, &second) == 0);
  check (span_of (second) == span_of (first));
  check_object (second, 2, SIZE);
  check (arena_store_in_open (&arena, 3, object, SIZE / 2, &third) == -1);
  arena_free (&arena, first, SIZE);
  arena_free (&arena, second, SIZE);
  check_emptied ();
}

static void
an_only_zspage_with_room_is_not_isolated (void)
{
  uint64_t *places = fill_three ();
  uint32_t number;

  check (!arena_isolate (&arena, class_index (), &number));
  free_one (places, 0);
  check (!arena_isolate (&arena, class_index (), &number));
  check_all ();
  empty_three (places);
}

static void
the_emptiest_zspage_is_isolated_and_takes_nothing (void)
{
  uint64_t *places = fill_three ();
  const unsigned n = nr_objects ();
  const uint64_t emptiest = span_of (places[2 * n]);
  uint32_t number, other;

  free_one (places, 0);
  for (unsigned i = 0; i < n / 2; i++)
    free_one (places, 2 * n + i);
  check (arena_isolate (&arena, class_index (), &number));
  check (number == emptiest);
  check (!arena_isolate (&arena, class_index (), &other));
  for (unsigned i = n / 2; i < n / 4 * 3; i++)
    free_one (places, 2 * n + i);
  places[0] = store (0, SIZE);
  check (span_of (places[0]) == span_of (places[1]));
  places[2 * n] = store (2 * n, SIZE);          /* opens a new one */
  check (span_of (places[2 * n]) != emptiest);
  arena_putback (&arena, class_index (), number);
  check_all ();
  empty_three (places);
}

static void
an_isolated_zspage_that_ran_empty_is_closed (void)
{
  uint64_t *places = fill_three ();
  const unsigned n = nr_objects ();
  uint32_t number;

  free_one (places, 0);
  for (unsigned i = n; i < 2 * n - 1; i++)
    free_one (places, i);
  check (arena_isolate (&arena, class_index (), &number));
  free_one (places, 2 * n - 1);
  check (arena_nr_zspages (&arena, class_index ()) == 3);
  arena_putback (&arena, class_index (), number);
  check (arena_nr_zspages (&arena, class_index ()) == 2);
  check_all ();
  empty_three (places);
}

static void
the_objects_of_a_zspage_are_listed_from_its_end (void)
{
  uint64_t *places = fill_three ();
  const unsigned n = nr_objects ();
  struct arena_object found;
  unsigned end = UINT_MAX;
  uint32_t number;

  free_one (places, 2 * n);
  for (unsigned i = 0; i < n; i += 2)
    free_one (places, i);
  check (arena_isolate (&arena, class_index (), &number));
  for (unsigned i = n; i-- > 0; )
    if (i % 2 == 1) {
      check (arena_previous_object (&arena, class_index (), number, &end,
                                    &found));
      check (found.owner == i && found.place == places[i]);
    }
  check (!arena_previous_object (&arena, class_index (), number, &end, &found));
  arena_putback (&arena, class_index (), number);
  empty_three (places);
}

static void
the_last_object_is_named_while_a_hole_lies_below_it (void)
{
  uint64_t *places = fill_three ();
  const unsigned n = nr_objects ();
  struct arena_object last;

  check (!arena_last_object (&arena, class_index (), &last));
  free_one (places, n - 1);
  check (!arena_last_object (&arena, class_index (), &last));
  free_one (places, 5);
  check (arena_last_object (&arena, class_index (), &last));
  check (last.owner == n - 2 && last.place == places[n - 2]);
  empty_three (places);
}

static void
objects_keep_their_bytes_while_others_come_and_go (void)
{
  struct random random = random_seeded (test_seed ());
  struct { uint64_t place; uint32_t size_bytes; } live[NR_RANDOM] = { { 0 } };

  for (unsigned i = 0; i < STEPS; i++) {
    const uint32_t owner = random_below (&random, NR_RANDOM);

    if (live[owner].size_bytes != 0) {
      check_object (live[owner].place, owner, live[owner].size_bytes);
      arena_free (&arena, live[owner].place, live[owner].size_bytes);
      live[owner].size_bytes = 0;
    }
    else {
      live[owner].size_bytes = 1 + random_below (&random, BLOCK_BYTES);
      live[owner].place = store (owner, live[owner].size_bytes);
    }
    if (i % 500 == 0)
      check_all ();
  }
  for (uint32_t owner = 0; owner < NR_RANDOM; owner++)
    if (live[owner].size_bytes != 0) {
      check_object (live[owner].place, owner, live[owner].size_bytes);
      arena_free (&arena, live[owner].place, live[owner].size_bytes);
    }
  check_emptied ();
}

int
main (void)
{
  check (arena_init (&arena, BLOCK_BYTES, NR_BLOCKS, &budget) == 0);
  test (an_empty_arena_holds_nothing);
  test (objects_of_every_size_are_found_at_their_place);
  test (a_place_that_is_no_objects_is_owned_by_nobody);
  test (the_fullest_zspage_with_room_is_filled_first);
  test (a_freed_zspage_goes_back_and_its_span_is_used_again);
  test (memory_goes_back_page_by_page);
  test (a_store_that_fails_changes_nothing);
  test (when_no_span_is_left_a_store_fails);
  test (a_store_that_fails_costs_no_span);
  test (only_an_open_zspage_takes_what_compaction_moves);
  test (an_only_zspage_with_room_is_not_isolated);
  test (the_emptiest_zspage_is_isolated_and_takes_nothing);
  test (an_isolated_zspage_that_ran_empty_is_closed);
  test (the_objects_of_a_zspage_are_listed_from_its_end);
  test (the_last_object_is_named_while_a_hole_lies_below_it);
  test (objects_keep_their_bytes_while_others_come_and_go);
  arena_destroy (&arena);
  return 0;
}

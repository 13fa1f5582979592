/* SPDX-License-Identifier: BSD-3-Clause */
/* One zspage: objects come from the lowest free place, keep their bytes whoever
 * lives next to them, and a page is held only while somebody needs it.
 */
#include <config.h>

#include <errno.h>

#include "check.h"
#include "pages.h"
#include "zspage.h"

static struct geometry geometry;
static struct budget budget;
static struct zspage zspage;
static struct zspage_ref ref;

static void
open_with (uint32_t block_bytes, unsigned class_index)
{
  geometry_init (&geometry, block_bytes);
  zspage = (struct zspage) { 0 };
  ref = (struct zspage_ref) {
    .zspage = &zspage, .class = &geometry.classes[class_index],
    .start = pages_reserve ((size_t) 1 << geometry.zspage_shift),
  };
  check (ref.start != NULL);
  check (zspage_open (&ref, class_index, &budget) == 0);
}

static void
close_it (void)
{
  zspage_close (&ref, &budget);
  check (!zspage.open);
  check (budget.used_bytes == 0);
  pages_unreserve (ref.start, (size_t) 1 << geometry.zspage_shift);
}

static unsigned
take (uint32_t owner, unsigned nr_ahead)
{
  unsigned index;

  check (zspage_take (&ref, owner, nr_ahead, &budget, &index) == 0);
  check (zspage_is_live (&ref, index));
  check (zspage_owner (&ref, index) == owner);
  check (zspage_check (&ref));
  check (budget.used_bytes == zspage.nr_held_pages * PAGE_BYTES);
  return index;
}

static void
drop (unsigned index, unsigned spare_max)
{
  zspage_drop (&ref, index, spare_max, &budget);
  check (!zspage_is_live (&ref, index));
  check (zspage_check (&ref));
  check (budget.used_bytes == zspage.nr_held_pages * PAGE_BYTES);
}

/* The pages that the first so many objects and the header touch. */
static unsigned
pages_up_to (unsigned nr_objects)
{
  return pages_for_bytes (ref.class->header_bytes +
                          nr_objects * ref.class->object_bytes);
}

static void
an_open_zspage_holds_its_header_page (void)
{
  open_with (4096, 52);
  check (zspage.open && zspage.class == 52 && zspage.nr_live == 0);
  check (budget.used_bytes == PAGE_BYTES);
  check (zspage_last_live (&ref, UINT32_MAX) == ref.class->nr_objects);
  close_it ();
}

static void
an_old_header_is_forgotten (void)
{
  open_with (4096, 52);
  take (1, 0);
  drop (0, 0);
  zspage_close (&ref, &budget);
  memset (ref.start, 0xff, PAGE_BYTES);
  check (zspage_open (&ref, 52, &budget) == 0);
  check (!zspage_is_live (&ref, 0) && zspage_check (&ref));
  check (take (2, 0) == 0);
  drop (0, 0);
  close_it ();
}

static void
objects_are_taken_from_the_lowest_free_one (void)
{
  open_with (4096, 52);
  for (unsigned i = 0; i < 20; i++)
    check (take (i, 0) == i);
  drop (7, 0);
  drop (3, 0);
  drop (12, 0);
  check (take (100, 0) == 3);
  check (take (101, 0) == 7);
  check (take (102, 0) == 12);
  check (take (103, 0) == 20);
  for (unsigned i = 0; i <= 20; i++)
    drop (i, 0);
  close_it ();
}

static void
pages_come_with_the_objects_that_need_them (void)
{
  open_with (4096, 52);
  for (unsigned i = 0; i < ref.class->nr_objects; i++) {
    take (i, 0);
    check (zspage.nr_held_pages == pages_up_to (i + 1));
  }
  for (unsigned i = ref.class->nr_objects; i-- > 0; ) {
    drop (i, 0);
    check (zspage.nr_held_pages == pages_up_to (i));
  }
  close_it ();
}

static void
pages_ahead_wait_for_the_next_objects (void)
{
  open_with (4096, 52);
  take (0, 7);
  take (1, 7);                  /* crosses into page 1 */
  check (zspage.nr_held_pages == 2 + 7);
  for (unsigned i = 2; pages_up_to (i + 1) <= 9; i++) {
    take (i, 0);
    check (zspage.nr_held_pages == 9);
  }
  zspage_release_spare (&ref, &budget);
  check (zspage.nr_held_pages == 9 && zspage_check (&ref));
  while (zspage.nr_live > 1)
    drop (zspage_last_live (&ref, UINT32_MAX), 100);
  check (zspage.nr_held_pages == 9);
  zspage_release_spare (&ref, &budget);
  check (zspage.nr_held_pages == 1 && zspage_check (&ref));
  drop (0, 0);
  close_it ();
}

static void
no_page_behind_the_last_object_is_held (void)
{
  open_with (4096, HUGE_SIZECLASS - 1);
  for (unsigned i = 0; i < ref.class->nr_objects; i++)
    take (i, 1000);
  check (zspage.nr_held_pages == pages_up_to (ref.class->nr_objects));
  while (zspage.nr_live > 0)
    drop (zspage_last_live (&ref, UINT32_MAX), 0);
  close_it ();
}

static void
as_many_spare_pages_stay_as_are_asked_for (void)
{
  open_with (4096, HUGE_SIZECLASS);
  for (unsigned i = 0; i < 10; i++)
    take (i, 0);
  for (unsigned i = 10; i-- > 0; )
    drop (i, 3);
  check (zspage.nr_held_pages == 1 + 3);
  zspage_release_spare (&ref, &budget);
  check (budget.used_bytes == PAGE_BYTES);
  close_it ();
}

static void
a_page_goes_when_the_last_object_on_it_dies (void)
{
  open_with (4096, 63);         /* 1024 bytes: four on a page, or five */
  for (unsigned i = 0; i < 40; i++)
    take (i, 0);
  for (unsigned i = 12; i < 20; i++) {
    const unsigned held = zspage.nr_held_pages;
    const unsigned before = (ref.class->header_bytes + i * 1024) / PAGE_BYTES;
    const unsigned after = (ref.class->header_bytes + (i + 1) * 1024) /
      PAGE_BYTES;

    /* Its end crosses into the next page, and all of this one is dead. */
    drop (i, 0);
    check (zspage.nr_held_pages ==
           held - (i >= 16 && before != after));
  }
  while (zspage.nr_live > 0)
    drop (zspage_last_live (&ref, UINT32_MAX), 0);
  close_it ();
}

static void
the_last_live_object_below_an_end_is_found (void)
{
  open_with (4096, 52);
  for (unsigned i = 0; i < 200; i++)
    take (i, 0);
  for (unsigned i = 0; i < 200; i++)
    if (i != 3 && i != 64 && i != 130)
      drop (i, 0);
  check (zspage_last_live (&ref, UINT32_MAX) == 130);
  check (zspage_last_live (&ref, 131) == 130);
  check (zspage_last_live (&ref, 130) == 64);
  check (zspage_last_live (&ref, 64) == 3);
  check (zspage_last_live (&ref, 3) == ref.class->nr_objects);
  drop (3, 0);
  drop (64, 0);
  drop (130, 0);
  close_it ();
}

static void
check_take_fails (int expected)
{
  const unsigned nr_live = zspage.nr_live;
  unsigned index;

  errno = 0;
  check (zspage_take (&ref, 9, 7, &budget, &index) == -1);
  check (errno == expected && zspage.nr_live == nr_live);
  check (!zspage_is_live (&ref, index));
  check (zspage_check (&ref));
  check (budget.used_bytes == zspage.nr_held_pages * PAGE_BYTES);
}

static void
a_take_that_fails_makes_nothing_live (void)
{
  open_with (16384, HUGE_SIZECLASS - 3);        /* five pages each */
  take (0, 0);
  zram_debug_fail_commit (0);
  check_take_fails (ENOMEM);
  zram_debug_fail_commit (-1);
  budget.limit_bytes = budget.used_bytes;
  check_take_fails (ENOSPC);
  budget.limit_bytes = 0;
  check (take (1, 0) == 1);
  drop (0, 0);
  drop (1, 0);
  close_it ();
}

/* Pages ahead are a wish. */
static void
where_pages_ahead_do_not_fit_the_object_still_does (void)
{
  open_with (4096, HUGE_SIZECLASS);
  budget.limit_bytes = 2 * PAGE_BYTES;
  check (take (0, 7) == 0);
  check (zspage.nr_held_pages == 2);
  budget.limit_bytes = 0;
  drop (0, 0);
  close_it ();
}

static void
an_open_that_fails_holds_nothing (void)
{
  open_with (4096, 52);
  zspage_close (&ref, &budget);
  zram_debug_fail_commit (0);
  check (zspage_open (&ref, 52, &budget) == -1 && errno == ENOMEM);
  zram_debug_fail_commit (-1);
  check (!zspage.open && budget.used_bytes == 0);
  budget.limit_bytes = PAGE_BYTES - 1;
  check (zspage_open (&ref, 52, &budget) == -1 && errno == ENOSPC);
  budget.limit_bytes = 0;
  check (!zspage.open && budget.used_bytes == 0);
  check (zspage_open (&ref, 52, &budget) == 0);
  close_it ();
}

static void
check_content (unsigned index)
{
  const uint8_t *object = (const uint8_t *) zspage_object (&ref, index);
  struct random random = random_seeded (zspage_owner (&ref, index));

  for (uint32_t i = 0; i < ref.class->object_bytes; i += 7)
    check (object[i] == (uint8_t) random_next (&random));
}

static void
fill_content (unsigned index)
{
  uint8_t *object = (uint8_t *) zspage_object (&ref, index);
  struct random random = random_seeded (zspage_owner (&ref, index));

  for (uint32_t i = 0; i < ref.class->object_bytes; i += 7)
    object[i] = random_next (&random);
}

static void
objects_keep_their_bytes_while_others_come_and_go (void)
{
  static const unsigned classes[] = { 0, 1, 52, 63, 170, HUGE_SIZECLASS };
  struct random random = random_seeded (test_seed ());

  for (unsigned c = 0; c < sizeof classes / sizeof *classes; c++) {
    open_with (4096, classes[c]);
    for (unsigned i = 0; i < 1500; i++) {
      const unsigned end = ref.class->nr_objects;
      const unsigned index = random_below (&random, end);

      if (zspage_is_live (&ref, index)) {
        check_content (index);
        drop (index, random_below (&random, 3));
      }
      else if (zspage.nr_live < end)
        fill_content (take (i, random_below (&random, 8)));
    }
    for (unsigned last; zspage.nr_live > 0; drop (last, 0)) {
      last = zspage_last_live (&ref, UINT32_MAX);
      check_content (last);
    }
    close_it ();
  }
}

static void
counters_that_are_wrong_fail_the_check (void)
{
  open_with (4096, 52);
  take (0, 0);
  check_nothing_reported ();
  zspage.nr_live++;
  check (!zspage_check (&ref));
  check_reported ("1 live objects counted, 2 noted");
  zspage.nr_live--;
  zspage.nr_held_pages++;
  check (!zspage_check (&ref));
  check_reported ("1 held pages counted, 2 noted");
  zspage.nr_held_pages--;
  drop (0, 0);
  close_it ();
}

int
main (void)
{
  capture_reports ();
  test (an_open_zspage_holds_its_header_page);
  test (an_old_header_is_forgotten);
  test (objects_are_taken_from_the_lowest_free_one);
  test (pages_come_with_the_objects_that_need_them);
  test (pages_ahead_wait_for_the_next_objects);
  test (no_page_behind_the_last_object_is_held);
  test (as_many_spare_pages_stay_as_are_asked_for);
  test (a_page_goes_when_the_last_object_on_it_dies);
  test (the_last_live_object_below_an_end_is_found);
  test (a_take_that_fails_makes_nothing_live);
  test (where_pages_ahead_do_not_fit_the_object_still_does);
  test (an_open_that_fails_holds_nothing);
  test (objects_keep_their_bytes_while_others_come_and_go);
  test (counters_that_are_wrong_fail_the_check);
  return 0;
}

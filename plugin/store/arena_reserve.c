/* SPDX-License-Identifier: BSD-3-Clause */
/* The arena with a reserve; see pool.h for the idea.
 *
 * What requests do here takes pages that are held, and keeps those that fall
 * free.  What refill does may take its time: while pages are on their way in or
 * out of a zspage no lock is held, and the zspage is busy, so that it stays
 * open; its other pages are in use meanwhile.
 */
#include <config.h>

#include <errno.h>

#include "arena.h"
#include "arena_inside.h"
#include "pages.h"
#include "report.h"

/* What a class is given at once at first, and a span of the pool has beside a
 * header: 28 KiB, or four blocks if that is more.  200 classes that are in use
 * then have 3 MiB ready between them. */
#define AHEAD_PAGES_MIN 7u
#define AHEAD_BLOCKS_MIN 4u

/* A class that needed a span of the pool although its zspages were not full is
 * given twice as much from then on, up to this part of the reserve: a burst
 * must not leave a trail of zspages that hold some objects each. */
#define AHEAD_SHARE 16

/* Give this many back at once. */
#define TRIM_PAGES 64u

static uint32_t
pages_ahead (const struct geometry *geometry)
{
  const uint32_t nr = AHEAD_BLOCKS_MIN * geometry->block_bytes >> PAGE_SHIFT;

  return nr > AHEAD_PAGES_MIN ? nr : AHEAD_PAGES_MIN;
}

/* Has it less than half of that?  Then it is time to give it more. */
static bool
is_short (const struct arena_class *class)
{
  return class->nr_spare_pages < class->nr_ahead_pages / 2;
}

static void
give_more_ahead (const struct arena *arena, struct arena_class *class)
{
  if (class->nr_ahead_pages < arena->pool.reserve_pages / AHEAD_SHARE)
    class->nr_ahead_pages *= 2;
}

/* Zspages of the smallest objects are no longer than their header is able to
 * describe; a class of the pool's spans has to have a use for all their
 * pages. */
static unsigned
first_class (const struct geometry *geometry, uint32_t unit_pages)
{
  const struct sizeclass *class = geometry->classes;

  while (pages_for_bytes (class->header_bytes +
                          class->nr_objects * class->object_bytes) < unit_pages)
    class++;
  return class - geometry->classes;
}

/* Spans in the pool are not there for objects, so there have to be more. */
int
arena_set_reserve (struct arena *arena, uint64_t nr_blocks, uint64_t bytes)
{
  if (bytes == 0)
    return 0;
  arena->pool.reserve_pages = pages_for_bytes (bytes);
  arena->pool.unit_pages = 1 + pages_ahead (&arena->geometry);
  arena->first_class = first_class (&arena->geometry, arena->pool.unit_pages);
  for (unsigned i = 0; i < NR_SIZECLASSES; i++)
    arena->classes[i].nr_ahead_pages = pages_ahead (&arena->geometry);
  return arena_grow (arena, nr_blocks);
}

/* For requests. */

/* Open a span of the pool.  False: there is none. */
static bool
open_ready (struct arena *arena, unsigned class_index, uint32_t *number)
{
  struct arena_class *class = &arena->classes[class_index];
  struct zspage_ref ref;

  if (!pool_take (&arena->pool, arena->zspages, POOL_READY, number))
    return false;
  if (class->groups[DRY_GROUP] != 0)
    give_more_ahead (arena, class);
  ref = ref_of (arena, *number, class_index);
  zspage_open_noted (&ref, class_index);
  class->nr_zspages++;
  class->nr_held_pages += ref.zspage->nr_held_pages;
  class->nr_spare_pages += ref.zspage->nr_spare_pages;
  arena_group_insert (arena, class, *number, 0);
  return true;
}

/* The object was taken; a class that eats up its pages asks for more. */
static void
note_taken (struct arena *arena, unsigned class_index,
            const struct zspage_ref *ref, unsigned spare_before)
{
  struct arena_class *class = &arena->classes[class_index];
  const unsigned used = spare_before - ref->zspage->nr_spare_pages;

  class->nr_live++;
  class->nr_spare_pages -= used;
  if (used > 0 && is_short (class))
    pool_ask (&arena->pool, class_index);
}

/* The class is locked. */
static bool
take_held (struct arena *arena, unsigned class_index, uint32_t owner,
           bool may_open, uint64_t *place)
{
  struct arena_class *class = &arena->classes[class_index];
  uint32_t number;

  while (arena_find_fullest (class, &number) ||
         (may_open && open_ready (arena, class_index, &number))) {
    struct zspage_ref ref = ref_of (arena, number, class_index);
    const unsigned spare = ref.zspage->nr_spare_pages;
    unsigned index;

    if (zspage_take_held (&ref, owner, &index)) {
      note_taken (arena, class_index, &ref, spare);
      arena_regroup (arena, class, number);
      *place = place_of (arena, &ref, index);
      return true;
    }
    arena_group_remove (arena, class, number);
    arena_group_insert (arena, class, number, DRY_GROUP);
  }
  return false;
}

static bool
take_in_class (struct arena *arena, unsigned class_index, uint32_t owner,
               bool may_open, bool borrowed, uint64_t *place)
{
  struct arena_class *class = &arena->classes[class_index];
  bool taken;

  pthread_mutex_lock (&class->lock);
  taken = take_held (arena, class_index, owner, may_open, place);
  class->nr_borrowed += taken && borrowed;
  pthread_mutex_unlock (&class->lock);
  return taken;
}

static bool
borrow (struct arena *arena, unsigned class_index, uint32_t owner,
        uint64_t *place)
{
  pool_ask (&arena->pool, class_index);
  while (++class_index < NR_SIZECLASSES)
    if (take_in_class (arena, class_index, owner, false, true, place)) {
      atomic_fetch_add (&arena->pool.nr_borrowed, 1);
      return true;
    }
  return false;
}

int
arena_take_ready (struct arena *arena, unsigned class_index, uint32_t owner,
                  bool may_open, uint64_t *place)
{
  if (take_in_class (arena, class_index, owner, may_open, false, place) ||
      (may_open && borrow (arena, class_index, owner, place)))
    return 0;
  errno = may_open ? EAGAIN : ENOSPC;
  return -1;
}

void
arena_retire (struct arena *arena, unsigned class_index, uint32_t number)
{
  struct arena_class *class = &arena->classes[class_index];
  struct zspage_ref ref = ref_of (arena, number, class_index);
  struct pool *pool = &arena->pool;

  class->nr_held_pages -= ref.zspage->nr_held_pages;
  class->nr_spare_pages -= ref.zspage->nr_spare_pages;
  class->nr_zspages--;
  zspage_close_noted (&ref);
  pool_put (pool, arena->zspages,
            zspage_holds_first (&ref, pool->unit_pages) ? POOL_READY :
            POOL_EMPTIED, number);
}

/* For refill: pages of a span. */

static char *
page_at (const struct zspage_ref *ref, unsigned page)
{
  return ref->start + ((uint64_t) page << PAGE_SHIFT);
}

static int
hold (struct arena *arena, const struct zspage_ref *ref, unsigned first,
      unsigned end)
{
  const uint64_t bytes = (uint64_t) (end - first) << PAGE_SHIFT;

  if (budget_take (arena->budget, bytes) == -1)
    return -1;
  if (pages_commit (page_at (ref, first), bytes) == 0)
    return 0;
  budget_give (arena->budget, bytes);
  return -1;
}

/* What the system keeps nevertheless is not counted: nothing relies on its
 * being absent. */
static void
release (struct arena *arena, const struct zspage_ref *ref, unsigned first,
         unsigned end)
{
  const uint64_t bytes = (uint64_t) (end - first) << PAGE_SHIFT;

  pages_release (page_at (ref, first), bytes);
  budget_give (arena->budget, bytes);
}

/* For refill: the pool.  Its spans are of no class, so any will do. */

static unsigned
span_pages (const struct arena *arena)
{
  return 1u << (arena->geometry.zspage_shift - PAGE_SHIFT);
}

/* A request is not to fault on a descriptor either. */
static int
commit_descriptor (const struct arena *arena, uint32_t number)
{
  const uintptr_t first = (uintptr_t) &arena->zspages[number];
  const uintptr_t end = (uintptr_t) (&arena->zspages[number] + 1);
  const uintptr_t start = first & ~(PAGE_BYTES - 1);

  return pages_commit ((void *) start, pages_for_bytes (end - start) *
                       PAGE_BYTES);
}

int
arena_fill_pool (struct arena *arena)
{
  const uint32_t nr = arena->pool.unit_pages;
  struct zspage_ref ref;
  uint32_t number;
  int saved_errno;

  if (arena_span_get (arena, &number) == -1)
    return -1;
  ref = ref_of (arena, number, 0);
  if (commit_descriptor (arena, number) == 0 &&
      hold (arena, &ref, 0, nr) == 0) {
    zspage_note_span (&ref, nr);
    pool_put (&arena->pool, arena->zspages, POOL_READY, number);
    return 0;
  }
  saved_errno = errno;
  arena_span_put (arena, number);
  errno = saved_errno;
  return -1;
}

int
arena_own_span (struct arena *arena, uint32_t number)
{
  const struct zspage_ref ref = ref_of (arena, number, 0);

  return commit_descriptor (arena, number) == 0 ?
    pages_commit (ref.start, (size_t) arena->pool.unit_pages << PAGE_SHIFT) :
    -1;
}

/* All pages of a span that was taken out of the pool. */
static void
give_back_span (struct arena *arena, uint32_t number)
{
  const struct zspage_ref ref = ref_of (arena, number, 0);

  pages_release (ref.start, (uint64_t) span_pages (arena) << PAGE_SHIFT);
  budget_give (arena->budget,
               (uint64_t) ref.zspage->nr_held_pages << PAGE_SHIFT);
  *ref.zspage = (struct zspage) { .open = false };
  arena_span_put (arena, number);
}

bool
arena_drain_pool (struct arena *arena)
{
  uint32_t number;

  if (!pool_take (&arena->pool, arena->zspages, POOL_READY, &number))
    return false;
  give_back_span (arena, number);
  return true;
}

/* The first page has the header, in which pages are noted, and is held. */
static int
make_ready (struct arena *arena, struct zspage_ref *ref)
{
  const unsigned unit = arena->pool.unit_pages;
  unsigned first, end;

  while (zspage_find_noted (ref, true, unit, span_pages (arena), &first,
                            &end)) {
    zspage_note_absent (ref, first, end);
    release (arena, ref, first, end);
  }
  while (zspage_find_noted (ref, false, 0, unit, &first, &end)) {
    if (hold (arena, ref, first, end) == -1)
      return -1;
    zspage_note_held (ref, first, end);
  }
  return 0;
}

int
arena_restore_pool (struct arena *arena)
{
  struct pool *pool = &arena->pool;
  int r = 0, saved_errno = 0;
  uint32_t number;

  while (pool_take (pool, arena->zspages, POOL_EMPTIED, &number)) {
    struct zspage_ref ref = ref_of (arena, number, 0);

    if (make_ready (arena, &ref) == 0)
      pool_put (pool, arena->zspages, POOL_READY, number);
    else {
      saved_errno = errno;
      give_back_span (arena, number);
      r = -1;
    }
  }
  errno = saved_errno;
  return r;
}

/* For refill: classes. */

/* The work on a busy zspage is done.  The class is locked. */
static void
end_work (struct arena *arena, unsigned class_index, uint32_t number)
{
  struct arena_class *class = &arena->classes[class_index];
  struct zspage_ref ref = ref_of (arena, number, class_index);

  ref.zspage->busy = false;
  if (ref.zspage->isolated)
    return;
  if (ref.zspage->nr_live == 0) {
    arena_group_remove (arena, class, number);
    arena_retire (arena, class_index, number);
  }
  else if (ref.zspage->group != DRY_GROUP || !zspage_is_dry (&ref))
    arena_regroup (arena, class, number);
}

/* A dry zspage has absent pages; if there is none, maybe that which is being
 * filled.  False: none has. */
static bool
find_to_extend (struct arena *arena, unsigned class_index, uint32_t *number,
                unsigned *first, unsigned *end)
{
  struct arena_class *class = &arena->classes[class_index];
  struct zspage_ref ref;

  if (class->groups[DRY_GROUP] != 0)
    *number = class->groups[DRY_GROUP] - 1;
  else if (!arena_find_fullest (class, number))
    return false;
  ref = ref_of (arena, *number, class_index);
  return zspage_find_absent (&ref, class->nr_ahead_pages, first, end);
}

static bool
extend (struct arena *arena, unsigned class_index, uint32_t number,
        unsigned first, unsigned end)
{
  struct arena_class *class = &arena->classes[class_index];
  struct zspage_ref ref = ref_of (arena, number, class_index);
  const int r = hold (arena, &ref, first, end);
  const int saved_errno = errno;

  pthread_mutex_lock (&class->lock);
  if (r == 0) {
    zspage_note_held (&ref, first, end);
    class->nr_held_pages += end - first;
    class->nr_spare_pages += end - first;
  }
  end_work (arena, class_index, number);
  pthread_mutex_unlock (&class->lock);
  errno = saved_errno;
  return r == 0;
}

bool
arena_extend_class (struct arena *arena, unsigned class_index)
{
  struct arena_class *class = &arena->classes[class_index];
  unsigned first, end;
  uint32_t number;
  bool found;

  pthread_mutex_lock (&class->lock);
  found = is_short (class) &&
    find_to_extend (arena, class_index, &number, &first, &end);
  if (found)
    arena->zspages[number].busy = true;
  pthread_mutex_unlock (&class->lock);
  return found && extend (arena, class_index, number, first, end);
}

/* The emptiest zspage that has spare pages. */
static bool
find_to_trim (struct arena *arena, const struct arena_class *class,
              uint32_t *number)
{
  for (unsigned group = 0; group < NR_ZSPAGE_LISTS; group++)
    for (uint32_t link = class->groups[group]; link != 0;
         link = arena->zspages[link - 1].next)
      if (arena->zspages[link - 1].nr_spare_pages > 0) {
        *number = link - 1;
        return true;
      }
  *number = 0;
  return false;
}

/* The class is locked, but not in between. */
static unsigned
trim (struct arena *arena, unsigned class_index, uint32_t number, unsigned max)
{
  struct arena_class *class = &arena->classes[class_index];
  struct zspage_ref ref = ref_of (arena, number, class_index);
  unsigned first, end;

  if (!zspage_find_spare (&ref, max, &first, &end))
    return 0;
  zspage_note_absent (&ref, first, end);
  class->nr_held_pages -= end - first;
  class->nr_spare_pages -= end - first;
  ref.zspage->busy = true;
  pthread_mutex_unlock (&class->lock);
  release (arena, &ref, first, end);
  pthread_mutex_lock (&class->lock);
  end_work (arena, class_index, number);
  return end - first;
}

static uint64_t
least (uint64_t a, uint64_t b)
{
  return a < b ? a : b;
}

void
arena_calm_class (struct arena *arena, unsigned class_index)
{
  struct arena_class *class = &arena->classes[class_index];

  pthread_mutex_lock (&class->lock);
  if (class->nr_ahead_pages >= 2 * pages_ahead (&arena->geometry))
    class->nr_ahead_pages /= 2;
  pthread_mutex_unlock (&class->lock);
}

uint64_t
arena_trim_class (struct arena *arena, unsigned class_index, bool all,
                  uint64_t max)
{
  struct arena_class *class = &arena->classes[class_index];
  uint64_t gone = 0, left;
  uint32_t number;
  unsigned nr;

  pthread_mutex_lock (&class->lock);
  left = all ? 0 : 2 * class->nr_ahead_pages;
  while (gone < max && class->nr_spare_pages > left &&
         find_to_trim (arena, class, &number)) {
    nr = trim (arena, class_index, number,
               least (TRIM_PAGES, least (max - gone,
                                         class->nr_spare_pages - left)));
    if (nr == 0)
      break;
    gone += nr;
  }
  pthread_mutex_unlock (&class->lock);
  return gone;
}

/* Checks. */

static bool
check_span (struct arena *arena, enum pool_list list, uint32_t number)
{
  const struct zspage_ref ref = ref_of (arena, number, 0);
  unsigned page = 0, end, nr_held = 0;

  while (zspage_find_noted (&ref, true, page, span_pages (arena), &page,
                            &end)) {
    nr_held += end - page;
    page = end;
  }
  if (!ref.zspage->open && nr_held == ref.zspage->nr_held_pages &&
      (list != POOL_READY ||
       zspage_holds_first (&ref, arena->pool.unit_pages)))
    return true;
  report_error ("pool: span %u: %u pages counted, %u noted, list %u", number,
                nr_held, ref.zspage->nr_held_pages, list);
  return false;
}

static bool
check_list (struct arena *arena, enum pool_list list, uint64_t *nr_held_pages)
{
  uint32_t nr_spans = 0;
  bool ok = true;

  for (uint32_t link = arena->pool.lists[list]; link != 0;
       link = arena->zspages[link - 1].next) {
    ok &= check_span (arena, list, link - 1);
    *nr_held_pages += arena->zspages[link - 1].nr_held_pages;
    nr_spans++;
  }
  return ok && nr_spans == arena->pool.nr_spans[list];
}

/* Each span that was ever used is open, in the pool or free. */
static bool
check_spans (struct arena *arena)
{
  uint32_t nr = arena->pool.nr_spans[POOL_READY] +
    arena->pool.nr_spans[POOL_EMPTIED];

  for (uint32_t number = 0; number < arena->nr_spans_used; number++)
    nr += arena->zspages[number].open;
  for (uint32_t link = arena->free_spans; link != 0;
       link = arena->zspages[link - 1].next)
    nr++;
  if (nr == arena->nr_spans_used)
    return true;
  report_error ("arena: %u spans counted, %u are in use", nr,
                arena->nr_spans_used);
  return false;
}

bool
arena_check_pool (struct arena *arena)
{
  uint64_t nr_held_pages = 0;
  bool ok = check_list (arena, POOL_READY, &nr_held_pages);

  ok &= check_list (arena, POOL_EMPTIED, &nr_held_pages);
  if (nr_held_pages != arena->pool.nr_held_pages || !ok)
    report_error ("pool: its counts are not what its spans hold");
  return ok && nr_held_pages == arena->pool.nr_held_pages &&
    check_spans (arena);
}

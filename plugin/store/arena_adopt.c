/* SPDX-License-Identifier: BSD-3-Clause */
/* The arena of a store file; see arena_adopt.h. */
#include <config.h>

#include <string.h>

#include "arena_adopt.h"
#include "arena_inside.h"
#include "memory.h"
#include "pages.h"
#include "super.h"

#define LIVE_WORDS (ZSPAGE_OBJECTS_MAX / 64)

static unsigned
span_pages (const struct arena *arena)
{
  return 1u << (arena->geometry.zspage_shift - PAGE_SHIFT);
}

static uint64_t *
present_of (const struct arena_claims *claims, uint32_t span)
{
  return claims->present + (uint64_t) span * (span_pages (claims->arena) / 64);
}

static _Atomic uint64_t *
live_of (const struct arena_claims *claims, uint32_t span)
{
  return claims->live + (uint64_t) span * LIVE_WORDS;
}

/* Where a file system cannot tell, pages that objects need are there, and of
 * others nobody knows. */
static void
note_present (struct arena_claims *claims)
{
  const struct arena *arena = claims->arena;
  const uint64_t end = SUPER_AT_ARENA +
    ((uint64_t) arena->nr_spans_max << arena->geometry.zspage_shift);
  uint64_t from = SUPER_AT_ARENA, run_end;

  if (!memory_knows_holes (arena->memory))
    return;
  for (; memory_next_run (arena->memory, &from, &run_end, end); from = run_end)
    for (uint64_t page = (from - SUPER_AT_ARENA) >> PAGE_SHIFT;
         page < pages_for_bytes (run_end - SUPER_AT_ARENA); page++)
      claims->present[page / 64] |= UINT64_C (1) << page % 64;
}

int
arena_claims_init (struct arena_claims *claims, struct arena *arena)
{
  const uint64_t nr_spans = arena->nr_spans_max;

  claims->arena = arena;
  claims->live_bytes = nr_spans * LIVE_WORDS * sizeof (uint64_t);
  claims->present_bytes = nr_spans * span_pages (arena) / 8;
  claims->live = pages_reserve (claims->live_bytes);
  if (!claims->live)
    return -1;
  claims->present = pages_reserve (claims->present_bytes);
  claims->pooled = pages_reserve (nr_spans);
  if (claims->present && claims->pooled) {
    note_present (claims);
    return 0;
  }
  arena_claims_destroy (claims);
  return -1;
}

void
arena_claims_destroy (struct arena_claims *claims)
{
  pages_unreserve ((void *) claims->live, claims->live_bytes);
  pages_unreserve (claims->present, claims->present_bytes);
  pages_unreserve (claims->pooled, claims->arena->nr_spans_max);
}

/* Which object of a zspage of this class begins at this place?  nr_objects:
 * none. */
static unsigned
find_index (const struct arena *arena, const struct zspage_ref *ref,
            uint64_t place)
{
  const uint64_t offset = (place << SLOT_PLACE_UNIT_SHIFT) -
    (uint64_t) (ref->start - arena->start);
  unsigned index;

  if (offset < ref->class->header_bytes)
    return ref->class->nr_objects;
  index = index_of_place (arena, ref, place);
  return index < ref->class->nr_objects &&
    place_of (arena, ref, index) == place ? index : ref->class->nr_objects;
}

bool
arena_find (const struct arena *arena, uint64_t place, uint32_t size_bytes,
            struct arena_found *found)
{
  struct zspage_ref ref;

  found->span = span_of_place (arena, place);
  found->size_bytes = size_bytes;
  if (found->span >= arena->nr_spans_max)
    return false;
  ref = ref_of (arena, found->span, 0);
  found->class = zspage_label (ref.start);
  if (found->class == NR_SIZECLASSES)
    return false;
  ref = ref_of (arena, found->span, found->class);
  found->index = find_index (arena, &ref, place);
  if (found->index == ref.class->nr_objects ||
      ref.class->object_bytes < size_bytes)
    return false;
  found->owner = zspage_owner (&ref, found->index);
  return true;
}

bool
arena_claim (struct arena_claims *claims, const struct arena_found *found)
{
  const uint64_t bit = UINT64_C (1) << found->index % 64;

  if (atomic_fetch_or (&live_of (claims, found->span)[found->index / 64],
                       bit) & bit)
    return false;
  if (found->class != home_class (claims->arena, found->size_bytes))
    atomic_fetch_add (&claims->nr_borrowed[found->class], 1);
  return true;
}

void
arena_found_give (const struct arena *arena, const struct arena_found *found,
                  uint32_t owner)
{
  const struct zspage_ref ref = ref_of (arena, found->span, found->class);

  zspage_set_owner (&ref, found->index, owner);
}

static bool
is_any (const uint64_t *words, unsigned nr)
{
  while (nr > 0)
    if (words[--nr] != 0)
      return true;
  return false;
}

static void
release_from (const struct arena *arena, uint32_t span, unsigned page)
{
  char *start = ref_of (arena, span, 0).start;
  const uint64_t bytes = (uint64_t) (span_pages (arena) - page) << PAGE_SHIFT;

  if (bytes > 0)
    pages_release (start + ((uint64_t) page << PAGE_SHIFT), bytes);
}

/* Map what is there; what cannot be mapped now will be when it is used. */
static void
populate_held (const struct arena_claims *claims, uint32_t span)
{
  const uint64_t *present = present_of (claims, span);
  const unsigned end = span_pages (claims->arena);
  char *start = ref_of (claims->arena, span, 0).start;

  for (unsigned page = 0, first; page < end; page++) {
    for (first = page; page < end && (present[page / 64] >> page % 64 & 1); )
      page++;
    if (page > first)
      pages_commit (start + ((uint64_t) first << PAGE_SHIFT),
                    (uint64_t) (page - first) << PAGE_SHIFT);
  }
}

static void
list_zspage (struct arena *arena, uint32_t number)
{
  struct zspage *zspage = &arena->zspages[number];
  struct arena_class *class = &arena->classes[zspage->class];

  pthread_mutex_lock (&class->lock);
  class->nr_zspages++;
  class->nr_live += zspage->nr_live;
  class->nr_held_pages += zspage->nr_held_pages;
  if (arena_has_reserve (arena))
    class->nr_spare_pages += zspage->nr_spare_pages;
  arena_group_insert (arena, class, number,
                      group_for (zspage,
                                 &arena->geometry.classes[zspage->class]));
  pthread_mutex_unlock (&class->lock);
}

static void
adopt_claimed (struct arena_claims *claims, uint32_t span, bool keep_spare)
{
  struct arena *arena = claims->arena;
  const unsigned class_index = zspage_label (ref_of (arena, span, 0).start);
  struct zspage_ref ref = ref_of (arena, span, class_index);

  zspage_adopt (&ref, class_index, (const uint64_t *) live_of (claims, span),
                present_of (claims, span));
  release_from (arena, span, pages_for_bytes (ref.class->header_bytes +
                                              ref.class->nr_objects *
                                              ref.class->object_bytes));
  budget_force (arena->budget,
                (uint64_t) ref.zspage->nr_held_pages << PAGE_SHIFT);
  if (!keep_spare)
    zspage_release_spare (&ref, arena->budget);
  list_zspage (arena, span);
}

/* What was ready for requests is again, so that nobody else gets it. */
static void
adopt_spare (struct arena_claims *claims, uint32_t span)
{
  struct arena *arena = claims->arena;
  struct zspage_ref ref = ref_of (arena, span, 0);

  zspage_adopt_spare (&ref, present_of (claims, span), span_pages (arena));
  budget_force (arena->budget,
                (uint64_t) ref.zspage->nr_held_pages << PAGE_SHIFT);
  pool_put (&arena->pool, arena->zspages, POOL_EMPTIED, span);
  claims->pooled[span] = 1;
}

void
arena_adopt_span (struct arena_claims *claims, uint32_t span)
{
  const struct arena *arena = claims->arena;
  const bool has_reserve = arena_has_reserve (arena);

  if (is_any ((const uint64_t *) live_of (claims, span), LIVE_WORDS)) {
    adopt_claimed (claims, span, has_reserve);
    if (has_reserve)
      populate_held (claims, span);
  }
  else if (is_any (present_of (claims, span), span_pages (arena) / 64)) {
    if (has_reserve)
      adopt_spare (claims, span);
    else
      release_from (arena, span, 0);
  }
}

void
arena_adopt_end (struct arena_claims *claims)
{
  struct arena *arena = claims->arena;
  uint32_t end = arena->nr_spans_max;

  while (end > 0 && !arena->zspages[end - 1].open && !claims->pooled[end - 1])
    end--;
  arena->nr_spans_used = end;
  while (end > 0)
    if (!arena->zspages[--end].open && !claims->pooled[end])
      arena_span_put (arena, end);
  for (unsigned i = 0; i < NR_SIZECLASSES; i++)
    arena->classes[i].nr_borrowed = claims->nr_borrowed[i];
}

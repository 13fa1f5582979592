/* SPDX-License-Identifier: BSD-3-Clause */
/* The arena; see arena.h. */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "arena.h"
#include "arena_inside.h"
#include "crash.h"
#include "memory.h"
#include "pages.h"
#include "report.h"
#include "super.h"

/* A zspage may keep one spare page for 64 held ones: 1.6 % of memory at the
 * most, and a block that is overwritten at the edge of a page does not pay a
 * page fault and a TLB flush each time. */
#define HELD_PAGES_FOR_A_SPARE 64

/* Commit up to this many pages at once in a class that has grown: one page a
 * call costs 1.9 us, eight a call 1.4 us a page. */
#define PAGES_AHEAD_MAX 7

/* Spans.
 *
 * Address space is cheap, memory is not: a span that holds one page costs one
 * page.  Trimming may leave many zspages with little in them before a
 * compaction comes, so there are four times as many spans as the blocks need,
 * and two for each class to be half full.  With a reserve there is what the
 * pool may have, and more zspages that a burst left with little in them.  What
 * bounds it is the 40 bits of a place. */
static uint32_t
nr_spans_for (const struct arena *arena, uint64_t nr_blocks)
{
  const struct geometry *geometry = &arena->geometry;
  const struct pool *pool = &arena->pool;
  const uint64_t most = (uint64_t) 1 <<
    (SLOT_PLACE_BITS + SLOT_PLACE_UNIT_SHIFT - geometry->zspage_shift);
  const uint64_t blocks_in_span =
    ((uint64_t) 1 << geometry->zspage_shift) / geometry->block_bytes;
  const uint64_t for_reserve = pool->reserve_pages == 0 ? 0 :
    2 * (pool->reserve_pages / pool->unit_pages + 1) +
    nr_blocks / blocks_in_span * 8;
  const uint64_t wanted = nr_blocks / blocks_in_span * 4 +
    2 * NR_SIZECLASSES + for_reserve;

  return wanted < most ? wanted : most;
}

/* And a page, since codecs look behind objects (CODEC_BEHIND_BYTES). */
static size_t
bytes_to_reserve (const struct arena *arena, uint32_t nr_spans)
{
  return ((size_t) nr_spans << arena->geometry.zspage_shift) + PAGE_BYTES;
}

/* As many as the blocks need, or as a store file has. */
static void
init_sizes (struct arena *arena, uint64_t nr_blocks)
{
  const unsigned shift = arena->geometry.zspage_shift;
  uint32_t nr_spans = nr_spans_for (arena, nr_blocks);

  if (memory_is_file (arena->memory) &&
      arena->memory->super.arena_bytes >> shift > nr_spans)
    nr_spans = arena->memory->super.arena_bytes >> shift;
  arena->nr_spans_max = nr_spans;
  arena->reserved_bytes = bytes_to_reserve (arena, nr_spans);
  arena->descriptors_bytes = nr_spans * sizeof *arena->zspages;
}

int
arena_init_at (struct arena *arena, struct memory *memory,
               uint32_t block_bytes, uint64_t nr_blocks, struct budget *budget)
{
  memset (arena, 0, sizeof *arena);
  geometry_init_sealed (&arena->geometry, block_bytes, memory_is_file (memory));
  arena->budget = budget;
  arena->memory = memory;
  init_sizes (arena, nr_blocks);

  if (memory_make_room (memory, arena->reserved_bytes) == -1)
    return -1;
  arena->start = memory_map (memory, SUPER_AT_ARENA, arena->reserved_bytes);
  if (!arena->start)
    return -1;
  arena->zspages = pages_reserve (arena->descriptors_bytes);
  if (!arena->zspages) {
    pages_unreserve (arena->start, arena->reserved_bytes);
    return -1;
  }
  pthread_rwlock_init (&arena->layout_lock, NULL);
  pthread_mutex_init (&arena->span_lock, NULL);
  pool_init (&arena->pool);
  pthread_mutex_init (&arena->refill_lock, NULL);
  for (unsigned i = 0; i < NR_SIZECLASSES; i++)
    pthread_mutex_init (&arena->classes[i].lock, NULL);
  return 0;
}

void
arena_destroy (struct arena *arena)
{
  for (unsigned i = 0; i < NR_SIZECLASSES; i++)
    pthread_mutex_destroy (&arena->classes[i].lock);
  pthread_mutex_destroy (&arena->refill_lock);
  pool_destroy (&arena->pool);
  pthread_mutex_destroy (&arena->span_lock);
  pthread_rwlock_destroy (&arena->layout_lock);
  pages_unreserve (arena->zspages, arena->descriptors_bytes);
  pages_unreserve (arena->start, arena->reserved_bytes);
}

static int
extend (struct arena *arena, uint32_t nr_spans)
{
  const size_t bytes = bytes_to_reserve (arena, nr_spans);
  const size_t descriptors_bytes = nr_spans * sizeof *arena->zspages;
  void *start;

  if (memory_make_room (arena->memory, bytes) == -1)
    return -1;
  crash_point ("grown");
  start = pages_extend (arena->start, arena->reserved_bytes, bytes);
  if (!start)
    return -1;
  arena->start = start;
  arena->reserved_bytes = bytes;
  start = pages_extend (arena->zspages, arena->descriptors_bytes,
                        descriptors_bytes);
  if (!start)
    return -1;
  arena->zspages = start;
  arena->descriptors_bytes = descriptors_bytes;
  arena->nr_spans_max = nr_spans;
  return 0;
}

void
arena_hold_still (struct arena *arena)
{
  pthread_rwlock_wrlock (&arena->layout_lock);
}

void
arena_let_go (struct arena *arena)
{
  pthread_rwlock_unlock (&arena->layout_lock);
}

int
arena_grow (struct arena *arena, uint64_t nr_blocks)
{
  const uint32_t nr_spans = nr_spans_for (arena, nr_blocks);

  return nr_spans > arena->nr_spans_max ? extend (arena, nr_spans) : 0;
}

int
arena_span_get (struct arena *arena, uint32_t *number)
{
  int r = 0;

  *number = 0;
  pthread_mutex_lock (&arena->span_lock);
  if (arena->free_spans != 0) {
    *number = arena->free_spans - 1;
    arena->free_spans = arena->zspages[*number].next;
  }
  else if (arena->nr_spans_used < arena->nr_spans_max)
    *number = arena->nr_spans_used++;
  else {
    errno = ENOSPC;
    r = -1;
  }
  pthread_mutex_unlock (&arena->span_lock);
  return r;
}

void
arena_span_put (struct arena *arena, uint32_t number)
{
  pthread_mutex_lock (&arena->span_lock);
  arena->zspages[number].next = arena->free_spans;
  arena->free_spans = number + 1;
  pthread_mutex_unlock (&arena->span_lock);
}

/* Fullness groups. */

void
arena_group_insert (struct arena *arena, struct arena_class *class,
                    uint32_t number, unsigned group)
{
  struct zspage *zspage = &arena->zspages[number];

  zspage->group = group;
  zspage->prev = zspage->next = 0;
  if (group == FULL_GROUP)
    return;
  zspage->next = class->groups[group];
  if (zspage->next)
    arena->zspages[zspage->next - 1].prev = number + 1;
  class->groups[group] = number + 1;
}

void
arena_group_remove (struct arena *arena, struct arena_class *class,
                    uint32_t number)
{
  struct zspage *zspage = &arena->zspages[number];

  if (zspage->group == FULL_GROUP)
    return;
  if (zspage->prev)
    arena->zspages[zspage->prev - 1].next = zspage->next;
  else
    class->groups[zspage->group] = zspage->next;
  if (zspage->next)
    arena->zspages[zspage->next - 1].prev = zspage->prev;
}

void
arena_regroup (struct arena *arena, struct arena_class *class, uint32_t number)
{
  struct zspage *zspage = &arena->zspages[number];
  const unsigned group =
    group_for (zspage, &arena->geometry.classes[zspage->class]);

  if (zspage->isolated || group == zspage->group)
    return;
  arena_group_remove (arena, class, number);
  arena_group_insert (arena, class, number, group);
}

bool
arena_find_fullest (const struct arena_class *class, uint32_t *number)
{
  for (unsigned group = NR_FULLNESS_GROUPS; group-- > 0; )
    if (class->groups[group] != 0) {
      *number = class->groups[group] - 1;
      return true;
    }
  *number = 0;
  return false;
}

static bool
find_emptiest (const struct arena_class *class, uint32_t *number)
{
  for (unsigned group = 0; group < NR_FULLNESS_GROUPS; group++)
    if (class->groups[group] != 0) {
      *number = class->groups[group] - 1;
      return true;
    }
  *number = 0;
  return false;
}

static int
open_zspage (struct arena *arena, unsigned class_index, uint32_t *number)
{
  struct arena_class *class = &arena->classes[class_index];
  struct zspage_ref ref;

  if (arena_span_get (arena, number) == -1)
    return -1;
  ref = ref_of (arena, *number, class_index);
  if (zspage_open (&ref, class_index, arena->budget) == -1) {
    arena_span_put (arena, *number);
    return -1;
  }
  class->nr_zspages++;
  class->nr_held_pages += ref.zspage->nr_held_pages;
  arena_group_insert (arena, class, *number, 0);
  return 0;
}

/* An empty zspage in no group. */
static void
close_zspage (struct arena *arena, unsigned class_index, uint32_t number)
{
  struct arena_class *class = &arena->classes[class_index];
  struct zspage_ref ref = ref_of (arena, number, class_index);

  if (arena_has_reserve (arena)) {
    arena_retire (arena, class_index, number);
    return;
  }
  class->nr_held_pages -= ref.zspage->nr_held_pages;
  class->nr_zspages--;
  zspage_close (&ref, arena->budget);
  arena_span_put (arena, number);
}

static void
close_if_empty (struct arena *arena, unsigned class_index, uint32_t number)
{
  const struct zspage *zspage = &arena->zspages[number];

  if (zspage->nr_live > 0 || zspage->isolated || zspage->busy)
    return;
  arena_group_remove (arena, &arena->classes[class_index], number);
  close_zspage (arena, class_index, number);
}

static unsigned
nr_pages_ahead (const struct arena_class *class)
{
  const uint32_t nr = class->nr_zspages - 1;

  return nr < PAGES_AHEAD_MAX ? nr : PAGES_AHEAD_MAX;
}

/* Take an object in the fullest zspage.  The class is locked. */
static int
take_object (struct arena *arena, unsigned class_index, uint32_t owner,
             bool may_open, uint64_t *place)
{
  struct arena_class *class = &arena->classes[class_index];
  struct zspage_ref ref;
  uint32_t number;
  unsigned held, index;
  int r;

  if (!arena_find_fullest (class, &number)) {
    if (!may_open) {
      errno = ENOSPC;
      return -1;
    }
    if (open_zspage (arena, class_index, &number) == -1)
      return -1;
  }
  ref = ref_of (arena, number, class_index);
  held = ref.zspage->nr_held_pages;
  r = zspage_take (&ref, owner, nr_pages_ahead (class), arena->budget, &index);
  class->nr_held_pages += ref.zspage->nr_held_pages - held;
  if (r == -1) {
    close_if_empty (arena, class_index, number);
    return -1;
  }
  class->nr_live++;
  arena_regroup (arena, class, number);
  *place = place_of (arena, &ref, index);
  return 0;
}

static int
take (struct arena *arena, unsigned class_index, uint32_t owner, bool may_open,
      uint64_t *place)
{
  struct arena_class *class = &arena->classes[class_index];
  int r, saved_errno;

  pthread_mutex_lock (&class->lock);
  r = take_object (arena, class_index, owner, may_open, place);
  saved_errno = errno;
  pthread_mutex_unlock (&class->lock);
  errno = saved_errno;
  return r;
}

static int
store (struct arena *arena, uint32_t owner, const void *object,
       uint32_t size_bytes, bool may_open, uint64_t *place)
{
  const unsigned class_index = home_class (arena, size_bytes);

  *place = 0;
  if ((arena_has_reserve (arena) ?
       arena_take_ready (arena, class_index, owner, may_open, place) :
       take (arena, class_index, owner, may_open, place)) == -1)
    return -1;
  crash_point ("taken");
  memcpy (arena_load (arena, *place), object, size_bytes);
  crash_point ("stored");
  return 0;
}

int
arena_store (struct arena *arena, uint32_t owner, const void *object,
             uint32_t size_bytes, uint64_t *place)
{
  return store (arena, owner, object, size_bytes, true, place);
}

int
arena_store_in_open (struct arena *arena, uint32_t owner, const void *object,
                     uint32_t size_bytes, uint64_t *place)
{
  return store (arena, owner, object, size_bytes, false, place);
}

void
arena_set_owner (struct arena *arena, uint64_t place, uint32_t owner)
{
  const unsigned class_index = class_of_place (arena, place);
  struct zspage_ref ref = ref_of (arena, span_of_place (arena, place),
                                  class_index);

  pthread_mutex_lock (&arena->classes[class_index].lock);
  zspage_set_owner (&ref, index_of_place (arena, &ref, place), owner);
  pthread_mutex_unlock (&arena->classes[class_index].lock);
}

uint32_t *
arena_check_of (const struct arena *arena, uint64_t place)
{
  const uint32_t number = span_of_place (arena, place);
  const struct zspage_ref ref = ref_of (arena, number,
                                        arena->zspages[number].class);

  return zspage_check_of (&ref, index_of_place (arena, &ref, place));
}

static void
drop_object (struct arena *arena, unsigned class_index, uint64_t place)
{
  struct arena_class *class = &arena->classes[class_index];
  const uint32_t number = span_of_place (arena, place);
  struct zspage_ref ref = ref_of (arena, number, class_index);
  const unsigned index = index_of_place (arena, &ref, place);
  const unsigned held = ref.zspage->nr_held_pages;
  const unsigned spare = ref.zspage->nr_spare_pages;

  if (arena_has_reserve (arena)) {
    zspage_drop_held (&ref, index);
    class->nr_spare_pages += ref.zspage->nr_spare_pages - spare;
  }
  else {
    zspage_drop (&ref, index, held / HELD_PAGES_FOR_A_SPARE, arena->budget);
    class->nr_held_pages -= held - ref.zspage->nr_held_pages;
  }
  class->nr_live--;
  arena_regroup (arena, class, number);
  close_if_empty (arena, class_index, number);
}

void
arena_free (struct arena *arena, uint64_t place, uint32_t size_bytes)
{
  const unsigned class_index = class_of_place (arena, place);
  struct arena_class *class = &arena->classes[class_index];

  pthread_mutex_lock (&class->lock);
  class->nr_borrowed -= class_index != home_class (arena, size_bytes);
  drop_object (arena, class_index, place);
  pthread_mutex_unlock (&class->lock);
}

/* Compaction. */

uint32_t
arena_nr_zspages (struct arena *arena, unsigned class_index)
{
  uint32_t nr;

  pthread_mutex_lock (&arena->classes[class_index].lock);
  nr = arena->classes[class_index].nr_zspages;
  pthread_mutex_unlock (&arena->classes[class_index].lock);
  return nr;
}

/* So many dry zspages are looked at. */
#define NR_DRY_LOOKED_AT 16u

/* The emptiest of the first dry ones, unless it is fuller than the fullest that
 * has room. */
static bool
find_emptier_dry (const struct arena *arena, const struct arena_class *class,
                  uint32_t *number)
{
  uint32_t fullest, link = class->groups[DRY_GROUP];
  unsigned nr_live;

  if (!arena_find_fullest (class, &fullest))
    return false;
  nr_live = arena->zspages[fullest].nr_live + 1;
  *number = fullest;
  for (unsigned i = 0; i < NR_DRY_LOOKED_AT && link != 0; i++) {
    if (arena->zspages[link - 1].nr_live < nr_live) {
      *number = link - 1;
      nr_live = arena->zspages[link - 1].nr_live;
    }
    link = arena->zspages[link - 1].next;
  }
  return *number != fullest;
}

bool
arena_isolate (struct arena *arena, unsigned class_index, uint32_t *number)
{
  struct arena_class *class = &arena->classes[class_index];
  uint32_t other;
  bool isolated = false;

  pthread_mutex_lock (&class->lock);
  if (find_emptier_dry (arena, class, number) ||
      find_emptiest (class, number)) {
    arena_group_remove (arena, class, *number);
    isolated = arena_find_fullest (class, &other);
    if (isolated)
      arena->zspages[*number].isolated = true;
    else
      arena_group_insert (arena, class, *number, arena->zspages[*number].group);
  }
  pthread_mutex_unlock (&class->lock);
  return isolated;
}

void
arena_putback (struct arena *arena, unsigned class_index, uint32_t number)
{
  struct arena_class *class = &arena->classes[class_index];
  struct zspage *zspage = &arena->zspages[number];

  pthread_mutex_lock (&class->lock);
  zspage->isolated = false;
  if (zspage->nr_live == 0 && !zspage->busy)
    close_zspage (arena, class_index, number);
  else
    arena_group_insert (arena, class, number,
                  group_for (zspage, &arena->geometry.classes[class_index]));
  pthread_mutex_unlock (&class->lock);
}

static bool
describe_object (const struct arena *arena, const struct zspage_ref *ref,
                 unsigned index, struct arena_object *object)
{
  if (index == ref->class->nr_objects)
    return false;
  object->place = place_of (arena, ref, index);
  object->owner = zspage_owner (ref, index);
  return true;
}

bool
arena_previous_object (struct arena *arena, unsigned class_index,
                       uint32_t number, unsigned *end,
                       struct arena_object *object)
{
  struct arena_class *class = &arena->classes[class_index];
  struct zspage_ref ref = ref_of (arena, number, class_index);
  bool r;

  pthread_mutex_lock (&class->lock);
  *end = zspage_last_live (&ref, *end);
  r = describe_object (arena, &ref, *end, object);
  pthread_mutex_unlock (&class->lock);
  return r;
}

bool
arena_last_object (struct arena *arena, unsigned class_index,
                   struct arena_object *object)
{
  struct arena_class *class = &arena->classes[class_index];
  struct zspage_ref ref;
  uint32_t number;
  unsigned last;
  bool r = false;

  pthread_mutex_lock (&class->lock);
  if (arena_find_fullest (class, &number)) {
    ref = ref_of (arena, number, class_index);
    last = zspage_last_live (&ref, ref.class->nr_objects);
    if (ref.zspage->nr_live <= last)    /* a hole below it */
      r = describe_object (arena, &ref, last, object);
  }
  pthread_mutex_unlock (&class->lock);
  return r;
}

static void
release_group (struct arena *arena, unsigned class_index, uint32_t first)
{
  struct arena_class *class = &arena->classes[class_index];

  for (uint32_t link = first; link; link = arena->zspages[link - 1].next) {
    struct zspage_ref ref = ref_of (arena, link - 1, class_index);
    const unsigned held = ref.zspage->nr_held_pages;

    zspage_release_spare (&ref, arena->budget);
    class->nr_held_pages -= held - ref.zspage->nr_held_pages;
  }
}

void
arena_release_spare (struct arena *arena, unsigned class_index)
{
  struct arena_class *class = &arena->classes[class_index];

  if (arena_has_reserve (arena))
    return;
  pthread_mutex_lock (&class->lock);
  for (unsigned group = 0; group < NR_FULLNESS_GROUPS; group++)
    release_group (arena, class_index, class->groups[group]);
  pthread_mutex_unlock (&class->lock);
}

/* The counts of all classes, each looked at under its lock. */
struct counts {
  uint64_t nr_live, nr_held_pages, nr_spare_pages, nr_borrowed;
};

static struct counts
sum_classes (struct arena *arena)
{
  struct counts sum = { 0 };

  for (unsigned i = 0; i < NR_SIZECLASSES; i++) {
    struct arena_class *class = &arena->classes[i];

    pthread_mutex_lock (&class->lock);
    sum.nr_live += class->nr_live;
    sum.nr_held_pages += class->nr_held_pages;
    sum.nr_spare_pages += class->nr_spare_pages;
    sum.nr_borrowed += class->nr_borrowed;
    pthread_mutex_unlock (&class->lock);
  }
  return sum;
}

uint64_t
arena_held_pages (struct arena *arena)
{
  return sum_classes (arena).nr_held_pages + pool_held_pages (&arena->pool);
}

uint64_t
arena_spare_pages (struct arena *arena)
{
  return sum_classes (arena).nr_spare_pages;
}

uint64_t
arena_ready_pages (struct arena *arena)
{
  return arena_spare_pages (arena) + pool_held_pages (&arena->pool);
}

uint64_t
arena_used_pages (struct arena *arena)
{
  const struct counts sum = sum_classes (arena);

  return sum.nr_held_pages - sum.nr_spare_pages;
}

uint64_t
arena_nr_live (struct arena *arena)
{
  return sum_classes (arena).nr_live;
}

uint64_t
arena_nr_borrowed (struct arena *arena)
{
  return sum_classes (arena).nr_borrowed;
}

bool
arena_is_borrowed (const struct arena *arena, uint64_t place,
                   uint32_t size_bytes)
{
  return class_of_place (arena, place) != home_class (arena, size_bytes);
}

void
arena_get_class_stats (struct arena *arena, unsigned class_index,
                       struct arena_class_stats *stats)
{
  struct arena_class *class = &arena->classes[class_index];

  pthread_rwlock_rdlock (&arena->layout_lock);
  pthread_mutex_lock (&class->lock);
  *stats = (struct arena_class_stats) {
    .size_bytes = arena->geometry.classes[class_index].object_bytes,
    .nr_objects = arena->geometry.classes[class_index].nr_objects,
    .nr_zspages = class->nr_zspages, .nr_live = class->nr_live,
    .nr_held_pages = class->nr_held_pages,
  };
  for (unsigned list = 0; list < NR_ZSPAGE_LISTS; list++)
    for (uint32_t link = class->groups[list]; link;
         link = arena->zspages[link - 1].next)
      stats->nr_in_group[group_for (&arena->zspages[link - 1],
                                    &arena->geometry.classes[class_index])]++;
  pthread_mutex_unlock (&class->lock);
  pthread_rwlock_unlock (&arena->layout_lock);
}

/* Checks. */

bool
arena_is_owned (struct arena *arena, uint64_t place, uint32_t size_bytes,
                uint32_t owner)
{
  const uint32_t number = span_of_place (arena, place);
  struct zspage_ref ref;
  unsigned index;

  if (number >= arena->nr_spans_used || !arena->zspages[number].open)
    return false;
  ref = ref_of (arena, number, arena->zspages[number].class);
  if (ref.class->object_bytes < size_bytes ||
      (arena_is_borrowed (arena, place, size_bytes) &&
       arena->classes[ref.zspage->class].nr_borrowed == 0))
    return false;
  index = index_of_place (arena, &ref, place);
  return index < ref.class->nr_objects &&
    place_of (arena, &ref, index) == place && zspage_is_live (&ref, index) &&
    zspage_owner (&ref, index) == owner;
}

static bool
check_listed (const struct arena *arena, unsigned class_index, uint32_t number,
              unsigned group)
{
  const struct zspage_ref ref = ref_of (arena, number, class_index);

  if (ref.zspage->class == class_index && ref.zspage->group == group &&
      (group == DRY_GROUP ? zspage_is_dry (&ref) :
       group_for (ref.zspage, ref.class) == group))
    return true;
  report_error ("class %u: zspage %u is in the wrong group %u", class_index,
                number, group);
  return false;
}

/* A zspage with room is in the list of its group, and lists hold no other. */
static bool
check_groups (struct arena *arena, unsigned class_index, uint32_t nr_with_room)
{
  const struct arena_class *class = &arena->classes[class_index];
  uint32_t nr_listed = 0;

  for (unsigned group = 0; group < NR_ZSPAGE_LISTS; group++)
    for (uint32_t link = class->groups[group]; link;
         link = arena->zspages[link - 1].next) {
      nr_listed++;
      if (!check_listed (arena, class_index, link - 1, group))
        return false;
    }
  if (nr_listed != nr_with_room)
    report_error ("class %u: %u zspages listed, %u have room", class_index,
                  nr_listed, nr_with_room);
  return nr_listed == nr_with_room;
}

static bool
check_class (struct arena *arena, unsigned class_index)
{
  const struct arena_class *class = &arena->classes[class_index];
  uint64_t nr_live = 0, nr_held_pages = 0, nr_spare_pages = 0;
  uint32_t nr_zspages = 0, nr_with_room = 0;
  bool ok = true;

  for (uint32_t number = 0; number < arena->nr_spans_used; number++) {
    struct zspage_ref ref = ref_of (arena, number, class_index);

    if (!ref.zspage->open || ref.zspage->class != class_index)
      continue;
    ok &= zspage_check (&ref);
    nr_zspages++;
    nr_live += ref.zspage->nr_live;
    nr_held_pages += ref.zspage->nr_held_pages;
    nr_spare_pages += ref.zspage->nr_spare_pages;
    nr_with_room += ref.zspage->nr_live < ref.class->nr_objects;
  }
  if (nr_zspages != class->nr_zspages || nr_live != class->nr_live ||
      nr_held_pages != class->nr_held_pages ||
      (arena_has_reserve (arena) && nr_spare_pages != class->nr_spare_pages)) {
    report_error ("class %u: its counts are not what its zspages hold",
                  class_index);
    ok = false;
  }
  return ok && check_groups (arena, class_index, nr_with_room);
}

bool
arena_check (struct arena *arena)
{
  bool ok = true;

  for (unsigned i = 0; i < NR_SIZECLASSES; i++)
    ok &= check_class (arena, i);
  return ok & arena_check_pool (arena);
}

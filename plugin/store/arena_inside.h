/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the arena know about each other: where things are, spans
 * and groups.  For arena.c, arena_reserve.c and refill.c only.
 */
#ifndef ZRAM_ARENA_INSIDE_H
#define ZRAM_ARENA_INSIDE_H

#include "arena.h"
#include "slot.h"

static inline struct zspage_ref
ref_of (const struct arena *arena, uint32_t number, unsigned class_index)
{
  return (struct zspage_ref) {
    .zspage = &arena->zspages[number],
    .class = &arena->geometry.classes[class_index],
    .start = arena->start +
      ((uint64_t) number << arena->geometry.zspage_shift),
  };
}

static inline uint32_t
span_of_place (const struct arena *arena, uint64_t place)
{
  return place >> (arena->geometry.zspage_shift - SLOT_PLACE_UNIT_SHIFT);
}

static inline uint64_t
place_of (const struct arena *arena, const struct zspage_ref *ref,
          unsigned index)
{
  return (uint64_t) (zspage_object (ref, index) - arena->start) >>
    SLOT_PLACE_UNIT_SHIFT;
}

static inline unsigned
index_of_place (const struct arena *arena, const struct zspage_ref *ref,
                uint64_t place)
{
  const uint64_t offset = (place << SLOT_PLACE_UNIT_SHIFT) -
    (uint64_t) (ref->start - arena->start);

  return sizeclass_object_at (ref->class, offset - ref->class->header_bytes);
}

/* The class that objects of this size belong to. */
static inline unsigned
home_class (const struct arena *arena, uint32_t size_bytes)
{
  const unsigned index = sizeclass_index (&arena->geometry, size_bytes);

  return index > arena->first_class ? index : arena->first_class;
}

/* The class that a live object's zspage is of.  Needs no lock: it stays as long
 * as the object does. */
static inline unsigned
class_of_place (const struct arena *arena, uint64_t place)
{
  return arena->zspages[span_of_place (arena, place)].class;
}

/* The lock of its class is held in what follows; but spans have their own. */

static inline unsigned
group_for (const struct zspage *zspage, const struct sizeclass *class)
{
  return zspage->nr_live * NR_FULLNESS_GROUPS / class->nr_objects;
}

/* zspage->group says in which list it is. */
void arena_group_insert (struct arena *arena, struct arena_class *class,
                         uint32_t number, unsigned group);
void arena_group_remove (struct arena *arena, struct arena_class *class,
                         uint32_t number);

/* After nr_live changed. */
void arena_regroup (struct arena *arena, struct arena_class *class,
                    uint32_t number);

/* The fullest zspage that has room.  False: none has. */
bool arena_find_fullest (const struct arena_class *class, uint32_t *number);

/* A span that was never used or is free again.  -1: ENOSPC. */
int arena_span_get (struct arena *arena, uint32_t *number);
void arena_span_put (struct arena *arena, uint32_t number);

/* --- arena_reserve.c, for arena.c --- */

/* Take an object for this class without any system call, in a larger class if
 * need be.  No lock is held.  -1: ENOSPC if nothing may be opened, else
 * EAGAIN. */
int arena_take_ready (struct arena *arena, unsigned class_index, uint32_t owner,
                      bool may_open, uint64_t *place);

/* Close it; its pages go into the pool.  It is empty and in no group. */
void arena_retire (struct arena *arena, unsigned class_index, uint32_t number);

bool arena_check_pool (struct arena *arena);

/* --- arena.c and arena_reserve.c, for refill.c; one thread at a time, who
 * holds the layout lock and no other --- */

/* Of all classes. */
uint64_t arena_spare_pages (struct arena *arena);

/* One span more that is ready.  -1: ENOSPC or ENOMEM. */
int arena_fill_pool (struct arena *arena);

/* After a fork: make the pages of a ready span this process's own.  -1:
 * ENOMEM. */
int arena_own_span (struct arena *arena, uint32_t number);

/* Make the emptied spans ready.  -1: ENOSPC or ENOMEM, those for which there is
 * no memory went back to the system. */
int arena_restore_pool (struct arena *arena);

/* Give a ready span back to the system.  False: there is none. */
bool arena_drain_pool (struct arena *arena);

/* Give the class pages ahead, if it has few and a zspage to put them into.
 * False: it has enough, or there are none to be had. */
bool arena_extend_class (struct arena *arena, unsigned class_index);

/* Nothing happened for some time: be less generous when it is short again. */
void arena_calm_class (struct arena *arena, unsigned class_index);

/* Give spare pages of the class back to the system, all or above twice what it
 * is given at once, until so many have gone or there are no more.  Returns how
 * many went. */
uint64_t arena_trim_class (struct arena *arena, unsigned class_index, bool all,
                           uint64_t max);

#endif

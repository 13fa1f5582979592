/* SPDX-License-Identifier: BSD-3-Clause */
/* The arena: all zspages of a device, and which of them an object goes to.
 *
 * One reservation of address space is cut into spans, one for each zspage.  A
 * place is an offset from its start, in units of 16 bytes, so nothing in the
 * arena or the table is a pointer, and a span's number is the place's high
 * bits.
 *
 * Each class keeps its zspages that have room in ten groups by fullness, as
 * zsmalloc does, and stores into the fullest one, at its lowest free object.
 * So the emptier ones run dry by themselves and the highest pages go first.
 *
 * With a reserve (pool.h) a zspage keeps its pages, an empty one goes into the
 * pool, and nothing here makes a system call.  Where neither its class nor the
 * pool has room an object borrows some in a zspage of a larger class, so whose
 * an object is is what its zspage says, not its size.
 *
 * Locks, outermost first:
 *   layout lock  written to move the arena, and where nothing may be under way
 *   class lock   guards the class's groups, its zspages and their descriptors
 *   pool lock    guards the spans of the pool, with their descriptors
 *   span lock    guards the numbers of spans never used and of those free again
 * The content of an object is guarded by the block lock of its owner, not by
 * these: an object does not move and is not reused while its owner's slot names
 * it.
 */
#ifndef ZRAM_ARENA_H
#define ZRAM_ARENA_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "budget.h"
#include "pool.h"
#include "sizeclass.h"
#include "zspage.h"

#define NR_FULLNESS_GROUPS 10

/* A zspage's group may be one of two more: a full one is in no list, a dry one
 * has no free object whose pages are held, which matters with a reserve. */
#define FULL_GROUP NR_FULLNESS_GROUPS
#define DRY_GROUP (NR_FULLNESS_GROUPS + 1)
#define NR_ZSPAGE_LISTS (NR_FULLNESS_GROUPS + 2)

struct arena_class {
  pthread_mutex_t lock;
  uint32_t groups[NR_ZSPAGE_LISTS];     /* first zspage's number + 1, 0: none */
  uint32_t nr_zspages;
  uint64_t nr_live;                     /* objects, all zspages together */
  uint64_t nr_held_pages;               /* the same */
  uint64_t nr_spare_pages;              /* the same, kept with a reserve only */
  uint64_t nr_borrowed;                 /* live objects of smaller classes */
  uint32_t nr_ahead_pages;              /* what refill gives it at once */
} __attribute__ ((aligned (64)));

struct memory;

struct arena {
  struct geometry geometry;
  struct budget *budget;
  struct memory *memory;                /* where it lies; NULL: its own */
  char *start;
  size_t reserved_bytes;
  struct zspage *zspages;               /* by number, lazily mapped */
  size_t descriptors_bytes;
  uint32_t nr_spans_max;

  pthread_rwlock_t layout_lock; /* taken by those who hold no lock that
                                 * quiescing waits for */
  pthread_mutex_t span_lock;
  uint32_t nr_spans_used;               /* higher ones were never opened */
  uint32_t free_spans;                  /* a list through next, number + 1 */

  struct pool pool;                     /* what is kept for requests */
  pthread_mutex_t refill_lock;          /* one at a time does its work; outside
                                         * the layout lock */
  pthread_t refill_thread;
  unsigned first_class;                 /* smaller objects go there, too */

  struct arena_class classes[NR_SIZECLASSES];
};

/* Reserve address space for this many blocks, in a store file if there is one
 * (its objects are sealed, and unknown until arena_adopt).  Budget and memory
 * outlive the arena.  -1: a message was given, nothing is held. */
int arena_init_at (struct arena *arena, struct memory *memory,
                   uint32_t block_bytes, uint64_t nr_blocks,
                   struct budget *budget);

static inline int
arena_init (struct arena *arena, uint32_t block_bytes, uint64_t nr_blocks,
            struct budget *budget)
{
  return arena_init_at (arena, NULL, block_bytes, nr_blocks, budget);
}

void arena_destroy (struct arena *arena);

/* Wait until refill (refill.h) is at rest, and hold it there.  Before the
 * device is quiesced, since refill may need memory that only requests set
 * free. */
void arena_hold_still (struct arena *arena);
void arena_let_go (struct arena *arena);

/* Reserve what more blocks need.  The arena may move: nobody holds the address
 * of an object, it is held still, and the device quiesced.  -1: a message was
 * given, errno is set. */
int arena_grow (struct arena *arena, uint64_t nr_blocks);

/* Keep this much memory ready for requests, from now on; 0: none.  Before the
 * first one; refill_first does the work.  -1: a message was given, errno is
 * set. */
int arena_set_reserve (struct arena *arena, uint64_t nr_blocks,
                       uint64_t bytes);

static inline bool
arena_has_reserve (const struct arena *arena)
{
  return arena->pool.reserve_pages > 0;
}

/* Copy an object of 1..block_bytes bytes in and say where it is.  The caller
 * holds the owner's block lock.  -1: nothing changed, errno is ENOSPC (the
 * limit, or no address space) or ENOMEM (the machine's memory); with a reserve
 * only EAGAIN: refill_wait, with no lock held, says when to try again. */
int arena_store (struct arena *arena, uint32_t owner, const void *object,
                 uint32_t size_bytes, uint64_t *place);

/* The same, but only into a zspage that is open already, for compaction. */
int arena_store_in_open (struct arena *arena, uint32_t owner,
                         const void *object, uint32_t size_bytes,
                         uint64_t *place);

/* Another owner.  The caller holds the block locks of both. */
void arena_set_owner (struct arena *arena, uint64_t place, uint32_t owner);

/* Where the object is; valid as long as its owner's block lock is held. */
static inline void *
arena_load (const struct arena *arena, uint64_t place)
{
  return arena->start + (place << 4);
}

/* Do objects have checksums? */
static inline bool
arena_is_sealed (const struct arena *arena)
{
  return arena->geometry.classes[0].checks_offset != 0;
}

/* The checksum of an object of a sealed arena; valid as long as its owner's
 * block lock is held, which guards it. */
uint32_t *arena_check_of (const struct arena *arena, uint64_t place);

/* Free the object.  size_bytes is what it was stored with. */
void arena_free (struct arena *arena, uint64_t place, uint32_t size_bytes);

/* --- For compaction (policy/compact.c) --- */

/* One live object as it was seen under the class lock; it may be gone by the
 * time anybody looks. */
struct arena_object {
  uint64_t place;
  uint32_t owner;
};

uint32_t arena_nr_zspages (struct arena *arena, unsigned class_index);

/* Take the emptiest zspage of a class, or a dry one that is no fuller than the
 * fullest, out of its group, if another one has room.  False: there is none.
 * Nothing is stored into an isolated zspage until arena_putback. */
bool arena_isolate (struct arena *arena, unsigned class_index,
                    uint32_t *number);

/* Back to its group, or closed if it is empty by now. */
void arena_putback (struct arena *arena, unsigned class_index,
                    uint32_t number);

/* The last live object of an isolated zspage below *end, which is set to its
 * index; UINT_MAX to begin.  False: there is none left. */
bool arena_previous_object (struct arena *arena, unsigned class_index,
                            uint32_t number, unsigned *end,
                            struct arena_object *object);

/* The last object of the fullest zspage with room, if a free object lies below
 * it.  False: the class is dense. */
bool arena_last_object (struct arena *arena, unsigned class_index,
                        struct arena_object *object);

/* Give the class's spare pages back; with a reserve that is refill's. */
void arena_release_spare (struct arena *arena, unsigned class_index);

/* One size class, for the table that zsmalloc calls classes.  Full zspages are
 * in no group. */
struct arena_class_stats {
  uint32_t size_bytes;          /* of an object */
  uint32_t nr_objects;          /* in a zspage */
  uint32_t nr_zspages;
  uint32_t nr_in_group[NR_FULLNESS_GROUPS];
  uint64_t nr_live;
  uint64_t nr_held_pages;
};

void arena_get_class_stats (struct arena *arena, unsigned class_index,
                            struct arena_class_stats *stats);

/* Pages that the arena holds now; those of them that are kept ready for
 * requests, and the others; objects: all that live in it, and those that borrow
 * room. */
uint64_t arena_held_pages (struct arena *arena);
uint64_t arena_ready_pages (struct arena *arena);
uint64_t arena_used_pages (struct arena *arena);
uint64_t arena_nr_live (struct arena *arena);
uint64_t arena_nr_borrowed (struct arena *arena);

/* Is this the object of another class, by its size? */
bool arena_is_borrowed (const struct arena *arena, uint64_t place,
                        uint32_t size_bytes);

/* --- For checks, with no request in flight and refill held still --- */

/* Is this object live and owned by this block? */
bool arena_is_owned (struct arena *arena, uint64_t place, uint32_t size_bytes,
                     uint32_t owner);

/* Recount everything; reports what is wrong and returns false. */
bool arena_check (struct arena *arena);

#endif

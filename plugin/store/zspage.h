/* SPDX-License-Identifier: BSD-3-Clause */
/* A zspage: a run of contiguous pages cut into objects of one size class
 * (sizeclass.h draws it).  Everything here runs under the class's lock, which
 * the caller holds.
 *
 * The descriptor is small and lies apart from the zspage, so that searching a
 * class touches no zspage.  All-zero is a zspage that was never opened.  It
 * holds no pointers: links are zspage numbers plus one, 0 ends a list.
 *
 * A page of an open zspage is either held (committed and counted in the
 * budget) or absent.  Held pages that no live object touches are spare: they
 * wait for the next object or for zspage_release_spare.  Page 0 holds the
 * header and is held as long as the zspage is open.
 */
#ifndef ZRAM_ZSPAGE_H
#define ZRAM_ZSPAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "budget.h"
#include "sizeclass.h"

struct zspage {
  uint32_t next, prev;          /* number + 1 in its fullness group, 0: none */
  uint16_t class;
  uint16_t nr_live;
  uint16_t first_free;          /* no free object below this one */
  uint16_t nr_held_pages;       /* page 0 included */
  uint16_t nr_spare_pages;
  uint8_t group;                /* its fullness group */
  bool open;
  bool isolated;                /* in no group: compaction empties it */
  bool busy;                    /* some pages are on their way in or out */
};

/* One zspage under the hand: its descriptor, its shape, its memory. */
struct zspage_ref {
  struct zspage *zspage;
  const struct sizeclass *class;
  char *start;
};

/* Commit the header page and clear the header.  -1: ENOSPC or ENOMEM, nothing
 * changed. */
int zspage_open (struct zspage_ref *ref, unsigned class_index,
                 struct budget *budget);

/* Give all its pages back.  No object is live. */
void zspage_close (struct zspage_ref *ref, struct budget *budget);

/* Take the lowest free object for this owner; its pages are present
 * afterwards, and up to nr_ahead absent pages behind them too.  There is a
 * free object.  -1: ENOSPC or ENOMEM, nothing changed. */
int zspage_take (struct zspage_ref *ref, uint32_t owner, unsigned nr_ahead,
                 struct budget *budget, unsigned *index);

/* The object is dead; pages that only it kept become spare, except those that
 * bring nr_spare over spare_max: these go back to the system. */
void zspage_drop (struct zspage_ref *ref, unsigned index, unsigned spare_max,
                  struct budget *budget);

/* Give all spare pages back. */
void zspage_release_spare (struct zspage_ref *ref, struct budget *budget);

bool zspage_is_live (const struct zspage_ref *ref, unsigned index);
uint32_t zspage_owner (const struct zspage_ref *ref, unsigned index);
void zspage_set_owner (const struct zspage_ref *ref, unsigned index,
                       uint32_t owner);

/* The checksum of an object of a sealed zspage.  Its owner's block lock guards
 * it. */
uint32_t *zspage_check_of (const struct zspage_ref *ref, unsigned index);

/* What a sealed header says of its class; NR_SIZECLASSES: nothing valid. */
unsigned zspage_label (const void *start);

/* Make the header of a zspage that was found in a store file: live says which
 * objects are, present which pages are there, both in words of 64 bits; owners
 * stay as they are.  Then the descriptor is right, and so is the header. */
void zspage_adopt (struct zspage_ref *ref, unsigned class_index,
                   const uint64_t *live, const uint64_t *present);

/* The same for a span without a live object, which has so many pages: only
 * which of them are held. */
void zspage_adopt_spare (struct zspage_ref *ref, const uint64_t *present,
                         unsigned nr_pages);

/* The last live object below end; nr_objects if there is none. */
unsigned zspage_last_live (const struct zspage_ref *ref, unsigned end);

/* --- With a reserve (pool.h): no system call in any of these --- */

/* The first nr pages of a span that has none are committed and counted by
 * the caller: note them in its header.  Any class will do for the ref. */
void zspage_note_span (struct zspage_ref *ref, unsigned nr);

/* Open a span whose pages are noted. */
void zspage_open_noted (struct zspage_ref *ref, unsigned class_index);

/* Close it, but keep all pages, noted.  No object is live. */
void zspage_close_noted (struct zspage_ref *ref);

/* Take the lowest free object whose pages are all held.  False: there is
 * none. */
bool zspage_take_held (struct zspage_ref *ref, uint32_t owner, unsigned *index);

/* Is there no such object? */
bool zspage_is_dry (const struct zspage_ref *ref);

/* The object is dead; pages that only it kept become spare. */
void zspage_drop_held (struct zspage_ref *ref, unsigned index);

/* The first run of at most max absent pages that can hold something.  False:
 * there is none. */
bool zspage_find_absent (const struct zspage_ref *ref, unsigned max,
                         unsigned *first, unsigned *end);

/* Note that pages are held from now on: they are spare; or not any more: they
 * were spare, or those of a span that is not open. */
void zspage_note_held (struct zspage_ref *ref, unsigned first, unsigned end);
void zspage_note_absent (struct zspage_ref *ref, unsigned first, unsigned end);

/* The last run of at most max spare pages.  False: there is none. */
bool zspage_find_spare (const struct zspage_ref *ref, unsigned max,
                        unsigned *first, unsigned *end);

/* The first run of pages from page on that are held, or not, of a span that is
 * not open.  False: there is none. */
bool zspage_find_noted (const struct zspage_ref *ref, bool held, unsigned page,
                        unsigned limit, unsigned *first, unsigned *end);

/* Are just the first nr pages held? */
bool zspage_holds_first (const struct zspage_ref *ref, unsigned nr);

static inline char *
zspage_object (const struct zspage_ref *ref, unsigned index)
{
  return ref->start + ref->class->header_bytes +
    index * ref->class->object_bytes;
}

/* Recount bits against counters; reports what is wrong and returns false. */
bool zspage_check (const struct zspage_ref *ref);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* A zspage; see zspage.h. */
#include <config.h>

#include <assert.h>
#include <string.h>

#include "crash.h"
#include "pages.h"
#include "report.h"
#include "zspage.h"

/* Bit sets of 64-bit words, as they lie in the header. */

static bool
bit_get (const uint64_t *bits, unsigned i)
{
  return bits[i / 64] >> i % 64 & 1;
}

static void
bit_set (uint64_t *bits, unsigned i)
{
  bits[i / 64] |= (uint64_t) 1 << i % 64;
}

static void
bit_clear (uint64_t *bits, unsigned i)
{
  bits[i / 64] &= ~((uint64_t) 1 << i % 64);
}

/* The first bit of the wanted value in [from, end), end if there is none. */
static unsigned
bit_find (const uint64_t *bits, bool value, unsigned from, unsigned end)
{
  while (from < end) {
    uint64_t word = value ? bits[from / 64] : ~bits[from / 64];

    word >>= from % 64;
    if (word != 0) {
      from += __builtin_ctzll (word);
      return from < end ? from : end;
    }
    from = (from | 63) + 1;
  }
  return end;
}

static unsigned
bit_count (const uint64_t *bits, unsigned end)
{
  unsigned count = 0;

  for (unsigned i = bit_find (bits, true, 0, end); i < end;
       i = bit_find (bits, true, i + 1, end))
    count++;
  return count;
}

static uint64_t *
held_bits (const struct zspage_ref *ref)
{
  return (uint64_t *) (ref->start + ref->class->held_offset);
}

/* Of the whole span, whatever the class. */
static unsigned
nr_held_bits (const struct sizeclass *class)
{
  return (class->live_offset - class->held_offset) * 8;
}

static uint64_t *
live_bits (const struct zspage_ref *ref)
{
  return (uint64_t *) (ref->start + ref->class->live_offset);
}

static uint32_t *
owners (const struct zspage_ref *ref)
{
  return (uint32_t *) (ref->start + ref->class->owners_offset);
}

/* A class's number, and bits that hardly anything else has. */
static uint64_t
label_of (unsigned class_index)
{
  return (class_index + 1) * UINT64_C (0x9e3779b97f4a7c15) << 8 | class_index;
}

unsigned
zspage_label (const void *start)
{
  uint64_t label;

  memcpy (&label, start, sizeof label);
  return label == label_of (label & 255) ? label & 255 : NR_SIZECLASSES;
}

static void
write_label (struct zspage_ref *ref, unsigned class_index)
{
  const uint64_t label = label_of (class_index);

  if (ref->class->checks_offset != 0)
    memcpy (ref->start, &label, sizeof label);
}

/* Pages of the zspage that can ever hold something. */
static unsigned
nr_pages (const struct sizeclass *class)
{
  return pages_for_bytes (class->header_bytes +
                          class->nr_objects * class->object_bytes);
}

/* The pages [*first, *end) that an object touches. */
static void
pages_of_object (const struct sizeclass *class, unsigned index,
                 unsigned *first, unsigned *end)
{
  const uint32_t start = class->header_bytes + index * class->object_bytes;

  *first = start >> PAGE_SHIFT;
  *end = pages_for_bytes (start + class->object_bytes);
}

/* Does the header or a live object touch this page? */
static bool
page_is_used (const struct zspage_ref *ref, unsigned page)
{
  const struct sizeclass *class = ref->class;
  const uint32_t start = page << PAGE_SHIFT;
  unsigned first, last;

  if (start < class->header_bytes)
    return true;
  first = sizeclass_object_at (class, start - class->header_bytes);
  last = sizeclass_object_at (class, start + PAGE_BYTES - 1 -
                              class->header_bytes);
  if (last >= class->nr_objects)
    last = class->nr_objects - 1;
  return bit_find (live_bits (ref), true, first, last + 1) <= last;
}

int
zspage_open (struct zspage_ref *ref, unsigned class_index,
             struct budget *budget)
{
  if (budget_take (budget, PAGE_BYTES) == -1)
    return -1;
  if (pages_commit (ref->start, PAGE_BYTES) == -1) {
    budget_give (budget, PAGE_BYTES);
    return -1;
  }
  /* A page that the system did not take back may hold an old header. */
  memset (ref->start, 0, ref->class->owners_offset);
  bit_set (held_bits (ref), 0);
  write_label (ref, class_index);
  crash_point ("zspage-open");
  *ref->zspage = (struct zspage) {
    .class = class_index, .nr_held_pages = 1, .open = true,
  };
  return 0;
}

/* Give the held pages [first, end) back, and say how many went. */
static unsigned
release_run (struct zspage_ref *ref, unsigned first, unsigned end,
             struct budget *budget)
{
  const uint64_t bytes = (uint64_t) (end - first) << PAGE_SHIFT;

  if (pages_release (ref->start + ((uint64_t) first << PAGE_SHIFT),
                     bytes) == -1)
    return 0;
  budget_give (budget, bytes);
  return end - first;
}

void
zspage_close (struct zspage_ref *ref, struct budget *budget)
{
  struct zspage *zspage = ref->zspage;
  const unsigned end = nr_pages (ref->class);

  assert (zspage->nr_live == 0);
  crash_point ("zspage-close");
  pages_release (ref->start, (uint64_t) end << PAGE_SHIFT);
  budget_give (budget, (uint64_t) zspage->nr_held_pages << PAGE_SHIFT);
  *zspage = (struct zspage) { .open = false };
}

/* Make the absent pages [first, end) present. */
static int
hold_run (struct zspage_ref *ref, unsigned first, unsigned end,
          struct budget *budget)
{
  const uint64_t bytes = (uint64_t) (end - first) << PAGE_SHIFT;

  if (budget_take (budget, bytes) == -1)
    return -1;
  if (pages_commit (ref->start + ((uint64_t) first << PAGE_SHIFT),
                    bytes) == -1) {
    budget_give (budget, bytes);
    return -1;
  }
  zspage_note_held (ref, first, end);
  return 0;
}

/* Commit the absent run that begins at page: what is needed up to `needed`,
 * and if memory allows up to nr_ahead more, because one call for several pages
 * costs less than a call for each. */
static int
hold_from (struct zspage_ref *ref, unsigned page, unsigned needed,
           unsigned nr_ahead, struct budget *budget)
{
  unsigned limit = needed + nr_ahead;
  unsigned end;

  if (limit > nr_pages (ref->class))
    limit = nr_pages (ref->class);
  end = bit_find (held_bits (ref), true, page, limit);
  if (end > needed && hold_run (ref, page, end, budget) == 0)
    return 0;
  return hold_run (ref, page, end < needed ? end : needed, budget);
}

/* Make all pages of an object present. */
static int
hold_object (struct zspage_ref *ref, unsigned index, unsigned nr_ahead,
             struct budget *budget)
{
  unsigned first, end, page;

  pages_of_object (ref->class, index, &first, &end);
  while ((page = bit_find (held_bits (ref), false, first, end)) < end)
    if (hold_from (ref, page, end, nr_ahead, budget) == -1)
      return -1;
  return 0;
}

/* How many of the object's pages nothing but it uses; its live bit is not
 * set. */
static unsigned
count_unused_pages (const struct zspage_ref *ref, unsigned index)
{
  unsigned first, end, count = 0;

  pages_of_object (ref->class, index, &first, &end);
  for (unsigned page = first; page < end; page++)
    count += !page_is_used (ref, page);
  return count;
}

/* The object's pages are held. */
static void
note_live (struct zspage_ref *ref, unsigned index, uint32_t owner)
{
  ref->zspage->nr_spare_pages -= count_unused_pages (ref, index);
  bit_set (live_bits (ref), index);
  owners (ref)[index] = owner;
  ref->zspage->nr_live++;
}

int
zspage_take (struct zspage_ref *ref, uint32_t owner, unsigned nr_ahead,
             struct budget *budget, unsigned *index)
{
  struct zspage *zspage = ref->zspage;
  const unsigned i = bit_find (live_bits (ref), false, zspage->first_free,
                               ref->class->nr_objects);

  assert (i < ref->class->nr_objects);
  *index = i;
  /* Pages held before a failure further on stay: they are spare, and the
   * budget counts them. */
  if (hold_object (ref, i, nr_ahead, budget) == -1)
    return -1;
  note_live (ref, i, owner);
  zspage->first_free = i + 1;
  return 0;
}

/* Give a spare page back. */
static void
release_page (struct zspage_ref *ref, unsigned page, struct budget *budget)
{
  if (release_run (ref, page, page + 1, budget) == 0)
    return;
  bit_clear (held_bits (ref), page);
  ref->zspage->nr_held_pages--;
  ref->zspage->nr_spare_pages--;
}

static void
note_dead (struct zspage_ref *ref, unsigned index)
{
  struct zspage *zspage = ref->zspage;

  assert (bit_get (live_bits (ref), index));
  bit_clear (live_bits (ref), index);
  zspage->nr_live--;
  if (index < zspage->first_free)
    zspage->first_free = index;
}

void
zspage_drop (struct zspage_ref *ref, unsigned index, unsigned spare_max,
             struct budget *budget)
{
  struct zspage *zspage = ref->zspage;
  unsigned first, end;

  note_dead (ref, index);
  pages_of_object (ref->class, index, &first, &end);
  for (unsigned page = first; page < end; page++) {
    if (page_is_used (ref, page))
      continue;
    zspage->nr_spare_pages++;
    if (zspage->nr_spare_pages > spare_max)
      release_page (ref, page, budget);
  }
}

void
zspage_release_spare (struct zspage_ref *ref, struct budget *budget)
{
  const unsigned end = nr_pages (ref->class);
  const uint64_t *held = held_bits (ref);

  for (unsigned page = bit_find (held, true, 0, end);
       page < end && ref->zspage->nr_spare_pages > 0;
       page = bit_find (held, true, page + 1, end))
    if (!page_is_used (ref, page))
      release_page (ref, page, budget);
}

bool
zspage_is_live (const struct zspage_ref *ref, unsigned index)
{
  return bit_get (live_bits (ref), index);
}

uint32_t
zspage_owner (const struct zspage_ref *ref, unsigned index)
{
  return owners (ref)[index];
}

void
zspage_set_owner (const struct zspage_ref *ref, unsigned index, uint32_t owner)
{
  owners (ref)[index] = owner;
}

uint32_t *
zspage_check_of (const struct zspage_ref *ref, unsigned index)
{
  return (uint32_t *) (ref->start + ref->class->checks_offset) + index;
}

/* Held pages, from what is there and what live objects say must be. */
static void
adopt_pages (struct zspage_ref *ref, const uint64_t *present)
{
  struct zspage *zspage = ref->zspage;
  const unsigned end = nr_pages (ref->class);

  for (unsigned page = 0; page < end; page++) {
    const bool used = page_is_used (ref, page);

    if (!used && !bit_get (present, page))
      continue;
    bit_set (held_bits (ref), page);
    zspage->nr_held_pages++;
    zspage->nr_spare_pages += !used;
  }
}

void
zspage_adopt (struct zspage_ref *ref, unsigned class_index,
              const uint64_t *live, const uint64_t *present)
{
  const struct sizeclass *class = ref->class;

  memcpy (live_bits (ref), live, class->owners_offset - class->live_offset);
  memset (held_bits (ref), 0, class->live_offset - class->held_offset);
  write_label (ref, class_index);
  crash_point ("adopt-zspage");
  *ref->zspage = (struct zspage) {
    .class = class_index, .open = true,
    .nr_live = bit_count (live_bits (ref), class->nr_objects),
  };
  adopt_pages (ref, present);
}

void
zspage_adopt_spare (struct zspage_ref *ref, const uint64_t *present,
                    unsigned nr_pages)
{
  zspage_note_span (ref, 1);
  for (unsigned page = 1; page < nr_pages; page++)
    if (bit_get (present, page))
      zspage_note_held (ref, page, page + 1);
}

unsigned
zspage_last_live (const struct zspage_ref *ref, unsigned end)
{
  unsigned i = end < ref->class->nr_objects ? end : ref->class->nr_objects;

  while (i > 0)
    if (bit_get (live_bits (ref), --i))
      return i;
  return ref->class->nr_objects;
}

static bool
is_equal (const char *what, unsigned counted, unsigned noted)
{
  if (counted == noted)
    return true;
  report_error ("zspage: %u %s counted, %u noted", counted, what, noted);
  return false;
}

bool
zspage_check (const struct zspage_ref *ref)
{
  const struct zspage *zspage = ref->zspage;
  const unsigned end = nr_pages (ref->class);
  unsigned nr_spare = 0, nr_missing = 0;

  for (unsigned page = 0; page < end; page++) {
    bool used = page_is_used (ref, page);
    bool held = bit_get (held_bits (ref), page);

    nr_spare += held && !used;
    nr_missing += used && !held;
  }
  return
    is_equal ("live objects", bit_count (live_bits (ref),
                                         ref->class->nr_objects),
              zspage->nr_live) &
    is_equal ("held pages", bit_count (held_bits (ref), end),
              zspage->nr_held_pages) &
    is_equal ("spare pages", nr_spare, zspage->nr_spare_pages) &
    is_equal ("used pages that are absent", nr_missing, 0) &
    (bit_find (live_bits (ref), false, 0, zspage->first_free) >=
     zspage->first_free);
}

/* With a reserve. */

void
zspage_note_span (struct zspage_ref *ref, unsigned nr)
{
  memset (held_bits (ref), 0, nr_held_bits (ref->class) / 8);
  *ref->zspage = (struct zspage) { .open = false };
  zspage_note_held (ref, 0, nr);
}

void
zspage_open_noted (struct zspage_ref *ref, unsigned class_index)
{
  const unsigned nr_held = ref->zspage->nr_held_pages;
  unsigned nr_used = 0;

  memset (live_bits (ref), 0,
          ref->class->owners_offset - ref->class->live_offset);
  while (nr_used << PAGE_SHIFT < ref->class->header_bytes)
    nr_used++;
  assert (bit_find (held_bits (ref), false, 0, nr_used) == nr_used);
  write_label (ref, class_index);
  crash_point ("zspage-open");
  *ref->zspage = (struct zspage) {
    .class = class_index, .nr_held_pages = nr_held,
    .nr_spare_pages = nr_held - nr_used, .open = true,
  };
}

void
zspage_close_noted (struct zspage_ref *ref)
{
  assert (ref->zspage->nr_live == 0);
  crash_point ("zspage-close");
  *ref->zspage = (struct zspage) {
    .nr_held_pages = ref->zspage->nr_held_pages,
    .nr_spare_pages = ref->zspage->nr_held_pages,
  };
}

/* The first object that lies behind the absent pages from this one on;
 * nr_objects if no page behind it is held. */
static unsigned
object_behind (const struct zspage_ref *ref, unsigned absent)
{
  const struct sizeclass *class = ref->class;
  const unsigned end = nr_pages (class);
  const unsigned page = bit_find (held_bits (ref), true, absent, end);
  uint32_t offset, index;

  if (page == end)
    return class->nr_objects;
  offset = (page << PAGE_SHIFT) - class->header_bytes;
  index = sizeclass_object_at (class, offset);
  return index * class->object_bytes < offset ? index + 1 : index;
}

/* The first free object from this one on whose pages are all held; nr_objects
 * if there is none. */
static unsigned
find_held (const struct zspage_ref *ref, unsigned index)
{
  const unsigned nr = ref->class->nr_objects;
  unsigned page, end, absent;

  for (; index < nr; index = bit_find (live_bits (ref), false,
                                       object_behind (ref, absent), nr)) {
    pages_of_object (ref->class, index, &page, &end);
    absent = bit_find (held_bits (ref), false, page, end);
    if (absent == end)
      break;
  }
  return index;
}

static unsigned
lowest_free (const struct zspage_ref *ref)
{
  return bit_find (live_bits (ref), false, ref->zspage->first_free,
                   ref->class->nr_objects);
}

bool
zspage_take_held (struct zspage_ref *ref, uint32_t owner, unsigned *index)
{
  const unsigned lowest = lowest_free (ref);

  *index = find_held (ref, lowest);
  ref->zspage->first_free = lowest;
  if (*index == ref->class->nr_objects)
    return false;
  note_live (ref, *index, owner);
  ref->zspage->first_free += *index == lowest;
  return true;
}

bool
zspage_is_dry (const struct zspage_ref *ref)
{
  return find_held (ref, lowest_free (ref)) == ref->class->nr_objects;
}

void
zspage_drop_held (struct zspage_ref *ref, unsigned index)
{
  note_dead (ref, index);
  ref->zspage->nr_spare_pages += count_unused_pages (ref, index);
}

bool
zspage_find_noted (const struct zspage_ref *ref, bool held, unsigned page,
                   unsigned limit, unsigned *first, unsigned *end)
{
  *first = bit_find (held_bits (ref), held, page, limit);
  *end = bit_find (held_bits (ref), !held, *first, limit);
  return *first < limit;
}

bool
zspage_find_absent (const struct zspage_ref *ref, unsigned max,
                    unsigned *first, unsigned *end)
{
  const bool found = zspage_find_noted (ref, false, 0, nr_pages (ref->class),
                                        first, end);

  if (*end - *first > max)
    *end = *first + max;
  return found;
}

void
zspage_note_held (struct zspage_ref *ref, unsigned first, unsigned end)
{
  for (unsigned page = first; page < end; page++)
    bit_set (held_bits (ref), page);
  ref->zspage->nr_held_pages += end - first;
  ref->zspage->nr_spare_pages += end - first;
}

void
zspage_note_absent (struct zspage_ref *ref, unsigned first, unsigned end)
{
  for (unsigned page = first; page < end; page++)
    bit_clear (held_bits (ref), page);
  ref->zspage->nr_held_pages -= end - first;
  ref->zspage->nr_spare_pages -= end - first;
}

static bool
page_is_spare (const struct zspage_ref *ref, unsigned page)
{
  return bit_get (held_bits (ref), page) && !page_is_used (ref, page);
}

bool
zspage_find_spare (const struct zspage_ref *ref, unsigned max,
                   unsigned *first, unsigned *end)
{
  unsigned page = nr_pages (ref->class);

  *first = *end = 0;
  if (ref->zspage->nr_spare_pages == 0)
    return false;
  while (page > 0 && !page_is_spare (ref, page - 1))
    page--;
  *first = *end = page;
  while (*first > 0 && *end - *first < max && page_is_spare (ref, *first - 1))
    (*first)--;
  return *first < *end;
}

bool
zspage_holds_first (const struct zspage_ref *ref, unsigned nr)
{
  return ref->zspage->nr_held_pages == nr &&
    bit_find (held_bits (ref), false, 0, nr) == nr;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* classes: what zsmalloc shows of a pool in debugfs, by the same columns.
 *
 * A zspage here commits its pages as they are touched, so pages_used is what
 * the class holds, not zspages times pages_per_zspage; freeable is what it
 * holds more than if its objects lay close together.
 */
#include <config.h>

#include <inttypes.h>

#include "../store/device.h"
#include "attributes.h"

/* zsmalloc's: up to 10 %, 20 % ... 90 %, 99 % and all of it. */
#define NR_COLUMNS (NR_FULLNESS_GROUPS + 1)
#define FULL_COLUMN NR_FULLNESS_GROUPS

struct class_view {
  uint64_t nr_zspages[NR_COLUMNS];
  uint64_t nr_objects;          /* that its zspages have room for */
  uint64_t nr_live;
  uint64_t nr_held_pages;
  uint64_t nr_freeable_pages;
};

static uint64_t
pages_for (const struct sizeclass *class, uint64_t nr_objects)
{
  return (class->header_bytes + nr_objects * class->object_bytes + 4095) / 4096;
}

/* Pages that the class needs if all zspages but one are full. */
static uint64_t
pages_needed (const struct sizeclass *class, uint64_t nr_live)
{
  const uint64_t nr_full = nr_live / class->nr_objects;
  const uint64_t rest = nr_live % class->nr_objects;

  return nr_full * pages_for (class, class->nr_objects) +
    (rest ? pages_for (class, rest) : 0);
}

/* A zspage that compaction has in its hands is in no group either: it is
 * counted as full for that long. */
static void
view_class (struct arena *arena, unsigned index, struct class_view *view)
{
  struct arena_class_stats stats;
  uint64_t nr_with_room = 0, needed;

  arena_get_class_stats (arena, index, &stats);
  *view = (struct class_view) {
    .nr_objects = (uint64_t) stats.nr_zspages * stats.nr_objects,
    .nr_live = stats.nr_live, .nr_held_pages = stats.nr_held_pages,
  };
  for (unsigned i = 0; i < NR_FULLNESS_GROUPS; i++) {
    view->nr_zspages[i] = stats.nr_in_group[i];
    nr_with_room += stats.nr_in_group[i];
  }
  view->nr_zspages[FULL_COLUMN] = stats.nr_zspages - nr_with_room;
  needed = pages_needed (&arena->geometry.classes[index], view->nr_live);
  if (view->nr_held_pages > needed)
    view->nr_freeable_pages = view->nr_held_pages - needed;
}

static void
add_view (struct class_view *sum, const struct class_view *view)
{
  for (unsigned i = 0; i < NR_COLUMNS; i++)
    sum->nr_zspages[i] += view->nr_zspages[i];
  sum->nr_objects += view->nr_objects;
  sum->nr_live += view->nr_live;
  sum->nr_held_pages += view->nr_held_pages;
  sum->nr_freeable_pages += view->nr_freeable_pages;
}

static void
print_heading (FILE *out)
{
  static const char *const columns[NR_COLUMNS] = {
    "10%", "20%", "30%", "40%", "50%", "60%", "70%", "80%", "90%", "99%",
    "100%",
  };

  fprintf (out, " %5s %5s", "class", "size");
  for (unsigned i = 0; i < NR_COLUMNS; i++)
    fprintf (out, " %9s", columns[i]);
  fprintf (out, " %13s %10s %10s %16s %8s\n", "obj_allocated", "obj_used",
           "pages_used", "pages_per_zspage", "freeable");
}

static void
print_view (FILE *out, const struct class_view *view, const char *nr_pages)
{
  for (unsigned i = 0; i < NR_COLUMNS; i++)
    fprintf (out, "%9" PRIu64 " ", view->nr_zspages[i]);
  fprintf (out, "%13" PRIu64 " %10" PRIu64 " %10" PRIu64 " %16s %8" PRIu64 "\n",
           view->nr_objects, view->nr_live, view->nr_held_pages, nr_pages,
           view->nr_freeable_pages);
}

int
attribute_show_classes (struct export *export, struct payload *payload)
{
  struct arena *arena = &export->device->arena;
  struct class_view view, sum = { .nr_live = 0 };
  char nr_pages[16];

  snprintf (nr_pages, sizeof nr_pages, "%u",
            1u << (arena->geometry.zspage_shift - 12));
  print_heading (payload->out);
  for (unsigned i = 0; i < NR_SIZECLASSES; i++) {
    view_class (arena, i, &view);
    add_view (&sum, &view);
    fprintf (payload->out, " %5u %5" PRIu32 " ", i,
             arena->geometry.classes[i].object_bytes);
    print_view (payload->out, &view, nr_pages);
  }
  fprintf (payload->out, "\n %5s %5s ", "Total", "");
  print_view (payload->out, &sum, "");
  return 0;
}

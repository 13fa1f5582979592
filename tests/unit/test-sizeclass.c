/* SPDX-License-Identifier: BSD-3-Clause */
/* Size classes: every size of every block size fits its class, wastes less than
 * a step, and a zspage is laid out as sizeclass.h draws it.
 */
#include <config.h>

#include "check.h"
#include "pages.h"
#include "sizeclass.h"

static struct geometry geometry;

static void
for_each_block_size (void (*visit) (void))
{
  for (uint32_t bytes = BLOCK_BYTES_MIN; bytes <= BLOCK_BYTES_MAX; bytes *= 2) {
    geometry_init (&geometry, bytes);
    check (geometry.block_bytes == bytes);
    visit ();
  }
}

static void
for_each_class (void (*visit) (const struct sizeclass *class, unsigned index))
{
  for (unsigned i = 0; i < NR_SIZECLASSES; i++)
    visit (&geometry.classes[i], i);
}

static uint32_t
span_bytes (void)
{
  return UINT32_C (1) << geometry.zspage_shift;
}

static void
check_sizes (void)
{
  const uint32_t step = geometry.block_bytes / NR_SIZECLASSES;

  for (uint32_t size = 1; size <= geometry.block_bytes; size++) {
    const unsigned index = sizeclass_index (&geometry, size);

    check (index < NR_SIZECLASSES);
    check (geometry.classes[index].object_bytes >= size);
    check (geometry.classes[index].object_bytes - size < step);
  }
}

static void
every_size_fits_its_class_and_wastes_less_than_a_step (void)
{
  for_each_block_size (check_sizes);
}

static void
check_huge (void)
{
  const struct sizeclass *huge = &geometry.classes[HUGE_SIZECLASS];

  check (sizeclass_index (&geometry, geometry.block_bytes) == HUGE_SIZECLASS);
  check (huge->object_bytes == geometry.block_bytes);
  check (huge->header_bytes == PAGE_BYTES);
  check (huge->nr_objects == 127);
}

/* So freeing one frees its pages, and the header costs one block in 128. */
static void
huge_objects_begin_on_a_page_border (void)
{
  for_each_block_size (check_huge);
}

static void
check_header (const struct sizeclass *class, unsigned index)
{
  const uint32_t pages = span_bytes () >> PAGE_SHIFT;

  check (class->live_offset * 8 >= pages);
  check (class->live_offset % 8 == 0);
  check ((class->owners_offset - class->live_offset) * 8 >= class->nr_objects);
  check (class->owners_offset % 8 == 0);
  check (class->header_bytes >= class->owners_offset + 4 * class->nr_objects);
  check (class->header_bytes <= PAGE_BYTES);
}

static void
check_headers (void)
{
  for_each_class (check_header);
}

static void
the_header_has_room_for_all_and_never_exceeds_a_page (void)
{
  for_each_block_size (check_headers);
}

/* One more would need its own bytes, its owner and at most a word of bits, all
 * rounded up to 16 (or to a page for the huge class). */
static void
check_objects (const struct sizeclass *class, unsigned index)
{
  const uint32_t end =
    class->header_bytes + class->nr_objects * class->object_bytes;
  const uint32_t slack = index == HUGE_SIZECLASS ? PAGE_BYTES : 32;

  check (class->object_bytes % 16 == 0 && class->header_bytes % 16 == 0);
  check (class->nr_objects >= 1 && class->nr_objects <= ZSPAGE_OBJECTS_MAX);
  check (end <= span_bytes ());
  check (class->nr_objects == ZSPAGE_OBJECTS_MAX ||
         span_bytes () - end < class->object_bytes + slack);
}

static void
check_all_objects (void)
{
  for_each_class (check_objects);
}

static void
a_zspage_is_cut_into_as_many_objects_as_fit (void)
{
  for_each_block_size (check_all_objects);
}

static void
check_lookup (const struct sizeclass *class, unsigned index)
{
  for (uint32_t i = 0; i < class->nr_objects; i++) {
    const uint32_t start = i * class->object_bytes;

    check (sizeclass_object_at (class, start) == i);
    check (sizeclass_object_at (class, start + class->object_bytes - 1) == i);
  }
  check (sizeclass_object_at (class, span_bytes () - 1) ==
         (span_bytes () - 1) / class->object_bytes);
}

static void
check_lookups (void)
{
  for_each_class (check_lookup);
}

static void
the_object_at_every_border_is_found_without_a_division (void)
{
  for_each_block_size (check_lookups);
}

/* 128 pages and 615 objects in bits, 615 owners, rounded up to 16. */
static void
the_class_of_848_bytes_has_615_objects (void)
{
  const struct sizeclass *class;

  geometry_init (&geometry, 4096);
  class = &geometry.classes[sizeclass_index (&geometry, 848)];
  check (span_bytes () == 512 * 1024);
  check (class->object_bytes == 848 && class->nr_objects == 615);
  check (class->live_offset == 128 / 8);
  check (class->owners_offset == class->live_offset + 80);
  check (class->header_bytes == 96 + 2460 + 4);
}

int
main (void)
{
  test (every_size_fits_its_class_and_wastes_less_than_a_step);
  test (huge_objects_begin_on_a_page_border);
  test (the_header_has_room_for_all_and_never_exceeds_a_page);
  test (a_zspage_is_cut_into_as_many_objects_as_fit);
  test (the_object_at_every_border_is_found_without_a_division);
  test (the_class_of_848_bytes_has_615_objects);
  return 0;
}

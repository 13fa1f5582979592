/* SPDX-License-Identifier: BSD-3-Clause */
/* Size classes; see sizeclass.h. */
#include <config.h>

#include "pages.h"
#include "sizeclass.h"

#define ZSPAGE_BLOCKS 128u

static uint32_t
round_up (uint32_t value, uint32_t unit)
{
  return (value + unit - 1) / unit * unit;
}

static void
lay_out (struct sizeclass *class, uint32_t nr_pages, uint32_t nr_objects,
         uint32_t alignment, bool sealed)
{
  uint32_t end;

  class->nr_objects = nr_objects;
  class->held_offset = sealed ? 8 : 0;
  class->live_offset = class->held_offset + round_up (nr_pages / 8, 8);
  class->owners_offset = class->live_offset + round_up (nr_objects, 64) / 8;
  end = class->owners_offset + 4 * nr_objects;
  class->checks_offset = sealed ? end : 0;
  class->header_bytes = round_up (sealed ? end + 4 * nr_objects : end,
                                  alignment);
}

/* Places count 16 bytes; the huge class begins on a page border. */
static void
sizeclass_init (struct sizeclass *class, uint32_t object_bytes,
                uint32_t span_bytes, uint32_t alignment, bool sealed)
{
  const uint32_t most =
    sealed ? ZSPAGE_SEALED_OBJECTS_MAX : ZSPAGE_OBJECTS_MAX;
  uint32_t nr_objects = span_bytes / object_bytes;

  if (nr_objects > most)
    nr_objects = most;
  class->object_bytes = object_bytes;
  class->reciprocal = ((uint64_t) 1 << 40) / object_bytes + 1;
  do
    lay_out (class, span_bytes >> PAGE_SHIFT, nr_objects--, alignment, sealed);
  while (class->header_bytes + class->nr_objects * object_bytes > span_bytes);
}

void
geometry_init_sealed (struct geometry *geometry, uint32_t block_bytes,
                      bool sealed)
{
  const uint32_t step_bytes = block_bytes / NR_SIZECLASSES;
  const uint32_t span_bytes = block_bytes * ZSPAGE_BLOCKS;

  geometry->block_bytes = block_bytes;
  geometry->step_shift = __builtin_ctz (step_bytes);
  geometry->zspage_shift = __builtin_ctz (span_bytes);
  for (unsigned i = 0; i < NR_SIZECLASSES; i++)
    sizeclass_init (&geometry->classes[i], (i + 1) * step_bytes, span_bytes,
                    i == HUGE_SIZECLASS ? PAGE_BYTES : 16, sealed);
}

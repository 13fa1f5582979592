/* SPDX-License-Identifier: BSD-3-Clause */
/* Compaction; see compact.h. */
#include <config.h>

#include <limits.h>
#include <stdbool.h>

#include "../store/block.h"
#include "../store/device.h"
#include "compact.h"
#include "pace.h"

static bool
move (struct device *device, const struct arena_object *object, bool anywhere)
{
  int moved;

  device_lock_block (device, object->owner);
  block_move (device, object->owner, object->place, anywhere, &moved);
  device_unlock_block (device, object->owner);
  return moved;
}

/* Empty one zspage into the others, from its end, so that it is dense if they
 * are full before.  An object that does not move, since its block changed or
 * memory ran out, stays. */
static void
empty_zspage (struct device *device, unsigned class_index, uint32_t number)
{
  struct arena_object object;
  unsigned end = UINT_MAX;

  while (pace_step (device) &&
         arena_previous_object (&device->arena, class_index, number, &end,
                                &object))
    move (device, &object, true);
}

/* Each round takes the last object down, so it ends when nothing moves: the
 * zspage is dense, or a writer was there meanwhile. */
static void
make_dense (struct device *device, unsigned class_index)
{
  struct arena_object object;

  while (pace_step (device) &&
         arena_last_object (&device->arena, class_index, &object))
    if (!move (device, &object, false))
      break;
}

/* Each round empties a zspage or fills all others, so there are no more rounds
 * than zspages, except that writers make holes as fast as they are filled. */
static void
compact_class (struct device *device, unsigned class_index)
{
  const uint32_t rounds = arena_nr_zspages (&device->arena, class_index);
  uint32_t number;

  for (uint32_t i = 0; i < rounds; i++) {
    if (!pace_step (device) ||
        !arena_isolate (&device->arena, class_index, &number))
      break;
    empty_zspage (device, class_index, number);
    arena_putback (&device->arena, class_index, number);
  }
  make_dense (device, class_index);
  arena_release_spare (&device->arena, class_index);
}

/* From the largest class down, as zsmalloc: memory returns soonest there. */
uint64_t
compact_device (struct device *device)
{
  uint64_t before, after, freed;

  device_lock (device);
  before = arena_used_pages (&device->arena);
  for (unsigned i = NR_SIZECLASSES; i-- > 0; )
    compact_class (device, i);
  after = arena_used_pages (&device->arena);
  freed = before > after ? before - after : 0;
  atomic_fetch_add (&device->pages_compacted, freed);
  device_unlock (device);
  return freed;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Idle marks; see idle.h. */
#include <config.h>

#include <stdbool.h>

#include "../store/device.h"
#include "idle.h"
#include "pace.h"

/* What becomes of a block's age; the same age: nothing. */
typedef age_t changed_age (slot_t slot, age_t age, uint64_t now_s,
                           uint32_t limit_s);

/* What memory could be saved on. */
static bool
may_be_idle (slot_t slot)
{
  return slot_owns_object (slot) && slot_kind (slot) != SLOT_WIDE;
}

static age_t
marked (slot_t slot, age_t age, uint64_t now_s, uint32_t limit_s)
{
  return may_be_idle (slot) ? age | AGE_IDLE : age;
}

static age_t
marked_if_older (slot_t slot, age_t age, uint64_t now_s, uint32_t limit_s)
{
  return age_seconds (age, now_s) > limit_s ?
    marked (slot, age, now_s, limit_s) : age & ~AGE_IDLE;
}

static age_t
marked_too_if_older (slot_t slot, age_t age, uint64_t now_s, uint32_t limit_s)
{
  return age_seconds (age, now_s) > limit_s ?
    marked (slot, age, now_s, limit_s) : age;
}

static age_t
swept (slot_t slot, age_t age, uint64_t now_s, uint32_t limit_s)
{
  return age_swept (age, now_s);
}

/* The block lock makes sure that the page of ages is there. */
static bool
change_age (struct device *device, uint64_t block, changed_age *change,
            uint64_t now_s, uint32_t limit_s)
{
  struct table *table = &device->table;
  bool idle = false;
  slot_t slot;

  device_lock_block (device, block);
  slot = table_peek (table, block);
  if (slot != 0) {
    const age_t age = change (slot, *table_age (table, block), now_s, limit_s);

    table_touch (table, block, age);
    idle = may_be_idle (slot) && age_is_idle (age);
  }
  device_unlock_block (device, block);
  return idle;
}

/* Returns how many blocks are idle then. */
static uint64_t
change_ages (struct device *device, changed_age *change, uint32_t limit_s)
{
  const uint64_t now_s = age_now_s ();
  uint64_t block, nr_idle = 0;

  device_lock (device);
  for (block = device_next_block (device, 0); block != UINT64_MAX;
       block = device_next_block (device, block + 1)) {
    nr_idle += change_age (device, block, change, now_s, limit_s);
    if (block % SLOTS_IN_PAGE == 0 && !pace_step (device))
      break;
  }
  device_unlock (device);
  return nr_idle;
}

uint64_t
idle_mark_all (struct device *device)
{
  return change_ages (device, marked, 0);
}

uint64_t
idle_mark_older (struct device *device, uint32_t age_s)
{
  return change_ages (device, marked_if_older, age_s);
}

uint64_t
idle_mark_too (struct device *device, uint32_t age_s)
{
  return change_ages (device, marked_too_if_older, age_s);
}

void
idle_sweep (struct device *device)
{
  change_ages (device, swept, 0);
}

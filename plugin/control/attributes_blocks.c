/* SPDX-License-Identifier: BSD-3-Clause */
/* block_state: a line for each block that is stored, as in the kernel's
 * debugfs.
 *
 * How many lines there will be is said before the first one, and blocks come
 * and go meanwhile: so the numbers of those that are stored are noted first, a
 * bit for each slot of a table page that is not empty, and a block that is
 * freed before its turn has a line without flags.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../store/block.h"
#include "../store/device.h"
#include "attributes.h"

/* 12 + 12 + 1 + 6 + 6 characters, and 3 between them and at the end. */
#define LINE_BYTES 40

struct noted_page {
  uint64_t first_block;
  uint8_t stored[SLOTS_IN_PAGE / 8];
};

struct block_states {
  struct device *device;
  struct noted_page *pages;
  size_t nr_pages, capacity;
  uint64_t nr_blocks;
  size_t page;                  /* where the next line comes from */
  unsigned slot;
};

static struct noted_page *
add_page (struct block_states *states)
{
  const size_t capacity = states->capacity ? states->capacity * 2 : 16;
  struct noted_page *pages = states->pages;

  if (states->nr_pages == states->capacity) {
    pages = reallocarray (pages, capacity, sizeof *pages);
    if (!pages)
      return NULL;
    states->pages = pages;
    states->capacity = capacity;
  }
  return &pages[states->nr_pages++];
}

static int
note_page (struct block_states *states, uint64_t first_block, uint64_t end)
{
  const struct table *table = &states->device->table;
  struct noted_page *page = add_page (states);

  if (!page)
    return -1;
  *page = (struct noted_page) { .first_block = first_block };
  for (unsigned i = 0; i < SLOTS_IN_PAGE && first_block + i < end; i++)
    if (table_peek (table, first_block + i) != 0) {
      page->stored[i / 8] |= 1u << i % 8;
      states->nr_blocks++;
    }
  return 0;
}

static int
note_blocks (struct block_states *states)
{
  const uint64_t end = states->device->nr_blocks;
  uint64_t block;

  for (block = 0; block < end; block = table_next_page (block))
    if (!table_page_is_empty (&states->device->table, block) &&
        note_page (states, block, end) == -1)
      return -1;
  return 0;
}

/* Seconds since the machine was started, which is how the kernel says when. */
static uint64_t
boot_seconds (uint32_t age_s)
{
  struct timespec now;

  clock_gettime (CLOCK_BOOTTIME, &now);
  return (uint64_t) now.tv_sec > age_s ? now.tv_sec - age_s : 0;
}

static bool
is_huge (const struct device *device, slot_t slot)
{
  return slot_kind (slot) == SLOT_HUGE ||
    (slot_kind (slot) == SLOT_BACKED &&
     slot_size_bytes (slot) == device->block_bytes);
}

static bool
is_recompressed (const struct device *device, slot_t slot)
{
  const unsigned priority =
    codec_set_priority (&device->codecs, slot_codec (slot));

  return slot_is_compressed (slot, device->block_bytes) && priority > 0 &&
    priority < NR_PRIORITIES;
}

/* The block is locked. */
static void
print_state (struct device *device, uint64_t block, char line[LINE_BYTES + 1])
{
  const slot_t slot = block_object_slot (device, block);
  const enum slot_kind kind = slot_kind (slot);
  const age_t age = slot == 0 ? age_stamp (age_now_s ()) :
    *table_age (&device->table, block_object_owner (device, block));
  const uint64_t used_s = boot_seconds (age_seconds (age, age_now_s ()));

  snprintf (line, LINE_BYTES + 1, "%12" PRIu64 " %12" PRIu64
            ".000000 %c%c%c%c%c%c\n", block, used_s,
            kind == SLOT_SAME || kind == SLOT_WIDE ? 's' : '.',
            kind == SLOT_BACKED ? 'w' : '.', is_huge (device, slot) ? 'h' : '.',
            age_is_idle (age) ? 'i' : '.',
            is_recompressed (device, slot) ? 'r' : '.',
            slot_has_flag (slot, SLOT_INCOMPRESSIBLE) ? 'n' : '.');
}

/* The next block that was noted. */
static bool
next_block (struct block_states *states, uint64_t *block)
{
  *block = 0;
  for (; states->page < states->nr_pages; states->page++, states->slot = 0)
    while (states->slot < SLOTS_IN_PAGE) {
      const struct noted_page *page = &states->pages[states->page];
      const unsigned slot = states->slot++;

      if (page->stored[slot / 8] & 1u << slot % 8) {
        *block = page->first_block + slot;
        return true;
      }
    }
  return false;
}

static size_t
fill (void *opaque, char *buffer, size_t capacity)
{
  struct block_states *states = opaque;
  char line[LINE_BYTES + 1];
  size_t bytes = 0;
  uint64_t block;

  while (bytes + LINE_BYTES <= capacity && next_block (states, &block)) {
    device_lock_block (states->device, block);
    print_state (states->device, block, line);
    device_unlock_block (states->device, block);
    memcpy (buffer + bytes, line, LINE_BYTES);
    bytes += LINE_BYTES;
  }
  return bytes;
}

static void
destroy (void *opaque)
{
  struct block_states *states = opaque;

  free (states->pages);
  free (states);
}

int
attribute_show_block_state (struct export *export, struct payload *payload)
{
  struct block_states *states;

  if (attribute_need_size (export) == -1)
    return -1;
  states = calloc (1, sizeof *states);
  if (!states)
    return attribute_refuse (ENOMEM, "out of memory");
  states->device = export->device;
  payload->table = (struct payload_table) {
    .opaque = states, .fill = fill, .destroy = destroy,
  };
  if (note_blocks (states) == -1)
    return attribute_refuse (ENOMEM, "out of memory");
  payload->table.bytes = states->nr_blocks * LINE_BYTES;
  return 0;
}

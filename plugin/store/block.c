/* SPDX-License-Identifier: BSD-3-Clause */
/* One block; see block.h. */
#include <config.h>

#include <alloca.h>
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "backing.h"
#include "block.h"
#include "checksum.h"
#include "crash.h"
#include "device.h"
#include "report.h"
#include "samefill.h"

#define WORD_BYTES sizeof (uint64_t)

static const char *
reason (int errnum)
{
  switch (errnum) {
  case ENOSPC:
    return "the device is at its memory limit";
  case EAGAIN:
    return "the reserve is used up";
  case EMSGSIZE:
    return "it does not compress, and on_incompressible is reject";
  case EIO:
    return "its object is damaged";
  default:
    return strerror (errnum);
  }
}

void
block_report (const struct device *device, uint64_t block, const char *what)
{
  report_error ("%s: block %" PRIu64 ": cannot %s: %s", device->name, block,
                what, reason (errno));
  if (errno == EMSGSIZE)
    errno = ENOSPC;
}

/* A damaged object. */
static int
fail_to_read (struct device *device, uint64_t block)
{
  errno = EIO;
  block_report (device, block, "read it");
  stats_add_locked (device_stats (device, block), STAT_FAILED_READS, 1);
  return -1;
}

/* A share costs one object, however many blocks there are to it. */
static int64_t
dup_bytes (const struct device *device, uint64_t share, slot_t slot)
{
  const uint32_t count = atomic_load (share_count (&device->shares, share));

  return (int64_t) (count - 1) * slot_size_bytes (slot);
}

/* Add (or take off, times = -1) what a slot stands for. */
static void
account_in (const struct device *device, uint64_t block, slot_t slot, int times,
            struct stats *stats)
{
  static const enum stat_id by_kind[] = {
    [SLOT_SAME] = STAT_SAME_BLOCKS, [SLOT_WIDE] = STAT_SAME_BLOCKS,
    [SLOT_PACKED] = STAT_PACKED_BLOCKS, [SLOT_HUGE] = STAT_HUGE_BLOCKS,
    [SLOT_BACKED] = STAT_BACKED_BLOCKS, [SLOT_SHARED] = STAT_SHARED_BLOCKS,
    [SLOT_DAMAGED] = STAT_DAMAGED_BLOCKS,
  };

  if (slot_kind (slot) == SLOT_EMPTY)
    return;
  if (device_is_share (device, block)) {
    stats_add_locked (stats, STAT_SHARES, times);
    stats_add_locked (stats, STAT_DUP_BYTES,
                      times * dup_bytes (device, block, slot));
  }
  else
    stats_add_locked (stats, by_kind[slot_kind (slot)], times);
  if (slot_owns_object (slot))
    stats_add_locked (stats, STAT_OBJECT_BYTES,
                      times * (int) slot_size_bytes (slot));
  if (slot_is_compressed (slot, device->block_bytes))
    stats_add_locked (stats, STAT_CODEC_BLOCKS + slot_codec (slot), times);
}

static void
account (struct device *device, uint64_t block, slot_t slot, int times)
{
  account_in (device, block, slot, times, device_stats (device, block));
}

void
block_count (const struct device *device, uint64_t block, slot_t slot,
             struct stats *stats)
{
  account_in (device, block, slot, 1, stats);
}

/* What a slot named before. */
static void
release (struct device *device, slot_t old)
{
  if (slot_owns_object (old))
    arena_free (&device->arena, slot_place (old), slot_size_bytes (old));
  else if (slot_kind (old) == SLOT_BACKED)
    backing_release (device->backing, slot_place (old), slot_size_bytes (old));
  else if (slot_kind (old) == SLOT_SHARED)
    dedup_release (device, slot_share (old));
}

/* The commit.  The slot was prepared. */
static void
publish_untouched (struct device *device, uint64_t block, slot_t slot)
{
  const slot_t old = table_publish (&device->table, block, slot);

  account (device, block, slot, 1);
  account (device, block, old, -1);
  release (device, old);
  crash_point ("released");
}

static void
publish (struct device *device, uint64_t block, slot_t slot)
{
  publish_untouched (device, block, slot);
  if (slot != 0)
    table_touch (&device->table, block, age_stamp (age_now_s ()));
}

/* What tells an object from any other: its bytes, and what the slot says of
 * them.  32 bits, since it is damage that is looked for, and memory is dear. */
static uint32_t
check_of (const struct device *device, slot_t slot)
{
  return checksum_of_bytes (arena_load (&device->arena, slot_place (slot)),
                            slot_size_bytes (slot),
                            slot_kind (slot) | slot_codec (slot) << 3);
}

static void
seal (struct device *device, slot_t slot)
{
  if (arena_is_sealed (&device->arena))
    *arena_check_of (&device->arena, slot_place (slot)) =
      check_of (device, slot);
  crash_point ("sealed");
}

bool
block_object_is_intact (const struct device *device, slot_t slot)
{
  return !arena_is_sealed (&device->arena) ||
    *arena_check_of (&device->arena, slot_place (slot)) ==
    check_of (device, slot);
}

/* Put an object into the arena and make the slot that names it. */
static int
store_object (struct device *device, uint64_t block, enum slot_kind kind,
              unsigned codec, const void *object, uint32_t size_bytes,
              slot_t *slot)
{
  uint64_t place;

  *slot = 0;
  if (arena_store (&device->arena, block, object, size_bytes, &place) == -1)
    return -1;
  *slot = slot_of_object (kind, codec, size_bytes, place);
  seal (device, *slot);
  return 0;
}

static int
store_same (struct device *device, uint64_t block, uint64_t word, slot_t *slot)
{
  if (slot_of_word (word, slot))
    return 0;
  return store_object (device, block, SLOT_WIDE, 0, &word, sizeof word, slot);
}

/* Compress with the primary algorithm, or keep the data as it is. */
static int
store_compressed (struct device *device, uint64_t block, const void *data,
                  slot_t *slot)
{
  const unsigned id = device->codecs.ids[0];
  struct codec *codec = device->codecs.codecs[id];
  struct stream *stream = stream_get (&codec->streams);
  const int size = codec_compress (codec, stream, data,
                                   device->packed_bytes_max);
  int r = -1;

  *slot = 0;
  if (size > 0)
    r = store_object (device, block, SLOT_PACKED, id, stream->object, size,
                      slot);
  else if (size == 0 && device->reject_incompressible)
    errno = EMSGSIZE;
  else if (size == 0)
    r = store_object (device, block, SLOT_HUGE, 0, data, device->block_bytes,
                      slot);
  stream_put (stream);
  if (r == 0 && size == 0)
    stats_add_locked (device_stats (device, block), STAT_HUGE_SINCE, 1);
  return r;
}

static int
store_unless_shared (struct device *device, uint64_t block, const void *data,
                     slot_t *slot)
{
  const uint32_t tag = dedup_tag (device, data);

  if (dedup_find (device, block, tag, data, slot))
    return 0;
  if (store_compressed (device, block, data, slot) == -1)
    return -1;
  dedup_note (&device->dedup, tag, block);
  return 0;
}

static int
store_data (struct device *device, uint64_t block, const void *data,
            slot_t *slot)
{
  uint64_t word;

  if (samefill_detect (data, device->block_bytes, &word))
    return store_same (device, block, word, slot);
  if (dedup_is_on (&device->dedup))
    return store_unless_shared (device, block, data, slot);
  return store_compressed (device, block, data, slot);
}

int
block_store (struct device *device, uint64_t block, const void *data)
{
  slot_t slot;

  stats_add_locked (device_stats (device, block), STAT_WRITES, 1);
  if (table_prepare (&device->table, block) == 0) {
    crash_point ("prepared");
    if (store_data (device, block, data, &slot) == 0) {
      publish (device, block, slot);
      return 0;
    }
    table_unprepare (&device->table, block);
  }
  return -1;
}

int
block_zero (struct device *device, uint64_t block)
{
  slot_t zeroes;

  slot_of_word (0, &zeroes);
  if (table_prepare (&device->table, block) == -1)
    return -1;
  publish (device, block, zeroes);
  return 0;
}

void
block_clear (struct device *device, uint64_t block)
{
  if (table_peek (&device->table, block) == 0)
    return;
  stats_add_locked (device_stats (device, block), STAT_NOTIFY_FREE, 1);
  publish (device, block, 0);
}

int
block_load_from_slot (slot_t slot, uint32_t from_byte, uint32_t bytes,
                      void *data)
{
  switch (slot_kind (slot)) {
  case SLOT_EMPTY:
    memset (data, 0, bytes);
    return true;
  case SLOT_SAME:
    samefill_write (data, bytes, slot_word (slot), from_byte);
    return true;
  default:
    return false;
  }
}

static void
load_wide (const struct device *device, slot_t slot, uint32_t from_byte,
           uint32_t bytes, void *data)
{
  uint64_t word;

  memcpy (&word, arena_load (&device->arena, slot_place (slot)), sizeof word);
  samefill_write (data, bytes, word, from_byte);
}

/* The object is whole, wherever it came from. */
static int
unpack (struct device *device, uint64_t block, slot_t slot, const void *object,
        void *data)
{
  if (!slot_is_compressed (slot, device->block_bytes)) {
    memcpy (data, object, device->block_bytes);
    return 0;
  }
  if (codec_decompress (device->codecs.codecs[slot_codec (slot)], object,
                        slot_size_bytes (slot), data) == 0)
    return 0;
  return fail_to_read (device, block);
}

static struct backed_object
backed_object (uint64_t block, slot_t slot)
{
  return (struct backed_object) {
    .place = slot_place (slot), .block = block,
    .size_bytes = slot_size_bytes (slot), .codec = slot_codec (slot),
  };
}

static int
read_backed (struct device *device, uint64_t block, slot_t slot, void *object)
{
  const struct backed_object backed = backed_object (block, slot);

  if (backing_read (device->backing, &backed, object) == 0)
    return 0;
  report_error ("%s: block %" PRIu64 ": cannot read it: %s: %s", device->name,
                block, backing_path (device->backing), errno == EBADMSG ?
                "its object there is damaged" : strerror (errno));
  stats_add_locked (device_stats (device, block), STAT_FAILED_READS, 1);
  errno = EIO;
  return -1;
}

/* Back into the arena.  -1: no memory, it stays where it is. */
static int
promote (struct device *device, uint64_t block, slot_t slot,
         const void *object)
{
  const enum slot_kind kind =
    slot_is_compressed (slot, device->block_bytes) ? SLOT_PACKED : SLOT_HUGE;
  slot_t moved;
  uint64_t place;

  if (arena_store (&device->arena, block, object, slot_size_bytes (slot),
                   &place) == -1)
    return -1;
  moved = slot_moved (slot, kind, place);
  seal (device, moved);
  crash_point ("promoted");
  publish_untouched (device, block, moved);
  return 0;
}

/* Read twice within this time: it comes back. */
#define PROMOTE_AGE_S 60u

static bool
is_read_often (const struct device *device, uint64_t block, slot_t slot)
{
  return slot_has_flag (slot, SLOT_WARM) &&
    age_seconds (*table_age (&device->table, block), age_now_s ()) <
    PROMOTE_AGE_S;
}

static int
load_backed (struct device *device, uint64_t block, slot_t slot, bool often,
             void *data)
{
  uint8_t *object = device_block_buffer (device);

  if (read_backed (device, block, slot, object) == -1 ||
      unpack (device, block, slot, object, data) == -1)
    return -1;
  if (often)
    promote (device, block, slot, object);
  return 0;
}

static int
load_whole (struct device *device, uint64_t block, slot_t slot, bool often,
            void *data)
{
  if (slot_kind (slot) == SLOT_BACKED)
    return load_backed (device, block, slot, often, data);
  return unpack (device, block, slot,
                 arena_load (&device->arena, slot_place (slot)), data);
}

static int
load_part_of_whole (struct device *device, uint64_t block, slot_t slot,
                    bool often, uint32_t from_byte, uint32_t bytes, void *data)
{
  uint8_t *whole;

  if (bytes == device->block_bytes)
    return load_whole (device, block, slot, often, data);
  whole = device_block_buffer (device);
  if (load_whole (device, block, slot, often, whole) == -1)
    return -1;
  memcpy (data, whole + from_byte, bytes);
  return 0;
}

static int
load_slot (struct device *device, uint64_t block, slot_t slot, bool often,
           uint32_t from_byte, uint32_t bytes, void *data)
{
  if (slot_owns_object (slot) && !block_object_is_intact (device, slot))
    return fail_to_read (device, block);
  switch (slot_kind (slot)) {
  case SLOT_EMPTY:
  case SLOT_SAME:
    block_load_from_slot (slot, from_byte, bytes, data);
    return 0;
  case SLOT_WIDE:
    load_wide (device, slot, from_byte, bytes, data);
    return 0;
  case SLOT_HUGE:
    memcpy (data, (char *) arena_load (&device->arena, slot_place (slot)) +
            from_byte, bytes);
    return 0;
  case SLOT_PACKED:
  case SLOT_BACKED:
    return load_part_of_whole (device, block, slot, often, from_byte, bytes,
                               data);
  default:
    return fail_to_read (device, block);
  }
}

/* Used just now: neither idle nor chosen any more, and warm if it is backed. */
static void
touch (struct device *device, uint64_t block, slot_t slot)
{
  const slot_t touched = slot_kind (slot) == SLOT_BACKED ?
    slot_with_flag (slot, SLOT_WARM) : slot_without_flag (slot, SLOT_CHOSEN);

  if (slot_kind (slot) >= SLOT_WIDE && touched != slot)
    table_publish (&device->table, block, touched);
  if (slot != 0)
    table_touch (&device->table, block, age_stamp (age_now_s ()));
}

/* A share is a block. */
static int
load_share (struct device *device, uint64_t share, uint32_t from_byte,
            uint32_t bytes, void *data)
{
  int r;

  device_lock_block (device, share);
  r = block_load_part (device, share, from_byte, bytes, data);
  device_unlock_block (device, share);
  return r;
}

int
block_load_part (struct device *device, uint64_t block, uint32_t from_byte,
                 uint32_t bytes, void *data)
{
  const slot_t slot = table_peek (&device->table, block);
  const bool often = is_read_often (device, block, slot);

  touch (device, block, slot);
  if (slot_kind (slot) == SLOT_SHARED)
    return load_share (device, slot_share (slot), from_byte, bytes, data);
  return load_slot (device, block, slot, often, from_byte, bytes, data);
}

int
block_load (struct device *device, uint64_t block, void *data)
{
  return block_load_part (device, block, 0, device->block_bytes, data);
}

static int
promote_share (struct device *device, uint64_t share)
{
  int r;

  device_lock_block (device, share);
  r = block_promote (device, share);
  device_unlock_block (device, share);
  return r;
}

int
block_promote (struct device *device, uint64_t block)
{
  const slot_t slot = table_peek (&device->table, block);
  uint8_t *object;

  if (slot_kind (slot) == SLOT_SHARED)
    return promote_share (device, slot_share (slot));
  if (slot_kind (slot) != SLOT_BACKED)
    return 0;
  object = device_block_buffer (device);
  if (read_backed (device, block, slot, object) == -1)
    return -1;
  return promote (device, block, slot, object);
}

int
block_patch (struct device *device, uint64_t block, uint32_t from_byte,
             uint32_t bytes, const void *data)
{
  uint8_t *whole = device_block_buffer (device);

  if (block_load (device, block, whole) == -1)
    return -1;
  if (data)
    memcpy (whole + from_byte, data, bytes);
  else
    memset (whole + from_byte, 0, bytes);
  return block_store (device, block, whole);
}

void
block_move (struct device *device, uint64_t block, uint64_t place,
            int anywhere, int *moved)
{
  const slot_t slot = table_peek (&device->table, block);
  struct arena *arena = &device->arena;
  uint64_t to;

  *moved = false;
  if (!slot_owns_object (slot) || slot_place (slot) != place)
    return;
  if (arena_store_in_open (arena, block, arena_load (arena, place),
                           slot_size_bytes (slot), &to) == -1)
    return;
  if (arena_is_sealed (arena))
    *arena_check_of (arena, to) = *arena_check_of (arena, place);
  crash_point ("moved");
  if (to > place && !anywhere && !arena_is_borrowed (arena, place,
                                                     slot_size_bytes (slot))) {
    arena_free (arena, to, slot_size_bytes (slot));
    return;
  }
  table_publish (&device->table, block, slot_at_place (slot, to));
  arena_free (arena, place, slot_size_bytes (slot));
  *moved = true;
}

int
block_load_slot (struct device *device, uint64_t block, slot_t slot,
                 void *data)
{
  return load_slot (device, block, slot, false, 0, device->block_bytes, data);
}

void
block_clear_idle (struct device *device, uint64_t block)
{
  const age_t age = *table_age (&device->table, block);

  table_touch (&device->table, block, age & ~AGE_IDLE);
}

void
block_flag (struct device *device, uint64_t block, enum slot_flag flag, bool on)
{
  const slot_t slot = table_peek (&device->table, block);

  table_publish (&device->table, block,
                 on ? slot_with_flag (slot, flag) :
                 slot_without_flag (slot, flag));
}

int
block_replace (struct device *device, uint64_t block, enum slot_kind kind,
               unsigned codec, const void *object, uint32_t size_bytes)
{
  slot_t slot;

  if (store_object (device, block, kind, codec, object, size_bytes,
                    &slot) == -1)
    return -1;
  publish_untouched (device, block, slot);
  return 0;
}

void
block_back (struct device *device, uint64_t block, uint64_t place)
{
  const slot_t slot = table_peek (&device->table, block);

  backing_hold (device->backing, place, slot_size_bytes (slot));
  crash_point ("backed");
  publish_untouched (device, block, slot_moved (slot, SLOT_BACKED, place));
  block_clear_idle (device, block);
}

void
block_give_object (struct device *device, uint64_t block, uint64_t share,
                   slot_t slot)
{
  const slot_t shared = slot_of_share (share);

  arena_set_owner (&device->arena, slot_place (slot), share);
  crash_point ("share-owned");
  table_publish (&device->table, share, slot);
  crash_point ("share-published");
  table_touch (&device->table, share, age_stamp (age_now_s ()));
  account (device, share, slot, 1);
  table_publish (&device->table, block, shared);
  account (device, block, shared, 1);
  account (device, block, slot, -1);
}

void
block_clear_share (struct device *device, uint64_t share)
{
  publish_untouched (device, share, 0);
}

uint64_t
block_object_owner (struct device *device, uint64_t block)
{
  const slot_t slot = table_peek (&device->table, block);

  return slot_kind (slot) == SLOT_SHARED ? slot_share (slot) : block;
}

slot_t
block_object_slot (struct device *device, uint64_t block)
{
  return table_peek (&device->table, block_object_owner (device, block));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Recompression; see recompress.h. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../store/block.h"
#include "../store/device.h"
#include "../store/live.h"
#include "../store/report.h"
#include "recompress.h"

struct recompress {
  struct device *device;
  const struct recompress_params *params;
  struct postproc_result *result;
  unsigned codec_id;
  bool highest;                 /* no configured priority is higher */
  slot_t slot;                  /* of the block under way */
  uint8_t data[BLOCK_BYTES_MAX];
  uint8_t object[BLOCK_BYTES_MAX];
};

/* Is there something to gain?  An old codec counts as none. */
static bool
wants (const struct device *device, slot_t slot, const void *opaque)
{
  const struct recompress_params *params = opaque;
  const unsigned priority = slot_kind (slot) == SLOT_PACKED ?
    codec_set_priority (&device->codecs, slot_codec (slot)) : NR_PRIORITIES;

  if (params->priority == 0)
    return slot_kind (slot) == SLOT_PACKED && priority == NR_PRIORITIES;
  return !slot_has_flag (slot, SLOT_INCOMPRESSIBLE) &&
    (priority == NR_PRIORITIES || priority < params->priority);
}

/* The content of a block that is still chosen. */
static bool
load (struct recompress *recompress, uint64_t block)
{
  struct device *device = recompress->device;
  bool loaded = false;

  device_lock_block (device, block);
  recompress->slot = table_peek (&device->table, block);
  if (slot_has_flag (recompress->slot, SLOT_CHOSEN)) {
    block_clear_idle (device, block);
    loaded = block_load_slot (device, block, recompress->slot,
                              recompress->data) == 0;
    if (!loaded)
      block_flag (device, block, SLOT_CHOSEN, false);
  }
  device_unlock_block (device, block);
  return loaded;
}

/* Into recompress->object; returns its size, not more than 0 if it is too
 * long.  A stream is not held together with a block lock: hence the copy. */
static int
compress (struct recompress *recompress)
{
  const struct device *device = recompress->device;
  struct codec *codec = device->codecs.codecs[recompress->codec_id];
  struct stream *stream = stream_get (&codec->streams);
  const int size = codec_compress (codec, stream, recompress->data,
                                   device->packed_bytes_max);

  if (size > 0)
    memcpy (recompress->object, stream->object, size);
  stream_put (stream);
  return size;
}

static bool
pays (const struct recompress *recompress, uint32_t size_bytes)
{
  const struct geometry *geometry = &recompress->device->arena.geometry;
  const uint32_t threshold = recompress->params->filter.threshold_bytes;

  return (threshold == 0 || size_bytes < threshold) &&
    sizeclass_index (geometry, size_bytes) <
    sizeclass_index (geometry, slot_size_bytes (recompress->slot));
}

/* An object of an old codec is brought over whatever it gets to, and is kept as
 * it is if the new one cannot shorten it. */
static int
replace (struct recompress *recompress, uint64_t block, int size)
{
  struct device *device = recompress->device;

  if (size > 0)
    return block_replace (device, block, SLOT_PACKED, recompress->codec_id,
                          recompress->object, size);
  return block_replace (device, block, SLOT_HUGE, 0, recompress->data,
                        device->block_bytes);
}

static void
count_done (struct recompress *recompress, int size)
{
  recompress->result->nr_done++;
  recompress->result->freed_bytes +=
    (int64_t) slot_size_bytes (recompress->slot) -
    (size > 0 ? size : (int) recompress->device->block_bytes);
}

/* The block is locked and its slot is what it was. */
static void
act (struct recompress *recompress, uint64_t block, int size)
{
  struct device *device = recompress->device;
  const bool better = size > 0 && pays (recompress, size);

  if ((better || (recompress->params->priority == 0 && size >= 0)) &&
      replace (recompress, block, size) == 0) {
    count_done (recompress, size);
    return;
  }
  block_flag (device, block, SLOT_CHOSEN, false);
  if (!better && recompress->highest && size >= 0)
    block_flag (device, block, SLOT_INCOMPRESSIBLE, true);
}

static void
recompress_block (struct recompress *recompress, uint64_t block)
{
  struct device *device = recompress->device;
  int size;

  if (!load (recompress, block))
    return;
  recompress->result->nr_tried++;
  size = compress (recompress);
  device_lock_block (device, block);
  if (table_peek (&device->table, block) == recompress->slot)
    act (recompress, block, size);
  device_unlock_block (device, block);
}

static int
run (struct recompress *recompress)
{
  const struct recompress_params *params = recompress->params;
  struct postproc *postproc =
    postproc_begin (recompress->device, &params->filter, wants, params);
  uint64_t block;

  if (!postproc)
    return -1;
  while ((params->max_blocks == 0 ||
          recompress->result->nr_tried < params->max_blocks) &&
         postproc_next (postproc, &block))
    recompress_block (recompress, block);
  postproc_end (postproc);
  if (params->priority == 0)
    live_reap_codecs (recompress->device);
  return 0;
}

static bool
is_highest (const struct codec_set *set, unsigned priority)
{
  for (unsigned higher = priority + 1; higher < NR_PRIORITIES; higher++)
    if (codec_set_at (set, higher))
      return false;
  return priority > 0;
}

static int
check_params (struct device *device, const struct recompress_params *params)
{
  const char *wrong = NULL;

  if (params->filter.threshold_bytes > device->packed_bytes_max)
    wrong = "the threshold is larger than any packed object";
  else if (params->priority >= NR_PRIORITIES ||
           !codec_set_at (&device->codecs, params->priority))
    wrong = "this priority has no algorithm";
  if (!wrong)
    return 0;
  report_error ("%s: recompress: %s", device->name, wrong);
  errno = EINVAL;
  return -1;
}

static int
recompress_locked (struct device *device,
                   const struct recompress_params *params,
                   struct postproc_result *result)
{
  struct recompress *recompress;
  int r;

  if (check_params (device, params) == -1)
    return -1;
  recompress = malloc (sizeof *recompress);
  if (!recompress) {
    report_error ("%s: recompress: %m", device->name);
    return -1;
  }
  recompress->device = device;
  recompress->params = params;
  recompress->result = result;
  recompress->codec_id = device->codecs.ids[params->priority];
  recompress->highest = is_highest (&device->codecs, params->priority);
  r = run (recompress);
  free (recompress);
  return r;
}

int
recompress_device (struct device *device,
                   const struct recompress_params *params,
                   struct postproc_result *result)
{
  int r;

  *result = (struct postproc_result) { .nr_tried = 0 };
  device_lock (device);
  r = recompress_locked (device, params, result);
  device_unlock (device);
  return r;
}

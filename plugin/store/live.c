/* SPDX-License-Identifier: BSD-3-Clause */
/* Changes of a live device; see live.h. */
#include <config.h>

#include <alloca.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "block.h"
#include "device.h"
#include "live.h"
#include "persist.h"
#include "report.h"

/* Codecs. */

/* Under quiescence: replace what is at a number, codec NULL to free it. */
static void
swap_codec (struct device *device, unsigned priority, unsigned id,
            struct codec *codec)
{
  struct codec *old;

  pthread_mutex_lock (&device->facts_lock);
  old = codec_set_put (&device->codecs, priority, id, codec);
  pthread_mutex_unlock (&device->facts_lock);
  if (codec)
    device->fixed_bytes += codec_held_bytes (codec);
  if (old) {
    device->fixed_bytes -= codec_held_bytes (old);
    budget_give (&device->budget, codec_held_bytes (old));
    codec_delete (old);
  }
}

/* Free the codecs that no priority uses and no object needs. */
static void
reap_codecs (struct device *device)
{
  struct stats_snapshot stats;

  device_get_stats (device, &stats);
  for (unsigned id = 0; id < NR_CODECS; id++)
    if (device->codecs.codecs[id] &&
        codec_set_priority (&device->codecs, id) == NR_PRIORITIES &&
        stats.values[STAT_CODEC_BLOCKS + id] == 0)
      swap_codec (device, NR_PRIORITIES, id, NULL);
}

void
live_reap_codecs (struct device *device)
{
  device_quiesce_begin (device);
  reap_codecs (device);
  persist_device (device);
  device_quiesce_end (device);
}

static int
install_at (struct device *device, unsigned priority, unsigned id,
            struct codec *codec, const void *dict)
{
  if (id == CODEC_NONE) {
    report_error ("%s: objects of %u algorithms are stored, no more fit: "
                  "recompress with priority=0 first", device->name, NR_CODECS);
    errno = EBUSY;
    return -1;
  }
  if (persist_dict (device, id, dict, codec->dict_bytes) == -1)
    return -1;
  swap_codec (device, priority, id, codec);
  persist_device (device);
  return 0;
}

/* The codec is ready and paid for. */
static int
install_codec (struct device *device, unsigned priority, struct codec *codec,
               const void *dict)
{
  int r;

  device_quiesce_begin (device);
  reap_codecs (device);
  r = install_at (device, priority,
                  codec_set_number_for (&device->codecs, priority, codec),
                  codec, dict);
  device_quiesce_end (device);
  return r;
}

static int
pay_and_install (struct device *device, unsigned priority, struct codec *codec,
                 const void *dict)
{
  const size_t bytes = codec_held_bytes (codec);

  if (budget_take (&device->budget, bytes) == -1) {
    report_error ("%s: the memory limit leaves no room for %s", device->name,
                  codec->ops->name);
    return -1;
  }
  if (install_codec (device, priority, codec, dict) == 0)
    return 0;
  budget_give (&device->budget, bytes);
  return -1;
}

static int
set_codec (struct device *device, unsigned priority,
           const struct codec_ops *algorithm, const struct codec_params *params)
{
  struct codec *codec = codec_new (algorithm, device->block_bytes, params);

  if (!codec)
    return -1;
  if (pay_and_install (device, priority, codec,
                       params ? params->dict : NULL) == 0)
    return 0;
  codec_delete (codec);
  return -1;
}

int
live_set_codec (struct device *device, unsigned priority,
                const struct codec_ops *algorithm,
                const struct codec_params *params)
{
  int r;

  device_lock (device);
  r = set_codec (device, priority, algorithm, params);
  device_unlock (device);
  return r;
}

bool
live_get_codec (struct device *device, unsigned priority,
                struct codec_description *description)
{
  const struct codec *codec;

  pthread_mutex_lock (&device->facts_lock);
  codec = codec_set_at (&device->codecs, priority);
  if (codec)
    *description = (struct codec_description) {
      .algorithm = codec->ops, .level = codec->level,
      .dict_bytes = codec->dict_bytes, .dict_checksum = codec->dict_checksum,
    };
  pthread_mutex_unlock (&device->facts_lock);
  return codec != NULL;
}

/* Size. */

static bool
is_empty_from (const struct device *device, uint64_t block)
{
  while (block < device->nr_blocks)
    if (table_page_is_empty (&device->table, block))
      block = table_next_page (block);
    else if (table_peek (&device->table, block++) != 0)
      return false;
  return true;
}

static bool
is_zero (const uint8_t *data, uint32_t bytes)
{
  return bytes == 0 ||
    (data[0] == 0 && memcmp (data, data + 1, bytes - 1) == 0);
}

/* What a client sees behind the end when the disk grows again is zeroes.  Most
 * often it is so already. */
static int
clear_behind (struct device *device, uint64_t size_bytes)
{
  const uint64_t block = size_bytes >> device->block_shift;
  const uint32_t from_byte = size_bytes & (device->block_bytes - 1);
  const uint32_t bytes = device->block_bytes - from_byte;
  uint8_t *behind;

  if (from_byte == 0 || table_peek (&device->table, block) == 0)
    return 0;
  behind = device_block_buffer (device);
  if (block_load_part (device, block, from_byte, bytes, behind) == -1)
    return -1;
  if (is_zero (behind, bytes))
    return 0;
  if (block_patch (device, block, from_byte, bytes, NULL) == 0)
    return 0;
  if (errno != EIO)
    block_report (device, block, "clear it behind the new end");
  return -1;
}

/* Under quiescence. */
static int
resize (struct device *device, uint64_t size_bytes)
{
  uint64_t nr_blocks;

  if (device_count_blocks (device, size_bytes, &nr_blocks) == -1)
    return -1;
  if (!is_empty_from (device, nr_blocks)) {
    report_error ("%s: there are blocks stored behind %" PRIu64 " bytes, "
                  "trim them first", device->name, size_bytes);
    errno = EBUSY;
    return -1;
  }
  if (size_bytes < device->size_bytes &&
      clear_behind (device, size_bytes) == -1)
    return -1;
  if (arena_grow (&device->arena, nr_blocks) == -1)
    return -1;
  device->size_bytes = size_bytes;
  device->nr_blocks = nr_blocks;
  device->table.nr_slots = nr_blocks;
  persist_device (device);
  return 0;
}

static int
resize_quiesced (struct device *device, uint64_t size_bytes)
{
  int r;

  arena_hold_still (&device->arena);
  device_quiesce_begin (device);
  r = resize (device, size_bytes);
  device_quiesce_end (device);
  arena_let_go (&device->arena);
  return r;
}

/* With a reserve the whole table is present: before the disk is larger, and
 * after it is smaller. */
static int
keep_table (struct device *device, uint64_t size_bytes)
{
  uint64_t nr_blocks;

  if (!arena_has_reserve (&device->arena))
    return 0;
  if (device_count_blocks (device, size_bytes, &nr_blocks) == -1)
    return -1;
  if (nr_blocks <= device->nr_blocks)
    return 0;
  if (table_keep (&device->table, nr_blocks) == 0)
    return 0;
  report_error ("%s: no memory for the table of %" PRIu64 " bytes: %m",
                device->name, size_bytes);
  return -1;
}

static void
trim_table (struct device *device)
{
  const int saved_errno = errno;

  if (arena_has_reserve (&device->arena))
    table_keep (&device->table, device->nr_blocks);
  errno = saved_errno;
}

int
live_set_size (struct device *device, uint64_t size_bytes)
{
  int r;

  device_lock (device);
  r = keep_table (device, size_bytes);
  if (r == 0)
    r = resize_quiesced (device, size_bytes);
  trim_table (device);
  device_unlock (device);
  return r;
}

/* Memory. */

void
live_set_mem_limit (struct device *device, uint64_t bytes)
{
  struct super *super = memory_begin (&device->memory);

  atomic_store (&device->budget.limit_bytes, bytes);
  super->mem_limit_bytes = bytes;
  memory_commit (&device->memory);
}

void
live_reset_mem_max (struct device *device)
{
  atomic_store (&device->budget.max_used_bytes,
                atomic_load (&device->budget.used_bytes));
}

/* The backing file. */

static void
swap_backing (struct device *device, struct backing *backing)
{
  device_quiesce_begin (device);
  pthread_mutex_lock (&device->facts_lock);
  device->backing = backing;
  pthread_mutex_unlock (&device->facts_lock);
  persist_device (device);
  device_quiesce_end (device);
}

static int
attach (struct device *device, const struct backing_params *params)
{
  struct backing *backing;

  if (device->backing) {
    report_error ("%s: it has a backing file already, %s", device->name,
                  backing_path (device->backing));
    errno = EBUSY;
    return -1;
  }
  backing = backing_open (params);
  if (!backing)
    return -1;
  if (budget_take (&device->budget, backing_held_bytes (backing)) == -1) {
    report_error ("%s: the memory limit leaves no room for the book-keeping of "
                  "%s", device->name, params->path);
    backing_close (backing);
    errno = ENOSPC;
    return -1;
  }
  device->fixed_bytes += backing_held_bytes (backing);
  swap_backing (device, backing);
  return 0;
}

int
live_attach_backing (struct device *device,
                     const struct backing_params *params)
{
  int r;

  device_lock (device);
  r = attach (device, params);
  device_unlock (device);
  return r;
}

/* No block is backed. */
static void
close_backing (struct device *device)
{
  struct backing *backing = device->backing;

  swap_backing (device, NULL);
  device->fixed_bytes -= backing_held_bytes (backing);
  budget_give (&device->budget, backing_held_bytes (backing));
  backing_close (backing);
}

static int
detach (struct device *device)
{
  if (!device->backing) {
    report_error ("%s: it has no backing file", device->name);
    errno = ENODEV;
    return -1;
  }
  if (device_cache (device, device->size_bytes, 0) == -1)
    return -1;
  close_backing (device);
  return 0;
}

int
live_detach_backing (struct device *device)
{
  int r;

  device_lock (device);
  r = detach (device);
  device_unlock (device);
  return r;
}

bool
live_get_backing (struct device *device, char *path, size_t bytes,
                  struct backing_stats *stats)
{
  struct backing *backing;

  pthread_mutex_lock (&device->facts_lock);
  backing = device->backing;
  if (backing) {
    snprintf (path, bytes, "%s", backing_path (backing));
    backing_get_stats (backing, stats);
  }
  pthread_mutex_unlock (&device->facts_lock);
  return backing != NULL;
}

/* Deduplication. */

static int
start_dedup (struct device *device)
{
#ifndef HAVE_XXHASH
  report_error ("%s: deduplication is not compiled in (xxhash)", device->name);
  errno = ENOTSUP;
  return -1;
#endif
  if (arena_has_reserve (&device->arena)) {
    report_error ("%s: a device with a reserve cannot share blocks, since that "
                  "takes memory when it is used up", device->name);
    errno = EINVAL;
    return -1;
  }
  if (device->nr_blocks > SHARE_BASE) {
    report_error ("%s: a disk of more than %" PRIu64 " blocks cannot share "
                  "them", device->name, SHARE_BASE);
    errno = EFBIG;
    return -1;
  }
  if (dedup_init (&device->dedup, dedup_entries_for (0),
                  &device->budget) == -1) {
    report_error ("%s: no memory for the index of contents", device->name);
    return -1;
  }
  device->table.first_share = SHARE_BASE;
  persist_device (device);
  return 0;
}

int
live_set_dedup (struct device *device, bool on)
{
  int r = 0;

  device_lock (device);
  device_quiesce_begin (device);
  if (!on) {
    dedup_destroy (&device->dedup, &device->budget);
    persist_device (device);
  }
  else if (!dedup_is_on (&device->dedup))
    r = start_dedup (device);
  device_quiesce_end (device);
  device_unlock (device);
  return r;
}

/* Under quiescence.  Without memory for a larger one the present one stays. */
static void
grow_dedup (struct device *device, uint64_t nr_entries)
{
  struct dedup larger;

  if (dedup_init (&larger, nr_entries, &device->budget) == -1)
    return;
  dedup_copy (&larger, &device->dedup);
  dedup_destroy (&device->dedup, &device->budget);
  device->dedup = larger;
}

void
live_fit_dedup (struct device *device)
{
  struct stats_snapshot stats;
  uint64_t nr_entries;

  if (!device_is_share (device, SHARE_BASE))    /* it never was on */
    return;
  device_lock (device);
  device_get_stats (device, &stats);
  nr_entries = dedup_entries_for (stats.values[STAT_PACKED_BLOCKS] +
                                  stats.values[STAT_HUGE_BLOCKS] +
                                  stats.values[STAT_SHARES]);
  if (dedup_is_on (&device->dedup) &&
      nr_entries > device->dedup.nr_entries) {
    device_quiesce_begin (device);
    grow_dedup (device, nr_entries);
    device_quiesce_end (device);
  }
  device_unlock (device);
}

/* Reset. */

static void
clear_blocks (struct device *device)
{
  uint64_t block = 0;

  while (block < device->nr_blocks)
    if (table_page_is_empty (&device->table, block))
      block = table_next_page (block);
    else
      block_clear (device, block++);
}

static void
clear_counters (struct device *device)
{
  for (unsigned i = 0; i < NR_LOCKS; i++)
    for (unsigned stat = 0; stat < NR_STATS; stat++)
      atomic_store (&device->block_locks[i].stats.values[stat], 0);
  device->pages_compacted = 0;
  live_set_mem_limit (device, 0);
  live_reset_mem_max (device);
}

/* Under quiescence; no client is connected. */
static void
reset (struct device *device, struct codec *primary)
{
  clear_blocks (device);
  dedup_destroy (&device->dedup, &device->budget);
  device->table.first_share = UINT64_MAX;
  clear_counters (device);
  for (unsigned priority = 0; priority < NR_PRIORITIES; priority++)
    device->codecs.ids[priority] = CODEC_NONE;
  reap_codecs (device);
  budget_take (&device->budget, codec_held_bytes (primary));
  swap_codec (device, 0, 0, primary);
  live_reset_mem_max (device);
  device->size_bytes = device->nr_blocks = device->table.nr_slots = 0;
  persist_device (device);
}

static int
reset_if_closed (struct device *device, struct codec *primary)
{
  int r = -1;

  pthread_mutex_lock (&device->open_lock);
  if (device->nr_open == 0) {
    device_quiesce_begin (device);
    reset (device, primary);
    device_quiesce_end (device);
    trim_table (device);
    if (device->backing)
      close_backing (device);
    live_reset_mem_max (device);
    r = 0;
  }
  else
    report_error ("%s: %u clients are connected", device->name,
                  device->nr_open);
  pthread_mutex_unlock (&device->open_lock);
  errno = EBUSY;
  return r;
}

int
live_reset (struct device *device)
{
  struct codec *primary = codec_new (codec_algorithms[0], device->block_bytes,
                                     NULL);
  int r;

  if (!primary)
    return -1;
  device_lock (device);
  r = reset_if_closed (device, primary);
  device_unlock (device);
  if (r == -1) {
    codec_delete (primary);
    errno = EBUSY;
  }
  return r;
}

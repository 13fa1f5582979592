/* SPDX-License-Identifier: BSD-3-Clause */
/* A device; see device.h. */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "adopt.h"
#include "block.h"
#include "device.h"
#include "pages.h"
#include "persist.h"
#include "refill.h"
#include "report.h"

/* A block that compression shortens by less than 1/64 (64 of 4096 bytes) is
 * kept as it is: the saving would not pay for decompressing it at each read. */
static uint32_t
packed_bytes_max (uint32_t block_bytes)
{
  return block_bytes - block_bytes / 64;
}

static int
init_codec (struct device *device, const struct device_params *params)
{
  const struct codec_params *codec_params = params->codec_params;
  struct codec *codec;

  codec_set_init (&device->codecs);
  if (device->was_adopted)
    return persist_load_codecs (device);
  codec = codec_new (params->algorithm, params->block_bytes, codec_params);
  if (!codec)
    return -1;
  if (codec->dict_bytes > 0 &&
      memory_write_dict (&device->memory, 0, codec_params->dict,
                         codec->dict_bytes) == -1) {
    codec_delete (codec);
    return -1;
  }
  codec_set_put (&device->codecs, 0, 0, codec);
  return 0;
}

/* What a request needs is there before the first one. */
static int
init_reserve (struct device *device, uint64_t bytes)
{
  if (bytes == 0)
    return 0;
  dedup_destroy (&device->dedup, &device->budget);      /* an adopted one */
  if (table_keep (&device->table, device->nr_blocks) == 0 &&
      refill_first (&device->arena) == 0)
    return 0;
  report_error ("%s: the table and a reserve of %" PRIu64 " bytes: %s",
                device->name, bytes, errno == ENOSPC ?
                "the memory limit is too low" : strerror (errno));
  if (device->was_adopted)      /* what it holds matters more */
    return 0;
  errno = errno == ENOSPC ? EINVAL : errno;
  return -1;
}

static int
init_store (struct device *device)
{
  if (table_init_at (&device->table, &device->memory, device->nr_blocks,
                     &device->budget) == -1)
    return -1;
  if (arena_init_at (&device->arena, &device->memory, device->block_bytes,
                     device->nr_blocks, &device->budget) == -1)
    goto err1;
  if (shares_init (&device->shares, &device->budget) == -1)
    goto err2;
  return 0;

 err2:
  arena_destroy (&device->arena);
 err1:
  table_destroy (&device->table);
  return -1;
}

/* What an empty device holds counts too. */
static int
init_budget (struct device *device, uint64_t limit_bytes)
{
  device->fixed_bytes = sizeof *device +
    codec_set_held_bytes (&device->codecs);
  budget_take (&device->budget, device->fixed_bytes);
  if (!device->was_adopted && limit_bytes != 0 &&
      limit_bytes <= device->fixed_bytes) {
    report_error ("%s: a memory limit of %" PRIu64 " bytes is too low, "
                  "the empty device takes %" PRIu64, device->name, limit_bytes,
                  device->fixed_bytes);
    errno = EINVAL;
    return -1;
  }
  atomic_store (&device->budget.limit_bytes, limit_bytes);
  return 0;
}

/* Shares take half of the numbers, from when there first are some. */
static uint64_t
nr_blocks_max (const struct device *device)
{
  return device->table.first_share < NR_BLOCKS_MAX ?
    device->table.first_share : NR_BLOCKS_MAX;
}

int
device_count_blocks (const struct device *device, uint64_t size_bytes,
                     uint64_t *nr_blocks)
{
  const uint64_t last = size_bytes == 0 ? 0 : size_bytes - 1;

  *nr_blocks = (last >> device->block_shift) + (size_bytes > 0);
  if (*nr_blocks <= nr_blocks_max (device))
    return 0;
  report_error ("%s: a disk of %" PRIu64 " bytes is too large: with blocks of "
                "%u bytes it can have %" PRIu64, device->name, size_bytes,
                device->block_bytes,
                nr_blocks_max (device) << device->block_shift);
  errno = EFBIG;
  return -1;
}

static int
init_geometry (struct device *device, const struct device_params *params)
{
  uint64_t nr_blocks;

  device->size_bytes = params->size_bytes;
  device->block_bytes = params->block_bytes;
  device->block_shift = __builtin_ctz (params->block_bytes);
  device->packed_bytes_max = packed_bytes_max (params->block_bytes);
  if (device_count_blocks (device, params->size_bytes, &nr_blocks) == -1)
    return -1;
  device->nr_blocks = nr_blocks;
  return 0;
}

static void
init_locks (struct device *device)
{
  pthread_mutex_init (&device->room_lock, NULL);
  pthread_mutex_init (&device->state_lock, NULL);
  pthread_mutex_init (&device->open_lock, NULL);
  pthread_mutex_init (&device->facts_lock, NULL);
  for (unsigned i = 0; i < NR_LOCKS; i++) {
    pthread_mutex_init (&device->block_locks[i].lock, NULL);
    pthread_cond_init (&device->block_locks[i].resumed, NULL);
  }
}

static void
destroy_locks (struct device *device)
{
  for (unsigned i = 0; i < NR_LOCKS; i++) {
    pthread_cond_destroy (&device->block_locks[i].resumed);
    pthread_mutex_destroy (&device->block_locks[i].lock);
  }
  pthread_mutex_destroy (&device->facts_lock);
  pthread_mutex_destroy (&device->open_lock);
  pthread_mutex_destroy (&device->state_lock);
  pthread_mutex_destroy (&device->room_lock);
}

static void
destroy_store (struct device *device)
{
  if (device->backing)
    backing_close (device->backing);
  dedup_destroy (&device->dedup, &device->budget);
  shares_destroy (&device->shares);
  arena_destroy (&device->arena);
  table_destroy (&device->table);
}

static int
fill_store (struct device *device, const struct device_params *params)
{
  if (arena_set_reserve (&device->arena, device->nr_blocks,
                         params->reserve_bytes) == -1)
    return -1;
  if (!device->was_adopted)
    persist_device (device);
  else if (adopt_device (device, params->backing) == -1)
    return -1;
  return init_reserve (device, params->reserve_bytes);
}

static int
init_with_memory (struct device *device, const struct device_params *params)
{
  if (init_geometry (device, params) == -1)
    return -1;
  if (init_codec (device, params) == -1 ||
      init_budget (device, params->mem_limit_bytes) == -1 ||
      init_store (device) == -1)
    goto err1;
  init_locks (device);
  if (fill_store (device, params) == 0)
    return 0;
  destroy_locks (device);
  destroy_store (device);
 err1:
  codec_set_destroy (&device->codecs);
  return -1;
}

static int
init (struct device *device, const struct device_params *params)
{
  struct device_params found = *params;

  device->name = strdup (params->name);
  if (!device->name || pages_check_system () == -1 ||
      memory_open (&device->memory, &params->memory, device->name) == -1)
    goto err1;
  device->was_adopted =
    memory_is_file (&device->memory) && !device->memory.is_new;
  if (persist_load_params (device, &found) == 0 &&
      init_with_memory (device, &found) == 0)
    return 0;
  memory_close (&device->memory);
 err1:
  free (device->name);
  return -1;
}

struct device *
device_create (const struct device_params *params)
{
  const size_t bytes = sizeof (struct device);
  struct device *device = aligned_alloc (_Alignof (struct device), bytes);

  if (!device) {
    report_error ("%s: %m", params->name);
    return NULL;
  }
  memset (device, 0, bytes);
  device->writeback_batch_size = WRITEBACK_BATCH_SIZE;
  device->table.first_share = UINT64_MAX;
  if (init (device, params) == 0)
    return device;
  free (device);
  return NULL;
}

int
device_start (struct device *device)
{
  if (!arena_has_reserve (&device->arena))
    return 0;
  if (table_own_kept (&device->table) == 0)
    return refill_start (&device->arena);
  report_error ("%s: the table: %m", device->name);
  return -1;
}

void
device_stop (struct device *device)
{
  refill_stop (&device->arena);
}

void
device_destroy (struct device *device)
{
  device_stop (device);
  destroy_locks (device);
  destroy_store (device);
  codec_set_destroy (&device->codecs);
  memory_close (&device->memory);
  free (device->name);
  free (device);
}

int
device_open (struct device *device)
{
  bool ready;

  pthread_mutex_lock (&device->open_lock);
  ready = device->size_bytes > 0;
  if (ready)
    device->nr_open++;
  pthread_mutex_unlock (&device->open_lock);
  if (ready)
    return 0;
  report_error ("%s: there is no disk after a reset until its disksize is set",
                device->name);
  errno = ENODEV;
  return -1;
}

void
device_close (struct device *device)
{
  pthread_mutex_lock (&device->open_lock);
  assert (device->nr_open > 0);
  device->nr_open--;
  pthread_mutex_unlock (&device->open_lock);
}

unsigned
device_count_connections (struct device *device)
{
  unsigned nr;

  pthread_mutex_lock (&device->open_lock);
  nr = device->nr_open;
  pthread_mutex_unlock (&device->open_lock);
  return nr;
}

/* A client keeps to the size that it saw when it connected. */
static int
check_range (const struct device *device, uint64_t bytes, uint64_t offset,
             int errnum)
{
  const uint64_t size_bytes = device->size_bytes;

  if (offset <= size_bytes && bytes <= size_bytes - offset)
    return 0;
  report_error ("%s: a request for %" PRIu64 " bytes at %" PRIu64
                " is behind the end, the disk has %" PRIu64 " bytes now",
                device->name, bytes, offset, size_bytes);
  errno = errnum;
  return -1;
}

/* The part of a byte range that lies in one block. */
struct part {
  uint64_t block;
  uint32_t from_byte;
  uint32_t bytes;
};

static struct part
first_part (const struct device *device, uint64_t bytes, uint64_t offset)
{
  struct part part = {
    .block = offset >> device->block_shift,
    .from_byte = offset & (device->block_bytes - 1),
  };
  const uint32_t room = device->block_bytes - part.from_byte;

  part.bytes = bytes < room ? bytes : room;
  return part;
}

/* Where the range can be skipped since nothing is there: the end of the table
 * page in bytes, clipped to the range. */
static uint64_t
bytes_of_empty_page (const struct device *device, uint64_t bytes,
                     uint64_t offset)
{
  const uint64_t block = offset >> device->block_shift;
  const uint64_t skip =
    (table_next_page (block) << device->block_shift) - offset;

  return skip < bytes ? skip : bytes;
}

/* What is done to each part of a range. */
struct request {
  int (*do_part) (struct device *device, const struct part *part,
                  struct request *request);
  bool skips_empty;             /* nothing is to be done where nothing is */
  bool may_trim;
  char *to;                     /* read into, from here on */
  const char *from;             /* written, from here on */
};

static int
do_parts (struct device *device, uint64_t bytes, uint64_t offset,
          struct request *request)
{
  while (bytes > 0) {
    const struct part part = first_part (device, bytes, offset);
    uint64_t done = part.bytes;

    if (request->skips_empty &&
        table_page_is_empty (&device->table, part.block))
      done = bytes_of_empty_page (device, bytes, offset);
    else if (request->do_part (device, &part, request) == -1)
      return -1;
    offset += done;
    bytes -= done;
  }
  return 0;
}

static int
read_part (struct device *device, const struct part *part,
           struct request *request)
{
  const slot_t slot = table_peek (&device->table, part->block);
  void *data = request->to;
  int r = 0;

  request->to += part->bytes;
  stats_add (device_stats (device, part->block), STAT_READS, 1);
  if (block_load_from_slot (slot, part->from_byte, part->bytes, data))
    return 0;
  device_lock_block (device, part->block);
  r = block_load_part (device, part->block, part->from_byte, part->bytes, data);
  device_unlock_block (device, part->block);
  return r;
}

int
device_read (struct device *device, void *data, uint64_t bytes,
             uint64_t offset)
{
  struct request request = { .do_part = read_part, .to = data };

  if (check_range (device, bytes, offset, EINVAL) == -1)
    return -1;
  return do_parts (device, bytes, offset, &request);
}

/* Give up on a request's part, for the reason in errno. */
static int
fail_part (struct device *device, uint64_t block, const char *what)
{
  const int saved_errno = errno;

  stats_add (device_stats (device, block), STAT_FAILED_WRITES, 1);
  errno = saved_errno;
  if (errno != EIO)             /* that has been reported */
    block_report (device, block, what);
  return -1;
}

/* Once for each step of room that a write can need: an object, and the pages of
 * a size class and of the table that it is the first in. */
#define TRIES 8

/* There was nothing ready for an object: is there now? */
static bool
waits_for_refill (struct device *device)
{
  return errno == EAGAIN && refill_wait (&device->arena);
}

static bool
makes_room (struct device *device, unsigned tries)
{
  const int saved_errno = errno;

  if (errno != ENOSPC || tries == TRIES || !device->make_room)
    return false;
  if (device->make_room (device, device->make_room_opaque))
    return true;
  errno = saved_errno;
  return false;
}

static int
try_write (struct device *device, const struct part *part, const void *data)
{
  int r;

  device_lock_block (device, part->block);
  if (part->bytes == device->block_bytes)
    r = block_store (device, part->block, data);
  else
    r = block_patch (device, part->block, part->from_byte, part->bytes, data);
  device_unlock_block (device, part->block);
  return r;
}

static int
write_part (struct device *device, const struct part *part,
            struct request *request)
{
  const char *data = request->from;
  unsigned tries = 0;

  request->from += part->bytes;
  while (try_write (device, part, data) == -1)
    if (!waits_for_refill (device) && !makes_room (device, tries++))
      return fail_part (device, part->block, "store it");
  return 0;
}

int
device_write (struct device *device, const void *data, uint64_t bytes,
              uint64_t offset)
{
  struct request request = { .do_part = write_part, .from = data };

  if (check_range (device, bytes, offset, ENOSPC) == -1)
    return -1;
  return do_parts (device, bytes, offset, &request);
}

/* Does this part make up its whole block, as far as the disk reaches? */
static bool
is_whole (const struct device *device, const struct part *part)
{
  return part->from_byte == 0 &&
    (part->bytes == device->block_bytes ||
     (part->block << device->block_shift) + part->bytes == device->size_bytes);
}

static int
try_zero (struct device *device, const struct part *part, bool may_trim)
{
  int r = 0;

  device_lock_block (device, part->block);
  if (!is_whole (device, part))
    r = block_patch (device, part->block, part->from_byte, part->bytes, NULL);
  else if (may_trim)
    block_clear (device, part->block);
  else
    r = block_zero (device, part->block);
  device_unlock_block (device, part->block);
  return r;
}

static int
zero_part (struct device *device, const struct part *part,
           struct request *request)
{
  unsigned tries = 0;

  while (try_zero (device, part, request->may_trim) == -1)
    if (!waits_for_refill (device) && !makes_room (device, tries++))
      return fail_part (device, part->block, "zero it");
  return 0;
}

int
device_zero (struct device *device, uint64_t bytes, uint64_t offset,
             bool may_trim)
{
  struct request request = {
    .do_part = zero_part, .skips_empty = may_trim, .may_trim = may_trim,
  };

  if (check_range (device, bytes, offset, ENOSPC) == -1)
    return -1;
  return do_parts (device, bytes, offset, &request);
}

static int
trim_part (struct device *device, const struct part *part,
           struct request *request)
{
  if (is_whole (device, part)) {
    device_lock_block (device, part->block);
    block_clear (device, part->block);
    device_unlock_block (device, part->block);
  }
  return 0;
}

int
device_trim (struct device *device, uint64_t bytes, uint64_t offset)
{
  struct request request = { .do_part = trim_part, .skips_empty = true };

  if (check_range (device, bytes, offset, ENOSPC) == -1)
    return -1;
  return do_parts (device, bytes, offset, &request);
}

static int
try_promote (struct device *device, uint64_t block)
{
  int r;

  device_lock_block (device, block);
  r = block_promote (device, block);
  device_unlock_block (device, block);
  return r;
}

static int
cache_part (struct device *device, const struct part *part,
            struct request *request)
{
  const enum slot_kind kind =
    slot_kind (table_peek (&device->table, part->block));
  int r;

  if (kind != SLOT_BACKED && kind != SLOT_SHARED)
    return 0;
  do
    r = try_promote (device, part->block);
  while (r == -1 && waits_for_refill (device));
  if (r == -1 && errno != EIO)
    block_report (device, part->block, "bring it into memory");
  return r;
}

int
device_cache (struct device *device, uint64_t bytes, uint64_t offset)
{
  struct request request = { .do_part = cache_part, .skips_empty = true };

  if (check_range (device, bytes, offset, EINVAL) == -1)
    return -1;
  return do_parts (device, bytes, offset, &request);
}

static enum extent_kind
extent_kind (slot_t slot)
{
  switch (slot_kind (slot)) {
  case SLOT_EMPTY:
    return EXTENT_HOLE;
  case SLOT_SAME:
    return slot_word (slot) == 0 ? EXTENT_ZERO : EXTENT_DATA;
  default:
    return EXTENT_DATA;
  }
}

/* What is at offset, and for how many bytes it certainly goes on. */
static enum extent_kind
extent_at (struct device *device, uint64_t offset, uint64_t bytes,
           uint64_t *run_bytes)
{
  const struct part part = first_part (device, bytes, offset);

  *run_bytes = part.bytes;
  if (table_page_is_empty (&device->table, part.block)) {
    *run_bytes = bytes_of_empty_page (device, bytes, offset);
    return EXTENT_HOLE;
  }
  return extent_kind (table_peek (&device->table, part.block));
}

int
device_extents (struct device *device, uint64_t bytes, uint64_t offset,
                extent_visitor *visit, void *opaque)
{
  int r = 0;

  if (check_range (device, bytes, offset, EINVAL) == -1)
    return -1;
  while (bytes > 0 && r == 0) {
    uint64_t run_bytes, more_bytes;
    const enum extent_kind kind =
      extent_at (device, offset, bytes, &run_bytes);

    while (run_bytes < bytes &&
           extent_at (device, offset + run_bytes, bytes - run_bytes,
                      &more_bytes) == kind)
      run_bytes += more_bytes;
    r = visit (opaque, offset, run_bytes, kind);
    offset += run_bytes;
    bytes -= run_bytes;
  }
  return r;
}

void
device_get_stats (struct device *device, struct stats_snapshot *sum)
{
  memset (sum, 0, sizeof *sum);
  for (unsigned i = 0; i < NR_LOCKS; i++)
    stats_sum (sum, &device->block_locks[i].stats);
}

static uint64_t
next_present (const struct table *table, uint64_t block, uint64_t end)
{
  while (block < end && table_page_is_empty (table, block))
    block = table_next_page (block);
  return block;
}

uint64_t
device_next_block (struct device *device, uint64_t block)
{
  const struct table *table = &device->table;
  uint64_t shares;

  if (block < device->nr_blocks)
    block = next_present (table, block, device->nr_blocks);
  if (block < device->nr_blocks)
    return block;
  if (table->first_share == UINT64_MAX)
    return UINT64_MAX;
  shares = shares_end (&device->shares);
  block = next_present (table, block > table->first_share ? block :
                        table->first_share, shares);
  return block < shares ? block : UINT64_MAX;
}

_Thread_local bool device_quiescing;

/* Blocks before shares, as they are taken: whoever holds a block gets on with
 * its share. */
void
device_quiesce_begin (struct device *device)
{
  for (unsigned i = 0; i < NR_LOCKS; i++) {
    struct block_lock *lock = &device->block_locks[i];

    pthread_mutex_lock (&lock->lock);
    lock->quiesced = true;
    pthread_mutex_unlock (&lock->lock);
  }
  device_quiescing = true;
}

void
device_quiesce_end (struct device *device)
{
  const int saved_errno = errno;

  device_quiescing = false;
  for (unsigned i = 0; i < NR_LOCKS; i++) {
    struct block_lock *lock = &device->block_locks[i];

    pthread_mutex_lock (&lock->lock);
    lock->quiesced = false;
    pthread_cond_broadcast (&lock->resumed);
    pthread_mutex_unlock (&lock->lock);
  }
  errno = saved_errno;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of policies and of the backing file share: blocks whose
 * content follows from a number, and what became of them.
 */
#ifndef ZRAM_TEST_BLOCKS_H
#define ZRAM_TEST_BLOCKS_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "backing_file.h"
#include "block.h"
#include "check.h"
#include "device.h"
#include "live.h"
#include "recount.h"
#include "writeback.h"

/* Noise, as much as the object is to be long, and zeroes behind it; all noise
 * is a huge block. */
static inline void
block_make (const struct device *device, uint8_t *data, uint64_t number,
            uint32_t noise_bytes)
{
  struct random random = random_seeded (number);

  memset (data, 0, device->block_bytes);
  random_fill (&random, data, noise_bytes);
}

static inline void
block_put (struct device *device, uint64_t block, uint64_t number,
           uint32_t noise_bytes)
{
  uint8_t data[BLOCK_BYTES_MAX];

  block_make (device, data, number, noise_bytes);
  check (device_write (device, data, device->block_bytes,
                       block * device->block_bytes) == 0);
}

/* Does the block read, and as this?  A block that does not fit or fails is not
 * what it should be, so what is read is right or nothing at all. */
static inline bool
block_is (struct device *device, uint64_t block, uint64_t number,
          uint32_t noise_bytes)
{
  uint8_t data[BLOCK_BYTES_MAX], copy[BLOCK_BYTES_MAX];

  block_make (device, data, number, noise_bytes);
  memset (copy, 0xa5, device->block_bytes);
  if (device_read (device, copy, device->block_bytes,
                   block * device->block_bytes) == -1)
    return false;
  check (memcmp (copy, data, device->block_bytes) == 0);
  return true;
}

static inline void
block_trim (struct device *device, uint64_t block)
{
  check (device_trim (device, device->block_bytes,
                      block * device->block_bytes) == 0);
}

static inline slot_t
block_slot (const struct device *device, uint64_t block)
{
  return table_peek (&device->table, block);
}

static inline bool
block_is_backed (const struct device *device, uint64_t block)
{
  return slot_kind (block_slot (device, block)) == SLOT_BACKED;
}

static inline void
block_set_flag (struct device *device, uint64_t block, enum slot_flag flag)
{
  device_lock_block (device, block);
  block_flag (device, block, flag, true);
  device_unlock_block (device, block);
}

/* As if it had been used so many seconds ago. */
static inline void
block_set_age (struct device *device, uint64_t block, uint32_t age_s)
{
  device_lock_block (device, block);
  table_touch (&device->table, block, age_stamp (age_now_s () - age_s));
  device_unlock_block (device, block);
}

static inline age_t
block_age (const struct device *device, uint64_t block)
{
  return *table_age (&device->table, block);
}

static inline bool
block_is_idle (const struct device *device, uint64_t block)
{
  return age_is_idle (block_age (device, block));
}

static inline int64_t
device_stat (struct device *device, enum stat_id stat)
{
  struct stats_snapshot stats;

  device_get_stats (device, &stats);
  return stats.values[stat];
}

/* Backing files. */

static inline bool
has_backing_files (void)
{
#ifdef HAVE_XXHASH
  return true;
#else
  return false;
#endif
}

static inline bool
has_ciphers (void)
{
#ifdef HAVE_LIBCRYPTO
  return true;
#else
  return false;
#endif
}

static inline const uint8_t *
test_key (void)
{
  static uint8_t key[BACKING_KEY_BYTES];

  for (unsigned i = 0; i < sizeof key; i++)
    key[i] = i * 37 + 1;
  return key;
}

/* One writer: what is written lies in the file in one order, and reports come
 * from one thread. */
static inline void
attach_backing (struct device *device, const char *path, uint64_t size_bytes,
                bool encrypted)
{
  const struct backing_params params = {
    .path = path, .size_bytes = size_bytes,
    .key = encrypted ? test_key () : NULL,
  };

  device->writeback_batch_size = 1;
  check (live_attach_backing (device, &params) == 0);
}

static inline struct backing_stats
backing_stats_of (struct device *device)
{
  struct backing_stats stats;
  char path[256];

  check (live_get_backing (device, path, sizeof path, &stats));
  return stats;
}

/* Write all blocks back that can be. */
static inline int
write_back (struct device *device)
{
  const struct postproc_filter filter = { .types = 0 };
  struct postproc_result result;

  return writeback_device (device, &filter, &result);
}

/* End of a test: all that is noted is so. */
static inline void
check_and_destroy (struct device *device)
{
  check (recount_device (device));
  device_destroy (device);
}

static inline void
check_and_destroy_with_backing (struct device *device, const char *path)
{
  zram_debug_fail_backing (NULL, 0);
  check_and_destroy (device);
  check (unlink (path) == 0);
  check_nothing_reported ();
}

/* Each of the first blocks has a content of its own. */
static inline void
block_put_all (struct device *device, uint64_t nr_blocks, uint32_t noise_bytes)
{
  for (uint64_t block = 0; block < nr_blocks; block++)
    block_put (device, block, block + 1, noise_bytes);
}

static inline void
block_check_all (struct device *device, uint64_t nr_blocks,
                 uint32_t noise_bytes)
{
  for (uint64_t block = 0; block < nr_blocks; block++)
    check (block_is (device, block, block + 1, noise_bytes));
}

#endif

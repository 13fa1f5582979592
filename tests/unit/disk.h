/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of the device share: one disk at a time, and data of each kind
 * that the store treats differently.
 */
#ifndef ZRAM_TEST_DISK_H
#define ZRAM_TEST_DISK_H

#include "check.h"
#include "device.h"
#include "model.h"
#include "recount.h"

#define BLOCK 4096u
#define NR_BLOCKS 1200u         /* three pages of the table */
#define CUT 1000u               /* of the last block belong to the disk */
#define SIZE ((uint64_t) (NR_BLOCKS - 1) * BLOCK + CUT)

enum data { ZEROES, SMALL_WORD, WIDE_WORD, TEXT, NOISE, NR_DATA };

static struct device *device;
static uint8_t data[8 * BLOCK_BYTES_MAX], copy[8 * BLOCK_BYTES_MAX];

static inline void
start (void)
{
  device = model_device (0, BLOCK, SIZE);
}

static inline void
stop (void)
{
  check (recount_device (device));
  device_trim (device, device->size_bytes, 0);
  check (recount_device (device));
  check (device->budget.used_bytes == device->fixed_bytes);
  device_destroy (device);
}

static inline void
fill (enum data kind, uint64_t seed, uint64_t bytes)
{
  struct random random = random_seeded (seed);

  memset (data, kind == SMALL_WORD ? 1 + seed % 255 : 0, bytes);
  if (kind == TEXT)             /* a quarter of each KiB is noise */
    for (uint64_t i = 0; i < bytes; i++)
      data[i] = i % 1024 < 256 ? random_next (&random) : 0;
  else if (kind == NOISE)
    random_fill (&random, data, bytes);
  else if (kind == WIDE_WORD)
    for (uint64_t i = 0; i < bytes; i++)
      data[i] = 0x31 * (i % 8) + seed;
}

static inline void
write_data (enum data kind, uint64_t seed, uint64_t bytes, uint64_t offset)
{
  fill (kind, seed, bytes);
  check (device_write (device, data, bytes, offset) == 0);
}

static inline void
check_data (enum data kind, uint64_t seed, uint64_t bytes, uint64_t offset)
{
  fill (kind, seed, bytes);
  memset (copy, 0xee, bytes + 1);
  check (device_read (device, copy, bytes, offset) == 0);
  check (memcmp (copy, data, bytes) == 0);
  check (copy[bytes] == 0xee);
}

static inline void
check_zeroes (uint64_t bytes, uint64_t offset)
{
  check_data (ZEROES, 0, bytes, offset);
}

static inline int64_t
counter (enum stat_id stat)
{
  struct stats_snapshot sums;

  device_get_stats (device, &sums);
  return sums.values[stat];
}

#endif

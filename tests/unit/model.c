/* SPDX-License-Identifier: BSD-3-Clause */
/* What the model tests share; see model.h. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backing_file.h"
#include "idle.h"
#include "live.h"
#include "model.h"
#include "recompress.h"
#include "writeback.h"

static void
fill_word (uint8_t *data, size_t bytes, uint64_t word)
{
  for (size_t i = 0; i < bytes; i++)
    data[i] = word >> i % 8 * 8;
}

static void
fill_noise (struct random *random, uint8_t *data, size_t bytes)
{
  for (size_t i = 0; i < bytes; i++)
    data[i] = random_next (random);
}

static void
fill_text (struct random *random, uint8_t *data, size_t bytes)
{
  static const char *const words[] = {
    "slot ", "table ", "object ", "zspage ", "arena ", "block ", "page\n",
    "\0\0\0\0\x7f\x01", "0x7ffe1234 ", "codec ",
  };
  size_t i = 0;

  while (i < bytes) {
    const char *word = words[random_below (random, 10)];
    const size_t length = *word ? strlen (word) : 6;
    const size_t take = length < bytes - i ? length : bytes - i;

    memcpy (data + i, word, take);
    i += take;
  }
}

void
model_fill (struct random *random, uint8_t *data, size_t bytes)
{
  const uint64_t word = random_next (random);

  switch (random_below (random, 9)) {
  case 0: memset (data, 0, bytes); break;
  case 1: fill_word (data, bytes, word >> 40); break;
  case 2: fill_word (data, bytes, (word >> 32) * UINT64_C (0x100000001)); break;
  case 3: fill_word (data, bytes, word << 12); break;
  case 4: fill_word (data, bytes, word | 1); break;
  case 5: fill_noise (random, data, bytes); break;
  case 6:
    fill_noise (random, data, bytes / 2);
    fill_text (random, data + bytes / 2, bytes - bytes / 2);
    break;
  case 7:
    fill_word (data, bytes, word);
    data[random_below (random, bytes)] ^= 1;
    break;
  default: fill_text (random, data, bytes);
  }
}

struct device *
model_device (unsigned algorithm, uint32_t block_bytes, uint64_t size_bytes)
{
  return model_device_reserve (algorithm, block_bytes, size_bytes, 0);
}

struct device *
model_device_reserve (unsigned algorithm, uint32_t block_bytes,
                      uint64_t size_bytes, uint64_t reserve_bytes)
{
  struct device_params params = {
    .name = "model", .size_bytes = size_bytes, .block_bytes = block_bytes,
    .reserve_bytes = reserve_bytes,
  };
  unsigned nr = 0;
  struct device *device;

  while (codec_algorithms[nr])
    nr++;
  params.algorithm = codec_algorithms[algorithm % nr];
  device = device_create (&params);
  check (device != NULL);
  return device;
}

static const struct codec_ops *
pick_algorithm (struct random *random)
{
  unsigned nr = 0;

  while (codec_algorithms[nr])
    nr++;
  return codec_algorithms[random_below (random, nr)];
}

static void
steer_codec (struct random *random, struct device *device)
{
  const struct codec_ops *algorithm = pick_algorithm (random);
  uint8_t dict[2048];
  struct codec_params params = { .level = CODEC_LEVEL_DEFAULT };

  if (algorithm->takes_dict && random_below (random, 2)) {
    model_fill (random, dict, sizeof dict);
    params.dict = dict;
    params.dict_bytes = sizeof dict;
  }
  if (live_set_codec (device, random_below (random, NR_PRIORITIES), algorithm,
                      &params) == -1)
    check (errno == ENOSPC || errno == EBUSY);
}

static void
steer_recompress (struct random *random, struct device *device)
{
  const struct recompress_params params = {
    .filter.types = random_below (random, 4),
    .filter.threshold_bytes = random_below (random, 2) ?
      random_below (random, 5000) : 0,
    .priority = random_below (random, NR_PRIORITIES),
    .max_blocks = random_below (random, 20),
  };
  struct postproc_result result;

  if (recompress_device (device, &params, &result) == -1)
    check (errno == EINVAL);
  else
    check (result.nr_done <= result.nr_tried &&
           (params.max_blocks == 0 || result.nr_tried <= params.max_blocks));
}

static void
steer_idle (struct random *random, struct device *device)
{
  if (random_below (random, 2))
    idle_mark_all (device);
  else
    idle_mark_older (device, random_below (random, 2));
  idle_sweep (device);
}

/* There and back again. */
static void
steer_size (struct random *random, struct device *device)
{
  const uint64_t size_bytes = device->size_bytes;

  /* With a reserve the table of a larger disk has to be there. */
  if (live_set_size (device, size_bytes + (random_next (random) >> 36)) == -1)
    check (arena_has_reserve (&device->arena) &&
           (errno == ENOSPC || errno == ENOMEM));
  check (live_set_size (device, size_bytes) == 0);
}

/* 132 KiB is the least; with 64 KiB blocks it is full soon. */
void
model_attach_backing (struct device *device)
{
  char path[] = "backing.XXXXXX";
  const uint8_t key[BACKING_KEY_BYTES] = { 1, 2, 3 };
  const struct backing_params params = {
    .path = path, .size_bytes = 256 << 10,
    .key = device->block_bytes > 8192 ? key : NULL,
  };
  const int fd = mkstemp (path);

  check (fd != -1);
  close (fd);
  if (live_attach_backing (device, &params) == -1)
    check (errno == ENOSPC || errno == EBUSY || errno == ENOTSUP);
  unlink (path);
}

void
model_start_dedup (struct device *device)
{
  if (live_set_dedup (device, true) == -1)
    check (errno == ENOTSUP || arena_has_reserve (&device->arena));
}

static void
steer_backing (struct random *random, struct device *device)
{
  if (random_below (random, 8) == 0 && live_detach_backing (device) == -1)
    check (errno == ENODEV || errno == ENOSPC || errno == ENOMEM ||
           errno == EIO);
  if (random_below (random, 4) == 0)
    model_attach_backing (device);
}

/* Writes to the file fail now and then; reads do not, since content must come
 * back. */
static void
steer_writeback (struct random *random, struct device *device)
{
  static const char *const faults[] = { NULL, NULL, "write", "full", "short" };
  const struct postproc_range range = {
    random_below (random, 20), 20 + random_below (random, 20)
  };
  const struct postproc_filter filter = {
    .types = random_below (random, 8) & random_next (random),
    .ranges = random_below (random, 2) ? &range : NULL, .nr_ranges = 1,
  };
  struct postproc_result result;

  atomic_store (&device->writeback_limit_pages, random_below (random, 50));
  atomic_store (&device->writeback_limit_enable,
                random_below (random, 4) == 0);
  zram_debug_fail_backing (faults[random_below (random, 5)],
                           random_below (random, 3));
  if (writeback_device (device, &filter, &result) == -1)
    check (errno == ENODEV || errno == ENOSPC || errno == EIO);
  check (result.nr_done <= result.nr_tried);
  zram_debug_fail_backing (NULL, 0);
}

static void
steer_dedup (struct random *random, struct device *device)
{
  if (live_set_dedup (device, random_below (random, 4) != 0) == -1)
    check (errno == ENOSPC || errno == ENOTSUP ||
           (errno == EINVAL && arena_has_reserve (&device->arena)));
  live_fit_dedup (device);
}

void
model_steer (struct random *random, struct device *device)
{
  static void (*const ways[]) (struct random *, struct device *) = {
    steer_codec, steer_recompress, steer_idle, steer_size, steer_backing,
    steer_writeback, steer_writeback, steer_writeback, steer_dedup,
  };

  ways[random_below (random, sizeof ways / sizeof *ways)] (random, device);
}

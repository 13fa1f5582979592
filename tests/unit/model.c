/* SPDX-License-Identifier: BSD-3-Clause */
/* What the model tests share; see model.h. */
#include <config.h>

#include <string.h>

#include "model.h"

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
  struct device_params params = {
    .name = "model", .size_bytes = size_bytes, .block_bytes = block_bytes,
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

/* SPDX-License-Identifier: BSD-3-Clause */
/* What fuzz-decompress is given; see objects.h. */
#include <config.h>

#include <string.h>

#include "check.h"
#include "objects.h"
#include "sizeclass.h"

#define DICT_BYTES 2048

const char *const objects_algorithms[NR_OBJECTS_ALGORITHMS] = {
  "zstd", "lz4", "lz4hc", "lzo", "deflate",
};

void
objects_fill_text (uint8_t *data, size_t bytes)
{
  static const char *const words[] = {
    "slot ", "table ", "object ", "zspage ", "arena ", "block ", "page\n",
    "0x7ffe1234 ",
  };
  struct random random = random_seeded (1);
  size_t i = 0;

  while (i < bytes) {
    const char *word = words[random_below (&random, 8)];

    while (*word && i < bytes)
      data[i++] = *word++;
  }
}

static struct codec *
make_codec (const struct codec_ops *ops, uint32_t block_bytes, bool with_dict)
{
  uint8_t dict[DICT_BYTES];
  const struct codec_params params = {
    .level = CODEC_LEVEL_DEFAULT,
    .dict = with_dict ? dict : NULL, .dict_bytes = with_dict ? DICT_BYTES : 0,
  };
  struct codec *codec;

  objects_fill_text (dict, sizeof dict);
  codec = codec_new (ops, block_bytes, &params);
  check (codec != NULL);
  return codec;
}

struct codec *
objects_codec (uint8_t byte0, uint8_t byte1)
{
  static struct codec *made[NR_OBJECTS_ALGORITHMS][NR_BLOCK_SIZES][2];
  const unsigned algorithm = byte0 % NR_OBJECTS_ALGORITHMS;
  const unsigned size = (byte1 & 7) % NR_BLOCK_SIZES;
  const char *why;
  const struct codec_ops *ops =
    codec_find (objects_algorithms[algorithm], &why);
  const bool with_dict = ops && ops->takes_dict && byte1 & OBJECTS_DICT;
  struct codec **codec = &made[algorithm][size][with_dict];

  if (ops && !*codec)
    *codec = make_codec (ops, BLOCK_BYTES_MIN << size, with_dict);
  return *codec;
}

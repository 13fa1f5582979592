/* SPDX-License-Identifier: BSD-3-Clause */
/* Codecs; see codec.h. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "checksum.h"
#include "codec.h"
#include "report.h"

extern const struct codec_ops codec_zstd_ops, codec_lz4_ops, codec_lz4hc_ops,
  codec_lzo_ops, codec_deflate_ops;

const struct codec_ops *const codec_algorithms[] = {
  &codec_zstd_ops,
  &codec_lz4_ops,
  &codec_lz4hc_ops,
#ifdef HAVE_LZO
  &codec_lzo_ops,
#endif
#ifdef HAVE_LIBDEFLATE
  &codec_deflate_ops,
#endif
  NULL
};

static const char *
why_not (const char *name)
{
  if (strcmp (name, "842") == 0)
    return "842 is not supported, it needs special hardware to be fast";
  if (strcmp (name, "lzo") == 0 || strcmp (name, "deflate") == 0)
    return "not compiled in";
  return "no such algorithm";
}

const struct codec_ops *
codec_find (const char *name, const char **why)
{
  if (strcmp (name, "lzo-rle") == 0)
    name = "lzo";
  *why = NULL;
  for (unsigned i = 0; codec_algorithms[i]; i++)
    if (strcmp (codec_algorithms[i]->name, name) == 0)
      return codec_algorithms[i];
  *why = why_not (name);
  return NULL;
}

const char *
codec_check_params (const struct codec_ops *ops,
                    const struct codec_params *params)
{
  if (params->dict && !ops->takes_dict)
    return "this algorithm takes no dictionary";
  if (params->level == CODEC_LEVEL_DEFAULT)
    return NULL;
  if (ops->level_min == ops->level_max)
    return "this algorithm takes no level";
  if (params->level < ops->level_min || params->level > ops->level_max)
    return "the level is out of this algorithm's range";
  return NULL;
}

static int
prepare (struct codec *codec, const struct codec_params *params)
{
  const char *wrong = codec_check_params (codec->ops, params);

  if (wrong) {
    report_error ("%s: %s", codec->ops->name, wrong);
    errno = EINVAL;
    return -1;
  }
  if (params->level != CODEC_LEVEL_DEFAULT)
    codec->level = params->level;
  codec->dict_bytes = params->dict ? params->dict_bytes : 0;
  codec->dict_checksum = checksum_of_bytes (params->dict, codec->dict_bytes, 0);
  if (codec->ops->prepare && codec->ops->prepare (codec, params) == -1) {
    report_error ("%s: cannot use this dictionary: %m", codec->ops->name);
    return -1;
  }
  return 0;
}

int
codec_init (struct codec *codec, const struct codec_ops *ops,
            uint32_t block_bytes, const struct codec_params *params)
{
  static const struct codec_params defaults = { .level = CODEC_LEVEL_DEFAULT };

  *codec = (struct codec) {
    .ops = ops, .block_bytes = block_bytes, .level = ops->level_default,
  };
  if (prepare (codec, params ? params : &defaults) == -1)
    return -1;
  if (stream_pool_init (&codec->streams, codec) == 0)
    return 0;
  report_error ("%s: cannot make its streams: %m", ops->name);
  if (ops->unprepare)
    ops->unprepare (codec);
  return -1;
}

void
codec_destroy (struct codec *codec)
{
  stream_pool_destroy (&codec->streams, codec);
  if (codec->ops->unprepare)
    codec->ops->unprepare (codec);
}

struct codec *
codec_new (const struct codec_ops *ops, uint32_t block_bytes,
           const struct codec_params *params)
{
  struct codec *codec = malloc (sizeof *codec);

  if (!codec)
    report_error ("%s: %m", ops->name);
  else if (codec_init (codec, ops, block_bytes, params) == -1) {
    free (codec);
    codec = NULL;
  }
  return codec;
}

void
codec_delete (struct codec *codec)
{
  codec_destroy (codec);
  free (codec);
}

size_t
codec_held_bytes (const struct codec *codec)
{
  return codec->shared_bytes + codec->streams.held_bytes;
}

int
codec_decompress (struct codec *codec, const void *object, size_t object_bytes,
                  void *block)
{
  struct stream *stream = NULL;
  int bytes;

  if (codec->ops->decompress_needs_stream)
    stream = stream_get (&codec->streams);
  bytes = codec->ops->decompress (codec, stream ? stream->context : NULL,
                                  object, object_bytes, block);
  if (stream)
    stream_put (stream);
  if (bytes == (int) codec->block_bytes)
    return 0;
  errno = EIO;
  return -1;
}

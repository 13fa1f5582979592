/* SPDX-License-Identifier: BSD-3-Clause */
/* lz4 and lz4hc: one format of objects, made quickly or made small.
 *
 * lz4's level is the acceleration, as in the kernel: higher is faster and
 * worse.
 *
 * With a dictionary each block starts from a copy of a stream that has it
 * loaded (the kernel does so since 7.1; loading it for each block is many times
 * slower, and attaching is not exported by the shared library).  For lz4hc the
 * copied state has 256 KiB and costs about as much as the compression itself.
 */
#include <config.h>

#include <lz4.h>
#include <lz4hc.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"

/* lz4 looks at the last 64 KiB of a dictionary. */
#define DICT_BYTES_MAX 65536u

struct dict {
  union {
    LZ4_stream_t fast;
    LZ4_streamHC_t hc;
  } loaded;                     /* refers to data */
  int data_bytes;
  char data[];
};

static struct dict *
dict_create (struct codec *codec, const struct codec_params *params)
{
  const size_t bytes = params->dict_bytes < DICT_BYTES_MAX ?
    params->dict_bytes : DICT_BYTES_MAX;
  struct dict *dict = malloc (sizeof *dict + bytes);

  if (!dict)
    return NULL;
  memcpy (dict->data,
          (const char *) params->dict + params->dict_bytes - bytes, bytes);
  dict->data_bytes = bytes;
  codec->shared = dict;
  codec->shared_bytes = sizeof *dict + bytes;
  return dict;
}

static void
unprepare (struct codec *codec)
{
  free (codec->shared);
}

static int
decompress (const struct codec *codec, void *context, const void *object,
            size_t object_bytes, void *block)
{
  const struct dict *dict = codec->shared;

  if (!dict)
    return LZ4_decompress_safe (object, block, object_bytes,
                                codec->block_bytes);
  return LZ4_decompress_safe_usingDict (object, block, object_bytes,
                                        codec->block_bytes, dict->data,
                                        dict->data_bytes);
}

static int
fast_prepare (struct codec *codec, const struct codec_params *params)
{
  struct dict *dict;

  if (!params->dict)
    return 0;
  dict = dict_create (codec, params);
  if (!dict)
    return -1;
  LZ4_initStream (&dict->loaded.fast, sizeof dict->loaded.fast);
  LZ4_loadDict (&dict->loaded.fast, dict->data, dict->data_bytes);
  return 0;
}

static void *
fast_context_create (const struct codec *codec)
{
  return LZ4_createStream ();
}

static void
fast_context_destroy (void *context)
{
  LZ4_freeStream (context);
}

static size_t
fast_context_bytes (const void *context)
{
  return sizeof (LZ4_stream_t);
}

static int
fast_compress (const struct codec *codec, void *context, const void *block,
               void *object, size_t capacity_bytes)
{
  const struct dict *dict = codec->shared;

  if (!dict)
    return LZ4_compress_fast_extState (context, block, object,
                                       codec->block_bytes, capacity_bytes,
                                       codec->level);
  memcpy (context, &dict->loaded.fast, sizeof dict->loaded.fast);
  return LZ4_compress_fast_continue (context, block, object,
                                     codec->block_bytes, capacity_bytes,
                                     codec->level);
}

const struct codec_ops codec_lz4_ops = {
  .name = "lz4",
  .level_default = 1,
  .level_min = 1,
  .level_max = 65537,           /* lz4 takes higher ones for this */
  .takes_dict = 1,
  .prepare = fast_prepare,
  .unprepare = unprepare,
  .context_create = fast_context_create,
  .context_destroy = fast_context_destroy,
  .context_bytes = fast_context_bytes,
  .compress = fast_compress,
  .decompress = decompress,
};

static int
hc_prepare (struct codec *codec, const struct codec_params *params)
{
  struct dict *dict;

  if (!params->dict)
    return 0;
  dict = dict_create (codec, params);
  if (!dict)
    return -1;
  LZ4_initStreamHC (&dict->loaded.hc, sizeof dict->loaded.hc);
  LZ4_resetStreamHC_fast (&dict->loaded.hc, codec->level);
  LZ4_loadDictHC (&dict->loaded.hc, dict->data, dict->data_bytes);
  return 0;
}

static void *
hc_context_create (const struct codec *codec)
{
  return LZ4_createStreamHC ();
}

static void
hc_context_destroy (void *context)
{
  LZ4_freeStreamHC (context);
}

static size_t
hc_context_bytes (const void *context)
{
  return sizeof (LZ4_streamHC_t);
}

static int
hc_compress (const struct codec *codec, void *context, const void *block,
             void *object, size_t capacity_bytes)
{
  const struct dict *dict = codec->shared;

  if (!dict)
    return LZ4_compress_HC_extStateHC (context, block, object,
                                       codec->block_bytes, capacity_bytes,
                                       codec->level);
  memcpy (context, &dict->loaded.hc, sizeof dict->loaded.hc);
  return LZ4_compress_HC_continue (context, block, object, codec->block_bytes,
                                   capacity_bytes);
}

const struct codec_ops codec_lz4hc_ops = {
  .name = "lz4hc",
  .level_default = LZ4HC_CLEVEL_DEFAULT,
  .level_min = 1,
  .level_max = LZ4HC_CLEVEL_MAX,
  .takes_dict = 1,
  .prepare = hc_prepare,
  .unprepare = unprepare,
  .context_create = hc_context_create,
  .context_destroy = hc_context_destroy,
  .context_bytes = hc_context_bytes,
  .compress = hc_compress,
  .decompress = decompress,
};

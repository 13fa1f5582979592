/* SPDX-License-Identifier: BSD-3-Clause */
/* deflate, raw, by libdeflate. */
#include <config.h>

#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>

#include "codec.h"

/* The library does not tell how large its contexts are.  The largest of them,
 * levels 10 to 12, have about 9 MiB; the others about 1 MiB, of which a short
 * block touches little. */
#define CONTEXT_BYTES_SLOW (9u << 20)
#define CONTEXT_BYTES_FAST (1u << 20)
#define FIRST_SLOW_LEVEL 10

struct context {
  struct libdeflate_compressor *compressor;
  struct libdeflate_decompressor *decompressor;
  size_t bytes;
};

static void
context_destroy (void *opaque)
{
  struct context *context = opaque;

  if (context->compressor)
    libdeflate_free_compressor (context->compressor);
  if (context->decompressor)
    libdeflate_free_decompressor (context->decompressor);
  free (context);
}

static void *
context_create (const struct codec *codec)
{
  struct context *context = calloc (1, sizeof *context);

  if (!context)
    return NULL;
  context->compressor = libdeflate_alloc_compressor (codec->level);
  context->decompressor = libdeflate_alloc_decompressor ();
  context->bytes = codec->level < FIRST_SLOW_LEVEL ?
    CONTEXT_BYTES_FAST : CONTEXT_BYTES_SLOW;
  if (context->compressor && context->decompressor)
    return context;
  context_destroy (context);
  errno = ENOMEM;
  return NULL;
}

static size_t
context_bytes (const void *context)
{
  return ((const struct context *) context)->bytes;
}

static int
compress (const struct codec *codec, void *opaque, const void *block,
          void *object, size_t capacity_bytes)
{
  struct context *context = opaque;

  return libdeflate_deflate_compress (context->compressor, block,
                                      codec->block_bytes, object,
                                      capacity_bytes);
}

/* A NULL result pointer asks for exactly a block. */
static int
decompress (const struct codec *codec, void *opaque, const void *object,
            size_t object_bytes, void *block)
{
  struct context *context = opaque;

  if (libdeflate_deflate_decompress (context->decompressor, object,
                                     object_bytes, block, codec->block_bytes,
                                     NULL) != LIBDEFLATE_SUCCESS)
    return -1;
  return codec->block_bytes;
}

const struct codec_ops codec_deflate_ops = {
  .name = "deflate",
  .level_default = 6,           /* zlib's, as in the kernel */
  .level_min = 0,
  .level_max = 12,
  .decompress_needs_stream = 1,
  .context_create = context_create,
  .context_destroy = context_destroy,
  .context_bytes = context_bytes,
  .compress = compress,
  .decompress = decompress,
};

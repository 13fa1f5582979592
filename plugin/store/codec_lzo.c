/* SPDX-License-Identifier: BSD-3-Clause */
/* lzo, that is lzo1x-1, from liblzo2.  The library is GPL, so a configure
 * switch leaves this file out.
 *
 * lzo1x-1 has no capacity to bound its output with, so each context has room
 * for the worst case and what fits is copied on.
 */
#include <config.h>

#include <errno.h>
#include <lzo/lzo1x.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"

/* The worst case, as the library's LZO.FAQ gives it. */
#define WORST_BYTES(bytes) ((bytes) + (bytes) / 16 + 64 + 3)

struct context {
  size_t bytes;
  uint8_t *output;
  union {
    lzo_align_t align;
    uint8_t bytes[LZO1X_1_MEM_COMPRESS];
  } work;
};

static int
prepare (struct codec *codec, const struct codec_params *params)
{
  if (lzo_init () == LZO_E_OK)
    return 0;
  errno = ENOTSUP;              /* the library fits neither compiler nor CPU */
  return -1;
}

static void *
context_create (const struct codec *codec)
{
  const size_t worst_bytes = WORST_BYTES (codec->block_bytes);
  struct context *context = malloc (sizeof *context + worst_bytes);

  if (!context)
    return NULL;
  context->bytes = sizeof *context + worst_bytes;
  context->output = (uint8_t *) (context + 1);
  return context;
}

static void
context_destroy (void *context)
{
  free (context);
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
  lzo_uint bytes = 0;

  if (lzo1x_1_compress (block, codec->block_bytes, context->output, &bytes,
                        context->work.bytes) != LZO_E_OK) {
    errno = EIO;
    return -1;
  }
  if (bytes > capacity_bytes)
    return 0;
  memcpy (object, context->output, bytes);
  return bytes;
}

static int
decompress (const struct codec *codec, void *context, const void *object,
            size_t object_bytes, void *block)
{
  lzo_uint bytes = codec->block_bytes;

  if (lzo1x_decompress_safe (object, object_bytes, block, &bytes,
                             NULL) != LZO_E_OK)
    return -1;
  return bytes;
}

const struct codec_ops codec_lzo_ops = {
  .name = "lzo",
  .prepare = prepare,
  .context_create = context_create,
  .context_destroy = context_destroy,
  .context_bytes = context_bytes,
  .compress = compress,
  .decompress = decompress,
};

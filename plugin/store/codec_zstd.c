/* SPDX-License-Identifier: BSD-3-Clause */
/* zstd.  Level -1 is the default: 1.5 to 1.75 times denser than lz4 for 2 to
 * 3 microseconds more a page, where level 1 takes nearly twice that time again
 * for 8 %.
 *
 * What shortens every object is on: no magic, content size, checksum or
 * dictionary id.  Parameters are chosen for the block's size, so tables are
 * small and a context stays under 100 KiB.  Dictionaries are prepared once and
 * shared by all streams.
 */
#include <config.h>

#define ZSTD_STATIC_LINKING_ONLY        /* magicless format, sized dictionaries */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "codec.h"

#define LEVEL_DEFAULT (-1)

struct shared {
  ZSTD_CDict *cdict;
  ZSTD_DDict *ddict;
};

struct context {
  ZSTD_CCtx *cctx;
  ZSTD_DCtx *dctx;
};

static void
unprepare (struct codec *codec)
{
  struct shared *shared = codec->shared;

  if (!shared)
    return;
  ZSTD_freeCDict (shared->cdict);
  ZSTD_freeDDict (shared->ddict);
  free (shared);
  codec->shared = NULL;
}

static ZSTD_CDict *
cdict_create (const struct codec *codec, const struct codec_params *params)
{
  const ZSTD_compressionParameters cparams =
    ZSTD_getCParams (codec->level, codec->block_bytes, params->dict_bytes);

  return ZSTD_createCDict_advanced (params->dict, params->dict_bytes,
                                    ZSTD_dlm_byCopy, ZSTD_dct_auto, cparams,
                                    ZSTD_defaultCMem);
}

static int
prepare (struct codec *codec, const struct codec_params *params)
{
  struct shared *shared;

  if (!params->dict)
    return 0;
  shared = calloc (1, sizeof *shared);
  if (!shared)
    return -1;
  codec->shared = shared;
  shared->cdict = cdict_create (codec, params);
  shared->ddict = ZSTD_createDDict (params->dict, params->dict_bytes);
  if (!shared->cdict || !shared->ddict) {
    unprepare (codec);
    errno = EINVAL;             /* it begins like a trained one and is none */
    return -1;
  }
  codec->shared_bytes = ZSTD_sizeof_CDict (shared->cdict) +
    ZSTD_sizeof_DDict (shared->ddict);
  return 0;
}

static bool
set_compression (ZSTD_CCtx *cctx, const struct codec *codec)
{
  const struct shared *shared = codec->shared;
  const struct { ZSTD_cParameter name; int value; } parameters[] = {
    { ZSTD_c_compressionLevel, codec->level },
    { ZSTD_c_format, ZSTD_f_zstd1_magicless },
    { ZSTD_c_contentSizeFlag, 0 },
    { ZSTD_c_checksumFlag, 0 },
    { ZSTD_c_dictIDFlag, 0 },
  };

  for (unsigned i = 0; i < sizeof parameters / sizeof *parameters; i++)
    if (ZSTD_isError (ZSTD_CCtx_setParameter (cctx, parameters[i].name,
                                              parameters[i].value)))
      return false;
  return !shared || !ZSTD_isError (ZSTD_CCtx_refCDict (cctx, shared->cdict));
}

static bool
set_decompression (ZSTD_DCtx *dctx, const struct codec *codec)
{
  const struct shared *shared = codec->shared;

  return !ZSTD_isError (ZSTD_DCtx_setParameter (dctx, ZSTD_d_format,
                                                ZSTD_f_zstd1_magicless)) &&
    (!shared || !ZSTD_isError (ZSTD_DCtx_refDDict (dctx, shared->ddict)));
}

static void
context_destroy (void *opaque)
{
  struct context *context = opaque;

  ZSTD_freeCCtx (context->cctx);
  ZSTD_freeDCtx (context->dctx);
  free (context);
}

static void *
context_create (const struct codec *codec)
{
  struct context *context = calloc (1, sizeof *context);

  if (!context)
    return NULL;
  context->cctx = ZSTD_createCCtx ();
  context->dctx = ZSTD_createDCtx ();
  if (context->cctx && context->dctx &&
      set_compression (context->cctx, codec) &&
      set_decompression (context->dctx, codec))
    return context;
  context_destroy (context);
  errno = ENOMEM;
  return NULL;
}

static size_t
context_bytes (const void *opaque)
{
  const struct context *context = opaque;

  return sizeof *context + ZSTD_sizeof_CCtx (context->cctx) +
    ZSTD_sizeof_DCtx (context->dctx);
}

static int
compress (const struct codec *codec, void *opaque, const void *block,
          void *object, size_t capacity_bytes)
{
  struct context *context = opaque;
  const size_t r = ZSTD_compress2 (context->cctx, object, capacity_bytes, block,
                                   codec->block_bytes);

  if (!ZSTD_isError (r))
    return r;
  if (ZSTD_getErrorCode (r) == ZSTD_error_dstSize_tooSmall)
    return 0;
  errno = ZSTD_getErrorCode (r) == ZSTD_error_memory_allocation ? ENOMEM : EIO;
  return -1;
}

static int
decompress (const struct codec *codec, void *opaque, const void *object,
            size_t object_bytes, void *block)
{
  struct context *context = opaque;
  const size_t r = ZSTD_decompressDCtx (context->dctx, block,
                                        codec->block_bytes, object,
                                        object_bytes);

  return ZSTD_isError (r) ? -1 : (int) r;
}

const struct codec_ops codec_zstd_ops = {
  .name = "zstd",
  .level_default = LEVEL_DEFAULT,
  .level_min = -(1 << 17),      /* ZSTD_minCLevel () and ZSTD_maxCLevel () */
  .level_max = 22,
  .takes_dict = 1,
  .decompress_needs_stream = 1,
  .prepare = prepare,
  .unprepare = unprepare,
  .context_create = context_create,
  .context_destroy = context_destroy,
  .context_bytes = context_bytes,
  .compress = compress,
  .decompress = decompress,
};

/* SPDX-License-Identifier: BSD-3-Clause */
/* A codec: one algorithm with its parameters, ready to compress blocks of one
 * size.  The kernel's zcomp is the model: a table of algorithms, and a pool of
 * streams (stream.h) with the working memory.
 *
 * What a codec writes is an object and nothing else: no magic, no content size,
 * no checksum.  The slot knows the size, the priority names the codec.
 */
#ifndef ZRAM_CODEC_H
#define ZRAM_CODEC_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "stream.h"

#define NR_PRIORITIES 4         /* 0 is the primary */

/* So many bytes behind an object are readable, of whatever content.  libzstd
 * without magic numbers looks at four bytes where it expects another frame,
 * though fewer are left of a damaged object (seen in 1.5.4). */
#define CODEC_BEHIND_BYTES 3

/* algorithm_params.  A dictionary is raw bytes (or, for zstd, what its trainer
 * wrote); the codec copies what it needs of it. */
#define CODEC_LEVEL_DEFAULT INT_MIN

struct codec_params {
  int level;                    /* CODEC_LEVEL_DEFAULT: the algorithm's */
  const void *dict;             /* NULL: none */
  size_t dict_bytes;
};

struct codec;

/* One algorithm.  Contexts are the working memory of one stream. */
struct codec_ops {
  const char *name;
  int level_default, level_min, level_max;      /* all 0: takes no level */
  unsigned takes_dict : 1;
  unsigned decompress_needs_stream : 1;

  /* Shared, read-only preparation (dictionaries); may be NULL.  -1: errno. */
  int (*prepare) (struct codec *codec, const struct codec_params *params);
  void (*unprepare) (struct codec *codec);

  void *(*context_create) (const struct codec *codec);
  void (*context_destroy) (void *context);
  size_t (*context_bytes) (const void *context);

  /* Returns the object's size; 0 if it takes more than capacity_bytes; -1 and
   * errno if the codec failed. */
  int (*compress) (const struct codec *codec, void *context, const void *block,
                   void *object, size_t capacity_bytes);

  /* Returns the number of bytes written, -1 for a damaged object.  Never writes
   * outside, whatever the object is; may look at CODEC_BEHIND_BYTES behind it.
   * context may be NULL unless decompress_needs_stream. */
  int (*decompress) (const struct codec *codec, void *context,
                     const void *object, size_t object_bytes, void *block);
};

struct codec {
  const struct codec_ops *ops;
  uint32_t block_bytes;
  int level;
  size_t dict_bytes;            /* 0: without a dictionary */
  uint64_t dict_checksum;
  void *shared;                 /* what ops->prepare made */
  size_t shared_bytes;
  struct stream_pool streams;
};

/* NULL-terminated, in the order they are listed to users; the default first. */
extern const struct codec_ops *const codec_algorithms[];

/* By the name users write; lzo-rle is lzo.  NULL: unknown or not compiled in,
 * with the reason in *why. */
const struct codec_ops *codec_find (const char *name, const char **why);

/* NULL if these parameters suit the algorithm, else what is wrong. */
const char *codec_check_params (const struct codec_ops *ops,
                                const struct codec_params *params);

/* Make everything that compressing will need, so that no request allocates.
 * -1: a message was given, nothing is held.  params may be NULL. */
int codec_init (struct codec *codec, const struct codec_ops *ops,
                uint32_t block_bytes, const struct codec_params *params);
void codec_destroy (struct codec *codec);

/* The same on the heap.  NULL: a message was given, errno is set. */
struct codec *codec_new (const struct codec_ops *ops, uint32_t block_bytes,
                         const struct codec_params *params);
void codec_delete (struct codec *codec);

/* The memory it holds, contexts, buffers and dictionaries. */
size_t codec_held_bytes (const struct codec *codec);

/* Thin wrappers of ops. */
static inline int
codec_compress (const struct codec *codec, const struct stream *stream,
                const void *block, size_t capacity_bytes)
{
  return codec->ops->compress (codec, stream->context, block, stream->object,
                               capacity_bytes);
}

/* 0, or -1 with EIO if the object does not decompress to exactly a block. */
int codec_decompress (struct codec *codec, const void *object,
                      size_t object_bytes, void *block);

#endif

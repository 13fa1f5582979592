/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams: the working memory of a codec, one for each processor, made at
 * start.
 *
 * nbdkit's threads come and go with connections, so contexts are pooled, not
 * thread-local.  A thread takes the stream of the processor it runs on, or the
 * next free one, and waits only when all are taken.  It holds one stream at a
 * time, and takes no other lock but a size class's while it does.
 */
#ifndef ZRAM_STREAM_H
#define ZRAM_STREAM_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct codec;

struct stream {
  pthread_mutex_t lock;
  void *context;                /* the codec's */
  uint8_t *object;              /* room for the largest packed object */
} __attribute__ ((aligned (64)));

struct stream_pool {
  unsigned nr_streams;
  struct stream *streams;
  size_t held_bytes;
};

/* -1: errno is set, nothing is held. */
int stream_pool_init (struct stream_pool *pool, const struct codec *codec);
void stream_pool_destroy (struct stream_pool *pool, const struct codec *codec);

/* Never fails; may wait. */
struct stream *stream_get (struct stream_pool *pool);
void stream_put (struct stream *stream);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams; see stream.h. */
#include <config.h>

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec.h"
#include "stream.h"

/* Processors that this process may run on. */
static unsigned
nr_processors (void)
{
  cpu_set_t set;
  long nr;

  if (sched_getaffinity (0, sizeof set, &set) == 0)
    return CPU_COUNT (&set);
  nr = sysconf (_SC_NPROCESSORS_ONLN);
  return nr > 0 ? nr : 1;
}

static void
stream_fini (struct stream *stream, const struct codec *codec)
{
  if (stream->context)
    codec->ops->context_destroy (stream->context);
  free (stream->object);
  pthread_mutex_destroy (&stream->lock);
}

/* Codecs allocate the rest of their working memory with the first block, so
 * that must not be a request's: compress one here, and read it back. */
static int
warm_up (struct stream *stream, const struct codec *codec)
{
  uint8_t *block = calloc (1, codec->block_bytes);
  int size;
  bool too_long;

  if (!block)
    return -1;
  size = codec->ops->compress (codec, stream->context, block, stream->object,
                               codec->block_bytes);
  /* The fastest levels make not even zeroes shorter. */
  too_long = size == 0;
  if (size > 0)
    size = codec->ops->decompress (codec, stream->context, stream->object,
                                   size, block);
  free (block);
  if (too_long || size == (int) codec->block_bytes)
    return 0;
  errno = size == -1 ? errno : EINVAL;
  return -1;
}

static int
stream_init (struct stream *stream, const struct codec *codec)
{
  pthread_mutex_init (&stream->lock, NULL);
  stream->object = malloc (codec->block_bytes);
  if (!stream->object)
    return -1;
  stream->context = codec->ops->context_create (codec);
  if (!stream->context)
    return -1;
  return warm_up (stream, codec);
}

int
stream_pool_init (struct stream_pool *pool, const struct codec *codec)
{
  const unsigned nr = nr_processors ();
  const size_t bytes = nr * sizeof *pool->streams;

  pool->nr_streams = 0;
  pool->held_bytes = bytes;
  pool->streams = aligned_alloc (_Alignof (struct stream), bytes);
  if (!pool->streams)
    return -1;
  memset (pool->streams, 0, bytes);
  while (pool->nr_streams < nr) {
    struct stream *stream = &pool->streams[pool->nr_streams++];

    if (stream_init (stream, codec) == -1) {
      int saved_errno = errno;
      stream_pool_destroy (pool, codec);
      errno = saved_errno;
      return -1;
    }
    pool->held_bytes += codec->block_bytes +
      codec->ops->context_bytes (stream->context);
  }
  return 0;
}

void
stream_pool_destroy (struct stream_pool *pool, const struct codec *codec)
{
  for (unsigned i = 0; i < pool->nr_streams; i++)
    stream_fini (&pool->streams[i], codec);
  free (pool->streams);
  pool->streams = NULL;
  pool->nr_streams = 0;
}

struct stream *
stream_get (struct stream_pool *pool)
{
  const int processor = sched_getcpu ();
  const unsigned first = processor < 0 ? 0 : processor % pool->nr_streams;
  unsigned i = first;

  do {
    if (pthread_mutex_trylock (&pool->streams[i].lock) == 0)
      return &pool->streams[i];
    i = (i + 1) % pool->nr_streams;
  } while (i != first);
  pthread_mutex_lock (&pool->streams[first].lock);
  return &pool->streams[first];
}

void
stream_put (struct stream *stream)
{
  pthread_mutex_unlock (&stream->lock);
}

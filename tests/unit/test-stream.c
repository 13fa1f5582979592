/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams: one for each processor, never two holders of one, and whoever comes
 * when all are taken waits.
 */
#include <config.h>

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "check.h"
#include "codec.h"

#define BLOCK_BYTES 4096u
#define NR_THREADS 6u
#define ROUNDS 2000u

static struct codec *codec;

static struct stream_pool *
pool (void)
{
  return &codec->streams;
}

static void
there_is_a_stream_for_each_processor (void)
{
  struct codec *lonely;
  cpu_set_t all, one;
  int first = 0;

  check (sched_getaffinity (0, sizeof all, &all) == 0);
  check (pool ()->nr_streams == (unsigned) CPU_COUNT (&all));
  while (!CPU_ISSET (first, &all))
    first++;
  CPU_ZERO (&one);
  CPU_SET (first, &one);
  check (sched_setaffinity (0, sizeof one, &one) == 0);
  lonely = codec_new (codec_algorithms[0], BLOCK_BYTES, NULL);
  check (sched_setaffinity (0, sizeof all, &all) == 0);
  check (lonely != NULL && lonely->streams.nr_streams == 1);
  check (lonely->streams.held_bytes <= pool ()->held_bytes);
  codec_delete (lonely);
}

static void
all_streams_can_be_held_at_a_time_and_differ (void)
{
  const unsigned nr = pool ()->nr_streams;
  struct stream **held = calloc (nr, sizeof *held);

  for (unsigned i = 0; i < nr; i++) {
    held[i] = stream_get (pool ());
    memset (held[i]->object, i, BLOCK_BYTES);
    for (unsigned j = 0; j < i; j++)
      check (held[j] != held[i] && held[j]->context != held[i]->context);
  }
  for (unsigned i = 0; i < nr; i++) {
    check (held[i]->object[0] == (uint8_t) i);
    check (held[i]->object[BLOCK_BYTES - 1] == (uint8_t) i);
    stream_put (held[i]);
  }
  free (held);
}

static void
a_stream_that_was_put_back_is_had_again (void)
{
  for (unsigned i = 0; i < 10 * pool ()->nr_streams; i++)
    stream_put (stream_get (pool ()));
}

/* The buffer is as much the holder's as the context is. */
static void *
scribble (void *opaque)
{
  const uint8_t mark = 1 + (uintptr_t) opaque;

  for (unsigned i = 0; i < ROUNDS; i++) {
    struct stream *stream = stream_get (pool ());

    memset (stream->object, mark, BLOCK_BYTES);
    if (i % 16 == 0)
      sched_yield ();
    for (unsigned at = 0; at < BLOCK_BYTES; at += 63)
      check (stream->object[at] == mark);
    stream_put (stream);
  }
  return NULL;
}

static void
a_stream_never_has_two_holders (void)
{
  pthread_t threads[NR_THREADS];

  for (uintptr_t i = 0; i < NR_THREADS; i++)
    check (pthread_create (&threads[i], NULL, scribble, (void *) i) == 0);
  for (unsigned i = 0; i < NR_THREADS; i++)
    pthread_join (threads[i], NULL);
}

static sem_t waiting;
static atomic_bool has_one;

static void *
wait_for_a_stream (void *opaque)
{
  struct stream *stream;

  sem_post (&waiting);
  stream = stream_get (pool ());
  has_one = true;
  stream_put (stream);
  return NULL;
}

static void
whoever_comes_when_all_are_taken_waits (void)
{
  const unsigned nr = pool ()->nr_streams;
  struct stream **held = calloc (nr, sizeof *held);
  pthread_t thread;

  sem_init (&waiting, 0, 0);
  for (unsigned i = 0; i < nr; i++)
    held[i] = stream_get (pool ());
  check (pthread_create (&thread, NULL, wait_for_a_stream, NULL) == 0);
  sem_wait (&waiting);
  for (unsigned i = 0; i < 100; i++) {
    sched_yield ();
    check (!has_one);
  }
  for (unsigned i = 0; i < nr; i++)
    stream_put (held[i]);
  pthread_join (thread, NULL);
  check (has_one);
  sem_destroy (&waiting);
  free (held);
}

/* Blocks that differ from thread to thread, through one codec. */
static void *
compress_and_back (void *opaque)
{
  struct random random = random_seeded ((uintptr_t) opaque);
  uint8_t block[BLOCK_BYTES], object[BLOCK_BYTES], copy[BLOCK_BYTES];

  for (unsigned i = 0; i < ROUNDS / 4; i++) {
    struct stream *stream = stream_get (pool ());
    int size;

    random_fill (&random, block, BLOCK_BYTES / 2);
    memset (block + BLOCK_BYTES / 2, i, BLOCK_BYTES / 2);
    size = codec_compress (codec, stream, block, BLOCK_BYTES);
    check (size > 0);
    memcpy (object, stream->object, size);
    stream_put (stream);
    check (codec_decompress (codec, object, size, copy) == 0);
    check (memcmp (copy, block, BLOCK_BYTES) == 0);
  }
  return NULL;
}

static void
threads_that_share_a_codec_get_their_own_blocks_back (void)
{
  pthread_t threads[NR_THREADS];

  for (uintptr_t i = 0; i < NR_THREADS; i++)
    check (pthread_create (&threads[i], NULL, compress_and_back,
                           (void *) i) == 0);
  for (unsigned i = 0; i < NR_THREADS; i++)
    pthread_join (threads[i], NULL);
}

int
main (void)
{
  codec = codec_new (codec_algorithms[0], BLOCK_BYTES, NULL);
  check (codec != NULL);
  test (there_is_a_stream_for_each_processor);
  test (all_streams_can_be_held_at_a_time_and_differ);
  test (a_stream_that_was_put_back_is_had_again);
  test (a_stream_never_has_two_holders);
  test (whoever_comes_when_all_are_taken_waits);
  test (threads_that_share_a_codec_get_their_own_blocks_back);
  codec_delete (codec);
  return 0;
}

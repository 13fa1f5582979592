/* SPDX-License-Identifier: BSD-3-Clause */
/* Four connections write the same blocks at once, with many requests of each in
 * flight, while a fifth one reads: a block is always one whole version.
 *
 * Each write fills a block with a version that says who wrote it, and the last
 * writer zeroes and trims too.  The reader never sees a block made of two, nor
 * a version of a writer after a later one of the same writer.  In the end each
 * block is the last write of one of them.
 */
#include <config.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "server.h"

#define NR_WRITERS 4u
#define LAST_WRITER (NR_WRITERS - 1)

/* As many as the server works on at once for a connection. */
#define DEPTH 16u

/* Request by request, so that a writer never has more than one in flight for a
 * block. */
#define NR_ROWS 2u
#define NR_BLOCKS (NR_ROWS * DEPTH)

#define BLOCK_BYTES_MAX 65536u

/* Of each writer. */
#define NR_REQUESTS 2500u

struct writer;

/* A request in flight. */
struct request {
  struct writer *writer;
  bool is_used;
  unsigned block;
  uint8_t data[BLOCK_BYTES_MAX];
};

struct writer {
  struct nbd_handle *nbd;
  uint64_t block_bytes;
  unsigned number;
  unsigned nr_in_flight;
  uint64_t nr_versions;
  uint64_t state;
  uint64_t last[NR_BLOCKS];     /* the stamp of the last write; 0: zeroes */
  struct request requests[DEPTH];
};

struct reader {
  struct nbd_handle *nbd;
  uint64_t block_bytes;
  uint64_t state;
  unsigned nr_reads;
  _Atomic bool is_enough;
  uint64_t newest[NR_BLOCKS][NR_WRITERS];       /* that was seen */
  uint64_t now[NR_BLOCKS];                      /* of the last look */
  uint8_t data[NR_BLOCKS * BLOCK_BYTES_MAX];
};

/* Writers. */

static int
request_is_done (void *opaque, int *error)
{
  struct request *request = opaque;

  require (*error == 0);
  request->is_used = false;
  request->writer->nr_in_flight--;
  return 1;
}

static int64_t
start_write (struct writer *writer, struct request *request,
             nbd_completion_callback done)
{
  const uint64_t stamp = ++writer->nr_versions * NR_WRITERS + writer->number;

  writer->last[request->block] = stamp;
  pattern_stamped (request->data, writer->block_bytes, stamp);
  return nbd_aio_pwrite (writer->nbd, request->data, writer->block_bytes,
                         request->block * writer->block_bytes, done, 0);
}

static int64_t
start_any (struct writer *writer, struct request *request)
{
  const uint64_t offset = request->block * writer->block_bytes;
  const uint64_t kind = pattern_below (&writer->state, 8);
  const nbd_completion_callback done = {
    .callback = request_is_done, .user_data = request,
  };

  if (kind > 2 || writer->number != LAST_WRITER)
    return start_write (writer, request, done);
  writer->last[request->block] = 0;
  if (kind == 0)
    return nbd_aio_trim (writer->nbd, writer->block_bytes, offset, done, 0);
  return nbd_aio_zero (writer->nbd, writer->block_bytes, offset, done,
                       kind == 1 ? LIBNBD_CMD_FLAG_NO_HOLE : 0);
}

static unsigned
unused_request (struct writer *writer)
{
  unsigned i = 0;

  while (writer->nr_in_flight == DEPTH)
    require (nbd_poll (writer->nbd, -1) != -1);
  while (writer->requests[i].is_used)
    i++;
  return i;
}

static void
start_one (struct writer *writer)
{
  const unsigned i = unused_request (writer);
  struct request *request = &writer->requests[i];

  request->writer = writer;
  request->block = pattern_below (&writer->state, NR_ROWS) * DEPTH + i;
  request->is_used = true;
  writer->nr_in_flight++;
  require (start_any (writer, request) != -1);
}

static void *
write_a_lot (void *opaque)
{
  struct writer *writer = opaque;

  for (unsigned i = 0; i < NR_REQUESTS; i++)
    start_one (writer);
  while (writer->nr_in_flight > 0)
    require (nbd_poll (writer->nbd, -1) != -1);
  return NULL;
}

/* The reader. */

static void
block_is_whole (struct reader *reader, unsigned block, const void *data)
{
  uint64_t *stamp = &reader->now[block];
  uint64_t *newest;

  if (!pattern_has_stamp (data, reader->block_bytes, stamp)) {
    fprintf (stderr, "block %u begins as version %" PRIu64 "\n", block,
             *stamp);
    require (!"a block is one version");
  }
  if (*stamp == 0)
    return;
  require (*stamp / NR_WRITERS <= NR_REQUESTS);
  newest = &reader->newest[block][*stamp % NR_WRITERS];
  require (*stamp >= *newest);
  *newest = *stamp;
}

static void
read_blocks (struct reader *reader, unsigned block, unsigned nr_blocks)
{
  const uint64_t bytes = reader->block_bytes;

  require (nbd_pread (reader->nbd, reader->data, nr_blocks * bytes,
                      block * bytes, 0) == 0);
  for (unsigned i = 0; i < nr_blocks; i++)
    block_is_whole (reader, block + i, reader->data + i * bytes);
  reader->nr_reads++;
}

static void *
read_until_enough (void *opaque)
{
  struct reader *reader = opaque;

  do {
    const unsigned block = pattern_below (&reader->state, NR_BLOCKS);

    read_blocks (reader, block,
                 1 + pattern_below (&reader->state, NR_BLOCKS - block));
  } while (!atomic_load (&reader->is_enough));
  return NULL;
}

/* All together. */

static void
all_write_and_one_reads (struct writer writers[], struct reader *reader)
{
  pthread_t threads[NR_WRITERS], reading;

  require (pthread_create (&reading, NULL, read_until_enough, reader) == 0);
  for (unsigned i = 0; i < NR_WRITERS; i++)
    require (pthread_create (&threads[i], NULL, write_a_lot, &writers[i])
             == 0);
  for (unsigned i = 0; i < NR_WRITERS; i++)
    require (pthread_join (threads[i], NULL) == 0);
  atomic_store (&reader->is_enough, true);
  require (pthread_join (reading, NULL) == 0);
  CHECK ("  the reader read %u times meanwhile", reader->nr_reads);
}

static void
each_block_is_a_last_write (struct reader *reader,
                            const struct writer writers[])
{
  read_blocks (reader, 0, NR_BLOCKS);
  for (unsigned block = 0; block < NR_BLOCKS; block++) {
    const uint64_t stamp = reader->now[block];
    const unsigned writer = stamp ? stamp % NR_WRITERS : LAST_WRITER;

    require (stamp == writers[writer].last[block]);
  }
}

static void
blocks_are_never_torn (uint32_t block_bytes, uint64_t seed)
{
  static struct writer writers[NR_WRITERS];
  static struct reader reader;
  char block_size[40];
  struct server *server;

  CHECK ("blocks of %u bytes", block_bytes);
  snprintf (block_size, sizeof block_size, "block_size=%u", block_bytes);
  server = server_start (SERVER_ARGS ("4M", block_size));
  memset (&reader, 0, sizeof reader);
  memset (writers, 0, sizeof writers);
  reader.nbd = server_connect (server, "");
  reader.block_bytes = block_bytes;
  reader.state = seed + NR_WRITERS;
  for (unsigned i = 0; i < NR_WRITERS; i++) {
    writers[i].nbd = server_connect (server, "");
    writers[i].block_bytes = block_bytes;
    writers[i].number = i;
    writers[i].state = seed + i;
  }
  all_write_and_one_reads (writers, &reader);
  each_block_is_a_last_write (&reader, writers);
  for (unsigned i = 0; i < NR_WRITERS; i++)
    nbd_close (writers[i].nbd);
  nbd_close (reader.nbd);
  server_stop (server);
}

int
main (void)
{
  const uint64_t seed = pattern_seed ();

  blocks_are_never_torn (4096, seed);
  blocks_are_never_torn (65536, seed);
  return 0;
}

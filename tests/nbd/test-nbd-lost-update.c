/* SPDX-License-Identifier: BSD-3-Clause */
/* Four connections write parts of the same blocks at once, with many requests
 * of each in flight, and no update of a block loses another writer's bytes.
 *
 * The region is cut into cells of 500 bytes, by turns the property of writer
 * 0 1 2 3: about eight in a block of 4096 bytes, and some lie across two.  Each
 * write fills a cell with a version of its own.  What a writer reads from its
 * cell is its last write there, at any time and at the end.
 */
#include <config.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "server.h"

#define NR_WRITERS 4u

/* As many as the server works on at once for a connection. */
#define DEPTH 16u

/* Writer by writer, request by request, so that there is never more than one
 * request in flight for a cell. */
#define NR_ROWS 4u
#define NR_CELLS (NR_ROWS * DEPTH * NR_WRITERS)
#define CELL_BYTES ((uint64_t) 500)

/* Of each writer. */
#define NR_REQUESTS 5000u

struct writer;

/* A request in flight. */
struct request {
  struct writer *writer;
  bool is_used;
  bool is_read;
  unsigned cell;
  uint8_t data[CELL_BYTES];
};

struct writer {
  struct nbd_handle *nbd;
  unsigned number;
  unsigned nr_in_flight;
  uint64_t nr_versions;
  uint64_t state;
  uint64_t last[NR_CELLS];      /* the stamp of the last write; 0: zeroes */
  struct request requests[DEPTH];
};

static void
cell_is (const void *data, uint64_t stamp)
{
  uint8_t expected[CELL_BYTES];

  pattern_stamped (expected, CELL_BYTES, stamp);
  require (memcmp (data, expected, CELL_BYTES) == 0);
}

static int
request_is_done (void *opaque, int *error)
{
  struct request *request = opaque;
  struct writer *writer = request->writer;

  require (*error == 0);
  if (request->is_read)
    cell_is (request->data, writer->last[request->cell]);
  request->is_used = false;
  writer->nr_in_flight--;
  return 1;
}

static int64_t
start_write (struct writer *writer, struct request *request,
             nbd_completion_callback done)
{
  const uint64_t stamp = ++writer->nr_versions * NR_WRITERS + writer->number;

  writer->last[request->cell] = stamp;
  pattern_stamped (request->data, CELL_BYTES, stamp);
  return nbd_aio_pwrite (writer->nbd, request->data, CELL_BYTES,
                         request->cell * CELL_BYTES, done, 0);
}

static int64_t
start_read (struct writer *writer, struct request *request,
            nbd_completion_callback done)
{
  request->is_read = true;
  return nbd_aio_pread (writer->nbd, request->data, CELL_BYTES,
                        request->cell * CELL_BYTES, done, 0);
}

static int64_t
start_zero (struct writer *writer, struct request *request,
            nbd_completion_callback done)
{
  const uint32_t flags =
    pattern_below (&writer->state, 2) ? LIBNBD_CMD_FLAG_NO_HOLE : 0;

  writer->last[request->cell] = 0;
  return nbd_aio_zero (writer->nbd, CELL_BYTES, request->cell * CELL_BYTES,
                       done, flags);
}

/* A part of a block keeps what it has. */
static int64_t
start_trim (struct writer *writer, struct request *request,
            nbd_completion_callback done)
{
  return nbd_aio_trim (writer->nbd, CELL_BYTES, request->cell * CELL_BYTES,
                       done, 0);
}

static int64_t
start_any (struct writer *writer, struct request *request)
{
  const nbd_completion_callback done = {
    .callback = request_is_done, .user_data = request,
  };

  switch (pattern_below (&writer->state, 8)) {
  case 0: return start_zero (writer, request, done);
  case 1: return start_trim (writer, request, done);
  case 2: case 3: return start_read (writer, request, done);
  default: return start_write (writer, request, done);
  }
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
  const unsigned row = pattern_below (&writer->state, NR_ROWS);
  struct request *request = &writer->requests[i];

  request->writer = writer;
  request->cell = (row * DEPTH + i) * NR_WRITERS + writer->number;
  request->is_used = true;
  request->is_read = false;
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

/* All together. */

static void
all_write (struct writer writers[])
{
  pthread_t threads[NR_WRITERS];

  for (unsigned i = 0; i < NR_WRITERS; i++)
    require (pthread_create (&threads[i], NULL, write_a_lot, &writers[i])
             == 0);
  for (unsigned i = 0; i < NR_WRITERS; i++)
    require (pthread_join (threads[i], NULL) == 0);
}

static void
each_cell_is_its_owners_last_write (const struct server *server,
                                    const struct writer writers[])
{
  static uint8_t data[NR_CELLS * CELL_BYTES];
  struct nbd_handle *nbd = server_connect (server, "");

  require (nbd_pread (nbd, data, sizeof data, 0, 0) == 0);
  for (unsigned cell = 0; cell < NR_CELLS; cell++)
    cell_is (data + cell * CELL_BYTES, writers[cell % NR_WRITERS].last[cell]);
  nbd_close (nbd);
}

static void
no_update_is_lost (const char *block_size, uint64_t seed)
{
  static struct writer writers[NR_WRITERS];
  struct server *server = server_start (SERVER_ARGS ("1M", block_size));

  CHECK ("%s: %u writers, each has one cell in %u", block_size, NR_WRITERS,
         NR_WRITERS);
  for (unsigned i = 0; i < NR_WRITERS; i++)
    writers[i] = (struct writer) {
      .nbd = server_connect (server, ""), .number = i, .state = seed + i,
    };
  all_write (writers);
  each_cell_is_its_owners_last_write (server, writers);
  for (unsigned i = 0; i < NR_WRITERS; i++)
    nbd_close (writers[i].nbd);
  server_stop (server);
}

int
main (void)
{
  const uint64_t seed = pattern_seed ();

  no_update_is_lost ("block_size=4096", seed);
  no_update_is_lost ("block_size=65536", seed);
  return 0;
}

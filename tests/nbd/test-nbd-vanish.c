/* SPDX-License-Identifier: BSD-3-Clause */
/* A client that vanishes with requests in flight, many times over.
 *
 * The client is a process that has sixteen writes and eight reads of 512 KiB in
 * flight, and is killed in the middle of them.  Its socket holds less than half
 * a request, so one of them is cut off, too.  What it saw acknowledged stands
 * in memory that it shares with the test.  Each block of an acknowledged write
 * is there; each block of any other is the old or the new version as a whole.
 * Meanwhile another client goes on, and afterwards the server has the threads
 * that it had before.
 *
 * All requests are in flight on one connection, where the server has one thread
 * for it, or each on a connection of its own.  Not many requests on one
 * connection with many threads: nbdkit 1.32.5 ends by an assertion of its own
 * (raw_send_socket: sock >= 0) when a reply fails while another one waits to be
 * sent, whatever the plugin.
 */
#include <config.h>

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pattern.h"
#include "server.h"

/* For each number of connections. */
#define NR_ROUNDS 20u

#define BLOCK ((uint64_t) 4096)
#define REQUEST_BYTES (512 * KiB)
#define NR_WRITES 16u
#define NR_READS 8u
#define NR_REQUESTS (NR_WRITES + NR_READS)

/* The client that vanishes writes here, and reads all over the disk. */
#define WRITTEN_BYTES (NR_WRITES * REQUEST_BYTES)
#define NR_BLOCKS (WRITTEN_BYTES / BLOCK)

/* The other client's. */
#define OTHER_OFFSET WRITTEN_BYTES
#define OTHER_BYTES (256 * KiB)
#define DISK_BYTES (OTHER_OFFSET + NR_READS * REQUEST_BYTES)

/* Of the writes in flight, in memory that both processes see. */
static _Atomic bool *is_acknowledged;

struct test {
  struct server *server;
  unsigned nr_connections;      /* of the client that vanishes */
  struct nbd_handle *other;     /* the client that stays */
  unsigned nr_threads;          /* of the server with that one alone */
  uint64_t stamps[NR_BLOCKS];   /* the version that each block has */
  uint64_t state;
  unsigned nr_acknowledged;     /* in all rounds, to see that the test is one */
};

static uint64_t
stamp_of (unsigned round, uint64_t block)
{
  return (uint64_t) round << 32 | block;
}

/* The client that vanishes, in its own process. */

struct client {
  struct nbd_handle *connections[NR_REQUESTS];
  unsigned nr_connections;
  unsigned nr_done;
  uint8_t *data;                /* of all writes, then of all reads */
};

struct request {
  struct client *client;
  unsigned number;
};

static int
request_is_done (void *opaque, int *error)
{
  const struct request *request = opaque;

  require (*error == 0);
  if (request->number < NR_WRITES)
    atomic_store (&is_acknowledged[request->number], true);
  request->client->nr_done++;
  return 1;
}

/* Reads go all over the disk: what others wrote, and what is being written. */
static void
start_request (struct client *client, struct request *request)
{
  const uint64_t place = request->number * REQUEST_BYTES;
  struct nbd_handle *nbd =
    client->connections[request->number % client->nr_connections];
  const nbd_completion_callback done = {
    .callback = request_is_done, .user_data = request,
  };

  if (request->number < NR_WRITES)
    require (nbd_aio_pwrite (nbd, client->data + place, REQUEST_BYTES, place,
                             done, 0) != -1);
  else
    require (nbd_aio_pread (nbd, client->data + place, REQUEST_BYTES,
                            place * 7 % DISK_BYTES, done, 0) != -1);
}

/* Writes and reads mixed, in another order each round: 5 and NR_REQUESTS have
 * no common factor. */
static void
start_requests (struct client *client, struct request requests[],
                unsigned round)
{
  for (unsigned i = 0; i < NR_REQUESTS; i++) {
    requests[i] = (struct request) { client, (i * 5 + round) % NR_REQUESTS };
    start_request (client, &requests[i]);
  }
}

/* Let happen what happens, on each connection in turn: it waits long for the
 * only one, and a moment for one of many. */
static void
go_on_until (struct client *client, unsigned nr_done)
{
  const int timeout_ms = client->nr_connections == 1 ? -1 : 1;

  for (unsigned i = 0; client->nr_done < nr_done; i++)
    require (nbd_poll (client->connections[i % client->nr_connections],
                       timeout_ms) != -1);
}

/* By turns the server sees the end of what is sent first, the end of who
 * receives, or both at once. */
static void
vanish (const struct client *client, unsigned round)
{
  static const int ends[] = { SHUT_WR, SHUT_RD };

  for (unsigned i = 0; round % 3 < 2 && i < client->nr_connections; i++)
    require (shutdown (nbd_aio_get_fd (client->connections[i]),
                       ends[round % 3]) == 0);
  kill (getpid (), SIGKILL);
}

static void
be_a_client_that_vanishes (const struct test *test, unsigned round,
                           unsigned nr_done)
{
  struct client client = {
    .nr_connections = test->nr_connections,
    .data = malloc (NR_REQUESTS * REQUEST_BYTES),
  };
  struct request requests[NR_REQUESTS];

  require (client.data);
  for (unsigned i = 0; i < client.nr_connections; i++)
    client.connections[i] = server_connect (test->server, "");
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    pattern_stamped (client.data + block * BLOCK, BLOCK,
                     stamp_of (round, block));
  start_requests (&client, requests, round);
  go_on_until (&client, nr_done);
  vanish (&client, round);
}

/* The other client. */

static void
other_writes_and_reads (struct test *test)
{
  static uint8_t written[OTHER_BYTES], read[OTHER_BYTES];

  pattern_mixed (written, sizeof written, &test->state);
  require (nbd_pwrite (test->other, written, sizeof written, OTHER_OFFSET, 0)
           == 0);
  require (nbd_pread (test->other, read, sizeof read, OTHER_OFFSET, 0) == 0);
  require (memcmp (written, read, sizeof read) == 0);
}

/* It goes on until the child has ended, and once more. */
static void
other_goes_on (struct test *test, pid_t child)
{
  int status;
  pid_t ended;

  do {
    ended = waitpid (child, &status, WNOHANG);
    require (ended != -1);
    other_writes_and_reads (test);
  } while (ended != child);
  require (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
}

/* The server. */

static void
block_is_new_or_old (struct test *test, unsigned round, uint64_t block,
                     const uint8_t *data)
{
  const uint64_t new = stamp_of (round, block);
  uint64_t stamp;

  require (pattern_has_stamp (data, BLOCK, &stamp));
  if (is_acknowledged[block * BLOCK / REQUEST_BYTES])
    require (stamp == new);
  else
    require (stamp == new || stamp == test->stamps[block]);
  test->stamps[block] = stamp;
}

static void
acknowledged_writes_are_there (struct test *test, unsigned round)
{
  static uint8_t data[WRITTEN_BYTES];

  require (nbd_pread (test->other, data, sizeof data, 0, 0) == 0);
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    block_is_new_or_old (test, round, block, data + block * BLOCK);
  for (unsigned i = 0; i < NR_WRITES; i++)
    test->nr_acknowledged += is_acknowledged[i];
}

static void
a_client_vanishes (struct test *test, unsigned round)
{
  const unsigned nr_done = pattern_below (&test->state, NR_REQUESTS);
  pid_t child;

  for (unsigned i = 0; i < NR_WRITES; i++)
    is_acknowledged[i] = false;
  fflush (NULL);
  child = fork ();
  require (child != -1);
  if (child == 0)
    be_a_client_that_vanishes (test, round, nr_done);
  other_goes_on (test, child);
  server_await_threads (test->server, test->nr_threads);
  acknowledged_writes_are_there (test, round);
}

static void
clients_can_vanish (const char *const options[], unsigned nr_connections,
                    uint64_t seed)
{
  static struct test test;
  char size[40];

  CHECK ("%u clients with %u connections vanish", NR_ROUNDS, nr_connections);
  snprintf (size, sizeof size, "size=%" PRIu64, DISK_BYTES);
  test = (struct test) {
    .server = server_start_with (options, SERVER_ARGS (size)),
    .nr_connections = nr_connections,
    .state = seed,
  };
  test.other = server_connect (test.server, "");
  other_writes_and_reads (&test);
  test.nr_threads = server_nr_threads (test.server);
  for (unsigned round = 1; round <= NR_ROUNDS; round++)
    a_client_vanishes (&test, round);
  CHECK ("  %u writes were acknowledged", test.nr_acknowledged);
  require (test.nr_acknowledged > 0);
  nbd_close (test.other);
  server_require_alive (test.server);
  server_stop (test.server);
}

int
main (void)
{
  static const char *const one_thread[] = { "--threads=1", NULL };
  const uint64_t seed = pattern_seed ();

  is_acknowledged = mmap (NULL, NR_WRITES * sizeof *is_acknowledged,
                          PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                          -1, 0);
  require (is_acknowledged != MAP_FAILED);
  clients_can_vanish (one_thread, 1, seed);
  clients_can_vanish (NULL, NR_REQUESTS, seed);
  return 0;
}

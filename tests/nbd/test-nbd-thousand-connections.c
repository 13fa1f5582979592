/* SPDX-License-Identifier: BSD-3-Clause */
/* A thousand connections, opened and dropped at each point of the protocol.
 *
 * They come in waves: all of a wave are there at once, some with half a word
 * said, and then all of them drop.  Meanwhile a client that stays goes on, and
 * after each wave the server has the threads and the open files that it had
 * before, and the disk has what was acknowledged.
 *
 * Who drops in the middle of requests has one in flight: nbdkit 1.32.5 ends by
 * an assertion of its own when there are more (see test-nbd-vanish).
 */
#include <config.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pattern.h"
#include "raw.h"
#include "server.h"

#define NR_CONNECTIONS 1000u
#define NR_AT_ONCE 100u

/* Where the client that stays writes, and the visitors do not. */
#define STAYS_OFFSET (1 * MiB)
#define STAYS_BYTES (1 * MiB)
#define DISK_BYTES (STAYS_OFFSET + STAYS_BYTES)

/* What visitors write, whole or not at all. */
#define WRITE_BYTES (64 * KiB)

struct visitor {
  struct nbd_handle *nbd;       /* NULL: the socket is all there is */
  int fd;
};

/* How far visitors come: each gets a socket that is connected, or one that has
 * shaken hands, and says so much. */

static void
nothing (struct visitor *visitor)
{
}

static void
half_a_greeting (struct visitor *visitor)
{
  char greeting[9];

  require (recv (visitor->fd, greeting, sizeof greeting, MSG_WAITALL) == 9);
  require (memcmp (greeting, "NBDMAGIC", 8) == 0);
}

static void
flags (struct visitor *visitor)
{
  raw_send_flags (visitor->fd);
}

static void
half_the_flags (struct visitor *visitor)
{
  raw_send (visitor->fd, "\0\0", 2);
}

static void
half_an_option (struct visitor *visitor)
{
  raw_send_flags (visitor->fd);
  raw_send (visitor->fd, "IHAVEOPT\0\0", 10);
}

static void
an_option_without_its_data (struct visitor *visitor)
{
  raw_send_flags (visitor->fd);
  raw_send_option (visitor->fd, RAW_OPT_GO, 300);
  raw_send (visitor->fd, "\0\0\1", 3);
}

static void
an_option_that_is_too_long (struct visitor *visitor)
{
  raw_send_flags (visitor->fd);
  raw_send_option (visitor->fd, RAW_OPT_GO, UINT32_MAX);
}

static void
a_list_that_nobody_reads (struct visitor *visitor)
{
  raw_send_flags (visitor->fd);
  for (unsigned i = 0; i < 20; i++)
    raw_send_option (visitor->fd, RAW_OPT_LIST, 0);
}

static void
rubbish (struct visitor *visitor)
{
  raw_send (visitor->fd, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 35);
}

static void
half_a_request (struct visitor *visitor)
{
  raw_send (visitor->fd, "\x25\x60\x95\x13\0\0", 6);
}

static void
no_request_at_all (struct visitor *visitor)
{
  raw_send (visitor->fd, "this is not a request, it is only long enough", 45);
}

static void
a_read_that_nobody_reads (struct visitor *visitor)
{
  raw_send_request (visitor->fd, RAW_CMD_READ, DISK_BYTES);
}

static void
half_a_write (struct visitor *visitor)
{
  static const char data[WRITE_BYTES / 2] = "never acknowledged";

  raw_send_request (visitor->fd, RAW_CMD_WRITE, WRITE_BYTES);
  raw_send (visitor->fd, data, sizeof data);
}

static const struct {
  void (*come_so_far) (struct visitor *visitor);
  bool shakes_hands;
} ways[] = {
  { nothing, false },
  { half_a_greeting, false },
  { flags, false },
  { half_the_flags, false },
  { half_an_option, false },
  { an_option_without_its_data, false },
  { an_option_that_is_too_long, false },
  { a_list_that_nobody_reads, false },
  { rubbish, false },
  { nothing, true },
  { half_a_request, true },
  { no_request_at_all, true },
  { a_read_that_nobody_reads, true },
  { half_a_write, true },
};
#define NR_WAYS (sizeof ways / sizeof *ways)

/* Coming and going. */

static void
come (const struct server *server, struct visitor *visitor, unsigned way)
{
  visitor->nbd = ways[way].shakes_hands ? server_connect (server, "") : NULL;
  visitor->fd = visitor->nbd ? nbd_aio_get_fd (visitor->nbd) :
    raw_connect (server);
  ways[way].come_so_far (visitor);
}

static void
go (struct visitor *visitor)
{
  if (visitor->nbd)
    nbd_close (visitor->nbd);
  else
    require (close (visitor->fd) == 0);
}

/* The client that stays. */

struct test {
  struct server *server;
  struct nbd_handle *stays;
  unsigned nr_threads, nr_files;        /* of the server with that one alone */
  uint64_t state;
  uint8_t written[STAYS_BYTES];
};

static void
stays_and_reads (const struct test *test)
{
  static uint8_t read[STAYS_BYTES];

  require (nbd_pread (test->stays, read, STAYS_BYTES, STAYS_OFFSET, 0) == 0);
  require (memcmp (read, test->written, STAYS_BYTES) == 0);
}

static void
stays_and_writes (struct test *test)
{
  pattern_mixed (test->written, STAYS_BYTES, &test->state);
  require (nbd_pwrite (test->stays, test->written, STAYS_BYTES, STAYS_OFFSET,
                       0) == 0);
  stays_and_reads (test);
}

/* What visitors wrote half of is not there. */
static void
rest_is_zero (const struct test *test)
{
  static uint8_t read[STAYS_OFFSET];

  require (nbd_pread (test->stays, read, sizeof read, 0, 0) == 0);
  require (pattern_is_zero (read, sizeof read));
}

static void
is_as_before (struct test *test)
{
  server_await_threads (test->server, test->nr_threads);
  require (server_nr_files (test->server) == test->nr_files);
  stays_and_reads (test);
  rest_is_zero (test);
  server_require_alive (test->server);
  server_await_threads (test->server, test->nr_threads);
}

/* The last one that came goes first in every other wave. */
static void
a_wave_comes_and_goes (struct test *test, unsigned wave)
{
  struct visitor visitors[NR_AT_ONCE];

  for (unsigned i = 0; i < NR_AT_ONCE; i++)
    come (test->server, &visitors[i], (wave * NR_AT_ONCE + i) % NR_WAYS);
  stays_and_writes (test);
  for (unsigned i = 0; i < NR_AT_ONCE; i++)
    go (&visitors[wave % 2 ? NR_AT_ONCE - 1 - i : i]);
  stays_and_writes (test);
  is_as_before (test);
}

/* One after the other, faster than the server ends its threads. */
static void
as_many_come_and_go_at_once (struct test *test)
{
  CHECK ("%u connections one after the other", NR_CONNECTIONS);
  for (unsigned i = 0; i < NR_CONNECTIONS; i++) {
    struct visitor visitor;

    come (test->server, &visitor, i % NR_WAYS);
    go (&visitor);
  }
  is_as_before (test);
}

int
main (void)
{
  static struct test test;

  test.state = pattern_seed ();
  test.server = server_start (SERVER_ARGS ("size=2M"));
  test.stays = server_connect (test.server, "");
  stays_and_writes (&test);
  test.nr_threads = server_nr_threads (test.server);
  test.nr_files = server_nr_files (test.server);
  for (unsigned wave = 0; wave < NR_CONNECTIONS / NR_AT_ONCE; wave++) {
    CHECK ("wave %u of %u connections", wave + 1, NR_AT_ONCE);
    a_wave_comes_and_goes (&test, wave);
  }
  as_many_come_and_go_at_once (&test);
  nbd_close (test.stays);
  server_stop (test.server);
  return 0;
}

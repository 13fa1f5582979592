/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection to the control socket; see connection.h. */
#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "connection.h"
#include "request.h"

/* How often a client that is waited for is looked at again. */
#define POLL_MS 100

struct connection {
  struct connections *all;
  int fd;
  uint64_t since_ms;            /* it had to do something */
  bool answered;                /* it asks for nothing now */
  bool over;
  size_t bytes;                 /* of the buffer, not yet answered */
  char buffer[PROTOCOL_LINE_BYTES_MAX + 1];
};

/* Waiting. */

static uint64_t
now_ms (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * UINT64_C (1000) + now.tv_nsec / 1000000;
}

static bool
is_crowded (const struct connections *all)
{
  struct pollfd waiting = { .fd = all->listener, .events = POLLIN };

  return all->nr >= all->nr_max && poll (&waiting, 1, 0) == 1;
}

static bool
is_patient (const struct connection *connection)
{
  const uint64_t patience_ms = !is_crowded (connection->all) ? PATIENCE_MS :
    connection->answered ? CROWDED_IDLE_PATIENCE_MS : CROWDED_PATIENCE_MS;

  return now_ms () - connection->since_ms < patience_ms;
}

/* False: the connection is over. */
static bool
wait_for (struct connection *connection, short events)
{
  struct pollfd fds[] = {
    { .fd = connection->fd, .events = events },
    { .fd = connection->all->stop, .events = POLLIN },
  };

  while (is_patient (connection)) {
    const int nr_ready = poll (fds, 2, POLL_MS);

    if ((nr_ready == -1 && errno != EINTR) ||
        (nr_ready > 0 && fds[1].revents))
      break;
    if (nr_ready > 0)
      return true;
  }
  connection->over = true;
  return false;
}

/* Writing. */

static void
send_all (struct connection *connection, const char *data, size_t bytes)
{
  connection->since_ms = now_ms ();
  while (bytes > 0 && !connection->over) {
    const ssize_t sent = send (connection->fd, data, bytes,
                               MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent > 0) {
      data += sent;
      bytes -= sent;
    }
    else if (errno == EAGAIN)
      wait_for (connection, POLLOUT);
    else if (errno != EINTR)
      connection->over = true;
  }
}

/* A message is one line, whatever a name in it has. */
static void
send_error (struct connection *connection, const struct request_error *error)
{
  char line[PROTOCOL_MESSAGE_BYTES_MAX + 64];
  const int chars = snprintf (line, sizeof line, "error %s %s",
                              request_errno_name (error->errnum),
                              error->message);

  for (int i = 0; i < chars; i++)
    if (iscntrl ((unsigned char) line[i]))
      line[i] = '?';
  line[chars] = '\n';
  send_all (connection, line, chars + 1);
}

static void
refuse (struct connection *connection, int errnum, const char *message)
{
  struct request_error error = { .errnum = errnum };

  strcpy (error.message, message);
  send_error (connection, &error);
}

static void
send_payload (struct connection *connection, struct payload *payload)
{
  char header[32];
  const char *piece;
  size_t bytes = snprintf (header, sizeof header, "ok %" PRIu64 "\n",
                           payload->bytes);

  send_all (connection, header, bytes);
  while (!connection->over && (bytes = payload_next (payload, &piece)) > 0)
    send_all (connection, piece, bytes);
}

/* Answering. */

static void
run (struct connection *connection, const struct request *request)
{
  struct request_error error;
  struct payload payload;

  if (request_run (request, connection->all->exports, &payload, &error) == -1)
    send_error (connection, &error);
  else {
    send_payload (connection, &payload);
    payload_free (&payload);
  }
}

/* There is always a thread left that shows. */
static void
run_store (struct connection *connection, const struct request *request)
{
  struct connections *all = connection->all;

  if (atomic_fetch_add (&all->nr_stores, 1) < all->nr_stores_max)
    run (connection, request);
  else
    refuse (connection, EAGAIN, "too many changes are under way");
  atomic_fetch_sub (&all->nr_stores, 1);
}

static void
answer (struct connection *connection, char *line)
{
  struct request_error error;
  struct request request;

  if (request_parse (line, connection->all->exports, &request, &error) == -1)
    send_error (connection, &error);
  else if (request.verb == REQUEST_STORE)
    run_store (connection, &request);
  else
    run (connection, &request);
}

/* Reading. */

static void
answer_line (struct connection *connection, size_t chars)
{
  char *line = connection->buffer;

  line[chars] = '\0';
  if (strlen (line) != chars) {
    refuse (connection, EINVAL, "there is a NUL byte in the line");
    connection->over = true;
    return;
  }
  if (chars > 0 && line[chars - 1] == '\r')
    line[chars - 1] = '\0';
  answer (connection, line);
}

/* Answer all whole lines in the buffer; half a line stays. */
static void
answer_lines (struct connection *connection)
{
  char *newline;

  while (!connection->over &&
         (newline = memchr (connection->buffer, '\n', connection->bytes))) {
    const size_t chars = newline - connection->buffer;

    connection->answered = false;
    answer_line (connection, chars);
    connection->bytes -= chars + 1;
    memmove (connection->buffer, newline + 1, connection->bytes);
    connection->since_ms = now_ms ();
    connection->answered = connection->bytes == 0;
  }
}

/* Half a line at the end is not a request: who knows what the rest was. */
static void
receive (struct connection *connection)
{
  const size_t room = sizeof connection->buffer - connection->bytes;
  const ssize_t bytes = recv (connection->fd,
                              connection->buffer + connection->bytes, room,
                              MSG_DONTWAIT);

  if (bytes > 0) {
    connection->bytes += bytes;
    connection->answered = false;
  }
  else if (bytes == 0 || (errno != EAGAIN && errno != EINTR))
    connection->over = true;
}

static bool
is_allowed (int fd)
{
  struct ucred peer;
  socklen_t bytes = sizeof peer;

  return getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 &&
    (peer.uid == 0 || peer.uid == geteuid ());
}

static void
converse (struct connection *connection)
{
  while (!connection->over && wait_for (connection, POLLIN)) {
    receive (connection);
    answer_lines (connection);
    if (connection->bytes == sizeof connection->buffer) {
      refuse (connection, E2BIG, "the line is longer than 4096 bytes");
      connection->over = true;
    }
  }
}

void
connection_serve (struct connections *connections, int fd)
{
  struct connection connection = {
    .all = connections, .fd = fd, .since_ms = now_ms (),
  };

  atomic_fetch_add (&connections->nr, 1);
  if (is_allowed (fd))
    converse (&connection);
  else
    refuse (&connection, EACCES,
            "only root and the server's own user may ask");
  atomic_fetch_sub (&connections->nr, 1);
}

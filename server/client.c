/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection to the server's control socket; see client.h. */
#include <config.h>

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "../plugin/control/protocol.h"

#include "client.h"

/* Far more than the server needs for a line, even on a machine that swaps. */
#define TIMEOUT_S 30

/* The first line of an answer: "error", an errno's name and a message. */
#define HEAD_BYTES_MAX (PROTOCOL_MESSAGE_BYTES_MAX + 64)

/* Of what is read as a whole; that is some lines. */
#define PAYLOAD_BYTES_MAX ((size_t) 1 << 20)

#define PIECE_BYTES ((size_t) 1 << 16)

struct client {
  int fd;
  FILE *stream;                 /* of the same, for reading */
  char *path;
};

/* Connection. */

static int
connect_to (const char *path)
{
  const struct timeval patience = { .tv_sec = TIMEOUT_S };
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd;

  if (strlen (path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy (address.sun_path, path);
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd == -1)
    return -1;
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (connect (fd, (struct sockaddr *) &address, sizeof address) == 0)
    return fd;
  close (fd);
  return -1;
}

static const char *
why_not_connected (void)
{
  switch (errno) {
  case ENOENT:
  case ECONNREFUSED: return "no server listens here";
  case EAGAIN: return "the server does not answer";
  default: return strerror (errno);
  }
}

struct client *
client_open (const char *path)
{
  struct client *client = calloc (1, sizeof *client);
  const int fd = connect_to (path);

  if (fd == -1)
    warnx ("%s: %s", path, why_not_connected ());
  else if (client && (client->path = strdup (path)) &&
           (client->stream = fdopen (fd, "r"))) {
    client->fd = fd;
    return client;
  }
  else
    warnx ("out of memory");
  if (fd != -1)
    close (fd);
  if (client)
    free (client->path);
  free (client);
  return NULL;
}

void
client_close (struct client *client)
{
  if (!client)
    return;
  fclose (client->stream);
  free (client->path);
  free (client);
}

const char *
client_path (const struct client *client)
{
  return client->path;
}

/* Request. */

static int
send_all (struct client *client, const char *data, size_t bytes)
{
  ssize_t sent;

  for (; bytes > 0; data += sent, bytes -= sent) {
    sent = send (client->fd, data, bytes, MSG_NOSIGNAL);
    if (sent == -1 && errno == EINTR)
      sent = 0;
    if (sent == -1) {
      warnx ("%s: %s", client->path, errno == EAGAIN ?
             "the server takes no more requests" : strerror (errno));
      return -1;
    }
  }
  return 0;
}

int
client_send (struct client *client, const char *fmt, ...)
{
  char *line;
  int bytes, r = -1;
  va_list ap;

  va_start (ap, fmt);
  bytes = vasprintf (&line, fmt, ap);
  va_end (ap);
  if (bytes == -1) {
    warnx ("out of memory");
    return -1;
  }
  if (memchr (line, '\n', bytes))
    warnx ("a request is one line, and so is a value");
  else if ((unsigned) bytes > PROTOCOL_LINE_BYTES_MAX)
    warnx ("a request has at most %u bytes, this has %d",
           PROTOCOL_LINE_BYTES_MAX, bytes);
  else {
    line[bytes] = '\n';         /* in place of its NUL */
    r = send_all (client, line, bytes + 1);
  }
  free (line);
  return r;
}

/* Answer. */

int
client_wait (struct client *client, int timeout_ms)
{
  struct pollfd poll_fd = { .fd = client->fd, .events = POLLIN };
  const int r = poll (&poll_fd, 1, timeout_ms);

  if (r != -1)
    return r > 0;
  if (errno == EINTR)
    return 0;
  warn ("poll");
  return -1;
}

/* The stream ended or timed out where more was to come. */
static int
cut_short (const struct client *client)
{
  warnx ("%s: %s", client->path,
         !ferror (client->stream) ? "the server closed the connection" :
         errno == EAGAIN ? "the server does not answer" : strerror (errno));
  return -1;
}

/* Not shown: it may be anything, and a terminal obeys some of that. */
static int
is_rubbish (const struct client *client)
{
  warnx ("%s: what listens here does not answer as nbdzram does",
         client->path);
  return -1;
}

/* A line without its newline. */
static int
receive_head (struct client *client, char *head)
{
  char *newline;

  if (!fgets (head, HEAD_BYTES_MAX, client->stream))
    return cut_short (client);
  newline = strchr (head, '\n');
  if (newline) {
    *newline = '\0';
    return 0;
  }
  return feof (client->stream) ? cut_short (client) : is_rubbish (client);
}

/* What is behind a prefix, or NULL. */
static const char *
behind (const char *text, const char *prefix)
{
  const size_t bytes = strlen (prefix);

  return strncmp (text, prefix, bytes) == 0 ? text + bytes : NULL;
}

static bool
parse_length (const char *text, size_t *bytes)
{
  char *end;

  if (*text < '0' || *text > '9')
    return false;
  errno = 0;
  *bytes = strtoull (text, &end, 10);
  return errno == 0 && !*end;
}

/* The first line.  Of ok, its length; of an error, all there is. */
static int
receive_start (struct client *client, struct answer *answer)
{
  char head[HEAD_BYTES_MAX];
  const char *rest;

  memset (answer, 0, sizeof *answer);
  if (receive_head (client, head) == -1)
    return -1;
  rest = behind (head, "ok ");
  answer->ok = rest != NULL;
  if (rest)
    return parse_length (rest, &answer->bytes) ? 0 : is_rubbish (client);
  rest = behind (head, "error ");
  if (!rest)
    return is_rubbish (client);
  answer->bytes = strlen (rest);
  answer->text = strdup (rest);
  if (answer->text)
    return 0;
  warnx ("out of memory");
  return -1;
}

static int
receive_payload (struct client *client, struct answer *answer)
{
  if (answer->bytes > PAYLOAD_BYTES_MAX)
    return is_rubbish (client);
  answer->text = malloc (answer->bytes + 1);
  if (!answer->text) {
    warnx ("out of memory");
    return -1;
  }
  answer->text[answer->bytes] = '\0';
  if (fread (answer->text, 1, answer->bytes, client->stream) == answer->bytes)
    return 0;
  free (answer->text);
  answer->text = NULL;
  return cut_short (client);
}

int
client_receive (struct client *client, struct answer *answer)
{
  if (receive_start (client, answer) == -1)
    return -1;
  return answer->ok ? receive_payload (client, answer) : 0;
}

/* What the server answered to a show was an error. */
static int
refused (const char *device, const char *attribute, struct answer *answer)
{
  warnx ("%s: %s: %s", device, attribute, answer->text);
  free (answer->text);
  return 1;
}

char *
client_show (struct client *client, const char *device, const char *attribute)
{
  struct answer answer;

  if (client_send (client, "show %s %s", device, attribute) == -1 ||
      client_receive (client, &answer) == -1)
    return NULL;
  if (answer.ok)
    return answer.text;
  refused (device, attribute, &answer);
  return NULL;
}

/* What came before it ended is passed on, too. */
static int
pour (struct client *client, size_t bytes, client_sink *sink, void *opaque)
{
  char piece[PIECE_BYTES];
  size_t wanted, got;

  for (; bytes > 0; bytes -= got) {
    wanted = bytes < sizeof piece ? bytes : sizeof piece;
    got = fread (piece, 1, wanted, client->stream);
    sink (opaque, piece, got);
    if (got != wanted)
      return cut_short (client);
  }
  return 0;
}

int
client_show_long (struct client *client, const char *device,
                  const char *attribute, client_sink *sink, void *opaque)
{
  struct answer answer;

  if (client_send (client, "show %s %s", device, attribute) == -1 ||
      receive_start (client, &answer) == -1)
    return -1;
  if (!answer.ok)
    return refused (device, attribute, &answer);
  return pour (client, answer.bytes, sink, opaque);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections to a server; see handshake.h.
 *
 * libnbd negotiates on a socket of ours, of which the kernel gets a duplicate;
 * with TLS it stays between both.
 */
#include <config.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libnbd.h>
#include <limits.h>
#include <linux/nbd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "handshake.h"
#include "relay.h"

/* A lost packet is sent again after 1 s.  Who is behind a Unix socket may be
 * starting: it answers when it is done. */
#define CONNECT_TIMEOUT_MS 3000
#define NEGOTIATE_TIMEOUT_MS 30000
#define SLICE_MS 100

/* After this time a host that does not answer is taken for dead. */
#define SILENT_MS 30000
#define PROBE_S 10
#define PROBES 3

/* The kernel's since 6.10, the protocol's always. */
#define FLAG_SEND_WRITE_ZEROES (1 << 6)

static char error[256];

const char *
handshake_error (void)
{
  return error;
}

static int
failed (const char *what)
{
  snprintf (error, sizeof error, "%s", what);
  return -1;
}

/* Endpoints. */

static int
set_absolute_address (struct endpoint *endpoint, const char *path,
                      size_t bytes)
{
  struct sockaddr_un *address = (struct sockaddr_un *) &endpoint->address;

  if (bytes >= sizeof address->sun_path) {
    warnx ("%.*s: the path of a socket has room for %zu bytes", (int) bytes,
           path, sizeof address->sun_path - 1);
    return -1;
  }
  memset (address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy (address->sun_path, path, bytes);
  endpoint->address_bytes = sizeof *address;
  return 0;
}

/* An agent does not stay where it was started. */
static int
set_unix_address (struct endpoint *endpoint, const char *path)
{
  char absolute[PATH_MAX], *directory;
  int bytes;

  if (path[0] == '/')
    return set_absolute_address (endpoint, path, strlen (path));
  directory = getcwd (NULL, 0);
  bytes = snprintf (absolute, sizeof absolute, "%s/%s",
                    directory ? directory : "", path);
  free (directory);
  return set_absolute_address (endpoint, absolute, bytes);
}

/* Each %XX becomes a character. */
static void
decode (char *text)
{
  char *to = text, digits[3] = "";

  for (const char *from = text; *from; to++)
    if (from[0] == '%' && from[1] && from[2]) {
      memcpy (digits, from + 1, 2);
      *to = strtoul (digits, NULL, 16);
      from += 3;
    }
    else
      *to = *from++;
  *to = '\0';
}

/* nbd+unix:///EXPORT?socket=PATH.  The server may know its socket by another
 * path than we do, so this one is not asked for it. */
static int
set_address_of_uri (struct endpoint *endpoint, const char *uri)
{
  const char *query = strchr (uri, '?');
  const char *found = query ? strstr (query, "socket=") : NULL;
  char *path;
  int r;

  if (!found || (found[-1] != '?' && found[-1] != '&')) {
    warnx ("%s: no ?socket=PATH", uri);
    return -1;
  }
  found += strlen ("socket=");
  path = strndup (found, strcspn (found, "&"));
  if (!path) {
    warnx ("out of memory");
    return -1;
  }
  decode (path);
  r = set_unix_address (endpoint, path);
  free (path);
  return r;
}

static bool
wants_tls (const char *uri)
{
  return strncmp (uri, "nbds:", 5) == 0 || strncmp (uri, "nbds+", 5) == 0;
}

/* Who can attach may read files, too. */
static int
allow_all (struct nbd_handle *nbd)
{
  return nbd_set_uri_allow_local_file (nbd, true);
}

/* Ask libnbd for what the URI says: names are looked up, and the address that
 * answers is kept. */
static int
ask_uri (struct endpoint *endpoint, const char *uri)
{
  const bool is_unix = strncmp (uri, "nbd+unix:", 9) == 0;
  struct nbd_handle *nbd = nbd_create ();
  int r = -1;

  endpoint->has_tls = wants_tls (uri);
  endpoint->address_bytes = sizeof endpoint->address;
  if (!nbd || allow_all (nbd) == -1 || nbd_connect_uri (nbd, uri) == -1 ||
      getpeername (nbd_aio_get_fd (nbd),
                   (struct sockaddr *) &endpoint->address,
                   &endpoint->address_bytes) == -1)
    warnx ("%s: %s", uri, nbd_get_error ());
  else if (!is_unix || set_address_of_uri (endpoint, uri) == 0) {
    endpoint->export = nbd_get_export_name (nbd);
    r = endpoint->export ? 0 : -1;
  }
  nbd_close (nbd);
  return r;
}

static bool
is_uri (const char *word)
{
  return strstr (word, "://") != NULL;
}

int
endpoint_find (struct endpoint *endpoint, const char *word, const char *socket)
{
  memset (endpoint, 0, sizeof *endpoint);
  if (is_uri (word)) {
    endpoint->uri = strdup (word);
    if (endpoint->uri && ask_uri (endpoint, word) == 0)
      return 0;
  }
  else if (set_unix_address (endpoint, socket) == 0) {
    endpoint->export = strdup (word);
    if (endpoint->export &&
        asprintf (&endpoint->uri, "nbd+unix:///%s?socket=%s", word,
                  socket) != -1)
      return 0;
    endpoint->uri = NULL;
    warnx ("out of memory");
  }
  endpoint_free (endpoint);
  return -1;
}

void
endpoint_free (struct endpoint *endpoint)
{
  free (endpoint->export);
  free (endpoint->uri);
}

/* Connecting. */

/* Requests are small and wait for nothing.  Without the probes, a host that
 * lost its power would be waited for as long as there is nothing to send. */
static void
set_up_tcp (int fd)
{
  const int yes = 1, probe_s = PROBE_S, probes = PROBES;
  const unsigned silent_ms = SILENT_MS;

  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  setsockopt (fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPIDLE, &probe_s, sizeof probe_s);
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPINTVL, &probe_s, sizeof probe_s);
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  setsockopt (fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms,
              sizeof silent_ms);
}

static int
await_connection (int fd)
{
  struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
  socklen_t bytes = sizeof errno;

  if (poll (&poll_fd, 1, CONNECT_TIMEOUT_MS) != 1)
    errno = ETIMEDOUT;
  else if (getsockopt (fd, SOL_SOCKET, SO_ERROR, &errno, &bytes) == 0 &&
           errno == 0)
    return 0;
  return -1;
}

static int
open_socket (const struct endpoint *endpoint)
{
  const int family = endpoint->address.ss_family;
  const int fd = socket (family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         0);

  if (fd == -1)
    return failed (strerror (errno));
  if (family == AF_INET || family == AF_INET6)
    set_up_tcp (fd);
  if (connect (fd, (const struct sockaddr *) &endpoint->address,
               endpoint->address_bytes) == 0 ||
      (errno == EINPROGRESS && await_connection (fd) == 0))
    return fd;
  failed (strerror (errno));
  close (fd);
  return -1;
}

/* Negotiation. */

/* Poll until a condition of the handle holds. */
static int
advance (struct nbd_handle *nbd, int (*is_reached) (struct nbd_handle *),
         bool (*is_over) (void))
{
  const int64_t end_ms = clock_now_ms () + NEGOTIATE_TIMEOUT_MS;
  int reached;

  while ((reached = is_reached (nbd)) == 0) {
    if (is_over && is_over ())
      return failed ("given up");
    if (clock_now_ms () > end_ms)
      return failed ("the server does not answer");
    if (nbd_poll (nbd, SLICE_MS) == -1)
      break;
    if (nbd_aio_is_dead (nbd) || nbd_aio_is_closed (nbd))
      return failed ("the server closed the connection");
  }
  return reached == 1 ? 0 : failed (nbd_get_error ());
}

static int
is_idle (struct nbd_handle *nbd)
{
  const int nr = nbd_aio_in_flight (nbd);

  return nr == -1 ? -1 : nr == 0;
}

static int
read_head (struct nbd_handle *nbd, char *head, size_t bytes,
           bool (*is_over) (void))
{
  const int64_t size = nbd_get_size (nbd);
  int64_t cookie;

  memset (head, 0, bytes);
  if (size < (int64_t) bytes)
    bytes = size;
  cookie = nbd_aio_pread (nbd, head, bytes, 0, NBD_NULL_COMPLETION, 0);
  if (cookie == -1)
    return failed (nbd_get_error ());
  if (advance (nbd, is_idle, is_over) == -1)
    return -1;
  return nbd_aio_command_completed (nbd, cookie) == 1 ?
    0 : failed (nbd_get_error ());
}

static uint64_t
flag_if (int answer, uint64_t flag)
{
  return answer == 1 ? flag : 0;
}

static int
learn_facts (struct nbd_handle *nbd, struct export_facts *facts)
{
  const int64_t size = nbd_get_size (nbd);
  const int64_t minimum = nbd_get_block_size (nbd, LIBNBD_SIZE_MINIMUM);

  if (size == -1)
    return failed (nbd_get_error ());
  facts->size_bytes = size;
  facts->minimum_bytes = minimum > 0 ? minimum : 0;
  facts->flags = NBD_FLAG_HAS_FLAGS |
    flag_if (nbd_is_read_only (nbd), NBD_FLAG_READ_ONLY) |
    flag_if (nbd_can_flush (nbd), NBD_FLAG_SEND_FLUSH) |
    flag_if (nbd_can_fua (nbd), NBD_FLAG_SEND_FUA) |
    flag_if (nbd_can_trim (nbd), NBD_FLAG_SEND_TRIM) |
    flag_if (nbd_can_zero (nbd), FLAG_SEND_WRITE_ZEROES) |
    flag_if (nbd_can_multi_conn (nbd), NBD_FLAG_CAN_MULTI_CONN);
  return 0;
}

/* The kernel understands simple replies alone. */
static int
begin (struct nbd_handle *nbd, const struct endpoint *endpoint)
{
  int fd;

  if (nbd_set_request_structured_replies (nbd, false) == -1 ||
      (endpoint->has_tls && (allow_all (nbd) == -1 ||
                             nbd_aio_connect_uri (nbd, endpoint->uri) == -1)))
    return failed (nbd_get_error ());
  if (endpoint->has_tls)
    return 0;
  fd = open_socket (endpoint);
  if (fd == -1)
    return -1;
  if (nbd_set_export_name (nbd, endpoint->export) == 0 &&
      nbd_aio_connect_socket (nbd, fd) == 0)
    return 0;
  close (fd);
  return failed (nbd_get_error ());
}

/* The handle is closed, now or by the relay. */
static int
hand_over (struct nbd_handle *nbd, const struct endpoint *endpoint)
{
  const int fd = nbd_aio_get_fd (nbd);
  int kept;

  if (endpoint->has_tls) {
    set_up_tcp (fd);
    kept = relay_begin (nbd);
  }
  else {
    kept = fcntl (fd, F_DUPFD_CLOEXEC, 0);
    nbd_close (nbd);
  }
  return kept == -1 ? failed (strerror (errno)) : kept;
}

int
handshake (const struct endpoint *endpoint, struct export_facts *facts,
           char *head, size_t head_bytes, bool (*is_over) (void))
{
  struct nbd_handle *nbd = nbd_create ();

  if (!nbd)
    return failed (nbd_get_error ());
  if (begin (nbd, endpoint) == 0 &&
      advance (nbd, nbd_aio_is_ready, is_over) == 0 &&
      learn_facts (nbd, facts) == 0 &&
      (!head || read_head (nbd, head, head_bytes, is_over) == 0))
    return hand_over (nbd, endpoint);
  nbd_close (nbd);
  return -1;
}

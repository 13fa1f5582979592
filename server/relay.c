/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the kernel and a server that wants TLS; see relay.h.
 *
 * The kernel's end is a socket pair.  A reply is sent before the next request
 * is read, and the kernel always reads, so writing never waits for long.  When
 * the server is lost nothing is answered: the kernel sends it all again.
 */
#include <config.h>

#include <arpa/inet.h>
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <linux/nbd.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "notice.h"
#include "relay.h"
#include "steady.h"

/* Requests at a time, and how long one may be: what the kernel makes unless
 * somebody raises max_sectors_kb.  4 MiB for each connection. */
#define NR_SLOTS 32
#define DATA_BYTES (128 << 10)

/* The kernel's since 6.10, the protocol's always. */
#define CMD_WRITE_ZEROES 6
#define CMD_FLAG_NO_HOLE (1 << 17)

#define STACK_BYTES (256 << 10)

/* One that is closed needs a moment to be free. */
#define FREE_TIMEOUT_S 5

struct slot {
  int64_t cookie;               /* libnbd's; 0: free */
  char handle[8];               /* the kernel's */
  uint32_t bytes_back;          /* of data in the reply */
  char *data;
};

struct relay {
  struct nbd_handle *nbd;       /* NULL: nothing to do */
  int kernel;
  unsigned nr_used;
  struct slot slots[NR_SLOTS];
};

static struct relay *relays;
static unsigned nr_relays;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* The kernel. */

static bool
receive (int fd, void *data, size_t bytes)
{
  return recv (fd, data, bytes, MSG_WAITALL) == (ssize_t) bytes;
}

static bool
send_all (int fd, const char *data, size_t bytes)
{
  ssize_t sent;

  for (; bytes > 0; data += sent, bytes -= sent) {
    sent = send (fd, data, bytes, MSG_NOSIGNAL);
    if (sent == -1)
      return false;
  }
  return true;
}

static bool
reply (struct relay *relay, const char *handle, int error, const char *data,
       size_t bytes)
{
  struct nbd_reply head = {
    .magic = htonl (NBD_REPLY_MAGIC), .error = htonl (error),
  };

  memcpy (head.handle, handle, sizeof head.handle);
  return send_all (relay->kernel, (const char *) &head, sizeof head) &&
    send_all (relay->kernel, data, bytes);
}

/* Requests. */

static struct slot *
find_slot (struct relay *relay, int64_t cookie)
{
  for (unsigned i = 0; i < NR_SLOTS; i++)
    if (relay->slots[i].cookie == cookie)
      return &relay->slots[i];
  return NULL;
}

/* Returns libnbd's cookie, -1: the request is refused. */
static int64_t
pass_on (struct relay *relay, struct slot *slot, uint32_t type, uint64_t at,
         uint32_t bytes)
{
  const uint32_t flags = type & NBD_CMD_FLAG_FUA ? LIBNBD_CMD_FLAG_FUA : 0;
  const nbd_completion_callback none = NBD_NULL_COMPLETION;

  slot->bytes_back = 0;
  switch (type & 0xffff) {
  case NBD_CMD_READ:
    slot->bytes_back = bytes;
    return nbd_aio_pread (relay->nbd, slot->data, bytes, at, none, 0);
  case NBD_CMD_WRITE:
    return nbd_aio_pwrite (relay->nbd, slot->data, bytes, at, none, flags);
  case NBD_CMD_FLUSH:
    return nbd_aio_flush (relay->nbd, none, 0);
  case NBD_CMD_TRIM:
    return nbd_aio_trim (relay->nbd, bytes, at, none, flags);
  case CMD_WRITE_ZEROES:
    return nbd_aio_zero (relay->nbd, bytes, at, none, flags |
                         (type & CMD_FLAG_NO_HOLE ?
                          LIBNBD_CMD_FLAG_NO_HOLE : 0));
  default:
    return -1;
  }
}

static bool
has_data (uint32_t type)
{
  return (type & 0xffff) == NBD_CMD_READ || (type & 0xffff) == NBD_CMD_WRITE;
}

/* False: the kernel has ended it. */
static bool
take_request (struct relay *relay)
{
  struct slot *slot = find_slot (relay, 0);
  struct nbd_request request;
  uint32_t type, bytes;

  if (!receive (relay->kernel, &request, sizeof request) ||
      ntohl (request.magic) != NBD_REQUEST_MAGIC)
    return false;
  type = ntohl (request.type);
  bytes = ntohl (request.len);
  if ((type & 0xffff) == NBD_CMD_DISC)
    return false;
  if (has_data (type) && bytes > DATA_BYTES) {
    notice ("a request of %u bytes is too long for a relay: is max_sectors_kb "
            "above %d?", bytes, DATA_BYTES >> 10);
    return false;
  }
  if ((type & 0xffff) == NBD_CMD_WRITE &&
      !receive (relay->kernel, slot->data, bytes))
    return false;
  memcpy (slot->handle, request.handle, sizeof slot->handle);
  slot->cookie = pass_on (relay, slot, type, be64toh (request.from), bytes);
  if (slot->cookie == -1) {
    slot->cookie = 0;
    return reply (relay, slot->handle, EINVAL, NULL, 0);
  }
  relay->nr_used++;
  return true;
}

/* The server. */

static bool
is_lost (struct nbd_handle *nbd)
{
  return nbd_aio_is_dead (nbd) != 0 || nbd_aio_is_closed (nbd) != 0;
}

static bool
finish_requests (struct relay *relay)
{
  struct slot *slot;
  int64_t cookie;
  bool good = true;

  while (good &&
         (cookie = nbd_aio_peek_command_completed (relay->nbd)) > 0) {
    slot = find_slot (relay, cookie);
    if (nbd_aio_command_completed (relay->nbd, cookie) == 1)
      good = reply (relay, slot->handle, 0, slot->data, slot->bytes_back);
    else
      good = reply (relay, slot->handle, nbd_get_errno () ?: EIO, NULL, 0);
    slot->cookie = 0;
    relay->nr_used--;
  }
  return good;
}

static bool
advance (struct nbd_handle *nbd, short events)
{
  const unsigned direction = nbd_aio_get_direction (nbd);
  int r = 0;

  if ((direction & LIBNBD_AIO_DIRECTION_READ) && (events & (POLLIN | POLLHUP)))
    r = nbd_aio_notify_read (nbd);
  else if ((direction & LIBNBD_AIO_DIRECTION_WRITE) && (events & POLLOUT))
    r = nbd_aio_notify_write (nbd);
  else if (events & (POLLERR | POLLNVAL))
    return false;
  return r == 0 && !is_lost (nbd);
}

static short
wanted_events (struct nbd_handle *nbd)
{
  const unsigned direction = nbd_aio_get_direction (nbd);

  return (direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
    (direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0);
}

/* False: one of both has ended. */
static bool
turn (struct relay *relay)
{
  struct pollfd fds[] = {
    { .fd = nbd_aio_get_fd (relay->nbd),
      .events = wanted_events (relay->nbd) },
    { .fd = relay->nr_used < NR_SLOTS ? relay->kernel : -1,
      .events = POLLIN },
  };

  if (poll (fds, 2, -1) == -1)
    return errno == EINTR;
  if (fds[0].revents && !advance (relay->nbd, fds[0].revents))
    return false;
  if (fds[1].revents && !take_request (relay))
    return false;
  return !is_lost (relay->nbd) && finish_requests (relay);
}

/* Threads. */

static void
end (struct relay *relay)
{
  close (relay->kernel);
  nbd_close (relay->nbd);
  for (unsigned i = 0; i < NR_SLOTS; i++)
    relay->slots[i].cookie = 0;
  relay->nr_used = 0;
  pthread_mutex_lock (&lock);
  relay->nbd = NULL;
  pthread_cond_broadcast (&changed);
  pthread_mutex_unlock (&lock);
}

static void *
run (void *opaque)
{
  struct relay *relay = opaque;

  steady_hold_thread ();
  for (;;) {
    pthread_mutex_lock (&lock);
    while (!relay->nbd)
      pthread_cond_wait (&changed, &lock);
    pthread_mutex_unlock (&lock);
    while (turn (relay))
      continue;
    end (relay);
  }
  return NULL;
}

static bool
start (struct relay *relay, const pthread_attr_t *attributes)
{
  char *data = calloc (NR_SLOTS, DATA_BYTES);
  pthread_t thread;

  for (unsigned i = 0; data && i < NR_SLOTS; i++)
    relay->slots[i].data = data + (size_t) i * DATA_BYTES;
  return data && pthread_create (&thread, attributes, run, relay) == 0;
}

/* One more than there are connections: another may be ending still. */
int
relay_prepare (unsigned nr)
{
  pthread_attr_t attributes;
  bool good;

  nr_relays = nr + 1;
  relays = calloc (nr_relays, sizeof *relays);
  pthread_attr_init (&attributes);
  pthread_attr_setstacksize (&attributes, STACK_BYTES);
  pthread_attr_setdetachstate (&attributes, PTHREAD_CREATE_DETACHED);
  good = relays != NULL;
  for (unsigned i = 0; good && i < nr_relays; i++)
    good = start (&relays[i], &attributes);
  pthread_attr_destroy (&attributes);
  if (!good)
    warnx ("out of memory");
  return good ? 0 : -1;
}

static struct relay *
find_idle (void)
{
  for (unsigned i = 0; i < nr_relays; i++)
    if (!relays[i].nbd)
      return &relays[i];
  return NULL;
}

/* NULL: none was free in time. */
static struct relay *
await_idle (void)
{
  struct relay *relay;
  struct timespec end_time;

  clock_gettime (CLOCK_REALTIME, &end_time);
  end_time.tv_sec += FREE_TIMEOUT_S;
  while (!(relay = find_idle ()))
    if (pthread_cond_timedwait (&changed, &lock, &end_time) != 0)
      return find_idle ();
  return relay;
}

int
relay_begin (struct nbd_handle *nbd)
{
  struct relay *relay;
  int ends[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1) {
    nbd_close (nbd);
    return -1;
  }
  pthread_mutex_lock (&lock);
  relay = await_idle ();
  if (relay) {
    relay->kernel = ends[1];
    relay->nbd = nbd;
    pthread_cond_broadcast (&changed);
  }
  pthread_mutex_unlock (&lock);
  if (relay)
    return ends[0];
  close (ends[0]);
  close (ends[1]);
  nbd_close (nbd);
  errno = EBUSY;
  return -1;
}

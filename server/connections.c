/* SPDX-License-Identifier: BSD-3-Clause */
/* The connections of an attached device; see connections.h.
 *
 * A connection is lost when our duplicate of its socket hangs up.  The kernel
 * looks for dead connections when it is given a new one, and silently leaves it
 * unused if it finds none: so its own report of the death is waited for.  If it
 * reports one that we know nothing of, then what it was given came too early.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <linux/nbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "connections.h"
#include "notice.h"

/* The kernel's pages; anything smaller is read, changed and written. */
#define BLOCK_BYTES 4096

#define SECTOR_BYTES 512        /* of sysfs */

/* A page is what sysfs can show. */
#define BACKEND_BYTES 4096

/* Between attempts. */
#define PAUSE_MIN_MS 20
#define PAUSE_MAX_MS 1000

/* The kernel reports a death at once, if it has memory for the report. */
#define REPORT_TIMEOUT_MS 1000
#define STRANGE_REPORT_MS 200

/* Who opens a device for a moment, as udev does, makes it busy. */
#define BUSY_TIMEOUT_MS 3000

/* How often the kernel looks whether a request has to be sent again. */
#define LOOK_MS "1000"

static char head[MARK_HEAD_BYTES];

static void
pause_ms (unsigned ms)
{
  const struct timespec pause = {
    .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000,
  };

  nanosleep (&pause, NULL);
}

/* The start. */

static void
close_all (int *fds, unsigned nr)
{
  for (unsigned i = 0; i < nr; i++) {
    if (fds[i] != -1)
      close (fds[i]);
    fds[i] = -1;
  }
}

static int
connect_server (struct connections *connections, struct export_facts *facts)
{
  return handshake (connections->endpoint, facts, head, sizeof head,
                    connections->is_over);
}

static int
check_first_facts (struct connections *connections,
                   const struct export_facts *facts)
{
  const char *uri = connections->endpoint->uri;

  if (facts->minimum_bytes > BLOCK_BYTES)
    notice ("%s: requests have to have %" PRIu64 " bytes or more, the kernel's "
            "have %d", uri, facts->minimum_bytes, BLOCK_BYTES);
  else if (facts->size_bytes < BLOCK_BYTES)
    notice ("%s: a disk of %" PRIu64 " bytes is too small", uri,
            facts->size_bytes);
  else {
    connections->device.size_bytes = facts->size_bytes & -BLOCK_BYTES;
    connections->device.flags = facts->flags;
    return 0;
  }
  return -1;
}

static void
limit_number (struct connections *connections)
{
  if (connections->nr <= 1 ||
      (connections->device.flags & NBD_FLAG_CAN_MULTI_CONN))
    return;
  notice ("%s: the server takes one connection only",
          connections->endpoint->uri);
  connections->nr = 1;
}

/* The first one is a rehearsal: what comes later finds all memory there. */
static int
connect_first (struct connections *connections)
{
  struct export_facts facts;
  unsigned i;
  int fd = connect_server (connections, &facts);

  if (fd != -1) {
    close (fd);
    if (check_first_facts (connections, &facts) == -1)
      return -1;
    limit_number (connections);
  }
  for (i = 0; fd != -1 && i < connections->nr; i++)
    fd = connections->fds[i] = connect_server (connections, &facts);
  if (fd != -1)
    return 0;
  notice ("%s: %s", connections->endpoint->uri, handshake_error ());
  close_all (connections->fds, connections->nr);
  return -1;
}

/* Which of several connections is dead, nobody could tell any more. */
static bool
may_adopt (const struct connections *connections)
{
  char text[BACKEND_BYTES];

  return connections->nr == 1 &&
    blockdev_get (connections->dev, "backend", text, sizeof text) == 0 &&
    strcmp (text, connections->endpoint->uri) == 0 &&
    blockdev_get (connections->dev, "mq/1/nr_tags", text, sizeof text) == -1;
}

/* Our connection is used if the kernel's is dead; else it waits for that, as
 * one does that was offered too early. */
static int
adopt (struct connections *connections)
{
  struct netlink_device *device = &connections->device;
  char text[32];

  if (!may_adopt (connections) ||
      blockdev_get (connections->dev, "size", text, sizeof text) == -1 ||
      strtoull (text, NULL, 10) * SECTOR_BYTES > device->size_bytes) {
    errno = EBUSY;
    return -1;
  }
  connections->is_adopted = true;
  return netlink_reconnect (connections->link, device, connections->fds, 1);
}

static int
make_device (struct connections *connections)
{
  const int64_t end_ms = clock_now_ms () + BUSY_TIMEOUT_MS;
  int r;

  while ((r = netlink_connect (connections->link, &connections->device,
                               connections->fds, connections->nr)) == -1 &&
         errno == EBUSY && !blockdev_is_attached (connections->dev) &&
         clock_now_ms () < end_ms)
    pause_ms (PAUSE_MIN_MS);
  if (r == 0 || (errno == EBUSY && adopt (connections) == 0))
    return 0;
  notice ("%s: %s", connections->dev->path,
          errno == EBUSY ? "it is attached or in use" :
          errno == EPERM ? "only root can attach it" : strerror (errno));
  return -1;
}

/* With a timeout that the kernel knows of, this is not ours to shorten. */
static void
let_kernel_look_often (const struct connections *connections)
{
  if (connections->device.timeout_s == 0 &&
      blockdev_set (connections->dev, "queue/io_timeout", LOOK_MS) == -1)
    notice ("requests may wait for half a minute after a reconnection: "
            "io_timeout: %s", strerror (errno));
}

int
connections_open (struct connections *connections)
{
  memset (connections->fds, -1, sizeof connections->fds);
  if (connect_first (connections) == -1)
    return -1;
  connections->device.index = connections->dev->index;
  connections->device.block_bytes = BLOCK_BYTES;
  connections->device.backend = connections->endpoint->uri;
  if (make_device (connections) == -1) {
    close_all (connections->fds, connections->nr);
    return -1;
  }
  let_kernel_look_often (connections);
  return 0;
}

void
connections_close (struct connections *connections)
{
  close_all (connections->fds, connections->nr);
}

/* Losses. */

unsigned
connections_fill_poll (const struct connections *connections,
                       struct pollfd *poll_fds)
{
  poll_fds[0].fd = netlink_event_fd (connections->link);
  poll_fds[0].events = POLLIN;
  for (unsigned i = 0; i < connections->nr; i++) {
    poll_fds[i + 1].fd = connections->fds[i];
    poll_fds[i + 1].events = POLLRDHUP;
  }
  return connections->nr + 1;
}

static void
say_once (struct connections *connections, const char *what)
{
  if (strncmp (connections->said, what, sizeof connections->said - 1) == 0)
    return;
  snprintf (connections->said, sizeof connections->said, "%s", what);
  notice ("%s: %s", connections->endpoint->uri, what);
}

static void
note_loss (struct connections *connections, unsigned i)
{
  close (connections->fds[i]);
  connections->fds[i] = -1;
  if (connections->nr_lost++ > 0)
    return;
  connections->lost_ms = connections->retry_ms = clock_now_ms ();
  connections->pause_ms = PAUSE_MIN_MS;
  connections->said[0] = '\0';
  notice ("the connection to %s is lost", connections->endpoint->uri);
}

static void
note_losses (struct connections *connections, const struct pollfd *poll_fds)
{
  connections->nr_reported +=
    netlink_count_dead (connections->link, connections->dev->index);
  for (unsigned i = 0; i < connections->nr; i++)
    if (connections->fds[i] != -1 && poll_fds[i + 1].fd != -1 &&
        poll_fds[i + 1].revents & (POLLRDHUP | POLLHUP | POLLERR))
      note_loss (connections, i);
}

/* Reconnection. */

/* Is it the same disk? */
static bool
is_acceptable (struct connections *connections,
               const struct export_facts *facts)
{
  const uint64_t needed = connections->device.flags &
    ~(uint64_t) (NBD_FLAG_READ_ONLY |
                 (connections->nr == 1 ? NBD_FLAG_CAN_MULTI_CONN : 0));

  if (facts->size_bytes < connections->device.size_bytes)
    say_once (connections, "the disk has become smaller");
  else if (facts->minimum_bytes > BLOCK_BYTES ||
           (facts->flags & needed) != needed ||
           (facts->flags & ~connections->device.flags & NBD_FLAG_READ_ONLY))
    say_once (connections, "the server offers less than it did");
  else if (!mark_fits (&connections->mark, head))
    say_once (connections, "the disk has lost its content");
  else
    return true;
  return false;
}

/* One for each that is lost, into fds.  Returns how many, 0: not now. */
static unsigned
connect_again (struct connections *connections, int *fds,
               struct export_facts *facts)
{
  unsigned nr;

  for (nr = 0; nr < connections->nr_lost; nr++) {
    fds[nr] = connect_server (connections, facts);
    if (fds[nr] == -1)
      say_once (connections, handshake_error ());
    if (fds[nr] == -1 || !is_acceptable (connections, facts)) {
      close_all (fds, nr + 1);
      return 0;
    }
  }
  return nr;
}

static void
await_reports (struct connections *connections)
{
  struct pollfd poll_fd = {
    .fd = netlink_event_fd (connections->link), .events = POLLIN,
  };
  const int64_t end_ms = connections->lost_ms + REPORT_TIMEOUT_MS;
  int64_t left_ms;

  while (connections->nr_reported < connections->nr_lost &&
         (left_ms = end_ms - clock_now_ms ()) > 0) {
    if (poll (&poll_fd, 1, left_ms) == 1)
      connections->nr_reported +=
        netlink_count_dead (connections->link, connections->dev->index);
  }
}

/* With a timeout of requests, the kernel sets that of sending to a socket that
 * it takes. */
static bool
was_taken (const struct connections *connections, int fd)
{
  struct timeval timeout = { .tv_sec = 0 };
  socklen_t bytes = sizeof timeout;

  if (connections->device.timeout_s == 0)
    return true;
  return getsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, &bytes) == 0 &&
    (timeout.tv_sec != 0 || timeout.tv_usec != 0);
}

static void
settle (struct connections *connections, int fd)
{
  unsigned i = 0;

  if (!was_taken (connections, fd)) {
    close (fd);
    return;
  }
  while (connections->fds[i] != -1)
    i++;
  connections->fds[i] = fd;
  connections->nr_lost--;
  if (connections->nr_reported > 0)
    connections->nr_reported--;
}

/* 0, or an errno: EAGAIN if the server is not to be had, EINVAL if the device
 * is no more. */
static int
reconnect (struct connections *connections)
{
  struct netlink_device *device = &connections->device;
  struct export_facts facts;
  int fds[CONNECTIONS_MAX], error;
  unsigned nr;

  if (!netlink_is_connected (connections->link, device->index))
    return EINVAL;
  nr = connect_again (connections, fds, &facts);
  if (nr == 0)
    return EAGAIN;
  await_reports (connections);
  if (facts.size_bytes > device->size_bytes)
    device->size_bytes = facts.size_bytes & -BLOCK_BYTES;
  if (netlink_reconnect (connections->link, device, fds, nr) == -1) {
    error = errno;
    say_once (connections, strerror (error));
    close_all (fds, nr);
    return error;
  }
  for (unsigned i = 0; i < nr; i++)
    settle (connections, fds[i]);
  return connections->nr_lost == 0 ? 0 : EAGAIN;
}

static void
retry_later (struct connections *connections)
{
  connections->retry_ms = clock_now_ms () + connections->pause_ms;
  connections->pause_ms *= 2;
  if (connections->pause_ms > PAUSE_MAX_MS)
    connections->pause_ms = PAUSE_MAX_MS;
}

/* The kernel may have left our socket unused, and then wants it now; if it has
 * it already, this does nothing. */
static void
offer_again (struct connections *connections)
{
  connections->nr_reported = 0;
  if (connections->nr == 1)
    netlink_reconnect (connections->link, &connections->device,
                       connections->fds, 1);
}

int
connections_timeout_ms (const struct connections *connections)
{
  int64_t left_ms;

  if (connections->nr_lost > 0) {
    left_ms = connections->retry_ms - clock_now_ms ();
    return left_ms > 0 ? left_ms : 0;
  }
  return connections->nr_reported > 0 ? STRANGE_REPORT_MS : -1;
}

bool
connections_tend (struct connections *connections,
                  const struct pollfd *poll_fds)
{
  const bool was_strange = connections->nr_lost == 0 &&
    connections->nr_reported > 0;
  int r;

  note_losses (connections, poll_fds);
  if (connections->nr_lost == 0) {
    if (was_strange)
      offer_again (connections);
    return true;
  }
  if (clock_now_ms () < connections->retry_ms)
    return true;
  r = reconnect (connections);
  if (r == 0)
    notice ("connected to %s again, after %" PRId64 " ms",
            connections->endpoint->uri, clock_now_ms () - connections->lost_ms);
  else
    retry_later (connections);
  return r != EINVAL;
}

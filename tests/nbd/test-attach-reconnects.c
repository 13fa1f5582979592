/* SPDX-License-Identifier: BSD-3-Clause */
/* The connections of an attached device are replaced when the server comes
 * back, and only by connections to the same disk.
 *
 * The kernel is played by this file: its netlink_* take the place of
 * server/netlink.c, and like the kernel's they use a new socket only where one
 * is dead, and say nothing if none is.
 */
#include <config.h>

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nbd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../server/connections.h"
#include "server.h"

#define DISK "64M"
#define DISK_BYTES (64 * MiB)

/* The kernel. */

static struct {
  struct netlink_device device;
  int fds[CONNECTIONS_MAX];
  bool is_dead[CONNECTIONS_MAX];
  unsigned nr;
  unsigned nr_taken, nr_offered;        /* since it was connected */
  unsigned nr_reports;
  bool is_slow;                 /* it finds the death only with the report */
  int events[2];
  bool is_gone;
} kernel;

/* Like the kernel, it waits whatever the file's flags are. */
static int
keep (int fd)
{
  const int kept = dup (fd);

  require (kept != -1 && fcntl (kept, F_SETFL, 0) == 0);
  return kept;
}

int
netlink_connect (struct netlink *link, const struct netlink_device *device,
                 const int *fds, unsigned nr_fds)
{
  memset (&kernel, 0, sizeof kernel);
  require (pipe (kernel.events) == 0);
  kernel.device = *device;
  kernel.nr = nr_fds;
  for (unsigned i = 0; i < nr_fds; i++)
    kernel.fds[i] = keep (fds[i]);
  return 0;
}

static void
take_socket (int fd)
{
  kernel.nr_offered++;
  for (unsigned i = 0; i < kernel.nr; i++)
    if (kernel.is_dead[i]) {
      close (kernel.fds[i]);
      kernel.fds[i] = keep (fd);
      kernel.is_dead[i] = false;
      kernel.nr_taken++;
      return;
    }
}

int
netlink_reconnect (struct netlink *link, const struct netlink_device *device,
                   const int *fds, unsigned nr_fds)
{
  kernel.device.size_bytes = device->size_bytes;
  for (unsigned i = 0; i < nr_fds; i++)
    take_socket (fds[i]);
  return 0;
}

bool
netlink_is_connected (struct netlink *link, unsigned index)
{
  return !kernel.is_gone;
}

int
netlink_event_fd (const struct netlink *link)
{
  return kernel.events[0];
}

unsigned
netlink_count_dead (struct netlink *link, unsigned index)
{
  const unsigned nr = kernel.nr_reports;
  char event;

  for (unsigned i = 0; i < nr; i++)
    require (read (kernel.events[0], &event, 1) == 1);
  if (nr > 0 && kernel.is_slow)
    kernel.is_dead[0] = true;
  kernel.nr_reports = 0;
  return nr;
}

static void
kernel_reports (void)
{
  require (write (kernel.events[1], "", 1) == 1);
  kernel.nr_reports++;
}

/* The order of both is the kernel's. */
static void
kernel_finds_death (unsigned i, bool reports)
{
  if (reports)
    kernel_reports ();
  shutdown (kernel.fds[i], SHUT_RDWR);
  kernel.is_dead[i] = true;
}

/* Simple replies are all it understands. */
static void
kernel_reads (unsigned i, char *data, uint32_t bytes)
{
  struct nbd_request request = {
    .magic = htonl (NBD_REQUEST_MAGIC), .type = htonl (NBD_CMD_READ),
    .handle = "8 bytes", .len = htonl (bytes),
  };
  struct nbd_reply reply;

  require (send (kernel.fds[i], &request, sizeof request, MSG_NOSIGNAL) ==
           sizeof request);
  require (recv (kernel.fds[i], &reply, sizeof reply, MSG_WAITALL) ==
           sizeof reply);
  require (reply.magic == htonl (NBD_REPLY_MAGIC) && reply.error == 0);
  require (memcmp (reply.handle, request.handle, sizeof reply.handle) == 0);
  require (recv (kernel.fds[i], data, bytes, MSG_WAITALL) == (ssize_t) bytes);
}

/* The server, always found at the same place. */

static char place[64];

static struct server *
serve (const char *size, char first_byte)
{
  const char *const args[] = { size, NULL };
  struct server *server = server_start (args);
  char block[4096];
  struct nbd_handle *nbd;

  memset (block, first_byte, sizeof block);
  nbd = server_connect (server, "");
  require (nbd_pwrite (nbd, block, sizeof block, 0, 0) == 0);
  nbd_close (nbd);
  unlink (place);
  require (symlink (server->socket, place) == 0);
  return server;
}

/* What the agent would do. */

static struct blockdev dev;
static struct endpoint endpoint;
static struct connections connections;

/* A device that does not exist, so that sysfs is left alone. */
static void
attach (unsigned nr)
{
  memset (&connections, 0, sizeof connections);
  require (blockdev_parse (&dev, "nbd99999"));
  require (endpoint_find (&endpoint, "", place) == 0);
  connections.dev = &dev;
  connections.endpoint = &endpoint;
  connections.nr = nr;
  connections.device.timeout_s = nr > 1 ? 30 : 0;
  require (connections_open (&connections) == 0);
}

static void
detach (void)
{
  connections_close (&connections);
  endpoint_free (&endpoint);
  for (unsigned i = 0; i < kernel.nr; i++)
    close (kernel.fds[i]);
}

/* Returns what was returned. */
static bool
tend (int timeout_ms)
{
  struct pollfd fds[CONNECTIONS_MAX + 1];
  const unsigned nr = connections_fill_poll (&connections, fds);

  require (poll (fds, nr, timeout_ms) >= 0);
  return connections_tend (&connections, fds);
}

static void
tend_until_lost (void)
{
  while (connections.nr_lost < connections.nr)
    require (tend (1000));
}

/* A server that is told to end waits for its clients: in this order. */
static void
lose (struct server *server, bool reports)
{
  kernel_finds_death (0, reports);
  unlink (place);
  tend_until_lost ();
  server_stop (server);
}

static void
tend_until_connected (void)
{
  for (unsigned i = 0; connections.nr_lost > 0; i++) {
    require (i < 1000);
    require (tend (connections_timeout_ms (&connections)));
  }
}

/* Several times: once refused, it stays so. */
static void
require_refused (const char *why)
{
  for (unsigned i = 0; i < 3; i++) {
    require (tend (connections_timeout_ms (&connections)));
    require (connections.nr_lost == connections.nr && kernel.nr_offered == 0);
  }
  require (strcmp (connections.said, why) == 0);
}

/* Tests. */

static void
the_kernel_gets_what_it_understands (void)
{
  struct server *server = serve (DISK, 'a');
  char data[4096];

  CHECK ("the kernel gets what it understands");
  attach (3);
  require (kernel.nr == 3);
  require (kernel.device.size_bytes == DISK_BYTES);
  require (kernel.device.block_bytes == 4096);
  require (kernel.device.flags ==
           (NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA |
            NBD_FLAG_SEND_TRIM | 1 << 6 /* write zeroes */ |
            NBD_FLAG_CAN_MULTI_CONN));
  for (unsigned i = 0; i < kernel.nr; i++) {
    kernel_reads (i, data, sizeof data);
    require (data[0] == 'a' && data[4095] == 'a');
  }
  detach ();
  server_stop (server);
}

static void
connections_are_replaced (bool reports)
{
  struct server *server = serve (DISK, 'a');
  char data[512];

  CHECK ("a connection is replaced, %s report", reports ? "with a" : "with no");
  attach (1);
  lose (server, reports);
  require (tend (connections_timeout_ms (&connections)));
  require (kernel.nr_offered == 0);
  server = serve (DISK, 'b');
  tend_until_connected ();
  require (kernel.nr_taken == 1);
  kernel_reads (0, data, sizeof data);
  require (data[0] == 'b');
  require (connections_timeout_ms (&connections) == -1);
  detach ();
  server_stop (server);
}

/* Called while there is a negotiation. */
static bool
report_meanwhile (void)
{
  if (kernel.is_slow && kernel.nr_reports == 0 && !kernel.is_dead[0])
    kernel_reports ();
  return false;
}

static void
the_report_is_waited_for (void)
{
  struct server *server = serve (DISK, 'a');

  CHECK ("nothing is offered before the report");
  attach (1);
  connections.is_over = report_meanwhile;
  kernel.is_slow = true;
  shutdown (kernel.fds[0], SHUT_RDWR);
  require (tend (1000));
  tend_until_connected ();
  require (kernel.nr_offered == 1 && kernel.nr_taken == 1);
  detach ();
  server_stop (server);
}

/* The kernel uses a socket only where one is dead. */
static void
what_came_too_early_is_offered_again (void)
{
  struct server *server = serve (DISK, 'a'), *other = serve (DISK, 'b');
  char data[512];

  CHECK ("what comes too early is offered again");
  attach (1);
  /* Hangs up, and the kernel does not notice for longer than that. */
  shutdown (kernel.fds[0], SHUT_RDWR);
  require (tend (1000));
  tend_until_connected ();
  require (kernel.nr_offered == 1 && kernel.nr_taken == 0);
  kernel_reports ();
  kernel.is_dead[0] = true;
  require (tend (1000));
  require (tend (connections_timeout_ms (&connections)));
  require (kernel.nr_taken == 1);
  kernel_reads (0, data, sizeof data);
  require (data[0] == 'b');
  detach ();
  server_stop (server);
  server_stop (other);
}

static void
another_disk_is_refused (const char *size, char first_byte, const char *why)
{
  struct server *server = serve (DISK, 'a');
  static char head[MARK_HEAD_BYTES] = "a";

  CHECK ("%s", why);
  attach (1);
  mark_take (&connections.mark, head, false);
  lose (server, true);
  server = serve (size, first_byte);
  require_refused (why);
  server_stop (server);
  server = serve (DISK, 'b');
  tend_until_connected ();
  detach ();
  server_stop (server);
}

static void
swap_is_known_by_its_header (void)
{
  struct server *server = serve (DISK, 'a');
  static char head[MARK_HEAD_BYTES];

  CHECK ("another swap header is refused");
  attach (1);
  memset (head, 'a', MARK_SAME_BYTES);
  mark_take (&connections.mark, head, true);
  lose (server, true);
  server = serve (DISK, 'b');
  require_refused ("the disk has lost its content");
  server_stop (server);
  server = serve (DISK, 'a');
  tend_until_connected ();
  detach ();
  server_stop (server);
}

static void
a_larger_disk_is_taken (void)
{
  struct server *server = serve (DISK, 'a');

  CHECK ("a disk may have grown");
  attach (1);
  lose (server, true);
  server = serve ("65M", 'b');
  tend_until_connected ();
  require (kernel.device.size_bytes == 65 * MiB);
  detach ();
  server_stop (server);
}

static void
the_end_is_noticed (void)
{
  struct server *server = serve (DISK, 'a');

  CHECK ("a device that somebody else disconnected is given up");
  attach (1);
  kernel.is_gone = true;
  shutdown (kernel.fds[0], SHUT_RDWR);
  require (!tend (1000));
  detach ();
  server_stop (server);
}

int
main (void)
{
  snprintf (place, sizeof place, "/tmp/zram-attach-%d", (int) getpid ());
  the_kernel_gets_what_it_understands ();
  connections_are_replaced (true);
  connections_are_replaced (false);
  the_report_is_waited_for ();
  what_came_too_early_is_offered_again ();
  another_disk_is_refused ("32M", 'a', "the disk has become smaller");
  another_disk_is_refused (DISK, 0, "the disk has lost its content");
  swap_is_known_by_its_header ();
  a_larger_disk_is_taken ();
  the_end_is_noticed ();
  unlink (place);
  return 0;
}

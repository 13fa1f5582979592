/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's nbd over generic netlink; see netlink.h.  The only file that
 * knows libnl.
 */
#include <config.h>

#include <errno.h>
#include <linux/nbd-netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdlib.h>

#include "netlink.h"

struct netlink {
  struct nl_sock *requests;
  struct nl_sock *events;
  int family;
  bool is_answered;
  int error;                    /* the kernel's answer, an errno */
  unsigned index;               /* of whom is asked */
  bool is_connected;            /* what was answered */
  unsigned nr_dead;
};

/* Answers and events. */

static int
note_error (struct sockaddr_nl *from, struct nlmsgerr *error, void *opaque)
{
  struct netlink *link = opaque;

  link->error = -error->error;
  link->is_answered = true;
  return NL_STOP;
}

static int
note_success (struct nl_msg *message, void *opaque)
{
  struct netlink *link = opaque;

  link->is_answered = true;
  return NL_STOP;
}

static void
note_status (struct netlink *link, struct nlattr *list)
{
  struct nlattr *item, *attributes[NBD_DEVICE_ATTR_MAX + 1];
  int left;

  nla_for_each_nested (item, list, left) {
    if (nla_parse_nested (attributes, NBD_DEVICE_ATTR_MAX, item, NULL) == 0 &&
        attributes[NBD_DEVICE_INDEX] && attributes[NBD_DEVICE_CONNECTED] &&
        nla_get_u32 (attributes[NBD_DEVICE_INDEX]) == link->index)
      link->is_connected = nla_get_u8 (attributes[NBD_DEVICE_CONNECTED]);
  }
}

static int
note_message (struct nl_msg *message, void *opaque)
{
  struct netlink *link = opaque;
  struct nlmsghdr *header = nlmsg_hdr (message);
  struct nlattr *attributes[NBD_ATTR_MAX + 1];

  if (genlmsg_parse (header, 0, attributes, NBD_ATTR_MAX, NULL) < 0)
    return NL_SKIP;
  switch (genlmsg_hdr (header)->cmd) {
  case NBD_CMD_STATUS:
    if (attributes[NBD_ATTR_DEVICE_LIST])
      note_status (link, attributes[NBD_ATTR_DEVICE_LIST]);
    break;
  case NBD_CMD_LINK_DEAD:
    if (attributes[NBD_ATTR_INDEX] &&
        nla_get_u32 (attributes[NBD_ATTR_INDEX]) == link->index)
      link->nr_dead++;
    break;
  }
  return NL_OK;
}

/* Sockets. */

static struct nl_sock *
open_socket (struct netlink *link)
{
  struct nl_sock *sock = nl_socket_alloc ();

  if (!sock)
    return NULL;
  nl_socket_modify_cb (sock, NL_CB_VALID, NL_CB_CUSTOM, note_message, link);
  nl_socket_modify_cb (sock, NL_CB_ACK, NL_CB_CUSTOM, note_success, link);
  nl_socket_modify_err_cb (sock, NL_CB_CUSTOM, note_error, link);
  if (genl_connect (sock) == 0)
    return sock;
  nl_socket_free (sock);
  return NULL;
}

/* Events are no answers, so their numbers follow nothing. */
static int
join_events (struct netlink *link)
{
  const int group = genl_ctrl_resolve_grp (link->requests, NBD_GENL_FAMILY_NAME,
                                           NBD_GENL_MCAST_GROUP_NAME);

  nl_socket_disable_seq_check (link->events);
  if (group < 0 || nl_socket_add_membership (link->events, group) < 0 ||
      nl_socket_set_nonblocking (link->events) < 0)
    return -1;
  return 0;
}

struct netlink *
netlink_open (void)
{
  struct netlink *link = calloc (1, sizeof *link);

  if (!link)
    return NULL;
  errno = ENOMEM;
  link->requests = open_socket (link);
  link->events = open_socket (link);
  if (link->requests && link->events) {
    link->family = genl_ctrl_resolve (link->requests, NBD_GENL_FAMILY_NAME);
    if (link->family >= 0 && join_events (link) == 0)
      return link;
    errno = ENOENT;
  }
  netlink_close (link);
  return NULL;
}

void
netlink_close (struct netlink *link)
{
  const int errno_kept = errno;

  if (!link)
    return;
  nl_socket_free (link->requests);
  nl_socket_free (link->events);
  free (link);
  errno = errno_kept;
}

/* Requests. */

static struct nl_msg *
begin (const struct netlink *link, unsigned command, unsigned index)
{
  struct nl_msg *message = nlmsg_alloc ();

  if (message &&
      genlmsg_put (message, NL_AUTO_PORT, NL_AUTO_SEQ, link->family, 0, 0,
                   command, NBD_GENL_VERSION) &&
      nla_put_u32 (message, NBD_ATTR_INDEX, index) == 0)
    return message;
  nlmsg_free (message);
  return NULL;
}

static int
put_sockets (struct nl_msg *message, const int *fds, unsigned nr_fds)
{
  struct nlattr *list = nla_nest_start (message, NBD_ATTR_SOCKETS), *item;

  for (unsigned i = 0; list && i < nr_fds; i++) {
    item = nla_nest_start (message, NBD_SOCK_ITEM);
    if (!item || nla_put_u32 (message, NBD_SOCK_FD, fds[i]) < 0)
      return -1;
    nla_nest_end (message, item);
  }
  if (!list)
    return -1;
  nla_nest_end (message, list);
  return 0;
}

/* What the kernel answers ends with an acknowledgement or an error. */
static int
ask (struct netlink *link, struct nl_msg *message)
{
  int r = nl_send_auto (link->requests, message);

  nlmsg_free (message);
  link->error = r < 0 ? EIO : 0;
  link->is_answered = r < 0;
  while (!link->is_answered) {
    r = nl_recvmsgs_default (link->requests);
    if (r < 0 && !link->is_answered) {
      link->error = EIO;
      break;
    }
  }
  errno = link->error;
  return errno == 0 ? 0 : -1;
}

static int
refuse (struct nl_msg *message)
{
  nlmsg_free (message);
  errno = ENOMEM;
  return -1;
}

int
netlink_connect (struct netlink *link, const struct netlink_device *device,
                 const int *fds, unsigned nr_fds)
{
  struct nl_msg *message = begin (link, NBD_CMD_CONNECT, device->index);

  link->index = device->index;
  if (!message ||
      nla_put_u64 (message, NBD_ATTR_SIZE_BYTES, device->size_bytes) < 0 ||
      nla_put_u64 (message, NBD_ATTR_BLOCK_SIZE_BYTES,
                   device->block_bytes) < 0 ||
      nla_put_u64 (message, NBD_ATTR_SERVER_FLAGS, device->flags) < 0 ||
      nla_put_u64 (message, NBD_ATTR_TIMEOUT, device->timeout_s) < 0 ||
      nla_put_u64 (message, NBD_ATTR_DEAD_CONN_TIMEOUT,
                   device->dead_timeout_s) < 0 ||
      nla_put_string (message, NBD_ATTR_BACKEND_IDENTIFIER,
                      device->backend) < 0 ||
      put_sockets (message, fds, nr_fds) == -1)
    return refuse (message);
  return ask (link, message);
}

int
netlink_reconnect (struct netlink *link, const struct netlink_device *device,
                   const int *fds, unsigned nr_fds)
{
  struct nl_msg *message = begin (link, NBD_CMD_RECONFIGURE, device->index);

  if (!message ||
      nla_put_u64 (message, NBD_ATTR_SIZE_BYTES, device->size_bytes) < 0 ||
      nla_put_string (message, NBD_ATTR_BACKEND_IDENTIFIER,
                      device->backend) < 0 ||
      put_sockets (message, fds, nr_fds) == -1)
    return refuse (message);
  return ask (link, message);
}

int
netlink_disconnect (struct netlink *link, unsigned index)
{
  struct nl_msg *message = begin (link, NBD_CMD_DISCONNECT, index);

  return message ? ask (link, message) : refuse (message);
}

bool
netlink_is_connected (struct netlink *link, unsigned index)
{
  struct nl_msg *message = begin (link, NBD_CMD_STATUS, index);

  link->index = index;
  link->is_connected = false;
  /* Without an answer it is better to go on. */
  return !message || ask (link, message) == -1 || link->is_connected;
}

/* Events. */

int
netlink_event_fd (const struct netlink *link)
{
  return nl_socket_get_fd (link->events);
}

unsigned
netlink_count_dead (struct netlink *link, unsigned index)
{
  unsigned nr;

  link->index = index;
  while (nl_recvmsgs_default (link->events) >= 0)
    continue;
  nr = link->nr_dead;
  link->nr_dead = 0;
  return nr;
}

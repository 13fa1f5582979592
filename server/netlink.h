/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's side of an attached device: its generic netlink family "nbd".
 *
 * Calls that return -1 set errno to what the kernel said.  After a first call
 * of each they need no more memory than they then got.
 */
#ifndef NBDZRAM_NETLINK_H
#define NBDZRAM_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

/* NULL and errno, ENOENT if the kernel has no (module) nbd. */
struct netlink *netlink_open (void);

/* NULL is fine. */
void netlink_close (struct netlink *link);

/* A device that the kernel is to make. */
struct netlink_device {
  unsigned index;
  uint64_t size_bytes;
  uint64_t block_bytes;
  uint64_t flags;               /* NBD_FLAG_*, as the server sends them */
  uint64_t timeout_s;           /* of a request; 0: none */
  uint64_t dead_timeout_s;      /* of a device without a connection */
  const char *backend;          /* shown by sysfs, and checked later */
};

/* EBUSY: it is in use. */
int netlink_connect (struct netlink *link, const struct netlink_device *device,
                     const int *fds, unsigned nr_fds);

/* The sockets take the place of dead ones; what finds none is not used.  The
 * size is set, too.  EINVAL: it is connected no more. */
int netlink_reconnect (struct netlink *link,
                       const struct netlink_device *device, const int *fds,
                       unsigned nr_fds);

/* Nothing to do for a device that is not connected is fine. */
int netlink_disconnect (struct netlink *link, unsigned index);

/* Is it connected, or at least held open by somebody since it was? */
bool netlink_is_connected (struct netlink *link, unsigned index);

/* Readable when a connection of some device is dead. */
int netlink_event_fd (const struct netlink *link);

/* How many connections of this device died since the last call. */
unsigned netlink_count_dead (struct netlink *link, unsigned index);

#endif

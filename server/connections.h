/* SPDX-License-Identifier: BSD-3-Clause */
/* The connections of an attached device, and how new ones take the place of
 * dead ones.
 *
 * The kernel sends a request again when the connection that it went out on has
 * been replaced.  So a device with one connection gets no timeout that could
 * give one up while the server still works on it: a write that is sent twice
 * might come after a later one.  Several have one, since the kernel insists.
 */
#ifndef NBDZRAM_CONNECTIONS_H
#define NBDZRAM_CONNECTIONS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "blockdev.h"
#include "handshake.h"
#include "mark.h"
#include "netlink.h"

#define CONNECTIONS_MAX 16

struct connections {
  const struct blockdev *dev;
  const struct endpoint *endpoint;
  struct netlink *link;
  struct netlink_device device; /* what the kernel was told */
  struct mark mark;             /* how its content is known again */
  bool (*is_over) (void);       /* give up what takes long? */
  bool is_adopted;              /* the device was there before us */
  unsigned nr;
  int fds[CONNECTIONS_MAX];     /* duplicates of the kernel's; -1: lost */
  unsigned nr_lost;
  unsigned nr_reported;         /* deaths that the kernel told of, and that
                                 * were not made good yet */
  int64_t lost_ms;              /* when the first was lost */
  int64_t retry_ms;
  unsigned pause_ms;
  char said[128];               /* of this outage, not to be said again */
};

/* Connect to the server, and make the device: dev, endpoint, link, nr and, of
 * device, the timeouts are set.  One that is attached to the same export, and
 * whose agent has died, is adopted.  -1: a message was given. */
int connections_open (struct connections *connections);

/* Close our duplicates, nothing else. */
void connections_close (struct connections *connections);

/* What to poll, CONNECTIONS_MAX + 1 of them at most, and how long. */
unsigned connections_fill_poll (const struct connections *connections,
                                struct pollfd *poll_fds);
int connections_timeout_ms (const struct connections *connections);

/* Look at what poll found, and do what has to be done.  False: the device is
 * connected no more, since somebody else disconnected it. */
bool connections_tend (struct connections *connections,
                       const struct pollfd *poll_fds);

#endif

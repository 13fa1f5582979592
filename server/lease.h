/* SPDX-License-Identifier: BSD-3-Clause */
/* Who keeps a device connected: /run/nbdzram/nbdN.pid, locked as long as that
 * process lives.
 */
#ifndef NBDZRAM_LEASE_H
#define NBDZRAM_LEASE_H

#include <sys/types.h>

#include "blockdev.h"

/* Become the one.  Returns a file descriptor to be kept, or -1: a message was
 * given, as when another process is it. */
int lease_take (const struct blockdev *dev);

/* The file goes first: who takes it later makes its own. */
void lease_give_back (const struct blockdev *dev, int fd);

/* Who it is; 0: nobody, or not to be found out. */
pid_t lease_holder (const struct blockdev *dev);

/* 0: nobody keeps it any more; -1: still somebody after that time. */
int lease_await_end (const struct blockdev *dev, unsigned timeout_s);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the kernel, which speaks no TLS, and a server that wants it: a thread
 * for each connection.  It is one with the agent, so that memory that is locked
 * and rehearsed for the one is for the other.
 */
#ifndef NBDZRAM_RELAY_H
#define NBDZRAM_RELAY_H

#include <libnbd.h>

/* So many connections at most; all memory is got here.  -1: a message was
 * given. */
int relay_prepare (unsigned nr);

/* A thread takes the negotiated handle, and closes it when either side ends.
 * Returns the kernel's end, or -1 and errno; the handle is closed then, too. */
int relay_begin (struct nbd_handle *nbd);

#endif

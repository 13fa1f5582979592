/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket of the server process: one for all its devices.
 *
 * It is bound before the server goes to the background, so that an error is
 * seen, and served by a few threads afterwards, since threads do not survive a
 * fork.  Each thread serves one client at a time (connection.h); more clients
 * than threads wait in the queue of the socket.
 *
 * Only root and the server's own user may ask: the file has mode 0600 whatever
 * the umask is, and who asks is looked at once more.
 */
#ifndef ZRAM_SOCKET_H
#define ZRAM_SOCKET_H

#include "export.h"

struct control_socket;

/* A file that a server left behind is replaced.  The exports outlive the
 * socket.  NULL: a message was given; EADDRINUSE if a server listens there. */
struct control_socket *control_socket_open (const char *path,
                                            const struct exports *exports);

/* Begin to answer.  -1: a message was given. */
int control_socket_start (struct control_socket *socket);

/* Let the threads end, after what they are doing.  Started or not. */
void control_socket_stop (struct control_socket *socket);

/* Remove the file. */
void control_socket_close (struct control_socket *socket);

#endif

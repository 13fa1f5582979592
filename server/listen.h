/* SPDX-License-Identifier: BSD-3-Clause */
/* The sockets on which clients come in.  The keeper owns them, so that clients
 * wait in their queue while no server runs.
 */
#ifndef NBDZRAM_LISTEN_H
#define NBDZRAM_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "../plugin/control/conf_server.h"
#include "../plugin/control/unix_listener.h"
#include "handed.h"

#define LISTENERS_MAX 64

struct listeners {
  int fds[LISTENERS_MAX];
  unsigned nr;
  const char *name;             /* to hand them over with; owned */
  bool is_ours;                 /* nobody else has them */
  struct unix_listener local;   /* its address is empty if it is not local */
};

/* Those that somebody else handed over win; then those of a keeper before this
 * one that listened on the same address; else they are made.  -1: a message was
 * given. */
int listeners_open (struct listeners *listeners,
                    const struct conf_server *server, struct handed *handed);

/* How many there would be if none was handed over.  0: a message was given. */
unsigned listeners_count (const struct conf_server *server);

/* Of a Unix socket that nobody handed over.  -1: a message was given. */
int listeners_set_mode (const struct listeners *listeners, mode_t mode);

/* Clients are refused from now on, unless somebody else has the sockets, too.
 * Allocates nothing. */
void listeners_close (struct listeners *listeners);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The keeper: a small process that owns the sockets and the memory, starts the
 * server on them, and starts it again when it dies.
 *
 * Clients wait in the sockets' queues meanwhile.  Where the memory of disks is
 * locked, the next server is started as soon as one serves, and stands by
 * (plugin/control/standby.h); so it is for a restart, everywhere, and the old
 * one serves until that is ready.  What a start needs is there before the first
 * one; once the server is ready nothing is allocated.  A server that keeps
 * dying is given up: clients are refused, the memory is held until somebody
 * stops or restarts the keeper.
 */
#ifndef NBDZRAM_KEEPER_H
#define NBDZRAM_KEEPER_H

#include <signal.h>

#include "launch.h"
#include "listen.h"
#include "stores.h"
#include "pidfile.h"

/* What a successor finds; 0: none.  The server serves on until the next one is
 * ready to. */
struct inheritance {
  bool may_forget;              /* what no export is there for any more */
  pid_t server;
};

struct keeper_parts {
  struct launch launch;
  struct listeners listeners;
  struct stores memory;
  struct pidfile pidfile;
  const char *control;          /* the server's socket */
  const char *warning;          /* to be said at every start; NULL: none */
  char **check_argv;            /* how a restart checks the ini file first */
  char **force_argv;            /* the same for one that may lose exports */
  char **argv;                  /* our own, for the next version */
  bool is_successor;
  struct inheritance inherited;
  int ready_fd;                 /* one byte when it serves; -1: nobody waits */
};

/* What a keeper is told by others, and by its children's deaths; they are
 * blocked. */
void keeper_block_signals (sigset_t *set);

/* Descriptors of the parts are at least this. */
int keeper_first_fd (const struct keeper_parts *parts);

/* Until it is stopped.  Returns an exit status; everything is closed. */
int keeper_run (struct keeper_parts *parts);

#endif

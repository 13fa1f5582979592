/* SPDX-License-Identifier: BSD-3-Clause */
/* How nbdkit is started: everything is made ready once, so that a start needs
 * no memory of the keeper.
 *
 * The server finds the listening sockets from descriptor 3 on, as systemd hands
 * them over, then the memory of each export, then a pipe into which it writes
 * its number when it is ready, and one that it is told to begin through
 * (plugin/control/standby.h).
 */
#ifndef NBDZRAM_LAUNCH_H
#define NBDZRAM_LAUNCH_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "../plugin/control/conf.h"

struct launch {
  char **argv;
  char **envp;
  char *listen_pid;             /* the digits in envp */
  const char *program;          /* with its directory */
  unsigned nr_listeners;
  unsigned nr_stores;
  bool is_locked;               /* an export has lock_memory=on */
  rlim_t stack_bytes;           /* of its threads, if it is locked */
  uid_t uid;                    /* 0: stay who we are */
  gid_t gid;
};

/* Whom the server will run as. */
void launch_set_user (struct launch *launch, const struct conf_server *server);

/* All of it.  -1: a message was given. */
int launch_prepare (struct launch *launch, const struct conf *conf,
                    unsigned nr_listeners);

/* The command line, in words for a shell. */
void launch_print (const struct launch *launch, FILE *file);

/* The lowest descriptor that the server does not use. */
int launch_first_free_fd (const struct launch *launch);

/* fds: those of the listeners, of the stores, and the pipes; none is below
 * launch_first_free_fd.  Returns the child, or -1 and errno.  Neither allocates
 * nor leaves anything behind if the program cannot be executed: then the child
 * ends with status 127. */
pid_t launch_start (const struct launch *launch, const int *fds);

#endif

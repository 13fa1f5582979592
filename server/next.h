/* SPDX-License-Identifier: BSD-3-Clause */
/* The next server, on the keeper's side: it is started while another one
 * serves, stands by (plugin/control/standby.h), and is told to go on when that
 * one has died.  One that dies while it stands by is replaced in a while, but
 * not for ever.
 *
 * After next_open nothing is allocated.
 */
#ifndef NBDZRAM_NEXT_H
#define NBDZRAM_NEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "launch.h"

struct next {
  const struct launch *launch;
  int *fds;                     /* what a server is given, in its order */
  int go[2];                    /* the word goes through here */
  pid_t pid;                    /* 0: none */
  unsigned nr_failures;         /* in a row, for the caller to forget */
  int64_t due_ms;               /* when another one is to start; 0: never */
};

/* The pipe, from first_fd on.  The caller fills in launch and fds, of which the
 * last is go[0].  -1: errno. */
int next_open (struct next *next, int first_fd);

/* It will find no word to go.  False: a message was given, there is none. */
bool next_start (struct next *next);

/* There is none: another one later, or none any more, which is said. */
void next_postpone (struct next *next);

/* The one that there is, at whatever it may be, or else a new one goes on to
 * serve.  It is the caller's.  0: a message was given. */
pid_t next_take (struct next *next);

/* Nobody is to stand by.  Its death is still to come. */
void next_end (struct next *next);

#endif

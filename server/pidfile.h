/* SPDX-License-Identifier: BSD-3-Clause */
/* The file with the keeper's number, which is locked while it lives; and beside
 * it, in FILE.state, what it is at, for whoever waits for it.
 */
#ifndef NBDZRAM_PIDFILE_H
#define NBDZRAM_PIDFILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "handed.h"

struct pidfile {
  char *path;
  char *state_path;
  int fd;
  int state_fd;
  unsigned nr_restarts;         /* that were asked for */
};

/* Lock it, or take the lock that was handed over.  -1: a message was given. */
int pidfile_open (struct pidfile *pidfile, const char *path,
                  struct handed *handed);

/* Write down who we are. */
int pidfile_write (const struct pidfile *pidfile);

/* Both files are removed. */
void pidfile_remove (struct pidfile *pidfile);

enum keeper_state {
  KEEPER_STARTING,
  KEEPER_SERVING,
  KEEPER_REFUSED,               /* a restart; it goes on as before */
  KEEPER_HOLDING,               /* no server; the memory is held */
};

/* Allocates nothing. */
void pidfile_set_state (const struct pidfile *pidfile,
                        enum keeper_state state);

/* Nor does it wait for the file, from now on. */
void pidfile_keep_state (const struct pidfile *pidfile);

/* For the others: who keeps it, 0: nobody; and what it is at. */
pid_t pidfile_find_keeper (const char *path);
bool pidfile_get_state (int state_fd, unsigned *nr_restarts,
                        enum keeper_state *state);

/* The path of the other file.  The caller frees; exits if there is no
 * memory. */
char *pidfile_state_path (const char *path);

#endif

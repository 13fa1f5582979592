/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory for the next server.
 *
 * A server that dies may leave a machine that has no memory free, and that
 * swaps to the very disk that is not served: nothing can be swapped out to make
 * room for its successor.  So as long as one serves, a process of its own holds
 * what a start takes, and it is killed when that is needed.  A process, since
 * the keeper must never wait for memory, and one that executes, since after a
 * mere fork the keeper's next write to any page would take a new one.
 */
#ifndef NBDZRAM_BALLAST_H
#define NBDZRAM_BALLAST_H

#include <stdbool.h>
#include <sys/types.h>

/* argv[0] of that process: main.c then calls ballast_run. */
#define BALLAST_NAME "nbdzram-ballast"

/* A process that executes program fills itself, in its own time. */
void ballast_take (const char *program);

/* What it holds is free from now on, or nearly so. */
void ballast_drop (void);

/* It ended by itself?  Then there is none. */
void ballast_note_end (pid_t pid);

/* For a successor: 0 is none. */
pid_t ballast_pid (void);
void ballast_adopt (pid_t pid);

int ballast_run (void);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* What it takes to start a server when there is no memory left.
 *
 * The keeper is out of the killer's sight, and neither it nor what it starts
 * waits for memory that would first have to be swapped out, to the very disk
 * that is not served.  It is itself in memory, and so are the files that the
 * server was started from.
 */
#ifndef NBDZRAM_RESIDENT_H
#define NBDZRAM_RESIDENT_H

#include <stdbool.h>
#include <sys/types.h>

/* Each as far as it can be had: what cannot is said, a line for each.  They
 * allocate nothing. */

/* Before the first server, which inherits it. */
void resident_protect (void);

/* While a server is there: what is to be started may wait for it. */
void resident_expose (void);

/* When a server is ready, or stands by. */
void resident_keep (pid_t server);

/* The server goes on before all others, which those that stood by may not have
 * asked for yet. */
void resident_hurry (pid_t server);

/* For this process alone, and for those that it starts.  False: errno. */
bool resident_leave_killer (void);

/* This process alone, with no message: data, stack and our program, and if it
 * connects to servers, the libraries for that. */
bool resident_keep_self (bool connects);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* What has to be in memory to start a server when there is no memory left: the
 * keeper itself, and the files that the server was started from.
 */
#ifndef NBDZRAM_RESIDENT_H
#define NBDZRAM_RESIDENT_H

#include <stdbool.h>
#include <sys/types.h>

/* As far as it can be had: what cannot is said in one line.  Allocates
 * nothing. */
void resident_keep (pid_t server);

/* This process alone, with no message: data, stack, and of programs what is
 * ours or was used already. */
bool resident_keep_self (void);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* A server that waits until it is needed.
 *
 * A server that dies may leave a machine that has no memory free, and that
 * swaps to the very disk that is not served: nothing can be swapped out to make
 * room for its successor.  So the keeper (server/keeper.h) starts the successor
 * while the first one still serves.  It reads the configuration, takes what
 * memory it will need, and waits for the word to open the devices.
 *
 * A server that is given the word before it asks for it waits for nothing.
 */
#ifndef ZRAM_STANDBY_H
#define ZRAM_STANDBY_H

#include <stdbool.h>
#include <sys/types.h>

/* What the keeper sets, as in 7:8: the descriptor that the server writes
 * STANDBY_IS_READY to, and one from which it reads a byte, its word to go. */
#define STANDBY_VARIABLE "NBDZRAM_STANDBY"
#define STANDBY_IS_READY 's'

/* The process's name as long as it waits. */
#define STANDBY_NAME "nbdkit-standby"

/* When the process has just begun: what it does as a standby is not urgent. */
void standby_begin (void);

/* Did a keeper start this one, which lets another one stand by? */
bool standby_is_expected (void);

/* Who stands by for this one.  0: nobody; -1: errno says why that cannot be
 * told.  Not is_ready: it has been started, but does not wait yet. */
pid_t standby_find (bool *is_ready);

/* Before the devices are made.  0: serve now; -1: never, the keeper is gone.
 * is_locked: what it has is locked into memory while it waits. */
int standby_wait (bool is_locked);

#endif

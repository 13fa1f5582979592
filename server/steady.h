/* SPDX-License-Identifier: BSD-3-Clause */
/* A process that goes on when there is no memory left: nothing of it can be
 * swapped out, and it needs no more than it has.
 */
#ifndef NBDZRAM_STEADY_H
#define NBDZRAM_STEADY_H

/* Before anything is allocated: what is freed stays with the process. */
void steady_begin (void);

/* All that it has got, and some to spare, is kept in memory; it runs before
 * others, and is not chosen when the kernel kills to get memory.  What cannot
 * be had is said.  Call it after all that is only needed at the start. */
void steady_hold (void);

/* Each of its other threads has to ask for its part; nothing is said. */
void steady_hold_thread (void);

#endif

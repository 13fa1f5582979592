/* SPDX-License-Identifier: BSD-3-Clause */
/* Standard error that nobody waits for.
 *
 * What the keeper and the server say may go to somebody who waits for the very
 * disk that they serve: a file in tmpfs that was swapped out, or a journal
 * without memory.  So it goes into a pipe that never blocks, and a thread
 * passes it on; what does not fit into the pipe meanwhile is lost.
 */
#ifndef NBDZRAM_LOGGER_H
#define NBDZRAM_LOGGER_H

/* first_fd: descriptors from there on are free.  -1: errno; messages go where
 * they went. */
int logger_start (int first_fd);

/* Before exec, and if that fails: messages go straight on, or into the pipe. */
void logger_step_aside (void);
void logger_step_in (void);

/* All that was said has been passed on.  May be called without start. */
void logger_stop (void);

#endif

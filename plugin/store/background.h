/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that no request waits for.
 *
 * A server that is started when memory is short is told from its first page on
 * not to wait for a disk, which could be its own, and has real-time priority
 * (control/safeguard.h).  Its threads inherit both.  Those in the background
 * give the second up.  The first they keep: a thread that waits for its own
 * disk does not end when the server is killed, and then no other is started.
 */
#ifndef ZRAM_BACKGROUND_H
#define ZRAM_BACKGROUND_H

/* The calling thread is one of them.  errno is kept. */
void background_begin (void);

#endif

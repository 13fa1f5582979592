/* SPDX-License-Identifier: BSD-3-Clause */
/* What the service manager is told (sd_notify's protocol), and what it keeps
 * for us.  libsystemd would allocate, and the keeper must not.
 */
#ifndef NBDZRAM_NOTIFY_H
#define NBDZRAM_NOTIFY_H

#include <stdbool.h>

/* From $NOTIFY_SOCKET; without it the others do nothing.  Never fails: who
 * cannot be told is not. */
void notify_open (void);

/* Lines of VARIABLE=VALUE. */
void notify (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));

/* Please keep this descriptor, in case that we die. */
void notify_keep (const char *name, int fd);

/* Milliseconds between two WATCHDOG=1; 0: nobody waits for them. */
unsigned notify_watchdog_ms (void);

#endif

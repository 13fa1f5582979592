/* SPDX-License-Identifier: BSD-3-Clause */
/* How a keeper becomes the next version of itself: the same process executes
 * the installed program, which finds the sockets, the memory and the lock in
 * its descriptors, as if systemd had handed them over.
 */
#ifndef NBDZRAM_SUCCESSOR_H
#define NBDZRAM_SUCCESSOR_H

#include <stdbool.h>

#include "keeper.h"

/* Returns only if it cannot; errno. */
void successor_start (const struct keeper_parts *parts);

/* Is this process one?  To be asked once. */
bool successor_is_here (void);

#endif

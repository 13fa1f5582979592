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
void successor_start (const struct keeper_parts *parts,
                      const struct inheritance *inheritance);

/* Is this process one, and what does it find?  To be asked once. */
bool successor_is_here (struct inheritance *inherited);

/* It cannot serve: holds what it was handed, until the next one may.  A server
 * that is there serves on. */
int successor_hold (const struct handed *handed,
                    const struct inheritance *inherited, char **argv);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* How a keeper becomes the next version of itself: the same process executes
 * the installed program, which finds the sockets, the memory and the lock in
 * its descriptors, as if systemd had handed them over.
 */
#ifndef NBDZRAM_SUCCESSOR_H
#define NBDZRAM_SUCCESSOR_H

#include <stdbool.h>

#include "keeper.h"

/* may_forget: what no export is there for any more.  Returns only if it cannot;
 * errno. */
void successor_start (const struct keeper_parts *parts, bool may_forget);

/* Is this process one, and may it forget?  To be asked once. */
bool successor_is_here (bool *may_forget);

/* It cannot serve: holds what it was handed, until the next one may. */
int successor_hold (const struct handed *handed, char **argv);

#endif

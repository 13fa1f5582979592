/* SPDX-License-Identifier: BSD-3-Clause */
/* Below the table of nbdzram status: what lets the server's machine swap on its
 * disks, and what of it could not be had and why.
 */
#ifndef NBDZRAM_SAFEGUARDS_H
#define NBDZRAM_SAFEGUARDS_H

#include "client.h"
#include "devices.h"

/* Of this device, NULL: of all.  Nothing is printed where lock_memory is off,
 * nor for a server that knows none.  -1: a message was given. */
int safeguards_print (struct client *client, const struct devices *devices,
                      const char *only);

/* For whoever is going to swap on this device from the same machine: what of
 * them is missing, each in a line on stderr; nothing if nobody can tell. */
void safeguards_hint (const char *control, const char *device);

#endif

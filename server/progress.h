/* SPDX-License-Identifier: BSD-3-Clause */
/* Stores that take long, with a bar on a terminal.
 *
 * The server answers a store when it is done, which may take hours.  Meanwhile
 * a second connection asks for the device's progress.
 */
#ifndef NBDZRAM_PROGRESS_H
#define NBDZRAM_PROGRESS_H

#include "client.h"

/* store DEVICE ATTRIBUTE VALUE, and wait for the answer.  -1: the server is
 * gone, a message was given; else the answer is the caller's. */
int progress_store (struct client *client, const char *device,
                    const char *attribute, const char *value,
                    struct answer *answer);

#endif

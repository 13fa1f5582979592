/* SPDX-License-Identifier: BSD-3-Clause */
/* The server's devices, and which of them a command line means. */
#ifndef NBDZRAM_DEVICES_H
#define NBDZRAM_DEVICES_H

#include <stddef.h>

#include "arguments.h"
#include "client.h"

struct devices {
  char *text;                   /* holds the names */
  char **names;
  size_t nr;
};

/* Ask the server.  -1: a message was given.  The caller frees. */
int devices_list (struct client *client, struct devices *devices);

void devices_free (struct devices *devices);

/* The device that the first word names, which is then taken away; if it names
 * none, the server's only one.  STATUS_OK, or a message was given. */
int devices_choose (const struct devices *devices, struct arguments *arguments,
                    const char **device);

/* Say that the word, which may be NULL, names no device.  Returns a status. */
int devices_complain (const struct devices *devices, const char *word);

#endif

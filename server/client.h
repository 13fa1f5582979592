/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection to the server's control socket: one line in, one answer out.
 *
 * Calls that fail have given one message, and the connection is of no more use.
 * An error that the server answers is not such a failure: the answer says so.
 */
#ifndef NBDZRAM_CLIENT_H
#define NBDZRAM_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

struct client;

struct answer {
  bool ok;
  char *text;                   /* the payload, or "ERRNO-NAME message" if not
                                 * ok; a NUL is behind it.  The caller frees. */
  size_t bytes;
};

/* NULL: nobody listens there. */
struct client *client_open (const char *path);

/* NULL is fine. */
void client_close (struct client *client);

const char *client_path (const struct client *client);

/* A request without its newline.  -1: it cannot be said in one line, or the
 * server is gone. */
int client_send (struct client *client, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));

/* 1: the answer to what was sent begins to come; 0: not yet after that time;
 * -1. */
int client_wait (struct client *client, int timeout_ms);

/* The answer to what was sent; a server that is silent for half a minute is
 * stuck, so client_wait for what may take longer. */
int client_receive (struct client *client, struct answer *answer);

/* The payload of show DEVICE ATTRIBUTE, which the caller frees.  NULL: a
 * message was given, for errors of the server too. */
char *client_show (struct client *client, const char *device,
                   const char *attribute);

/* The same of any length, piece by piece as it comes: block_state has a line
 * for each block of a disk.  1: the server answered an error; -1: it is gone;
 * a message was given. */
typedef void client_sink (void *opaque, const char *piece, size_t bytes);
int client_show_long (struct client *client, const char *device,
                      const char *attribute, client_sink *sink, void *opaque);

#endif

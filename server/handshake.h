/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections to a server, negotiated as far as the kernel can go on with them:
 * simple replies, and TLS is left to a relay.
 *
 * A name is looked up once, by endpoint_find; only TLS, which has to compare it
 * with what the server proves to be, looks again.  What comes later needs no
 * more memory than the calls before it, and never waits for long.
 */
#ifndef NBDZRAM_HANDSHAKE_H
#define NBDZRAM_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct endpoint {
  struct sockaddr_storage address;
  socklen_t address_bytes;
  char *export;
  char *uri;                    /* for people, and for TLS */
  bool has_tls;                 /* relay_prepare has to be called */
};

/* What a server says of an export. */
struct export_facts {
  uint64_t size_bytes;
  uint64_t flags;               /* NBD_FLAG_* */
  uint64_t minimum_bytes;       /* of a request; 0: it does not say */
};

/* word is a URI, or an export of the server that listens at socket.  -1: a
 * message was given.  The caller frees. */
int endpoint_find (struct endpoint *endpoint, const char *word,
                   const char *socket);

void endpoint_free (struct endpoint *endpoint);

/* Connect and negotiate.  head, if not NULL, gets the first bytes of the disk,
 * zeroes behind its end.  is_over, if not NULL, says when to give up.  Returns
 * a socket, or -1, and then handshake_error says why. */
int handshake (const struct endpoint *endpoint, struct export_facts *facts,
               char *head, size_t head_bytes, bool (*is_over) (void));

const char *handshake_error (void);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may open an export: users of this machine by their uid, clients over TLS
 * by their certificate.
 *
 * What an export asks for has to be there, all of it: a client on a Unix socket
 * has to be of a listed uid if uids are listed, and to have a certificate if
 * certificates are asked for.  A client from elsewhere has no uid, so an export
 * that lists uids is not open to it unless certificates are asked for too; then
 * the certificate alone counts.
 *
 * A pattern of a distinguished name is the name as RFC 4514 writes it, with "*"
 * for any characters, but not for the "," or "+" between the parts of a name:
 * "CN=*,O=Hosts" is not fooled by a host named "x,O=Hosts", nor by one with
 * more parts.
 */
#ifndef ZRAM_ACCESS_H
#define ZRAM_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The last 32-bit number is nobody's: the kernel says it for "none". */
#define ACCESS_UID_MAX (UINT32_MAX - 1)

/* Whose certificates are asked for.  Any: that of whoever came by TLS, which
 * has one if the server verifies its peers. */
enum access_certificates {
  ACCESS_CERTIFICATES_NONE,
  ACCESS_CERTIFICATES_ANY,
  ACCESS_CERTIFICATES_LISTED,
};

/* All-zero lets everybody in. */
struct access {
  uint32_t *uids;
  size_t nr_uids;               /* 0: any, and none */
  enum access_certificates certificates;
  char *patterns;               /* of names, with ';' between them */
};

/* What is known of a client. */
struct access_peer {
  bool is_local;                /* on a Unix socket */
  int64_t uid;                  /* -1: not known */
  bool is_tls;
  const char *name;             /* its certificate's; NULL or "": none */
};

/* Replace one half by what a key says: "any" or uids; "none", "any" or
 * patterns.  NULL, or what is wrong. */
const char *access_set_uids (struct access *access, const char *value);
const char *access_set_certificates (struct access *access,
                                     const char *value);

/* NULL: this one may come in.  Else why not. */
const char *access_refusal (const struct access *access,
                            const struct access_peer *peer);

/* Who it is, in one line. */
#define ACCESS_PEER_CHARS 256
void access_describe (const struct access_peer *peer,
                      char text[ACCESS_PEER_CHARS]);

/* Is there anything to ask about a client? */
bool access_is_limited (const struct access *access);

void access_free (struct access *access);

#endif

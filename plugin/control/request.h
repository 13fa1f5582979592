/* SPDX-License-Identifier: BSD-3-Clause */
/* A request: one line of the control socket (protocol.h), and what is answered.
 *
 * No socket here, so that tests and fuzzers can ask too.
 */
#ifndef ZRAM_REQUEST_H
#define ZRAM_REQUEST_H

#include <stdbool.h>

#include "attributes.h"
#include "export.h"
#include "payload.h"
#include "protocol.h"

enum request_verb {
  REQUEST_LIST, REQUEST_HELP, REQUEST_SHOW, REQUEST_STORE,
};

struct request {
  enum request_verb verb;
  struct export *export;                /* for show and store */
  const struct attribute *attribute;    /* the same */
  const char *value;                    /* for store; in the line */
};

/* The errors of both: an errno, and the message for the client. */
struct request_error {
  int errnum;                           /* 0: none */
  char message[PROTOCOL_MESSAGE_BYTES_MAX];
};

/* The line has no newline; it is changed and must stay while the request is
 * used.  A device's name may have blanks in it.  -1: EINVAL (no such request),
 * ENOENT (no such device or attribute). */
int request_parse (char *line, const struct exports *exports,
                   struct request *request, struct request_error *error);

/* Do it; the payload is open on return, and closed, also after a store, whose
 * payload is empty.  -1: there is no payload. */
int request_run (const struct request *request, const struct exports *exports,
                 struct payload *payload, struct request_error *error);

/* The name of an errno: "EINVAL"; "EIO" for those that nothing here gives. */
const char *request_errno_name (int errnum);

#endif

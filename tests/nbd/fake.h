/* SPDX-License-Identifier: BSD-3-Clause */
/* A control socket that answers what a test wants, and nbdzram run against it:
 * for answers that no good server gives, and for those that come when the test
 * says so.
 *
 * The test's environment variable NBDZRAM, or server/nbdzram below
 * $top_builddir, is the command.
 */
#ifndef ZRAM_TESTS_FAKE_H
#define ZRAM_TESTS_FAKE_H

#include <stdbool.h>

#include "server.h"

/* What is sent for a line, without its newline; "" is nothing.  NULL: the
 * connection is closed; and so it is after a text that ends with HANG_UP.  The
 * text stays the test's.  Each connection has a thread of its own. */
#define HANG_UP "\004"
typedef const char *fake_answerer (const char *line);

/* "ok LENGTH" and the payload; valid until this thread's next call. */
const char *fake_ok (const char *payload);

/* One for each test program; it ends with it. */
void fake_start (fake_answerer *answerer);

/* A command that has ended. */
struct outcome {
  int status;                   /* of exit; -1: a signal */
  char out[4096];
  char err[4096];
};

/* Run nbdzram with these words, NULL behind the last, until it ends.  With a
 * terminal, that is its stderr. */
void fake_run (struct outcome *outcome, const char *const words[]);
void fake_run_on_terminal (struct outcome *outcome, const char *const words[]);

#define WORDS(...) ((const char *const[]) { __VA_ARGS__, NULL })

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* A subcommand: the table in main.c is a list of these, and usage, help and
 * dispatch are loops over it.
 */
#ifndef NBDZRAM_COMMAND_H
#define NBDZRAM_COMMAND_H

#include "arguments.h"

struct command {
  const char *name;
  const char *words;            /* what --help calls what follows */
  const char *help;             /* in one line */
  const struct option_spec *options;    /* NULL: the common ones only */

  /* control is the path of the socket.  Returns an exit status; what is not
   * STATUS_OK had its message. */
  int (*run) (const char *control, struct arguments *arguments);

  void (*print_more) (void);    /* more lines of --help; NULL: none */
};

#endif

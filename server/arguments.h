/* SPDX-License-Identifier: BSD-3-Clause */
/* The words of a command line, taken apart.
 *
 * What a subcommand takes is a table of options, made into help text and given
 * to getopt_long by the same loops.  Options and words may be mixed; what every
 * subcommand takes (--control, --help, --version) is in a table here.
 */
#ifndef NBDZRAM_ARGUMENTS_H
#define NBDZRAM_ARGUMENTS_H

#include <stdbool.h>

/* The exit statuses, for all that can end the command. */
enum {
  STATUS_OK = 0,
  STATUS_FAILED = 1,
  STATUS_USAGE = 2,
};

struct option_spec {
  const char *name;             /* without the dashes; NULL: end of the table */
  char letter;                  /* 0: none */
  const char *value;            /* what --help calls it; NULL: takes none */
  const char *help;
};

extern const struct option_spec common_options[];

/* Options in their order, since some may be repeated. */
#define OPTIONS_GIVEN_MAX 64

struct arguments {
  struct {
    const char *name;           /* the table's */
    const char *value;          /* "" if it takes none */
  } options[OPTIONS_GIVEN_MAX];
  unsigned nr_options;
  char **words;                 /* what is no option, NULL at the end */
  unsigned nr_words;
};

/* Take argv apart, which is reordered; argv[0] is the name in messages.
 * options may be NULL: only the common ones.  False: a message was given. */
bool arguments_parse (struct arguments *arguments,
                      const struct option_spec *options, int argc,
                      char **argv);

/* The value of an option as it was given last; NULL: it was not. */
const char *arguments_get (const struct arguments *arguments,
                           const char *name);

/* Take the first word away and return it. */
const char *arguments_shift (struct arguments *arguments);

/* Does this word of a command line have its value in the next one? */
bool option_wants_next (const struct option_spec *options, const char *word);

/* Lines of --help. */
void options_print (const struct option_spec *options);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The words of a command line, taken apart; see arguments.h. */
#include <config.h>

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "arguments.h"

const struct option_spec common_options[] = {
  { "control", 0, "PATH", "the server's control socket (or $NBDZRAM_CONTROL)" },
  { "help", 'h', NULL, "show this" },
  { "version", 'V', NULL, "show the version" },
  { .name = NULL }
};

/* Both tables, in getopt's words. */
#define OPTIONS_MAX 16
#define LETTERS_MAX (2 * OPTIONS_MAX + 1)

struct grammar {
  const struct option_spec *specs[OPTIONS_MAX];
  struct option longs[OPTIONS_MAX + 1];
  char letters[LETTERS_MAX];
  unsigned nr;
};

/* What getopt returns for options by name: no letter is that large. */
#define FIRST_LONG 256

static void
add_option (struct grammar *grammar, const struct option_spec *spec)
{
  const struct option added = {
    .name = spec->name,
    .has_arg = spec->value ? required_argument : no_argument,
    .val = FIRST_LONG + grammar->nr,
  };
  char *letter = grammar->letters + strlen (grammar->letters);

  if (spec->letter) {
    *letter++ = spec->letter;
    if (spec->value)
      *letter++ = ':';
    *letter = '\0';
  }
  grammar->specs[grammar->nr] = spec;
  grammar->longs[grammar->nr++] = added;
  memset (&grammar->longs[grammar->nr], 0, sizeof added);
}

static void
add_options (struct grammar *grammar, const struct option_spec *specs)
{
  for (; specs && specs->name && grammar->nr < OPTIONS_MAX; specs++)
    add_option (grammar, specs);
}

/* NULL: getopt found fault with it and said so. */
static const struct option_spec *
spec_of (const struct grammar *grammar, int id)
{
  if (id >= FIRST_LONG)
    return grammar->specs[id - FIRST_LONG];
  for (unsigned i = 0; i < grammar->nr; i++)
    if (id != '?' && grammar->specs[i]->letter == id)
      return grammar->specs[i];
  return NULL;
}

static bool
note_option (struct arguments *arguments, const struct option_spec *spec,
             const char *value)
{
  if (arguments->nr_options == OPTIONS_GIVEN_MAX) {
    warnx ("more than %d options", OPTIONS_GIVEN_MAX);
    return false;
  }
  arguments->options[arguments->nr_options].name = spec->name;
  arguments->options[arguments->nr_options++].value = value ? value : "";
  return true;
}

bool
arguments_parse (struct arguments *arguments,
                 const struct option_spec *options, int argc, char **argv)
{
  struct grammar grammar = { .nr = 0 };
  const struct option_spec *spec;
  int id;

  memset (arguments, 0, sizeof *arguments);
  add_options (&grammar, options);
  add_options (&grammar, common_options);
  optind = 0;                   /* getopt starts anew */
  while ((id = getopt_long (argc, argv, grammar.letters, grammar.longs,
                            NULL)) != -1) {
    spec = spec_of (&grammar, id);
    if (!spec || !note_option (arguments, spec, optarg))
      return false;
  }
  arguments->words = argv + optind;
  arguments->nr_words = argc - optind;
  return true;
}

const char *
arguments_get (const struct arguments *arguments, const char *name)
{
  for (unsigned i = arguments->nr_options; i-- > 0;)
    if (strcmp (arguments->options[i].name, name) == 0)
      return arguments->options[i].value;
  return NULL;
}

const char *
arguments_shift (struct arguments *arguments)
{
  arguments->nr_words--;
  return *arguments->words++;
}

bool
option_wants_next (const struct option_spec *options, const char *word)
{
  const struct option_spec *spec;

  for (spec = options; spec->name; spec++) {
    if (!spec->value)
      continue;
    if (word[0] == '-' && word[1] == '-' && strcmp (word + 2, spec->name) == 0)
      return true;
    if (spec->letter && word[0] == '-' && word[1] == spec->letter && !word[2])
      return true;
  }
  return false;
}

/* Help of several lines stays in its column. */
static void
print_indented (const char *help)
{
  const char *newline;

  while ((newline = strchr (help, '\n'))) {
    printf ("%.*s\n%28s", (int) (newline - help), help, "");
    help = newline + 1;
  }
  puts (help);
}

void
options_print (const struct option_spec *options)
{
  char text[40];

  for (; options && options->name; options++) {
    snprintf (text, sizeof text, "--%s%s%s", options->name,
              options->value ? "=" : "", options->value ? options->value : "");
    if (options->letter)
      printf ("  -%c, ", options->letter);
    else
      printf ("      ");
    printf ("%-20s  ", text);
    print_indented (options->help);
  }
}

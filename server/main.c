/* SPDX-License-Identifier: BSD-3-Clause */
/* The command nbdzram: which subcommand, and help.
 *
 * The table below drives usage, help and dispatch.  Options may stand before
 * the subcommand, too, and are read as its own; without one it is status.
 */
#include <config.h>

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach.h"
#include "attribute.h"
#include "command.h"
#include "inifile.h"
#include "serve.h"
#include "status.h"
#include "stop.h"

#define DEFAULT_CONTROL "/run/nbdzram/control.sock"

static const struct command commands[] = {
  { "status", "[DEVICE]", "show all devices, as zramctl does",
    status_options, status_run, status_print_columns },
  { "show", "[DEVICE] [ATTRIBUTE...]",
    "show attributes; without one, all but the tables block_state and classes",
    NULL, show_run, NULL },
  { "set", "[DEVICE] ATTRIBUTE=VALUE...", "change attributes", NULL, set_run,
    NULL },
  { "idle", "[DEVICE] [all|AGE]",
    "mark blocks idle: all, or those unused for an age like 90s, 2h or 1d",
    NULL, idle_run, NULL },
  { "recompress", "[DEVICE] [OPTION...]",
    "compress blocks again, slower and denser", recompress_options,
    recompress_run, NULL },
  { "writeback", "[DEVICE] OPTION...", "move blocks to the backing file",
    writeback_options, writeback_run, NULL },
  { "compact", "[DEVICE]", "move objects together, to free whole pages", NULL,
    compact_run, NULL },
  { "reset", "[DEVICE]", "forget all content and settings", NULL, reset_run,
    NULL },
  { "serve", "[OPTION...]", "serve the disks of an ini file", serve_options,
    serve_run, NULL },
  { "stop", "[OPTION...]",
    "end what serves them; content that is in no file is forgotten",
    stop_options, stop_run, NULL },
  { "restart", "[OPTION...]",
    "the same disks with the version and the ini file that are there now",
    restart_options, restart_run, NULL },
  { "check-config", "[OPTION...] [EXPORT...]",
    "is the ini file good, and are these exports in it?", inifile_options,
    check_config_run, NULL },
  { "dump-config", "[OPTION...]", "show the ini file with all defaults",
    inifile_options, dump_config_run, NULL },
  { "attach", "EXPORT|URI /dev/nbdN [OPTION...]",
    "make an export a block device of this machine, and keep it connected",
    attach_options, attach_run, NULL },
  { "detach", "/dev/nbdN",
    "take it away: off with its swap, or unmounted, first", NULL, detach_run,
    NULL },
};

#define NR_COMMANDS (sizeof commands / sizeof *commands)

/* What stands before a command in --help. */
static const struct {
  const char *command;
  const char *text;
} headings[] = {
  { "status", "commands, status if there is none:" },
  { "serve", "\nservers:" },
};

/* Without a subcommand. */
static const struct command *const default_command = &commands[0];

static const struct command *
find_command (const char *name)
{
  for (size_t i = 0; i < NR_COMMANDS; i++)
    if (strcmp (commands[i].name, name) == 0)
      return &commands[i];
  return NULL;
}

/* Help. */

static void
print_options (const struct command *command)
{
  puts ("\noptions:");
  options_print (command->options);
  options_print (common_options);
}

static void
print_heading (const char *command)
{
  for (size_t i = 0; i < sizeof headings / sizeof *headings; i++)
    if (strcmp (headings[i].command, command) == 0)
      puts (headings[i].text);
}

static void
print_help (void)
{
  puts ("usage: nbdzram [COMMAND] [OPTION...] [ARGUMENT...]\n"
        "Serves compressed disks in memory, looks at them and steers them.\n");
  for (size_t i = 0; i < NR_COMMANDS; i++) {
    print_heading (commands[i].name);
    printf ("  %s %s\n      %s\n", commands[i].name, commands[i].words,
            commands[i].help);
  }
  puts ("\nDEVICE may be left out if the server has just one.\n"
        "nbdzram COMMAND --help tells more.");
  print_options (default_command);
}

static void
print_command_help (const struct command *command)
{
  printf ("usage: nbdzram %s %s\n%s\n", command->name, command->words,
          command->help);
  print_options (command);
  if (command->print_more)
    command->print_more ();
}

/* Dispatch. */

/* The first word that is neither an option nor the value of one; argc if there
 * is none. */
static int
find_word (int argc, char **argv)
{
  int i;

  for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1]; i++)
    if (option_wants_next (common_options, argv[i]) ||
        option_wants_next (default_command->options, argv[i]))
      i++;
  return i < argc ? i : argc;
}

static const char *
control_path (const struct arguments *arguments)
{
  const char *path = arguments_get (arguments, "control");

  if (!path)
    path = getenv ("NBDZRAM_CONTROL");
  return path && *path ? path : DEFAULT_CONTROL;
}

static int
run (const struct command *command, bool is_named, int argc, char **argv)
{
  struct arguments arguments;
  int status;

  if (!arguments_parse (&arguments, command->options, argc, argv))
    status = STATUS_USAGE;
  else if (arguments_get (&arguments, "version"))
    return puts (PACKAGE_STRING), STATUS_OK;
  else if (arguments_get (&arguments, "help")) {
    if (is_named)
      print_command_help (command);
    else
      print_help ();
    return STATUS_OK;
  }
  else
    status = command->run (control_path (&arguments), &arguments);
  if (status == STATUS_USAGE)
    fprintf (stderr, "usage: nbdzram %s %s\n", command->name, command->words);
  return status;
}

/* Take the subcommand out of the words. */
static int
dispatch (int argc, char **argv)
{
  const int at = find_word (argc, argv);
  const struct command *command = default_command;

  if (at < argc) {
    command = find_command (argv[at]);
    if (!command) {
      warnx ("there is no command '%s', see nbdzram --help", argv[at]);
      return STATUS_USAGE;
    }
    memmove (argv + at, argv + at + 1, (argc - at) * sizeof *argv);
  }
  return run (command, at < argc, argc - (at < argc), argv);
}

int
main (int argc, char **argv)
{
  static char name[] = "nbdzram";
  int status;

  if (argc < 1)
    return STATUS_USAGE;
  argv[0] = program_invocation_name = program_invocation_short_name = name;
  status = dispatch (argc, argv);
  if (fflush (stdout) == 0 && !ferror (stdout))
    return status;
  warn ("standard output");
  return status == STATUS_OK ? STATUS_FAILED : status;
}

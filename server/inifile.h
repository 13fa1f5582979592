/* SPDX-License-Identifier: BSD-3-Clause */
/* The ini file that a command line names, read and checked as the plugin does
 * it, and the subcommands that only look at it.
 */
#ifndef NBDZRAM_INIFILE_H
#define NBDZRAM_INIFILE_H

#include "../plugin/control/conf.h"
#include "arguments.h"

/* -c FILE, for the table of whoever needs the file. */
#define INIFILE_OPTION                                                         \
  { "config", 'c', "FILE", "the ini file (default " CONF_DEFAULT_FILE ")" }

extern const struct option_spec inifile_options[];

/* The path as it was given, or the default. */
const char *inifile_path (const struct arguments *arguments);

/* Everything that can be found out before anything is started; nothing is
 * changed.  -1: messages were given, one line for each error; the conf is to be
 * freed in any case. */
int inifile_load (const char *path, struct conf *conf);

/* The same without a look at other files: what the ini says. */
int inifile_read (const char *path, struct conf *conf);

int check_config_run (const char *control, struct arguments *arguments);
int dump_config_run (const char *control, struct arguments *arguments);

#endif

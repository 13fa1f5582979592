/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands stop and restart, which the keeper of an ini file is asked
 * for by signals.
 */
#ifndef NBDZRAM_STOP_H
#define NBDZRAM_STOP_H

#include "arguments.h"

extern const struct option_spec stop_options[];
extern const struct option_spec restart_options[];

int stop_run (const char *control, struct arguments *arguments);
int restart_run (const char *control, struct arguments *arguments);

#endif

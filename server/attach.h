/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands attach and detach. */
#ifndef NBDZRAM_ATTACH_H
#define NBDZRAM_ATTACH_H

#include "arguments.h"

extern const struct option_spec attach_options[];

int attach_run (const char *control, struct arguments *arguments);
int detach_run (const char *control, struct arguments *arguments);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommand serve: all that the keeper needs is made ready here. */
#ifndef NBDZRAM_SERVE_H
#define NBDZRAM_SERVE_H

#include "arguments.h"

extern const struct option_spec serve_options[];

int serve_run (const char *control, struct arguments *arguments);

#endif

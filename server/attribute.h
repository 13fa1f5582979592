/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands that read and write attributes of a device.
 *
 * set says what is stored, word for word.  The others make a value out of their
 * options, wait for the server to be done with it, and say what came of it.
 * Usage is checked before anybody is asked.
 */
#ifndef NBDZRAM_ATTRIBUTE_H
#define NBDZRAM_ATTRIBUTE_H

#include "arguments.h"

extern const struct option_spec recompress_options[];
extern const struct option_spec writeback_options[];

int show_run (const char *control, struct arguments *arguments);
int set_run (const char *control, struct arguments *arguments);
int idle_run (const char *control, struct arguments *arguments);
int recompress_run (const char *control, struct arguments *arguments);
int writeback_run (const char *control, struct arguments *arguments);
int compact_run (const char *control, struct arguments *arguments);
int reset_run (const char *control, struct arguments *arguments);

#endif

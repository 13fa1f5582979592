/* SPDX-License-Identifier: BSD-3-Clause */
/* nbdzram status: a table of all devices, with zramctl's columns, from the
 * library that zramctl has them from.
 */
#ifndef NBDZRAM_STATUS_H
#define NBDZRAM_STATUS_H

#include "arguments.h"

extern const struct option_spec status_options[];

int status_run (const char *control, struct arguments *arguments);

/* What --output may name. */
void status_print_columns (void);

#endif

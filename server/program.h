/* SPDX-License-Identifier: BSD-3-Clause */
/* Other programs, run to their end. */
#ifndef NBDZRAM_PROGRAM_H
#define NBDZRAM_PROGRAM_H

#include <stdbool.h>

/* Is there one with this name, in PATH or where those of root are? */
bool program_exists (const char *name);

/* argv ends with NULL.  It reads nothing, and what it prints is dropped, but
 * for its errors.  0: it ended with 0; -1: a message was given. */
int program_run (const char *const *argv);

/* The same without a message. */
int program_try (const char *const *argv);

#endif

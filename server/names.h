/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of descriptors that are handed over: what kind, then what it is for.
 */
#ifndef NBDZRAM_NAMES_H
#define NBDZRAM_NAMES_H

#include <stdbool.h>

#define NAME_LISTENER "listen-"         /* of our own; with the address */
#define NAME_STORE "store-"             /* memory; with the export's name */
#define NAME_PIDFILE "keeper-pidfile"
#define NAME_STATE "keeper-state"

/* Letters, digits and .-_ stay, so that systemd takes it; all else becomes %
 * and two hex digits.  The caller frees; exits if there is no memory. */
char *name_make (const char *kind, const char *what);

/* What it is for; the caller frees.  NULL: another kind, or no such name. */
char *name_read (const char *kind, const char *name);

/* Is it one of ours? */
bool name_is_ours (const char *name);

#endif

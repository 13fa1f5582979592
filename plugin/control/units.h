/* SPDX-License-Identifier: BSD-3-Clause */
/* Quantities as users write them. */
#ifndef ZRAM_UNITS_H
#define ZRAM_UNITS_H

#include <stdbool.h>
#include <stdint.h>

/* The kernel's memparse: decimal, 0x hexadecimal or 0 octal, then nothing or
 * one of K M G T P E for powers of 1024, in either case.  False if the text is
 * anything else or too large; *bytes is then 0. */
bool units_parse_size (const char *text, uint64_t *bytes);

/* A whole decimal number with an optional sign. */
bool units_parse_int (const char *text, int *value);

#endif

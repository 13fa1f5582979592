/* SPDX-License-Identifier: BSD-3-Clause */
/* Quantities as users write them. */
#ifndef ZRAM_UNITS_H
#define ZRAM_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for any quantity as text. */
#define UNITS_CHARS 48

/* The kernel's memparse: decimal, 0x hexadecimal or 0 octal, then nothing or
 * one of K M G T P E for powers of 1024, in either case.  False if the text is
 * anything else or too large; *bytes is then 0. */
bool units_parse_size (const char *text, uint64_t *bytes);

/* The same as text, in the largest unit that says it exactly. */
const char *units_size_text (uint64_t bytes, char text[UNITS_CHARS]);

/* A whole decimal number with an optional sign. */
bool units_parse_int (const char *text, int *value);

/* The kernel's kstrtou*: digits in base 10, or in any with base 0 (0x is
 * hexadecimal, 0 octal), and a plus sign if you like.  Returns 0, EINVAL (not a
 * number) or ERANGE (larger than max); *value is then 0. */
int units_parse_number (const char *text, unsigned base, uint64_t max,
                        uint64_t *value);

/* The kernel's kstrtobool: y, 1 or on; n, 0 or off; or the words yes, no, true
 * and false. */
bool units_parse_bool (const char *text, bool *value);

/* A time: a decimal number, then s (or nothing), m, h, d or w; "off" is 0.
 * False if it is anything else or 2^32 seconds or more; *seconds is then 0. */
bool units_parse_time (const char *text, uint32_t *seconds);
const char *units_time_text (uint32_t seconds, char text[UNITS_CHARS]);

/* So much in so long, SIZE/TIME as in 1G/1d, both not 0; "off" is 0 bytes. */
bool units_parse_rate (const char *text, uint64_t *bytes, uint32_t *period_s);
const char *units_rate_text (uint64_t bytes, uint32_t period_s,
                             char text[UNITS_CHARS]);

/* Pages of 4 KiB, as the kernel's writeback_limit counts: a bare number is
 * pages, one with a suffix bytes, rounded down. */
bool units_parse_pages (const char *text, uint64_t *pages);

#endif

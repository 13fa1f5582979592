/* SPDX-License-Identifier: BSD-3-Clause */
/* Sizes for people to read: 512B, 4K, 1.5G, as zramctl has them. */
#ifndef NBDZRAM_SIZE_H
#define NBDZRAM_SIZE_H

#include <stdint.h>

/* Of the longest text, 20 digits, and its NUL. */
#define SIZE_TEXT_BYTES 24

/* Rounded to one decimal, which is left out if it is 0.  Returns text. */
char *size_format (char text[SIZE_TEXT_BYTES], uint64_t bytes);

#endif

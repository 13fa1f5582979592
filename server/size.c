/* SPDX-License-Identifier: BSD-3-Clause */
/* Sizes for people to read; see size.h. */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>

#include "size.h"

/* Half up, and 1023.95K is 1M. */
static uint64_t
tenths (uint64_t bytes, unsigned shift)
{
  const uint64_t unit = (uint64_t) 1 << shift;

  return bytes / unit * 10 + ((bytes % unit) * 10 + unit / 2) / unit;
}

char *
size_format (char text[SIZE_TEXT_BYTES], uint64_t bytes)
{
  static const char letters[] = "BKMGTP";
  unsigned unit = 0;

  while (letters[unit + 1] && tenths (bytes, 10 * unit) >= 10240)
    unit++;
  bytes = tenths (bytes, 10 * unit);
  if (bytes % 10 == 0)
    snprintf (text, SIZE_TEXT_BYTES, "%" PRIu64 "%c", bytes / 10,
              letters[unit]);
  else
    snprintf (text, SIZE_TEXT_BYTES, "%" PRIu64 ".%u%c", bytes / 10,
              (unsigned) (bytes % 10), letters[unit]);
  return text;
}

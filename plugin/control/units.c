/* SPDX-License-Identifier: BSD-3-Clause */
/* Quantities as users write them; see units.h. */
#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"

bool
units_parse_size (const char *text, uint64_t *bytes)
{
  static const char suffixes[] = "KMGTPE";
  const char *suffix;
  unsigned long long value;
  unsigned shift = 0;
  char *end;

  *bytes = 0;
  if (!isdigit ((unsigned char) *text)) /* strtoull takes spaces and signs */
    return false;
  errno = 0;
  value = strtoull (text, &end, 0);
  if (errno != 0)
    return false;
  if (*end) {
    suffix = strchr (suffixes, toupper ((unsigned char) *end));
    if (!suffix || end[1])
      return false;
    shift = 10 * (suffix - suffixes + 1);
  }
  if (value > UINT64_MAX >> shift)
    return false;
  *bytes = (uint64_t) value << shift;
  return true;
}

bool
units_parse_int (const char *text, int *value)
{
  long number;
  char *end;

  *value = 0;
  if (!isdigit ((unsigned char) text[*text == '-' || *text == '+']))
    return false;
  errno = 0;
  number = strtol (text, &end, 10);
  if (errno != 0 || *end || number < INT_MIN || number > INT_MAX)
    return false;
  *value = number;
  return true;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Quantities as users write them; see units.h. */
#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"

static const char suffixes[] = "KMGTPE";

bool
units_parse_size (const char *text, uint64_t *bytes)
{
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

const char *
units_size_text (uint64_t bytes, char text[UNITS_CHARS])
{
  unsigned unit = 0;

  while (bytes != 0 && bytes % 1024 == 0 && suffixes[unit]) {
    bytes /= 1024;
    unit++;
  }
  snprintf (text, UNITS_CHARS, "%" PRIu64 "%.*s", bytes, unit > 0,
            unit > 0 ? &suffixes[unit - 1] : "");
  return text;
}

int
units_parse_number (const char *text, unsigned base, uint64_t max,
                    uint64_t *value)
{
  unsigned long long number;
  char *end;

  *value = 0;
  text += *text == '+';
  if (!isdigit ((unsigned char) *text)) /* strtoull takes spaces and signs */
    return EINVAL;
  errno = 0;
  number = strtoull (text, &end, base);
  if (*end)
    return EINVAL;
  if (errno != 0 || number > max)
    return ERANGE;
  *value = number;
  return 0;
}

static bool
is_one_of (const char *text, const char *const words[])
{
  for (; *words; words++)
    if (strcasecmp (text, *words) == 0)
      return true;
  return false;
}

bool
units_parse_bool (const char *text, bool *value)
{
  static const char *const yes[] = { "1", "y", "yes", "on", "true", NULL };
  static const char *const no[] = { "0", "n", "no", "off", "false", NULL };

  *value = is_one_of (text, yes);
  return *value || is_one_of (text, no);
}

/* Largest first; seconds last, since they say anything. */
static const struct {
  char suffix;
  uint32_t seconds;
} times[] = {
  { 'w', 7 * 86400 }, { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 },
};

#define NR_TIMES (sizeof times / sizeof *times)

static uint32_t
seconds_of_suffix (const char *suffix)
{
  if (*suffix == '\0')
    return 1;
  for (unsigned i = 0; i < NR_TIMES; i++)
    if (*suffix == times[i].suffix && suffix[1] == '\0')
      return times[i].seconds;
  return 0;
}

bool
units_parse_time (const char *text, uint32_t *seconds)
{
  unsigned long long number;
  uint32_t unit;
  char *end;

  *seconds = 0;
  if (strcmp (text, "off") == 0)
    return true;
  if (!isdigit ((unsigned char) *text))
    return false;
  errno = 0;
  number = strtoull (text, &end, 10);
  unit = seconds_of_suffix (end);
  if (errno != 0 || unit == 0 || number > UINT32_MAX / unit)
    return false;
  *seconds = number * unit;
  return true;
}

const char *
units_time_text (uint32_t seconds, char text[UNITS_CHARS])
{
  unsigned i = 0;

  while (seconds % times[i].seconds != 0)
    i++;
  if (seconds == 0)
    strcpy (text, "off");
  else
    snprintf (text, UNITS_CHARS, "%" PRIu32 "%c", seconds / times[i].seconds,
              times[i].suffix);
  return text;
}

bool
units_parse_rate (const char *text, uint64_t *bytes, uint32_t *period_s)
{
  const char *slash = strchr (text, '/');
  char size[UNITS_CHARS];

  *bytes = *period_s = 0;
  if (strcmp (text, "off") == 0)
    return true;
  if (!slash || slash - text >= UNITS_CHARS)
    return false;
  snprintf (size, sizeof size, "%.*s", (int) (slash - text), text);
  if (units_parse_size (size, bytes) && *bytes != 0 &&
      units_parse_time (slash + 1, period_s) && *period_s != 0)
    return true;
  *bytes = *period_s = 0;
  return false;
}

const char *
units_rate_text (uint64_t bytes, uint32_t period_s, char text[UNITS_CHARS])
{
  char size[UNITS_CHARS], period[UNITS_CHARS];

  if (bytes == 0)
    strcpy (text, "off");
  else
    snprintf (text, UNITS_CHARS, "%.22s/%.22s", units_size_text (bytes, size),
              units_time_text (period_s, period));
  return text;
}

bool
units_parse_pages (const char *text, uint64_t *pages)
{
  const bool is_bare = *text && !isalpha ((unsigned char)
                                          text[strlen (text) - 1]);

  if (is_bare)
    return units_parse_number (text, 10, UINT64_MAX, pages) == 0;
  if (!units_parse_size (text, pages))
    return false;
  *pages /= 4096;
  return true;
}

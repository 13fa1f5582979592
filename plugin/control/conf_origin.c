/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said of a wrong value; see conf_origin.h. */
#include <config.h>

#include <ctype.h>
#include <stddef.h>

#include "../store/report.h"
#include "conf_origin.h"

#define SHOWN_CHARS 256

/* One line stays one line, whatever is in a value. */
static const char *
shown (const char *value, char text[SHOWN_CHARS])
{
  size_t i;

  for (i = 0; value[i] && i < SHOWN_CHARS - 1; i++)
    text[i] = iscntrl ((unsigned char) value[i]) ? '?' : value[i];
  text[i] = '\0';
  return text;
}

int
conf_complain (const struct conf_origin *origin, const char *key,
               const char *wrong, const char *value)
{
  char text[SHOWN_CHARS];

  if (origin->file)
    report_error ("%s:%u: %s: %s: '%s'", origin->file, origin->line, key,
                  wrong, shown (value, text));
  else
    report_error ("command line: %s: %s: '%s'", key, wrong,
                  shown (value, text));
  return -1;
}

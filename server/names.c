/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of descriptors; see names.h. */
#include <config.h>

#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "names.h"

static bool
is_plain (char c)
{
  return isalnum ((unsigned char) c) || c == '.' || c == '-' || c == '_';
}

char *
name_make (const char *kind, const char *what)
{
  char *name = malloc (strlen (kind) + 3 * strlen (what) + 1), *end;

  if (!name)
    err (STATUS_FAILED, "%s", what);
  end = stpcpy (name, kind);
  for (; *what; what++)
    if (is_plain (*what))
      *end++ = *what;
    else
      end += sprintf (end, "%%%02x", (unsigned char) *what);
  *end = '\0';
  return name;
}

static int
read_char (const char **name)
{
  unsigned value;

  if (is_plain (**name))
    return *(*name)++;
  if (**name != '%' || !isxdigit ((unsigned char) (*name)[1]) ||
      !isxdigit ((unsigned char) (*name)[2]) ||
      sscanf (*name + 1, "%2x", &value) != 1)
    return 0;
  *name += 3;
  return value;
}

char *
name_read (const char *kind, const char *name)
{
  char *what, *end;

  if (strncmp (name, kind, strlen (kind)) != 0)
    return NULL;
  name += strlen (kind);
  what = end = malloc (strlen (name) + 1);
  if (!what)
    err (STATUS_FAILED, "%s", name);
  while (*name && (*end = read_char (&name)))
    end++;
  if (*name) {
    free (what);
    return NULL;
  }
  *end = '\0';
  return what;
}

bool
name_is_ours (const char *name)
{
  return strncmp (name, NAME_LISTENER, strlen (NAME_LISTENER)) == 0 ||
    strncmp (name, NAME_STORE, strlen (NAME_STORE)) == 0 ||
    strcmp (name, NAME_PIDFILE) == 0 || strcmp (name, NAME_STATE) == 0;
}

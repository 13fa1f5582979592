/* SPDX-License-Identifier: BSD-3-Clause */
/* Small files that are read whole; see file.h. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

/* Grow by doubling, since a pipe has no size.  It ends when less came than
 * there was room for, so a byte is left behind the last one. */
static const char *
read_all (FILE *file, char **data, size_t *bytes)
{
  size_t capacity = 4096;
  char *grown;

  while (*bytes <= FILE_BYTES_MAX) {
    capacity *= 2;
    grown = realloc (*data, capacity);
    if (!grown)
      return "out of memory";
    *data = grown;
    *bytes += fread (*data + *bytes, 1, capacity - *bytes, file);
    if (ferror (file))
      return strerror (errno);
    if (*bytes < capacity)
      break;
  }
  return *bytes > FILE_BYTES_MAX ? "longer than 16 MiB" : NULL;
}

const char *
file_read (const char *path, char **data, size_t *bytes)
{
  FILE *file = fopen (path, "re");
  const char *wrong;

  *data = NULL;
  *bytes = 0;
  if (!file)
    return strerror (errno);
  wrong = read_all (file, data, bytes);
  fclose (file);
  if (!wrong)
    return NULL;
  free (*data);
  *data = NULL;
  *bytes = 0;
  return wrong;
}

char *
file_absolute (const char *path)
{
  char *directory, *absolute;

  if (*path == '/')
    return strdup (path);
  directory = getcwd (NULL, 0);
  if (!directory)
    return NULL;
  if (asprintf (&absolute, "%s/%s", directory, path) == -1)
    absolute = NULL;
  free (directory);
  return absolute;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of attributes; see attributes.h. */
#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../store/device.h"
#include "../store/report.h"
#include "attributes.h"

#define RO_ENTRY(name, help) { #name, attribute_show_##name, NULL, help },
#define WO_ENTRY(name, help) { #name, NULL, attribute_store_##name, help },
#define RW_ENTRY(name, help)                                                  \
  { #name, attribute_show_##name, attribute_store_##name, help },

const struct attribute attributes[] = {
  ATTRIBUTES (RO_ENTRY, RW_ENTRY, WO_ENTRY)
};

const size_t nr_attributes = sizeof attributes / sizeof *attributes;

const struct attribute *
attribute_find (const char *name)
{
  for (size_t i = 0; i < nr_attributes; i++)
    if (strcmp (name, attributes[i].name) == 0)
      return &attributes[i];
  return NULL;
}

const char *
attribute_mode (const struct attribute *attribute)
{
  return !attribute->store ? "ro" : attribute->show ? "rw" : "wo";
}

int
attribute_refuse (int errnum, const char *fmt, ...)
{
  char message[512];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (message, sizeof message, fmt, ap);
  va_end (ap);
  report_error ("%s", message);
  errno = errnum;
  return -1;
}

int
attribute_need_size (const struct export *export)
{
  if (export->device->size_bytes > 0)
    return 0;
  return attribute_refuse (EINVAL, "%s: the disk has no size yet",
                           export->name);
}

int
attribute_need_file (const char *path)
{
  struct stat status;

  if (stat (path, &status) == -1)
    return attribute_refuse (errno, "%s: %s", path, strerror (errno));
  if (S_ISREG (status.st_mode))
    return 0;
  return attribute_refuse (S_ISDIR (status.st_mode) ? EISDIR : EINVAL,
                           "%s: not a regular file", path);
}

int
attribute_show (const struct attribute *attribute, struct export *export,
                struct payload *payload)
{
  if (!attribute->show)
    return attribute_refuse (EACCES, "%s cannot be read", attribute->name);
  return attribute->show (export, payload);
}

static char *
trimmed_copy (const char *value)
{
  size_t chars;

  while (isspace ((unsigned char) *value))
    value++;
  chars = strlen (value);
  while (chars > 0 && isspace ((unsigned char) value[chars - 1]))
    chars--;
  return strndup (value, chars);
}

int
attribute_store (const struct attribute *attribute, struct export *export,
                 const char *value)
{
  char *trimmed;
  int r, saved_errno;

  if (!attribute->store)
    return attribute_refuse (EACCES, "%s cannot be written", attribute->name);
  trimmed = trimmed_copy (value);
  if (!trimmed)
    return attribute_refuse (ENOMEM, "out of memory");
  r = attribute->store (export, trimmed);
  saved_errno = errno;
  free (trimmed);
  errno = saved_errno;
  return r;
}

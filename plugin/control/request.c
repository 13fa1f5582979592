/* SPDX-License-Identifier: BSD-3-Clause */
/* A line of the control socket; see request.h. */
#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "../store/report.h"
#include "request.h"

__attribute__ ((format (printf, 3, 4))) static int
fail (struct request_error *error, int errnum, const char *fmt, ...)
{
  va_list ap;

  error->errnum = errnum;
  va_start (ap, fmt);
  vsnprintf (error->message, sizeof error->message, fmt, ap);
  va_end (ap);
  return -1;
}

const char *
request_errno_name (int errnum)
{
  static const struct {
    int errnum;
    const char *name;
  } names[] = {
#define NAME(name) { name, #name }
    NAME (EACCES), NAME (EAGAIN), NAME (EBADMSG), NAME (EBUSY), NAME (E2BIG),
    NAME (EDQUOT), NAME (EEXIST), NAME (EFBIG), NAME (EINTR), NAME (EINVAL),
    NAME (EISDIR), NAME (ELOOP), NAME (EMFILE), NAME (ENAMETOOLONG),
    NAME (ENFILE), NAME (ENODEV), NAME (ENOENT), NAME (ENOMEM), NAME (ENOSPC),
    NAME (ENOTBLK), NAME (ENOTDIR), NAME (ENOTSUP), NAME (ENXIO),
    NAME (EOVERFLOW), NAME (EPERM), NAME (ERANGE), NAME (EROFS),
    NAME (ETIMEDOUT), NAME (ETXTBSY),
#undef NAME
  };

  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    if (names[i].errnum == errnum)
      return names[i].name;
  return "EIO";
}

/* Parsing. */

static char *
skip_blanks (char *text)
{
  return text + strspn (text, " \t");
}

/* Cut off the next word; "" behind the last one. */
static char *
next_word (char **text)
{
  char *word = skip_blanks (*text);
  char *end = word + strcspn (word, " \t");

  *text = *end ? end + 1 : end;
  *end = '\0';
  return word;
}

/* Does the text begin with this name, and does the name end there? */
static bool
begins_with (const char *text, const char *name)
{
  const size_t chars = strlen (name);

  return strncmp (text, name, chars) == 0 &&
    (text[chars] == '\0' || isblank ((unsigned char) text[chars]));
}

/* The export with the longest name that the text begins with. */
static struct export *
find_export (const struct exports *exports, const char *text)
{
  struct export *found = NULL;

  for (size_t i = 0; i < exports->nr_exports; i++) {
    struct export *export = &exports->exports[i];

    if (begins_with (text, export->name) &&
        (!found || strlen (export->name) > strlen (found->name)))
      found = export;
  }
  return found;
}

static int
parse_target (char *text, const struct exports *exports,
              struct request *request, struct request_error *error)
{
  const char *name;

  text = skip_blanks (text);
  request->export = find_export (exports, text);
  if (!request->export)
    return fail (error, ENOENT, "there is no such device: '%.200s'", text);
  text += strlen (request->export->name);
  name = next_word (&text);
  request->attribute = attribute_find (name);
  if (!request->attribute)
    return fail (error, ENOENT, "there is no such attribute: '%.200s'", name);
  request->value = skip_blanks (text);
  return 0;
}

static int
find_verb (const char *word, enum request_verb *verb)
{
  static const char *const verbs[] = {
    [REQUEST_LIST] = "list", [REQUEST_HELP] = "help",
    [REQUEST_SHOW] = "show", [REQUEST_STORE] = "store", NULL
  };
  unsigned i = 0;

  while (verbs[i] && strcmp (word, verbs[i]) != 0)
    i++;
  *verb = (enum request_verb) i;
  return verbs[i] ? 0 : -1;
}

int
request_parse (char *line, const struct exports *exports,
               struct request *request, struct request_error *error)
{
  const char *word = next_word (&line);

  *request = (struct request) { .value = "" };
  error->errnum = 0;
  if (find_verb (word, &request->verb) == -1)
    return fail (error, EINVAL, "not list, help, show or store: '%.200s'",
                 word);
  if ((request->verb == REQUEST_SHOW || request->verb == REQUEST_STORE) &&
      parse_target (line, exports, request, error) == -1)
    return -1;
  if (request->verb == REQUEST_SHOW && *request->value)
    return fail (error, EINVAL, "show takes a device and an attribute, and "
                 "no value: '%.200s'", request->value);
  return 0;
}

/* Running. */

static int
list (const struct exports *exports, FILE *out)
{
  for (size_t i = 0; i < exports->nr_exports; i++)
    fprintf (out, "%s\n", exports->exports[i].name);
  return 0;
}

static int
help (FILE *out)
{
  for (size_t i = 0; i < nr_attributes; i++)
    fprintf (out, "%-22s %s  %s\n", attributes[i].name,
             attribute_mode (&attributes[i]), attributes[i].help);
  return 0;
}

static int
run (const struct request *request, const struct exports *exports,
     struct payload *payload)
{
  switch (request->verb) {
  case REQUEST_LIST:
    return list (exports, payload->out);
  case REQUEST_HELP:
    return help (payload->out);
  case REQUEST_STORE:
    return attribute_store (request->attribute, request->export,
                            request->value);
  case REQUEST_SHOW:
  default:
    return attribute_show (request->attribute, request->export, payload);
  }
}

/* Reports of this thread are for the client now. */
static int
run_captured (const struct request *request, const struct exports *exports,
              struct payload *payload, struct request_error *error)
{
  int r;

  error->message[0] = '\0';
  report_capture (error->message, sizeof error->message);
  errno = 0;
  r = run (request, exports, payload);
  error->errnum = r == 0 ? 0 : errno ? errno : EIO;
  report_capture (NULL, 0);
  if (r == -1 && error->message[0] == '\0')
    fail (error, error->errnum, "%s", strerror (error->errnum));
  return r;
}

int
request_run (const struct request *request, const struct exports *exports,
             struct payload *payload, struct request_error *error)
{
  if (payload_open (payload) == -1)
    return fail (error, ENOMEM, "out of memory");
  if (run_captured (request, exports, payload, error) == 0 &&
      payload_close (payload) == 0)
    return 0;
  if (error->errnum == 0)
    fail (error, ENOMEM, "out of memory");
  payload_free (payload);
  return -1;
}

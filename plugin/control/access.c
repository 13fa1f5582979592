/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may open an export; see access.h. */
#include <config.h>

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "units.h"

#define OUT_OF_MEMORY "out of memory"

/* Between the patterns, and the blanks around one. */
#define SEPARATOR ';'
#define BLANKS " \t"

/* Keys. */

static const char *
add_uid (struct access *access, const char *text)
{
  uint32_t *uids = reallocarray (access->uids, access->nr_uids + 1,
                                 sizeof *uids);
  uint64_t uid;

  if (!uids)
    return OUT_OF_MEMORY;
  access->uids = uids;
  if (*text == '+' || units_parse_number (text, 10, ACCESS_UID_MAX, &uid) != 0)
    return "neither any nor uids from 0 to 4294967294 with commas between them";
  uids[access->nr_uids++] = uid;
  return NULL;
}

/* Without the blanks around it. */
static char *
trim (char *text)
{
  char *end;

  text += strspn (text, BLANKS);
  end = text + strlen (text);
  while (end > text && strchr (BLANKS, end[-1]))
    *--end = '\0';
  return text;
}

/* A list that is wrong lists nobody, so the export must not be used. */
const char *
access_set_uids (struct access *access, const char *value)
{
  char *copy = strdup (value), *rest = copy, *uid;
  const char *wrong = copy ? NULL : OUT_OF_MEMORY;

  free (access->uids);
  access->uids = NULL;
  access->nr_uids = 0;
  if (strcmp (value, "any") != 0)
    while (!wrong && (uid = strsep (&rest, ",")))
      wrong = add_uid (access, trim (uid));
  free (copy);
  return wrong;
}

/* The end of the pattern that starts here; what a backslash stands before
 * separates nothing. */
static const char *
pattern_end (const char *pattern)
{
  while (*pattern && *pattern != SEPARATOR)
    pattern += pattern[0] == '\\' && pattern[1] ? 2 : 1;
  return pattern;
}

/* Each has to be a name's: an "=" is in all of them, and in nothing that a
 * mistyped word or a forgotten pattern is. */
static const char *
check_patterns (const char *patterns)
{
  for (const char *end;; patterns = end + 1) {
    end = pattern_end (patterns);
    if (!memchr (patterns, '=', end - patterns))
      return "neither none, any nor names such as CN=host,O=* with ; between "
        "them";
    if (*end == '\0')
      return NULL;
  }
}

static const char *
set_patterns (struct access *access, const char *value)
{
  const char *wrong = check_patterns (value);

  if (wrong)
    return wrong;
  access->patterns = strdup (value);
  if (!access->patterns)
    return OUT_OF_MEMORY;
  access->certificates = ACCESS_CERTIFICATES_LISTED;
  return NULL;
}

const char *
access_set_certificates (struct access *access, const char *value)
{
  free (access->patterns);
  access->patterns = NULL;
  access->certificates = ACCESS_CERTIFICATES_NONE;
  if (strcmp (value, "none") == 0)
    return NULL;
  if (strcmp (value, "any") != 0)
    return set_patterns (access, value);
  access->certificates = ACCESS_CERTIFICATES_ANY;
  return NULL;
}

/* Names. */

/* Characters of one value in a name: a backslash and what it escapes are one.
 * 0: here is the end, or what separates the parts. */
static size_t
unit (const char *name)
{
  if (strchr (",+", *name))
    return 0;
  return name[0] == '\\' && name[1] ? 2 : 1;
}

/* What follows the last "*" is tried further and further on, but never beyond
 * the part of the name that this "*" is in. */
static bool
matches (const char *pattern, const char *end, const char *name)
{
  const char *star = NULL, *retry = NULL;

  while (*name) {
    const size_t chars = unit (name) ? unit (name) : 1;

    if (pattern < end && *pattern == '*') {
      star = ++pattern;
      retry = name;
    }
    else if (chars <= (size_t) (end - pattern) &&
             memcmp (pattern, name, chars) == 0) {
      pattern += chars;
      name += chars;
    }
    else if (star && unit (retry) > 0) {
      pattern = star;
      name = retry += unit (retry);
    }
    else
      return false;
  }
  while (pattern < end && *pattern == '*')
    pattern++;
  return pattern == end;
}

static bool
is_listed_name (const struct access *access, const char *name)
{
  const char *pattern = access->patterns, *end;

  for (;; pattern = end + 1) {
    end = pattern_end (pattern);
    pattern += strspn (pattern, BLANKS);
    if (matches (pattern, end, name))
      return true;
    if (*end == '\0')
      return false;
  }
}

/* Clients. */

static bool
is_listed_uid (const struct access *access, int64_t uid)
{
  for (size_t i = 0; i < access->nr_uids; i++)
    if (uid == access->uids[i])
      return true;
  return false;
}

static const char *
uid_refusal (const struct access *access, const struct access_peer *peer)
{
  if (access->nr_uids == 0)
    return NULL;
  if (!peer->is_local)
    return access->certificates == ACCESS_CERTIFICATES_NONE ?
      "only users of this machine may open it" : NULL;
  return is_listed_uid (access, peer->uid) ? NULL :
    "its uid is not in allow_uids";
}

static const char *
certificate_refusal (const struct access *access,
                     const struct access_peer *peer)
{
  if (access->certificates == ACCESS_CERTIFICATES_NONE)
    return NULL;
  if (!peer->is_tls)
    return "only clients with a certificate may open it";
  if (access->certificates == ACCESS_CERTIFICATES_ANY)
    return NULL;
  if (!peer->name || *peer->name == '\0')
    return "it has no certificate that was verified";
  return is_listed_name (access, peer->name) ? NULL :
    "its certificate is not in allow_certificates";
}

const char *
access_refusal (const struct access *access, const struct access_peer *peer)
{
  const char *why = uid_refusal (access, peer);

  return why ? why : certificate_refusal (access, peer);
}

void
access_describe (const struct access_peer *peer,
                 char text[ACCESS_PEER_CHARS])
{
  const char *name = peer->name ? peer->name : "";

  if (peer->is_local)
    snprintf (text, ACCESS_PEER_CHARS, "uid %" PRId64 "%s%s", peer->uid,
              *name ? ", " : "", name);
  else
    snprintf (text, ACCESS_PEER_CHARS, "not on a Unix socket%s%s",
              *name ? ", " : "", name);
  for (char *c = text; *c; c++)
    if (iscntrl ((unsigned char) *c))
      *c = '?';
}

bool
access_is_limited (const struct access *access)
{
  return access->nr_uids > 0 ||
    access->certificates != ACCESS_CERTIFICATES_NONE;
}

void
access_free (struct access *access)
{
  free (access->uids);
  free (access->patterns);
  *access = (struct access) { .nr_uids = 0 };
}

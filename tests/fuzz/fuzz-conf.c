/* SPDX-License-Identifier: BSD-3-Clause */
/* What users write: the first line of the input is the command line, its words
 * parted by tabs; what follows, if anything, is the ini file.
 *
 *   size=1G<tab>comp_algorithm=lz4
 *   [disk]
 *   block_size = 64K
 *
 * A conf that is refused has given one message of one line that says where.
 * One that is accepted gave none, its values are in range, and what it says
 * about where each was written is true.
 *
 * No file of the machine is read: the linker puts __wrap_file_read in the place
 * of file_read.  There are three files: ini, dict and empty.
 */
#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "codec.h"
#include "conf.h"
#include "file.h"
#include "fuzz.h"
#include "sizeclass.h"

static struct input ini;        /* data NULL: there is no such file */
static struct conf conf;        /* of this input */
static unsigned nr_reports;

/* Files. */

const char *__wrap_file_read (const char *path, char **data, size_t *bytes);

/* As long as it must be, so that the address sanitizer sees who goes on. */
static const char *
give (const void *content, size_t content_bytes, char **data, size_t *bytes)
{
  *data = malloc (content_bytes + 1);
  check (*data != NULL);
  if (content_bytes > 0)
    memcpy (*data, content, content_bytes);
  *bytes = content_bytes;
  return NULL;
}

const char *
__wrap_file_read (const char *path, char **data, size_t *bytes)
{
  static const char dict[] = "a dictionary of some words";

  *data = NULL;
  *bytes = 0;
  if (strcmp (path, "ini") == 0 && ini.data)
    return give (ini.data, ini.bytes, data, bytes);
  if (strcmp (path, "dict") == 0)
    return give (dict, sizeof dict, data, bytes);
  if (strcmp (path, "empty") == 0)
    return give ("", 0, data, bytes);
  return strerror (ENOENT);
}

/* Messages. */

static unsigned long
nr_lines (void)
{
  unsigned long nr = 1;

  for (size_t i = 0; i < ini.bytes; i++)
    nr += ini.data[i] == '\n';
  return nr;
}

/* The command line, a line of the file, or the file as a whole. */
static bool
says_where (const char *message)
{
  const size_t chars = conf.file ? strlen (conf.file) : 0;
  char *end;
  unsigned long line;

  if (strncmp (message, "command line: ", 14) == 0)
    return true;
  if (!conf.file || strncmp (message, conf.file, chars) != 0)
    return false;
  if (strncmp (message + chars, ": ", 2) == 0)
    return true;
  line = strtoul (message + chars + 1, &end, 10);
  return strncmp (end, ": ", 2) == 0 && line >= 1 && line <= nr_lines ();
}

__attribute__ ((format (printf, 1, 0))) static void
count_report (const char *fmt, va_list ap)
{
  char *message;

  check (vasprintf (&message, fmt, ap) > 0);
  check (strchr (message, '\n') == NULL);
  check (says_where (message));
  free (message);
  nr_reports++;
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  report_set_sink (count_report);
  return 0;
}

/* The command line. */

/* A word without = is the size, as in nbdkit. */
static int
set_word (char *word)
{
  char *equals = strchr (word, '=');

  if (!equals)
    return conf_set (&conf, "size", word);
  *equals = '\0';
  return conf_set (&conf, word, equals + 1);
}

static int
set_words (char *line)
{
  char *word;

  if (ini.data && conf_set (&conf, "config", "ini") == -1)
    return -1;
  while ((word = strsep (&line, "\t")))
    if (*word && set_word (word) == -1)
      return -1;
  return 0;
}

/* What was accepted. */

static bool
is_listed (const struct codec_ops *ops)
{
  for (unsigned i = 0; codec_algorithms[i]; i++)
    if (codec_algorithms[i] == ops)
      return true;
  return false;
}

/* The size that the text says; in 128 bits, where nothing overflows. */
static unsigned __int128
exact_size (const char *text)
{
  static const char suffixes[] = "KMGTPE";
  char *end;
  const unsigned long long value = strtoull (text, &end, 0);
  const char *suffix = strchr (suffixes, toupper ((unsigned char) *end));

  return *end ? (unsigned __int128) value << 10 * (suffix - suffixes + 1) :
    value;
}

static void
check_sizes (const struct conf_export *export)
{
  const char *disksize = export->origins[CONF_DISKSIZE].text;
  const char *limit = export->origins[CONF_MEM_LIMIT].text;

  check (export->disksize_bytes > 0 && export->disksize_bytes % 4096 == 0);
  check (export->disksize_bytes <= INT64_MAX);
  check (export->disksize_bytes - exact_size (disksize) < 4096);
  check (export->mem_limit_bytes == (limit ? exact_size (limit) : 0));
}

static void
check_codec (const struct conf_codec *codec)
{
  if (!codec->algorithm)
    return;
  check (is_listed (codec->algorithm));
  check (codec_check_params (codec->algorithm, &codec->params) == NULL);
  check ((codec->params.dict != NULL) == (codec->params.dict_bytes > 0));
}

/* Who is listed comes in, and others are refused without a crash. */
static void
check_access (const struct access *access)
{
  struct access_peer peer = { .is_local = true, .uid = -1 };

  check (!access_refusal (access, &peer) == !access_is_limited (access));
  check ((access->patterns != NULL) ==
         (access->certificates == ACCESS_CERTIFICATES_LISTED));
  peer.is_tls = true;
  peer.name = "CN=a\\,b+UID=7,O=b\\";
  access_refusal (access, &peer);
  peer.name = access->patterns;
  for (size_t i = 0; i < access->nr_uids && !access->patterns; i++) {
    peer.uid = access->uids[i];
    check (!access_refusal (access, &peer));
  }
  peer.is_local = false;
  if (access->patterns && !strpbrk (access->patterns, ";*\\ \t"))
    check (!access_refusal (access, &peer));
}

static void
check_values (const struct conf_export *export)
{
  check (export->block_bytes >= BLOCK_BYTES_MIN &&
         export->block_bytes <= BLOCK_BYTES_MAX);
  check ((export->block_bytes & (export->block_bytes - 1)) == 0);
  check (export->codecs[0].algorithm != NULL);
  for (unsigned priority = 0; priority < NR_PRIORITIES; priority++)
    check_codec (&export->codecs[priority]);
  check_access (&export->access);
}

/* Is the text in this line of the ini file?  A file that was accepted has no
 * NUL byte. */
static bool
line_has (unsigned line, const char *text)
{
  const char *start = (const char *) ini.data;
  const char *end = start + ini.bytes, *newline;

  for (; line > 1; line--) {
    newline = memchr (start, '\n', end - start);
    check (newline != NULL);
    start = newline + 1;
  }
  newline = memchr (start, '\n', end - start);
  return memmem (start, (newline ? newline : end) - start, text,
                 strlen (text)) != NULL;
}

static void
check_origins (const struct conf_export *export)
{
  for (unsigned id = 0; id < NR_CONF_KEYS; id++) {
    const struct conf_origin *origin = &export->origins[id];
    const struct conf_origin *override = &conf.overrides[id];

    check (conf_keys[id].default_text || origin->text);
    if (override->text)
      check (strcmp (origin->text, override->text) == 0);
    check (!origin->file || origin->file == conf.file);
    if (origin->file)
      check (origin->line > 0 && line_has (origin->line, origin->text));
    else
      check (!origin->text == !override->text);
  }
}

static void
check_export (const struct conf_export *export)
{
  check_origins (export);
  check_sizes (export);
  check_values (export);
  if (conf.file) {
    check (*export->name && strcmp (export->name, "server") != 0);
    check (line_has (export->line, export->name));
    check (conf_find (&conf, export->name) == export);
  }
  else
    check (*export->name == '\0');
}

static void
check_accepted (void)
{
  check (conf.nr_exports > 0);
  check (conf_find (&conf, "") == &conf.exports[0]);
  if (conf.only)
    check (conf.nr_exports == 1 &&
           strcmp (conf.exports[0].name, conf.only) == 0);
  for (size_t i = 0; i < conf.nr_exports; i++)
    check_export (&conf.exports[i]);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t bytes)
{
  const uint8_t *newline = bytes > 0 ? memchr (data, '\n', bytes) : NULL;
  char *line = strndup ((const char *) data,
                        newline ? (size_t) (newline - data) : bytes);
  bool accepted;

  check (line != NULL);
  ini = (struct input) { NULL, 0 };
  if (newline)
    ini = (struct input) { newline + 1, bytes - (newline + 1 - data) };
  nr_reports = 0;
  accepted = set_words (line) == 0 && conf_finish (&conf) == 0;
  check (nr_reports == (accepted ? 0 : 1));
  if (accepted)
    check_accepted ();
  conf_free (&conf);
  check (nr_reports == (accepted ? 0 : 1));
  free (line);
  return 0;
}

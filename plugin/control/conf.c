/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration; see conf.h.
 *
 * inih cuts long lines and long section names without a word, knows no line
 * numbers in its handler and joins sections of one name.  So the file is read
 * here, line by line, handed to inih through its reader callback, and what inih
 * would pass over is caught on the way: the line that was handed over last is
 * the one that the handler is called for.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../store/checksum.h"
#include "../store/device.h"
#include "../store/report.h"
#include "conf.h"
#include "file.h"
#include "key.h"

/* What inih keeps of a section's name, as distributions build it, and what it
 * passes over before a line. */
#define SECTION_CHARS_MAX 49
#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define BLANKS " \t\r\v\f"

#define OUT_OF_MEMORY "out of memory"

/* Reports. */

int
conf_blame (const struct conf_export *export, enum conf_key_id id,
            const char *wrong)
{
  const struct conf_origin *origin = &export->origins[id];

  if (origin->text)
    return conf_complain (origin, conf_keys[id].name, wrong, origin->text);
  report_error ("%s", wrong);
  return -1;
}

/* Keys. */

static int
find_key (const char *name)
{
  for (int id = 0; id < NR_CONF_KEYS; id++)
    if (strcmp (name, conf_keys[id].name) == 0 ||
        (conf_keys[id].alias && strcmp (name, conf_keys[id].alias) == 0))
      return id;
  return -1;
}

/* Note a value, which must be the first for its key. */
static int
note_value (struct conf_origin *noted, const struct conf_origin *origin,
            const char *key, const char *value)
{
  if (noted->text)
    return conf_complain (origin, key, "given twice", value);
  *noted = *origin;
  noted->text = strdup (value);
  return noted->text ? 0 : conf_complain (origin, key, OUT_OF_MEMORY, value);
}

/* Parse a value into an export. */
static int
apply (struct conf_export *export, int id, const struct conf_origin *origin)
{
  const char *wrong = conf_keys[id].set (export, origin->text);

  if (wrong)
    return conf_complain (origin, conf_keys[id].name, wrong, origin->text);
  return 0;
}

/* Keys of the process, not of a device, which only the command line has, or
 * [server] too.  NULL: it is another key. */
static char **
process_key (struct conf *conf, const char *key)
{
  if (strcmp (key, "config") == 0)
    return &conf->file;
  if (strcmp (key, "export") == 0)
    return &conf->only;
  return strcmp (key, "control") == 0 ? &conf->control : NULL;
}

/* N:EXPORT, which may be given once for each export. */
static const char *
add_store_fd (struct conf *conf, const char *value)
{
  struct conf_store_fd *fds;
  char *end;
  const long fd = strtol (value, &end, 10);

  if (end == value || *end != ':' || fd < 0 || fcntl (fd, F_GETFD) == -1)
    return "not NUMBER:EXPORT with an open file descriptor";
  fds = reallocarray (conf->store_fds, conf->nr_store_fds + 1, sizeof *fds);
  if (!fds)
    return OUT_OF_MEMORY;
  conf->store_fds = fds;
  fds[conf->nr_store_fds] = (struct conf_store_fd) {
    .fd = fd, .export = strdup (end + 1),
  };
  return fds[conf->nr_store_fds++].export ? NULL : OUT_OF_MEMORY;
}

int
conf_set (struct conf *conf, const char *key, const char *value)
{
  const struct conf_origin here = { .file = NULL };
  char **string = process_key (conf, key);
  const int id = find_key (key);
  const char *wrong;

  if (strcmp (key, "store_fd") == 0) {
    wrong = add_store_fd (conf, value);
    return wrong ? conf_complain (&here, key, wrong, value) : 0;
  }
  if (string) {
    wrong = *string ? "given twice" :
      *value == '\0' && string != &conf->only ? "a path is missing" :
      conf_set_string (string, value);
    return wrong ? conf_complain (&here, key, wrong, value) : 0;
  }
  if (id == -1)
    return conf_complain (&here, key, "unknown key", value);
  return note_value (&conf->overrides[id], &here, key, value);
}

/* The file. */

struct reader {
  struct conf *conf;
  char *text, *next;            /* the whole file, and what inih gets next */
  size_t bytes;
  unsigned line;                /* handed over last; 0: none */
  bool failed;                  /* a message was given */
};

/* Only the first thing that is wrong is reported. */
static void
complain_here (struct reader *reader, const char *key, const char *wrong,
               const char *value)
{
  const struct conf_origin origin = {
    .file = reader->conf->file, .line = reader->line,
  };

  if (!reader->failed)
    conf_complain (&origin, key, wrong, value);
  reader->failed = true;
}

static struct conf_export *
find_section (const struct conf *conf, const char *name)
{
  for (size_t i = 0; i < conf->nr_exports; i++)
    if (strcmp (conf->exports[i].name, name) == 0)
      return &conf->exports[i];
  return NULL;
}

static struct conf_export *
add_export (struct conf *conf, const char *name, unsigned line)
{
  struct conf_export *exports =
    reallocarray (conf->exports, conf->nr_exports + 1, sizeof *exports);

  if (!exports)
    return NULL;
  conf->exports = exports;
  exports[conf->nr_exports] = (struct conf_export) {
    .name = strdup (name), .line = line,
  };
  for (unsigned priority = 0; priority < NR_PRIORITIES; priority++)
    exports[conf->nr_exports].codecs[priority].params.level =
      CODEC_LEVEL_DEFAULT;
  if (!exports[conf->nr_exports].name)
    return NULL;
  return &exports[conf->nr_exports++];
}

/* inih tells of a section only with its first key: see all of them here. */
static void
note_section (struct reader *reader, const char *name)
{
  if (*name == '\0' || strlen (name) > SECTION_CHARS_MAX)
    complain_here (reader, "section",
                   "a section's name has 1 to 49 characters", name);
  else if (strcmp (name, "server") == 0)
    return;
  else if (find_section (reader->conf, name))
    complain_here (reader, "section", "given twice", name);
  else if (!add_export (reader->conf, name, reader->line))
    complain_here (reader, "section", OUT_OF_MEMORY, name);
}

/* inih notices these only at the end, when a later line may have been
 * blamed. */
static void
check_syntax (struct reader *reader, const char *line)
{
  const char *bracket = *line == '[' ? strchr (line, ']') : NULL;
  const char *behind = bracket ? bracket + 1 : "";

  if (*line == '\0' || *line == ';' || *line == '#')
    return;
  behind += strspn (behind, BLANKS);
  if (bracket ? *behind != '\0' && *behind != ';' && *behind != '#' :
      *line == '[' || !strpbrk (line, "=:"))
    complain_here (reader, "line", "neither a [section] nor key = value", line);
}

static void
look_at_line (struct reader *reader, char *line, size_t chars)
{
  char *bracket;

  if (strlen (line) != chars)
    complain_here (reader, "line", "there is a NUL byte in it", line);
  if (chars > CONF_LINE_CHARS_MAX)
    complain_here (reader, "line", "longer than 198 characters", line);
  if (reader->line == 1 && strncmp (line, BYTE_ORDER_MARK, 3) == 0)
    line += 3;
  line += strspn (line, BLANKS);
  check_syntax (reader, line);
  if (*line != '[' || !(bracket = strchr (line, ']')))
    return;
  *bracket = '\0';
  note_section (reader, line + 1);
  *bracket = ']';
}

/* inih's reader: the next line, with its newline.  What does not fit has been
 * complained about and is cut. */
static char *
read_line (char *buffer, int size, void *opaque)
{
  struct reader *reader = opaque;
  char *line = reader->next;
  const size_t left = reader->text + reader->bytes - line;
  char *newline = memchr (line, '\n', left);
  const size_t chars = newline ? (size_t) (newline - line) : left;

  if (left == 0)
    return NULL;
  reader->line++;
  reader->next += newline ? chars + 1 : chars;
  line[chars] = '\0';
  look_at_line (reader, line, chars);
  snprintf (buffer, size, "%s\n", line);
  return buffer;
}

/* The command line's control wins. */
static void
note_server_key (struct reader *reader, const char *name, const char *value)
{
  const struct conf_origin origin = {
    .file = reader->conf->file, .line = reader->line,
  };
  struct conf *conf = reader->conf;

  if (conf_server_set (&conf->server, name, &origin, value) == -1)
    reader->failed = true;
  else if (strcmp (name, "control") == 0 && !conf->control &&
           conf_set_string (&conf->control, value) != NULL)
    complain_here (reader, name, OUT_OF_MEMORY, value);
}

static void
note_export_key (struct reader *reader, const char *section, const char *name,
                 const char *value)
{
  const struct conf_origin origin = {
    .file = reader->conf->file, .line = reader->line,
  };
  struct conf_export *export = find_section (reader->conf, section);
  const int id = find_key (name);

  if (!export)
    complain_here (reader, name, "a key before the first section", value);
  else if (id == -1)
    complain_here (reader, name, "unknown key", value);
  else if (note_value (&export->origins[id], &origin, name, value) == -1 ||
           apply (export, id, &export->origins[id]) == -1)
    reader->failed = true;
}

/* inih's handler. */
static int
note_key (void *opaque, const char *section, const char *name,
          const char *value)
{
  struct reader *reader = opaque;

  if (reader->failed)
    return 1;
  if (strcmp (section, "server") == 0)
    note_server_key (reader, name, value);
  else
    note_export_key (reader, section, name, value);
  return 1;
}

/* A line as it stands in the text; read_line ended it with a NUL. */
static const char *
line_text (const struct reader *reader, unsigned line)
{
  const char *text = reader->text;

  while (--line > 0)
    text += strlen (text) + 1;
  return text;
}

static int
parse (struct reader *reader)
{
  int bad_line;

  ini_allow_multiline = false;
  bad_line = ini_parse_stream (read_line, reader, note_key, reader);
  if (reader->failed)
    return -1;
  if (bad_line == 0)
    return 0;
  reader->line = bad_line < 0 ? reader->line : (unsigned) bad_line;
  complain_here (reader, "line",
                 bad_line < 0 ? OUT_OF_MEMORY :
                 "neither a [section] nor key = value",
                 reader->line ? line_text (reader, reader->line) : "");
  return -1;
}

static int
read_file (struct conf *conf)
{
  struct reader reader = { .conf = conf };
  const char *wrong = file_read (conf->file, &reader.text, &reader.bytes);
  int r;

  if (wrong) {
    report_error ("%s: cannot read the configuration: %s", conf->file, wrong);
    return -1;
  }
  reader.next = reader.text;
  r = parse (&reader);
  free (reader.text);
  return r;
}

/* Checks over several keys. */

/* Which priority a group of parameters is for; NR_PRIORITIES: none, and what is
 * wrong. */
static unsigned
params_priority (const struct conf_export *export,
                 const struct algorithm_words *words, const char **wrong)
{
  const struct conf_codec *codecs = export->codecs;
  unsigned priority = words->priority == -1 ? 0 : words->priority;
  const struct codec_ops *algorithm = words->algo ?
    codec_find (words->algo, wrong) : codecs[priority].algorithm;

  if (words->algo && words->priority == -1)
    while (priority < NR_PRIORITIES && codecs[priority].algorithm != algorithm)
      priority++;
  *wrong = NULL;
  if (priority < NR_PRIORITIES && !codecs[priority].algorithm)
    *wrong = "this priority has no algorithm";
  else if (priority == NR_PRIORITIES ||
           codecs[priority].algorithm != algorithm)
    *wrong = "algo= is not the device's algorithm";
  return *wrong ? NR_PRIORITIES : priority;
}

static const char *
apply_params (struct conf_export *export, const struct algorithm_words *words,
              unsigned *seen)
{
  const char *wrong;
  const unsigned priority = params_priority (export, words, &wrong);
  struct conf_codec *codec = &export->codecs[priority];
  int errnum;

  if (wrong)
    return wrong;
  if (*seen & 1u << priority)
    return "two groups for one priority";
  *seen |= 1u << priority;
  wrong = algorithm_load_params (words, &codec->params, &errnum);
  return wrong ? wrong : codec_check_params (codec->algorithm, &codec->params);
}

static int
apply_all_params (struct conf_export *export)
{
  const struct conf_origin *origin = &export->origins[CONF_ALGORITHM_PARAMS];
  const char *key = conf_keys[CONF_ALGORITHM_PARAMS].name;
  const char *wrong = NULL;
  unsigned seen = 0;

  for (unsigned i = 0; i < export->nr_params_words && !wrong; i++)
    wrong = apply_params (export, &export->params_words[i], &seen);
  return wrong ? conf_complain (origin, key, wrong, origin->text) : 0;
}

/* Blocks are numbered with 32 bits; shares take half of the numbers. */
static int
check_size (const struct conf_export *export)
{
  const uint64_t nr_blocks =
    (export->disksize_bytes - 1) / export->block_bytes + 1;

  if (nr_blocks > NR_BLOCKS_MAX)
    return conf_blame (export, CONF_DISKSIZE,
                       "more than 2^32 blocks, a larger block_size helps");
  if (export->use_dedup && nr_blocks > NR_BLOCKS_MAX / 2)
    return conf_blame (export, CONF_DISKSIZE,
                       "more than 2^31 blocks, too many for use_dedup");
  return 0;
}

/* What shares take up is not known before. */
static int
check_reserve (const struct conf_export *export)
{
  if (export->reserve_bytes > export->disksize_bytes)
    return conf_blame (export, CONF_RESERVE, "larger than the disk");
  if (export->reserve_bytes > 0 && export->use_dedup)
    return conf_blame (export, CONF_RESERVE, "not together with use_dedup");
  return 0;
}

static int
load_key (struct conf_export *export)
{
  const struct conf_origin *origin = &export->origins[CONF_BACKING_KEY];
  const char *wrong;
  int errnum;

  if (!export->backing_key_path)
    return 0;
  wrong = key_read (export->backing_key_path, export->backing.key, &errnum);
  export->backing.has_key = !wrong;
  return wrong ? conf_complain (origin, conf_keys[CONF_BACKING_KEY].name, wrong,
                           origin->text) : 0;
}

/* Fill in one key that the file did not give, or that the command line gives
 * too. */
static int
complete_key (const struct conf *conf, struct conf_export *export, int id)
{
  const struct conf_origin *override = &conf->overrides[id];
  struct conf_origin *origin = &export->origins[id];

  if (override->text) {
    free (origin->text);
    *origin = *override;
    origin->text = strdup (override->text);
    if (!origin->text)
      return conf_complain (override, conf_keys[id].name, OUT_OF_MEMORY,
                       override->text);
    return apply (export, id, origin);
  }
  if (origin->text)
    return 0;
  if (conf_keys[id].default_text) {
    conf_keys[id].set (export, conf_keys[id].default_text);
    return 0;
  }
  if (conf->file)
    report_error ("%s:%u: %s: missing in section [%s]", conf->file,
                  export->line, conf_keys[id].name, export->name);
  else
    report_error ("command line: %s: missing", conf_keys[id].name);
  return -1;
}

static int
complete_export (const struct conf *conf, struct conf_export *export)
{
  for (int id = 0; id < NR_CONF_KEYS; id++)
    if (complete_key (conf, export, id) == -1)
      return -1;
  if (check_size (export) == -1 || check_reserve (export) == -1 ||
      apply_all_params (export) == -1)
    return -1;
  return load_key (export);
}

static void
export_free (struct conf_export *export)
{
  free (export->name);
  for (unsigned priority = 0; priority < NR_PRIORITIES; priority++)
    free ((void *) export->codecs[priority].params.dict);
  while (export->nr_params_words > 0)
    algorithm_free (&export->params_words[--export->nr_params_words]);
  access_free (&export->access);
  free (export->backing_path);
  free (export->backing_key_path);
  free (export->store_path);
  explicit_bzero (&export->backing, sizeof export->backing);
  for (int id = 0; id < NR_CONF_KEYS; id++)
    free (export->origins[id].text);
}

/* export=NAME: drop the others.  Each of their values has been checked, but not
 * whether they go together. */
static int
keep_only (struct conf *conf)
{
  struct conf_export *kept = find_section (conf, conf->only);
  struct conf_export found;

  if (!kept) {
    report_error ("command line: export: no such section in %s: '%s'",
                  conf->file, conf->only);
    return -1;
  }
  found = *kept;
  for (size_t i = 0; i < conf->nr_exports; i++)
    if (&conf->exports[i] != kept)
      export_free (&conf->exports[i]);
  conf->exports[0] = found;
  conf->nr_exports = 1;
  return 0;
}

/* The exports, from the file or one from the command line. */
static int
collect_exports (struct conf *conf)
{
  if (conf->file) {
    if (read_file (conf) == -1)
      return -1;
    if (conf->nr_exports > 0)
      return conf->only ? keep_only (conf) : 0;
    report_error ("%s: no export: write a section with a name and a disksize",
                  conf->file);
    return -1;
  }
  if (conf->only) {
    report_error ("command line: export: needs config=FILE: '%s'", conf->only);
    return -1;
  }
  return add_export (conf, "", 0) ? 0 : -1;
}

/* A descriptor for an export that is not there would be content that nobody
 * sees. */
static int
give_store_fds (struct conf *conf)
{
  for (size_t i = 0; i < conf->nr_store_fds; i++) {
    const struct conf_store_fd *given = &conf->store_fds[i];
    struct conf_export *export = find_section (conf, given->export);

    if (!export && *given->export == '\0' && conf->nr_exports == 1)
      export = &conf->exports[0];
    if (!export || export->has_store_fd)
      return conf_complain (&(struct conf_origin) { .file = NULL }, "store_fd",
                       export ? "given twice" : "there is no such export",
                       given->export);
    export->has_store_fd = true;
    export->store_fd = given->fd;
  }
  return 0;
}

int
conf_finish (struct conf *conf)
{
  if (collect_exports (conf) == -1 ||
      conf_server_complete (&conf->server) == -1)
    return -1;
  for (size_t i = 0; i < conf->nr_exports; i++)
    if (complete_export (conf, &conf->exports[i]) == -1)
      return -1;
  return give_store_fds (conf);
}

uint64_t
conf_tag (const struct conf_export *export)
{
  uint64_t tag = 1;

  for (int id = 0; id < NR_CONF_KEYS; id++) {
    const char *text = export->origins[id].text ? export->origins[id].text :
      conf_keys[id].default_text;

    tag = checksum_of_bytes (text, strlen (text), tag + id);
  }
  return tag ? tag : 1;
}

bool
conf_locks_memory (const struct conf *conf)
{
  for (size_t i = 0; i < conf->nr_exports; i++)
    if (conf->exports[i].lock_memory)
      return true;
  return false;
}

void
conf_free (struct conf *conf)
{
  for (size_t i = 0; i < conf->nr_exports; i++)
    export_free (&conf->exports[i]);
  for (int id = 0; id < NR_CONF_KEYS; id++)
    free (conf->overrides[id].text);
  for (size_t i = 0; i < conf->nr_store_fds; i++)
    free (conf->store_fds[i].export);
  free (conf->store_fds);
  free (conf->exports);
  free (conf->file);
  free (conf->only);
  free (conf->control);
  conf_server_free (&conf->server);
  *conf = (struct conf) { .file = NULL };
}

const struct conf_export *
conf_find (const struct conf *conf, const char *name)
{
  if (*name == '\0')
    return conf->nr_exports > 0 ? &conf->exports[0] : NULL;
  return find_section (conf, name);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands that read and write attributes; see attribute.h. */
#include <config.h>

#include <ctype.h>
#include <err.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../plugin/control/protocol.h"
#include "../plugin/control/units.h"

#include "attribute.h"
#include "client.h"
#include "devices.h"
#include "progress.h"
#include "size.h"
#include "stats.h"

/* Connect, find the device, and do something with it and the words behind. */
typedef int device_act (struct client *client, const char *device,
                        struct arguments *arguments, const void *opaque);

static int
with_device (const char *control, struct arguments *arguments,
             device_act *act, const void *opaque)
{
  struct client *client = client_open (control);
  struct devices devices;
  const char *device;
  int status = STATUS_FAILED;

  if (client && devices_list (client, &devices) == 0) {
    status = devices_choose (&devices, arguments, &device);
    if (status == STATUS_OK)
      status = act (client, device, arguments, opaque);
    devices_free (&devices);
  }
  client_close (client);
  return status;
}

static int
not_a_device (const char *word)
{
  warnx ("there is no device '%s'", word);
  return STATUS_FAILED;
}

/* 1: the server answered an error; -1: it is gone; a message was given. */
static int
store (struct client *client, const char *device, const char *attribute,
       const char *value)
{
  struct answer answer;

  if (progress_store (client, device, attribute, value, &answer) == -1)
    return -1;
  if (!answer.ok)
    warnx ("%s: %s: %s", device, attribute, answer.text);
  free (answer.text);
  return answer.ok ? 0 : 1;
}

static int
status_of (int r)
{
  return r == 0 ? STATUS_OK : STATUS_FAILED;
}

static bool
is_one_word (const char *text)
{
  return *text && !strpbrk (text, " \t\n\r\v\f");
}

/* show. */

static void
print_piece (void *opaque, const char *piece, size_t bytes)
{
  fwrite (piece, 1, bytes, stdout);
}

struct prefix {
  const char *attribute;
  bool in_line;                 /* it was printed for this one */
};

/* As grep prints the files of a directory. */
static void
print_prefixed (void *opaque, const char *piece, size_t bytes)
{
  struct prefix *prefix = opaque;

  for (; bytes > 0; piece++, bytes--) {
    if (!prefix->in_line)
      printf ("%s: ", prefix->attribute);
    putchar (*piece);
    prefix->in_line = *piece != '\n';
  }
}

/* As client_show_long. */
static int
show_one (struct client *client, const char *device, const char *attribute,
          bool is_prefixed)
{
  struct prefix prefix = { .attribute = attribute };

  return client_show_long (client, device, attribute,
                           is_prefixed ? print_prefixed : print_piece,
                           &prefix);
}

/* A line of what the server says of its attributes: NAME MODE WHAT.  Not shown
 * unasked are those that cannot be read, and the tables with a line for each
 * block or size class. */
static bool
is_shown_unasked (const char *name, const char *mode)
{
  return mode && strchr (mode, 'r') && strcmp (name, "block_state") != 0 &&
    strcmp (name, "classes") != 0;
}

static int
show_lines (struct client *client, const char *device, char *lines)
{
  char *line, *next, *name, *mode, *rest;
  int status = STATUS_OK, r = 0;

  for (line = strtok_r (lines, "\n", &next); line && r != -1;
       line = strtok_r (NULL, "\n", &next)) {
    name = strtok_r (line, " \t", &rest);
    mode = name ? strtok_r (NULL, " \t", &rest) : NULL;
    if (name && is_shown_unasked (name, mode))
      r = show_one (client, device, name, true);
    if (r != 0)
      status = STATUS_FAILED;
  }
  return status;
}

static int
show_all (struct client *client, const char *device)
{
  struct answer answer;
  int status = STATUS_FAILED;

  if (client_send (client, "help") == -1 ||
      client_receive (client, &answer) == -1)
    return STATUS_FAILED;
  if (answer.ok)
    status = show_lines (client, device, answer.text);
  else
    warnx ("%s: %s", client_path (client), answer.text);
  free (answer.text);
  return status;
}

static int
show_act (struct client *client, const char *device,
          struct arguments *arguments, const void *opaque)
{
  const bool is_prefixed = arguments->nr_words > 1;
  int status = STATUS_OK, r = 0;

  if (arguments->nr_words == 0)
    return show_all (client, device);
  while (arguments->nr_words > 0 && r != -1) {
    r = show_one (client, device, arguments_shift (arguments), is_prefixed);
    if (r != 0)
      status = STATUS_FAILED;
  }
  return status;
}

/* Only a device may have blanks in its name. */
int
show_run (const char *control, struct arguments *arguments)
{
  for (unsigned i = 1; i < arguments->nr_words; i++)
    if (!is_one_word (arguments->words[i])) {
      warnx ("show: not an attribute: '%s'", arguments->words[i]);
      return STATUS_USAGE;
    }
  return with_device (control, arguments, show_act, NULL);
}

/* set. */

static int
set_one (struct client *client, const char *device, const char *word)
{
  const char *equals = strchr (word, '=');
  char *attribute = equals ? strndup (word, equals - word) : NULL;
  int status = STATUS_USAGE;

  if (attribute && is_one_word (attribute))
    status = status_of (store (client, device, attribute, equals + 1));
  else
    warnx ("set: not ATTRIBUTE=VALUE: '%s'", word);
  free (attribute);
  return status;
}

/* In their order; the first one that fails is the last. */
static int
set_act (struct client *client, const char *device,
         struct arguments *arguments, const void *opaque)
{
  int status = STATUS_OK;

  if (arguments->nr_words > 0 && !strchr (arguments->words[0], '='))
    return not_a_device (arguments->words[0]);
  while (arguments->nr_words > 0 && status == STATUS_OK)
    status = set_one (client, device, arguments_shift (arguments));
  return status;
}

int
set_run (const char *control, struct arguments *arguments)
{
  const unsigned nr = arguments->nr_words;

  if (nr == 0 || (nr == 1 && !strchr (arguments->words[0], '='))) {
    warnx ("set: say ATTRIBUTE=VALUE");
    return STATUS_USAGE;
  }
  for (unsigned i = 1; i < nr; i++)
    if (!strchr (arguments->words[i], '=')) {
      warnx ("set: not ATTRIBUTE=VALUE: '%s'", arguments->words[i]);
      return STATUS_USAGE;
    }
  return with_device (control, arguments, set_act, NULL);
}

/* What takes long: its value is made of options. */

struct operation {
  const char *attribute;
  const char *value;
  /* Say what came of it; NULL: nothing to say. */
  void (*print) (const struct mm_stat mm[2], const struct bd_stat bd[2]);
};

/* Before and after. */
static void
print_change (const char *what, uint64_t before, uint64_t after)
{
  char text[2][SIZE_TEXT_BYTES];

  printf ("%s %s -> %s", what, size_format (text[0], before),
          size_format (text[1], after));
}

static int
get_stats (struct client *client, const char *device, struct mm_stat *mm,
           struct bd_stat *bd)
{
  return stats_get_mm (client, device, mm) == -1 ||
    stats_get_bd (client, device, bd) == -1 ? -1 : 0;
}

static bool
has_changed (const struct mm_stat mm[2], const struct bd_stat bd[2])
{
  return memcmp (&mm[0], &mm[1], sizeof *mm) != 0 ||
    memcmp (&bd[0], &bd[1], sizeof *bd) != 0;
}

/* A store that failed half-way has done the first half, which is told too. */
static int
operate (struct client *client, const char *device,
         struct arguments *arguments, const void *opaque)
{
  const struct operation *operation = opaque;
  struct mm_stat mm[2];
  struct bd_stat bd[2];
  int r;

  if (arguments->nr_words > 0)
    return not_a_device (arguments->words[0]);
  if (operation->print && get_stats (client, device, &mm[0], &bd[0]) == -1)
    return STATUS_FAILED;
  r = store (client, device, operation->attribute, operation->value);
  if (r == -1 || !operation->print)
    return status_of (r);
  if (get_stats (client, device, &mm[1], &bd[1]) == -1)
    return STATUS_FAILED;
  if (r == 0 || has_changed (mm, bd)) {
    printf ("%s: ", device);
    operation->print (mm, bd);
    putchar ('\n');
  }
  return status_of (r);
}

/* Only a device can be said. */
static bool
has_more_than_a_device (const char *command, const struct arguments *arguments)
{
  if (arguments->nr_words <= 1)
    return false;
  warnx ("%s: what is '%s'?", command, arguments->words[1]);
  return true;
}

static int
operation_run (const char *control, struct arguments *arguments,
               const struct operation *operation)
{
  if (has_more_than_a_device (operation->attribute, arguments))
    return STATUS_USAGE;
  return with_device (control, arguments, operate, operation);
}

/* compact, reset. */

static void
print_compacted (const struct mm_stat mm[2], const struct bd_stat bd[2])
{
  print_change ("memory", mm[0].mem_used_bytes, mm[1].mem_used_bytes);
  printf (", pages freed: %" PRIu64, mm[1].nr_compacted - mm[0].nr_compacted);
}

int
compact_run (const char *control, struct arguments *arguments)
{
  const struct operation compact = { "compact", "1", print_compacted };

  return operation_run (control, arguments, &compact);
}

int
reset_run (const char *control, struct arguments *arguments)
{
  const struct operation reset = { "reset", "1", NULL };

  return operation_run (control, arguments, &reset);
}

/* idle. */

/* The attribute takes all or seconds. */
static bool
parse_idle (const char *text, char value[UNITS_CHARS])
{
  uint32_t age_s;

  if (strcmp (text, "all") == 0)
    strcpy (value, "all");
  else if (isdigit ((unsigned char) *text) &&
           units_parse_time (text, &age_s))
    snprintf (value, UNITS_CHARS, "%" PRIu32, age_s);
  else
    return false;
  return true;
}

/* The word that is left is no device. */
static int
idle_act (struct client *client, const char *device,
          struct arguments *arguments, const void *opaque)
{
  char value[UNITS_CHARS] = "all";

  if (arguments->nr_words > 1)
    return not_a_device (arguments->words[0]);
  if (arguments->nr_words == 1 && !parse_idle (arguments->words[0], value))
    return not_a_device (arguments->words[0]);
  return status_of (store (client, device, "idle", value));
}

int
idle_run (const char *control, struct arguments *arguments)
{
  char value[UNITS_CHARS];

  if (arguments->nr_words > 2) {
    warnx ("idle: what is '%s'?", arguments->words[2]);
    return STATUS_USAGE;
  }
  if (arguments->nr_words == 2 && !parse_idle (arguments->words[1], value)) {
    warnx ("idle: neither all nor an age like 90s, 2h or 1d: '%s'",
           arguments->words[1]);
    return STATUS_USAGE;
  }
  return with_device (control, arguments, idle_act, NULL);
}

/* recompress, writeback: each option is a key of the attribute, and a word like
 * KEY=VALUE is the same, as one would echo it to the kernel. */

const struct option_spec recompress_options[] = {
  { "type", 0, "TYPE", "only these blocks: idle, huge or huge_idle" },
  { "threshold", 0, "SIZE", "only blocks that take at least so much" },
  { "algo", 0, "NAME", "with this algorithm" },
  { "priority", 0, "N", 
    "with the algorithm of this priority, 1 to 3;\n"
    "0: what replaced algorithms left (default 1)" },
  { "max-pages", 0, "N", "try so many at the most" },
  { .name = NULL }
};

const struct option_spec writeback_options[] = {
  { "type", 0, "TYPE",
    "these blocks: idle, huge, huge_idle or incompressible" },
  { "page-index", 0, "N", "this block; may be repeated" },
  { "page-indexes", 0, "LO-HI", "blocks LO to HI; may be repeated" },
  { .name = NULL }
};

/* A type is one of those that the help names. */
static const char *const recompress_types[] = {
  "idle", "huge", "huge_idle", NULL
};
static const char *const writeback_types[] = {
  "idle", "huge", "huge_idle", "incompressible", NULL
};

static bool
is_type (const char *text, const char *const types[])
{
  while (*types && strcmp (text, *types) != 0)
    types++;
  return *types;
}

static bool
is_number (const char *text)
{
  uint64_t value;

  return units_parse_number (text, 10, UINT64_MAX, &value) == 0;
}

static bool
is_range (const char *text)
{
  const char *dash = strchr (text, '-');
  char low[UNITS_CHARS];

  if (!dash || dash - text >= UNITS_CHARS)
    return false;
  snprintf (low, sizeof low, "%.*s", (int) (dash - text), text);
  return is_number (low) && is_number (dash + 1);
}

struct value {
  const char *command;
  const struct option_spec *options;
  const char *const *types;
  char text[PROTOCOL_LINE_BYTES_MAX];
};

static bool
is_good (const struct value *value, const char *name, const char *text)
{
  uint64_t bytes;

  if (strcmp (name, "type") == 0)
    return is_type (text, value->types);
  if (strcmp (name, "algo") == 0)
    return is_one_word (text);
  if (strcmp (name, "threshold") == 0)
    return units_parse_size (text, &bytes);
  if (strcmp (name, "page-indexes") == 0)
    return is_range (text);
  return is_number (text);
}

/* The kernel's keys have underscores, and its threshold has no suffix. */
static bool
append (struct value *value, const char *name, const char *text)
{
  const size_t used = strlen (value->text);
  char key[UNITS_CHARS], number[UNITS_CHARS];
  uint64_t bytes;

  if (!is_good (value, name, text)) {
    warnx ("%s: --%s: not what it takes: '%s'", value->command, name, text);
    return false;
  }
  if (strcmp (name, "threshold") == 0 && units_parse_size (text, &bytes)) {
    snprintf (number, sizeof number, "%" PRIu64, bytes);
    text = number;
  }
  snprintf (key, sizeof key, "%s", name);
  for (char *dash = key; (dash = strchr (dash, '-'));)
    *dash = '_';
  snprintf (value->text + used, sizeof value->text - used, "%s%s=%s",
            used > 0 ? " " : "", key, text);
  return true;
}

/* The option of a word like max_pages=7; *text is then its value. */
static const char *
option_of_word (const struct option_spec *options, const char *word,
                const char **text)
{
  size_t i;

  for (; options->name; options++) {
    for (i = 0; options->name[i]; i++)
      if (word[i] != options->name[i] &&
          !(options->name[i] == '-' && word[i] == '_'))
        break;
    if (!options->name[i] && word[i] == '=') {
      *text = word + i + 1;
      return options->name;
    }
  }
  return NULL;
}

/* Words that are keys go into the value, the others stay. */
static bool
append_words (struct value *value, struct arguments *arguments)
{
  const char *name, *text;
  unsigned left = 0;

  for (unsigned i = 0; i < arguments->nr_words; i++) {
    name = option_of_word (value->options, arguments->words[i], &text);
    if (!name)
      arguments->words[left++] = arguments->words[i];
    else if (!append (value, name, text))
      return false;
  }
  arguments->nr_words = left;
  return true;
}

static bool
append_options (struct value *value, const struct arguments *arguments)
{
  for (unsigned i = 0; i < arguments->nr_options; i++)
    if (strcmp (arguments->options[i].name, "control") != 0 &&
        !append (value, arguments->options[i].name,
                 arguments->options[i].value))
      return false;
  return true;
}

static bool
make_value (struct value *value, struct arguments *arguments)
{
  return append_options (value, arguments) && append_words (value, arguments);
}

static void
print_recompressed (const struct mm_stat mm[2], const struct bd_stat bd[2])
{
  print_change ("compressed data", mm[0].compr_data_bytes,
                mm[1].compr_data_bytes);
  print_change (", memory", mm[0].mem_used_bytes, mm[1].mem_used_bytes);
}

/* The kernel's default is said, so that the value is never empty. */
int
recompress_run (const char *control, struct arguments *arguments)
{
  struct value value = {
    "recompress", recompress_options, recompress_types, ""
  };
  struct operation recompress = {
    "recompress", value.text, print_recompressed
  };

  if (!make_value (&value, arguments))
    return STATUS_USAGE;
  if (!*value.text)
    recompress.value = "priority=1";
  return operation_run (control, arguments, &recompress);
}

static void
print_written (const struct mm_stat mm[2], const struct bd_stat bd[2])
{
  print_change ("backing file", bd[0].count * 4096, bd[1].count * 4096);
  print_change (", memory", mm[0].mem_used_bytes, mm[1].mem_used_bytes);
}

int
writeback_run (const char *control, struct arguments *arguments)
{
  struct value value = {
    "writeback", writeback_options, writeback_types, ""
  };
  const struct operation writeback = {
    "writeback", value.text, print_written
  };

  if (!make_value (&value, arguments))
    return STATUS_USAGE;
  if (*value.text)
    return operation_run (control, arguments, &writeback);
  warnx ("writeback: say which blocks: --type=TYPE, --page-index=N or "
         "--page-indexes=LO-HI");
  return STATUS_USAGE;
}

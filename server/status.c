/* SPDX-License-Identifier: BSD-3-Clause */
/* nbdzram status; see status.h. */
#include <config.h>

#include <err.h>
#include <inttypes.h>
#include <libsmartcols.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "devices.h"
#include "safeguards.h"
#include "size.h"
#include "stats.h"
#include "status.h"

const struct option_spec status_options[] = {
  { "bytes", 'b', NULL, "sizes in bytes" },
  { "json", 'J', NULL, "a JSON object" },
  { "noheadings", 'n', NULL, "no line of column names" },
  { "output", 'o', "LIST", "these columns, with commas between them" },
  { "output-all", 0, NULL, "all columns" },
  { "raw", 0, NULL, "one blank between columns" },
  { .name = NULL }
};

/* What is known of a device. */
struct row {
  const char *name;
  struct mm_stat mm;
  uint64_t disksize_bytes;
  uint64_t nr_streams;
  char *algorithm;
  char ratio[SIZE_TEXT_BYTES];  /* "" while it holds nothing */
  const char *mountpoint;       /* of the block device that a client made */
};

enum column_kind {
  COLUMN_TEXT,                  /* a char * */
  COLUMN_RATIO,                 /* a number that is text already */
  COLUMN_SIZE,                  /* a uint64_t, in bytes */
  COLUMN_COUNT,                 /* a uint64_t */
};

static const struct column {
  const char *name;
  enum column_kind kind;
  size_t offset;                /* in a row */
  const char *help;
} columns[] = {
#define COLUMN(name, kind, member, help)                                      \
  { name, COLUMN_##kind, offsetof (struct row, member), help }
  COLUMN ("NAME", TEXT, name, "device name"),
  COLUMN ("DISKSIZE", SIZE, disksize_bytes, "size of the disk"),
  COLUMN ("DATA", SIZE, mm.orig_data_bytes, "size of what is stored on it"),
  COLUMN ("COMPR", SIZE, mm.compr_data_bytes, "the same, compressed"),
  COLUMN ("ALGORITHM", TEXT, algorithm, "what compresses it"),
  COLUMN ("STREAMS", COUNT, nr_streams, "how many compress at a time"),
  COLUMN ("ZERO-PAGES", COUNT, mm.nr_same,
          "blocks of one repeated word, which take no memory"),
  COLUMN ("TOTAL", SIZE, mm.mem_used_bytes, "memory used"),
  COLUMN ("MEM-LIMIT", SIZE, mm.mem_limit_bytes,
          "memory that may be used; 0: no limit"),
  COLUMN ("MEM-USED", SIZE, mm.mem_max_bytes, "most memory that was used"),
  COLUMN ("MIGRATED", COUNT, mm.nr_compacted, "pages freed by compaction"),
  COLUMN ("COMP-RATIO", RATIO, ratio, "compression ratio: DATA/TOTAL"),
  COLUMN ("MOUNTPOINT", TEXT, mountpoint, "where it is mounted"),
#undef COLUMN
};

#define NR_COLUMNS (sizeof columns / sizeof *columns)

/* A column named twice is shown twice. */
#define CHOSEN_MAX (2 * NR_COLUMNS)

struct choice {
  const struct column *columns[CHOSEN_MAX];
  size_t nr;
  bool in_bytes;
};

/* Columns. */

static const struct column *
find_column (const char *name)
{
  for (size_t i = 0; i < NR_COLUMNS; i++)
    if (strcasecmp (columns[i].name, name) == 0)
      return &columns[i];
  return NULL;
}

static bool
choose_column (struct choice *choice, const char *name)
{
  const struct column *column = find_column (name);

  if (!column)
    warnx ("status: there is no column '%s', see nbdzram status --help", name);
  else if (choice->nr == CHOSEN_MAX)
    warnx ("status: more than %zu columns", CHOSEN_MAX);
  else {
    choice->columns[choice->nr++] = column;
    return true;
  }
  return false;
}

static bool
choose_listed (struct choice *choice, const char *list)
{
  char *copy = strdup (list), *rest, *name;
  bool good = copy != NULL;

  if (!copy)
    warnx ("out of memory");
  for (name = good ? strtok_r (copy, ",", &rest) : NULL; good && name;
       name = strtok_r (NULL, ",", &rest))
    good = choose_column (choice, name);
  if (good && choice->nr == 0) {
    warnx ("status: --output names no column");
    good = false;
  }
  free (copy);
  return good;
}

static bool
choose_columns (struct choice *choice, const struct arguments *arguments)
{
  const char *list = arguments_get (arguments, "output");

  choice->nr = 0;
  choice->in_bytes = arguments_get (arguments, "bytes");
  if (list && !arguments_get (arguments, "output-all"))
    return choose_listed (choice, list);
  for (; choice->nr < NR_COLUMNS; choice->nr++)
    choice->columns[choice->nr] = &columns[choice->nr];
  return true;
}

void
status_print_columns (void)
{
  puts ("\ncolumns:");
  for (size_t i = 0; i < NR_COLUMNS; i++)
    printf ("  %-10s  %s\n", columns[i].name, columns[i].help);
}

/* Rows. */

/* The one in brackets: lzo [zstd] lz4.  Cut out in place. */
static char *
algorithm_in_use (char *list)
{
  char *start = strchr (list, '['), *end = start ? strchr (start, ']') : NULL;

  if (!end)
    return strcpy (list, "");
  *end = '\0';
  return memmove (list, start + 1, end - start);
}

static bool
read_row (struct client *client, const char *name, struct row *row)
{
  memset (row, 0, sizeof *row);
  row->name = name;
  row->mountpoint = "";
  if (stats_get_mm (client, name, &row->mm) == -1 ||
      stats_get_number (client, name, "disksize", &row->disksize_bytes) == -1 ||
      stats_get_number (client, name, "max_comp_streams",
                        &row->nr_streams) == -1)
    return false;
  if (row->mm.orig_data_bytes != 0 && row->mm.mem_used_bytes != 0)
    snprintf (row->ratio, sizeof row->ratio, "%.4f",
              (double) row->mm.orig_data_bytes / row->mm.mem_used_bytes);
  row->algorithm = client_show (client, name, "comp_algorithm");
  if (row->algorithm)
    algorithm_in_use (row->algorithm);
  return row->algorithm != NULL;
}

static const char *
cell_text (const struct column *column, const struct row *row, bool in_bytes,
           char text[SIZE_TEXT_BYTES])
{
  const char *member = (const char *) row + column->offset;
  uint64_t value;

  if (column->kind == COLUMN_TEXT)
    return *(char *const *) member;
  if (column->kind == COLUMN_RATIO)
    return member;
  memcpy (&value, member, sizeof value);
  if (column->kind == COLUMN_SIZE && !in_bytes)
    return size_format (text, value);
  snprintf (text, SIZE_TEXT_BYTES, "%" PRIu64, value);
  return text;
}

/* Table. */

static bool
add_column (struct libscols_table *table, const struct column *column,
            bool in_bytes)
{
  const bool is_text = column->kind == COLUMN_TEXT;
  const bool is_number = !is_text && (column->kind != COLUMN_SIZE || in_bytes);
  struct libscols_column *added =
    scols_table_new_column (table, column->name, 0,
                            is_text ? 0 : SCOLS_FL_RIGHT);

  return added &&
    scols_column_set_json_type (added, is_number ? SCOLS_JSON_NUMBER :
                                SCOLS_JSON_STRING) == 0;
}

static bool
add_row (struct libscols_table *table, const struct choice *choice,
         const struct row *row)
{
  struct libscols_line *line = scols_table_new_line (table, NULL);
  char text[SIZE_TEXT_BYTES];
  bool good = line != NULL;

  for (size_t i = 0; good && i < choice->nr; i++)
    good = scols_line_set_data (line, i,
                                cell_text (choice->columns[i], row,
                                           choice->in_bytes, text)) == 0;
  return good;
}

static struct libscols_table *
make_table (const struct choice *choice, const struct arguments *arguments)
{
  struct libscols_table *table = scols_new_table ();
  bool good = table && scols_table_set_name (table, "devices") == 0;

  for (size_t i = 0; good && i < choice->nr; i++)
    good = add_column (table, choice->columns[i], choice->in_bytes);
  if (!good) {
    scols_unref_table (table);
    return NULL;
  }
  scols_table_enable_json (table, arguments_get (arguments, "json") != NULL);
  scols_table_enable_raw (table, arguments_get (arguments, "raw") != NULL);
  scols_table_enable_noheadings (table,
                                 arguments_get (arguments, "noheadings") !=
                                 NULL);
  return table;
}

/* A device that cannot be read is left out, and the status says so. */
static int
fill_table (struct libscols_table *table, const struct choice *choice,
            struct client *client, const struct devices *devices,
            const char *only)
{
  int status = STATUS_OK;
  struct row row;

  for (size_t i = 0; i < devices->nr; i++) {
    if (only && strcmp (devices->names[i], only) != 0)
      continue;
    if (!read_row (client, devices->names[i], &row) ||
        !add_row (table, choice, &row))
      status = STATUS_FAILED;
    free (row.algorithm);
  }
  return status;
}

/* Programs have the attribute. */
static bool
is_for_people (const struct arguments *arguments)
{
  return !arguments_get (arguments, "json") &&
    !arguments_get (arguments, "raw") &&
    !arguments_get (arguments, "noheadings") &&
    !arguments_get (arguments, "output");
}

static int
print_devices (struct client *client, const struct devices *devices,
               const struct choice *choice, struct arguments *arguments)
{
  struct libscols_table *table;
  const char *only = NULL;
  int status = STATUS_OK;

  if (arguments->nr_words > 0) {
    status = devices_choose (devices, arguments, &only);
    if (status == STATUS_OK && arguments->nr_words > 0)
      status = devices_complain (devices, arguments->words[0]);
  }
  if (status != STATUS_OK)
    return status;
  table = make_table (choice, arguments);
  if (!table) {
    warnx ("out of memory");
    return STATUS_FAILED;
  }
  status = fill_table (table, choice, client, devices, only);
  if (scols_print_table (table) != 0 ||
      (is_for_people (arguments) &&
       safeguards_print (client, devices, only) == -1))
    status = STATUS_FAILED;
  scols_unref_table (table);
  return status;
}

static bool
usage_is_good (const struct arguments *arguments)
{
  if (arguments->nr_words > 1)
    warnx ("status: what is '%s'?", arguments->words[1]);
  else if (arguments_get (arguments, "json") &&
           arguments_get (arguments, "raw"))
    warnx ("status: --json or --raw, not both");
  else
    return true;
  return false;
}

int
status_run (const char *control, struct arguments *arguments)
{
  struct client *client;
  struct devices devices;
  struct choice choice;
  int status = STATUS_FAILED;

  if (!usage_is_good (arguments) || !choose_columns (&choice, arguments))
    return STATUS_USAGE;
  client = client_open (control);
  if (client && devices_list (client, &devices) == 0) {
    status = print_devices (client, &devices, &choice, arguments);
    devices_free (&devices);
  }
  client_close (client);
  return status;
}

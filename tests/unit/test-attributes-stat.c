/* SPDX-License-Identifier: BSD-3-Clause */
/* What is counted, in the columns that the kernel documents. */
#include <config.h>

#include "attribute_fixture.h"
#include "arena.h"
#include "model.h"

/* Columns. */

/* Print what was shown again, by the kernel's format; returns where it ends. */
static const char *
reprint_number (FILE *out, const char *format, const char **rest, char kind)
{
  const bool zeroes = *format == '0';
  const int width = atoi (format);
  char *end;

  if (kind == 'c')
    fputc (*(*rest)++, out);
  else if (kind == 's') {
    const char *word = *rest + strspn (*rest, " ");
    const int chars = strcspn (word, " \n");

    fprintf (out, "%*.*s", width, chars, word);
    *rest = word + chars;
  }
  else {
    fprintf (out, zeroes ? "%0*llu" : "%*llu", width,
             strtoull (*rest, &end, 10));
    *rest = end;
  }
  return format + strcspn (format, "cdsu") + 1;
}

static void
check_line (const char *format, const char **rest)
{
  const char *line = *rest;
  char *reprinted = NULL;
  size_t bytes = 0;
  FILE *out = open_memstream (&reprinted, &bytes);

  check (out);
  while (*format)
    if (*format == '%')
      format = reprint_number (out, format + 1, rest,
                               format[strcspn (format, "cdsu")]);
    else {
      fputc (*format++, out);
      (*rest)++;
    }
  check (fclose (out) == 0);
  if (strncmp (line, reprinted, bytes) != 0)
    check_str_equal (line, reprinted);
  free (reprinted);
}

/* An attribute with a column's name shows what the column does. */
static void
check_column_name (const char *attribute, const char *name, unsigned index)
{
  printf ("  %s: %s\n", attribute, name);
  if (attribute_find (name))
    check (column (attribute, index) == show_number (name));
}

static void
check_column_names (const char *attribute, char *names, unsigned *index)
{
  char *rest = NULL, *name;

  for (name = strtok_r (names, " ", &rest); name;
       name = strtok_r (NULL, " ", &rest))
    if (strcmp (attribute, "classes") != 0)
      check_column_name (attribute, name, (*index)++);
}

static FILE *
open_columns (void)
{
  const char *top = getenv ("top_srcdir");
  char path[4096];
  FILE *file;

  snprintf (path, sizeof path, "%s/tests/unit/zram-columns.txt",
            top ? top : "../..");
  file = fopen (path, "r");
  check (file);
  return file;
}

/* Without a comment: an attribute, or + for more of the one before. */
static void
check_columns_of (char *line)
{
  static char attribute[40], text[sizeof shown];
  static const char *rest;
  static unsigned index;
  const bool more = *line == '+';
  char *format = more ? line + 1 : strchr (line, '|') + 1;
  char *names = strchr (format, '|');

  if (names)
    *names++ = '\0';
  if (!more) {
    snprintf (attribute, sizeof attribute, "%.*s", (int) (format - line - 1),
              line);
    rest = strcpy (text, show (attribute));
    index = 0;
  }
  check_line (format, &rest);
  if (names)
    check_column_names (attribute, names, &index);
}

static void
columns_are_the_kernels (void)
{
  FILE *file = open_columns ();
  char *line = NULL;
  size_t capacity = 0;
  unsigned nr_lines = 0;

  check (store ("mem_limit", "512M") == 0);
  while (getline (&line, &capacity, file) != -1) {
    line[strcspn (line, "\n")] = '\0';
    if (*line != '#' && *line) {
      check_columns_of (line);
      nr_lines++;
    }
  }
  check (nr_lines > 10);
  free (line);
  fclose (file);
}

static void
mm_stat_counts_what_is_stored (void)
{
  check (column ("mm_stat", 0) == 3 * NR_EACH * BLOCK_BYTES);
  check (column ("mm_stat", 1) > NR_EACH * BLOCK_BYTES);
  check (column ("mm_stat", 1) < 2 * NR_EACH * BLOCK_BYTES);
  /* All memory, not only the pages with objects in them. */
  check (column ("mm_stat", 2) > column ("mm_stat", 1));
  check (column ("mm_stat", 2) == export.device->budget.used_bytes);
  check (column ("mm_stat", 3) == 0);
  check (column ("mm_stat", 4) >= column ("mm_stat", 2));
  check (column ("mm_stat", 5) == NR_EACH);
  check (column ("mm_stat", 7) == NR_EACH);
  check (column ("mm_stat", 8) == NR_EACH);
  check (device_trim (export.device, NR_EACH * BLOCK_BYTES,
                      FIRST_HUGE * BLOCK_BYTES) == 0);
  check (column ("mm_stat", 7) == 0);
  check (column ("mm_stat", 8) == NR_EACH);
  check (show_number ("notify_free") == NR_EACH);
}

static void
stat_counts_requests_and_sectors (void)
{
  char data[BLOCK_BYTES];

  check (device_read (export.device, data, sizeof data, 0) == 0);
  check (column ("stat", 0) == 1);
  check (column ("stat", 2) == 8);
  check (column ("stat", 4) == 3 * NR_EACH);
  check (column ("stat", 6) == 8 * 3 * NR_EACH);
}

static void
debug_stat_has_a_version_and_two_counters (void)
{
  check_str_equal (show ("debug_stat"),
                   "version: 1\n       0        0\n");
}

/* With a reserve: what is ready, and how often that was not enough. */
static void
debug_stat_shows_the_reserve (void)
{
  struct export with = {
    .device = model_device_reserve (0, BLOCK_BYTES, DISK_BYTES, 1 << 20),
  };
  struct device *without = export.device;
  unsigned long ready, waits, borrows;

  export.device = with.device;
  check (sscanf (show ("debug_stat"), "version: 1\n %*d %*d\n"
                 "reserve_bytes: %lu\nreserve_waits: %lu\n"
                 "reserve_borrows: %lu\n", &ready, &waits, &borrows) == 3);
  check (ready >= 1 << 20 && waits == 0 && borrows == 0);
  device_destroy (with.device);
  export.device = without;
}

static void
block_state_has_a_line_for_each_stored_block (void)
{
  struct timespec now;
  uint64_t block, used_s;

  clock_gettime (CLOCK_BOOTTIME, &now);
  check (strlen (show ("block_state")) == 3 * NR_EACH * 40);
  check (sscanf (shown, "%lu %lu.000000 s.....\n", &block, &used_s) == 2);
  check (block == 0);
  check (used_s <= (uint64_t) now.tv_sec + 2);
  check (used_s + 600 >= (uint64_t) now.tv_sec);
  check (nr_blocks_with (0, 's') == NR_EACH);
  check (nr_blocks_with (2, 'h') == NR_EACH);
  check (nr_blocks_with (3, 'i') == 0);
  check (store ("idle", "all") == 0);
  check (nr_blocks_with (3, 'i') == 2 * NR_EACH);
}

/* More than one piece, with holes between pages of the table. */
static void
block_state_of_many_blocks_comes_in_pieces (void)
{
  for (uint64_t block = 0; block < NR_BLOCKS; block += 7)
    write_text (block);
  check (nr_blocks_with (0, '.') + nr_blocks_with (0, 's') >
         NR_BLOCKS / 7);
}

static void
block_state_keeps_its_length_when_blocks_go (void)
{
  struct payload payload;
  const char *piece;

  check (payload_open (&payload) == 0);
  check (attribute_show_block_state (&export, &payload) == 0);
  check (payload_close (&payload) == 0);
  check (device_trim (export.device, DISK_BYTES, 0) == 0);
  check (payload.bytes == 3 * NR_EACH * 40);
  check (payload_next (&payload, &piece) == payload.bytes);
  check (strncmp (piece + 33, "......\n", 7) == 0);
  check (payload_next (&payload, &piece) == 0);
  payload_free (&payload);
}

static void
classes_add_up (void)
{
  const char *line = show ("classes"), *total = strstr (line, "Total");
  unsigned long objects = 0, pages = 0, used, held;
  unsigned class, size;

  while ((line = strchr (line, '\n') + 1) < total &&
         sscanf (line, "%u %u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u "
                 "%*u %lu %lu", &class, &size, &used, &held) == 4) {
    check (size == (class + 1) * 16);
    objects += used;
    pages += held;
  }
  check (total);
  check (sscanf (total, "Total %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u "
                 "%*u %lu %lu", &used, &held) == 2);
  check (used == objects && used == 2 * NR_EACH);
  check (held == pages && held == arena_held_pages (&export.device->arena));
}

int
main (void)
{
  random_numbers = random_seeded (test_seed ());
  capture_reports ();
  test_with_device (columns_are_the_kernels);
  test_with_device (mm_stat_counts_what_is_stored);
  test_with_device (stat_counts_requests_and_sectors);
  test_with_device (debug_stat_has_a_version_and_two_counters);
  test_with_device (debug_stat_shows_the_reserve);
  test_with_device (block_state_has_a_line_for_each_stored_block);
  test_with_device (block_state_of_many_blocks_comes_in_pieces);
  test_with_device (block_state_keeps_its_length_when_blocks_go);
  test_with_device (classes_add_up);
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* A device with something in it, and its attributes as a user sees them: for
 * the programs that test them.  Nothing here knows the control socket.
 */
#ifndef ZRAM_TEST_ATTRIBUTE_FIXTURE_H
#define ZRAM_TEST_ATTRIBUTE_FIXTURE_H

#include <errno.h>
#include <unistd.h>

#include "attributes.h"
#include "check.h"
#include "device.h"

#define BLOCK_BYTES 4096u
#define DISK_BYTES ((uint64_t) 64 << 20)
#define NR_BLOCKS (DISK_BYTES / BLOCK_BYTES)

/* Three kinds of blocks, so many each, one kind behind the other. */
#define NR_EACH 40u
#define FIRST_HUGE (2 * NR_EACH)

static struct export export;
static struct random random_numbers;

/* A device with something in it. */

static inline void
write_block (uint64_t block, const void *data)
{
  check (device_write (export.device, data, BLOCK_BYTES,
                       block * BLOCK_BYTES) == 0);
}

static inline void
write_text (uint64_t block)
{
  char data[BLOCK_BYTES];

  for (unsigned i = 0; i < BLOCK_BYTES; i++)
    data[i] = i % 16 < 8 ? 'a' + random_below (&random_numbers, 26) : ' ';
  write_block (block, data);
}

static inline void
fill_blocks (void)
{
  uint64_t data[BLOCK_BYTES / 8];

  for (unsigned i = 0; i < NR_EACH; i++) {
    for (unsigned j = 0; j < BLOCK_BYTES / 8; j++)
      data[j] = i;
    write_block (i, data);
    write_text (NR_EACH + i);
    random_fill (&random_numbers, data, sizeof data);
    write_block (FIRST_HUGE + i, data);
  }
}

static inline void
make_export (void)
{
  const char *why;

  export.name = (char *) "disk";
  export.device = device_create (&(struct device_params) {
      .name = "disk", .size_bytes = DISK_BYTES, .block_bytes = BLOCK_BYTES,
      .algorithm = codec_find ("lz4", &why) });
  check (export.device);
  pthread_mutex_init (&export.lock, NULL);
}

static inline void
free_export (void)
{
  device_destroy (export.device);
  pthread_mutex_destroy (&export.lock);
  memset (&export, 0, sizeof export);
}

/* Each test begins with a new device. */
#define test_with_device(sentence)                                            \
  (make_export (), fill_blocks (), test (sentence), free_export ())

/* Reading and writing. */

static char shown[1 << 20];

/* 0 or an errno. */
static inline int
show_errno (const char *name)
{
  const struct attribute *attribute = attribute_find (name);
  struct payload payload;
  const char *piece;
  size_t bytes, used = 0;
  int r;

  check (attribute);
  check (payload_open (&payload) == 0);
  errno = 0;
  r = attribute_show (attribute, &export, &payload) == 0 ? 0 : errno;
  check (payload_close (&payload) == 0);
  while (r == 0 && (bytes = payload_next (&payload, &piece)) > 0) {
    check (used + bytes < sizeof shown);
    memcpy (shown + used, piece, bytes);
    used += bytes;
  }
  check (r != 0 || used == payload.bytes);
  shown[used] = '\0';
  payload_free (&payload);
  return r;
}

static inline const char *
show (const char *name)
{
  check (show_errno (name) == 0);
  return shown;
}

static inline uint64_t
show_number (const char *name)
{
  char *end;
  const uint64_t number = strtoull (show (name), &end, 10);

  check (strcmp (end, "\n") == 0);
  return number;
}

/* The number in a column, from 0. */
static inline uint64_t
column (const char *name, unsigned index)
{
  char *rest = (char *) show (name);
  uint64_t number;

  do
    number = strtoull (rest, &rest, 10);
  while (index-- > 0);
  return number;
}

/* 0 or an errno; an error has a message. */
static inline int
store (const char *name, const char *value)
{
  const struct attribute *attribute = attribute_find (name);
  int r;

  check (attribute);
  captured_reports[0] = '\0';
  errno = 0;
  r = attribute_store (attribute, &export, value) == 0 ? 0 : errno;
  if (r != 0 && captured_reports[0] == '\0')
    check_failed (name, r, "an error has a message");
  return r;
}

/* How a value is taken, and what is shown then; NULL: what was shown before. */
struct form {
  const char *value;
  int errnum;
  const char *shown;
};

static inline void
check_forms (const char *name, const struct form *forms, size_t nr_forms)
{
  const bool readable = attribute_find (name)->show != NULL;

  for (size_t i = 0; i < nr_forms; i++) {
    char *before = readable ? strdup (show (name)) : NULL;

    printf ("  %s '%.60s'\n", name, forms[i].value);
    fflush (stdout);
    check (store (name, forms[i].value) == forms[i].errnum);
    if (readable)
      check_str_equal (show (name), forms[i].shown ? forms[i].shown : before);
    free (before);
  }
}

#define CHECK_FORMS(name, ...)                                                \
  do {                                                                        \
    static const struct form forms[] = { __VA_ARGS__ };                       \
                                                                              \
    check_forms (name, forms, sizeof forms / sizeof *forms);                  \
  } while (0)

/* How many lines of block_state have this at a flag, from 0. */
static inline unsigned
nr_blocks_with (unsigned flag, char what)
{
  const char *line = show ("block_state");
  unsigned nr = 0;

  for (; *line; line += 40) {
    check (strlen (line) >= 40 && line[39] == '\n');
    nr += line[33 + flag] == what;
  }
  return nr;
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Small files: read whole, of any size up to the most, from pipes too. */
#include <config.h>

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "file.h"

static char path[] = "test-file-XXXXXX";

static uint8_t pattern[FILE_BYTES_MAX];

static void
make_pattern (void)
{
  struct random random = random_seeded (test_seed ());

  for (size_t i = 0; i < sizeof pattern; i += sizeof random.state)
    memcpy (pattern + i, &(uint64_t) { random_next (&random) }, 8);
}

static void
write_bytes (FILE *file, size_t bytes)
{
  check (fwrite (pattern, 1, bytes, file) == bytes);
}

static void
write_file (size_t bytes)
{
  FILE *file = fopen (path, "w");

  check (file != NULL);
  write_bytes (file, bytes);
  check (fclose (file) == 0);
}

/* Also the byte behind the last one is the caller's. */
static void
check_read (const char *from, size_t expected)
{
  char *data = NULL;
  size_t bytes = 99;

  check (file_read (from, &data, &bytes) == NULL);
  check (data != NULL && bytes == expected);
  check (memcmp (data, pattern, bytes) == 0);
  data[bytes] = '\0';
  free (data);
}

static void
check_refused (const char *from, const char *expected)
{
  char *data = path;
  size_t bytes = 99;
  const char *wrong = file_read (from, &data, &bytes);

  check (wrong != NULL);
  check_str_equal (wrong, expected);
  check (data == NULL && bytes == 0);
}

static void
files_of_any_size_are_read_whole (void)
{
  static const size_t sizes[] = {
    0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 16384, 100000, 1 << 20,
  };

  for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    write_file (sizes[i]);
    check_read (path, sizes[i]);
  }
}

static void
the_longest_file_is_read_whole (void)
{
  write_file (FILE_BYTES_MAX);
  check_read (path, FILE_BYTES_MAX);
}

static void
a_file_that_is_too_long_is_refused (void)
{
  write_file (0);
  check (truncate (path, FILE_BYTES_MAX + 1) == 0);
  check_refused (path, "longer than 16 MiB");
  check (truncate (path, 2 * FILE_BYTES_MAX) == 0);
  check_refused (path, "longer than 16 MiB");
  check (truncate (path, INT64_C (1) << 40) == 0);
  check_refused (path, "longer than 16 MiB");
}

static void
what_cannot_be_opened_or_read_is_refused (void)
{
  check_refused ("no/such/file", "No such file or directory");
  check_refused (".", "Is a directory");
  check_refused ("", "No such file or directory");
}

static void *
write_pipe (void *opaque)
{
  FILE *file = fopen (path, "w");

  check (file != NULL);
  setvbuf (file, NULL, _IOFBF, 1000);
  write_bytes (file, 50000);
  fclose (file);
  return NULL;
}

static void
a_pipe_is_read_to_its_end (void)
{
  pthread_t writer;

  check (unlink (path) == 0);
  check (mkfifo (path, 0600) == 0);
  check (pthread_create (&writer, NULL, write_pipe, NULL) == 0);
  check_read (path, 50000);
  pthread_join (writer, NULL);
}

int
main (void)
{
  const int fd = mkstemp (path);

  make_pattern ();
  check (fd != -1);
  close (fd);
  test (files_of_any_size_are_read_whole);
  test (the_longest_file_is_read_whole);
  test (a_file_that_is_too_long_is_refused);
  test (what_cannot_be_opened_or_read_is_refused);
  test (a_pipe_is_read_to_its_end);
  unlink (path);
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs a fuzzer where there is no libFuzzer: each seed as it is, then seeds
 * that were changed at random.  It sees no coverage and learns nothing, so it
 * finds what is near to the seeds; with gcc's sanitizers that is a good
 * regression test.
 *
 *   fuzz-NAME FILE|DIRECTORY...
 *
 * FUZZ_STEPS says how many changed inputs to try (none if it is not set),
 * FUZZ_SECONDS to go on for so long; TEST_SEED repeats a run.  FUZZ_CURRENT
 * names a file that holds the input under way and is removed at the end, so one
 * that is left behind is the input that ended the process.
 */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "fuzz.h"

#define INPUT_BYTES_MAX 65536u
#define NR_SEEDS_MAX 1024u

struct seed {
  uint8_t *data;
  size_t bytes;
};

static struct seed seeds[NR_SEEDS_MAX];
static size_t nr_seeds;
static int current_fd = -1;

/* Seeds. */

static int
by_name (const struct dirent **a, const struct dirent **b)
{
  return strcmp ((*a)->d_name, (*b)->d_name);
}

static void
read_seed (const char *path)
{
  struct seed *seed = &seeds[nr_seeds++];
  FILE *file = fopen (path, "re");

  check (nr_seeds <= NR_SEEDS_MAX);
  check (file != NULL);
  seed->data = malloc (INPUT_BYTES_MAX);
  check (seed->data != NULL);
  seed->bytes = fread (seed->data, 1, INPUT_BYTES_MAX, file);
  check (feof (file));          /* longer ones would be cut */
  fclose (file);
}

/* In the order of names: the same seed has to choose the same ones. */
static void
read_directory (const char *path)
{
  struct dirent **entries;
  const int nr = scandir (path, &entries, NULL, by_name);
  char *name;

  check (nr >= 0);
  for (int i = 0; i < nr; i++) {
    if (entries[i]->d_name[0] != '.') {
      check (asprintf (&name, "%s/%s", path, entries[i]->d_name) > 0);
      read_seed (name);
      free (name);
    }
    free (entries[i]);
  }
  free (entries);
}

static void
read_path (const char *path)
{
  struct stat about;

  check (stat (path, &about) == 0);
  if (S_ISDIR (about.st_mode))
    read_directory (path);
  else
    read_seed (path);
}

/* Changes. */

static void
overwrite_byte (struct random *random, struct seed *seed)
{
  static const uint8_t special[] = { 0, 1, 0x7f, 0x80, 0xff, '\n', '\t', '=' };

  seed->data[random_below (random, seed->bytes)] = random_below (random, 2) ?
    random_next (random) : special[random_below (random, sizeof special)];
}

static void
flip_bit (struct random *random, struct seed *seed)
{
  seed->data[random_below (random, seed->bytes)] ^=
    1 << random_below (random, 8);
}

static void
delete_part (struct random *random, struct seed *seed)
{
  const size_t at = random_below (random, seed->bytes);
  const size_t bytes = 1 + random_below (random, seed->bytes - at);

  memmove (seed->data + at, seed->data + at + bytes, seed->bytes - at - bytes);
  seed->bytes -= bytes;
}

/* A part of any seed comes between. */
static void
insert_part (struct random *random, struct seed *seed)
{
  const struct seed *other = &seeds[random_below (random, nr_seeds)];
  const size_t at = random_below (random, seed->bytes + 1);
  const size_t from = random_below (random, other->bytes + 1);
  size_t bytes = random_below (random, other->bytes - from + 1);

  if (bytes > INPUT_BYTES_MAX - seed->bytes)
    bytes = INPUT_BYTES_MAX - seed->bytes;
  memmove (seed->data + at + bytes, seed->data + at, seed->bytes - at);
  memcpy (seed->data + at, other->data + from, bytes);
  seed->bytes += bytes;
}

static void
change (struct random *random, struct seed *seed)
{
  static void (*const changes[]) (struct random *, struct seed *) = {
    overwrite_byte, overwrite_byte, flip_bit, flip_bit, delete_part,
    insert_part,
  };
  const unsigned nr = sizeof changes / sizeof *changes;

  for (unsigned left = 1 + random_below (random, 6); left > 0; left--)
    if (seed->bytes == 0)
      insert_part (random, seed);
    else
      changes[random_below (random, nr)] (random, seed);
}

/* Runs. */

static void
note_current (const struct seed *seed)
{
  if (current_fd == -1)
    return;
  check (ftruncate (current_fd, 0) == 0);
  check (pwrite (current_fd, seed->data, seed->bytes, 0) ==
         (ssize_t) seed->bytes);
}

/* In memory of its own length, for the address sanitizer. */
static void
run (const struct seed *seed)
{
  uint8_t *data = malloc (seed->bytes);

  check (data != NULL || seed->bytes == 0);
  if (seed->bytes > 0)
    memcpy (data, seed->data, seed->bytes);
  note_current (seed);
  LLVMFuzzerTestOneInput (data, seed->bytes);
  free (data);
}

static void
run_changed (struct random *random, struct seed *changed)
{
  const struct seed *seed = &seeds[random_below (random, nr_seeds)];

  memcpy (changed->data, seed->data, seed->bytes);
  changed->bytes = seed->bytes;
  change (random, changed);
  run (changed);
}

static double
number_from_environment (const char *name)
{
  const char *text = getenv (name);

  return text ? strtod (text, NULL) : 0;
}

static unsigned long
run_all (void)
{
  const double steps = number_from_environment ("FUZZ_STEPS");
  const double end =
    seconds_now () + number_from_environment ("FUZZ_SECONDS");
  struct random random = random_seeded (test_seed ());
  struct seed changed = { malloc (INPUT_BYTES_MAX), 0 };
  unsigned long done = 0;

  check (changed.data != NULL);
  for (size_t i = 0; i < nr_seeds; i++)
    run (&seeds[i]);
  while (nr_seeds > 0 && (done < steps || seconds_now () < end)) {
    run_changed (&random, &changed);
    done++;
  }
  free (changed.data);
  return done;
}

int
main (int argc, char **argv)
{
  const char *current = getenv ("FUZZ_CURRENT");
  unsigned long done;

  LLVMFuzzerInitialize (&argc, &argv);
  for (int i = 1; i < argc; i++)
    read_path (argv[i]);
  check (nr_seeds > 0);
  if (current) {
    current_fd = open (current, O_RDWR|O_CREAT|O_TRUNC|O_CLOEXEC, 0666);
    check (current_fd != -1);
  }
  done = run_all ();
  printf ("%zu seeds and %lu changed ones\n", nr_seeds, done);
  for (size_t i = 0; i < nr_seeds; i++)
    free (seeds[i].data);
  return current ? unlink (current) : 0;
}

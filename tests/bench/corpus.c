/* SPDX-License-Identifier: BSD-3-Clause */
/* What the benches share; see corpus.h. */
#include <config.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zdict.h>

#include "corpus.h"

#define SAMPLES_BYTES ((size_t) 64 << 20)

void
die (const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  vfprintf (stderr, fmt, ap);
  va_end (ap);
  fputc ('\n', stderr);
  exit (EXIT_FAILURE);
}

double
now_s (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

uint64_t
next_random (uint64_t *state)
{
  uint64_t z = (*state += UINT64_C (0x9e3779b97f4a7c15));

  z = (z ^ z >> 30) * UINT64_C (0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C (0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* A kB line of /proc/self/status, in bytes. */
static uint64_t
status_bytes (const char *key)
{
  FILE *file = fopen ("/proc/self/status", "r");
  char line[256];
  uint64_t kib = 0;

  if (!file)
    die ("/proc/self/status: %m");
  while (fgets (line, sizeof line, file))
    if (strncmp (line, key, strlen (key)) == 0)
      sscanf (line + strlen (key), ": %" SCNu64, &kib);
  fclose (file);
  return kib << 10;
}

uint64_t
process_bytes (void)
{
  return status_bytes ("RssAnon") + status_bytes ("VmPTE");
}

struct corpus
corpus_map (const char *path, size_t block_bytes)
{
  const int fd = open (path, O_RDONLY|O_CLOEXEC);
  struct corpus corpus = { .block_bytes = block_bytes };
  struct stat status;

  if (fd == -1 || fstat (fd, &status) == -1)
    die ("%s: %m", path);
  corpus.nr_blocks = status.st_size / block_bytes;
  if (corpus.nr_blocks == 0)
    die ("%s: shorter than a block", path);
  corpus.start = mmap (NULL, corpus.nr_blocks * block_bytes, PROT_READ,
                       MAP_SHARED|MAP_POPULATE, fd, 0);
  if (corpus.start == MAP_FAILED)
    die ("%s: %m", path);
  close (fd);
  return corpus;
}

void
corpus_train (const char *path, size_t block_bytes, size_t dict_bytes,
              struct codec_params *params)
{
  FILE *file = fopen (path, "r");
  char *samples = malloc (SAMPLES_BYTES);
  void *dict = malloc (dict_bytes);
  size_t nr, *sizes;

  if (!file || !samples || !dict)
    die ("%s: %m", path);
  nr = fread (samples, block_bytes, SAMPLES_BYTES / block_bytes, file);
  fclose (file);
  sizes = malloc (nr * sizeof *sizes);
  for (size_t i = 0; i < nr; i++)
    sizes[i] = block_bytes;
  params->dict_bytes = ZDICT_trainFromBuffer (dict, dict_bytes, samples, sizes,
                                              nr);
  if (ZDICT_isError (params->dict_bytes))
    die ("%s: %s", path, ZDICT_getErrorName (params->dict_bytes));
  params->dict = dict;
  free (samples);
  free (sizes);
}

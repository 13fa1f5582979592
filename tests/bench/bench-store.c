/* SPDX-License-Identifier: BSD-3-Clause */
/* What the store costs beside its codec, in time and in memory, measured in one
 * process on the pages of a corpus.
 *
 * Time: for the same pages, the bare codec (compress into one packed array that
 * is present already, decompress from it) and the store.  The store's first
 * write of a block also waits for the system's page faults, so it is shown
 * apart ("fill") from writing the same blocks again ("write").  Rounds of bare
 * codec and store alternate, and each figure is the best of its rounds; the
 * ratio is what to look at.
 *
 * Memory: what the process grew by since before the device was made (anonymous
 * resident memory and page tables, from /proc/self/status), over the sum of all
 * object sizes.  The device's own account is shown beside it.
 */
#include <config.h>

#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "compact.h"
#include "conf.h"
#include "corpus.h"
#include "device.h"
#include "recount.h"
#include "units.h"

#define MAX_THREADS 64

static struct {
  const char *corpus, *algorithm, *params, *train, *block_size, *reserve;
  unsigned nr_threads, nr_rounds;
  size_t dict_bytes;
  bool json;
} options = {
  .algorithm = "zstd", .params = "", .block_size = "4096",
  .reserve = "0", .nr_threads = 1, .nr_rounds = 3, .dict_bytes = 16384,
};

static struct corpus corpus;
static size_t block_bytes, nr_blocks;
static struct conf_export *export;
static struct codec codec;              /* the bare one */
static char *packed;                    /* its output, a block's room each */
static uint32_t *packed_bytes;
static struct device *device;

/* --- One pass over a share of the blocks, in each thread --- */

typedef void pass (unsigned thread, size_t first, size_t end);

static void
bare_compress (unsigned thread, size_t first, size_t end)
{
  struct stream *stream = &codec.streams.streams[thread];
  const size_t capacity = block_bytes - block_bytes / 64;
  uint8_t *own_object = stream->object;
  char *next = packed + first * block_bytes;
  int size;

  for (size_t i = first; i < end; i++) {
    stream->object = (uint8_t *) next;
    size = codec_compress (&codec, stream, corpus_block (&corpus, i), capacity);
    if (size == -1)
      die ("%s: cannot compress: %m", codec.ops->name);
    if (size == 0) {
      memcpy (next, corpus_block (&corpus, i), block_bytes);
      size = block_bytes;
    }
    packed_bytes[i] = size;
    next += size;
  }
  stream->object = own_object;
}

static void
bare_decompress (unsigned thread, size_t first, size_t end)
{
  void *context = codec.streams.streams[thread].context;
  const char *next = packed + first * block_bytes;
  char *block = malloc (block_bytes);

  for (size_t i = first; i < end; i++) {
    if (packed_bytes[i] == block_bytes)
      memcpy (block, next, block_bytes);
    else if (codec.ops->decompress (&codec, context, next, packed_bytes[i],
                                    block) != (int) block_bytes)
      die ("%s: cannot decompress", codec.ops->name);
    next += packed_bytes[i];
  }
  free (block);
}

static void
store_write (unsigned thread, size_t first, size_t end)
{
  for (size_t i = first; i < end; i++)
    if (device_write (device, corpus_block (&corpus, i), block_bytes,
                      i * block_bytes) == -1)
      die ("write: %m");
}

static void
store_read (unsigned thread, size_t first, size_t end)
{
  char *block = malloc (block_bytes);

  for (size_t i = first; i < end; i++)
    if (device_read (device, block, block_bytes, i * block_bytes) == -1)
      die ("read: %m");
  free (block);
}

static void
store_overwrite (unsigned thread, size_t first, size_t end)
{
  uint64_t random = first;

  for (size_t i = first; i < end; i++) {
    const char *data =
      corpus_block (&corpus, next_random (&random) % nr_blocks);
    const uint64_t block = next_random (&random) % nr_blocks;

    if (device_write (device, data, block_bytes, block * block_bytes) == -1)
      die ("overwrite: %m");
  }
}

static void
store_trim_most (unsigned thread, size_t first, size_t end)
{
  uint64_t random = ~first;

  for (size_t i = first; i < end; i++)
    if (next_random (&random) % 4 != 0)
      device_trim (device, block_bytes, i * block_bytes);
}

struct share {
  pass *run;
  unsigned thread;
  size_t first, end;
  pthread_barrier_t *start;
};

static void *
run_share (void *opaque)
{
  const struct share *share = opaque;

  pthread_barrier_wait (share->start);
  share->run (share->thread, share->first, share->end);
  return NULL;
}

/* Seconds that a pass over all blocks takes with so many threads. */
static double
time_pass (pass *run, unsigned nr_threads)
{
  struct share shares[MAX_THREADS];
  pthread_t threads[MAX_THREADS];
  pthread_barrier_t start;
  double begin;

  pthread_barrier_init (&start, NULL, nr_threads + 1);
  for (unsigned i = 0; i < nr_threads; i++) {
    shares[i] = (struct share) {
      run, i, nr_blocks * i / nr_threads, nr_blocks * (i + 1) / nr_threads,
      &start,
    };
    if (pthread_create (&threads[i], NULL, run_share, &shares[i]) != 0)
      die ("cannot start a thread");
  }
  begin = now_s ();
  pthread_barrier_wait (&start);
  for (unsigned i = 0; i < nr_threads; i++)
    pthread_join (threads[i], NULL);
  pthread_barrier_destroy (&start);
  return now_s () - begin;
}

/* --- Results --- */

enum figure { BARE_WRITE, FILL, WRITE, BARE_READ, READ, OVERWRITE, NR_FIGURES };

static double best_s[NR_FIGURES], best_one_s[NR_FIGURES];

static void
note_best (double *best, enum figure figure, double seconds)
{
  if (best[figure] == 0 || seconds < best[figure])
    best[figure] = seconds;
}

struct figures {
  uint64_t object_bytes, process_bytes, device_bytes;
};

static uint64_t baseline_bytes;

static struct figures
measure_memory (void)
{
  struct stats_snapshot sums;

  device_get_stats (device, &sums);
  return (struct figures) {
    .object_bytes = sums.values[STAT_OBJECT_BYTES],
    .process_bytes = process_bytes () - baseline_bytes,
    .device_bytes = atomic_load (&device->budget.used_bytes),
  };
}

static double
over_objects (const struct figures *memory)
{
  return (double) memory->process_bytes / memory->object_bytes;
}

/* --- Setting up --- */

/* Let the plugin's own parser check algorithm and parameters. */
static void
read_params (struct conf *conf)
{
  if (conf_set (conf, "size", "1G") == -1 ||
      conf_set (conf, "comp_algorithm", options.algorithm) == -1 ||
      conf_set (conf, "algorithm_params", options.params) == -1 ||
      conf_set (conf, "block_size", options.block_size) == -1 ||
      conf_set (conf, "reserve", options.reserve) == -1 ||
      conf_finish (conf) == -1)
    exit (EXIT_FAILURE);
  export = conf->exports;
  block_bytes = export->block_bytes;
}

static void
prepare_bare (void)
{
  packed = mmap (NULL, nr_blocks * block_bytes, PROT_READ|PROT_WRITE,
                 MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);
  packed_bytes = calloc (nr_blocks, sizeof *packed_bytes);
  if (packed == MAP_FAILED || !packed_bytes ||
      codec_init (&codec, export->codecs[0].algorithm, block_bytes,
                  &export->codecs[0].params) == -1)
    die ("cannot prepare the bare codec");
  if (codec.streams.nr_streams < options.nr_threads)
    die ("%u threads, but only %u processors", options.nr_threads,
         codec.streams.nr_streams);
  time_pass (bare_compress, options.nr_threads);
  time_pass (bare_compress, 1);         /* its pages are present now */
}

static void
make_device (void)
{
  const struct device_params params = {
    .name = "bench", .size_bytes = nr_blocks * block_bytes,
    .block_bytes = block_bytes, .algorithm = export->codecs[0].algorithm,
    .codec_params = &export->codecs[0].params,
    .reserve_bytes = export->reserve_bytes,
  };

  malloc_trim (0);
  baseline_bytes = process_bytes ();
  device = device_create (&params);
  if (!device || device_start (device) == -1)
    exit (EXIT_FAILURE);
}

/* --- The bench --- */

static void
time_round (double *best, unsigned nr_threads)
{
  make_device ();
  note_best (best, BARE_WRITE, time_pass (bare_compress, nr_threads));
  note_best (best, FILL, time_pass (store_write, nr_threads));
  note_best (best, WRITE, time_pass (store_write, nr_threads));
  note_best (best, BARE_READ, time_pass (bare_decompress, nr_threads));
  note_best (best, READ, time_pass (store_read, nr_threads));
}

static void
time_all (void)
{
  for (unsigned i = 0; i < options.nr_rounds; i++) {
    time_round (best_s, options.nr_threads);
    device_destroy (device);
    if (options.nr_threads > 1) {
      time_round (best_one_s, 1);
      device_destroy (device);
    }
  }
}

static uint64_t compacted_pages;
static double compaction_s;

static void
measure_all_memory (struct figures *filled, struct figures *overwritten,
                    struct figures *trimmed, struct figures *compacted)
{
  make_device ();
  time_pass (store_write, options.nr_threads);
  *filled = measure_memory ();
  for (unsigned i = 0; i < 3; i++)
    note_best (best_s, OVERWRITE,
               time_pass (store_overwrite, options.nr_threads));
  *overwritten = measure_memory ();
  time_pass (store_trim_most, options.nr_threads);
  *trimmed = measure_memory ();
  compaction_s = now_s ();
  compacted_pages = compact_device (device);
  compaction_s = now_s () - compaction_s;
  *compacted = measure_memory ();
  if (!recount_device (device))
    die ("the recount failed");
}

static double
us_per_block (double seconds)
{
  return seconds * 1e6 / nr_blocks;
}

static void
print_times (void)
{
  printf ("  %-10s %10s %10s %10s\n", "", "bare us", "store us", "ratio");
  printf ("  %-10s %10.2f %10.2f %10.3f\n", "fill",
          us_per_block (best_s[BARE_WRITE]), us_per_block (best_s[FILL]),
          best_s[FILL] / best_s[BARE_WRITE]);
  printf ("  %-10s %10.2f %10.2f %10.3f\n", "write",
          us_per_block (best_s[BARE_WRITE]), us_per_block (best_s[WRITE]),
          best_s[WRITE] / best_s[BARE_WRITE]);
  printf ("  %-10s %10.2f %10.2f %10.3f\n", "read",
          us_per_block (best_s[BARE_READ]), us_per_block (best_s[READ]),
          best_s[READ] / best_s[BARE_READ]);
  printf ("  %-10s %10s %10.2f\n", "overwrite", "",
          us_per_block (best_s[OVERWRITE]));
  if (options.nr_threads > 1)
    printf ("  %u threads over one: bare write %.2f, fill %.2f, write %.2f, "
            "bare read %.2f, read %.2f\n", options.nr_threads,
            best_one_s[BARE_WRITE] / best_s[BARE_WRITE],
            best_one_s[FILL] / best_s[FILL],
            best_one_s[WRITE] / best_s[WRITE],
            best_one_s[BARE_READ] / best_s[BARE_READ],
            best_one_s[READ] / best_s[READ]);
}

static void
print_memory (const char *when, const struct figures *memory)
{
  printf ("  %-22s %12" PRIu64 " %12" PRIu64 " %8.4f %8.4f\n", when,
          memory->object_bytes, memory->process_bytes, over_objects (memory),
          (double) memory->device_bytes / memory->object_bytes);
}

static void
print_table (const struct figures *filled, const struct figures *overwritten,
             const struct figures *trimmed, const struct figures *compacted)
{
  const double data_bytes = (double) nr_blocks * block_bytes;

  printf ("%s: %zu blocks of %zu bytes, %s level %d, %zu bytes of dictionary, "
          "%u threads\n", options.corpus, nr_blocks, block_bytes,
          codec.ops->name, codec.level, export->codecs[0].params.dict_bytes,
          options.nr_threads);
  print_times ();
  printf ("  %-22s %12s %12s %8s %8s\n", "memory", "objects", "process",
          "ratio", "account");
  print_memory ("filled", filled);
  print_memory ("overwritten 3 times", overwritten);
  print_memory ("trimmed by 75 %", trimmed);
  print_memory ("and compacted", compacted);
  printf ("  written over objects %.3f, over all memory held %.3f; compaction "
          "gave %" PRIu64 " pages back in %.0f ms\n",
          data_bytes / filled->object_bytes,
          data_bytes / filled->process_bytes, compacted_pages,
          compaction_s * 1e3);
}

static void
print_json (const struct figures *filled, const struct figures *overwritten,
            const struct figures *trimmed, const struct figures *compacted)
{
  const double data_bytes = (double) nr_blocks * block_bytes;

  printf ("{ \"blocks\": %zu, \"block_size\": %zu, \"algorithm\": \"%s\", "
          "\"level\": %d, \"dict_bytes\": %zu, \"threads\": %u,\n",
          nr_blocks, block_bytes, codec.ops->name, codec.level,
          export->codecs[0].params.dict_bytes, options.nr_threads);
  printf ("  \"bare_write_us\": %.3f, \"fill_us\": %.3f, \"write_us\": %.3f, "
          "\"bare_read_us\": %.3f, \"read_us\": %.3f, "
          "\"overwrite_us\": %.3f,\n",
          us_per_block (best_s[BARE_WRITE]), us_per_block (best_s[FILL]),
          us_per_block (best_s[WRITE]), us_per_block (best_s[BARE_READ]),
          us_per_block (best_s[READ]), us_per_block (best_s[OVERWRITE]));
  printf ("  \"fill_ratio\": %.4f, \"write_ratio\": %.4f, "
          "\"read_ratio\": %.4f,\n",
          best_s[FILL] / best_s[BARE_WRITE],
          best_s[WRITE] / best_s[BARE_WRITE],
          best_s[READ] / best_s[BARE_READ]);
  if (options.nr_threads > 1)
    printf ("  \"fill_scaling\": %.3f, \"write_scaling\": %.3f, "
            "\"read_scaling\": %.3f,\n", best_one_s[FILL] / best_s[FILL],
            best_one_s[WRITE] / best_s[WRITE],
            best_one_s[READ] / best_s[READ]);
  printf ("  \"memory_filled\": %.4f, \"memory_overwritten\": %.4f, "
          "\"memory_trimmed\": %.4f, \"memory_compacted\": %.4f,\n",
          over_objects (filled), over_objects (overwritten),
          over_objects (trimmed), over_objects (compacted));
  printf ("  \"written_over_objects\": %.4f, \"written_over_held\": %.4f }\n",
          data_bytes / filled->object_bytes,
          data_bytes / filled->process_bytes);
}

static void __attribute__ ((noreturn))
usage (int status)
{
  fprintf (status ? stderr : stdout,
           "bench-store --corpus FILE [--algorithm NAME] [--params 'level=N "
           "dict=FILE'] [--train FILE [--dict-size BYTES]] [--threads N] "
           "[--block-size SIZE] [--reserve SIZE] [--rounds N] [--json]\n");
  exit (status);
}

static void
parse_options (int argc, char *argv[])
{
  static const struct option longs[] = {
    { "corpus", 1, NULL, 'c' }, { "algorithm", 1, NULL, 'a' },
    { "params", 1, NULL, 'p' }, { "train", 1, NULL, 'T' },
    { "dict-size", 1, NULL, 'd' }, { "threads", 1, NULL, 't' },
    { "block-size", 1, NULL, 'b' }, { "reserve", 1, NULL, 'R' },
    { "rounds", 1, NULL, 'r' },
    { "json", 0, NULL, 'j' }, { "help", 0, NULL, 'h' }, { NULL, 0, NULL, 0 },
  };
  int c;

  while ((c = getopt_long (argc, argv, "", longs, NULL)) != -1)
    switch (c) {
    case 'c': options.corpus = optarg; break;
    case 'a': options.algorithm = optarg; break;
    case 'p': options.params = optarg; break;
    case 'T': options.train = optarg; break;
    case 'd': options.dict_bytes = strtoul (optarg, NULL, 0); break;
    case 't': options.nr_threads = strtoul (optarg, NULL, 0); break;
    case 'b': options.block_size = optarg; break;
    case 'R': options.reserve = optarg; break;
    case 'r': options.nr_rounds = strtoul (optarg, NULL, 0); break;
    case 'j': options.json = true; break;
    case 'h': usage (EXIT_SUCCESS);
    default: usage (2);
    }
  if (!options.corpus || optind != argc || options.nr_threads < 1 ||
      options.nr_threads > MAX_THREADS || options.nr_rounds < 1)
    usage (2);
}

int
main (int argc, char *argv[])
{
  struct conf conf = { .file = NULL };
  struct figures filled, overwritten, trimmed, compacted;

  parse_options (argc, argv);
  read_params (&conf);
  corpus = corpus_map (options.corpus, block_bytes);
  nr_blocks = corpus.nr_blocks;
  if (options.train)
    corpus_train (options.train, block_bytes, options.dict_bytes,
                  &export->codecs[0].params);
  prepare_bare ();
  time_all ();
  measure_all_memory (&filled, &overwritten, &trimmed, &compacted);
  (options.json ? print_json : print_table) (&filled, &overwritten, &trimmed,
                                             &compacted);
  device_destroy (device);
  codec_destroy (&codec);
  conf_free (&conf);
  return EXIT_SUCCESS;
}

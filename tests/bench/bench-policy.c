/* SPDX-License-Identifier: BSD-3-Clause */
/* What policies gain and cost, in one process on the pages of a corpus: each
 * figure stands beside that of the same device before or without it.
 *
 *   recompress  memory after all blocks went idle and were recompressed
 *   dedup       blocks that share, memory, and time of a write
 *   writeback   speed of writing back, memory left, time of a backed read
 *   worker      time of requests while the worker recompresses other blocks
 *
 * Memory is what the device says it holds, all included; bench-store shows that
 * this is what the process grows by.
 */
#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compact.h"
#include "corpus.h"
#include "device.h"
#include "idle.h"
#include "live.h"
#include "recompress.h"
#include "recount.h"
#include "worker.h"
#include "writeback.h"

#define BLOCK_BYTES 4096u
#define DICT_BYTES 16384u
#define MIB 1048576.0

static struct {
  const char *corpus, *train, *backing;
  unsigned seconds;
} options = { .backing = "bench-backing", .seconds = 10 };

static struct corpus corpus;
static struct device *device;

/* --- Devices --- */

static const struct codec_ops *
algorithm (const char *name)
{
  const char *why;
  const struct codec_ops *ops = codec_find (name, &why);

  if (!ops)
    die ("%s: %s", name, why);
  return ops;
}

static void
make_device (void)
{
  const struct device_params params = {
    .name = "bench", .size_bytes = corpus.nr_blocks * BLOCK_BYTES,
    .block_bytes = BLOCK_BYTES, .algorithm = algorithm ("zstd"),
  };

  device = device_create (&params);
  if (!device)
    exit (EXIT_FAILURE);
}

static void
write_block (uint64_t block)
{
  if (device_write (device, corpus_block (&corpus, block), BLOCK_BYTES,
                    block * BLOCK_BYTES) == -1)
    die ("write: %m");
}

/* Seconds. */
static double
fill (void)
{
  const double begin = now_s ();

  for (uint64_t block = 0; block < corpus.nr_blocks; block++)
    write_block (block);
  return now_s () - begin;
}

static void
destroy_device (void)
{
  if (!recount_device (device))
    die ("the recount failed");
  device_destroy (device);
}

static double
held_mib (void)
{
  return atomic_load (&device->budget.used_bytes) / MIB;
}

static int64_t
stat (enum stat_id id)
{
  struct stats_snapshot stats;

  device_get_stats (device, &stats);
  return stats.values[id];
}

/* --- Recompression --- */

static void
bench_recompress (const char *what, int level, bool with_dict)
{
  struct codec_params params = { .level = level };
  const struct recompress_params request = {
    .filter.types = POSTPROC_IDLE, .priority = 1,
  };
  struct postproc_result result;
  double before, begin;

  if (with_dict)
    corpus_train (options.train, BLOCK_BYTES, DICT_BYTES, &params);
  make_device ();
  if (live_set_codec (device, 1, algorithm ("zstd"), &params) == -1)
    exit (EXIT_FAILURE);
  fill ();
  before = held_mib ();
  idle_mark_all (device);
  begin = now_s ();
  recompress_device (device, &request, &result);
  begin = now_s () - begin;
  compact_device (device);
  printf ("recompress %-22s %8.1f MiB -> %8.1f MiB, ratio %.3f; %.1f us a "
          "block, %.1f %% became smaller\n", what, before, held_mib (),
          held_mib () / before, begin * 1e6 / result.nr_tried,
          100.0 * result.nr_done / result.nr_tried);
  destroy_device ();
}

/* --- Deduplication --- */

static void
bench_dedup (void)
{
  double without_s, without_mib, with_s;

  make_device ();
  without_s = fill ();
  without_mib = held_mib ();
  destroy_device ();
  make_device ();
  if (live_set_dedup (device, true) == -1)
    exit (EXIT_FAILURE);
  live_fit_dedup (device);
  with_s = fill ();
  printf ("dedup      %5.2f %% of blocks share; memory %.1f MiB -> %.1f MiB, "
          "ratio %.3f; fill %.3f x the time\n",
          100.0 * (stat (STAT_SHARED_BLOCKS) - stat (STAT_SHARES)) /
          corpus.nr_blocks, without_mib, held_mib (),
          held_mib () / without_mib, with_s / without_s);
  destroy_device ();
}

/* --- Latencies --- */

#define NR_LATENCIES 2000000u

static double latencies[NR_LATENCIES];
static unsigned nr_latencies;

static int
compare (const void *a, const void *b)
{
  const double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static double
percentile_us (double percent)
{
  return nr_latencies == 0 ? 0 :
    latencies[(unsigned) ((nr_latencies - 1) * percent / 100)] * 1e6;
}

static void
note_latency (double begin)
{
  if (nr_latencies < NR_LATENCIES)
    latencies[nr_latencies++] = now_s () - begin;
}

static void
sort_latencies (void)
{
  qsort (latencies, nr_latencies, sizeof *latencies, compare);
}

/* --- Writeback --- */

/* Each block once, so that none comes back to memory. */
static void
read_backed (void)
{
  char block[BLOCK_BYTES];
  uint64_t random = 1;

  nr_latencies = 0;
  for (uint64_t i = 0; i < corpus.nr_blocks && i < 20000; i++) {
    const uint64_t number = next_random (&random) % corpus.nr_blocks;
    const double begin = now_s ();

    if (device_read (device, block, BLOCK_BYTES, number * BLOCK_BYTES) == -1)
      die ("read: %m");
    note_latency (begin);
  }
  sort_latencies ();
}

static void
bench_writeback (void)
{
  const struct backing_params params = {
    .path = options.backing, .size_bytes = corpus.nr_blocks * BLOCK_BYTES,
  };
  const struct postproc_filter all = { .types = 0 };
  struct postproc_result result;
  struct backing_stats stats;
  double before, begin;
  char path[1];

  make_device ();
  if (live_attach_backing (device, &params) == -1)
    exit (EXIT_FAILURE);
  fill ();
  before = held_mib ();
  begin = now_s ();
  if (writeback_device (device, &all, &result) == -1)
    die ("writeback: %m");
  begin = now_s () - begin;
  live_get_backing (device, path, sizeof path, &stats);
  printf ("writeback  %.0f MiB/s of blocks, %.0f MiB/s of file; %.2f pages of "
          "file a block; memory %.1f MiB -> %.1f MiB\n",
          result.nr_done * BLOCK_BYTES / MIB / begin,
          stats.writes * 4096 / MIB / begin,
          (double) stats.writes / result.nr_done, before, held_mib ());
  read_backed ();
  printf ("           backed read: median %.1f us, 99 %% %.1f us\n",
          percentile_us (50), percentile_us (99));
  destroy_device ();
  unlink (options.backing);
}

/* --- The worker --- */

/* Reads and writes on the first half of the disk for some seconds. */
static void
run_foreground (void)
{
  const double end = now_s () + options.seconds;
  char block[BLOCK_BYTES];
  uint64_t random = 7;

  nr_latencies = 0;
  while (now_s () < end) {
    const uint64_t number = next_random (&random) % (corpus.nr_blocks / 2);
    const double begin = now_s ();

    if (random & 1)
      write_block (number);
    else if (device_read (device, block, BLOCK_BYTES,
                          number * BLOCK_BYTES) == -1)
      die ("read: %m");
    note_latency (begin);
  }
  sort_latencies ();
}

static void
bench_worker (void)
{
  struct policy policy = { .recompress_age_s = 1 };
  struct codec_params params = { .level = 12 };
  struct worker *worker = worker_create ();
  double idle_us[2];

  make_device ();
  if (live_set_codec (device, 1, algorithm ("zstd"), &params) == -1 ||
      worker_add (worker, device, &policy) == -1)
    exit (EXIT_FAILURE);
  fill ();
  run_foreground ();
  idle_us[0] = percentile_us (50);
  idle_us[1] = percentile_us (99);
  if (worker_start (worker) == -1)
    exit (EXIT_FAILURE);
  run_foreground ();
  printf ("worker     requests: median %.2f -> %.2f us, 99 %% %.2f -> %.2f us, "
          "ratio %.3f; %" PRId64 " blocks recompressed meanwhile\n",
          idle_us[0], percentile_us (50), idle_us[1], percentile_us (99),
          percentile_us (99) / idle_us[1], stat (STAT_CODEC_BLOCKS + 1));
  worker_destroy (worker);
  destroy_device ();
}

static void __attribute__ ((noreturn))
usage (int status)
{
  fprintf (status ? stderr : stdout,
           "bench-policy --corpus FILE [--train FILE] [--backing FILE] "
           "[--seconds N]\n");
  exit (status);
}

static void
parse_options (int argc, char *argv[])
{
  static const struct option longs[] = {
    { "corpus", 1, NULL, 'c' }, { "train", 1, NULL, 't' },
    { "backing", 1, NULL, 'b' }, { "seconds", 1, NULL, 's' },
    { "help", 0, NULL, 'h' }, { NULL, 0, NULL, 0 },
  };
  int c;

  while ((c = getopt_long (argc, argv, "", longs, NULL)) != -1)
    switch (c) {
    case 'c': options.corpus = optarg; break;
    case 't': options.train = optarg; break;
    case 'b': options.backing = optarg; break;
    case 's': options.seconds = strtoul (optarg, NULL, 0); break;
    case 'h': usage (EXIT_SUCCESS);
    default: usage (2);
    }
  if (!options.corpus || optind != argc)
    usage (2);
}

int
main (int argc, char *argv[])
{
  parse_options (argc, argv);
  corpus = corpus_map (options.corpus, BLOCK_BYTES);
  printf ("%s: %zu blocks of %u bytes, zstd level -1\n", options.corpus,
          corpus.nr_blocks, BLOCK_BYTES);
  bench_recompress ("zstd 12", 12, false);
  if (options.train)
    bench_recompress ("zstd 12 and dictionary", 12, true);
  bench_dedup ();
  bench_writeback ();
  bench_worker ();
  return EXIT_SUCCESS;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What the benches share: the corpus, a trained dictionary, time and random
 * numbers.  Whatever goes wrong ends the bench with a message.
 */
#ifndef ZRAM_BENCH_CORPUS_H
#define ZRAM_BENCH_CORPUS_H

#include <stddef.h>
#include <stdint.h>

#include "codec.h"

void die (const char *fmt, ...)
  __attribute__ ((noreturn, format (printf, 1, 2)));

double now_s (void);

/* splitmix64: the same numbers in every run. */
uint64_t next_random (uint64_t *state);

/* What the process holds: anonymous resident memory and page tables. */
uint64_t process_bytes (void);

struct corpus {
  const char *start;
  size_t block_bytes, nr_blocks;
};

/* Whole blocks of a file, present in memory. */
struct corpus corpus_map (const char *path, size_t block_bytes);

static inline const char *
corpus_block (const struct corpus *corpus, size_t block)
{
  return corpus->start + block * corpus->block_bytes;
}

/* A dictionary of up to dict_bytes from the first 64 MiB of a file. */
void corpus_train (const char *path, size_t block_bytes, size_t dict_bytes,
                   struct codec_params *params);

#endif

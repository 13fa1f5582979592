/* SPDX-License-Identifier: BSD-3-Clause */
/* Several threads on one small device: writers with overlapping parts of the
 * same blocks, readers, a trimmer, a compaction, changes of the live device;
 * with a reserve, as small as can be or not, and without.
 * Meant for the thread sanitizer, and worth running without it.  Attacks
 * invariants 6 to 9 of table.h.
 *
 * Each byte has one writer, the thread whose number it has modulo the number of
 * writers, and each writer keeps what it wrote last: at the end every byte must
 * be the one its writer wrote, whoever wrote next to it.  Beside that region
 * lies one where whole blocks are written, trimmed and read by everybody: a
 * read there must see one writer's block, whole, or zeroes.
 */
#include <config.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compact.h"
#include "model.h"
#include "recount.h"

#define NR_WRITERS 4
#define SHARED_BLOCKS 24        /* bytes interleaved between the writers */
#define TORN_BLOCKS 40          /* whole blocks from anybody */
#define STEPS 400
#define RUN 8                   /* a writer's bytes come in runs */

static struct device *device;
static uint32_t block_bytes;
static uint64_t shared_bytes;
static atomic_bool stopping;
static uint8_t *written[NR_WRITERS];    /* what each one wrote last */

/* Overwrite this writer's runs within a random range, each with its own write,
 * so most writes are parts of blocks. */
static void
write_own_bytes (struct random *random, unsigned writer)
{
  uint64_t run = random_below (random, shared_bytes / (RUN * NR_WRITERS) - 8);
  const uint64_t end = run + 1 + random_below (random, 8);

  for (; run < end; run++) {
    const uint64_t offset = (run * NR_WRITERS + writer) * RUN;

    for (unsigned i = 0; i < RUN; i++)
      written[writer][offset + i] = random_below (random, 3);
    check (device_write (device, written[writer] + offset, RUN, offset) == 0);
  }
}

static uint64_t
torn_offset (struct random *random)
{
  return shared_bytes + random_below (random, TORN_BLOCKS) * block_bytes;
}

/* A block that says at both ends and in the middle which one it is.  There are
 * few, so that many have the same content. */
static void
write_marked_block (struct random *random, uint8_t *block)
{
  struct random content = random_seeded (random_below (random, 6));
  const uint64_t mark = random_next (&content) | 1;

  if (mark & 2)
    memset (block, mark, block_bytes);
  else
    for (uint32_t i = 0; i < block_bytes; i++)
      block[i] = random_next (&content) & (mark & 4 ? 0xff : 3);
  memcpy (block, &mark, sizeof mark);
  memcpy (block + block_bytes / 2, &mark, sizeof mark);
  memcpy (block + block_bytes - sizeof mark, &mark, sizeof mark);
  check (device_write (device, block, block_bytes, torn_offset (random)) == 0);
}

static void
read_marked_block (struct random *random, uint8_t *block)
{
  uint64_t marks[3];

  check (device_read (device, block, block_bytes, torn_offset (random)) == 0);
  memcpy (&marks[0], block, sizeof *marks);
  memcpy (&marks[1], block + block_bytes / 2, sizeof *marks);
  memcpy (&marks[2], block + block_bytes - sizeof *marks, sizeof *marks);
  check (marks[0] == marks[1] && marks[1] == marks[2]);
}

static void *
writer (void *opaque)
{
  const unsigned number = (uintptr_t) opaque;
  struct random random = random_seeded (test_seed () + number);
  uint8_t *block = malloc (block_bytes);

  for (unsigned i = 0; i < STEPS; i++) {
    write_own_bytes (&random, number);
    write_marked_block (&random, block);
    read_marked_block (&random, block);
  }
  free (block);
  return NULL;
}

static void *
trimmer (void *opaque)
{
  struct random random = random_seeded (test_seed () + 100);

  while (!atomic_load (&stopping)) {
    const uint64_t offset = torn_offset (&random);

    if (random_below (&random, 2))
      device_trim (device, block_bytes, offset);
    else
      check (device_zero (device, block_bytes, offset,
                          random_below (&random, 2)) == 0);
  }
  return NULL;
}

static int
ignore_extent (void *opaque, uint64_t offset, uint64_t bytes,
               enum extent_kind kind)
{
  return 0;
}

static void *
inspector (void *opaque)
{
  struct stats_snapshot sums;

  while (!atomic_load (&stopping)) {
    compact_device (device);
    device_get_stats (device, &sums);
    device_extents (device, device->size_bytes, 0, ignore_extent, NULL);
    check (recount_device (device));
  }
  return NULL;
}

static void *
steerer (void *opaque)
{
  struct random random = random_seeded (test_seed () + 200);

  while (!atomic_load (&stopping))
    model_steer (&random, device);
  return NULL;
}

static void
check_own_bytes (void)
{
  uint8_t *data = malloc (shared_bytes);

  check (device_read (device, data, shared_bytes, 0) == 0);
  for (uint64_t i = 0; i < shared_bytes; i++)
    check (data[i] == written[i / RUN % NR_WRITERS][i]);
  free (data);
}

static void
run (unsigned algorithm, uint32_t bytes, uint64_t reserve_bytes)
{
  pthread_t writers[NR_WRITERS], others[3];

  block_bytes = bytes;
  shared_bytes = (uint64_t) SHARED_BLOCKS * block_bytes;
  device = model_device_reserve (algorithm, block_bytes, shared_bytes +
                                 (uint64_t) TORN_BLOCKS * block_bytes,
                                 reserve_bytes);
  check (device_start (device) == 0);
  model_attach_backing (device);
  model_start_dedup (device);
  atomic_store (&stopping, false);
  for (uintptr_t i = 0; i < NR_WRITERS; i++) {
    written[i] = calloc (1, shared_bytes);
    check (pthread_create (&writers[i], NULL, writer, (void *) i) == 0);
  }
  check (pthread_create (&others[0], NULL, trimmer, NULL) == 0);
  check (pthread_create (&others[1], NULL, inspector, NULL) == 0);
  check (pthread_create (&others[2], NULL, steerer, NULL) == 0);
  for (unsigned i = 0; i < NR_WRITERS; i++)
    pthread_join (writers[i], NULL);
  atomic_store (&stopping, true);
  for (unsigned i = 0; i < 3; i++)
    pthread_join (others[i], NULL);
  check_own_bytes ();
  check (recount_device (device));
  for (unsigned i = 0; i < NR_WRITERS; i++)
    free (written[i]);
  device_destroy (device);
}

int
main (void)
{
  /* Steering asks for what cannot be, too. */
  ignore_reports ();
  do
    for (unsigned algorithm = 0; codec_algorithms[algorithm]; algorithm++) {
      printf ("%s\n", codec_algorithms[algorithm]->name);
      fflush (stdout);
      run (algorithm, BLOCK_BYTES_MIN, 0);
      if (algorithm == 0) {
        run (algorithm, BLOCK_BYTES_MAX, 0);
        run (algorithm, BLOCK_BYTES_MIN, 1);
        run (algorithm, BLOCK_BYTES_MAX, 1 << 20);
      }
    }
  while (test_time_left ());
  return 0;
}

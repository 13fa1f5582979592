/* SPDX-License-Identifier: BSD-3-Clause */
/* on_full=writeback: a device of little memory and a large backing file takes
 * all that is written, from several threads at a time; without a file, or with
 * a full one, a write gets ENOSPC as ever.
 */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocks.h"
#include "live.h"
#include "model.h"
#include "recount.h"
#include "room.h"
#include "worker.h"

#define NR_THREADS 8u
#define NR_BLOCKS 8192u
#define ROOM_BYTES (4u << 20)

static struct device *device;
static struct worker *worker;
static struct policy policy = { .on_full = POLICY_FULL_WRITEBACK };

/* Half of it is noise, so 8192 blocks are some 17 MiB. */
static void
fill_block (uint8_t *block, uint64_t number)
{
  struct random random = random_seeded (number);

  for (unsigned i = 0; i < 4096; i++)
    block[i] = i < 2048 ? random_next (&random) : number;
}

static void
make_device (uint64_t backing_bytes)
{
  device = model_device (1, 4096, (uint64_t) NR_BLOCKS * 4096);
  worker = worker_create ();
  check (worker && worker_add (worker, device, &policy) == 0);
  if (backing_bytes > 0)
    check (live_attach_backing (device, &(struct backing_params) {
          .path = "room.backing", .size_bytes = backing_bytes }) == 0);
  live_set_mem_limit (device, device->budget.used_bytes + ROOM_BYTES);
}

static void
destroy_device (void)
{
  check (recount_device (device));
  check (device->budget.max_used_bytes <= device->budget.limit_bytes);
  worker_destroy (worker);
  device_destroy (device);
  unlink ("room.backing");
}

static void *
write_share (void *opaque)
{
  uint8_t block[4096];

  for (uint64_t i = (uintptr_t) opaque; i < NR_BLOCKS; i += NR_THREADS) {
    fill_block (block, i);
    check (device_write (device, block, 4096, i * 4096) == 0);
  }
  return NULL;
}

static void
check_blocks (uint64_t nr)
{
  uint8_t block[4096], wanted[4096];

  for (uint64_t i = 0; i < nr; i++) {
    fill_block (wanted, i);
    check (device_read (device, block, 4096, i * 4096) == 0);
    check (memcmp (block, wanted, 4096) == 0);
  }
}

static void
writers_get_room_for_four_times_the_memory (void)
{
  pthread_t threads[NR_THREADS];

  make_device (64 << 20);
  for (uintptr_t i = 0; i < NR_THREADS; i++)
    check (pthread_create (&threads[i], NULL, write_share, (void *) i) == 0);
  for (unsigned i = 0; i < NR_THREADS; i++)
    pthread_join (threads[i], NULL);
  check_blocks (NR_BLOCKS);
  destroy_device ();
}

/* Returns how many blocks went in. */
static uint64_t
write_until_full (void)
{
  uint8_t block[4096];
  uint64_t i;

  for (i = 0; i < NR_BLOCKS; i++) {
    fill_block (block, i);
    if (device_write (device, block, 4096, i * 4096) == -1) {
      check (errno == ENOSPC);
      break;
    }
  }
  return i;
}

static void
a_device_without_a_file_is_full_at_its_limit (void)
{
  uint64_t nr;

  make_device (0);
  captured_reports[0] = '\0';
  nr = write_until_full ();
  check (nr > 1000 && nr < 3000);
  check (strstr (captured_reports, "memory limit") != NULL);
  check (strstr (captured_reports, "backing") == NULL);
  check_blocks (nr);
  destroy_device ();
}

static void
a_full_file_and_full_memory_are_the_end (void)
{
  uint64_t nr;

  make_device (2 << 20);
  nr = write_until_full ();
  check (nr > 2000 && nr < NR_BLOCKS);
  check_blocks (nr);
  destroy_device ();
}

static void
with_error_no_block_is_moved (void)
{
  struct stats_snapshot stats;

  policy.on_full = POLICY_FULL_ERROR;
  make_device (64 << 20);
  check (write_until_full () < NR_BLOCKS);
  device_get_stats (device, &stats);
  check (stats.values[STAT_BACKED_BLOCKS] == 0);
  destroy_device ();
}

int
main (void)
{
  if (!has_backing_files ())
    skip_test ("backing files are not compiled in (xxhash)");
  capture_reports ();
  test (writers_get_room_for_four_times_the_memory);
  test (a_device_without_a_file_is_full_at_its_limit);
  test (a_full_file_and_full_memory_are_the_end);
  test (with_error_no_block_is_moved);
  return 0;
}

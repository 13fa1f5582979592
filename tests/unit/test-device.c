/* SPDX-License-Identifier: BSD-3-Clause */
/* The device: any range comes back whatever lies there and beside it, and what
 * it holds is counted.  Attacks invariants 1, 3 and 5 of table.h.
 */
#include <config.h>

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "disk.h"

static void
every_kind_of_data_comes_back_for_every_block_size (void)
{
  for (uint32_t block = BLOCK_BYTES_MIN; block <= BLOCK_BYTES_MAX; block *= 2) {
    device = model_device (0, block, 8 * NR_DATA * block);
    for (unsigned kind = 0; kind < NR_DATA; kind++)
      for (unsigned i = 0; i < 8; i++)
        write_data (kind, i, block, (kind * 8 + i) * (uint64_t) block);
    check (recount_device (device));
    for (unsigned kind = 0; kind < NR_DATA; kind++)
      for (unsigned i = 0; i < 8; i++)
        check_data (kind, i, block, (kind * 8 + i) * (uint64_t) block);
    check (counter (STAT_SAME_BLOCKS) == 24);
    check (counter (STAT_PACKED_BLOCKS) == 8);
    check (counter (STAT_HUGE_BLOCKS) == 8);
    stop ();
  }
}

static const struct { uint32_t from, bytes; } parts[] = {
  { 0, 1 }, { 0, 4095 }, { 1, 1 }, { 4095, 1 }, { 13, 1000 }, { 8, 4088 },
};
#define NR_PARTS (sizeof parts / sizeof *parts)

static void
a_part_of_a_block_is_read_as_it_lies_in_the_block (void)
{
  start ();
  for (unsigned kind = 0; kind < NR_DATA; kind++) {
    write_data (kind, kind, BLOCK, 7 * BLOCK);
    for (unsigned i = 0; i < NR_PARTS; i++) {
      memset (copy, 0xee, BLOCK);
      check (device_read (device, copy, parts[i].bytes,
                          7 * BLOCK + parts[i].from) == 0);
      check (memcmp (copy, data + parts[i].from, parts[i].bytes) == 0);
      check (copy[parts[i].bytes] == 0xee);
    }
  }
  stop ();
}

/* Over whatever lies there, and beside it nothing changes. */
static void
a_part_of_a_block_changes_no_other_byte (void)
{
  static uint8_t before[BLOCK];

  start ();
  for (unsigned kind = 0; kind < NR_DATA; kind++)
    for (unsigned i = 0; i < NR_PARTS; i++) {
      const uint32_t from = parts[i].from, bytes = parts[i].bytes;

      write_data (kind, i, BLOCK, 7 * BLOCK);
      memcpy (before, data, BLOCK);
      write_data (NOISE, i, bytes, 7 * BLOCK + from);
      memcpy (before + from, data, bytes);
      check_data (NOISE, i, bytes, 7 * BLOCK + from);
      check (device_read (device, copy, BLOCK, 7 * BLOCK) == 0);
      check (memcmp (copy, before, BLOCK) == 0);
      check_zeroes (BLOCK, 6 * BLOCK);
      check_zeroes (BLOCK, 8 * BLOCK);
    }
  stop ();
}

static void
a_range_over_blocks_at_odd_offsets_comes_back (void)
{
  start ();
  for (unsigned kind = 0; kind < NR_DATA; kind++)
    for (uint64_t bytes = 1; bytes < 7 * BLOCK; bytes += 1 + bytes / 2) {
      const uint64_t offset = 3 * BLOCK - bytes / 3;

      write_data (SMALL_WORD, 9, 16 * BLOCK, 0);
      write_data (kind, bytes, bytes, offset);
      check_data (kind, bytes, bytes, offset);
      check_data (SMALL_WORD, 9, offset, 0);
      check_data (SMALL_WORD, 9, 100, offset + bytes);
    }
  stop ();
}

static void
blocks_are_counted_as_they_come_and_go (void)
{
  start ();
  write_data (NOISE, 1, 2 * BLOCK, 0);
  write_data (TEXT, 1, BLOCK, 2 * BLOCK);
  check (counter (STAT_WRITES) == 3);
  check (counter (STAT_HUGE_BLOCKS) == 2 && counter (STAT_HUGE_SINCE) == 2);
  check (counter (STAT_OBJECT_BYTES) > 2 * BLOCK);
  check_data (NOISE, 1, BLOCK + 1, 0);
  check (counter (STAT_READS) == 2);
  write_data (WIDE_WORD, 1, BLOCK, 0);
  check (counter (STAT_HUGE_BLOCKS) == 1 && counter (STAT_HUGE_SINCE) == 2);
  check (counter (STAT_SAME_BLOCKS) == 1);
  device_trim (device, 5 * BLOCK, 0);
  check (counter (STAT_NOTIFY_FREE) == 3);
  check (counter (STAT_OBJECT_BYTES) == 0);
  stop ();
}

/* 1/64 of a block has to be saved.  With lz4, since zstd minds that itself. */
static void
what_compression_hardly_shortens_is_kept_as_it_is (void)
{
  const char *why;

  check (codec_find ("lz4", &why) == codec_algorithms[1]);
  device = model_device (1, BLOCK, SIZE);
  fill (NOISE, 1, BLOCK);
  memset (data + BLOCK - 48, 0, 48);
  check (device_write (device, data, BLOCK, 0) == 0);
  check (counter (STAT_HUGE_BLOCKS) == 1);
  check (counter (STAT_OBJECT_BYTES) == BLOCK);
  memset (data + BLOCK - 128, 0, 128);
  check (device_write (device, data, BLOCK, 0) == 0);
  check (counter (STAT_HUGE_BLOCKS) == 0);
  check (counter (STAT_PACKED_BLOCKS) == 1);
  check (counter (STAT_OBJECT_BYTES) <= BLOCK - BLOCK / 64);
  stop ();
}

static void
a_read_makes_a_block_neither_idle_nor_chosen (void)
{
  static const enum data kinds[] = { WIDE_WORD, TEXT, NOISE };

  start ();
  for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    write_data (kinds[i], 1, BLOCK, i * BLOCK);
    table_touch (&device->table, i, AGE_IDLE);
    table_publish (&device->table, i,
                   slot_with_flag (table_peek (&device->table, i),
                                   SLOT_CHOSEN));
    check_data (kinds[i], 1, BLOCK, i * BLOCK);
    check (!age_is_idle (*table_age (&device->table, i)));
    check (!slot_has_flag (table_peek (&device->table, i), SLOT_CHOSEN));
  }
  stop ();
}

static sem_t writing;
static atomic_bool written;

static void *
write_one_block (void *opaque)
{
  uint8_t block[BLOCK] = { 1, 2, 3 };

  sem_post (&writing);
  check (device_write (device, block, BLOCK, 5 * BLOCK) == 0);
  written = true;
  return NULL;
}

static void
a_write_waits_while_the_device_is_quiesced (void)
{
  pthread_t writer;

  start ();
  sem_init (&writing, 0, 0);
  device_quiesce_begin (device);
  check (pthread_create (&writer, NULL, write_one_block, NULL) == 0);
  sem_wait (&writing);
  for (unsigned i = 0; i < 100; i++) {
    sched_yield ();
    check (!written && table_peek (&device->table, 5) == 0);
  }
  device_quiesce_end (device);
  pthread_join (writer, NULL);
  check (written && table_peek (&device->table, 5) != 0);
  sem_destroy (&writing);
  stop ();
}

int
main (void)
{
  capture_reports ();
  test (every_kind_of_data_comes_back_for_every_block_size);
  test (a_part_of_a_block_is_read_as_it_lies_in_the_block);
  test (a_part_of_a_block_changes_no_other_byte);
  test (a_range_over_blocks_at_odd_offsets_comes_back);
  test (blocks_are_counted_as_they_come_and_go);
  test (what_compression_hardly_shortens_is_kept_as_it_is);
  test (a_read_makes_a_block_neither_idle_nor_chosen);
  test (a_write_waits_while_the_device_is_quiesced);
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Extents tell data, zeroes and holes apart, to the byte of the request and
 * never beyond it. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "pattern.h"
#include "server.h"

#define DISK_BYTES (16 * TiB)
#define BLOCK ((uint64_t) 4096)

static void
an_empty_disk_is_a_hole (struct nbd_handle *nbd)
{
  struct map map;

  CHECK ("an empty disk of 16 TiB is one hole");
  map_get_all (nbd, DISK_BYTES, 0, &map);
  require (map.nr_runs == 1);
  require (map.runs[0].type == MAP_HOLE && map.runs[0].bytes == DISK_BYTES);
  free (map.runs);
}

static void
fill (struct nbd_handle *nbd, int byte, uint64_t bytes, uint64_t offset)
{
  char *data = malloc (bytes);

  require (data);
  memset (data, byte, bytes);
  require (nbd_pwrite (nbd, data, bytes, offset, 0) == 0);
  free (data);
}

static void
write_noise (struct nbd_handle *nbd, uint64_t bytes, uint64_t offset)
{
  uint64_t state = 4711;
  char *data = malloc (bytes);

  require (data);
  pattern_noise (data, bytes, &state);
  require (nbd_pwrite (nbd, data, bytes, offset, 0) == 0);
  free (data);
}

/* Blocks 0 1 2 3 4 5 6 7 8 9 ... from start on:
 *        H Z Z S S D D N Z H     H hole, Z zeroes written, S same-filled,
 *                                D compressed, N noise
 */
static const struct map_run expected[] = {
  { BLOCK, MAP_HOLE }, { 2 * BLOCK, MAP_ZERO }, { 5 * BLOCK, MAP_DATA },
  { BLOCK, MAP_ZERO }, { BLOCK, MAP_HOLE },
};
#define NR_EXPECTED (sizeof expected / sizeof expected[0])
#define EXPECTED_BYTES (10 * BLOCK)

static void
write_one_of_each (struct nbd_handle *nbd, uint64_t start)
{
  fill (nbd, 0, 2 * BLOCK, start + BLOCK);
  fill (nbd, 'x', 2 * BLOCK, start + 3 * BLOCK);
  fill (nbd, 'y', 100, start + 5 * BLOCK);
  fill (nbd, 'z', 100, start + 7 * BLOCK - 100);
  write_noise (nbd, BLOCK, start + 7 * BLOCK);
  fill (nbd, 0, BLOCK, start + 8 * BLOCK);
}

/* The expected map, cut to what a request of these bytes sees. */
static void
require_cut (const struct map *map, uint64_t bytes, uint64_t skip)
{
  size_t run = 0;

  for (size_t i = 0; i < NR_EXPECTED && bytes > 0; i++) {
    uint64_t here = expected[i].bytes;

    if (skip >= here) {
      skip -= here;
      continue;
    }
    here -= skip;
    here = here < bytes ? here : bytes;
    require (run < map->nr_runs);
    require (map->runs[run].type == expected[i].type);
    require (map->runs[run].bytes == here);
    run++;
    bytes -= here;
    skip = 0;
  }
  require (run == map->nr_runs && bytes == 0);
}

static void
range_is_as_expected (struct nbd_handle *nbd, uint64_t start, uint64_t bytes,
                      uint64_t skip)
{
  struct map map;

  map_get_all (nbd, bytes, start + skip, &map);
  require_cut (&map, bytes, skip);
  free (map.runs);
}

static void
each_kind_is_told_apart (struct nbd_handle *nbd, uint64_t start)
{
  CHECK ("holes, zeroes and data at %llu", (unsigned long long) start);
  write_one_of_each (nbd, start);
  range_is_as_expected (nbd, start, EXPECTED_BYTES, 0);
}

static void
unaligned_requests_are_cut (struct nbd_handle *nbd, uint64_t start)
{
  uint64_t state = pattern_seed (), skip, bytes;

  CHECK ("unaligned requests");
  for (unsigned i = 0; i < 1000; i++) {
    skip = pattern_below (&state, EXPECTED_BYTES);
    bytes = 1 + pattern_below (&state, EXPECTED_BYTES - skip);
    range_is_as_expected (nbd, start, bytes, skip);
  }
}

static void
req_one_gets_one (struct nbd_handle *nbd, uint64_t start)
{
  uint64_t offset = start;
  struct map map;

  CHECK ("one extent where one is asked for");
  for (size_t i = 0; i < NR_EXPECTED; i++) {
    map_get (nbd, start + EXPECTED_BYTES - offset, offset,
             LIBNBD_CMD_FLAG_REQ_ONE, &map);
    require (map.nr_runs == 1);
    require (map.runs[0].type == expected[i].type);
    require (map.runs[0].bytes <= expected[i].bytes);
    require (map.runs[0].bytes >= BLOCK);
    offset += expected[i].bytes;
    free (map.runs);
  }
}

static void
req_one_is_cut_too (struct nbd_handle *nbd, uint64_t start)
{
  struct map map;

  CHECK ("one byte in the middle of data, and of a hole");
  map_get (nbd, 1, start + 6 * BLOCK + 77, LIBNBD_CMD_FLAG_REQ_ONE, &map);
  require (map.nr_runs == 1 && map.runs[0].bytes == 1);
  require (map.runs[0].type == MAP_DATA);
  free (map.runs);
  map_get (nbd, 1, start + 1 * TiB + 77, LIBNBD_CMD_FLAG_REQ_ONE, &map);
  require (map.nr_runs == 1 && map.runs[0].bytes == 1);
  require (map.runs[0].type == MAP_HOLE);
  free (map.runs);
}

static void
the_longest_request_is_answered (struct nbd_handle *nbd, uint64_t start)
{
  const uint64_t longest = REQUEST_BYTES_MAX;
  struct map map;

  CHECK ("2^32 - 1 bytes around data, at offsets that are not aligned");
  require (map_is (nbd, longest, start + 1 * TiB, MAP_HOLE));
  require (map_is (nbd, longest, start - longest + BLOCK, MAP_HOLE));
  require (map_is (nbd, longest - 1, start + EXPECTED_BYTES - BLOCK + 1,
                   MAP_HOLE));
  map_get_all (nbd, longest, start - longest + BLOCK + 1, &map);
  require (map.nr_runs == 2);
  require (map.runs[0].type == MAP_HOLE && map.runs[0].bytes == longest - 1);
  require (map.runs[1].type == MAP_ZERO && map.runs[1].bytes == 1);
  free (map.runs);
}

static int
no_entries (void *opaque, const char *context, uint64_t offset,
            uint32_t *entries, size_t nr_entries, int *error)
{
  require (!"extents of what is not on the disk");
  return -1;
}

static void
the_end_of_the_disk_is_the_end (struct nbd_handle *nbd)
{
  const uint64_t longest = REQUEST_BYTES_MAX;
  struct map map;

  CHECK ("2^32 - 1 bytes to the end of the disk, and beyond");
  require (map_is (nbd, longest, DISK_BYTES - longest, MAP_HOLE));
  fill (nbd, 'e', 1, DISK_BYTES - 1);
  map_get_all (nbd, longest, DISK_BYTES - longest, &map);
  require (map.nr_runs == 2 && map.runs[1].bytes == BLOCK);
  free (map.runs);
  require (nbd_block_status (nbd, longest, DISK_BYTES - longest + 1,
                             (nbd_extent_callback) { .callback = no_entries },
                             0) == -1);
  require (nbd_get_errno () == EINVAL);
}

/* Every other block: as many extents as there can be. */
static void
many_small_extents_are_all_told (struct nbd_handle *nbd, uint64_t start)
{
  const unsigned nr_data = 3000;
  struct map map;

  CHECK ("%u pieces of data with holes between them", nr_data);
  for (unsigned i = 0; i < nr_data; i++)
    require (nbd_pwrite (nbd, "data", 4, start + 2 * i * BLOCK, 0) == 0);
  map_get_all (nbd, 2 * nr_data * BLOCK, start, &map);
  require (map.nr_runs == 2 * nr_data);
  for (size_t i = 0; i < map.nr_runs; i++) {
    require (map.runs[i].bytes == BLOCK);
    require (map.runs[i].type == (i % 2 ? MAP_HOLE : MAP_DATA));
  }
  free (map.runs);
}

static void
trim_makes_holes_again (struct nbd_handle *nbd, uint64_t start)
{
  CHECK ("trimmed data is a hole");
  require (nbd_trim (nbd, EXPECTED_BYTES, start, 0) == 0);
  require (map_is (nbd, EXPECTED_BYTES, start, MAP_HOLE));
}

/* Once over the end of a page of the table (2 MiB of disk), and once more than
 * a whole request away from everything else. */
int
main (void)
{
  struct server *server = server_start (SERVER_ARGS ("16T"));
  struct nbd_handle *nbd = server_connect (server, "");
  const uint64_t start = 5 * TiB + 3 * BLOCK;

  an_empty_disk_is_a_hole (nbd);
  each_kind_is_told_apart (nbd, 8 * TiB - 5 * BLOCK);
  each_kind_is_told_apart (nbd, start);
  unaligned_requests_are_cut (nbd, start);
  req_one_gets_one (nbd, start);
  req_one_is_cut_too (nbd, start);
  the_longest_request_is_answered (nbd, start);
  the_end_of_the_disk_is_the_end (nbd);
  many_small_extents_are_all_told (nbd, 7 * TiB);
  trim_makes_holes_again (nbd, start);
  server_require_alive (server);
  nbd_close (nbd);
  server_stop (server);
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Cache succeeds for any range of the disk and changes nothing: everything is
 * in memory already. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "pattern.h"
#include "server.h"

/* The whole disk takes more than one request. */
#define DISK_BYTES (5 * GiB)

/* What is looked at: data, zeroes and holes, across the first 4 GiB. */
#define PART_BYTES (8 * MiB)
#define PART_OFFSET (4 * GiB - PART_BYTES / 2 + 4096)

struct disk {
  struct nbd_handle *nbd;
  uint8_t *content;             /* of the part */
  uint8_t *data;
  struct map map;               /* of the disk */
};

static bool
maps_are_same (const struct map *a, const struct map *b)
{
  if (a->nr_runs != b->nr_runs)
    return false;
  for (size_t i = 0; i < a->nr_runs; i++)
    if (a->runs[i].bytes != b->runs[i].bytes ||
        a->runs[i].type != b->runs[i].type)
      return false;
  return true;
}

static void
nothing_has_changed (struct disk *disk)
{
  struct map map;

  require (nbd_pread (disk->nbd, disk->data, PART_BYTES, PART_OFFSET, 0) == 0);
  require (memcmp (disk->data, disk->content, PART_BYTES) == 0);
  map_get_all (disk->nbd, DISK_BYTES, 0, &map);
  require (maps_are_same (&map, &disk->map));
  free (map.runs);
}

static void
range_can_be_cached (struct disk *disk, uint32_t bytes, uint64_t offset)
{
  CHECK ("  %" PRIu32 " bytes at %" PRIu64, bytes, offset);
  require (nbd_cache (disk->nbd, bytes, offset, 0) == 0);
}

static void
the_whole_disk_can_be_cached (struct disk *disk)
{
  CHECK ("the whole disk");
  range_can_be_cached (disk, REQUEST_BYTES_MAX, 0);
  range_can_be_cached (disk, DISK_BYTES - REQUEST_BYTES_MAX,
                       REQUEST_BYTES_MAX);
  nothing_has_changed (disk);
}

static void
odd_ranges_can_be_cached (struct disk *disk)
{
  CHECK ("odd ranges");
  range_can_be_cached (disk, 1, 0);
  range_can_be_cached (disk, 1, DISK_BYTES - 1);
  range_can_be_cached (disk, 2, PART_OFFSET + 4095);
  range_can_be_cached (disk, 4095, PART_OFFSET + 1);
  range_can_be_cached (disk, 4096, PART_OFFSET + 77);
  range_can_be_cached (disk, PART_BYTES - 1, PART_OFFSET + 1);
  range_can_be_cached (disk, REQUEST_BYTES_MAX,
                       DISK_BYTES - REQUEST_BYTES_MAX);
  nothing_has_changed (disk);
}

static void
random_ranges_can_be_cached (struct disk *disk, uint64_t *state)
{
  CHECK ("random ranges");
  for (unsigned i = 0; i < 1000; i++) {
    const uint64_t offset = pattern_below (state, PART_BYTES);
    const uint64_t bytes = 1 + pattern_below (state, PART_BYTES - offset);

    require (nbd_cache (disk->nbd, bytes, PART_OFFSET + offset, 0) == 0);
  }
  nothing_has_changed (disk);
}

static void
ranges_beyond_the_disk_are_refused (struct disk *disk)
{
  CHECK ("beyond the disk");
  require (nbd_cache (disk->nbd, 1, DISK_BYTES, 0) == -1);
  require (nbd_get_errno () == EINVAL);
  require (nbd_cache (disk->nbd, 4096, DISK_BYTES - 4095, 0) == -1);
  require (nbd_get_errno () == EINVAL);
  require (nbd_cache (disk->nbd, REQUEST_BYTES_MAX, 2 * GiB, 0) == -1);
  require (nbd_get_errno () == EINVAL);
  nothing_has_changed (disk);
}

/* Data, then zeroes in the middle of it, and a hole in the middle of these. */
static void
write_one_of_each (struct disk *disk, uint64_t *state)
{
  uint8_t *content = disk->content;

  pattern_mixed (content, PART_BYTES, state);
  memset (content + 2 * MiB, 0, 4 * MiB);
  require (nbd_pwrite (disk->nbd, content, PART_BYTES, PART_OFFSET, 0) == 0);
  require (nbd_trim (disk->nbd, 2 * MiB, PART_OFFSET + 3 * MiB, 0) == 0);
  map_get_all (disk->nbd, DISK_BYTES, 0, &disk->map);
  require (map_is (disk->nbd, MiB, PART_OFFSET + 2 * MiB, MAP_ZERO));
  require (map_is (disk->nbd, 2 * MiB, PART_OFFSET + 3 * MiB, MAP_HOLE));
  nothing_has_changed (disk);
}

int
main (void)
{
  uint64_t state = pattern_seed ();
  struct server *server = server_start (SERVER_ARGS ("5G"));
  struct disk disk = {
    .nbd = server_connect (server, ""),
    .content = malloc (PART_BYTES),
    .data = malloc (PART_BYTES),
  };

  require (disk.content && disk.data);
  CHECK ("cache is offered");
  require (nbd_can_cache (disk.nbd) == 1);
  write_one_of_each (&disk, &state);
  the_whole_disk_can_be_cached (&disk);
  odd_ranges_can_be_cached (&disk);
  random_ranges_can_be_cached (&disk, &state);
  ranges_beyond_the_disk_are_refused (&disk);
  nbd_close (disk.nbd);
  server_stop (server);
  free (disk.content);
  free (disk.data);
  free (disk.map.runs);
  return 0;
}

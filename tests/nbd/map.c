/* SPDX-License-Identifier: BSD-3-Clause */
/* Extents; see map.h. */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "server.h"

static void
add_run (struct map *map, uint64_t bytes, uint32_t type)
{
  struct map_run *last = map->nr_runs ? &map->runs[map->nr_runs - 1] : NULL;

  map->bytes += bytes;
  if (last && last->type == type) {
    last->bytes += bytes;
    return;
  }
  map->runs = reallocarray (map->runs, map->nr_runs + 1, sizeof *map->runs);
  require (map->runs);
  map->runs[map->nr_runs++] = (struct map_run) { bytes, type };
}

/* Entries are pairs of a length and flags. */
static int
add_entries (void *opaque, const char *context, uint64_t offset,
             uint32_t *entries, size_t nr_entries, int *error)
{
  require (strcmp (context, LIBNBD_CONTEXT_BASE_ALLOCATION) == 0);
  require (nr_entries % 2 == 0);
  for (size_t i = 0; i < nr_entries; i += 2)
    add_run (opaque, entries[i], entries[i + 1]);
  return 0;
}

static void
ask (struct nbd_handle *nbd, uint64_t bytes, uint64_t offset,
     uint32_t cmd_flags, struct map *map)
{
  const uint64_t before = map->bytes;

  require (nbd_block_status (nbd, bytes, offset, (nbd_extent_callback) {
             .callback = add_entries, .user_data = map,
           }, cmd_flags) == 0);
  require (map->bytes > before);
  require (map->bytes - before <= bytes);
}

void
map_get (struct nbd_handle *nbd, uint64_t bytes, uint64_t offset,
         uint32_t cmd_flags, struct map *map)
{
  *map = (struct map) { .runs = NULL };
  ask (nbd, bytes, offset, cmd_flags, map);
}

void
map_get_all (struct nbd_handle *nbd, uint64_t bytes, uint64_t offset,
             struct map *map)
{
  uint64_t left;

  *map = (struct map) { .runs = NULL };
  while (map->bytes < bytes) {
    left = bytes - map->bytes;
    ask (nbd, left < REQUEST_BYTES_MAX ? left : REQUEST_BYTES_MAX,
         offset + map->bytes, 0, map);
  }
}

bool
map_is (struct nbd_handle *nbd, uint64_t bytes, uint64_t offset, uint32_t type)
{
  struct map map;
  bool is;

  map_get_all (nbd, bytes, offset, &map);
  is = map.nr_runs == 1 && map.runs[0].type == type && map.bytes == bytes;
  for (size_t i = 0; !is && i < map.nr_runs; i++)
    fprintf (stderr, "run %zu: %llu bytes, type %u\n", i,
             (unsigned long long) map.runs[i].bytes, map.runs[i].type);
  free (map.runs);
  return is;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Which parts of a disk are data, zeroes and holes, as the server says. */
#ifndef ZRAM_TESTS_MAP_H
#define ZRAM_TESTS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libnbd.h>

#define MAP_DATA 0u
#define MAP_ZERO LIBNBD_STATE_ZERO
#define MAP_HOLE (LIBNBD_STATE_HOLE | LIBNBD_STATE_ZERO)

struct map_run {
  uint64_t bytes;
  uint32_t type;
};

struct map {
  struct map_run *runs;
  size_t nr_runs;
  uint64_t bytes;               /* of all runs */
};

/* The answer to one request; cmd_flags 0 or LIBNBD_CMD_FLAG_REQ_ONE.  Requires
 * an answer that says something, and nothing beyond the request.  Runs of one
 * type are joined.  The caller owns map->runs. */
void map_get (struct nbd_handle *nbd, uint64_t bytes, uint64_t offset,
              uint32_t cmd_flags, struct map *map);

/* Ask until all of the range was answered, each request as long as NBD can
 * say.  The caller owns map->runs. */
void map_get_all (struct nbd_handle *nbd, uint64_t bytes, uint64_t offset,
                  struct map *map);

/* Is all of the range of this type? */
bool map_is (struct nbd_handle *nbd, uint64_t bytes, uint64_t offset,
             uint32_t type);

#endif

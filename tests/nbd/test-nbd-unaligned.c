/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests of any offset and length against a plain array. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "server.h"

/* Neither a multiple of 64 KiB, so that the last block is not whole, nor so
 * large that the checks take long. */
#define DISK_BYTES (40 * MiB + 5 * 4096)
#define REQUEST_MAX (32 * MiB)

#define NR_SMALL 3000
#define NR_LARGE 15

struct disk {
  struct server *server;
  struct nbd_handle *nbd;
  uint32_t block_bytes;
  uint8_t *model;               /* what the disk holds */
  uint8_t *data;                /* of a request */
  uint64_t state;
};

static void
disk_open (struct disk *disk, const char *algorithm, uint32_t block_bytes,
           uint64_t seed)
{
  char size[40], block_size[40], comp_algorithm[40];

  CHECK ("%s, blocks of %u bytes", algorithm, block_bytes);
  snprintf (size, sizeof size, "size=%" PRIu64, DISK_BYTES);
  snprintf (block_size, sizeof block_size, "block_size=%u", block_bytes);
  snprintf (comp_algorithm, sizeof comp_algorithm, "comp_algorithm=%s",
            algorithm);
  *disk = (struct disk) {
    .server = server_start (SERVER_ARGS (size, block_size, comp_algorithm)),
    .block_bytes = block_bytes,
    .model = calloc (1, DISK_BYTES),
    .data = malloc (REQUEST_MAX),
    .state = seed,
  };
  require (disk->model && disk->data);
  disk->nbd = server_connect (disk->server, "");
  require (nbd_get_size (disk->nbd) == (int64_t) DISK_BYTES);
}

static void
disk_close (struct disk *disk)
{
  nbd_close (disk->nbd);
  server_stop (disk->server);
  free (disk->model);
  free (disk->data);
}

struct range {
  uint32_t bytes;
  uint64_t offset;
};

static void
disk_write (struct disk *disk, struct range range)
{
  pattern_mixed (disk->data, range.bytes, &disk->state);
  memcpy (disk->model + range.offset, disk->data, range.bytes);
  require (nbd_pwrite (disk->nbd, disk->data, range.bytes, range.offset, 0)
           == 0);
}

static void
disk_check (struct disk *disk, struct range range)
{
  memset (disk->data, 0xee, range.bytes);
  require (nbd_pread (disk->nbd, disk->data, range.bytes, range.offset, 0)
           == 0);
  require (memcmp (disk->data, disk->model + range.offset, range.bytes) == 0);
}

static void
disk_zero (struct disk *disk, struct range range)
{
  const uint32_t flags =
    (pattern_below (&disk->state, 2) ? LIBNBD_CMD_FLAG_NO_HOLE : 0) |
    (pattern_below (&disk->state, 2) ? LIBNBD_CMD_FLAG_FAST_ZERO : 0);

  memset (disk->model + range.offset, 0, range.bytes);
  require (nbd_zero (disk->nbd, range.bytes, range.offset, flags) == 0);
}

/* Whole blocks are zeroes then, parts of blocks as they were.  The last block
 * is whole as far as the disk reaches. */
static void
disk_trim (struct disk *disk, struct range range)
{
  const uint64_t mask = disk->block_bytes - 1;
  const uint64_t end = range.offset + range.bytes;
  const uint64_t from = (range.offset + mask) & ~mask;
  const uint64_t to = end == DISK_BYTES ? end : end & ~mask;

  if (from < to)
    memset (disk->model + from, 0, to - from);
  require (nbd_trim (disk->nbd, range.bytes, range.offset, 0) == 0);
}

/* One in eight ends with the disk. */
static struct range
random_range (struct disk *disk, uint64_t bytes_max)
{
  struct range range = {
    .bytes = 1 + pattern_below (&disk->state, bytes_max),
  };
  const uint64_t last = DISK_BYTES - range.bytes;

  range.offset = pattern_below (&disk->state, 8) ?
    pattern_below (&disk->state, last + 1) : last;
  return range;
}

/* Then look at what was done, and at some bytes around it. */
static void
check_around (struct disk *disk, struct range range)
{
  const uint64_t before = range.offset < 100 ? range.offset : 100;
  const uint64_t end = range.offset + range.bytes;
  const uint64_t behind = DISK_BYTES - end < 100 ? DISK_BYTES - end : 100;

  if (range.bytes + before + behind <= REQUEST_MAX)
    disk_check (disk, (struct range) {
        range.bytes + before + behind, range.offset - before });
}

static void
random_request (struct disk *disk, uint64_t bytes_max)
{
  const struct range range = random_range (disk, bytes_max);

  switch (pattern_below (&disk->state, 6)) {
  case 0: disk_zero (disk, range); break;
  case 1: disk_trim (disk, range); break;
  case 2: disk_check (disk, range); return;
  default: disk_write (disk, range); break;
  }
  check_around (disk, range);
}

static void
check_all (struct disk *disk)
{
  uint64_t bytes;

  for (uint64_t offset = 0; offset < DISK_BYTES; offset += bytes) {
    bytes = DISK_BYTES - offset;
    bytes = bytes < REQUEST_MAX ? bytes : REQUEST_MAX;
    disk_check (disk, (struct range) { bytes, offset });
  }
}

static void
random_requests_do_what_they_say (struct disk *disk)
{
  CHECK ("  small requests");
  for (unsigned i = 0; i < NR_SMALL; i++)
    random_request (disk, pattern_below (&disk->state, 4) ?
                    disk->block_bytes : 20 * 4096);
  check_all (disk);
  CHECK ("  requests of up to 32 MiB");
  for (unsigned i = 0; i < NR_LARGE; i++)
    random_request (disk, REQUEST_MAX);
  check_all (disk);
}

static void
the_last_block_ends_with_the_disk (struct disk *disk)
{
  const struct range block = { 4096, DISK_BYTES - 4096 };
  const struct range byte = { 1, DISK_BYTES - 1 };

  CHECK ("  the last block");
  disk_write (disk, block);
  disk_check (disk, block);
  disk_trim (disk, block);
  disk_check (disk, block);
  disk_write (disk, byte);
  disk_check (disk, block);
  disk_zero (disk, byte);
  disk_check (disk, block);
  disk_write (disk, block);
  disk_trim (disk, byte);
  check_all (disk);
}

static void
is_refused (int result)
{
  require (result == -1);
  require (nbd_get_errno () == EINVAL || nbd_get_errno () == ENOSPC);
}

static void
range_is_refused (struct disk *disk, uint32_t bytes, uint64_t offset)
{
  struct nbd_handle *nbd = disk->nbd;

  CHECK ("  %u bytes at %" PRIu64, bytes, offset);
  is_refused (nbd_pread (nbd, disk->data, bytes, offset, 0));
  is_refused (nbd_pwrite (nbd, disk->data, bytes, offset, 0));
  is_refused (nbd_trim (nbd, bytes, offset, 0));
  is_refused (nbd_zero (nbd, bytes, offset, 0));
  is_refused (nbd_cache (nbd, bytes, offset, 0));
}

static void
requests_beyond_the_disk_are_refused (struct disk *disk)
{
  CHECK ("  out of range:");
  range_is_refused (disk, 1, DISK_BYTES);
  range_is_refused (disk, 2, DISK_BYTES - 1);
  range_is_refused (disk, 4096, DISK_BYTES - 4095);
  range_is_refused (disk, 512, UINT64_MAX - 511);
  range_is_refused (disk, 512, (uint64_t) 1 << 63);
  range_is_refused (disk, REQUEST_MAX, DISK_BYTES - 1);
  is_refused (nbd_trim (disk->nbd, UINT32_MAX, 0, 0));
  is_refused (nbd_zero (disk->nbd, UINT32_MAX, 1, 0));
  is_refused (nbd_pread (disk->nbd, disk->data, 0, DISK_BYTES + 1, 0));
  server_require_alive (disk->server);
  check_all (disk);
}

static void
any_request_works (const char *algorithm, uint32_t block_bytes, uint64_t seed)
{
  struct disk disk;

  disk_open (&disk, algorithm, block_bytes, seed);
  random_requests_do_what_they_say (&disk);
  the_last_block_ends_with_the_disk (&disk);
  requests_beyond_the_disk_are_refused (&disk);
  disk_close (&disk);
}

int
main (void)
{
  const uint64_t seed = pattern_seed ();

  any_request_works ("zstd", 4096, seed);
  any_request_works ("lz4", 65536, seed);
  return 0;
}

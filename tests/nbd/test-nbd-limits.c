/* SPDX-License-Identifier: BSD-3-Clause */
/* At its memory limit a disk refuses what does not fit, block by block, and
 * loses nothing: a refused block is what it was before, byte for byte.  Trim
 * makes room again.
 *
 * Two disks of one file, so that the message has to say which one, and so that
 * the other one has to go on.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "map.h"
#include "pattern.h"
#include "server.h"

static const char file_text[] =
  "[free]\n"
  "disksize = 64M\n"
  "[small]\n"
  "disksize = 64M\n"
  "mem_limit = 8M\n"
  "[coarse]\n"
  "disksize = 64M\n"
  "mem_limit = 8M\n"
  "block_size = 64K\n"
  "comp_algorithm = lz4\n";

#define DISK_BYTES (64 * MiB)
#define LIMIT_BYTES (8 * MiB)
#define REQUEST_BYTES (256 * KiB)

struct disk {
  const struct server *server;
  const char *name;
  struct nbd_handle *nbd;
  uint32_t block_bytes;
  uint8_t *model;               /* what it holds */
  uint64_t state;
};

static uint8_t noise[REQUEST_BYTES], back[DISK_BYTES];

static void
content_is_as_it_was (struct disk *disk)
{
  for (uint64_t at = 0; at < DISK_BYTES; at += DISK_BYTES / 4)
    require (nbd_pread (disk->nbd, back + at, DISK_BYTES / 4, at, 0) == 0);
  require (memcmp (back, disk->model, DISK_BYTES) == 0);
}

/* Noise, which goes into the model if there was room. */
static bool
write_noise (struct disk *disk, uint64_t bytes, uint64_t offset)
{
  pattern_noise (noise, bytes, &disk->state);
  if (nbd_pwrite (disk->nbd, noise, bytes, offset, 0) == 0) {
    memcpy (disk->model + offset, noise, bytes);
    return true;
  }
  require (nbd_get_errno () == ENOSPC);
  return false;
}

/* Half of the first 4 MiB is text. */
static void
write_what_must_stay (struct disk *disk)
{
  pattern_mixed (disk->model, 4 * MiB, &disk->state);
  for (uint64_t at = 0; at < 4 * MiB; at += 2 * disk->block_bytes)
    for (uint64_t i = 0; i < disk->block_bytes; i++)
      disk->model[at + i] = 'a' + i % 23;
  require (nbd_pwrite (disk->nbd, disk->model, 4 * MiB, 0, 0) == 0);
  content_is_as_it_was (disk);
}

/* Of the request that was refused, blocks before the failed one are new.
 * Returns the failed one. */
static uint64_t
require_new_then_old (struct disk *disk, uint64_t offset)
{
  const uint32_t bytes = disk->block_bytes;
  uint64_t at = 0;

  require (nbd_pread (disk->nbd, back, REQUEST_BYTES, offset, 0) == 0);
  while (at < REQUEST_BYTES && memcmp (back + at, noise + at, bytes) == 0)
    at += bytes;
  require (at < REQUEST_BYTES);
  require (memcmp (back + at, disk->model + offset + at, REQUEST_BYTES - at)
           == 0);
  memcpy (disk->model + offset, noise, at);
  return (offset + at) / bytes;
}

static void
the_log_names (struct disk *disk, uint64_t block)
{
  char message[100];

  snprintf (message, sizeof message, "%s: block %" PRIu64 ": cannot store it: "
            "the device is at its memory limit", disk->name, block);
  CHECK ("  the server says: %s", message);
  require (server_log_has (disk->server, message));
}

/* Returns where the first request stands that did not fit. */
static uint64_t
the_disk_fills (struct disk *disk)
{
  uint64_t offset = 4 * MiB;

  CHECK ("  it fills until it says ENOSPC");
  require (!server_log_has (disk->server, disk->name));
  while (write_noise (disk, REQUEST_BYTES, offset)) {
    offset += REQUEST_BYTES;
    require (offset - 4 * MiB < LIMIT_BYTES);
  }
  require (offset > 4 * MiB);
  the_log_names (disk, require_new_then_old (disk, offset));
  content_is_as_it_was (disk);
  return offset;
}

/* Text becomes noise: some may find room that is left in the last pages. */
static void
refused_blocks_are_as_they_were (struct disk *disk)
{
  unsigned nr_refused = 0;

  CHECK ("  blocks that hold something keep it");
  for (uint64_t at = 0; at < 4 * MiB; at += 2 * disk->block_bytes)
    nr_refused += !write_noise (disk, disk->block_bytes, at);
  require (nr_refused > 0);
  content_is_as_it_was (disk);
}

/* Odd ones inside of a block: they are not cut, so nothing is done of them. */
static void
refused_parts_of_blocks_are_as_they_were (struct disk *disk)
{
  const uint32_t bytes = disk->block_bytes / 2 + 77;
  unsigned nr_refused = 0;

  CHECK ("  parts of blocks too");
  for (uint64_t at = 0; at < 4 * MiB; at += disk->block_bytes)
    nr_refused += !write_noise (disk, bytes, at + 99);
  require (nr_refused > 0);
  content_is_as_it_was (disk);
}

static void
the_other_disk_goes_on (const struct server *server)
{
  struct nbd_handle *nbd = server_connect (server, "free");

  CHECK ("  a disk without a limit takes more");
  for (uint64_t at = 0; at < 2 * LIMIT_BYTES; at += REQUEST_BYTES) {
    require (nbd_pwrite (nbd, noise, REQUEST_BYTES, at, 0) == 0);
    require (nbd_pread (nbd, back, REQUEST_BYTES, at, 0) == 0);
    require (memcmp (back, noise, REQUEST_BYTES) == 0);
  }
  require (nbd_trim (nbd, DISK_BYTES, 0, 0) == 0);
  nbd_close (nbd);
}

/* 2 MiB, and as much is written where there was no room. */
static void
trim_makes_room (struct disk *disk, uint64_t full)
{
  CHECK ("  trim makes room");
  require (nbd_trim (disk->nbd, 2 * MiB, 4 * MiB, 0) == 0);
  memset (disk->model + 4 * MiB, 0, 2 * MiB);
  for (uint64_t at = 0; at < MiB; at += REQUEST_BYTES)
    require (write_noise (disk, REQUEST_BYTES, full + at));
  content_is_as_it_was (disk);
}

/* Nothing is lost in the accounts: an empty disk takes as much as before. */
static void
an_empty_disk_fills_as_far_as_before (struct disk *disk, uint64_t full)
{
  uint64_t offset = 0;

  CHECK ("  and trim of all makes room for all");
  require (nbd_trim (disk->nbd, DISK_BYTES, 0, 0) == 0);
  memset (disk->model, 0, DISK_BYTES);
  require (map_is (disk->nbd, DISK_BYTES, 0, MAP_HOLE));
  while (write_noise (disk, REQUEST_BYTES, offset))
    offset += REQUEST_BYTES;
  require (offset >= full - 4 * MiB);
  require (offset >= LIMIT_BYTES / 2);
  require_new_then_old (disk, offset);
  content_is_as_it_was (disk);
}

static void
the_limit_holds (const struct server *server, const char *name,
                 uint32_t block_bytes, uint64_t seed)
{
  struct disk disk = {
    .server = server,
    .name = name,
    .nbd = server_connect (server, name),
    .block_bytes = block_bytes,
    .model = calloc (1, DISK_BYTES),
    .state = seed,
  };
  uint64_t full;

  CHECK ("disk '%s', blocks of %u bytes", name, block_bytes);
  require (disk.model);
  write_what_must_stay (&disk);
  full = the_disk_fills (&disk);
  refused_blocks_are_as_they_were (&disk);
  refused_parts_of_blocks_are_as_they_were (&disk);
  the_other_disk_goes_on (server);
  content_is_as_it_was (&disk);
  trim_makes_room (&disk, full);
  an_empty_disk_fills_as_far_as_before (&disk, full);
  nbd_close (disk.nbd);
  free (disk.model);
}

/* The configuration. */

static char config_path[] = "/tmp/zram-test-config-XXXXXX";

static void
remove_file (void)
{
  unlink (config_path);
}

static struct server *
server_with_limits (void)
{
  const int fd = mkstemp (config_path);
  char key[sizeof config_path + 8];

  require (fd != -1);
  require (atexit (remove_file) == 0);
  require (write (fd, file_text, sizeof file_text - 1) ==
           sizeof file_text - 1);
  require (close (fd) == 0);
  snprintf (key, sizeof key, "config=%s", config_path);
  return server_start (SERVER_ARGS (key));
}

int
main (void)
{
  const uint64_t seed = pattern_seed ();
  struct server *server = server_with_limits ();

  the_limit_holds (server, "small", 4096, seed);
  the_limit_holds (server, "coarse", 65536, seed);
  server_require_alive (server);
  server_stop (server);
  return 0;
}

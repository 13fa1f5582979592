/* SPDX-License-Identifier: BSD-3-Clause */
/* Trim and zero are table edits, as long as NBD can say, on a disk of
 * 16 TiB. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "pattern.h"
#include "server.h"

#define DISK_BYTES (16 * TiB)
#define BLOCK ((uint64_t) 4096)

/* Of data that is written here and there. */
#define ISLAND (64 * KiB)

static uint8_t island[ISLAND];

static void
write_island (struct nbd_handle *nbd, uint64_t offset)
{
  require (nbd_pwrite (nbd, island, ISLAND, offset, 0) == 0);
}

static bool
island_is_there (struct nbd_handle *nbd, uint64_t bytes, uint64_t offset,
                 uint64_t from)
{
  uint8_t data[ISLAND];

  require (nbd_pread (nbd, data, bytes, offset + from, 0) == 0);
  return memcmp (data, island + from, bytes) == 0;
}

static bool
reads_zeroes (struct nbd_handle *nbd, uint64_t bytes, uint64_t offset)
{
  uint8_t data[ISLAND];

  memset (data, 0xee, sizeof data);
  if (bytes > 0)
    require (nbd_pread (nbd, data, bytes, offset, 0) == 0);
  return pattern_is_zero (data, bytes);
}

/* What to do with a range, and what becomes of its whole blocks. */
struct edit {
  const char *name;
  bool is_trim;
  uint32_t flags;
  uint32_t type;
};

static const struct edit trim = { "trim", true, 0, MAP_HOLE };
static const struct edit zero = { "zero", false, 0, MAP_HOLE };
static const struct edit fast_zero = {
  "fast zero", false, LIBNBD_CMD_FLAG_FAST_ZERO, MAP_HOLE
};
static const struct edit no_hole = {
  "zero without holes", false, LIBNBD_CMD_FLAG_NO_HOLE, MAP_ZERO
};
static const struct edit fast_no_hole = {
  "fast zero without holes", false,
  LIBNBD_CMD_FLAG_FAST_ZERO | LIBNBD_CMD_FLAG_NO_HOLE, MAP_ZERO
};

static void
do_edit (struct nbd_handle *nbd, const struct edit *edit, uint64_t bytes,
         uint64_t offset)
{
  if (edit->is_trim)
    require (nbd_trim (nbd, bytes, offset, edit->flags) == 0);
  else
    require (nbd_zero (nbd, bytes, offset, edit->flags) == 0);
}

/* Islands before the range, at both its ends, inside, and behind:
 *
 *    [##]   [#|#]      [##]      [#|#]   [##]
 *             ^ offset             ^ offset + bytes, rounded down to 4 KiB
 */
static void
write_islands (struct nbd_handle *nbd, uint64_t bytes, uint64_t offset)
{
  const uint64_t end = (offset + bytes) / BLOCK * BLOCK;

  write_island (nbd, offset - 4 * ISLAND);
  write_island (nbd, offset - ISLAND / 2);
  write_island (nbd, offset + bytes / 2 / BLOCK * BLOCK);
  write_island (nbd, end - ISLAND / 2);
  write_island (nbd, end + 4 * ISLAND);
}

static void
rest_is_unchanged (struct nbd_handle *nbd, uint64_t bytes, uint64_t offset)
{
  const uint64_t end = (offset + bytes) / BLOCK * BLOCK;

  require (island_is_there (nbd, ISLAND, offset - 4 * ISLAND, 0));
  require (island_is_there (nbd, ISLAND / 2, offset - ISLAND / 2, 0));
  require (island_is_there (nbd, ISLAND / 2 - BLOCK, end - ISLAND / 2,
                            ISLAND / 2 + BLOCK));
  require (island_is_there (nbd, ISLAND, end + 4 * ISLAND, 0));
}

static void
range_is_gone (struct nbd_handle *nbd, uint64_t bytes, uint64_t offset)
{
  const uint64_t end = (offset + bytes) / BLOCK * BLOCK;

  require (reads_zeroes (nbd, ISLAND, offset));
  require (reads_zeroes (nbd, ISLAND, offset + bytes / 2 / BLOCK * BLOCK));
  require (reads_zeroes (nbd, ISLAND, end - ISLAND));
}

/* The range may end inside a block: trim leaves that one as it was, zero
 * changes it up to the last byte of the range. */
static void
end_is_exact (struct nbd_handle *nbd, const struct edit *edit, uint64_t bytes,
              uint64_t offset)
{
  const uint64_t end = (offset + bytes) / BLOCK * BLOCK;
  const uint64_t gone = edit->is_trim ? 0 : offset + bytes - end;

  require (reads_zeroes (nbd, gone, end));
  require (island_is_there (nbd, BLOCK - gone, end - ISLAND / 2,
                            ISLAND / 2 + gone));
}

/* offset is aligned; bytes need not be. */
static void
edit_does_its_range_and_no_more (struct nbd_handle *nbd,
                                 const struct edit *edit, uint64_t bytes,
                                 uint64_t offset)
{
  CHECK ("%s: %llu bytes at %llu", edit->name, (unsigned long long) bytes,
         (unsigned long long) offset);
  write_islands (nbd, bytes, offset);
  do_edit (nbd, edit, bytes, offset);
  range_is_gone (nbd, bytes, offset);
  end_is_exact (nbd, edit, bytes, offset);
  rest_is_unchanged (nbd, bytes, offset);
  require (map_is (nbd, bytes / BLOCK * BLOCK, offset, edit->type));
}

static void
long_edits_work (struct nbd_handle *nbd)
{
  const uint64_t far = 9 * TiB;

  edit_does_its_range_and_no_more (nbd, &trim, REQUEST_BYTES_MAX, GiB);
  edit_does_its_range_and_no_more (nbd, &trim, REQUEST_BYTES_MAX, far);
  edit_does_its_range_and_no_more (nbd, &zero, REQUEST_BYTES_MAX, far);
  edit_does_its_range_and_no_more (nbd, &fast_zero, REQUEST_BYTES_MAX, far);
  edit_does_its_range_and_no_more (nbd, &trim, 2 * GiB + 1, far);
  edit_does_its_range_and_no_more (nbd, &zero, 16 * MiB, far);
}

/* Each block gets a slot of its own, so a smaller range says as much. */
static void
zeroes_without_holes_work (struct nbd_handle *nbd)
{
  edit_does_its_range_and_no_more (nbd, &no_hole, 256 * MiB, 5 * TiB);
  edit_does_its_range_and_no_more (nbd, &fast_no_hole, 16 * MiB + 1, 5 * TiB);
  edit_does_its_range_and_no_more (nbd, &no_hole, 16 * MiB - 1, 5 * TiB);
  edit_does_its_range_and_no_more (nbd, &trim, 256 * MiB, 5 * TiB);
}

static void
the_longest_zero_without_holes_works (struct nbd_handle *nbd)
{
  const uint64_t offset = 12 * TiB;

  CHECK ("zero without holes: 2^32 - 1 bytes, and trim makes holes of them");
  require (nbd_zero (nbd, REQUEST_BYTES_MAX, offset, LIBNBD_CMD_FLAG_NO_HOLE)
           == 0);
  require (map_is (nbd, 4 * GiB, offset, MAP_ZERO));
  require (nbd_trim (nbd, REQUEST_BYTES_MAX, offset, 0) == 0);
  require (map_is (nbd, 4 * GiB - BLOCK, offset, MAP_HOLE));
  require (map_is (nbd, BLOCK, offset + 4 * GiB - BLOCK, MAP_ZERO));
}

static void
part_of_a_block_is_zeroed_exactly (struct nbd_handle *nbd)
{
  const uint64_t offset = 3 * TiB;

  CHECK ("zero inside one block");
  write_island (nbd, offset);
  require (nbd_zero (nbd, 100, offset + 50, LIBNBD_CMD_FLAG_FAST_ZERO) == 0);
  require (island_is_there (nbd, 50, offset, 0));
  require (reads_zeroes (nbd, 100, offset + 50));
  require (island_is_there (nbd, ISLAND - 150, offset, 150));
}

static void
zero_over_two_blocks_keeps_their_ends (struct nbd_handle *nbd)
{
  const uint64_t offset = 3 * TiB;

  CHECK ("zero from one block into the next");
  write_island (nbd, offset);
  require (nbd_zero (nbd, BLOCK, offset + 1000, 0) == 0);
  require (island_is_there (nbd, 1000, offset, 0));
  require (reads_zeroes (nbd, BLOCK, offset + 1000));
  require (island_is_there (nbd, ISLAND - BLOCK - 1000, offset, BLOCK + 1000));
}

static void
trim_inside_a_block_keeps_it (struct nbd_handle *nbd)
{
  const uint64_t offset = 3 * TiB;

  CHECK ("trim of parts of blocks");
  write_island (nbd, offset);
  require (nbd_trim (nbd, 100, offset + 50, 0) == 0);
  require (nbd_trim (nbd, BLOCK, offset + 1000, 0) == 0);
  require (island_is_there (nbd, ISLAND, offset, 0));
}

static void
the_end_of_the_disk_can_be_edited (struct nbd_handle *nbd)
{
  const uint64_t longest = REQUEST_BYTES_MAX;

  CHECK ("the last bytes of the disk");
  write_island (nbd, DISK_BYTES - ISLAND);
  require (nbd_zero (nbd, 1, DISK_BYTES - 1, 0) == 0);
  require (island_is_there (nbd, ISLAND - 1, DISK_BYTES - ISLAND, 0));
  require (nbd_trim (nbd, longest, DISK_BYTES - longest, 0) == 0);
  require (map_is (nbd, longest, DISK_BYTES - longest, MAP_HOLE));
  require (nbd_trim (nbd, longest, DISK_BYTES - longest + 1, 0) == -1);
  require (nbd_get_errno () == EINVAL);
}

int
main (void)
{
  struct server *server = server_start (SERVER_ARGS ("16T"));
  struct nbd_handle *nbd = server_connect (server, "");
  uint64_t state = pattern_seed ();

  pattern_noise (island, ISLAND, &state);
  long_edits_work (nbd);
  zeroes_without_holes_work (nbd);
  the_longest_zero_without_holes_works (nbd);
  part_of_a_block_is_zeroed_exactly (nbd);
  zero_over_two_blocks_keeps_their_ends (nbd);
  trim_inside_a_block_keeps_it (nbd);
  the_end_of_the_disk_can_be_edited (nbd);
  nbd_close (nbd);
  server_stop (server);
  return 0;
}

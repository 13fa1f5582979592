/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients that ask for a lot and do not read, or that stop in the middle of a
 * write, keep nobody waiting but themselves: another client writes and reads
 * all of the disk meanwhile, the very blocks that they asked for too, and the
 * control socket answers.  In the end they read everything, and each block is
 * one version of it as a whole.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "pattern.h"
#include "raw.h"
#include "server.h"

#define BLOCK ((uint64_t) 4096)
#define DISK_BYTES (8 * MiB)
#define NR_BLOCKS (DISK_BYTES / BLOCK)

/* More than 16 threads for a connection serve, and than any socket holds. */
#define NR_SLOW 6u
#define NR_READS 32u
#define READ_BYTES (1 * MiB)

#define LAST_VERSION 4u

static char directory[] = "/tmp/zram-test-slow-XXXXXX";
static char path[64], control_key[80];

static void
remove_files (void)
{
  unlink (path);
  rmdir (directory);
}

/* Versions of the disk: each block is stamped with its number and the
 * version's. */

static uint64_t
stamp_of (uint64_t version, uint64_t block)
{
  return version << 32 | block;
}

static void
write_version (struct nbd_handle *nbd, uint64_t version)
{
  static uint8_t data[DISK_BYTES];

  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    pattern_stamped (data + block * BLOCK, BLOCK, stamp_of (version, block));
  for (uint64_t offset = 0; offset < DISK_BYTES; offset += MiB)
    require (nbd_pwrite (nbd, data + offset, MiB, offset, 0) == 0);
}

/* Is each block of this a version from first to last, as a whole? */
static bool
has_versions (const uint8_t *data, uint64_t offset, uint64_t bytes,
              uint64_t first, uint64_t last)
{
  for (uint64_t i = 0; i < bytes; i += BLOCK) {
    uint64_t stamp;

    if (!pattern_has_stamp (data + i, BLOCK, &stamp) ||
        (uint32_t) stamp != (offset + i) / BLOCK || stamp >> 32 < first ||
        stamp >> 32 > last)
      return false;
  }
  return true;
}

static bool
reads_version (struct nbd_handle *nbd, uint64_t version)
{
  static uint8_t data[DISK_BYTES];

  require (nbd_pread (nbd, data, DISK_BYTES, 0, 0) == 0);
  return has_versions (data, 0, DISK_BYTES, version, version);
}

/* Clients that ask and do not read. */

struct slow {
  struct nbd_handle *nbd;
  uint8_t *data;                /* of all reads */
  unsigned nr_done;
};

static int
read_is_done (void *opaque, int *error)
{
  struct slow *slow = opaque;

  require (*error == 0);
  slow->nr_done++;
  return 1;
}

static uint64_t
read_offset (unsigned number)
{
  return number * READ_BYTES % DISK_BYTES;
}

/* Nobody polls, so what is sent is sent, and nothing is received. */
static void
ask_for_a_lot (const struct server *server, struct slow *slow)
{
  slow->nbd = server_connect (server, "");
  slow->data = malloc (NR_READS * READ_BYTES);
  slow->nr_done = 0;
  require (slow->data);
  for (unsigned i = 0; i < NR_READS; i++)
    require (nbd_aio_pread (slow->nbd, slow->data + i * READ_BYTES, READ_BYTES,
                            read_offset (i), (nbd_completion_callback) {
                              .callback = read_is_done, .user_data = slow,
                            }, 0) != -1);
}

static void
read_everything (struct slow *slow)
{
  require (slow->nr_done == 0);
  while (slow->nr_done < NR_READS)
    require (nbd_poll (slow->nbd, -1) == 1);
  for (unsigned i = 0; i < NR_READS; i++)
    require (has_versions (slow->data + i * READ_BYTES, read_offset (i),
                           READ_BYTES, 1, LAST_VERSION));
  require (nbd_shutdown (slow->nbd, 0) == 0);
  nbd_close (slow->nbd);
  free (slow->data);
}

/* Those that say they write the whole disk, and stop in the middle. */
static struct nbd_handle *
start_a_write (const struct server *server)
{
  struct nbd_handle *nbd = server_connect (server, "");
  static const char data[BLOCK] = "never acknowledged";

  raw_send_request (nbd_aio_get_fd (nbd), RAW_CMD_WRITE, DISK_BYTES);
  raw_send (nbd_aio_get_fd (nbd), data, sizeof data);
  return nbd;
}

/* Somebody else. */
static void
goes_on_meanwhile (struct nbd_handle *nbd, unsigned last_version)
{
  const int fd = control_connect (path);

  for (unsigned version = 2; version <= last_version; version++) {
    write_version (nbd, version);
    require (reads_version (nbd, version));
    require (control_ok (fd, "show zram mm_stat"));
    require (control_ok (fd, "store zram compact 1"));
  }
  close (fd);
}

static void
nobody_waits_for_slow_clients (const struct server *server)
{
  struct nbd_handle *other = server_connect (server, "");
  struct nbd_handle *writers[NR_SLOW];
  struct slow readers[NR_SLOW];

  write_version (other, 1);
  CHECK ("%u clients ask for %u x %llu bytes and do not read", NR_SLOW,
         NR_READS, (unsigned long long) READ_BYTES);
  for (unsigned i = 0; i < NR_SLOW; i++)
    ask_for_a_lot (server, &readers[i]);
  CHECK ("%u clients start to write the whole disk", NR_SLOW);
  for (unsigned i = 0; i < NR_SLOW; i++)
    writers[i] = start_a_write (server);
  CHECK ("another one writes and reads the whole disk");
  goes_on_meanwhile (other, LAST_VERSION);
  server_require_alive (server);
  CHECK ("the writers go, and nothing of them is there");
  for (unsigned i = 0; i < NR_SLOW; i++)
    nbd_close (writers[i]);
  CHECK ("the readers read");
  for (unsigned i = 0; i < NR_SLOW; i++)
    read_everything (&readers[i]);
  require (reads_version (other, LAST_VERSION));
  nbd_close (other);
}

int
main (void)
{
  struct server *server;

  require (mkdtemp (directory));
  snprintf (path, sizeof path, "%s/control", directory);
  snprintf (control_key, sizeof control_key, "control=%s", path);
  require (atexit (remove_files) == 0);
  server = server_start (SERVER_ARGS ("size=8M", control_key));
  nobody_waits_for_slow_clients (server);
  server_stop (server);
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* A backing file that somebody damages: every block reads as it was, or the
 * read fails with EIO; never a wrong byte.
 *
 * The blocks are written back once, huge and packed ones, to a plain file and
 * to an encrypted one.  An input is damage to one of them: its first byte says
 * which (odd: the encrypted one), then come operations of one byte, modulo
 * NR_OPS, and their arguments:
 *
 *   place      2 bytes, the low one first: in 16 bytes, modulo the file
 *   units      2 bytes: in 16 bytes
 *   OP_BYTES   place, how many (1 byte), the bytes themselves
 *   OP_COPY    place from, place to, units
 *   OP_ZERO    place, units
 *   OP_CUT     place: the file ends there
 *
 * Afterwards the file is as it was, so must be every block.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "block.h"
#include "check.h"
#include "device.h"
#include "fuzz.h"
#include "live.h"
#include "pages.h"
#include "recount.h"
#include "writeback.h"

#define NR_BLOCKS 40u
#define FILE_BYTES (64 * PAGE_BYTES)
#define OPS_MAX 64u

enum op { OP_BYTES, OP_COPY, OP_ZERO, OP_CUT, NR_OPS };

struct fixture {
  struct device *device;
  int fd;                       /* of the backing file */
  uint8_t file[FILE_BYTES];     /* as it should be */
};

static struct fixture fixtures[2];      /* [1] is encrypted */
static uint8_t model[NR_BLOCKS][BLOCK_BYTES_MIN];

__attribute__ ((format (printf, 1, 0))) static void
ignore (const char *fmt, va_list ap)
{
}

/* Damage. */

static size_t
take_place (struct input *input)
{
  return input_u16 (input) * 16u % FILE_BYTES;
}

static size_t
at_most (size_t bytes, size_t room)
{
  return bytes < room ? bytes : room;
}

static void
damage_bytes (struct input *input, int fd)
{
  const size_t place = take_place (input);
  const size_t wanted = input_u8 (input);
  const size_t bytes = at_most (wanted, at_most (input->bytes,
                                                 FILE_BYTES - place));

  check (pwrite (fd, input->data, bytes, place) == (ssize_t) bytes);
  input->data += bytes;
  input->bytes -= bytes;
}

static void
copy_units (struct input *input, const struct fixture *fixture)
{
  const size_t from = take_place (input), to = take_place (input);
  const size_t bytes =
    at_most (input_u16 (input) * 16u,
             at_most (FILE_BYTES - from, FILE_BYTES - to));

  check (pwrite (fixture->fd, fixture->file + from, bytes, to) ==
         (ssize_t) bytes);
}

static void
zero_units (struct input *input, int fd)
{
  static const uint8_t zeroes[FILE_BYTES];
  const size_t place = take_place (input);
  const size_t bytes = at_most (input_u16 (input) * 16u, FILE_BYTES - place);

  check (pwrite (fd, zeroes, bytes, place) == (ssize_t) bytes);
}

static void
damage (struct input *input, const struct fixture *fixture)
{
  switch ((enum op) (input_u8 (input) % NR_OPS)) {
  case OP_BYTES: damage_bytes (input, fixture->fd); break;
  case OP_COPY: copy_units (input, fixture); break;
  case OP_ZERO: zero_units (input, fixture->fd); break;
  case OP_CUT: check (ftruncate (fixture->fd, take_place (input)) == 0); break;
  case NR_OPS: break;
  }
}

static void
repair (const struct fixture *fixture)
{
  check (pwrite (fixture->fd, fixture->file, FILE_BYTES, 0) ==
         (ssize_t) FILE_BYTES);
}

/* Blocks. */

/* Read as if not for a long time, so that they stay in the file. */
static bool
reads_right (struct device *device, uint64_t block)
{
  uint8_t copy[BLOCK_BYTES_MIN];

  device_lock_block (device, block);
  table_touch (&device->table, block, age_stamp (age_now_s () - 1000));
  device_unlock_block (device, block);
  errno = 0;
  if (device_read (device, copy, sizeof copy, block * sizeof copy) == -1) {
    check (errno == EIO);
    return false;
  }
  check (memcmp (copy, model[block], sizeof copy) == 0);
  return true;
}

static void
fill_block (struct random *random, uint64_t block)
{
  random_fill (random, model[block], sizeof model[block] >> block % 6);
}

static void
write_back (struct device *device)
{
  const struct postproc_filter filter = { .types = 0 };
  struct postproc_result result;

  check (device_write (device, model, sizeof model, 0) == 0);
  check (writeback_device (device, &filter, &result) == 0);
  check (result.nr_done == NR_BLOCKS);
}

/* The file is in memory and has no name. */
static void
init_fixture (struct fixture *fixture, const uint8_t *key)
{
  const char *why;
  const struct device_params device_params = {
    .name = "fuzz", .size_bytes = sizeof model,
    .block_bytes = BLOCK_BYTES_MIN, .algorithm = codec_find ("lz4", &why),
  };
  char path[64];
  const struct backing_params params = {
    .path = path, .size_bytes = FILE_BYTES, .key = key,
  };

  fixture->fd = memfd_create ("fuzz-backing", MFD_CLOEXEC);
  check (fixture->fd != -1);
  snprintf (path, sizeof path, "/proc/self/fd/%d", fixture->fd);
  fixture->device = device_create (&device_params);
  check (fixture->device != NULL);
  fixture->device->writeback_batch_size = 1;
  check (live_attach_backing (fixture->device, &params) == 0);
  write_back (fixture->device);
  check (pread (fixture->fd, fixture->file, FILE_BYTES, 0) ==
         (ssize_t) FILE_BYTES);
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  struct random random = random_seeded (1);
  uint8_t key[BACKING_KEY_BYTES];

#ifndef HAVE_XXHASH
  printf ("backing files are not compiled in: nothing to try\n");
  return 0;
#endif
  random_fill (&random, key, sizeof key);
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    fill_block (&random, block);
  init_fixture (&fixtures[0], NULL);
#ifdef HAVE_LIBCRYPTO
  init_fixture (&fixtures[1], key);
#else
  init_fixture (&fixtures[1], NULL);
#endif
  report_set_sink (ignore);
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t bytes)
{
  struct input input = { data, bytes };
  const struct fixture *fixture = &fixtures[input_u8 (&input) & 1];
  struct device *device = fixture->device;

  if (!device)
    return 0;
  for (unsigned i = 0; i < OPS_MAX && input.bytes > 0; i++)
    damage (&input, fixture);
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    reads_right (device, block);
  repair (fixture);
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    check (reads_right (device, block));
  check (recount_device (device));
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* A store file that somebody damages: it is refused, or every block reads as it
 * was, or the read fails with EIO; never a wrong byte.
 *
 * The file is made once, with objects of two codecs, shared, huge and
 * same-filled blocks.  An input is damage to a copy of it.  Its first byte says
 * whether the superblocks' checksums are made good afterwards (odd), as nobody
 * but a fuzzer would: then blocks may be others, since they would be so by what
 * the superblock says, but nothing may crash or hang.  Operations follow, each
 * one byte, modulo NR_OPS, and their arguments:
 *
 *   page       1 byte: of those that hold something, those before the arena
 *              first
 *   at         2 bytes, the low one first: in words of 4 bytes, modulo the page
 *   OP_BYTES   page, at, how many (1 byte), the bytes themselves
 *   OP_WORD    page, at, 8 bytes
 *   OP_COPY    page from, page to
 *   OP_LOSE    page: a hole
 *   OP_CUT     page, at: the file ends a byte behind it
 *
 * Afterwards what is damaged is written again, and all must be well.
 */
#include <config.h>

#include <errno.h>

#include "backing.h"
#include "check.h"
#include "device.h"
#include "fuzz.h"
#include "live.h"
#include "recount.h"
#include "storefile.h"
#include "super.h"

#define NR_BLOCKS 600u          /* two pages of slots */
#define BLOCK_BYTES 4096u
#define NR_KINDS 6u
#define OPS_MAX 64u

/* A recount looks at all blocks that a disk could have. */
#define RECOUNT_BYTES_MAX (UINT64_C (1) << 30)

enum op { OP_BYTES, OP_WORD, OP_COPY, OP_LOSE, OP_CUT, NR_OPS };

static struct storefile sound;

/* A superblock that was changed may name any file. */
struct backing *__wrap_backing_open (const struct backing_params *params);

struct backing *
__wrap_backing_open (const struct backing_params *params)
{
  errno = ENOENT;
  return NULL;
}

__attribute__ ((format (printf, 1, 0))) static void
ignore (const char *fmt, va_list ap)
{
}

/* The sound file. */

/* Nothing, one word, noise, a content that others have too, or text. */
static void
make_block (uint8_t *data, uint64_t block)
{
  const unsigned kind = block % NR_KINDS;
  struct random random = random_seeded (kind == 3 ? 1 : block);

  memset (data, kind == 1 ? (int) block : 0, BLOCK_BYTES);
  if (kind == 2)
    random_fill (&random, data, BLOCK_BYTES);
  else if (kind >= 3)
    random_fill (&random, data, 100 * kind);
}

static void
write_block (struct device *device, uint64_t block)
{
  uint8_t data[BLOCK_BYTES];

  make_block (data, block);
  if (block % NR_KINDS != 0)
    check (device_write (device, data, BLOCK_BYTES, block * BLOCK_BYTES) == 0);
}

static struct device *
open_device (int fd)
{
  const char *why;
  const struct device_params params = {
    .name = "fuzz", .size_bytes = NR_BLOCKS * BLOCK_BYTES,
    .block_bytes = BLOCK_BYTES, .algorithm = codec_find ("lz4", &why),
    .memory = { .is_open = true, .fd = fd },
  };

  return device_create (&params);
}

static void
make_file (void)
{
  const int fd = memfd_create ("sound", MFD_CLOEXEC);
  struct device *device = open_device (dup (fd));
  const char *why;

  check (device);
  check (live_set_dedup (device, true) == 0);
  for (uint64_t block = 0; block < NR_BLOCKS; block++) {
    if (block == NR_BLOCKS / 2)
      check (live_set_codec (device, 0, codec_find ("zstd", &why), NULL) == 0);
    write_block (device, block);
  }
  device_destroy (device);
  storefile_take (&sound, fd);
  close (fd);
}

/* Damage. */

static const struct storefile_page *
take_page (struct input *input)
{
  return &sound.pages[input_u8 (input) % sound.nr_pages];
}

static uint64_t
take_place (struct input *input)
{
  const struct storefile_page *page = take_page (input);

  return page->offset + input_u16 (input) * 4u % PAGE_BYTES;
}

/* At most as many as the input has. */
static void
put_bytes (struct input *input, int fd, uint64_t place, size_t bytes)
{
  if (bytes > input->bytes)
    bytes = input->bytes;
  check (pwrite (fd, input->data, bytes, place) == (ssize_t) bytes);
  input->data += bytes;
  input->bytes -= bytes;
}

static void
copy_page (struct input *input, int fd)
{
  const struct storefile_page *from = take_page (input);

  storefile_put_page (fd, from, take_page (input));
}

static void
damage (struct input *input, int fd)
{
  const enum op op = input_u8 (input) % NR_OPS;
  uint64_t place;

  switch (op) {
  case OP_BYTES:
    place = take_place (input);
    put_bytes (input, fd, place, input_u8 (input));
    break;
  case OP_WORD:
    place = take_place (input);
    put_bytes (input, fd, place, 8);
    break;
  case OP_COPY: copy_page (input, fd); break;
  case OP_LOSE: storefile_lose_page (fd, take_page (input)); break;
  case OP_CUT: check (ftruncate (fd, take_place (input) + 1) == 0); break;
  case NR_OPS: break;
  }
}

static void
seal (int fd)
{
  struct super super;

  for (unsigned i = 0; i < SUPER_COPIES; i++) {
    const uint64_t place = i * SUPER_COPY_BYTES;

    memset (&super, 0, sizeof super);
    check (pread (fd, &super, sizeof super, place) >= 0);
    super_seal (&super);
    check (pwrite (fd, &super, sizeof super, place) == sizeof super);
  }
}

/* Then it is as good as new. */
static bool
is_empty (int fd)
{
  return lseek (fd, SUPER_AT_HASHES, SEEK_DATA) == -1;
}

/* What comes of it. */

static void
read_block (struct device *device, uint64_t block, bool may_differ)
{
  uint8_t data[BLOCK_BYTES], expected[BLOCK_BYTES];

  make_block (expected, block);
  errno = 0;
  if (device_read (device, data, BLOCK_BYTES, block * BLOCK_BYTES) == -1)
    check (errno == EIO || (may_differ && errno == EINVAL));
  else
    check (may_differ || memcmp (data, expected, BLOCK_BYTES) == 0);
}

static bool
is_damaged (struct device *device, uint64_t block)
{
  uint8_t data[BLOCK_BYTES];

  return device_read (device, data, BLOCK_BYTES, block * BLOCK_BYTES) == -1;
}

/* A write makes any block whole; a trim, one that was never written. */
static void
mend (struct device *device)
{
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    if (block % NR_KINDS == 0)
      check (device_trim (device, BLOCK_BYTES, block * BLOCK_BYTES) == 0);
    else if (is_damaged (device, block))
      write_block (device, block);
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    check (!is_damaged (device, block));
  check (recount_device (device));
}

static void
use (struct device *device, bool may_differ)
{
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    read_block (device, block, may_differ);
  if (!may_differ)
    mend (device);
  else if (device->size_bytes <= RECOUNT_BYTES_MAX)
    recount_device (device);
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
#ifndef HAVE_XXHASH
  printf ("store files are not compiled in: nothing to try\n");
  return 0;
#endif
  make_file ();
  report_set_sink (ignore);
  return 0;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t bytes)
{
  struct input input = { data, bytes };
  const bool is_sealed = input_u8 (&input) & 1;
  struct device *device;
  bool may_differ;
  int fd;

  if (sound.nr_pages == 0)
    return 0;
  fd = storefile_copy (&sound);
  for (unsigned i = 0; i < OPS_MAX && input.bytes > 0; i++)
    damage (&input, fd);
  if (is_sealed)
    seal (fd);
  may_differ = is_sealed || is_empty (fd);
  device = open_device (dup (fd));
  if (device) {
    use (device, may_differ);
    device_destroy (device);
  }
  close (fd);
  return 0;
}

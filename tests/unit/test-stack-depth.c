/* SPDX-License-Identifier: BSD-3-Clause */
/* How much stack requests take: a thread's stack is painted, the request is
 * made on it, and what is no longer paint was used.
 *
 * nbdkit's threads have 256 KiB where memory is locked, all of it in memory,
 * and what is above the plugin's part belongs to nbdkit and to TLS.
 */
#include <config.h>

#include <pthread.h>
#include <sys/mman.h>

#include "blocks.h"
#include "dedup.h"
#include "disk.h"

#define PATH "test-stack-depth.file"
#define PAINT 0x5a
#define STACK_BYTES ((size_t) 1 << 20)

/* What a request may take, with blocks of 4 KiB and of 64 KiB.  A sanitizer
 * puts things between variables. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SMALL_BYTES_MAX STACK_BYTES
#define LARGE_BYTES_MAX STACK_BYTES
#else
#define SMALL_BYTES_MAX ((size_t) 48 << 10)
#define LARGE_BYTES_MAX ((size_t) 224 << 10)
#endif

static uint32_t block_bytes;
static const struct codec_ops *algorithm;

/* Measuring. */

static size_t
used_bytes (const uint8_t *stack)
{
  size_t unused = 0;

  while (unused < STACK_BYTES && stack[unused] == PAINT)
    unused++;
  return STACK_BYTES - unused;
}

static size_t
measure (void *(*function) (void *))
{
  uint8_t *stack = mmap (NULL, STACK_BYTES, PROT_READ|PROT_WRITE,
                         MAP_PRIVATE|MAP_ANONYMOUS|MAP_STACK, -1, 0);
  pthread_attr_t attr;
  pthread_t thread;
  size_t bytes;

  check (stack != MAP_FAILED);
  memset (stack, PAINT, STACK_BYTES);
  check (pthread_attr_init (&attr) == 0);
  check (pthread_attr_setstack (&attr, stack, STACK_BYTES) == 0);
  check (pthread_create (&thread, &attr, function, NULL) == 0);
  check (pthread_join (thread, NULL) == 0);
  check (pthread_attr_destroy (&attr) == 0);
  bytes = used_bytes (stack);
  check (munmap (stack, STACK_BYTES) == 0);
  return bytes;
}

/* With what a thread takes to begin and end. */
static size_t
check_depth (const char *what, void *(*function) (void *))
{
  const size_t bytes = measure (function);
  const size_t bytes_max =
    block_bytes == BLOCK_BYTES_MIN ? SMALL_BYTES_MAX : LARGE_BYTES_MAX;

  printf ("  %6zu bytes: %s, blocks of %u bytes, %s\n", bytes, what,
          block_bytes, algorithm->name);
  fflush (stdout);
  check (bytes < bytes_max);
  return bytes;
}

/* What is measured. */

/* Blocks 1 to 5, one for each kind of data, and 6 like 4: a share, if there can
 * be any. */
static void *
write_all (void *opaque)
{
  for (unsigned kind = 0; kind < NR_DATA; kind++)
    write_data (kind, 1, block_bytes, (1 + kind) * (uint64_t) block_bytes);
  write_data (TEXT, 1, block_bytes, 6 * (uint64_t) block_bytes);
  return NULL;
}

static void *
read_all (void *opaque)
{
  check (device_read (device, copy, 6 * block_bytes, block_bytes) == 0);
  return NULL;
}

static void *
read_parts (void *opaque)
{
  for (uint64_t block = 1; block < 7; block++)
    check (device_read (device, copy, 100, block * block_bytes + 50) == 0);
  return NULL;
}

static void *
patch_all (void *opaque)
{
  for (uint64_t block = 1; block < 7; block++)
    check (device_write (device, copy, 100, block * block_bytes + 50) == 0);
  return NULL;
}

static void *
zero_parts (void *opaque)
{
  for (uint64_t block = 1; block < 7; block++)
    check (device_zero (device, 100, block * block_bytes + 50, true) == 0);
  return NULL;
}

static void *
cache_all (void *opaque)
{
  check (device_cache (device, 6 * block_bytes, block_bytes) == 0);
  return NULL;
}

static int
visit (void *opaque, uint64_t offset, uint64_t bytes, enum extent_kind kind)
{
  return 0;
}

static void *
list_extents (void *opaque)
{
  check (device_extents (device, 8 * block_bytes, 0, visit, NULL) == 0);
  return NULL;
}

static void *
trim_all (void *opaque)
{
  check (device_trim (device, 6 * block_bytes, block_bytes) == 0);
  return NULL;
}

static void *
zero_all (void *opaque)
{
  check (device_zero (device, 6 * block_bytes, block_bytes, false) == 0);
  return NULL;
}

/* Disks. */

static void
back_all (void)
{
  write_all (NULL);
  if (has_backing_files ())
    check (write_back (device) == 0);
}

static void
make_device (bool encrypted)
{
  device = device_create (&(struct device_params) {
      .name = "stack", .size_bytes = 64 * block_bytes,
      .block_bytes = block_bytes, .algorithm = algorithm });
  check (device);
  if (!has_backing_files ())
    return;
  unlink (PATH);
  check (live_set_dedup (device, true) == 0);
  attach_backing (device, PATH, 4 << 20, encrypted);
}

static void
destroy_device (void)
{
  if (has_backing_files ())
    check_and_destroy_with_backing (device, PATH);
  else
    check_and_destroy (device);
}

static void
check_requests (void)
{
  check_depth ("a write", write_all);
  check_depth ("a read", read_all);
  check_depth ("a read of a part", read_parts);
  /* Something is measured: the block is there. */
  check (check_depth ("a write of a part", patch_all) > block_bytes);
  back_all ();
  check_depth ("a read of a part of backed blocks", read_parts);
  check_depth ("a write of a part of backed blocks", patch_all);
  back_all ();
  check_depth ("a zero of a part of backed blocks", zero_parts);
  back_all ();
  check_depth ("a read of backed blocks", read_all);
  check_depth ("a cache of backed blocks", cache_all);
  check_depth ("block status", list_extents);
  check_depth ("a trim", trim_all);
  check_depth ("a zero", zero_all);
}

static void
check_algorithms (bool encrypted)
{
  for (unsigned i = 0; codec_algorithms[i]; i++) {
    algorithm = codec_algorithms[i];
    make_device (encrypted);
    check_requests ();
    destroy_device ();
  }
}

static void
small_blocks_take_less_than_48_kib (void)
{
  block_bytes = BLOCK_BYTES_MIN;
  check_algorithms (false);
}

static void
large_blocks_take_less_than_224_kib (void)
{
  block_bytes = BLOCK_BYTES_MAX;
  check_algorithms (false);
}

static void
a_cipher_takes_no_more (void)
{
  if (!has_ciphers ())
    return;
  block_bytes = BLOCK_BYTES_MIN;
  check_algorithms (true);
}

int
main (void)
{
  test (small_blocks_take_less_than_48_kib);
  test (large_blocks_take_less_than_224_kib);
  test (a_cipher_takes_no_more);
  return 0;
}

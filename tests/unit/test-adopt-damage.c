/* SPDX-License-Identifier: BSD-3-Clause */
/* Store files that were damaged: bits flipped, fields overwritten, pages
 * swapped or lost, ends cut off.  Each is refused with a message and left as it
 * was, or adopted; then every block is what it was or answers EIO, and a
 * recount passes.  Nothing is ever other bytes.
 */
#include <config.h>

#include "blocks.h"
#include "compact.h"
#include "storefile.h"
#include "super.h"

#define NR_BLOCKS 1300u         /* three pages of slots */
#define BLOCK_BYTES 4096u
#define SIZE_BYTES ((uint64_t) NR_BLOCKS * BLOCK_BYTES)
#define BACKING "test-adopt-damage.back"

static struct device *device;

/* What a block is: nothing, one word, noise, text in four lengths, a content
 * that others have too. */
static void
make_content (uint8_t *data, uint64_t block)
{
  struct random random = random_seeded (block % 7 == 3 ? 1 : block);

  memset (data, block % 7 == 1 ? (int) block : 0, BLOCK_BYTES);
  if (block % 7 == 2)
    random_fill (&random, data, BLOCK_BYTES);
  else if (block % 7 >= 3)
    random_fill (&random, data, 300 * (block % 7));
}

static void
write_all (void)
{
  uint8_t data[BLOCK_BYTES];

  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    if (block % 7 != 0) {
      make_content (data, block);
      check (device_write (device, data, BLOCK_BYTES,
                           block * BLOCK_BYTES) == 0);
    }
}

static const struct codec_ops *
algorithm (const char *name)
{
  const char *why;

  return codec_find (name, &why);
}

static struct device *
open_device (int fd)
{
  const struct device_params params = {
    .name = "disk", .size_bytes = SIZE_BYTES, .block_bytes = BLOCK_BYTES,
    .algorithm = algorithm ("lz4"),
    .memory = { .is_open = true, .fd = fd },
  };

  return device_create (&params);
}

static struct storefile sound;

static void
make_file (void)
{
  const struct backing_params backing = {
    .path = BACKING, .size_bytes = 1 << 20,
  };
  const struct postproc_range range = { .first = 600, .last = 800 };
  const struct postproc_filter some = { .ranges = &range, .nr_ranges = 1 };
  struct postproc_result result;
  const int fd = memfd_create ("store", 0);

  device = open_device (dup (fd));
  check (device);
  check (live_set_dedup (device, true) == 0);
  check (live_attach_backing (device, &backing) == 0);
  write_all ();
  check (live_set_codec (device, 0, algorithm ("zstd"), NULL) == 0);
  check (writeback_device (device, &some, &result) == 0);
  check (device_stat (device, STAT_BACKED_BLOCKS) > 0);
  check (device_stat (device, STAT_SHARED_BLOCKS) > 0);
  check (recount_device (device));
  device_destroy (device);
  storefile_take (&sound, fd);
  close (fd);
}

/* Damage. */

/* Objects take most pages, so the others get a better chance. */
static const struct storefile_page *
some_page (struct random *random)
{
  size_t i = random_below (random, sound.nr_pages);

  for (unsigned tries = 0; tries < 3 && sound.pages[i].offset >= SUPER_AT_ARENA;
       tries++)
    i = random_below (random, sound.nr_pages);
  return &sound.pages[i];
}

static void
flip (struct random *random, int fd)
{
  const uint64_t offset =
    some_page (random)->offset + random_below (random, PAGE_BYTES);
  uint8_t byte;

  check (pread (fd, &byte, 1, offset) == 1);
  byte ^= 1 << random_below (random, 8);
  check (pwrite (fd, &byte, 1, offset) == 1);
}

/* A number such as a field could have. */
static uint64_t
some_number (struct random *random, const struct storefile_page *page)
{
  const uint64_t any = random_next (random);
  uint64_t other;

  switch (random_below (random, 5)) {
  case 0:
    return 0;
  case 1:
    return UINT64_MAX;
  case 2:
    return any & 0xffff;
  case 3:
    memcpy (&other, page->data + random_below (random, 512) * 8, 8);
    return other;
  default:
    return any;
  }
}

static void
overwrite_field (struct random *random, int fd)
{
  const struct storefile_page *page = some_page (random);
  const uint64_t number = some_number (random, page);
  const size_t bytes = random_below (random, 2) ? 8 : 4;

  check (pwrite (fd, &number, bytes, page->offset +
                 random_below (random, PAGE_BYTES / bytes) * bytes) ==
         (ssize_t) bytes);
}

static void
copy_page (struct random *random, int fd)
{
  const struct storefile_page *from = some_page (random);

  storefile_put_page (fd, from, some_page (random));
}

/* Cut to nothing it would be a new one. */
static void
cut (struct random *random, int fd)
{
  const struct storefile_page *page = some_page (random);

  check (ftruncate (fd, page->offset + 1 +
                    random_below (random, PAGE_BYTES)) == 0);
}

static void
do_damage (struct random *random, int fd)
{
  const unsigned nr = 1 + random_below (random, 4);

  for (unsigned i = 0; i < nr; i++)
    switch (random_below (random, 16)) {
    case 0:
      storefile_lose_page (fd, some_page (random));
      break;
    case 1:
      copy_page (random, fd);
      break;
    case 2 ... 8:
      overwrite_field (random, fd);
      break;
    default:
      flip (random, fd);
    }
  if (random_below (random, 40) == 0)
    cut (random, fd);
}

/* What comes of it. */

static uint64_t nr_refused, nr_whole, nr_blocks_lost;

/* All bytes that are not zero, as one number. */
static uint64_t
sum_of (int fd)
{
  uint64_t sum = 0, data[PAGE_BYTES / 8];
  off_t at = 0;

  while ((at = lseek (fd, at, SEEK_DATA)) != -1) {
    ssize_t bytes = pread (fd, data, PAGE_BYTES, at);

    for (ssize_t i = 0; i < bytes / 8; i++)
      sum += data[i] * (at + 8 * i + UINT64_C (0x9e3779b97f4a7c15));
    at += PAGE_BYTES;
  }
  return sum;
}

static unsigned
count_lost (void)
{
  uint8_t data[BLOCK_BYTES], expected[BLOCK_BYTES];
  unsigned nr_lost = 0;

  for (uint64_t block = 0; block < NR_BLOCKS; block++) {
    make_content (expected, block);
    if (device_read (device, data, BLOCK_BYTES, block * BLOCK_BYTES) == 0)
      check (memcmp (data, expected, BLOCK_BYTES) == 0);
    else {
      check (errno == EIO);
      nr_lost++;
    }
  }
  return nr_lost;
}

static bool
is_intact (void)
{
  const bool intact = recount_device (device);

  if (!intact && !strstr (captured_reports, "the checksum of its object"))
    fprintf (stderr, "%s\n", captured_reports);
  return intact || strstr (captured_reports, "the checksum of its object");
}

/* Objects that are found damaged when they are read only are none of the
 * recount's business; written again all is well. */
static void
check_adopted (void)
{
  unsigned nr_lost;

  check (is_intact ());
  nr_lost = count_lost ();
  nr_blocks_lost += nr_lost;
  nr_whole += nr_lost == 0;
  write_all ();
  for (uint64_t block = 0; block < NR_BLOCKS; block += 7)
    check (device_trim (device, BLOCK_BYTES, block * BLOCK_BYTES) == 0);
  capture_reports ();
  check (count_lost () == 0);
  if (!recount_device (device))
    fprintf (stderr, "%s\n", captured_reports);
  check_nothing_reported ();
}

static void
one_round (uint64_t seed)
{
  struct random random = random_seeded (seed);
  const int fd = storefile_copy (&sound);
  uint64_t sum;

  do_damage (&random, fd);
  sum = sum_of (fd);
  capture_reports ();
  device = open_device (dup (fd));
  if (device) {
    check_adopted ();
    device_destroy (device);
  }
  else {
    nr_refused++;
    check (captured_reports[0] != '\0');
    check (sum_of (fd) == sum);
  }
  close (fd);
}

#define NR_ROUNDS 300

static void
damage_never_becomes_other_bytes (void)
{
  uint64_t nr = 0;

  do
    for (unsigned i = 0; i < NR_ROUNDS; i++, nr++)
      one_round (test_seed () * 1000003 + nr);
  while (test_time_left ());
  printf ("%llu files: %llu refused, %llu whole, %llu blocks lost in the "
          "others\n", (unsigned long long) nr, (unsigned long long) nr_refused,
          (unsigned long long) nr_whole, (unsigned long long) nr_blocks_lost);
  check (nr_refused > 0 && nr_blocks_lost > 0);
}

int
main (void)
{
#ifndef HAVE_XXHASH
  skip_test ("there are no store files without xxhash");
#endif
  capture_reports ();
  unlink (BACKING);
  make_file ();
  test (damage_never_becomes_other_bytes);
  unlink (BACKING);
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The backing file: blocks come back from it as they were or not at all,
 * whatever happens to the file, and it does no harm to anybody else.
 */
#include <config.h>

#include <sys/stat.h>

#include "backing_file.h"
#include "blocks.h"
#include "model.h"
#include "pages.h"

#define PATH "test-backing.file"
#define MIB ((uint64_t) 1 << 20)
#define SIZE 500u               /* of an object, about */

static struct device *device;

/* A new device with a new file, with the nr-th algorithm; 1 is lz4. */
static void
start_with (unsigned algorithm, uint32_t block_bytes, uint64_t nr_blocks,
            uint64_t file_bytes, bool encrypted)
{
  device = model_device (algorithm, block_bytes, nr_blocks * block_bytes);
  unlink (PATH);
  attach_backing (device, PATH, file_bytes, encrypted);
}

static void
start (uint64_t nr_blocks)
{
  start_with (1, 4096, nr_blocks, 2 * MIB, false);
}

static void
stop (void)
{
  check_and_destroy_with_backing (device, PATH);
}

/* The same number of blocks of this size, written back. */
static void
put_and_write_back (uint64_t nr_blocks, uint32_t noise_bytes)
{
  block_put_all (device, nr_blocks, noise_bytes);
  check (write_back (device) == 0);
  check (device_stat (device, STAT_BACKED_BLOCKS) == (int64_t) nr_blocks);
}

static void
check_blocks (uint64_t nr_blocks, uint32_t noise_bytes)
{
  block_check_all (device, nr_blocks, noise_bytes);
}

/* Where in the file the block's header is; the object follows behind 16
 * bytes. */
static off_t
offset_of (uint64_t block)
{
  check (block_is_backed (device, block));
  return slot_place (block_slot (device, block)) << SLOT_PLACE_UNIT_SHIFT;
}

static void
read_file (void *data, size_t bytes, off_t offset)
{
  const int fd = open (PATH, O_RDONLY|O_CLOEXEC);

  check (fd != -1);
  check (pread (fd, data, bytes, offset) == (ssize_t) bytes);
  close (fd);
}

static void
write_file (const void *data, size_t bytes, off_t offset)
{
  const int fd = open (PATH, O_WRONLY|O_CLOEXEC);

  check (fd != -1);
  check (pwrite (fd, data, bytes, offset) == (ssize_t) bytes);
  close (fd);
}

static void
flip_byte (off_t offset)
{
  uint8_t byte;

  read_file (&byte, 1, offset);
  byte ^= 0x10;
  write_file (&byte, 1, offset);
}

/* Reading fails, and one message says what and where. */
static void
check_unreadable (uint64_t block, const char *why)
{
  char name[32];

  snprintf (name, sizeof name, "block %u", (unsigned) block);
  errno = 0;
  check (!block_is (device, block, block + 1, SIZE));
  check (errno == EIO);
  check (strstr (captured_reports, "model:"));
  check (strstr (captured_reports, name));
  check (strstr (captured_reports, PATH));
  check_reported (why);
}

/* Content. */

/* Huge, hardly and well compressed. */
static uint32_t
noise_of (uint64_t block)
{
  return device->block_bytes >> block % 4;
}

static void
write_back_and_read (unsigned algorithm, uint32_t block_bytes, bool encrypted)
{
  const uint64_t nr_blocks = 24;

  start_with (algorithm, block_bytes, nr_blocks, 4 * MIB, encrypted);
  for (uint64_t block = 0; block < nr_blocks; block++)
    block_put (device, block, block, noise_of (block));
  check (write_back (device) == 0);
  check (device_stat (device, STAT_BACKED_BLOCKS) == (int64_t) nr_blocks);
  for (uint64_t block = 0; block < nr_blocks; block++)
    check (block_is (device, block, block, noise_of (block)));
  check (device_stat (device, STAT_BACKED_BLOCKS) == (int64_t) nr_blocks);
  stop ();
}

static void
blocks_read_the_same_from_the_file (void)
{
  for (unsigned algorithm = 0; codec_algorithms[algorithm]; algorithm++)
    for (uint32_t bytes = BLOCK_BYTES_MIN; bytes <= BLOCK_BYTES_MAX; bytes *= 2)
      write_back_and_read (algorithm, bytes, false);
}

static void
blocks_read_the_same_from_an_encrypted_file (void)
{
  for (unsigned algorithm = 0; codec_algorithms[algorithm]; algorithm++)
    for (uint32_t bytes = BLOCK_BYTES_MIN; bytes <= BLOCK_BYTES_MAX; bytes *= 4)
      write_back_and_read (algorithm, bytes, true);
}

static void
parts_of_backed_blocks_can_be_read_and_written (void)
{
  uint8_t expected[4096], part[1000];

  start (2);
  put_and_write_back (2, 4096);
  block_make (device, expected, 1, 4096);
  check (device_read (device, part, sizeof part, 77) == 0);
  check (memcmp (part, expected + 77, sizeof part) == 0);
  check (device_write (device, "abc", 3, 100) == 0);
  memcpy (expected + 100, "abc", 3);
  check (device_read (device, part, sizeof part, 77) == 0);
  check (memcmp (part, expected + 77, sizeof part) == 0);
  check (!block_is_backed (device, 0) && block_is_backed (device, 1));
  stop ();
}

/* Space. */

static void
small_objects_share_pages (void)
{
  const uint64_t nr_blocks = 800;

  start (nr_blocks);
  put_and_write_back (nr_blocks, SIZE);
  check (backing_stats_of (device).count <= nr_blocks / 7);
  check (backing_stats_of (device).writes <= nr_blocks / 7);
  check_blocks (nr_blocks, SIZE);
  stop ();
}

/* Twenty times as much as the file holds, a random half of the blocks each
 * time. */
static void
space_is_used_again_after_overwrites (void)
{
  const uint64_t nr_blocks = 160;
  struct random random = random_seeded (test_seed ());

  start_with (1, 4096, nr_blocks, MIB, false);
  put_and_write_back (nr_blocks, 3900);
  while (backing_stats_of (device).writes < 20 * 256) {
    for (uint64_t block = 0; block < nr_blocks; block++)
      if (random_below (&random, 2))
        block_put (device, block, block + 1, 3900);
    check (write_back (device) == 0);
  }
  check (device_stat (device, STAT_BACKED_BLOCKS) == (int64_t) nr_blocks);
  check_blocks (nr_blocks, 3900);
  stop ();
}

static void
space_is_used_again_after_trims (void)
{
  const uint64_t nr_blocks = 240;

  start_with (1, 4096, nr_blocks, MIB, false);
  while (backing_stats_of (device).writes < 20 * 256) {
    put_and_write_back (nr_blocks, 3900);
    check (device_trim (device, device->size_bytes, 0) == 0);
    check (backing_stats_of (device).count == 0);
  }
  stop ();
}

static void
a_page_stays_until_its_last_object_is_gone (void)
{
  start (8);
  put_and_write_back (7, SIZE);
  check (backing_stats_of (device).count == 1);
  for (uint64_t block = 0; block < 6; block++) {
    block_trim (device, block);
    check (backing_stats_of (device).count == 1);
  }
  check (block_is (device, 6, 7, SIZE));
  block_put (device, 6, 99, SIZE);
  check (backing_stats_of (device).count == 0);
  stop ();
}

/* What is left in the writer's buffer does not get out: after objects of noise,
 * one that ends in the middle of a page. */
static void
behind_the_last_object_there_are_zeroes (void)
{
  uint8_t page[PAGE_BYTES];
  off_t end;

  start (60);
  put_and_write_back (60, 4096);
  block_put (device, 0, 1, SIZE);
  check (write_back (device) == 0);
  end = offset_of (0) + 16 + slot_size_bytes (block_slot (device, 0));
  read_file (page, sizeof page, end / PAGE_BYTES * PAGE_BYTES);
  for (size_t i = end % PAGE_BYTES; i < PAGE_BYTES; i++)
    check (page[i] == 0);
  stop ();
}

/* Secrets. */

static bool
is_in_file (const void *data, size_t bytes)
{
  uint8_t *content = malloc (2 * MIB);
  bool found;

  read_file (content, 2 * MIB, 0);
  found = memmem (content, 2 * MIB, data, bytes) != NULL;
  free (content);
  return found;
}

static bool
any_of_block_is_in_file (uint64_t block)
{
  uint8_t data[4096];
  bool found = false;

  block_make (device, data, block + 1, 4096);
  for (unsigned i = 0; i < sizeof data; i += 64)
    found |= is_in_file (data + i, 16);
  return found;
}

static void
with_a_key_no_content_is_in_the_file (void)
{
  start_with (1, 4096, 10, 2 * MIB, true);
  put_and_write_back (10, 4096);
  for (uint64_t block = 0; block < 10; block++)
    check (!any_of_block_is_in_file (block));
  stop ();
}

/* So the test before would see it. */
static void
without_a_key_content_is_in_the_file (void)
{
  start (10);
  put_and_write_back (10, 4096);
  check (any_of_block_is_in_file (0) && any_of_block_is_in_file (9));
  stop ();
}

static void
nobody_else_may_read_the_file_under_any_umask (void)
{
  static const mode_t masks[] = { 0, 022, 027, 077 };
  const mode_t before = umask (0);
  struct stat st;

  for (unsigned i = 0; i < sizeof masks / sizeof *masks; i++) {
    umask (masks[i]);
    start (1);
    check (stat (PATH, &st) == 0);
    check (S_ISREG (st.st_mode) && (st.st_mode & 07777) == 0600);
    stop ();
  }
  umask (before);
}

/* Other people's files. */

static int
open_errno (const char *path, uint64_t size_bytes)
{
  const struct backing_params params = { .path = path,
                                         .size_bytes = size_bytes };
  struct backing *backing;

  errno = 0;
  backing = backing_open (&params);
  if (!backing)
    return errno;
  backing_close (backing);
  return 0;
}

static void
a_second_server_is_refused (void)
{
  start (4);
  put_and_write_back (4, SIZE);
  check (open_errno (PATH, MIB) == EBUSY);
  check_reported ("another server");
  check_blocks (4, SIZE);
  stop ();
}

static void
a_second_file_for_a_device_is_refused (void)
{
  const struct backing_params params = { .path = "other", .size_bytes = MIB };

  start (1);
  check (live_attach_backing (device, &params) == -1 && errno == EBUSY);
  check_reported (PATH);
  check (access ("other", F_OK) == -1);
  stop ();
}

static void
refuse_foreign (const char *content, size_t bytes)
{
  uint8_t copy[16384];
  const int fd = open (PATH, O_RDWR|O_CREAT|O_TRUNC|O_CLOEXEC, 0640);

  check (write (fd, content, bytes) == (ssize_t) bytes);
  check (open_errno (PATH, 0) == EINVAL);
  check_reported ("has content");
  check (open_errno (PATH, MIB) == EINVAL);
  check_reported ("has content");
  check (pread (fd, copy, sizeof copy, 0) == (ssize_t) bytes);
  check (memcmp (copy, content, bytes) == 0);
  close (fd);
  check (unlink (PATH) == 0);
}

static void
a_file_with_other_content_is_refused_and_untouched (void)
{
  char content[12345];

  memset (content, 'x', sizeof content);
  refuse_foreign (content, 1);
  refuse_foreign (content, 4095);
  refuse_foreign (content, 4096);
  refuse_foreign (content, sizeof content);
  memcpy (content, "NBDZRAM", 7);       /* not quite ours */
  refuse_foreign (content, sizeof content);
}

static void
what_is_no_file_is_refused (void)
{
  check (open_errno (".", MIB) == EISDIR);
  check_reported ("cannot open");
  check (open_errno ("/dev/null", MIB) == EINVAL);
  check_reported ("neither a file nor a block device");
  check (open_errno ("no such directory/file", MIB) == ENOENT);
  check_reported ("cannot open");
}

static void
a_file_of_an_earlier_server_is_used_again (void)
{
  start (10);
  put_and_write_back (10, SIZE);
  device_destroy (device);
  device = model_device (1, 4096, 10 * 4096);
  attach_backing (device, PATH, 0, false);
  check (backing_stats_of (device).size == 2 * MIB / PAGE_BYTES);
  check (backing_stats_of (device).count == 0);
  put_and_write_back (10, SIZE);
  check_blocks (10, SIZE);
  stop ();
}

static void
a_new_file_needs_a_size (void)
{
  check (open_errno (PATH, 0) == EINVAL);
  check_reported ("needs backing_size");
  unlink (PATH);
}

static void
less_than_132_kib_are_refused (void)
{
  unlink (PATH);
  check (open_errno (PATH, 33 * 4096 - 1) == EINVAL);
  check_reported ("132 KiB");
  unlink (PATH);
  check (open_errno (PATH, 33 * 4096) == 0);
  check (unlink (PATH) == 0);
}

static void
a_refused_size_leaves_nothing_that_is_refused_later (void)
{
  unlink (PATH);
  check (open_errno (PATH, 4096) == EINVAL);
  check_reported ("132 KiB");
  check (open_errno (PATH, MIB) == 0);
  check (unlink (PATH) == 0);
}

/* Faults in reading. */

static void
fail_reading (const char *kind, const char *why)
{
  start (10);
  put_and_write_back (8, SIZE);
  block_put (device, 8, 9, SIZE);
  zram_debug_fail_backing (kind, 0);
  for (uint64_t block = 0; block < 8; block++)
    check_unreadable (block, why);
  check (block_is (device, 8, 9, SIZE) && block_is (device, 9, 0, 0));
  check (device_stat (device, STAT_FAILED_READS) == 8);
  check (backing_stats_of (device).failed_reads == 8);
  zram_debug_fail_backing (NULL, 0);
  check_blocks (9, SIZE);
  stop ();
}

static void
a_read_error_of_the_file_is_an_error_of_that_block (void)
{
  fail_reading ("read", "Input/output error");
}

static void
a_flipped_bit_is_an_error_of_that_block (void)
{
  fail_reading ("flip", "damaged");
}

static void
part_of_an_unreadable_block_cannot_be_written (void)
{
  start (2);
  put_and_write_back (2, SIZE);
  zram_debug_fail_backing ("read", 0);
  check (device_write (device, "abc", 3, 10) == -1 && errno == EIO);
  check_reported ("block 0");
  zram_debug_fail_backing (NULL, 0);
  check_blocks (2, SIZE);
  stop ();
}

static void
an_unreadable_block_can_be_overwritten_and_trimmed (void)
{
  start (2);
  put_and_write_back (2, SIZE);
  zram_debug_fail_backing ("read", 0);
  block_put (device, 0, 50, SIZE);
  block_trim (device, 1);
  check (block_is (device, 0, 50, SIZE) && block_is (device, 1, 0, 0));
  stop ();
}

/* Every byte of the header and some of the object. */
static void
damage_to_an_object_is_an_error_of_that_block (void)
{
  start (8);
  put_and_write_back (8, SIZE);
  for (off_t i = 0; i < 16 + (off_t) SIZE; i += i < 32 ? 1 : 37) {
    const off_t offset = offset_of (3) + i;

    flip_byte (offset);
    check_unreadable (3, "damaged");
    check (block_is (device, 2, 3, SIZE) && block_is (device, 4, 5, SIZE));
    flip_byte (offset);
    device_trim (device, 2 * 4096, 2 * 4096);
    put_and_write_back (8, SIZE);
  }
  stop ();
}

static void
damage_to_an_encrypted_object_is_an_error_of_that_block (void)
{
  start_with (1, 4096, 40, 2 * MIB, true);
  put_and_write_back (40, SIZE);
  flip_byte (offset_of (5) + 100);
  check_unreadable (5, "damaged");
  check (block_is (device, 30, 31, SIZE));
  flip_byte (offset_of (5) + 100);
  check (block_is (device, 5, 6, SIZE));
  stop ();
}

static void
a_truncated_file_gives_errors_and_no_wrong_bytes (void)
{
  const uint64_t nr_blocks = 200;
  unsigned nr_read = 0;

  start (nr_blocks);
  put_and_write_back (nr_blocks, SIZE);
  check (truncate (PATH, offset_of (100)) == 0);
  for (uint64_t block = 0; block < nr_blocks; block++)
    nr_read += block_is (device, block, block + 1, SIZE);
  check (nr_read > 50 && nr_read <= 100);
  check_reported ("block 101");
  capture_reports ();
  stop ();
}

static void
a_truncated_file_can_be_written_again (void)
{
  start (60);
  put_and_write_back (60, SIZE);
  check (truncate (PATH, 0) == 0);
  check_unreadable (40, PATH);
  for (uint64_t block = 0; block < 60; block++)
    block_put (device, block, block + 1, SIZE);
  check (write_back (device) == 0);
  check_blocks (60, SIZE);
  stop ();
}

/* Objects that are whole, but not what is asked for. */

static void
copy_in_file (off_t from, off_t to, size_t bytes)
{
  uint8_t data[2 * PAGE_BYTES];

  read_file (data, bytes, from);
  write_file (data, bytes, to);
}

static void
another_blocks_object_is_an_error (void)
{
  start (8);
  put_and_write_back (8, SIZE);
  check (slot_size_bytes (block_slot (device, 2)) ==
         slot_size_bytes (block_slot (device, 5)));
  copy_in_file (offset_of (2), offset_of (5),
                backing_room (slot_size_bytes (block_slot (device, 2))));
  check_unreadable (5, "damaged");
  check (block_is (device, 2, 3, SIZE));
  stop ();
}

static void
another_page_of_the_file_is_an_error (void)
{
  start (64);
  put_and_write_back (64, SIZE);
  for (off_t page = 2; page < 8; page++)
    copy_in_file (PAGE_BYTES, page * PAGE_BYTES, PAGE_BYTES);
  for (uint64_t block = 10; block < 50; block++)
    check_unreadable (block, "damaged");
  check (block_is (device, 0, 1, SIZE));
  stop ();
}

/* The same block, the same place, the same length. */
static void
an_object_of_an_earlier_life_of_the_file_is_an_error (void)
{
  uint8_t page[PAGE_BYTES];
  off_t place;

  start (1);
  put_and_write_back (1, SIZE);
  place = offset_of (0);
  read_file (page, sizeof page, place / PAGE_BYTES * PAGE_BYTES);
  check (live_detach_backing (device) == 0);
  attach_backing (device, PATH, 0, false);
  put_and_write_back (1, SIZE);
  check (offset_of (0) == place);
  write_file (page, sizeof page, place / PAGE_BYTES * PAGE_BYTES);
  check_unreadable (0, "damaged");
  stop ();
}

/* Faults in writing. */

/* After so many extents of 32 pages. */
static void
fail_writing (const char *kind, long after, int errnum)
{
  const uint64_t nr_blocks = 100;

  start (nr_blocks);
  for (uint64_t block = 0; block < nr_blocks; block++)
    block_put (device, block, block + 1, 4096);
  zram_debug_fail_backing (kind, after);
  check (write_back (device) == -1 && errno == errnum);
  check_reported ("cannot write to " PATH);
  capture_reports ();
  check ((device_stat (device, STAT_BACKED_BLOCKS) > 0) == (after > 0));
  check (device_stat (device, STAT_HUGE_BLOCKS) > 0);
  check (backing_stats_of (device).failed_writes > 0);
  check (recount_device (device));
  check_blocks (nr_blocks, 4096);
  zram_debug_fail_backing (NULL, 0);
  check (write_back (device) == 0);
  check (device_stat (device, STAT_HUGE_BLOCKS) == 0);
  for (uint64_t block = 0; block < nr_blocks; block++)
    block_set_age (device, block, 3600);
  check_blocks (nr_blocks, 4096);
  stop ();
}

static void
a_write_error_of_the_file_leaves_blocks_in_memory (void)
{
  fail_writing ("write", 0, EIO);
  fail_writing ("write", 1, EIO);
}

static void
a_full_file_system_leaves_blocks_in_memory (void)
{
  fail_writing ("full", 0, ENOSPC);
  fail_writing ("full", 2, ENOSPC);
}

static void
a_short_write_leaves_blocks_in_memory (void)
{
  fail_writing ("short", 0, EIO);
  fail_writing ("short", 1, EIO);
}

/* Back to memory. */

static void
the_second_read_within_a_minute_brings_a_block_back (void)
{
  start (2);
  put_and_write_back (2, SIZE);
  check (block_is (device, 0, 1, SIZE));
  check (block_is_backed (device, 0));
  check (block_is (device, 0, 1, SIZE));
  check (!block_is_backed (device, 0) && block_is_backed (device, 1));
  check (block_is (device, 0, 1, SIZE));
  check (device_stat (device, STAT_PACKED_BLOCKS) == 1);
  stop ();
}

static void
a_read_in_the_next_minute_does_not (void)
{
  start (1);
  put_and_write_back (1, SIZE);
  check (block_is (device, 0, 1, SIZE));
  block_set_age (device, 0, 61);
  check (block_is (device, 0, 1, SIZE));
  check (block_is_backed (device, 0));
  check (block_is (device, 0, 1, SIZE));
  check (!block_is_backed (device, 0));
  stop ();
}

static void
without_room_in_memory_a_backed_block_still_reads (void)
{
  start (1);
  put_and_write_back (1, 4096);
  live_set_mem_limit (device, 1);
  for (unsigned i = 0; i < 4; i++)
    check (block_is (device, 0, 1, 4096));
  check (block_is_backed (device, 0));
  check (device_cache (device, 4096, 0) == -1 && errno == ENOSPC);
  check_reported ("block 0");
  live_set_mem_limit (device, 0);
  stop ();
}

static void
caching_brings_blocks_back (void)
{
  start (600);
  put_and_write_back (600, SIZE);
  check (device_cache (device, 2 * 4096, 513 * 4096 + 5) == 0);
  check (device_stat (device, STAT_BACKED_BLOCKS) == 597);
  check (!block_is_backed (device, 513) && !block_is_backed (device, 514) &&
         !block_is_backed (device, 515));
  check (device_cache (device, device->size_bytes, 0) == 0);
  check (device_stat (device, STAT_BACKED_BLOCKS) == 0);
  check (backing_stats_of (device).count == 0);
  check_blocks (600, SIZE);
  stop ();
}

int
main (void)
{
  if (!has_backing_files ())
    skip_test ("backing files are not compiled in");
  capture_reports ();
  test (blocks_read_the_same_from_the_file);
  if (has_ciphers ()) {
    test (blocks_read_the_same_from_an_encrypted_file);
    test (damage_to_an_encrypted_object_is_an_error_of_that_block);
    test (with_a_key_no_content_is_in_the_file);
  }
  test (parts_of_backed_blocks_can_be_read_and_written);
  test (small_objects_share_pages);
  test (space_is_used_again_after_overwrites);
  test (space_is_used_again_after_trims);
  test (a_page_stays_until_its_last_object_is_gone);
  test (behind_the_last_object_there_are_zeroes);
  test (without_a_key_content_is_in_the_file);
  test (nobody_else_may_read_the_file_under_any_umask);
  test (a_second_server_is_refused);
  test (a_second_file_for_a_device_is_refused);
  test (a_file_with_other_content_is_refused_and_untouched);
  test (what_is_no_file_is_refused);
  test (a_file_of_an_earlier_server_is_used_again);
  test (a_new_file_needs_a_size);
  test (less_than_132_kib_are_refused);
  test (a_refused_size_leaves_nothing_that_is_refused_later);
  test (a_read_error_of_the_file_is_an_error_of_that_block);
  test (a_flipped_bit_is_an_error_of_that_block);
  test (part_of_an_unreadable_block_cannot_be_written);
  test (an_unreadable_block_can_be_overwritten_and_trimmed);
  test (damage_to_an_object_is_an_error_of_that_block);
  test (a_truncated_file_gives_errors_and_no_wrong_bytes);
  test (a_truncated_file_can_be_written_again);
  test (another_blocks_object_is_an_error);
  test (another_page_of_the_file_is_an_error);
  test (an_object_of_an_earlier_life_of_the_file_is_an_error);
  test (a_write_error_of_the_file_leaves_blocks_in_memory);
  test (a_full_file_system_leaves_blocks_in_memory);
  test (a_short_write_leaves_blocks_in_memory);
  test (the_second_read_within_a_minute_brings_a_block_back);
  test (a_read_in_the_next_minute_does_not);
  test (without_room_in_memory_a_backed_block_still_reads);
  test (caching_brings_blocks_back);
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Attributes about the backing file, and writeback. */
#include <config.h>

#include "attribute_fixture.h"

/* Writeback. */

static char backing_file[] = "/tmp/zram-test-backing-XXXXXX";

static void
remove_backing (void)
{
  unlink (backing_file);
}

/* False: not compiled in. */
static bool
attach_backing (void)
{
  int r;

  check (store ("backing_size", "16M") == 0);
  unlink (backing_file);
  r = store ("backing_dev", backing_file);
  check (r == 0 || r == ENOTSUP);
  return r == 0;
}

static void
backing_dev_attaches_and_detaches (void)
{
  char line[100];

  check_str_equal (show ("backing_dev"), "none\n");
  CHECK_FORMS ("backing_dev", { "", EINVAL, NULL }, { "file", EINVAL, NULL },
               { "none", ENODEV, NULL });
  if (!attach_backing ())
    return;
  snprintf (line, sizeof line, "%s\n", backing_file);
  check_str_equal (show ("backing_dev"), line);
  check (store ("backing_dev", backing_file) == EBUSY);
  check (store ("backing_dev", "/nonexistent/file") == EBUSY);
  check (store ("backing_dev", "none") == 0);
  check_str_equal (show ("backing_dev"), "none\n");
  check (store ("backing_dev", "/nonexistent/file") == ENOENT);
  check (store ("backing_dev", "/tmp") != 0);
}

static void
backing_size_takes_a_size (void)
{
  CHECK_FORMS ("backing_size",
    { "2G", 0, "2147483648\n" }, { "0", 0, "0\n" }, { "x", EINVAL, NULL },
    { "", EINVAL, NULL }, { "-1", EINVAL, NULL });
}

static int
store_key (const char *text, size_t bytes)
{
  char path[] = "/tmp/zram-test-key-XXXXXX";
  const int fd = mkstemp (path);
  int r;

  check (fd != -1 && write (fd, text, bytes) == (ssize_t) bytes);
  close (fd);
  r = store ("backing_key", path);
  unlink (path);
  return r;
}

static void
backing_key_takes_a_file_of_64_bytes_or_128_hex_digits (void)
{
  char text[130];

  for (unsigned i = 0; i < sizeof text; i++)
    text[i] = "0123456789abcdefABCDEF"[i * 7 % 22];
  text[129] = '\n';
  check (store_key (text, 64) == 0);
  check (export.backing.has_key);
  check (memcmp (export.backing.key, text, 64) == 0);
  check (store_key (text, 128) == 0);
  check (export.backing.key[0] == 0x07 && export.backing.key[1] == 0xeF);
  check (store_key (text, 129) == EINVAL);
  text[128] = '\n';
  check (store_key (text, 129) == 0);
  check (store_key (text, 130) == EINVAL);
  check (store_key (text, 63) == EINVAL);
  check (store_key (text, 0) == EINVAL);
  text[5] = 'g';
  check (store_key (text, 128) == EINVAL);
  memset (text, '5', sizeof text);
  check (store_key (text, 64) == EINVAL);       /* two equal halves */
  check (export.backing.has_key);
  CHECK_FORMS ("backing_key", { "", EINVAL, NULL }, { "key", EINVAL, NULL },
               { "/nonexistent", ENOENT, NULL }, { "none", 0, NULL });
  check (!export.backing.has_key);
}

static void
writeback_needs_a_backing_file (void)
{
  check (store ("writeback", "huge") == ENODEV);
  check (store ("writeback", "nonsense") == ENODEV);
  check_str_equal (show ("bd_stat"), "       0        0        0\n");
}

static void
writeback_takes_types_and_pages (void)
{
  if (!attach_backing ())
    return;
  CHECK_FORMS ("writeback",
    { "page_index=80", 0, NULL }, { "page_indexes=81-82", 0, NULL },
    { "page_index=83 page_indexes=84-85 page_index=86", 0, NULL },
    { "page_index=16384", ERANGE, NULL }, { "page_index=x", EINVAL, NULL },
    { "page_index=-1", EINVAL, NULL }, { "page_index=", EINVAL, NULL },
    { "page_indexes=1", EINVAL, NULL }, { "page_indexes=2-1", ERANGE, NULL },
    { "page_indexes=1-16384", ERANGE, NULL },
    { "page_indexes=1-2-3", EINVAL, NULL }, { "", EINVAL, NULL },
    { "all", EINVAL, NULL }, { "type=all", EINVAL, NULL },
    { "type=", EINVAL, NULL }, { "page=1", EINVAL, NULL },
    { "page_index=99999999999999999999", ERANGE, NULL });
  check (nr_blocks_with (1, 'w') == 7);
  CHECK_FORMS ("writeback",
    { "type=huge", 0, NULL }, { "type=idle", 0, NULL },
    { "type=huge_idle", 0, NULL }, { "type=incompressible", 0, NULL },
    { "huge", 0, NULL }, { "idle", 0, NULL }, { "huge_idle", 0, NULL },
    { "incompressible", 0, NULL }, { "page_index=40 type=huge", 0, NULL },
    { "type=huge what follows is not read", 0, NULL });
  check (nr_blocks_with (1, 'w') == NR_EACH + 1);
  check (column ("bd_stat", 0) > 0 && column ("bd_stat", 2) > 0);
  check (column ("mm_stat", 0) == 3 * NR_EACH * BLOCK_BYTES);
  check (store ("backing_dev", "none") == 0);
  check (nr_blocks_with (1, 'w') == 0);
}

static void
writeback_limit_counts_pages (void)
{
  CHECK_FORMS ("writeback_limit",
    { "100", 0, "100\n" }, { "1M", 0, "256\n" }, { "4097K", 0, "1024\n" },
    { "0", 0, "0\n" }, { "", EINVAL, NULL }, { "x", EINVAL, NULL },
    { "-1", EINVAL, NULL }, { "0x10", EINVAL, NULL },
    { "99999999999999999999", EINVAL, NULL },
    { "18446744073709551615", 0, "18446744073709551615\n" });
  CHECK_FORMS ("writeback_limit_enable",
    { "1", 0, "1\n" }, { "0", 0, "0\n" }, { "7", 0, "1\n" },
    { "", EINVAL, NULL }, { "on", EINVAL, NULL });
}

static void
a_used_up_writeback_limit_is_EIO (void)
{
  if (!attach_backing ())
    return;
  check (store ("writeback_limit_enable", "1") == 0);
  check (store ("writeback", "huge") == EIO);
  check_reported ("writeback_limit");
  check (nr_blocks_with (1, 'w') == 0);
  check (store ("writeback_limit", "100") == 0);
  check (store ("writeback", "huge") == 0);
  check (nr_blocks_with (1, 'w') == NR_EACH);
  check (show_number ("writeback_limit") < 100 - NR_EACH + 1);
}

static void
writeback_batch_size_is_a_number_from_1 (void)
{
  check_str_equal (show ("writeback_batch_size"), "32\n");
  CHECK_FORMS ("writeback_batch_size",
    { "1", 0, "1\n" }, { "4294967295", 0, "4294967295\n" },
    { "0", EINVAL, NULL }, { "", EINVAL, NULL }, { "x", EINVAL, NULL },
    { "4294967296", ERANGE, NULL });
}

static void
compressed_writeback_is_always_on (void)
{
  check_str_equal (show ("compressed_writeback"), "1\n");
  CHECK_FORMS ("compressed_writeback", { "1", 0, NULL }, { "y", 0, NULL },
               { "on", 0, NULL }, { "0", EINVAL, NULL }, { "n", EINVAL, NULL },
               { "2", EINVAL, NULL }, { "", EINVAL, NULL });
}

int
main (void)
{
  const int fd = mkstemp (backing_file);

  check (fd != -1);
  close (fd);
  check (atexit (remove_backing) == 0);
  random_numbers = random_seeded (test_seed ());
  capture_reports ();
  test_with_device (backing_dev_attaches_and_detaches);
  test_with_device (backing_size_takes_a_size);
  test_with_device (backing_key_takes_a_file_of_64_bytes_or_128_hex_digits);
  test_with_device (writeback_needs_a_backing_file);
  test_with_device (writeback_takes_types_and_pages);
  test_with_device (writeback_limit_counts_pages);
  test_with_device (a_used_up_writeback_limit_is_EIO);
  test_with_device (writeback_batch_size_is_a_number_from_1);
  test_with_device (compressed_writeback_is_always_on);
  return 0;
}

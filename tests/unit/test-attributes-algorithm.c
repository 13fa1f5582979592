/* SPDX-License-Identifier: BSD-3-Clause */
/* Attributes about algorithms, and recompression. */
#include <config.h>

#include "attribute_fixture.h"
#include "live.h"

/* Algorithms. */

static void
comp_algorithm_changes_under_a_live_disk (void)
{
  char long_name[200];

  check (strstr (show ("comp_algorithm"), "zstd [lz4] lz4hc "));
  check (strcmp (shown + strlen (shown) - 2, " \n") == 0);
  check (store ("comp_algorithm", "zstd") == 0);
  check (strstr (show ("comp_algorithm"), "[zstd] lz4 lz4hc "));
  memset (long_name, 'a', sizeof long_name);
  long_name[127] = '\0';
  check (store ("comp_algorithm", long_name) == EINVAL);
  long_name[127] = 'a';
  long_name[128] = '\0';
  check (store ("comp_algorithm", long_name) == E2BIG);
  CHECK_FORMS ("comp_algorithm", { "", EINVAL, NULL }, { "842", EINVAL, NULL },
               { "ZSTD", EINVAL, NULL }, { "zstd lz4", EINVAL, NULL });
}

static void
recomp_algorithm_has_a_line_for_each_priority (void)
{
  check_str_equal (show ("recomp_algorithm"), "");
  check (store ("recomp_algorithm", "algo=zstd") == 0);
  check (strncmp (show ("recomp_algorithm"), "#1: [zstd] lz4 lz4hc ", 21) == 0);
  check (store ("recomp_algorithm", "priority=3 algo=lz4hc") == 0);
  check (strstr (show ("recomp_algorithm"), "\n#3: zstd lz4 [lz4hc] "));
  CHECK_FORMS ("recomp_algorithm",
    { "", EINVAL, NULL }, { "zstd", EINVAL, NULL }, { "algo=", EINVAL, NULL },
    { "priority=1", EINVAL, NULL }, { "algo=none", EINVAL, NULL },
    { "algo=zstd priority=0", EINVAL, NULL },
    { "algo=zstd priority=4", EINVAL, NULL },
    { "algo=zstd priority=-1", EINVAL, NULL },
    { "algo=zstd priority=x", EINVAL, NULL },
    { "algo=zstd priority=99999999999", ERANGE, NULL },
    { "algo=zstd level=3", EINVAL, NULL });
}

static int
level_of (unsigned priority)
{
  struct codec_description now;

  check (live_get_codec (export.device, priority, &now));
  return now.level;
}

static void
algorithm_params_go_to_a_priority_or_an_algorithm (void)
{
  check (store ("comp_algorithm", "zstd") == 0);
  check (store ("recomp_algorithm", "algo=lz4hc priority=2") == 0);
  check (store ("algorithm_params", "level=5") == 0);
  check (level_of (0) == 5);
  check (store ("algorithm_params", "priority=2 level=4") == 0);
  check (level_of (2) == 4);
  check (store ("algorithm_params", "algo=lz4hc level=6") == 0);
  check (level_of (2) == 6);
  check (store ("algorithm_params", "algo=zstd priority=0 level=-3") == 0);
  check (level_of (0) == -3);
  CHECK_FORMS ("algorithm_params",
    { "level", EINVAL, NULL }, { "level=", EINVAL, NULL },
    { "level=x", EINVAL, NULL }, { "level=999", EINVAL, NULL },
    { "level=1 lvl=1", EINVAL, NULL }, { "priority=1 level=1", EINVAL, NULL },
    { "priority=4 level=1", EINVAL, NULL },
    { "algo=lz4 level=1", EINVAL, NULL },
    { "algo=zstd priority=2 level=1", EINVAL, NULL },
    { "dict=/nonexistent", ENOENT, NULL }, { "dict=/", EISDIR, NULL },
    { "dict=/dev/null", EINVAL, NULL },
    { "priority=99999999999", ERANGE, NULL });
  check (level_of (0) == -3 && level_of (2) == 6);
}

static void
each_write_of_algorithm_params_replaces_all_of_them (void)
{
  struct codec_description now;
  char path[] = "/tmp/zram-test-dict-XXXXXX", value[80];
  const int fd = mkstemp (path);

  check (fd != -1 && write (fd, "a dictionary, in a way", 22) == 22);
  close (fd);
  snprintf (value, sizeof value, "level=3 dict=%s", path);
  check (store ("algorithm_params", value) == 0);
  check (live_get_codec (export.device, 0, &now));
  check (now.level == 3 && now.dict_bytes == 22);
  check (store ("algorithm_params", "level=2") == 0);
  check (live_get_codec (export.device, 0, &now));
  check (now.level == 2 && now.dict_bytes == 0);
  unlink (path);
}

static void
writing_the_same_algorithm_keeps_its_parameters (void)
{
  check (store ("comp_algorithm", "zstd") == 0);
  check (store ("algorithm_params", "level=7") == 0);
  check (store ("comp_algorithm", "zstd") == 0);
  check (level_of (0) == 7);
}

static void
old_blocks_stay_readable_with_a_new_algorithm (void)
{
  char before[BLOCK_BYTES], after[BLOCK_BYTES];
  const uint64_t offset = NR_EACH * BLOCK_BYTES;

  check (device_read (export.device, before, BLOCK_BYTES, offset) == 0);
  check (store ("comp_algorithm", "zstd") == 0);
  check (device_read (export.device, after, BLOCK_BYTES, offset) == 0);
  check (memcmp (before, after, BLOCK_BYTES) == 0);
  check (store ("recompress", "priority=0") == 0);
  check (device_read (export.device, after, BLOCK_BYTES, offset) == 0);
  check (memcmp (before, after, BLOCK_BYTES) == 0);
}

static void
recompress_makes_objects_smaller (void)
{
  const uint64_t before = column ("mm_stat", 1);

  check (store ("recompress", "") == EINVAL);   /* no algorithm yet */
  check (store ("recomp_algorithm", "algo=zstd priority=1") == 0);
  check (store ("idle", "all") == 0);
  check (store ("recompress", "type=idle max_pages=10") == 0);
  check (nr_blocks_with (4, 'r') <= 10);
  check (store ("recompress", "") == 0);
  check (column ("mm_stat", 1) < before);
  check (nr_blocks_with (4, 'r') == NR_EACH);
  check (nr_blocks_with (5, 'n') == NR_EACH);   /* what is random */
}

static void
recompress_takes_what_the_kernel_takes (void)
{
  check (store ("recomp_algorithm", "algo=zstd priority=1") == 0);
  check (store ("recomp_algorithm", "algo=zstd priority=3") == 0);
  CHECK_FORMS ("recompress",
    { "type=idle", 0, NULL }, { "type=huge", 0, NULL },
    { "type=huge_idle", 0, NULL }, { "threshold=3000", 0, NULL },
    { "max_pages=1", 0, NULL }, { "algo=zstd", 0, NULL },
    { "priority=3", 0, NULL }, { "algo=zstd priority=3", 0, NULL },
    { "type=huge threshold=100 algo=zstd priority=1 max_pages=2", 0, NULL },
    { "type=all", EINVAL, NULL }, { "type=", EINVAL, NULL },
    { "idle", EINVAL, NULL }, { "type=incompressible", EINVAL, NULL },
    { "threshold=4096", EINVAL, NULL }, { "threshold=x", EINVAL, NULL },
    { "threshold=4294967296", ERANGE, NULL }, { "max_pages=x", EINVAL, NULL },
    { "max_pages=99999999999999999999", ERANGE, NULL },
    { "algo=lz4hc", EINVAL, NULL }, { "algo=nothing", EINVAL, NULL },
    { "priority=2", EINVAL, NULL }, { "priority=4", EINVAL, NULL },
    { "priority=4294967296", ERANGE, NULL },
    { "algo=lz4 priority=1", EINVAL, NULL }, { "what=1", EINVAL, NULL });
}

int
main (void)
{
  random_numbers = random_seeded (test_seed ());
  capture_reports ();
  test_with_device (comp_algorithm_changes_under_a_live_disk);
  test_with_device (recomp_algorithm_has_a_line_for_each_priority);
  test_with_device (algorithm_params_go_to_a_priority_or_an_algorithm);
  test_with_device (each_write_of_algorithm_params_replaces_all_of_them);
  test_with_device (writing_the_same_algorithm_keeps_its_parameters);
  test_with_device (old_blocks_stay_readable_with_a_new_algorithm);
  test_with_device (recompress_makes_objects_smaller);
  test_with_device (recompress_takes_what_the_kernel_takes);
  return 0;
}

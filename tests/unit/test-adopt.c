/* SPDX-License-Identifier: BSD-3-Clause */
/* A store file, and servers that are killed: what was acknowledged is there,
 * what was not is there as a whole or not at all, and a recount of everything
 * finds nothing wrong.
 *
 * A server is a child process on a file that has no name, so nothing is left
 * behind.  It notes in memory shared with its parent what it is about to write
 * and what it wrote; then it is killed, at any instant or at a place that was
 * chosen (crash.h), and the parent adopts the file and looks.
 */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "blocks.h"
#include "compact.h"
#include "crash.h"
#include "pages.h"
#include "persist.h"
#include "recompress.h"

#define NR_BLOCKS 2048u
#define NR_WRITERS 4u
#define BLOCK_BYTES 4096u
#define SIZE_BYTES ((uint64_t) NR_BLOCKS * BLOCK_BYTES)
#define BACKING_BYTES (4u << 20)

/* What the child did, as far as the parent can know. */
struct notes {
  _Atomic uint32_t wanted[NR_BLOCKS];
  _Atomic uint32_t done[NR_BLOCKS];
  _Atomic uint64_t nr_done;
};

static struct notes *notes;
static struct device *device;
static char file_path[64];
static uint64_t reserve_bytes;
static int store_fd;

/* Content. */

enum content { ZEROES, TRIMMED, SAME, WIDE, NOISE, COMMON, PACKED };

static enum content
content_of (uint32_t version)
{
  static const enum content contents[16] = {
    ZEROES, TRIMMED, SAME, WIDE, NOISE, COMMON, COMMON, COMMON,
    PACKED, PACKED, PACKED, PACKED, PACKED, PACKED, TRIMMED, SAME,
  };

  return version == 0 ? TRIMMED : contents[version % 16];
}

static void
fill_words (uint8_t *data, uint64_t word)
{
  for (unsigned i = 0; i < BLOCK_BYTES; i += sizeof word)
    memcpy (data + i, &word, sizeof word);
}

/* Version 0 is what was never written. */
static void
make_content (uint8_t *data, uint64_t block, uint32_t version)
{
  const uint64_t number = (block << 32) + version;
  struct random random = random_seeded (number);

  memset (data, 0, BLOCK_BYTES);
  switch (content_of (version)) {
  case ZEROES:
  case TRIMMED:
    break;
  case SAME:
    fill_words (data, version);
    break;
  case WIDE:
    fill_words (data, random_next (&random) | 1);
    break;
  case NOISE:
    random_fill (&random, data, BLOCK_BYTES);
    break;
  case COMMON:
    random = random_seeded (version % 64);
    random_fill (&random, data, 700);
    break;
  case PACKED:
    random_fill (&random, data, 40 + random_below (&random, 2500));
    break;
  }
}

/* Devices. */

static const struct codec_ops *
algorithm (const char *name)
{
  const char *why;

  return codec_find (name, &why);
}

static struct device *
open_device (void)
{
  const struct device_params params = {
    .name = "disk", .size_bytes = SIZE_BYTES, .block_bytes = BLOCK_BYTES,
    .algorithm = algorithm ("lz4"), .reserve_bytes = reserve_bytes,
    .memory = { .is_open = true, .fd = dup (store_fd) },
  };

  return device_create (&params);
}

static void
begin_file (void)
{
  store_fd = memfd_create ("store", MFD_CLOEXEC);
  check (store_fd != -1);
  memset ((void *) notes, 0, sizeof *notes);
}

static void
end_file (void)
{
  close (store_fd);
  unlink (file_path);
}

static void
attach_file (void)
{
  const struct backing_params params = {
    .path = file_path, .size_bytes = BACKING_BYTES,
  };

  unlink (file_path);
  check (live_attach_backing (device, &params) == 0);
}

/* The child. */

static void
write_version (uint64_t block, uint32_t version)
{
  uint8_t data[BLOCK_BYTES];

  make_content (data, block, version);
  atomic_store (&notes->wanted[block], version);
  if (content_of (version) == TRIMMED)
    check (device_trim (device, BLOCK_BYTES, block * BLOCK_BYTES) == 0);
  else
    check (device_write (device, data, BLOCK_BYTES, block * BLOCK_BYTES) == 0);
  atomic_store (&notes->done[block], version);
  atomic_fetch_add (&notes->nr_done, 1);
}

static void
read_block (uint64_t block)
{
  uint8_t data[BLOCK_BYTES];

  check (device_read (device, data, BLOCK_BYTES, block * BLOCK_BYTES) == 0);
}

struct writer {
  unsigned number;
  struct random random;
};

static void
step (struct writer *writer)
{
  const uint64_t block = random_below (&writer->random, NR_BLOCKS / NR_WRITERS)
    * NR_WRITERS + writer->number;

  if (random_below (&writer->random, 4) == 0)
    read_block (block);
  else
    write_version (block, notes->done[block] + 1 +
                   random_below (&writer->random, 7));
}

static void *
write_for_ever (void *opaque)
{
  for (;;)
    step (opaque);
  return NULL;
}

static void
recompress (void)
{
  const struct recompress_params params = { .max_blocks = 100 };
  struct postproc_result result;

  recompress_device (device, &params, &result);
}

/* A pass of each kind that there is. */
static void
do_passes (struct random *random)
{
  const struct postproc_filter some = { .threshold_bytes = 1500 };
  struct postproc_result result;

  switch (random_below (random, 6)) {
  case 0:
    compact_device (device);
    break;
  case 1:
    recompress ();
    break;
  case 2:
    writeback_device (device, &some, &result);
    break;
  case 3:
    /* Too many old ones may be needed still. */
    live_set_codec (device, 0, algorithm (random_below (random, 2) ? "lz4" :
                                          "zstd"), NULL);
    break;
  case 4:
    if (reserve_bytes == 0)
      check (live_set_dedup (device, random_below (random, 3) > 0) == 0);
    break;
  case 5:
    device_cache (device, SIZE_BYTES / 2, 0);
    break;
  }
}

static void *
do_passes_for_ever (void *opaque)
{
  for (;;)
    do_passes (opaque);
  return NULL;
}

_Noreturn static void
serve_until_killed (uint64_t seed)
{
  struct writer writers[NR_WRITERS];
  struct random random = random_seeded (seed);
  pthread_t thread;

  for (unsigned i = 0; i < NR_WRITERS; i++) {
    writers[i] = (struct writer) { i, random_seeded (seed * 31 + i) };
    check (pthread_create (&thread, NULL, write_for_ever, &writers[i]) == 0);
  }
  check (pthread_create (&thread, NULL, do_passes_for_ever, &random) == 0);
  for (;;)
    pause ();
}

/* The parent. */

static void
check_block (uint64_t block)
{
  uint8_t data[BLOCK_BYTES], expected[BLOCK_BYTES];

  check (device_read (device, data, BLOCK_BYTES, block * BLOCK_BYTES) == 0);
  make_content (expected, block, notes->done[block]);
  if (memcmp (data, expected, BLOCK_BYTES) != 0) {
    make_content (expected, block, notes->wanted[block]);
    if (memcmp (data, expected, BLOCK_BYTES) != 0)
      fprintf (stderr, "block %u: wanted %u, done %u\n", (unsigned) block,
               notes->wanted[block], notes->done[block]);
    check (memcmp (data, expected, BLOCK_BYTES) == 0);
    notes->done[block] = notes->wanted[block];
  }
  notes->wanted[block] = notes->done[block];
}

/* Looking changes what is found, so counts come first. */
static void
adopt_and_check (void)
{
  device = open_device ();
  check (device);
  check (device->was_adopted);
  check (recount_device (device));
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    check_block (block);
  check (recount_device (device));
  device_destroy (device);
  check_nothing_reported ();
}

static pid_t
start_server (uint64_t seed, const char *crash, long times)
{
  const pid_t pid = fork ();

  check (pid != -1);
  if (pid > 0)
    return pid;
  report_set_sink (ignore_report);
  device = open_device ();
  check (device);
  if (!device->backing)
    attach_file ();
  check (live_set_codec (device, 1, algorithm ("zstd"), NULL) == 0);
  check (device_start (device) == 0);
  zram_debug_crash (crash, times);
  serve_until_killed (seed);
}

static void
wait_for_death (pid_t pid)
{
  int status;

  check (waitpid (pid, &status, 0) == pid);
  check (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);
}

static void
kill_after_writes (pid_t pid, uint64_t nr)
{
  const uint64_t end = notes->nr_done + nr;

  while (notes->nr_done < end)
    sched_yield ();
  kill (pid, SIGKILL);
  wait_for_death (pid);
}

/* Tests. */

static void
what_was_written_is_found_again (void)
{
  begin_file ();
  device = open_device ();
  check (device && !device->was_adopted);
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    write_version (block, block % 100);
  check (recount_device (device));
  device_destroy (device);
  adopt_and_check ();
  adopt_and_check ();
  end_file ();
}

static void
nothing_is_found_in_a_new_file (void)
{
  begin_file ();
  device = open_device ();
  check (device && !device->was_adopted);
  device_destroy (device);
  adopt_and_check ();
  end_file ();
}

/* Codecs that priorities left, their dictionaries, the size, the limit. */
static void
what_was_changed_at_run_time_is_found_again (void)
{
  static const char dict[20000] = "dictionary";
  const struct codec_params params = {
    .level = 3, .dict = dict, .dict_bytes = sizeof dict,
  };
  struct codec_description found;

  begin_file ();
  device = open_device ();
  check (live_set_codec (device, 0, algorithm ("zstd"), &params) == 0);
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    write_version (block, 8);
  check (live_set_codec (device, 0, algorithm ("lz4hc"), NULL) == 0);
  check (live_set_size (device, 3 * SIZE_BYTES) == 0);
  live_set_mem_limit (device, 64 << 20);
  persist_set_conf_tag (device, 77);
  device_destroy (device);
  adopt_and_check ();

  device = open_device ();
  check (device->size_bytes == 3 * SIZE_BYTES);
  check (device->budget.limit_bytes == 64 << 20);
  check (persist_conf_tag (device) == 77);
  check (live_get_codec (device, 0, &found));
  check (found.algorithm == algorithm ("lz4hc"));
  device_destroy (device);
  end_file ();
}

static void
backed_and_shared_blocks_are_found_again (void)
{
  begin_file ();
  device = open_device ();
  attach_file ();
  check (live_set_dedup (device, true) == 0);
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    write_version (block, 5 + block % 2 * 3);
  check (write_back (device) == 0);
  for (uint64_t block = 0; block < NR_BLOCKS / 2; block++)
    write_version (block, 7 + block % 3);
  check (device_stat (device, STAT_BACKED_BLOCKS) > 0);
  check (device_stat (device, STAT_SHARED_BLOCKS) > 0);
  check (recount_device (device));
  device_destroy (device);
  adopt_and_check ();
  adopt_and_check ();
  end_file ();
}

static uint64_t
write_noise_until_full (void)
{
  uint8_t data[BLOCK_BYTES];
  uint64_t block = 0;

  for (; block < NR_BLOCKS; block++) {
    make_content (data, block, 4);
    if (device_write (device, data, BLOCK_BYTES, block * BLOCK_BYTES) == -1)
      break;
    notes->wanted[block] = notes->done[block] = 4;
  }
  check (block < NR_BLOCKS && errno == ENOSPC);
  return block;
}

/* What it holds matters more than that there is no room for a reserve. */
static void
a_full_device_is_found_again_with_its_reserve (void)
{
  begin_file ();
  reserve_bytes = 1 << 20;
  device = open_device ();
  live_set_mem_limit (device, device->budget.used_bytes + (1 << 20));
  check (write_noise_until_full () > 256);
  check_reported ("at its memory limit");
  device_destroy (device);
  device = open_device ();
  check (device);
  check_reported ("a reserve of 1048576 bytes: the memory limit is too low");
  check (recount_device (device));
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    check_block (block);
  check (device_trim (device, SIZE_BYTES / 4, 0) == 0);
  device_destroy (device);
  reserve_bytes = 0;
  end_file ();
}

#define NR_KILLS 200

/* One file for all of them: what one server leaves the next one finds.  Each
 * has a reserve or none. */
static void
a_server_killed_at_any_instant_loses_nothing (void)
{
  struct random random = random_seeded (test_seed ());

  begin_file ();
  for (unsigned i = 0; i < NR_KILLS; i++) {
    reserve_bytes = random_below (&random, 2);
    kill_after_writes (start_server (random_next (&random), NULL, 0),
                       1 + random_below (&random, 1500));
    reserve_bytes = random_below (&random, 2);
    adopt_and_check ();
  }
  reserve_bytes = 0;
  printf ("%llu writes, %u kills\n", (unsigned long long) notes->nr_done,
          NR_KILLS);
  end_file ();
}

/* Places that only adoption comes by, or changes that do not happen here. */
static bool
is_elsewhere (const char *name)
{
  return strncmp (name, "adopt-", 6) == 0 || strcmp (name, "grown") == 0 ||
    strcmp (name, "dict") == 0;
}

/* With a reserve there are none. */
static bool
is_of_shares (const char *name)
{
  return strncmp (name, "share-", 6) == 0;
}

static void
a_server_killed_at_each_step_loses_nothing (void)
{
  struct random random = random_seeded (test_seed ());

  for (unsigned i = 0; crash_names[i]; i++)
    for (unsigned round = 0; round < 3 && !is_elsewhere (crash_names[i]);
         round++) {
      printf ("  %s\n", crash_names[i]);
      fflush (stdout);
      begin_file ();
      reserve_bytes = is_of_shares (crash_names[i]) ? 0 : round % 2;
      wait_for_death (start_server (random_next (&random), crash_names[i],
                                    1 + random_below (&random, 20)));
      adopt_and_check ();
      end_file ();
    }
  reserve_bytes = 0;
}

/* Files that are no store of ours, or not of this version. */

static void
check_refused (const char *why)
{
  struct stat before, after;

  check (fstat (store_fd, &before) == 0);
  check (!open_device ());
  check_reported (why);
  check (fstat (store_fd, &after) == 0);
  check (before.st_size == after.st_size &&
         before.st_blocks == after.st_blocks);
}

static void
what_somebody_else_wrote_is_left_alone (void)
{
  static const char letter[] = "Dear Sir or Madam";
  char found[sizeof letter];

  begin_file ();
  check (write (store_fd, letter, sizeof letter) == sizeof letter);
  check_refused ("content that is not a store's");
  check (pread (store_fd, found, sizeof found, 0) == sizeof found);
  check (memcmp (found, letter, sizeof found) == 0);
  end_file ();
}

static void
make_store (void)
{
  begin_file ();
  device = open_device ();
  check (device);
  for (uint64_t block = 0; block < NR_BLOCKS; block++)
    write_version (block, 8);
  device_destroy (device);
}

static void
set_version (uint32_t version)
{
  for (unsigned i = 0; i < SUPER_COPIES; i++)
    check (pwrite (store_fd, &version, sizeof version, i * SUPER_COPY_BYTES +
                   offsetof (struct super, version)) == sizeof version);
}

/* Its version alone says so: what its checksum is over nobody knows. */
static void
another_version_is_left_alone (void)
{
  make_store ();
  set_version (SUPER_VERSION + 1);
  check_refused ("another version");
  set_version (0);
  check_refused ("another version");
  set_version (SUPER_VERSION);
  adopt_and_check ();
  end_file ();
}

static void
what_was_cut_off_is_missed (void)
{
  struct stat st;

  make_store ();
  check (fstat (store_fd, &st) == 0);
  check (ftruncate (store_fd, st.st_size - 1) == 0);
  check_refused ("truncated");
  check (ftruncate (store_fd, st.st_size) == 0);
  adopt_and_check ();
  check (ftruncate (store_fd, 100) == 0);
  check_refused ("its superblock is damaged");
  end_file ();
}

static void
other_blocks_than_configured_are_refused (void)
{
  struct device_params params = {
    .name = "disk", .size_bytes = SIZE_BYTES, .block_bytes = 2 * BLOCK_BYTES,
    .algorithm = algorithm ("lz4"),
  };

  make_store ();
  params.memory.is_open = true;
  params.memory.fd = dup (store_fd);
  check (!device_create (&params));
  check_reported ("blocks of 4096 bytes, the configuration says 8192");
  adopt_and_check ();
  end_file ();
}

static void
two_servers_do_not_share_a_store (void)
{
  const struct device_params params = {
    .name = "disk", .size_bytes = SIZE_BYTES, .block_bytes = BLOCK_BYTES,
    .algorithm = algorithm ("lz4"), .memory = { .path = "test-adopt.store" },
  };
  struct device *first = device_create (&params);

  check (first && !device_create (&params));
  check_reported ("another server uses this store");
  device_destroy (first);
  first = device_create (&params);
  check (first && first->was_adopted);
  device_destroy (first);
  check (unlink (params.memory.path) == 0);
}

int
main (void)
{
#ifndef HAVE_XXHASH
  skip_test ("there are no store files without xxhash");
#endif
  capture_reports ();
  snprintf (file_path, sizeof file_path, "test-adopt-%d.back",
            (int) getpid ());
  notes = mmap (NULL, sizeof *notes, PROT_READ|PROT_WRITE,
                MAP_SHARED|MAP_ANONYMOUS, -1, 0);
  check (notes != MAP_FAILED);
  test (what_somebody_else_wrote_is_left_alone);
  test (another_version_is_left_alone);
  test (what_was_cut_off_is_missed);
  test (other_blocks_than_configured_are_refused);
  test (two_servers_do_not_share_a_store);
  test (nothing_is_found_in_a_new_file);
  test (what_was_written_is_found_again);
  test (what_was_changed_at_run_time_is_found_again);
  test (backed_and_shared_blocks_are_found_again);
  test (a_full_device_is_found_again_with_its_reserve);
  test (a_server_killed_at_each_step_loses_nothing);
  test (a_server_killed_at_any_instant_loses_nothing);
  return 0;
}

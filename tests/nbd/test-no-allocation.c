/* SPDX-License-Identifier: BSD-3-Clause */
/* With lock_memory=on no request allocates memory, and none waits for a page:
 * reads, writes, trims, zeroes and caches, whatever the disk does with them.
 *
 * allocations.c counts in the server.  In the plugin nothing is allocated from
 * the first request on; once each thread has served a request of the longest
 * kind, nbdkit allocates nothing for it either.  Then the threads' fault
 * counters stand still, but for what the arena commits.
 */
#include <config.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "allocations.h"
#include "control.h"
#include "pattern.h"
#include "server.h"
#include "tasks.h"

#define NR_THREADS 4u
#define NR_THREADS_TEXT "4"
#define DEPTH 16u
#define DISK_BYTES (16 * MiB)
#define DISK_BYTES_TEXT "16M"
#define REQUEST_BYTES (128 * KiB)
#define NR_REQUESTS 1000u

/* Each round of requests this long warms some threads, and soon all. */
#define WARM_ROUNDS_MAX 500u

/* A sanitizer allocates for itself: then nothing is counted, and it looks at
 * the requests. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define IS_COUNTED 0
#else
#define IS_COUNTED 1
#endif

static struct allocations *allocations;
static struct server *server;
static struct nbd_handle *nbd;
static char control_path[64], backing_path[64], key_path[64], store_path[64];

/* Requests, up to DEPTH of them in flight. */

static struct request {
  bool is_used;
  uint8_t data[REQUEST_BYTES];
} requests[DEPTH];

static int
request_is_done (void *opaque, int *error)
{
  struct request *request = opaque;

  require (*error == 0);
  request->is_used = false;
  return 1;
}

static struct request *
free_request (void)
{
  for (;;) {
    for (unsigned i = 0; i < DEPTH; i++)
      if (!requests[i].is_used)
        return &requests[i];
    require (nbd_poll (nbd, -1) == 1);
  }
}

static void
wait_for_all (void)
{
  while (nbd_aio_in_flight (nbd) > 0)
    require (nbd_poll (nbd, -1) == 1);
}

enum what { READ, WRITE, TRIM, ZERO, CACHE, NR_WHATS };

static int64_t
start (enum what what, struct request *request, uint64_t bytes,
       uint64_t offset)
{
  const nbd_completion_callback done = {
    .callback = request_is_done, .user_data = request,
  };

  request->is_used = true;
  switch (what) {
  case READ:
    return nbd_aio_pread (nbd, request->data, bytes, offset, done, 0);
  case WRITE:
    return nbd_aio_pwrite (nbd, request->data, bytes, offset, done, 0);
  case TRIM:
    return nbd_aio_trim (nbd, bytes, offset, done, 0);
  case ZERO:
    return nbd_aio_zero (nbd, bytes, offset, done,
                         bytes % 2 ? LIBNBD_CMD_FLAG_NO_HOLE : 0);
  default:
    return nbd_aio_cache (nbd, bytes, offset, done, 0);
  }
}

/* Half of the requests are whole blocks, all are anywhere on the disk. */
static void
make_random_request (uint64_t *state, unsigned nr_whats)
{
  const enum what what = pattern_below (state, nr_whats);
  struct request *request = free_request ();
  uint64_t bytes = 1 + pattern_below (state, REQUEST_BYTES);
  uint64_t offset = pattern_below (state, DISK_BYTES - bytes);

  if (pattern_below (state, 2)) {
    bytes = (bytes + 4095) / 4096 * 4096;
    offset = offset / 4096 * 4096;
  }
  if (what == WRITE)
    pattern_mixed (request->data, bytes, state);
  require (start (what, request, bytes, offset) >= 0);
}

/* The same requests each time. */
static void
make_round (unsigned nr_whats)
{
  uint64_t state = 1;

  for (unsigned i = 0; i < NR_REQUESTS; i++)
    make_random_request (&state, nr_whats);
  wait_for_all ();
}

static void
fill_disk (void)
{
  uint64_t state = 2;

  for (uint64_t offset = 0; offset < DISK_BYTES; offset += REQUEST_BYTES) {
    struct request *request = free_request ();

    pattern_mixed (request->data, REQUEST_BYTES, &state);
    require (start (WRITE, request, REQUEST_BYTES, offset) >= 0);
  }
  wait_for_all ();
}

static void
warm_up (void)
{
  unsigned rounds = 0;

  while (IS_COUNTED && allocations->nr_warm_threads < NR_THREADS) {
    require (rounds++ < WARM_ROUNDS_MAX);
    for (unsigned i = 0; i < 4 * DEPTH; i++)
      require (start (READ, free_request (), REQUEST_BYTES, 0) >= 0);
    wait_for_all ();
  }
}

/* Servers. */

static struct tasks others;
static bool memory_is_locked;

static void
look_at_safeguards (int control)
{
  const char *answer = control_ok (control, "show zram safeguards");

  memory_is_locked = strstr (answer, "locked_memory yes") != NULL;
  if (!memory_is_locked)
    CHECK ("  no memory can be locked here: faults are not looked at\n%s",
           answer);
}

/* The caller closes the control socket. */
static int
start_server (const char *const args[])
{
  static const char *const options[] = { "-t", NR_THREADS_TEXT, NULL };
  int control;

  memset (allocations, 0, sizeof *allocations);
  allocations->warm_bytes = REQUEST_BYTES;
  server = server_start_with (options, args);
  control = control_connect (control_path);
  look_at_safeguards (control);
  tasks_look (&others, server->pid, NULL);
  nbd = server_connect (server, "");
  return control;
}

static void
stop_server (int control)
{
  allocations->forbidden = false;
  CHECK ("  %" PRIu64 " requests, %" PRIu64 " allocations in them, %" PRIu64
         " pages committed", allocations->nr_requests,
         allocations->nr_in_requests, allocations->nr_committed_pages);
  require (!IS_COUNTED || allocations->nr_requests > NR_REQUESTS);
  require (allocations->nr_in_requests == 0);
  require (nbd_shutdown (nbd, 0) == 0);
  nbd_close (nbd);
  close (control);
  server_stop (server);
}

/* Of the threads that serve the connection: those that were not there before
 * it.  The last of them may still be on its way. */
static uint64_t
faults (void)
{
  struct tasks serving;

  do
    tasks_look (&serving, server->pid, &others);
  while (serving.nr < NR_THREADS);
  return tasks_faults (&serving);
}

/* What each page that is committed costs is one fault. */
static void
require_no_faults (unsigned nr_whats)
{
  const uint64_t faults_before = faults ();
  const uint64_t committed_before = allocations->nr_committed_pages;
  uint64_t nr_faults, nr_committed;

  make_round (nr_whats);
  nr_faults = faults () - faults_before;
  nr_committed = allocations->nr_committed_pages - committed_before;
  CHECK ("  %" PRIu64 " faults, %" PRIu64 " pages committed", nr_faults,
         nr_committed);
  require (!memory_is_locked || !IS_COUNTED || nr_faults <= nr_committed);
}

/* Tests. */

static void
require_all_quiet (const char *const args[])
{
  const int control = start_server (args);

  fill_disk ();
  warm_up ();
  allocations->forbidden = true;
  make_round (NR_WHATS);
  require_no_faults (NR_WHATS);
  require_no_faults (WRITE + 1);
  stop_server (control);
}

/* The arguments that all have. */
#define ARGS(...)                                                             \
  SERVER_ARGS (DISK_BYTES_TEXT, "lock_memory=on", control_argument,           \
               __VA_ARGS__)

static char control_argument[80], backing_argument[80], key_argument[80];
static char store_argument[80];

static void
requests_allocate_nothing_whatever_the_algorithm (void)
{
  static const char *const algorithms[] = {
    "comp_algorithm=zstd", "comp_algorithm=lz4", "comp_algorithm=lz4hc",
  };

  for (unsigned i = 0; i < 3; i++) {
    CHECK ("%s", algorithms[i]);
    require_all_quiet (ARGS (algorithms[i]));
  }
}

static void
requests_allocate_nothing_with_large_blocks (void)
{
  CHECK ("block_size=64K");
  require_all_quiet (ARGS ("block_size=64K"));
}

static void
read_disk (void)
{
  for (uint64_t offset = 0; offset < DISK_BYTES; offset += REQUEST_BYTES)
    require (start (READ, free_request (), REQUEST_BYTES, offset) >= 0);
  wait_for_all ();
}

/* No request was made yet but those that warm threads up, and nothing is
 * committed or faulted in for what is read and written now, nor given back for
 * what is trimmed. */
static void
require_nothing_from_the_first_request_on (const char *const args[])
{
  const int control = start_server (args);
  uint64_t faults_before;

  warm_up ();
  faults_before = faults ();
  allocations->forbidden = true;
  read_disk ();
  fill_disk ();
  make_round (NR_WHATS);
  CHECK ("  %" PRIu64 " faults", faults () - faults_before);
  require (allocations->nr_committed_pages == 0);
  require (!memory_is_locked || !IS_COUNTED || faults () == faults_before);
  stop_server (control);
}

static void
a_reserve_is_there_from_the_first_request_on (void)
{
  CHECK ("reserve=8M");
  require_nothing_from_the_first_request_on (ARGS ("reserve=8M"));
  CHECK ("reserve=8M block_size=64K comp_algorithm=lz4");
  require_nothing_from_the_first_request_on (
    ARGS ("reserve=8M", "block_size=64K", "comp_algorithm=lz4"));
#ifdef HAVE_XXHASH
  CHECK ("reserve=8M and a store");
  require_nothing_from_the_first_request_on (
    ARGS ("reserve=8M", store_argument));
  CHECK ("reserve=8M and what a server left in the store");
  require_nothing_from_the_first_request_on (
    ARGS ("reserve=8M", store_argument));
#endif
}

#ifdef HAVE_XXHASH

static void
requests_allocate_nothing_when_blocks_are_shared (void)
{
  CHECK ("use_dedup=1");
  require_all_quiet (ARGS ("use_dedup=1"));
}

/* Reads of blocks that are in the file, writes of parts of them, and what
 * brings them back. */
static void
requests_allocate_nothing_for_backed_blocks (const char *key)
{
  const int control =
    start_server (ARGS (backing_argument, "backing_size=32M", key));

  CHECK ("a backing file, %s", key);
  fill_disk ();
  warm_up ();
  make_round (NR_WHATS);
  for (unsigned i = 0; i < 2; i++) {
    allocations->forbidden = false;
    control_ok (control, "store zram idle all");
    control_ok (control, "store zram writeback type=idle");
    allocations->forbidden = true;
    require_no_faults (NR_WHATS);
  }
  stop_server (control);
}

/* The disk has more than fits, so writes wait until others are written back.
 * Who does that allocates, but no request. */
static void
requests_allocate_nothing_when_the_device_is_full (void)
{
  const int control =
    start_server (ARGS (backing_argument, "backing_size=32M", "mem_limit=3M"));

  CHECK ("a full device");
  fill_disk ();
  warm_up ();
  allocations->forbidden = true;
  make_round (NR_WHATS);
  require_no_faults (WRITE + 1);
  require (strtoull (control_ok (control, "show zram bd_stat"), NULL, 10) > 0);
  stop_server (control);
}

#endif

/* Files. */

static char directory[] = "/tmp/zram-test-allocations-XXXXXX";
static char counts_path[64];

static void
remove_files (void)
{
  unlink (counts_path);
  unlink (backing_path);
  unlink (key_path);
  unlink (store_path);
  unlink (control_path);
  rmdir (directory);
}

static void
make_files (void)
{
  uint64_t state = 3;
  uint8_t key[64];
  FILE *file;

  require (mkdtemp (directory));
  require (atexit (remove_files) == 0);
  sprintf (counts_path, "%s/counts", directory);
  sprintf (control_path, "%s/control", directory);
  sprintf (backing_path, "%s/backing", directory);
  sprintf (key_path, "%s/key", directory);
  sprintf (store_path, "/dev/shm/%s-store", strrchr (directory, '/') + 1);
  sprintf (control_argument, "control=%s", control_path);
  sprintf (backing_argument, "backing_dev=%s", backing_path);
  sprintf (key_argument, "backing_key=%s", key_path);
  sprintf (store_argument, "store=%s", store_path);
  pattern_noise (key, sizeof key, &state);
  file = fopen (key_path, "we");
  require (file && fwrite (key, sizeof key, 1, file) == 1);
  require (fclose (file) == 0);
}

/* It is found beside this program. */
static void
preload (void)
{
  char *library = realpath (".libs/allocations.so", NULL);

  require (library);
  require (!IS_COUNTED || setenv ("LD_PRELOAD", library, 1) == 0);
  free (library);
}

static void
share_counts (void)
{
  const int fd = open (counts_path, O_RDWR|O_CREAT|O_CLOEXEC, 0600);

  require (fd != -1 && ftruncate (fd, sizeof *allocations) == 0);
  allocations = mmap (NULL, sizeof *allocations, PROT_READ|PROT_WRITE,
                      MAP_SHARED, fd, 0);
  require (allocations != MAP_FAILED);
  close (fd);
  require (setenv (ALLOCATIONS_FILE, counts_path, 1) == 0);
}

int
main (void)
{
  make_files ();
  share_counts ();
  preload ();
  requests_allocate_nothing_whatever_the_algorithm ();
  requests_allocate_nothing_with_large_blocks ();
  a_reserve_is_there_from_the_first_request_on ();
#ifdef HAVE_XXHASH
  requests_allocate_nothing_when_blocks_are_shared ();
  requests_allocate_nothing_for_backed_blocks ("writeback_age=off");
#ifdef HAVE_LIBCRYPTO
  requests_allocate_nothing_for_backed_blocks (key_argument);
#endif
  requests_allocate_nothing_when_the_device_is_full ();
#endif
  return 0;
}

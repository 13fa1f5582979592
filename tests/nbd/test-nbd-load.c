/* SPDX-License-Identifier: BSD-3-Clause */
/* A day's load in LOAD_SECONDS (make soak; a few of them otherwise), and flat
 * memory at the end.
 *
 * Two connections to each of two disks do whatever clients do, at random, and
 * compare all that they read with what they wrote; they go and come again.
 * Meanwhile the control socket has blocks written back, recompressed, moved and
 * shared, and changes algorithms.  Everything has a seed, TEST_SEED.
 *
 * The load has rounds.  After each all is read once more, the disks are
 * emptied, everybody goes, and what the server holds is looked at:
 *
 *   mem_used_total   of each disk, to the byte, what it was after the
 *                    second round
 *   VmRSS            no more than it was after the second round, and
 *                    RSS_SLACK_KIB for free memory between what is in use on
 *                    the heap (codecs and tens of threads come and go, in
 *                    another order each time), of which there is more for some
 *                    minutes: in ten of them 2 MiB
 *
 * A soak has a million requests and ten thousand connections and more, so four
 * bytes lost in each of the ones or a page in each of the others show.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "map.h"
#include "pattern.h"
#include "server.h"

#define LOAD_SECONDS_DEFAULT 4
#define NR_ROUNDS 6u

/* The rounds that warm up, for each figure. */
#define NR_WARM_UP 2u

#define NR_DISKS 2u
#define NR_CLIENTS (2 * NR_DISKS)

/* Of a client, which shares a disk with another one. */
#define REGION_BYTES (8 * MiB)
#define DISK_BYTES (2 * REGION_BYTES)

#define REQUEST_MAX (MiB)
#define BLOCK_BYTES_MAX (64 * KiB)

#define RSS_SLACK_KIB 4096

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define HAS_SANITIZER 1         /* it keeps what is freed */
#elif defined __has_feature
#if __has_feature (address_sanitizer) || __has_feature (thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif

static const char *const names[NR_DISKS] = { "small", "large" };
static const uint64_t block_bytes[NR_DISKS] = { 4096, BLOCK_BYTES_MAX };

static char directory[] = "/tmp/zram-test-load-XXXXXX";
static char conf[64], control[64], backing[64];

static struct server *server;
static atomic_bool stopping;

static void
remove_files (void)
{
  unlink (conf);
  unlink (control);
  unlink (backing);
  rmdir (directory);
}

static void
write_conf (void)
{
  FILE *file = fopen (conf, "w");

  require (file);
  fprintf (file, "[server]\ncontrol = %s\n", control);
  for (unsigned i = 0; i < NR_DISKS; i++)
    fprintf (file, "[%s]\ndisksize = %" PRIu64 "\nblock_size = %" PRIu64 "\n",
             names[i], (uint64_t) DISK_BYTES, block_bytes[i]);
  require (fclose (file) == 0);
}

/* Clients. */

struct client {
  struct nbd_handle *nbd;
  unsigned disk;
  uint64_t start;               /* of the region */
  uint64_t state;
  uint64_t nr_requests, nr_bytes;
  uint8_t data[REQUEST_MAX];
  uint8_t expected[REGION_BYTES];
};

static struct client clients[NR_CLIENTS];

/* A range in the region. */
struct range {
  uint64_t offset;
  uint64_t bytes;
};

/* Most are short, and half of them whole blocks. */
static struct range
random_range (struct client *client, uint64_t most)
{
  uint64_t *state = &client->state;
  const uint64_t max = pattern_below (state, 8) ? 32 * KiB : most;
  struct range range = {
    .offset = pattern_below (state, REGION_BYTES),
    .bytes = 1 + pattern_below (state, max),
  };

  if (pattern_below (state, 2)) {
    range.offset &= ~UINT64_C (4095);
    range.bytes = (range.bytes + 4095) & ~UINT64_C (4095);
  }
  if (range.bytes > REGION_BYTES - range.offset)
    range.bytes = REGION_BYTES - range.offset;
  return range;
}

static void
do_read (struct client *client)
{
  const struct range range = random_range (client, REQUEST_MAX);

  require (nbd_pread (client->nbd, client->data, range.bytes,
                      client->start + range.offset, 0) == 0);
  require (memcmp (client->data, client->expected + range.offset,
                   range.bytes) == 0);
  client->nr_bytes += range.bytes;
}

static void
do_write (struct client *client)
{
  const struct range range = random_range (client, REQUEST_MAX);
  uint8_t *data = client->expected + range.offset;
  const uint64_t from = pattern_below (&client->state, REGION_BYTES);

  if (from + range.bytes <= REGION_BYTES && pattern_below (&client->state, 2))
    memmove (data, client->expected + from, range.bytes);
  else
    pattern_mixed (data, range.bytes, &client->state);
  require (nbd_pwrite (client->nbd, data, range.bytes,
                       client->start + range.offset,
                       pattern_below (&client->state, 8) ? 0 :
                       LIBNBD_CMD_FLAG_FUA) == 0);
  client->nr_bytes += range.bytes;
}

/* Whole blocks go, parts of them stay. */
static void
do_trim (struct client *client)
{
  const struct range range = random_range (client, REGION_BYTES / 2);
  const uint64_t block = block_bytes[client->disk];
  const uint64_t first = (range.offset + block - 1) / block * block;
  const uint64_t end = (range.offset + range.bytes) / block * block;

  require (nbd_trim (client->nbd, range.bytes, client->start + range.offset,
                     0) == 0);
  if (first < end)
    memset (client->expected + first, 0, end - first);
}

static void
do_zero (struct client *client)
{
  static const uint32_t flags[] = {
    0, LIBNBD_CMD_FLAG_NO_HOLE, LIBNBD_CMD_FLAG_FAST_ZERO,
  };
  const struct range range = random_range (client, REQUEST_MAX);

  require (nbd_zero (client->nbd, range.bytes, client->start + range.offset,
                     flags[pattern_below (&client->state, 3)]) == 0);
  memset (client->expected + range.offset, 0, range.bytes);
}

static void
do_flush (struct client *client)
{
  require (nbd_flush (client->nbd, 0) == 0);
}

static void
do_cache (struct client *client)
{
  const struct range range = random_range (client, REQUEST_MAX);

  require (nbd_cache (client->nbd, range.bytes, client->start + range.offset,
                      0) == 0);
}

/* What is said to be zero is. */
static void
do_map (struct client *client)
{
  const struct range range = random_range (client, REQUEST_MAX);
  uint64_t offset = range.offset;
  struct map map;

  map_get (client->nbd, range.bytes, client->start + range.offset, 0, &map);
  for (size_t i = 0; i < map.nr_runs; i++) {
    if (map.runs[i].type & LIBNBD_STATE_ZERO)
      require (pattern_is_zero (client->expected + offset,
                                map.runs[i].bytes));
    offset += map.runs[i].bytes;
  }
  free (map.runs);
}

static void
come (struct client *client)
{
  client->nbd = server_connect (server, names[client->disk]);
}

static void
go (struct client *client)
{
  require (nbd_shutdown (client->nbd, 0) == 0);
  nbd_close (client->nbd);
}

static void
do_reconnect (struct client *client)
{
  go (client);
  come (client);
}

/* Of 100. */
static const struct {
  void (*do_it) (struct client *client);
  unsigned weight;
} actions[] = {
  { do_read, 40 }, { do_write, 36 }, { do_trim, 4 }, { do_zero, 9 },
  { do_flush, 4 }, { do_cache, 3 }, { do_map, 3 }, { do_reconnect, 1 },
};

static void
do_something (struct client *client)
{
  unsigned left = pattern_below (&client->state, 100), i = 0;

  while (left >= actions[i].weight)
    left -= actions[i++].weight;
  actions[i].do_it (client);
  client->nr_requests++;
}

static void
all_is_there (struct client *client)
{
  for (uint64_t offset = 0; offset < REGION_BYTES; offset += REQUEST_MAX) {
    require (nbd_pread (client->nbd, client->data, REQUEST_MAX,
                        client->start + offset, 0) == 0);
    require (memcmp (client->data, client->expected + offset,
                     REQUEST_MAX) == 0);
  }
}

/* Each round begins with a full disk. */
static void
fill (struct client *client)
{
  for (uint64_t offset = 0; offset < REGION_BYTES; offset += REQUEST_MAX) {
    uint8_t *data = client->expected + offset;

    pattern_mixed (data, REQUEST_MAX, &client->state);
    require (nbd_pwrite (client->nbd, data, REQUEST_MAX,
                         client->start + offset, 0) == 0);
  }
}

static void *
be_a_client (void *opaque)
{
  struct client *client = opaque;

  come (client);
  fill (client);
  while (!atomic_load (&stopping))
    do_something (client);
  all_is_there (client);
  go (client);
  return NULL;
}

/* Control. */

/* There may be no file to write back to, or no room in it, or objects of so
 * many algorithms that there is no number for another one. */
static bool
is_accepted (const char *error)
{
  return strncmp (error, "ENODEV ", 7) == 0 ||
    strncmp (error, "ENOSPC ", 7) == 0 || strncmp (error, "EBUSY ", 6) == 0;
}

static void
steer (int fd, const char *line)
{
  const char *answer;
  int ok;

  control_send (fd, line, strlen (line));
  control_send (fd, "\n", 1);
  answer = control_answer (fd, &ok);
  require (answer);
  if (!ok && !is_accepted (answer)) {
    fprintf (stderr, "%s: %s\n", line, answer);
    require (!"it can be done");
  }
}

static const char *const values[] = {
  "compact 1", "compact 1", "recompress type=huge", "recompress type=idle",
  "recompress priority=1 threshold=3000", "idle all", "idle 1",
#ifdef HAVE_XXHASH
  "writeback idle", "writeback huge", "writeback huge_idle", "use_dedup 1",
  "use_dedup 0",
#endif
  "comp_algorithm lz4", "comp_algorithm zstd", "comp_algorithm lz4hc",
  "algorithm_params level=1", "mem_used_max 0",
};

static const char *const shown[] = {
  "mm_stat", "bd_stat", "io_stat", "block_state", "classes", "debug_stat",
};

static void
steer_somehow (int fd, const char *name, uint64_t *state)
{
  char line[100];

  snprintf (line, sizeof line, "store %s %s", name,
            values[pattern_below (state, sizeof values / sizeof *values)]);
  steer (fd, line);
  snprintf (line, sizeof line, "show %s %s", name,
            shown[pattern_below (state, sizeof shown / sizeof *shown)]);
  steer (fd, line);
}

/* Not all the time: a client that does nothing else would have it all. */
#define STEER_MS 30

static void *
steer_all_the_time (void *opaque)
{
  uint64_t *state = opaque;
  const int fd = control_connect (control);

  while (!atomic_load (&stopping)) {
    steer_somehow (fd, names[pattern_below (state, NR_DISKS)], state);
    poll (NULL, 0, STEER_MS);
  }
  close (fd);
  return NULL;
}

static void
set_up (void)
{
  const int fd = control_connect (control);
  char line[100];

  for (unsigned i = 0; i < NR_DISKS; i++) {
    snprintf (line, sizeof line,
              "store %s recomp_algorithm algo=zstd priority=1", names[i]);
    require (control_ok (fd, line));
  }
#ifdef HAVE_XXHASH
  require (control_ok (fd, "store small backing_size 32M"));
  snprintf (line, sizeof line, "store small backing_dev %s", backing);
  require (control_ok (fd, line));
#endif
  close (fd);
}

/* As it was in the beginning. */
static void
empty (void)
{
  static const char *const lines[] = {
    "use_dedup 0", "comp_algorithm zstd", "algorithm_params level=-1",
    "compact 1",
  };
  const int fd = control_connect (control);
  char line[100];

  for (unsigned disk = 0; disk < NR_DISKS; disk++) {
    struct nbd_handle *nbd = server_connect (server, names[disk]);

    require (nbd_trim (nbd, DISK_BYTES, 0, 0) == 0);
    nbd_close (nbd);
    for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++) {
      snprintf (line, sizeof line, "store %s %s", names[disk], lines[i]);
      require (control_ok (fd, line));
    }
  }
  close (fd);
}

/* Figures. */

struct figures {
  uint64_t used_bytes[NR_DISKS];
  unsigned long rss_kib;
};

static unsigned long
rss_kib (void)
{
  char path[40], line[200];
  unsigned long kib = 0;
  FILE *file;

  snprintf (path, sizeof path, "/proc/%ld/status", (long) server->pid);
  file = fopen (path, "r");
  require (file);
  while (fgets (line, sizeof line, file))
    if (strncmp (line, "VmRSS:", 6) == 0)
      kib = strtoul (line + 6, NULL, 10);
  fclose (file);
  require (kib > 0);
  return kib;
}

static void
look (struct figures *figures, unsigned nr_threads)
{
  const int fd = control_connect (control);
  char line[100];

  server_await_threads (server, nr_threads);
  for (unsigned i = 0; i < NR_DISKS; i++) {
    snprintf (line, sizeof line, "show %s mem_used_total", names[i]);
    figures->used_bytes[i] = strtoull (control_ok (fd, line), NULL, 10);
  }
  close (fd);
  figures->rss_kib = rss_kib ();
}

/* The load. */

static void
sleep_for (double seconds)
{
  const struct timespec time = {
    .tv_sec = seconds, .tv_nsec = (seconds - (long) seconds) * 1e9,
  };

  nanosleep (&time, NULL);
}

static void
a_round (double seconds, uint64_t *state)
{
  pthread_t threads[NR_CLIENTS], steering;

  atomic_store (&stopping, false);
  for (unsigned i = 0; i < NR_CLIENTS; i++)
    require (pthread_create (&threads[i], NULL, be_a_client,
                             &clients[i]) == 0);
  require (pthread_create (&steering, NULL, steer_all_the_time, state) == 0);
  sleep_for (seconds);
  atomic_store (&stopping, true);
  for (unsigned i = 0; i < NR_CLIENTS; i++)
    require (pthread_join (threads[i], NULL) == 0);
  require (pthread_join (steering, NULL) == 0);
  empty ();
}

static void
print (unsigned round, const struct figures *figures)
{
  uint64_t nr_requests = 0, nr_bytes = 0;

  for (unsigned i = 0; i < NR_CLIENTS; i++) {
    nr_requests += clients[i].nr_requests;
    nr_bytes += clients[i].nr_bytes;
  }
  CHECK ("round %u: %" PRIu64 " requests, %" PRIu64 " MiB; empty again: VmRSS "
         "%lu KiB, mem_used_total %" PRIu64 " and %" PRIu64, round,
         nr_requests, nr_bytes / MiB, figures->rss_kib,
         figures->used_bytes[0], figures->used_bytes[1]);
}

static void
memory_is_flat (const struct figures *figures, const struct figures *before)
{
  for (unsigned i = 0; i < NR_DISKS; i++)
    require (figures->used_bytes[i] == before->used_bytes[i]);
  if (!HAS_SANITIZER)
    require (figures->rss_kib <= before->rss_kib + RSS_SLACK_KIB);
}

static void
start (uint64_t seed)
{
  char key[80];

  require (mkdtemp (directory));
  snprintf (conf, sizeof conf, "%s/conf", directory);
  snprintf (control, sizeof control, "%s/control", directory);
  snprintf (backing, sizeof backing, "%s/backing", directory);
  require (atexit (remove_files) == 0);
  write_conf ();
  snprintf (key, sizeof key, "config=%s", conf);
  server = server_start (SERVER_ARGS (key));
  set_up ();
  server_require_alive (server);
  for (unsigned i = 0; i < NR_CLIENTS; i++) {
    clients[i].disk = i % NR_DISKS;
    clients[i].start = i / NR_DISKS * REGION_BYTES;
    clients[i].state = seed + i + 1;
  }
}

int
main (void)
{
  const char *text = getenv ("LOAD_SECONDS");
  const double seconds = text ? strtod (text, NULL) : LOAD_SECONDS_DEFAULT;
  uint64_t state = pattern_seed ();
  struct figures figures[NR_ROUNDS];
  unsigned nr_threads;

  start (state);
  nr_threads = server_nr_threads (server);
  for (unsigned round = 0; round < NR_ROUNDS; round++) {
    a_round (seconds / NR_ROUNDS, &state);
    look (&figures[round], nr_threads);
    print (round + 1, &figures[round]);
  }
  for (unsigned round = NR_WARM_UP; round < NR_ROUNDS; round++)
    memory_is_flat (&figures[round], &figures[NR_WARM_UP - 1]);
  server_stop (server);
  return 0;
}

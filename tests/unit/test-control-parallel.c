/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients of the control socket that show and store everything at once, while
 * others write to the disk.  Under the thread sanitizer this is the test of
 * what an attribute looks at without a lock.
 */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "attributes.h"
#include "check.h"
#include "device.h"
#include "socket.h"

#define BLOCK_BYTES 4096u
#define NR_BLOCKS 2048u         /* that are written, of 4096 */
#define NR_CLIENTS 5u
#define NR_WRITERS 2u
#define NR_QUESTIONS 300u       /* of each client in a round */

static struct export export = { .name = (char *) "disk" };
static struct exports exports = { .exports = &export, .nr_exports = 1 };
static char directory[] = "/tmp/zram-test-control-XXXXXX";
static char socket_path[64], backing_file[64];
static _Atomic bool over;

static void
remove_files (void)
{
  unlink (socket_path);
  unlink (backing_file);
  rmdir (directory);
}

/* What is written: an attribute and a value. */
static const char *const stores[] = {
  "comp_algorithm lz4", "comp_algorithm zstd", "comp_algorithm lz4hc",
  "recomp_algorithm algo=zstd priority=1",
  "recomp_algorithm algo=lz4hc priority=2",
  "algorithm_params level=2", "algorithm_params priority=1 level=5",
  "idle all", "idle 3600", "compact 1", "recompress type=idle",
  "recompress priority=0", "recompress priority=1 max_pages=100",
  "recompress type=huge priority=2", "disksize 16M", "disksize 32M",
  "mem_limit 0", "mem_limit 1G", "mem_used_max 0", "writeback huge",
  "writeback page_indexes=10-90", "writeback_limit 100",
  "writeback_limit_enable 0", "writeback_batch_size 4", "backing_size 16M",
  "idle_age 2h", "writeback_rate 1G/1d", "on_incompressible store",
  "on_full error", "reset 1", "use_dedup 0",
  "use_dedup 1",
};

#define NR_STORE_LINES (sizeof stores / sizeof *stores)

static int
connect_client (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  const int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  strcpy (address.sun_path, socket_path);
  check (fd != -1);
  check (connect (fd, (struct sockaddr *) &address, sizeof address) == 0);
  return fd;
}

static void
read_line (int fd, char *line, size_t bytes)
{
  size_t chars = 0;

  while (recv (fd, &line[chars], 1, 0) == 1 && line[chars] != '\n')
    check (++chars < bytes);
  line[chars] = '\0';
}

/* An answer is what it says it is; an error is one that can be. */
static void
check_answer (int fd, const char *question)
{
  char line[2048], piece[4096];
  size_t left;

  read_line (fd, line, sizeof line);
  if (strncmp (line, "error ", 6) == 0) {
    if (!strstr ("EBUSY EAGAIN EINVAL EACCES ENOSPC EIO ENODEV ENOTSUP",
                 strtok (line + 6, " ")))
      check_str_equal (question, line);
    return;
  }
  check (strncmp (line, "ok ", 3) == 0);
  for (left = strtoul (line + 3, NULL, 10); left > 0; ) {
    const ssize_t bytes =
      recv (fd, piece, left < sizeof piece ? left : sizeof piece, 0);

    check (bytes > 0);
    left -= bytes;
  }
}

static void
ask (int fd, struct random *random)
{
  char question[200];

  if (random_below (random, 3) == 0)
    snprintf (question, sizeof question, "store disk %s\n",
              stores[random_below (random, NR_STORE_LINES)]);
  else
    snprintf (question, sizeof question, "show disk %s\n",
              attributes[random_below (random, nr_attributes)].name);
  check (send (fd, question, strlen (question), MSG_NOSIGNAL) ==
         (ssize_t) strlen (question));
  check_answer (fd, question);
}

static void *
client (void *opaque)
{
  struct random random = random_seeded (test_seed () + (uintptr_t) opaque);
  const int fd = connect_client ();

  for (unsigned i = 0; i < NR_QUESTIONS; i++)
    ask (fd, &random);
  close (fd);
  return NULL;
}

/* A third of each: same-filled, text, random. */
static void
make_block (struct random *random, uint64_t *data)
{
  const uint64_t kind = random_below (random, 3);

  random_fill (random, data, BLOCK_BYTES);
  for (unsigned i = 0; i < BLOCK_BYTES / 8 && kind < 2; i++)
    data[i] = kind == 0 ? data[0] : data[i] & UINT64_C (0x0303030303030303);
}

/* A limit or a shrunk disk may refuse the write; what is read is whole. */
static void *
writer (void *opaque)
{
  struct random random = random_seeded (test_seed () * 7 +
                                        (uintptr_t) opaque);
  uint64_t data[BLOCK_BYTES / 8], again[BLOCK_BYTES / 8];

  while (!over) {
    const uint64_t offset = (random_below (&random, NR_BLOCKS / NR_WRITERS) *
                             NR_WRITERS + (uintptr_t) opaque) * BLOCK_BYTES;

    make_block (&random, data);
    if (device_write (export.device, data, BLOCK_BYTES, offset) == -1)
      continue;
    check (device_read (export.device, again, BLOCK_BYTES, offset) == 0);
    check (memcmp (data, again, BLOCK_BYTES) == 0);
  }
  return NULL;
}

static void
run_threads (void)
{
  pthread_t clients[NR_CLIENTS], writers[NR_WRITERS];

  over = false;
  for (uintptr_t i = 0; i < NR_WRITERS; i++)
    check (pthread_create (&writers[i], NULL, writer, (void *) i) == 0);
  for (uintptr_t i = 0; i < NR_CLIENTS; i++)
    check (pthread_create (&clients[i], NULL, client, (void *) i) == 0);
  for (unsigned i = 0; i < NR_CLIENTS; i++)
    check (pthread_join (clients[i], NULL) == 0);
  over = true;
  for (unsigned i = 0; i < NR_WRITERS; i++)
    check (pthread_join (writers[i], NULL) == 0);
}

/* Not compiled in everywhere. */
static void
attach_backing (void)
{
  check (attribute_store_backing_size (&export, "16M") == 0);
  if (attribute_store_backing_dev (&export, backing_file) == -1)
    check (errno == ENOTSUP);
}

static void
everything_at_once_leaves_the_disk_whole (void)
{
  struct control_socket *control;
  const char *why;

  export.device = device_create (&(struct device_params) {
      .name = "disk", .size_bytes = 16 << 20, .block_bytes = BLOCK_BYTES,
      .algorithm = codec_find ("lz4", &why) });
  check (export.device);
  check (device_open (export.device) == 0);     /* so it is never reset */
  attach_backing ();
  control = control_socket_open (socket_path, &exports);
  check (control && control_socket_start (control) == 0);
  do
    run_threads ();
  while (test_time_left ());
  control_socket_stop (control);
  control_socket_close (control);
  check (access (socket_path, F_OK) == -1);
  device_close (export.device);
  device_destroy (export.device);
}

int
main (void)
{
  check (mkdtemp (directory));
  snprintf (socket_path, sizeof socket_path, "%s/control", directory);
  snprintf (backing_file, sizeof backing_file, "%s/backing", directory);
  check (atexit (remove_files) == 0);
  check (pthread_mutex_init (&export.lock, NULL) == 0);
  ignore_reports ();
  test (everything_at_once_leaves_the_disk_whole);
  return 0;
}

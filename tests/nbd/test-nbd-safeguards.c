/* SPDX-License-Identifier: BSD-3-Clause */
/* With lock_memory=on the attribute safeguards says what the kernel says, the
 * threads that serve requests have what they need and no other thread has, and
 * all that is in memory for it costs less than 24 MiB.
 */
#include <config.h>

#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "pattern.h"
#include "server.h"
#include "tasks.h"

/* What PR_SET_IO_FLUSHER sets: PF_MEMALLOC_NOIO. */
#define IO_FLUSHER_FLAG 0x00080000u

/* A connection has so many, and one that waits for them. */
#define NR_THREADS 16u
#define POLLS_MAX 6000
#define POLL_MS 10

#define COST_BYTES_MAX (24 * MiB)
#define REQUEST_BYTES (256 * KiB)
#define DISK_BYTES (64 * MiB)

static char directory[] = "/tmp/zram-test-safeguards-XXXXXX";
static char control_path[64], control_argument[80];

static struct server *server;
static struct nbd_handle *nbd;
static int control;
static struct tasks others;     /* that serve no client */

static void
start_server (const char *lock_memory)
{
  server = server_start (SERVER_ARGS ("64M", control_argument, lock_memory));
  control = control_connect (control_path);
  control_ok (control, "show zram safeguards");
  tasks_look (&others, server->pid, NULL);
  nbd = server_connect (server, "");
}

static void
stop_server (void)
{
  require (nbd_shutdown (nbd, 0) == 0);
  nbd_close (nbd);
  close (control);
  server_stop (server);
}

/* "yes", "no" or "off"; valid until the next call. */
static const char *
state_of (const char *name)
{
  static char state[8];
  const char *line = control_ok (control, "show zram safeguards");
  const size_t chars = strlen (name);

  while (strncmp (line, name, chars) != 0 || line[chars] != ' ') {
    line = strchr (line, '\n');
    require (line && *++line);
  }
  require (sscanf (line + chars, " %7s", state) == 1);
  CHECK ("  %s %s", name, state);
  return state;
}

static bool
holds (const char *name)
{
  const char *state = state_of (name);

  require (strcmp (state, "yes") == 0 || strcmp (state, "no") == 0);
  return *state == 'y';
}

/* Requests, many at once, so that each thread has one. */

static uint8_t data[REQUEST_BYTES];

static void
write_disk (void)
{
  uint64_t state = 1;

  pattern_mixed (data, sizeof data, &state);
  for (uint64_t offset = 0; offset < DISK_BYTES; offset += REQUEST_BYTES)
    require (nbd_aio_pwrite (nbd, data, sizeof data, offset,
                             NBD_NULL_COMPLETION, 0) >= 0);
  while (nbd_aio_in_flight (nbd) > 0)
    require (nbd_poll (nbd, -1) == 1);
}

/* Tests. */

static void
nobody_who_did_not_ask_has_any (void)
{
  static const char *const names[] = {
    "locked_memory", "reserve", "store_locked", "io_flusher", "realtime",
    "oom_score_adj", "small_stacks", "next_server",
  };

  CHECK ("lock_memory=off");
  start_server ("lock_memory=off");
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    require (strcmp (state_of (names[i]), "off") == 0);
  require (tasks_status (server->pid, "VmLck") == 0);
  require (!server_log_has (server, "lock_memory"));
  stop_server ();
}

/* The client may be faster than the last thread begins. */
static void
wait_for_threads (struct tasks *serving)
{
  for (unsigned i = 0; i < POLLS_MAX; i++) {
    tasks_look (serving, server->pid, &others);
    if (serving->nr >= NR_THREADS)
      return;
    poll (NULL, 0, POLL_MS);
  }
  require (!"the connection has its threads after a minute");
}

/* What a thread can have that serves requests, and no other. */
static void
threads_that_serve_have_it (bool is_realtime, bool is_io_flusher)
{
  struct tasks serving;

  wait_for_threads (&serving);
  for (unsigned i = 0; i < serving.nr; i++) {
    require (serving.tasks[i].policy ==
             (unsigned) (is_realtime ? SCHED_FIFO : SCHED_OTHER));
    require (((serving.tasks[i].flags & IO_FLUSHER_FLAG) != 0) ==
             is_io_flusher);
  }
}

static void
other_threads_do_not (void)
{
  for (unsigned i = 0; i < others.nr; i++)
    if (others.tasks[i].id != (unsigned) server->pid) {
      require (others.tasks[i].policy == SCHED_OTHER);
      require (!(others.tasks[i].flags & IO_FLUSHER_FLAG));
    }
}

static bool
has_lowest_oom_score (void)
{
  char path[64];
  int score = 0;
  FILE *file;

  snprintf (path, sizeof path, "/proc/%d/oom_score_adj", server->pid);
  file = fopen (path, "re");
  require (file && fscanf (file, "%d", &score) == 1);
  fclose (file);
  return score == -1000;
}

static void
the_attribute_says_what_the_kernel_says (void)
{
  CHECK ("lock_memory=on");
  start_server ("lock_memory=on");
  other_threads_do_not ();
  threads_that_serve_have_it (holds ("realtime"), holds ("io_flusher"));
  require (holds ("oom_score_adj") == has_lowest_oom_score ());
  require (holds ("locked_memory") ==
           (tasks_status (server->pid, "VmLck") > 0));
  require (holds ("small_stacks"));
  require (strcmp (state_of ("next_server"), "off") == 0);
  stop_server ();
}

/* Beside what is stored. */
static void
it_costs_less_than_24_mib (void)
{
  uint64_t resident, used;

  CHECK ("16 threads with stacks and buffers");
  start_server ("lock_memory=on");
  write_disk ();
  resident = tasks_status (server->pid, "VmRSS") * KiB;
  used = strtoull (control_ok (control, "show zram mem_used_total"), NULL, 10);
  CHECK ("  %llu KiB are resident, %llu KiB are the disk's",
         (unsigned long long) (resident / KiB),
         (unsigned long long) (used / KiB));
  require (used > MiB && resident > used);
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
  require (resident - used < COST_BYTES_MAX);
#endif
  stop_server ();
}

static void
remove_files (void)
{
  unlink (control_path);
  rmdir (directory);
}

int
main (void)
{
  require (mkdtemp (directory));
  require (atexit (remove_files) == 0);
  sprintf (control_path, "%s/control", directory);
  sprintf (control_argument, "control=%s", control_path);
  nobody_who_did_not_ask_has_any ();
  the_attribute_says_what_the_kernel_says ();
  it_costs_less_than_24_mib ();
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Whatever is done to the control socket, it answers the next client, and the
 * disk goes on.
 */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control.h"
#include "server.h"

/* What the server serves at a time, and what it lets change at a time. */
#define NR_SERVED 8
#define NR_STORES 6

#define LINE_BYTES_MAX 4096
#define DISK_BYTES (32 * MiB)
#define NR_BLOCKS (DISK_BYTES / 4096)

static char directory[] = "/tmp/zram-test-control-XXXXXX";
static char path[64], key[80], fifo[64];

static void
remove_files (void)
{
  unlink (path);
  unlink (fifo);
  rmdir (directory);
}

static void
make_directory (void)
{
  require (mkdtemp (directory));
  snprintf (path, sizeof path, "%s/control", directory);
  snprintf (key, sizeof key, "control=%s", path);
  snprintf (fifo, sizeof fifo, "%s/fifo", directory);
  require (mkfifo (fifo, 0600) == 0);
  require (atexit (remove_files) == 0);
}

static void
somebody_else_is_answered (const struct server *server)
{
  const int fd = control_connect (path);

  require (strcmp (control_ok (fd, "list"), "zram\n") == 0);
  close (fd);
  server_require_alive (server);
}

static void
is_error_and_end (int fd, const char *name)
{
  int ok;
  const char *answer = control_answer (fd, &ok);

  require (answer && !ok);
  require (strncmp (answer, name, strlen (name)) == 0);
  control_require_closed (fd);
  close (fd);
}

/* Lines. */

static void
a_line_that_is_too_long_ends_the_connection (const struct server *server)
{
  char line[LINE_BYTES_MAX + 1];
  int fd = control_connect (path);

  CHECK ("a line of %u bytes", LINE_BYTES_MAX + 1);
  memset (line, 'x', sizeof line);
  control_send (fd, line, sizeof line);
  is_error_and_end (fd, "E2BIG ");
  somebody_else_is_answered (server);
}

static void
the_longest_line_is_read (void)
{
  char line[LINE_BYTES_MAX + 1] = "";
  const int fd = control_connect (path);

  CHECK ("a line of %u bytes", LINE_BYTES_MAX);
  memset (line, ' ', LINE_BYTES_MAX);
  memcpy (line + LINE_BYTES_MAX - 4, "list", 4);
  require (strcmp (control_ok (fd, line), "zram\n") == 0);
  memset (line, 'x', LINE_BYTES_MAX);
  require (strncmp (control_error (fd, line), "EINVAL ", 7) == 0);
  require (control_ok (fd, "list"));
  close (fd);
}

static void
an_endless_line_ends_the_connection (const struct server *server)
{
  static char line[1 << 20];
  int fd = control_connect (path);

  CHECK ("a megabyte without a newline");
  memset (line, 'x', sizeof line);
  /* The server may close it at any time. */
  for (unsigned i = 0; i < 16; i++)
    if (send (fd, line, sizeof line, MSG_NOSIGNAL) == -1)
      break;
  close (fd);
  somebody_else_is_answered (server);
}

static void
a_NUL_byte_ends_the_connection (const struct server *server)
{
  int fd = control_connect (path);

  CHECK ("a NUL byte in a line");
  control_send (fd, "list\0\n", 6);
  is_error_and_end (fd, "EINVAL ");
  fd = control_connect (path);
  control_send (fd, "\0list\n", 6);
  is_error_and_end (fd, "EINVAL ");
  somebody_else_is_answered (server);
}

/* No line of the answer has a control character in it, whatever is asked. */
static void
binary_rubbish_is_an_error (const struct server *server)
{
  char line[256];
  int fd = control_connect (path);

  CHECK ("all bytes but NUL and newline, in each part of a line");
  for (unsigned i = 0; i < 255; i++)
    line[i] = i + 1 == '\n' ? ' ' : i + 1;
  line[255] = '\0';
  for (const char *const *start = (const char *const[]) {
         "", "show ", "show zram ", "store zram mem_limit ",
         "store zram backing_dev /", "store zram algorithm_params dict=/",
         NULL }; *start; start++) {
    char asked[400];
    const char *answer;

    snprintf (asked, sizeof asked, "%s%s", *start, line);
    answer = control_error (fd, asked);
    for (; *answer; answer++)
      require ((unsigned char) *answer >= ' ' && *answer != 127);
  }
  require (control_ok (fd, "list"));
  close (fd);
  somebody_else_is_answered (server);
}

static void
format_directives_are_letters (const struct server *server)
{
  int fd = control_connect (path);

  CHECK ("%%s and %%n");
  require (strstr (control_error (fd, "show %s%n%s%n"), "%s%n%s%n"));
  require (strstr (control_error (fd, "store zram mem_limit %n"), "%n"));
  close (fd);
  somebody_else_is_answered (server);
}

/* What was cut off may have been the half that matters. */
static void
half_a_line_is_not_done (const struct server *server)
{
  int fd = control_connect (path);

  CHECK ("half a line, then the end");
  control_send (fd, "store zram mem_limit 1", 22);
  require (shutdown (fd, SHUT_WR) == 0);
  control_require_closed (fd);
  close (fd);
  fd = control_connect (path);
  require (strcmp (control_ok (fd, "show zram mem_limit"), "0\n") == 0);
  close (fd);
  somebody_else_is_answered (server);
}

static void
a_client_that_leaves_at_once_is_no_matter (const struct server *server)
{
  CHECK ("clients that leave before, in and after a question");
  for (unsigned i = 0; i < 50; i++) {
    int fd = control_connect (path);

    if (i % 3 > 0)
      control_send (fd, "show zram block_state\n", i % 3 == 1 ? 9 : 22);
    close (fd);
  }
  somebody_else_is_answered (server);
}

/* A pipe as a dictionary or a key would never end. */
static void
a_pipe_is_no_file (const struct server *server)
{
  char line[128];
  int fd = control_connect (path);

  CHECK ("a pipe as dictionary and as key");
  snprintf (line, sizeof line, "store zram algorithm_params dict=%s", fifo);
  require (strncmp (control_error (fd, line), "EINVAL ", 7) == 0);
  snprintf (line, sizeof line, "store zram backing_key %s", fifo);
  require (strncmp (control_error (fd, line), "EINVAL ", 7) == 0);
  close (fd);
  somebody_else_is_answered (server);
}

/* Clients that take a place. */

static void
silent_clients_make_room (const struct server *server, const char *half)
{
  int fds[NR_SERVED];

  CHECK ("%u clients that said '%s' and no more", NR_SERVED, half);
  for (unsigned i = 0; i < NR_SERVED; i++) {
    fds[i] = control_connect (path);
    control_send (fds[i], half, strlen (half));
  }
  somebody_else_is_answered (server);
  for (unsigned i = 0; i < NR_SERVED; i++)
    close (fds[i]);
}

/* So much that no socket's buffer holds its block_state, and what compresses
 * only with effort. */
static void
fill_disk (const struct server *server)
{
  struct nbd_handle *nbd = server_connect (server, "");
  static char data[MiB];
  uint32_t random = 1;

  for (uint64_t offset = 0; offset < DISK_BYTES; offset += sizeof data) {
    for (unsigned i = 0; i < sizeof data; i++)
      data[i] = (random = random * 1664525 + 1013904223) >> 28;
    require (nbd_pwrite (nbd, data, sizeof data, offset, 0) == 0);
  }
  nbd_close (nbd);
}

static void
a_long_table_comes_whole (void)
{
  const int fd = control_connect (path);

  CHECK ("block_state of %llu blocks", (unsigned long long) NR_BLOCKS);
  require (strlen (control_ok (fd, "show zram block_state")) ==
           NR_BLOCKS * 40);
  require (control_ok (fd, "list"));
  close (fd);
}

static void
clients_that_stop_reading_make_room (const struct server *server)
{
  int fds[NR_SERVED];

  CHECK ("%u clients that ask and do not read", NR_SERVED);
  for (unsigned i = 0; i < NR_SERVED; i++) {
    fds[i] = control_connect (path);
    control_send (fds[i], "show zram block_state\n", 22);
  }
  somebody_else_is_answered (server);
  for (unsigned i = 0; i < NR_SERVED; i++)
    close (fds[i]);
}

static void
a_hundred_clients_are_all_answered (const struct server *server)
{
  int fds[100], ok;

  CHECK ("100 clients at once");
  for (unsigned i = 0; i < 100; i++) {
    fds[i] = control_connect (path);
    control_send (fds[i], "list\n", 5);
  }
  for (unsigned i = 0; i < 100; i++) {
    const char *answer = control_answer (fds[i], &ok);

    require (answer && ok && strcmp (answer, "zram\n") == 0);
  }
  for (unsigned i = 0; i < 100; i++)
    close (fds[i]);
  somebody_else_is_answered (server);
}

/* A change that takes long. */

static bool
is_running (int fd)
{
  return strcmp (control_ok (fd, "show zram progress"), "0 0\n") != 0;
}

static void
start_long_store (int *fd)
{
  *fd = control_connect (path);
  control_send (*fd, "store zram recompress priority=1\n", 33);
}

/* Of one more than are let in, one is refused while the others wait, no matter
 * which.  Returns its index. */
static unsigned
one_is_refused (const int *fds, unsigned nr)
{
  struct pollfd polled[NR_SERVED];
  const char *answer;
  unsigned i;
  int ok;

  for (i = 0; i < nr; i++)
    polled[i] = (struct pollfd) { .fd = fds[i], .events = POLLIN };
  require (poll (polled, nr, -1) > 0);
  for (i = 0; !polled[i].revents; i++)
    ;
  answer = control_answer (fds[i], &ok);
  require (answer && !ok && strncmp (answer, "EAGAIN ", 7) == 0);
  return i;
}

static void
is_done (int fd)
{
  int ok;

  require (control_answer (fd, &ok) && ok);
}

/* All that is checked is checked while the first one runs. */
static void
what_takes_long_blocks_nobody (const struct server *server)
{
  const int fd = control_connect (path);
  int fds[NR_STORES + 1];
  unsigned refused;

  CHECK ("questions while %u changes are under way", NR_STORES);
  require (control_ok (fd, "store zram recomp_algorithm algo=zstd"));
  require (control_ok (fd, "store zram algorithm_params priority=1 level=19"));
  start_long_store (&fds[0]);
  while (!is_running (fd))
    ;
  for (unsigned i = 1; i < NR_STORES + 1; i++)
    start_long_store (&fds[i]);
  refused = one_is_refused (fds, NR_STORES + 1);
  close (fds[refused]);
  require (control_ok (fd, "show zram mm_stat"));
  require (control_ok (fd, "show zram recomp_algorithm"));
  somebody_else_is_answered (server);
  require (is_running (fd));
  close (fd);
  for (unsigned i = 0; i < NR_STORES + 1; i++)
    if (i != refused) {
      is_done (fds[i]);
      close (fds[i]);
    }
}

static void
a_server_with_clients_stops (struct server *server)
{
  int fds[NR_SERVED + 2];

  CHECK ("the server stops with clients connected");
  for (unsigned i = 0; i < NR_SERVED + 2; i++)
    fds[i] = control_connect (path);
  server_stop (server);
  for (unsigned i = 0; i < NR_SERVED + 2; i++)
    control_require_closed (fds[i]);
}

int
main (void)
{
  struct server *server;

  make_directory ();
  server = server_start (SERVER_ARGS ("32M", key, "comp_algorithm=lz4",
                                      "recompress_age=off"));
  a_line_that_is_too_long_ends_the_connection (server);
  the_longest_line_is_read ();
  an_endless_line_ends_the_connection (server);
  a_NUL_byte_ends_the_connection (server);
  binary_rubbish_is_an_error (server);
  format_directives_are_letters (server);
  half_a_line_is_not_done (server);
  a_client_that_leaves_at_once_is_no_matter (server);
  a_pipe_is_no_file (server);
  silent_clients_make_room (server, "");
  silent_clients_make_room (server, "show zram");
  silent_clients_make_room (server, "list\n");
  fill_disk (server);
  a_long_table_comes_whole ();
  clients_that_stop_reading_make_room (server);
  a_hundred_clients_are_all_answered (server);
  what_takes_long_blocks_nobody (server);
  a_server_with_clients_stops (server);
  return 0;
}

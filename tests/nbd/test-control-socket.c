/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket: who may ask, what is answered, and what becomes of the
 * file.  What the attributes do is tested in tests/unit.
 */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control.h"
#include "server.h"

#define NOBODY 65534
#define POLLS 6000
#define POLL_MS 10

static char directory[] = "/tmp/zram-test-control-XXXXXX";
static char path[64], key[80], config_path[64], config_key[80];

static void
remove_files (void)
{
  unlink (path);
  unlink (config_path);
  rmdir (directory);
}

static void
make_directory (void)
{
  require (mkdtemp (directory));
  snprintf (path, sizeof path, "%s/control", directory);
  snprintf (key, sizeof key, "control=%s", path);
  snprintf (config_path, sizeof config_path, "%s/conf", directory);
  snprintf (config_key, sizeof config_key, "config=%s", config_path);
  require (atexit (remove_files) == 0);
}

static void
write_config (const char *suffix, const char *sections)
{
  FILE *file = fopen (config_path, "w");

  require (file);
  fprintf (file, "[server]\ncontrol = %s%s\n%s", path, suffix, sections);
  require (fclose (file) == 0);
}

static bool
begins_with (const char *text, const char *start)
{
  if (strncmp (text, start, strlen (start)) == 0)
    return true;
  printf ("  got: %s\n", text);
  return false;
}

/* Run nbdkit until it ends by itself; the output is the caller's. */
static int
run_nbdkit (const char *arguments, char output[4096])
{
  char command[1024];
  const char *nbdkit = getenv ("NBDKIT");
  FILE *pipe;
  size_t bytes;

  snprintf (command, sizeof command, "'%s' %s 2>&1",
            nbdkit ? nbdkit : "../../nbdkit", arguments);
  pipe = popen (command, "r");
  require (pipe);
  bytes = fread (output, 1, 4095, pipe);
  output[bytes] = '\0';
  return pclose (pipe);
}

/* It does not start, and says why. */
static void
start_is_refused (const char *control, const char *why)
{
  char arguments[600], output[4096];

  CHECK ("refused: control=%.60s: %s", control, why);
  snprintf (arguments, sizeof arguments,
            "-U - zram 1M 'control=%s' --run true", control);
  require (run_nbdkit (arguments, output) != 0);
  if (!strstr (output, why))
    fputs (output, stderr);
  require (strstr (output, why));
}

/* What is asked. */

static void
list_names_the_devices (int fd)
{
  CHECK ("list");
  require (strcmp (control_ok (fd, "list"), "zram\n") == 0);
  require (strcmp (control_ok (fd, " list \r"), "zram\n") == 0);
}

static void
help_names_the_attributes (int fd)
{
  const char *text;

  CHECK ("help");
  text = control_ok (fd, "help");
  require (begins_with (text, "disksize               rw  "));
  require (strstr (text, "\nmm_stat                ro  orig_data_size "));
  require (strstr (text, "\nreset                  wo  "));
}

static void
attributes_are_shown_and_stored (int fd)
{
  CHECK ("show and store");
  require (strcmp (control_ok (fd, "show zram disksize"), "16777216\n") == 0);
  require (strcmp (control_ok (fd, "show  zram\tdisksize"),
                   "16777216\n") == 0);
  require (strcmp (control_ok (fd, "store zram mem_limit 64M"), "") == 0);
  require (strcmp (control_ok (fd, "show zram mem_limit"), "67108864\n") == 0);
  require (strcmp (control_ok (fd, "store zram compact"), "") == 0);
}

static void
errors_have_a_name_and_a_reason (int fd)
{
  CHECK ("errors");
  require (begins_with (control_error (fd, ""), "EINVAL not list, help,"));
  require (begins_with (control_error (fd, "delete zram"), "EINVAL "));
  require (begins_with (control_error (fd, "show"), "ENOENT "));
  require (begins_with (control_error (fd, "show zram"),
                        "ENOENT there is no such attribute: ''"));
  require (begins_with (control_error (fd, "show other disksize"),
                        "ENOENT there is no such device: 'other disksize'"));
  require (begins_with (control_error (fd, "show zramdisksize"), "ENOENT "));
  require (begins_with (control_error (fd, "show zram Disksize"), "ENOENT "));
  require (begins_with (control_error (fd, "show zram disksize 1"),
                        "EINVAL "));
  require (begins_with (control_error (fd, "show zram reset"), "EACCES "));
  require (begins_with (control_error (fd, "store zram mm_stat 1"),
                        "EACCES "));
  require (begins_with (control_error (fd, "store zram mem_limit x"),
                        "EINVAL not a size such as 4096, 256K or 2G: 'x'"));
  require (begins_with (control_error (fd, "store zram writeback huge"),
                        "ENODEV "));
  require (begins_with (control_error (fd, "store zram reset 65536"),
                        "ERANGE "));
}

/* A message of the store is the client's, not the log's. */
static void
reasons_come_from_the_store (const struct server *server, int fd)
{
  CHECK ("the store's own messages");
  require (begins_with (control_error (fd, "store zram disksize 1E"),
                        "EFBIG zram: a disk of "));
  require (!server_log_has (server, "a disk of "));
}

static void
a_connected_device_is_not_reset (const struct server *server, int fd)
{
  struct nbd_handle *nbd = server_connect (server, "");

  CHECK ("reset with a client connected");
  require (begins_with (control_error (fd, "store zram reset 1"),
                        "EBUSY zram: 1 clients are connected"));
  require (nbd_shutdown (nbd, 0) == 0);
  nbd_close (nbd);
}

static void
lines_can_come_together_or_in_bytes (int fd)
{
  static const char lines[] = "list\nshow zram initstate\nlist\n";
  int ok;

  CHECK ("three lines at once, and one byte by byte");
  control_send (fd, lines, sizeof lines - 1);
  require (strcmp (control_answer (fd, &ok), "zram\n") == 0);
  require (strcmp (control_answer (fd, &ok), "1\n") == 0);
  require (strcmp (control_answer (fd, &ok), "zram\n") == 0);
  for (unsigned i = 0; i < 5; i++)
    control_send (fd, &lines[i], 1);
  require (strcmp (control_answer (fd, &ok), "zram\n") == 0);
}

static void
a_disk_grows_for_the_next_connection (const struct server *server, int fd)
{
  struct nbd_handle *nbd;

  CHECK ("disksize");
  require (control_ok (fd, "store zram disksize 32M"));
  nbd = server_connect (server, "");
  require (nbd_get_size (nbd) == 32 * (int64_t) MiB);
  nbd_close (nbd);
}

static void
a_reset_disk_cannot_be_opened (const struct server *server, int fd)
{
  struct nbd_handle *nbd = server_handle ("");

  CHECK ("after a reset");
  for (unsigned i = 0; i < POLLS; i++) {        /* the last client leaves */
    control_send (fd, "store zram reset 1\n", 19);
    int ok;
    const char *answer = control_answer (fd, &ok);

    require (answer && (ok || begins_with (answer, "EBUSY ")));
    if (ok)
      break;
    poll (NULL, 0, POLL_MS);
  }
  require (nbd_connect_unix (nbd, server->socket) == -1);
  nbd_close (nbd);
  require (control_ok (fd, "store zram disksize 1M"));
  server_require_alive (server);
}

static void
questions_are_answered (void)
{
  struct server *server = server_start (SERVER_ARGS ("16M", key));
  const int fd = control_connect (path);

  list_names_the_devices (fd);
  help_names_the_attributes (fd);
  attributes_are_shown_and_stored (fd);
  errors_have_a_name_and_a_reason (fd);
  reasons_come_from_the_store (server, fd);
  a_connected_device_is_not_reset (server, fd);
  lines_can_come_together_or_in_bytes (fd);
  a_disk_grows_for_the_next_connection (server, fd);
  a_reset_disk_cannot_be_opened (server, fd);
  close (fd);
  server_stop (server);
}

/* Several devices. */

static void
one_socket_serves_all_devices (void)
{
  struct server *server;
  int fd;

  CHECK ("a file with three devices, and control= in [server]");
  write_config ("", "[a]\ndisksize = 1M\n[a b]\ndisksize = 2M\n"
                "[disksize]\ndisksize = 3M\n");
  server = server_start (SERVER_ARGS (config_key));
  fd = control_connect (path);
  require (strcmp (control_ok (fd, "list"), "a\na b\ndisksize\n") == 0);
  require (strcmp (control_ok (fd, "show a disksize"), "1048576\n") == 0);
  require (strcmp (control_ok (fd, "show a b disksize"), "2097152\n") == 0);
  require (strcmp (control_ok (fd, "show disksize disksize"),
                   "3145728\n") == 0);
  require (control_ok (fd, "store a b mem_limit 1G"));
  require (strcmp (control_ok (fd, "show a mem_limit"), "0\n") == 0);
  require (strcmp (control_ok (fd, "show a b mem_limit"),
                   "1073741824\n") == 0);
  close (fd);
  server_stop (server);
}

static void
the_command_line_wins_over_the_file (void)
{
  struct server *server;

  CHECK ("control= on the command line and in [server]");
  write_config ("-other", "[a]\ndisksize = 1M\n");
  server = server_start (SERVER_ARGS (config_key, key));
  close (control_connect (path));
  server_stop (server);
}

/* The file. */

static mode_t
mode_of_file (void)
{
  struct stat status;

  require (stat (path, &status) == 0);
  require (S_ISSOCK (status.st_mode));
  return status.st_mode & 07777;
}

static void
the_file_is_private_whatever_the_umask_is (void)
{
  static const mode_t umasks[] = { 0, 022, 077 };

  for (unsigned i = 0; i < 3; i++) {
    const mode_t saved_umask = umask (umasks[i]);
    struct server *server;

    CHECK ("umask %03o", umasks[i]);
    server = server_start (SERVER_ARGS ("1M", key));
    require (mode_of_file () == 0600);
    server_stop (server);
    umask (saved_umask);
  }
}

static void
the_file_is_removed_at_the_end (void)
{
  struct server *server = server_start (SERVER_ARGS ("1M", key));

  CHECK ("the file at the end");
  require (access (path, F_OK) == 0);
  server_stop (server);
  require (access (path, F_OK) == -1 && errno == ENOENT);
}

static void
leave_stale_file (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  const int fd = socket (AF_UNIX, SOCK_STREAM, 0);

  strcpy (address.sun_path, path);
  require (bind (fd, (struct sockaddr *) &address, sizeof address) == 0);
  close (fd);
}

static void
a_stale_file_is_replaced (void)
{
  struct server *server;
  int fd;

  CHECK ("a file that a killed server left");
  leave_stale_file ();
  server = server_start (SERVER_ARGS ("1M", key));
  fd = control_connect (path);
  require (control_ok (fd, "list"));
  close (fd);
  server_stop (server);
}

static void
a_socket_in_use_is_not_taken (void)
{
  struct server *server = server_start (SERVER_ARGS ("1M", key));
  int fd;

  start_is_refused (path, "another server listens there");
  fd = control_connect (path);
  require (control_ok (fd, "list"));
  close (fd);
  server_stop (server);
}

static void
other_files_are_left_alone (void)
{
  char long_path[200];
  FILE *file = fopen (path, "w");

  require (file && fclose (file) == 0);
  start_is_refused (path, "is there and not a socket");
  require (access (path, F_OK) == 0);
  require (unlink (path) == 0);
  start_is_refused ("/nonexistent/control", "No such file or directory");
  memset (long_path, 'x', sizeof long_path);
  long_path[0] = '/';
  long_path[120] = '\0';
  start_is_refused (long_path, "107");
  start_is_refused ("", "control: a path is missing");
}

/* Somebody else's file is not removed. */
static void
a_file_that_was_replaced_stays (void)
{
  struct server *server = server_start (SERVER_ARGS ("1M", key));

  CHECK ("a file that another server put there");
  require (unlink (path) == 0);
  leave_stale_file ();
  server_stop (server);
  require (unlink (path) == 0);
}

/* Who asks. */

/* In a child, whose status is 0 if the answer was what it should be. */
static void
ask_as_nobody (void)
{
  int fd, ok;
  const char *answer;

  if (setgid (NOBODY) != 0 || setuid (NOBODY) != 0)
    _exit (1);
  fd = control_connect (path);
  answer = control_answer (fd, &ok);
  _exit (answer && !ok && strncmp (answer, "EACCES ", 7) == 0 ? 0 : 1);
}

static void
strangers_are_refused (void)
{
  struct server *server = server_start (SERVER_ARGS ("1M", key));
  int status;
  pid_t pid;

  if (geteuid () == 0) {
    CHECK ("another user, who can open the file");
    require (chmod (path, 0666) == 0 && chmod (directory, 0755) == 0);
    fflush (NULL);
    pid = fork ();
    require (pid != -1);
    if (pid == 0)
      ask_as_nobody ();
    require (waitpid (pid, &status, 0) == pid);
    require (status == 0);
  }
  else
    CHECK ("not root: another user is not tried");
  server_stop (server);
}

/* Modes of the server. */

static pid_t
pid_in (const char *file_name)
{
  FILE *file = fopen (file_name, "r");
  int pid = 0;

  require (file && fscanf (file, "%d", &pid) == 1);
  fclose (file);
  return pid;
}

/* By a server that is not a child of ours. */
static void
wait_until_removed (void)
{
  for (unsigned i = 0; i < POLLS; i++) {
    if (access (path, F_OK) == -1)
      return;
    poll (NULL, 0, POLL_MS);
  }
  require (!"the file is there after a minute");
}

static void
a_daemon_answers_and_cleans_up (void)
{
  char arguments[400], output[4096], pid_file[80], socket_file[80];
  int fd;

  CHECK ("in the background, with a relative path");
  snprintf (pid_file, sizeof pid_file, "%s/pid", directory);
  snprintf (socket_file, sizeof socket_file, "%s/nbd", directory);
  snprintf (arguments, sizeof arguments, "-P %s -U %s zram 1M control="
            "`realpath --relative-to=. %s`/control > /dev/null", pid_file,
            socket_file, directory);
  require (run_nbdkit (arguments, output) == 0);
  fd = control_connect (path);
  require (control_ok (fd, "list"));
  require (kill (pid_in (pid_file), SIGTERM) == 0);
  control_require_closed (fd);
  close (fd);
  wait_until_removed ();
  unlink (pid_file);
  unlink (socket_file);
}

static void
a_captive_server_cleans_up (void)
{
  char arguments[400], output[4096];

  CHECK ("with --run");
  snprintf (arguments, sizeof arguments,
            "-U - zram 1M control=%s --run 'test -S %s'", path, path);
  require (run_nbdkit (arguments, output) == 0);
  wait_until_removed ();
}

int
main (void)
{
  make_directory ();
  questions_are_answered ();
  one_socket_serves_all_devices ();
  the_command_line_wins_over_the_file ();
  the_file_is_private_whatever_the_umask_is ();
  the_file_is_removed_at_the_end ();
  a_stale_file_is_replaced ();
  a_socket_in_use_is_not_taken ();
  other_files_are_left_alone ();
  a_file_that_was_replaced_stays ();
  strangers_are_refused ();
  a_daemon_answers_and_cleans_up ();
  a_captive_server_cleans_up ();
  return 0;
}

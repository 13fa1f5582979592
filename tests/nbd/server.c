/* SPDX-License-Identifier: BSD-3-Clause */
/* A server for each test; see server.h. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server.h"

/* Far more than a server needs for anything, on machines that do a lot at
 * once. */
#define READY_POLLS 6000
#define POLL_MS 10
#define SETTLED_POLLS 30

#define ARGS_MAX 40

/* Of systemd's protocol: the first descriptor that is handed over. */
#define FIRST_SOCKET_FD 3

/* Those that run, for the end of a test that fails. */
#define SERVERS_MAX 4
static struct server *running[SERVERS_MAX];

static void
note_running (struct server *old, struct server *new)
{
  for (unsigned i = 0; i < SERVERS_MAX; i++)
    if (running[i] == old) {
      running[i] = new;
      return;
    }
  fprintf (stderr, "more than %d servers\n", SERVERS_MAX);
  exit (1);
}

static void
show_log (const struct server *server)
{
  FILE *file = fopen (server->log, "r");
  int c;

  fprintf (stderr, "---- what the server printed:\n");
  while (file && (c = getc (file)) != EOF)
    putc (c, stderr);
  fprintf (stderr, "----\n");
  if (file)
    fclose (file);
}

static void
remove_files (const struct server *server)
{
  unlink (server->socket);
  unlink (server->pid_file);
  unlink (server->log);
  rmdir (server->directory);
}

static void
clean_up (void)
{
  for (unsigned i = 0; i < SERVERS_MAX; i++) {
    if (!running[i])
      continue;
    if (running[i]->pid > 0) {
      kill (running[i]->pid, SIGKILL);
      waitpid (running[i]->pid, NULL, 0);
    }
    show_log (running[i]);
    remove_files (running[i]);
  }
}

void
require_failed (const char *file, int line, const char *condition)
{
  const int saved_errno = errno;
  const char *error = nbd_get_error ();

  fflush (stdout);
  fprintf (stderr, "%s:%d: not true: %s\n  libnbd: %s\n  errno: %s\n", file,
           line, condition, error ? error : "no error", strerror (saved_errno));
  exit (1);
}

/* Start. */

static char *
join (const char *directory, const char *name)
{
  char *path;

  require (asprintf (&path, "%s/%s", directory, name) > 0);
  return path;
}

static struct server *
make_server (void)
{
  static bool is_registered = false;
  struct server *server = calloc (1, sizeof *server);

  require (server);
  /* Not $TMPDIR: a socket's path has room for 107 characters. */
  server->directory = strdup ("/tmp/zram-test-XXXXXX");
  require (server->directory && mkdtemp (server->directory));
  server->socket = join (server->directory, "socket");
  server->pid_file = join (server->directory, "pid");
  server->log = join (server->directory, "log");
  note_running (NULL, server);
  if (!is_registered)
    require (atexit (clean_up) == 0);
  is_registered = true;
  return server;
}

static const char *
nbdkit_path (void)
{
  static char *path;
  const char *wrapper = getenv ("NBDKIT"), *top = getenv ("top_builddir");

  if (wrapper)
    return wrapper;
  if (!path)
    path = join (top ? top : "../..", "nbdkit");
  return path;
}

struct arguments {
  const char *words[ARGS_MAX + 1];
  unsigned nr_words;
};

static void
add_word (struct arguments *arguments, const char *word)
{
  require (arguments->nr_words < ARGS_MAX);
  arguments->words[arguments->nr_words++] = word;
  arguments->words[arguments->nr_words] = NULL;
}

static void
add_words (struct arguments *arguments, const char *const words[])
{
  for (; words && *words; words++)
    add_word (arguments, *words);
}

static void
make_command (struct arguments *command, const struct server *server,
              bool activated, const char *const options[],
              const char *const args[])
{
  const char *const always[] = {
    nbdkit_path (), "-f", "--exit-with-parent", "-P", server->pid_file, NULL
  };
  const char *const on_socket[] = { "-U", server->socket, NULL };

  command->nr_words = 0;
  add_words (command, always);
  if (!activated)
    add_words (command, on_socket);
  add_words (command, options);
  add_word (command, "zram");
  add_words (command, args);
}

/* In the child. */
static void
hand_over (int listener)
{
  char pid[24];

  snprintf (pid, sizeof pid, "%ld", (long) getpid ());
  if (dup2 (listener, FIRST_SOCKET_FD) == -1 ||
      fcntl (FIRST_SOCKET_FD, F_SETFD, 0) == -1 ||
      setenv ("LISTEN_PID", pid, 1) == -1 ||
      setenv ("LISTEN_FDS", "1", 1) == -1)
    _exit (127);
}

/* listener: a socket to hand over, or -1. */
static void
spawn (struct server *server, const struct arguments *command, int listener)
{
  int log;

  server->pid = fork ();
  require (server->pid != -1);
  if (server->pid > 0)
    return;
  log = open (server->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log == -1 || dup2 (log, 1) == -1 || dup2 (log, 2) == -1)
    _exit (127);
  if (listener != -1)
    hand_over (listener);
  execv (command->words[0], (char *const *) command->words);
  perror (command->words[0]);
  _exit (127);
}

static bool
is_written (const char *path)
{
  struct stat status;

  return stat (path, &status) == 0 && status.st_size > 0;
}

/* The pid file is written when the socket listens. */
static void
wait_until_ready (struct server *server)
{
  int status;

  for (unsigned i = 0; i < READY_POLLS; i++) {
    if (is_written (server->pid_file))
      return;
    if (waitpid (server->pid, &status, WNOHANG) == server->pid) {
      server->pid = 0;
      fprintf (stderr, "the server did not start: wait status %#x\n", status);
      exit (1);
    }
    poll (NULL, 0, POLL_MS);
  }
  fprintf (stderr, "the server is not ready after a minute\n");
  exit (1);
}

struct server *
server_start_with (const char *const options[], const char *const args[])
{
  struct server *server = make_server ();
  struct arguments command;

  make_command (&command, server, false, options, args);
  spawn (server, &command, -1);
  wait_until_ready (server);
  return server;
}

struct server *
server_start (const char *const args[])
{
  return server_start_with (NULL, args);
}

int
unix_socket (const char *path, struct sockaddr_un *address)
{
  const int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  *address = (struct sockaddr_un) { .sun_family = AF_UNIX };
  require (fd != -1);
  require (strlen (path) < sizeof address->sun_path);
  strcpy (address->sun_path, path);
  return fd;
}

static int
listen_on (const char *path)
{
  struct sockaddr_un address;
  const int listener = unix_socket (path, &address);

  require (bind (listener, (struct sockaddr *) &address, sizeof address) == 0);
  require (listen (listener, SOMAXCONN) == 0);
  return listener;
}

struct server *
server_start_activated (const char *const args[])
{
  struct server *server = make_server ();
  const int listener = listen_on (server->socket);
  struct arguments command;

  make_command (&command, server, true, NULL, args);
  spawn (server, &command, listener);
  require (close (listener) == 0);
  return server;
}

/* Stop. */

void
server_stop (struct server *server)
{
  int status = -1;

  require (kill (server->pid, SIGTERM) == 0);
  require (waitpid (server->pid, &status, 0) == server->pid);
  server->pid = 0;
  require (status == 0);
  note_running (server, NULL);
  remove_files (server);
  free (server->directory);
  free (server->socket);
  free (server->pid_file);
  free (server->log);
  free (server);
}

void
server_require_alive (const struct server *server)
{
  struct nbd_handle *nbd = server_connect (server, "");
  char byte;

  require (nbd_pread (nbd, &byte, 1, 0, 0) == 0);
  require (nbd_shutdown (nbd, 0) == 0);
  nbd_close (nbd);
}

/* Of its directory in /proc. */
static unsigned
count_entries (const struct server *server, const char *name)
{
  char path[40];
  unsigned nr = 0;
  DIR *directory;

  snprintf (path, sizeof path, "/proc/%ld/%s", (long) server->pid, name);
  directory = opendir (path);
  require (directory);
  for (struct dirent *entry; (entry = readdir (directory)); )
    nr += entry->d_name[0] != '.';
  closedir (directory);
  return nr;
}

unsigned
server_nr_threads (const struct server *server)
{
  unsigned nr = count_entries (server, "task");

  for (unsigned i = 0; i < SETTLED_POLLS; i++) {
    const unsigned now = count_entries (server, "task");

    i = now == nr ? i : 0;
    nr = now;
    poll (NULL, 0, POLL_MS);
  }
  return nr;
}

unsigned
server_nr_files (const struct server *server)
{
  return count_entries (server, "fd");
}

void
server_await_threads (const struct server *server, unsigned nr_threads)
{
  for (unsigned i = 0; i < READY_POLLS; i++) {
    if (count_entries (server, "task") <= nr_threads)
      return;
    poll (NULL, 0, POLL_MS);
  }
  fprintf (stderr, "%u threads, and there were %u\n",
           count_entries (server, "task"), nr_threads);
  require (!"the threads of clients that have gone end");
}

bool
server_log_has (const struct server *server, const char *text)
{
  FILE *file = fopen (server->log, "r");
  char *line = NULL;
  size_t capacity = 0;
  bool found = false;

  require (file);
  while (!found && getline (&line, &capacity, file) != -1)
    found = strstr (line, text) != NULL;
  free (line);
  fclose (file);
  return found;
}

/* Connections. */

struct nbd_handle *
server_handle (const char *export_name)
{
  struct nbd_handle *nbd = nbd_create ();

  require (nbd);
  require (nbd_set_export_name (nbd, export_name) == 0);
  require (nbd_add_meta_context (nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) == 0);
  require (nbd_set_full_info (nbd, true) == 0);
  require (nbd_set_strict_mode (nbd, 0) == 0);
  return nbd;
}

struct nbd_handle *
server_connect (const struct server *server, const char *export_name)
{
  struct nbd_handle *nbd = server_handle (export_name);

  require (nbd_connect_unix (nbd, server->socket) == 0);
  return nbd;
}

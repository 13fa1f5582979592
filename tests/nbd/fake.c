/* SPDX-License-Identifier: BSD-3-Clause */
/* A control socket that answers what a test wants; see fake.h. */
#include <config.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"

#define WORDS_MAX 20

static struct {
  char directory[32];
  struct sockaddr_un address;
  int listener;
  fake_answerer *answerer;
} fake;

/* The socket. */

const char *
fake_ok (const char *payload)
{
  static _Thread_local char text[1024];

  require (snprintf (text, sizeof text, "ok %zu\n%s", strlen (payload),
                     payload) < (int) sizeof text);
  return text;
}

static void
clean_up_fake (void)
{
  unlink (fake.address.sun_path);
  rmdir (fake.directory);
}

static bool
answer (int fd, const char *line)
{
  const char *text = fake.answerer (line);
  size_t bytes = text ? strlen (text) : 0;
  const bool hangs_up = !text || (bytes > 0 && text[bytes - 1] == *HANG_UP);

  bytes -= text && hangs_up;
  return (bytes == 0 || send (fd, text, bytes, MSG_NOSIGNAL) != -1) &&
    !hangs_up;
}

static void *
serve (void *opaque)
{
  FILE *stream = opaque;
  char *line = NULL;
  size_t capacity = 0;
  bool goes_on = true;

  while (goes_on && getline (&line, &capacity, stream) != -1) {
    line[strcspn (line, "\n")] = '\0';
    goes_on = answer (fileno (stream), line);
  }
  free (line);
  fclose (stream);
  return NULL;
}

static void *
accept_all (void *opaque)
{
  pthread_t thread;
  FILE *stream;
  int fd;

  while ((fd = accept4 (fake.listener, NULL, NULL, SOCK_CLOEXEC)) != -1) {
    stream = fdopen (fd, "r");
    require (stream);
    require (pthread_create (&thread, NULL, serve, stream) == 0);
    require (pthread_detach (thread) == 0);
  }
  return NULL;
}

void
fake_start (fake_answerer *answerer)
{
  pthread_t thread;

  fake.answerer = answerer;
  strcpy (fake.directory, "/tmp/zram-test-XXXXXX");
  require (mkdtemp (fake.directory));
  require (atexit (clean_up_fake) == 0);
  fake.address.sun_family = AF_UNIX;
  snprintf (fake.address.sun_path, sizeof fake.address.sun_path,
            "%s/control", fake.directory);
  fake.listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  require (fake.listener != -1);
  require (bind (fake.listener, (struct sockaddr *) &fake.address,
                 sizeof fake.address) == 0);
  require (listen (fake.listener, SOMAXCONN) == 0);
  require (pthread_create (&thread, NULL, accept_all, NULL) == 0);
  require (pthread_detach (thread) == 0);
}

/* The command. */

static const char *
command_path (void)
{
  static char path[4096];
  const char *command = getenv ("NBDZRAM"), *top = getenv ("top_builddir");

  if (command)
    return command;
  snprintf (path, sizeof path, "%s/server/nbdzram", top ? top : "../..");
  return path;
}

static pid_t
spawn_command (const char *const words[], int out, int err)
{
  const char *argv[WORDS_MAX + 2] = { command_path () };
  const pid_t pid = fork ();

  for (unsigned i = 0; words[i] && i < WORDS_MAX; i++)
    argv[i + 1] = words[i];
  require (pid != -1);
  if (pid > 0)
    return pid;
  if (dup2 (out, 1) == -1 || dup2 (err, 2) == -1 ||
      setenv ("NBDZRAM_CONTROL", fake.address.sun_path, 1) == -1)
    _exit (127);
  execv (argv[0], (char *const *) argv);
  _exit (127);
}

/* Until the other end is closed; a terminal says that by EIO. */
static void
read_all (int fd, char *text, size_t capacity)
{
  size_t used = 0;
  ssize_t got;

  while (used < capacity - 1 &&
         (got = read (fd, text + used, capacity - 1 - used)) > 0)
    used += got;
  text[used] = '\0';
  require (used < capacity - 1);
  require (close (fd) == 0);
}

/* A few lines fit into a pipe, so nobody has to read both at a time. */
static void
run_command (struct outcome *outcome, const char *const words[], int err_read,
             int err_write)
{
  int out[2], status;
  pid_t pid;

  for (unsigned i = 0; words[i]; i++)
    printf ("%s%s", i == 0 ? "nbdzram " : " ", words[i]);
  CHECK ("%s", "");
  require (pipe2 (out, O_CLOEXEC) == 0);
  pid = spawn_command (words, out[1], err_write);
  require (close (out[1]) == 0 && close (err_write) == 0);
  read_all (out[0], outcome->out, sizeof outcome->out);
  read_all (err_read, outcome->err, sizeof outcome->err);
  require (waitpid (pid, &status, 0) == pid);
  outcome->status = WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}

void
fake_run (struct outcome *outcome, const char *const words[])
{
  int err[2];

  require (pipe2 (err, O_CLOEXEC) == 0);
  run_command (outcome, words, err[0], err[1]);
}

void
fake_run_on_terminal (struct outcome *outcome, const char *const words[])
{
  const int master = posix_openpt (O_RDWR | O_NOCTTY | O_CLOEXEC);
  int terminal;

  require (master != -1);
  require (grantpt (master) == 0 && unlockpt (master) == 0);
  terminal = open (ptsname (master), O_RDWR | O_NOCTTY | O_CLOEXEC);
  require (terminal != -1);
  run_command (outcome, words, master, terminal);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket; see socket.h. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../store/background.h"
#include "../store/report.h"
#include "connection.h"
#include "safeguard.h"
#include "socket.h"
#include "unix_listener.h"

/* A person, a monitor, and some scripts.  Two of them never change anything, so
 * whatever is under way can be watched. */
#define NR_THREADS 8
#define NR_STORES_MAX (NR_THREADS - 2)

#define BACKLOG 128

/* To wait for a descriptor or memory to become free. */
#define RETRY_MS 100

struct control_socket {
  struct unix_listener listener;
  int stop_pipe[2];
  struct connections connections;
  pthread_t threads[NR_THREADS];
  unsigned nr_threads;
};

static int
complain (const char *path, const char *what)
{
  report_error ("control: %s: %s", path, what);
  return -1;
}

struct control_socket *
control_socket_open (const char *path, const struct exports *exports)
{
  struct control_socket *control = calloc (1, sizeof *control);

  if (!control) {
    complain (path, strerror (errno));
    return NULL;
  }
  if (unix_listener_open (&control->listener, "control", path,
                          BACKLOG) == -1) {
    free (control);
    return NULL;
  }
  control->connections = (struct connections) {
    .exports = exports, .listener = control->listener.fd,
    .nr_max = NR_THREADS, .nr_stores_max = NR_STORES_MAX,
  };
  return control;
}

void
control_socket_close (struct control_socket *control)
{
  unix_listener_close (&control->listener);
  free (control);
}

/* Threads. */

/* False: the server stops. */
static bool
wait_for_client (const struct connections *connections)
{
  struct pollfd fds[] = {
    { .fd = connections->stop, .events = POLLIN },
    { .fd = connections->listener, .events = POLLIN },
  };

  while (poll (fds, 2, -1) == -1)
    ;
  return !fds[0].revents;
}

/* Too many descriptors are open, or there is no memory. */
static void
wait_for_better_times (const struct connections *connections)
{
  struct pollfd stop = { .fd = connections->stop, .events = POLLIN };

  poll (&stop, 1, RETRY_MS);
}

static void *
serve (void *opaque)
{
  struct connections *connections = opaque;
  int fd;

  background_begin ();
  while (wait_for_client (connections)) {
    fd = accept4 (connections->listener, NULL, NULL,
                  SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      connection_serve (connections, fd);
      close (fd);
    }
    else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
      wait_for_better_times (connections);
  }
  return NULL;
}

/* What runs here is as deep as the plugin's own requests, so whoever made
 * stacks for these small, since they are locked into memory, meant ours too. */
static void
limit_stack (pthread_attr_t *attr)
{
  size_t bytes;

  if (pthread_attr_getstacksize (attr, &bytes) != 0 ||
      bytes > SAFEGUARD_STACK_BYTES)
    pthread_attr_setstacksize (attr, SAFEGUARD_STACK_BYTES);
}

static int
start_threads (struct control_socket *control, const pthread_attr_t *attr)
{
  int r = 0;

  while (r == 0 && control->nr_threads < NR_THREADS) {
    r = pthread_create (&control->threads[control->nr_threads], attr, serve,
                        &control->connections);
    control->nr_threads += r == 0;
  }
  if (r == 0)
    return 0;
  complain (control->listener.address.sun_path, strerror (r));
  control_socket_stop (control);
  errno = r;
  return -1;
}

/* Signals are the server's, not these threads'. */
int
control_socket_start (struct control_socket *control)
{
  sigset_t all, saved;
  pthread_attr_t attr;
  int r;

  if (pipe2 (control->stop_pipe, O_CLOEXEC) == -1)
    return complain (control->listener.address.sun_path, strerror (errno));
  control->connections.stop = control->stop_pipe[0];
  pthread_attr_init (&attr);
  limit_stack (&attr);
  sigfillset (&all);
  pthread_sigmask (SIG_SETMASK, &all, &saved);
  r = start_threads (control, &attr);
  pthread_sigmask (SIG_SETMASK, &saved, NULL);
  pthread_attr_destroy (&attr);
  return r;
}

/* The end of the pipe that nobody writes to is what all of them see. */
void
control_socket_stop (struct control_socket *control)
{
  if (control->connections.stop == 0)
    return;
  close (control->stop_pipe[1]);
  while (control->nr_threads > 0)
    pthread_join (control->threads[--control->nr_threads], NULL);
  close (control->stop_pipe[0]);
  control->connections.stop = 0;
}

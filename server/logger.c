/* SPDX-License-Identifier: BSD-3-Clause */
/* Standard error that nobody waits for; see logger.h. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "descriptor.h"
#include "logger.h"

/* The thread needs hardly any, and all of it may be locked. */
#define STACK_BYTES (64 << 10)
#define CHUNK_BYTES 4096

static struct {
  bool runs;
  pthread_t thread;
  int pipe[2];
  int target;                   /* the standard error of before */
} logger;

static void
pass_on (const char *text, ssize_t chars)
{
  while (chars > 0) {
    const ssize_t done = write (logger.target, text, chars);

    if (done == -1 && errno == EINTR)
      continue;
    if (done <= 0)
      return;
    text += done;
    chars -= done;
  }
}

/* Until there is a NUL: others may hold the pipe open. */
static void *
run (void *opaque)
{
  char chunk[CHUNK_BYTES] = "";
  ssize_t chars;
  bool ends;

  do {
    chars = read (logger.pipe[0], chunk, sizeof chunk);
    ends = chars > 0 && chunk[chars - 1] == '\0';
    pass_on (chunk, ends ? chars - 1 : chars);
  } while (!ends && (chars > 0 || (chars == -1 && errno == EINTR)));
  return NULL;
}

/* Signals are the keeper's. */
static int
start_thread (void)
{
  pthread_attr_t attributes;
  sigset_t all, before;
  int errnum;

  sigfillset (&all);
  pthread_attr_init (&attributes);
  pthread_attr_setstacksize (&attributes, STACK_BYTES);
  pthread_sigmask (SIG_SETMASK, &all, &before);
  errnum = pthread_create (&logger.thread, &attributes, run, NULL);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  pthread_attr_destroy (&attributes);
  errno = errnum;
  return errnum == 0 ? 0 : -1;
}

int
logger_start (int first_fd)
{
  logger.target = fcntl (STDERR_FILENO, F_DUPFD_CLOEXEC, first_fd);
  if (logger.target == -1 ||
      descriptor_pipe (logger.pipe, O_CLOEXEC, first_fd) == -1 ||
      fcntl (logger.pipe[1], F_SETFL, O_NONBLOCK) == -1 ||
      start_thread () == -1)
    return -1;
  logger.runs = true;
  logger_step_in ();
  return 0;
}

void
logger_step_in (void)
{
  if (logger.runs)
    dup2 (logger.pipe[1], STDERR_FILENO);
}

void
logger_step_aside (void)
{
  if (logger.runs)
    dup2 (logger.target, STDERR_FILENO);
}

void
logger_stop (void)
{
  if (!logger.runs)
    return;
  logger_step_aside ();
  fcntl (logger.pipe[1], F_SETFL, 0);
  (void) !write (logger.pipe[1], "", 1);
  close (logger.pipe[1]);
  pthread_join (logger.thread, NULL);
  logger.runs = false;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What there is to say; see notice.h.
 *
 * A record of the kernel's log is one write, so a line is put together first,
 * in memory that is there already.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "notice.h"

#define LINE_BYTES 512

/* Of the kernel's log: daemon, warning. */
#define KERNEL_PRIORITY "<28>"

static int out = STDERR_FILENO;
static bool in_kernel_log;
static const char *about;

void
notice_about (const char *what)
{
  about = what;
}

void
notice_to_kernel_log (void)
{
  out = open ("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NONBLOCK);
  in_kernel_log = true;
}

/* A pipe that has room for PIPE_BUF bytes takes a line as a whole. */
static bool
takes_a_line (void)
{
  struct pollfd poll_fd = { .fd = out, .events = POLLOUT };

  return in_kernel_log || poll (&poll_fd, 1, 0) == 1;
}

void
notice (const char *fmt, ...)
{
  char line[LINE_BYTES];
  const int errno_kept = errno;
  size_t bytes;
  va_list ap;

  snprintf (line, sizeof line, "%snbdzram: %s%s",
            in_kernel_log ? KERNEL_PRIORITY : "", about ? about : "",
            about ? ": " : "");
  bytes = strlen (line);
  va_start (ap, fmt);
  vsnprintf (line + bytes, sizeof line - 1 - bytes, fmt, ap);
  va_end (ap);
  bytes = strlen (line);
  line[bytes++] = '\n';
  if (out != -1 && takes_a_line ())
    (void) !write (out, line, bytes);
  errno = errno_kept;
}

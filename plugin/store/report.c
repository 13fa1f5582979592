/* SPDX-License-Identifier: BSD-3-Clause */
/* Where messages go; see report.h. */
#include <config.h>

#include <errno.h>
#include <stdio.h>

#include "report.h"

__attribute__ ((format (printf, 1, 0))) static void
to_stderr (const char *fmt, va_list ap)
{
  fputs ("zram: ", stderr);
  vfprintf (stderr, fmt, ap);
  fputc ('\n', stderr);
}

static report_sink *current_sink = to_stderr;

static _Thread_local struct {
  char *start;
  size_t bytes;
} capture;

void
report_capture (char *buffer, size_t bytes)
{
  capture.start = buffer;
  capture.bytes = bytes;
}

void
report_set_sink (report_sink *sink)
{
  current_sink = sink;
}

void
report_error (const char *fmt, ...)
{
  int saved_errno = errno;
  va_list ap;

  va_start (ap, fmt);
  if (capture.start)
    vsnprintf (capture.start, capture.bytes, fmt, ap);
  else
    current_sink (fmt, ap);
  va_end (ap);
  errno = saved_errno;
}

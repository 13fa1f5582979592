/* SPDX-License-Identifier: BSD-3-Clause */
/* Where messages go.  The store knows no nbdkit: whoever hosts it (the
 * plugin, a test, a bench) says what to do with a line.
 *
 * Report where it happens, propagate silently: the leaf that knows the
 * offending value calls report_error once, callers above return -1.
 */
#ifndef ZRAM_REPORT_H
#define ZRAM_REPORT_H

#include <stdarg.h>
#include <stddef.h>

typedef void report_sink (const char *fmt, va_list ap);

/* Not thread-safe: called once, before the first device exists. */
void report_set_sink (report_sink *sink);

/* Until the next call this thread's messages go into the buffer, the last one
 * stays: for whoever answers a client.  NULL: back to the sink. */
void report_capture (char *buffer, size_t bytes);

/* One line, without a newline.  Keeps errno. */
void report_error (const char *fmt, ...)
  __attribute__ ((format (printf, 1, 2)));

#endif

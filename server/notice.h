/* SPDX-License-Identifier: BSD-3-Clause */
/* What an agent or a keeper has to say, one line at a time, and never waiting
 * for a reader: who reads the log may be swapped out, onto the disk that they
 * are to bring back.
 */
#ifndef NBDZRAM_NOTICE_H
#define NBDZRAM_NOTICE_H

/* To standard error, and after notice_to_kernel_log to the kernel's log.  A
 * line that nobody takes at once is lost. */
void notice (const char *fmt, ...) __attribute__ ((format (printf, 1, 2)));

/* Begins all lines from now on, behind the command's name. */
void notice_about (const char *what);

/* A process without a terminal speaks there.  If it cannot be opened, nothing
 * is said any more. */
void notice_to_kernel_log (void);

#endif

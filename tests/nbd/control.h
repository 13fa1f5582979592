/* SPDX-License-Identifier: BSD-3-Clause */
/* A client of the control socket. */
#ifndef ZRAM_TESTS_CONTROL_H
#define ZRAM_TESTS_CONTROL_H

#include <stddef.h>

/* The caller closes the connection. */
int control_connect (const char *path);

/* Send so many bytes as they are. */
void control_send (int fd, const void *data, size_t bytes);

/* Read an answer: the payload if it is ok, else what follows "error ", without
 * the newline.  Valid until the next call.  NULL: the server closed the
 * connection. */
const char *control_answer (int fd, int *ok);

/* Ask with a line, and require that the answer is ok, or an error. */
const char *control_ok (int fd, const char *line);
const char *control_error (int fd, const char *line);

/* Require that nothing more comes: the server closed the connection. */
void control_require_closed (int fd);

#endif

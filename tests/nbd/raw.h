/* SPDX-License-Identifier: BSD-3-Clause */
/* NBD said byte by byte, for what no client's library says. */
#ifndef ZRAM_TESTS_RAW_H
#define ZRAM_TESTS_RAW_H

#include <stddef.h>
#include <stdint.h>

#include "server.h"

/* Options and commands. */
#define RAW_OPT_LIST 3u
#define RAW_OPT_GO 7u
#define RAW_CMD_READ 0u
#define RAW_CMD_WRITE 1u

/* Connected, and nothing said; the caller closes it. */
int raw_connect (const struct server *server);

/* Each sends all of it, and requires that it is taken at once. */
void raw_send (int fd, const void *data, size_t bytes);
void raw_send_flags (int fd);
void raw_send_option (int fd, uint32_t option, uint32_t bytes);
void raw_send_request (int fd, uint16_t command, uint32_t bytes);

#endif

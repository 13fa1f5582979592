/* SPDX-License-Identifier: BSD-3-Clause */
/* NBD said byte by byte; see raw.h. */
#include <config.h>

#include <endian.h>
#include <sys/socket.h>

#include "raw.h"

#define IHAVEOPT UINT64_C (0x49484156454f5054)
#define REQUEST_MAGIC UINT32_C (0x25609513)
#define FIXED_NEWSTYLE 1u
#define NO_ZEROES 2u

int
raw_connect (const struct server *server)
{
  struct sockaddr_un address;
  const int fd = unix_socket (server->socket, &address);

  require (connect (fd, (struct sockaddr *) &address, sizeof address) == 0);
  return fd;
}

void
raw_send (int fd, const void *data, size_t bytes)
{
  require (send (fd, data, bytes, MSG_NOSIGNAL) == (ssize_t) bytes);
}

void
raw_send_flags (int fd)
{
  const uint32_t flags = htobe32 (FIXED_NEWSTYLE | NO_ZEROES);

  raw_send (fd, &flags, sizeof flags);
}

void
raw_send_option (int fd, uint32_t option, uint32_t bytes)
{
  const struct {
    uint64_t magic;
    uint32_t option, bytes;
  } header = { htobe64 (IHAVEOPT), htobe32 (option), htobe32 (bytes) };

  raw_send (fd, &header, sizeof header);
}

void
raw_send_request (int fd, uint16_t command, uint32_t bytes)
{
  const struct __attribute__ ((packed)) {
    uint32_t magic;
    uint16_t flags, command;
    uint64_t cookie, offset;
    uint32_t bytes;
  } request = {
    htobe32 (REQUEST_MAGIC), 0, htobe16 (command), 0, 0, htobe32 (bytes),
  };

  raw_send (fd, &request, sizeof request);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* A client of the control socket; see control.h. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "server.h"

static char answer[4 << 20];

int
control_connect (const char *path)
{
  struct sockaddr_un address;
  const int fd = unix_socket (path, &address);

  require (connect (fd, (struct sockaddr *) &address, sizeof address) == 0);
  return fd;
}

void
control_send (int fd, const void *data, size_t bytes)
{
  require (send (fd, data, bytes, MSG_NOSIGNAL) == (ssize_t) bytes);
}

/* How many of the bytes came before the end. */
static size_t
receive (int fd, char *data, size_t bytes)
{
  size_t received = 0;

  while (received < bytes) {
    const ssize_t r = recv (fd, data + received, bytes - received, 0);

    if (r == 0 || (r == -1 && errno == ECONNRESET))
      break;
    require (r > 0 || errno == EINTR);
    received += r > 0 ? r : 0;
  }
  return received;
}

const char *
control_answer (int fd, int *ok)
{
  size_t chars = 0, bytes;

  *ok = 0;
  while (receive (fd, &answer[chars], 1) == 1 && answer[chars] != '\n')
    require (++chars < sizeof answer);
  if (chars == 0)
    return NULL;
  answer[chars] = '\0';
  *ok = strncmp (answer, "ok ", 3) == 0;
  if (!*ok) {
    require (strncmp (answer, "error ", 6) == 0);
    return answer + 6;
  }
  bytes = strtoul (answer + 3, NULL, 10);
  require (bytes < sizeof answer);
  require (receive (fd, answer, bytes) == bytes);
  answer[bytes] = '\0';
  return answer;
}

static const char *
ask (int fd, const char *line, int *ok)
{
  const char *text;

  control_send (fd, line, strlen (line));
  control_send (fd, "\n", 1);
  text = control_answer (fd, ok);
  require (text);
  return text;
}

const char *
control_ok (int fd, const char *line)
{
  int ok;
  const char *text = ask (fd, line, &ok);

  if (!ok)
    fprintf (stderr, "%s: error %s\n", line, text);
  require (ok);
  return text;
}

const char *
control_error (int fd, const char *line)
{
  int ok;
  const char *text = ask (fd, line, &ok);

  require (!ok);
  return text;
}

void
control_require_closed (int fd)
{
  char byte;

  require (receive (fd, &byte, 1) == 0);
}

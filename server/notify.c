/* SPDX-License-Identifier: BSD-3-Clause */
/* What the service manager is told; see notify.h. */
#include <config.h>

#include <err.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../plugin/control/units.h"
#include "notify.h"

#define MESSAGE_CHARS 1024

static int notify_fd = -1;

/* A name that begins with @ is an abstract one. */
void
notify_open (void)
{
  const char *path = getenv ("NOTIFY_SOCKET");
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  const struct timeval patience = { .tv_sec = 2 };
  const size_t chars = path ? strlen (path) : 0;

  if (chars == 0 || chars >= sizeof address.sun_path)
    return;
  memcpy (address.sun_path, path, chars);
  if (*path == '@')
    address.sun_path[0] = '\0';
  notify_fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  setsockopt (notify_fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (notify_fd == -1 ||
      connect (notify_fd, (struct sockaddr *) &address,
               offsetof (struct sockaddr_un, sun_path) + chars) == 0)
    return;
  warn ("$NOTIFY_SOCKET: %s", path);
  close (notify_fd);
  notify_fd = -1;
}

static void
send_message (char *text, const int *fd)
{
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE (sizeof (int))];
  } control = { .bytes = "" };
  struct iovec vector = { text, strlen (text) };
  struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };

  if (fd) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    control.header = (struct cmsghdr) {
      .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
      .cmsg_len = CMSG_LEN (sizeof (int)),
    };
    memcpy (CMSG_DATA (&control.header), fd, sizeof *fd);
  }
  if (notify_fd != -1)
    sendmsg (notify_fd, &message, MSG_NOSIGNAL);
}

void
notify (const char *fmt, ...)
{
  char text[MESSAGE_CHARS];
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (text, sizeof text, fmt, ap);
  va_end (ap);
  send_message (text, NULL);
}

void
notify_keep (const char *name, int fd)
{
  char text[MESSAGE_CHARS];

  snprintf (text, sizeof text, "FDSTORE=1\nFDPOLL=0\nFDNAME=%s\n", name);
  send_message (text, &fd);
}

/* Twice as often as it is waited for. */
unsigned
notify_watchdog_ms (void)
{
  const char *usec = getenv ("WATCHDOG_USEC"), *pid = getenv ("WATCHDOG_PID");
  uint64_t number;

  if (pid && (units_parse_number (pid, 10, UINT32_MAX, &number) != 0 ||
              number != (uint64_t) getpid ()))
    return 0;
  if (!usec || units_parse_number (usec, 10, UINT32_MAX, &number) != 0)
    return 0;
  return number < 2000 ? number > 0 : number / 2000;
}

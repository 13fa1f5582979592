/* SPDX-License-Identifier: BSD-3-Clause */
/* A Unix socket to listen on; see unix_listener.h. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../store/report.h"
#include "unix_listener.h"

/* Keeps errno. */
static int
complain (const char *what, const char *path, const char *wrong)
{
  report_error ("%s: %s: %s", what, path, wrong);
  return -1;
}

static int
set_address (struct sockaddr_un *address, const char *what, const char *path)
{
  if (strlen (path) >= sizeof address->sun_path) {
    errno = ENAMETOOLONG;
    return complain (what, path, "a socket's path has at most 107 bytes");
  }
  memset (address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  strcpy (address->sun_path, path);
  return 0;
}

/* 0 if a server listens there, else -1 and the reason. */
static int
knock (const struct sockaddr_un *address)
{
  const int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         0);
  int r, saved_errno;

  if (fd == -1)
    return -1;
  r = connect (fd, (const struct sockaddr *) address, sizeof *address);
  saved_errno = errno;
  close (fd);
  errno = saved_errno;
  return r == -1 && errno == EAGAIN ? 0 : r;
}

/* Make room: nothing is there, or a socket that nobody listens on. */
static int
remove_stale (const struct sockaddr_un *address, const char *what)
{
  const char *path = address->sun_path;
  struct stat file;

  if (lstat (path, &file) == -1)
    return errno == ENOENT ? 0 : complain (what, path, strerror (errno));
  if (!S_ISSOCK (file.st_mode)) {
    errno = EEXIST;
    return complain (what, path, "is there and not a socket");
  }
  if (knock (address) == 0) {
    errno = EADDRINUSE;
    return complain (what, path, "another server listens there");
  }
  if (errno != ECONNREFUSED || unlink (path) == -1)
    return complain (what, path, strerror (errno));
  return 0;
}

/* No thread runs yet, so the umask is nobody else's. */
static int
bind_privately (int fd, const struct sockaddr_un *address)
{
  const mode_t saved_umask = umask (0177);
  const int r = bind (fd, (const struct sockaddr *) address, sizeof *address);

  umask (saved_umask);
  return r;
}

static int
listen_there (struct unix_listener *listener, const char *what, int backlog)
{
  const struct sockaddr_un *address = &listener->address;

  if (remove_stale (address, what) == -1)
    return -1;
  if (bind_privately (listener->fd, address) == -1)
    return complain (what, address->sun_path, strerror (errno));
  if (stat (address->sun_path, &listener->file) == 0 &&
      listen (listener->fd, backlog) == 0)
    return 0;
  complain (what, address->sun_path, strerror (errno));
  unlink (address->sun_path);
  return -1;
}

int
unix_listener_open (struct unix_listener *listener, const char *what,
                    const char *path, int backlog)
{
  int saved_errno;

  if (set_address (&listener->address, what, path) == -1)
    return -1;
  listener->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                         0);
  if (listener->fd == -1)
    return complain (what, path, strerror (errno));
  if (listen_there (listener, what, backlog) == 0)
    return 0;
  saved_errno = errno;
  close (listener->fd);
  errno = saved_errno;
  return -1;
}

void
unix_listener_close (struct unix_listener *listener)
{
  const char *path = listener->address.sun_path;
  struct stat file;

  if (stat (path, &file) == 0 && file.st_dev == listener->file.st_dev &&
      file.st_ino == listener->file.st_ino)
    unlink (path);
  close (listener->fd);
}

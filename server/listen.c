/* SPDX-License-Identifier: BSD-3-Clause */
/* The sockets on which clients come in; see listen.h. */
#include <config.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen.h"
#include "names.h"

/* As many as the kernel lets wait. */
#define BACKLOG 4096

/* What goes by the name of localhost may be elsewhere. */
static bool
is_loopback (const struct sockaddr *address)
{
  const struct sockaddr_in *v4 = (const void *) address;
  const struct sockaddr_in6 *v6 = (const void *) address;

  if (address->sa_family == AF_INET)
    return ntohl (v4->sin_addr.s_addr) >> 24 == 127;
  return address->sa_family == AF_INET6 &&
    IN6_IS_ADDR_LOOPBACK (&v6->sin6_addr);
}

static bool
may_listen (const struct conf_server *server, const struct sockaddr *address)
{
  return address->sa_family == AF_UNIX || is_loopback (address) ||
    server->tls_is_required || server->insecure;
}

static int
add (struct listeners *listeners, int fd)
{
  if (listeners->nr == LISTENERS_MAX) {
    warnx ("more than %d sockets to listen on", LISTENERS_MAX);
    return -1;
  }
  listeners->fds[listeners->nr++] = fd;
  return 0;
}

/* Handed over. */

static int
check_handed (const struct conf_server *server, int fd)
{
  struct sockaddr_storage address;
  socklen_t bytes = sizeof address;
  int listens = 0;
  socklen_t listens_bytes = sizeof listens;

  if (getsockname (fd, (struct sockaddr *) &address, &bytes) == -1 ||
      getsockopt (fd, SOL_SOCKET, SO_ACCEPTCONN, &listens,
                  &listens_bytes) == -1 || !listens) {
    warnx ("descriptor %d was handed over, but is no socket that listens", fd);
    return -1;
  }
  if (may_listen (server, (struct sockaddr *) &address))
    return 0;
  warnx ("a socket beyond this machine was handed over: only with "
         "tls=require, or with insecure=yes if you must");
  return -1;
}

static int
take_foreign (struct listeners *listeners, const struct conf_server *server,
              struct handed *handed)
{
  for (unsigned i = 0; i < handed->nr; i++) {
    struct handed_fd *given = &handed->fds[i];

    if (given->fd == -1 || name_is_ours (given->name))
      continue;
    if (check_handed (server, given->fd) == -1 ||
        add (listeners, given->fd) == -1)
      return -1;
    given->fd = -1;
  }
  return 0;
}

/* Of the keeper that was here before, on the same address. */
static void
take_own (struct listeners *listeners, const struct conf_server *server,
          struct handed *handed)
{
  struct unix_listener *local = &listeners->local;
  int fd;

  while (listeners->nr < LISTENERS_MAX &&
         (fd = handed_take (handed, listeners->name)) != -1)
    listeners->fds[listeners->nr++] = fd;
  if (listeners->nr != 1 || !server->listen_path)
    return;
  local->address.sun_family = AF_UNIX;
  strcpy (local->address.sun_path, server->listen_path);
  local->fd = listeners->fds[0];
  stat (server->listen_path, &local->file);
}

/* Made here. */

static int
open_local (struct listeners *listeners, const char *path)
{
  if (unix_listener_open (&listeners->local, "listen", path, BACKLOG) == -1) {
    listeners->local.address.sun_path[0] = '\0';
    return -1;
  }
  return add (listeners, listeners->local.fd);
}

static struct addrinfo *
look_up (const struct conf_server *server)
{
  const struct addrinfo hints = {
    .ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM,
  };
  struct addrinfo *found;
  const int r = getaddrinfo (server->listen_host, server->listen_port, &hints,
                             &found);

  if (r == 0)
    return found;
  warnx ("listen: %s: %s", server->listen_host, gai_strerror (r));
  return NULL;
}

static int
bind_tcp (const struct addrinfo *address)
{
  const int fd = socket (address->ai_family, SOCK_STREAM | SOCK_CLOEXEC |
                         SOCK_NONBLOCK, 0);
  const int on = 1;
  int saved_errno;

  if (fd == -1)
    return -1;
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address->ai_family == AF_INET6)
    setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind (fd, address->ai_addr, address->ai_addrlen) == 0 &&
      listen (fd, BACKLOG) == 0)
    return fd;
  saved_errno = errno;
  close (fd);
  errno = saved_errno;
  return -1;
}

/* A machine without IPv6 may still know a host by such an address. */
static bool
is_no_error (const struct addrinfo *address)
{
  return address->ai_family == AF_INET6 && address->ai_next &&
    (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
}

static int
open_tcp (struct listeners *listeners, const struct conf_server *server,
          const struct addrinfo *address)
{
  int fd;

  if (!may_listen (server, address->ai_addr)) {
    warnx ("listen: %s is not this machine itself", server->listen_host);
    return -1;
  }
  fd = bind_tcp (address);
  if (fd >= 0)
    return add (listeners, fd);
  if (is_no_error (address))
    return 0;
  warn ("listen: %s:%s", server->listen_host, server->listen_port);
  return -1;
}

static int
open_all_tcp (struct listeners *listeners, const struct conf_server *server)
{
  struct addrinfo *found = look_up (server), *address;
  int r = found ? 0 : -1;

  for (address = found; address && r == 0; address = address->ai_next)
    r = open_tcp (listeners, server, address);
  if (found)
    freeaddrinfo (found);
  return r;
}

unsigned
listeners_count (const struct conf_server *server)
{
  struct addrinfo *found, *address;
  unsigned nr = 0;

  if (server->listen_path)
    return 1;
  found = look_up (server);
  for (address = found; address; address = address->ai_next)
    nr++;
  if (found)
    freeaddrinfo (found);
  return nr;
}

int
listeners_open (struct listeners *listeners, const struct conf_server *server,
                struct handed *handed)
{
  *listeners = (struct listeners) { .nr = 0 };
  if (take_foreign (listeners, server, handed) == -1)
    return -1;
  listeners->is_ours = listeners->nr == 0;
  listeners->name = listeners->is_ours ?
    name_make (NAME_LISTENER, conf_server_text (server, CONF_SERVER_LISTEN)) :
    strdup ("handed");
  if (listeners->nr == 0)
    take_own (listeners, server, handed);
  if (listeners->nr > 0)
    return 0;
  return server->listen_path ? open_local (listeners, server->listen_path) :
    open_all_tcp (listeners, server);
}

int
listeners_set_mode (const struct listeners *listeners, mode_t mode)
{
  const char *path = listeners->local.address.sun_path;

  if (!listeners->is_ours || *path == '\0' || chmod (path, mode) == 0)
    return 0;
  warn ("%s", path);
  return -1;
}

void
listeners_close (struct listeners *listeners)
{
  if (listeners->is_ours && listeners->local.address.sun_path[0]) {
    unix_listener_close (&listeners->local);
    listeners->nr = 0;
  }
  while (listeners->is_ours && listeners->nr > 0)
    close (listeners->fds[--listeners->nr]);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* A Unix socket to listen on, for its owner only.
 *
 * One that a dead server left behind is replaced; one that is served, or a file
 * that is no socket, is left alone.
 */
#ifndef ZRAM_UNIX_LISTENER_H
#define ZRAM_UNIX_LISTENER_H

#include <sys/stat.h>
#include <sys/un.h>

struct unix_listener {
  int fd;                       /* non-blocking, closed by exec */
  struct sockaddr_un address;
  struct stat file;             /* what was bound */
};

/* what: the key that names the path, for messages.  No other thread runs yet,
 * since the umask is changed.  -1: errno, and a message was given. */
int unix_listener_open (struct unix_listener *listener, const char *what,
                        const char *path, int backlog);

/* Remove the file, but not one that another server put there since. */
void unix_listener_close (struct unix_listener *listener);

#endif

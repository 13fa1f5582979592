/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors that systemd handed over, or the keeper that was here before:
 * listening sockets, and what the keeper keeps, each with a name.
 */
#ifndef NBDZRAM_HANDED_H
#define NBDZRAM_HANDED_H

struct handed_fd {
  int fd;                       /* -1: somebody took it */
  char *name;                   /* "" if it has none */
};

struct handed {
  struct handed_fd *fds;
  unsigned nr;
  char *names;                  /* of all, as they came */
};

/* $LISTEN_FDS and its like, which are then gone from the environment; exec
 * closes them.  Exits if there is no memory. */
void handed_receive (struct handed *handed);

/* The one of that name, which is now the caller's; -1: none. */
int handed_take (struct handed *handed, const char *name);

/* What is left is closed. */
void handed_close (struct handed *handed);

/* Before exec: all of them to whoever is executed, while none was closed. */
void handed_pass_on (const struct handed *handed);

/* Name the nr descriptors from the first on that are handed over. */
void handed_announce (unsigned nr, const char *names);

#endif

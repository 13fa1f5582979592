/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors, of which the server finds some at fixed numbers. */
#ifndef NBDZRAM_DESCRIPTOR_H
#define NBDZRAM_DESCRIPTOR_H

#include <fcntl.h>
#include <unistd.h>

/* The same file at the first free number from first_fd on, closed on exec.  fd
 * is closed in any case.  -1: errno. */
static inline int
descriptor_move_up (int fd, int first_fd)
{
  const int moved = fcntl (fd, F_DUPFD_CLOEXEC, first_fd);

  close (fd);
  return moved;
}

/* A pipe whose ends are moved up.  flags: pipe2's.  -1: errno. */
static inline int
descriptor_pipe (int ends[2], int flags, int first_fd)
{
  if (pipe2 (ends, flags) == -1)
    return -1;
  ends[0] = descriptor_move_up (ends[0], first_fd);
  ends[1] = descriptor_move_up (ends[1], first_fd);
  return ends[0] == -1 || ends[1] == -1 ? -1 : 0;
}

/* What is in a pipe that does not block is forgotten. */
static inline void
descriptor_drain (int fd)
{
  char text[64];

  while (read (fd, text, sizeof text) > 0)
    ;
}

#endif

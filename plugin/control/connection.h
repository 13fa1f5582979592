/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection to the control socket: lines are read, answers written.
 *
 * A client that stops talking or listening is put out.  It has a minute for a
 * line, and for taking each piece of an answer, so a byte now and then does not
 * help.  When others wait to be let in it has two seconds, and if it got an
 * answer and asks no more it has to make room at once.
 */
#ifndef ZRAM_CONNECTION_H
#define ZRAM_CONNECTION_H

#include <stdatomic.h>

#include "export.h"

#define PATIENCE_MS 60000u
#define CROWDED_PATIENCE_MS 2000u
#define CROWDED_IDLE_PATIENCE_MS 100u

/* What all connections of a server share. */
struct connections {
  const struct exports *exports;
  int listener;                 /* readable: somebody waits to be let in */
  int stop;                     /* readable: the server stops */
  unsigned nr_max;
  unsigned nr_stores_max;       /* a store can take long; the others show */
  _Atomic unsigned nr;
  _Atomic unsigned nr_stores;
};

/* Serve a client to the end.  The descriptor does not block, and is the
 * caller's. */
void connection_serve (struct connections *connections, int fd);

#endif

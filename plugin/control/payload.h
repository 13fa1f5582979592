/* SPDX-License-Identifier: BSD-3-Clause */
/* A payload: what an attribute shows.
 *
 * Nearly all are a line or a few: they are printed into memory.  A table with a
 * line for each block of a disk is not: it says how long it will be, then it is
 * made piece by piece while the client reads it, so that looking at a disk of a
 * terabyte takes no gigabytes.
 */
#ifndef ZRAM_PAYLOAD_H
#define ZRAM_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A long table.  fill puts at least one line and at most capacity bytes into
 * the buffer and returns how many; never called behind the last byte. */
struct payload_table {
  void *opaque;
  uint64_t bytes;
  size_t (*fill) (void *opaque, char *buffer, size_t capacity);
  void (*destroy) (void *opaque);
};

struct payload {
  FILE *out;                    /* print here, or make a table */
  struct payload_table table;   /* fill NULL: none */
  uint64_t bytes;               /* in all; valid after payload_close */
  uint64_t next;                /* so many were given out */
  char *text;                   /* what was printed, or room for a piece */
  size_t text_bytes;
};

/* -1: ENOMEM. */
int payload_open (struct payload *payload);

/* Nothing more will be printed.  -1: ENOMEM, it can only be freed. */
int payload_close (struct payload *payload);

/* The next piece, valid until the next call; 0 bytes: that was all. */
size_t payload_next (struct payload *payload, const char **piece);

/* Any payload that was opened. */
void payload_free (struct payload *payload);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* What a server's requests allocate, seen from outside: allocations.c is loaded
 * before the server's libraries (LD_PRELOAD) and stands in front of malloc and
 * its kin, of the system's calls for memory, and of the plugin's
 * zram_debug_request.  Test and server share this struct in a file, whose path
 * is in the environment.
 */
#ifndef ZRAM_TESTS_ALLOCATIONS_H
#define ZRAM_TESTS_ALLOCATIONS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ALLOCATIONS_FILE "ZRAM_ALLOCATIONS_FILE"

struct allocations {
  /* Set by the test.  A thread that serves requests is warm when it once
   * allocated so much: nbdkit keeps the buffer of the longest request. */
  _Atomic uint64_t warm_bytes;
  /* From now on a warm thread that allocates, for a request or between two of
   * them, aborts the server. */
  _Atomic bool forbidden;

  _Atomic uint64_t nr_requests;
  _Atomic uint64_t nr_in_requests;      /* allocations, from the beginning */
  _Atomic uint64_t nr_committed_pages;  /* of the arena, in requests */
  _Atomic unsigned nr_warm_threads;     /* also those that are gone */
};

#endif

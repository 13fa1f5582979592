/* SPDX-License-Identifier: BSD-3-Clause */
/* What lets a server make progress when the machine's memory is gone, so that
 * the machine may swap on its disks: lock_memory=on.
 *
 * A request must neither allocate nor fault, since the memory for it could be
 * what its own disk is to make free:
 *   locked_memory   what is mapped stays in memory, and new stacks and buffers
 *                   are there before they are used
 *   reserve         memory of the arena is there before it is needed
 *   store_locked    memory that outlives the server is not swapped out while
 *                   none runs
 *   io_flusher      what the kernel allocates for a request's thread does not
 *                   wait for a disk (PR_SET_IO_FLUSHER)
 *   realtime        and may come from the kernel's own reserve (SCHED_FIFO)
 *   oom_score_adj   the server is not what is killed to make room
 *   small_stacks    so that all of them can be in memory
 *   next_server     another one stands by (standby.h), so that a death takes no
 *                   memory that would have to be made free
 * The second and third are each export's own, the others the process's.
 *
 * One that cannot be had is a message, never a failed start: swap may still
 * work, as it does for most who try, until the day when it does not.
 *
 * This promise is for reads, writes, trims and zeroes that succeed, over a
 * connection without TLS, once each of its threads has served a request as long
 * as its longest.  Block status, error messages, TLS and a client that comes or
 * goes allocate inside nbdkit; lz4hc does so inside the library from level 10
 * on; making room in a full device (policy/room.h) allocates in a thread of its
 * own, which the write waits for.
 */
#ifndef ZRAM_SAFEGUARD_H
#define ZRAM_SAFEGUARD_H

#include <stdbool.h>
#include <stddef.h>

enum safeguard_id {
  SAFEGUARD_LOCKED_MEMORY,
  SAFEGUARD_RESERVE,
  SAFEGUARD_STORE_LOCKED,
  SAFEGUARD_IO_FLUSHER,
  SAFEGUARD_REALTIME,
  SAFEGUARD_OOM_SCORE_ADJ,
  SAFEGUARD_SMALL_STACKS,
  SAFEGUARD_NEXT_SERVER,
  NR_SAFEGUARDS
};

enum safeguard_state {
  SAFEGUARD_OFF,                /* nobody asked for it */
  SAFEGUARD_NO,                 /* it could not be had */
  SAFEGUARD_YES,
};

#define SAFEGUARD_WHY_CHARS 128

/* A small stack, at most.  With blocks of 64 KiB a request takes up to 201 KiB
 * of it, with those of 4 KiB 22 (tests/unit/test-stack-depth.c). */
#define SAFEGUARD_STACK_BYTES ((size_t) 256 << 10)

struct safeguard {
  enum safeguard_state state;
  char why[SAFEGUARD_WHY_CHARS];        /* "": nothing to say */
};

/* As in the attribute. */
const char *safeguard_name (enum safeguard_id id);
const char *safeguard_state_name (enum safeguard_state state);

/* Before the devices are made, so that what they allocate is where it can be
 * kept present.  Without this call the others do nothing, and all are off. */
void safeguard_prepare (void);

/* In one that waits to serve (standby.h): what it has stays in memory, and it
 * goes on at once when it is told to.  What cannot be had is said later. */
void safeguard_stand_by (void);

/* In the process that serves, before it starts a thread: memory is locked.
 * What its parent gave it for requests it keeps, since until safeguard_take it
 * allocates, and must not wait for its own disk.  Threads in the background
 * give the priority up for themselves (store/background.h). */
void safeguard_begin (void);

/* After those threads were started; threads that this one starts from now on
 * are for requests.  A message for each that could not be had. */
void safeguard_take (void);

/* What holds now, as far as the kernel can be asked; one of the process's. */
void safeguard_look (enum safeguard_id id, struct safeguard *safeguard);

#endif

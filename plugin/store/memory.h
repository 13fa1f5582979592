/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of a device: of its own, which ends with it, or a store file.
 *
 * A store file is memory with a name (/dev/shm, or a descriptor that somebody
 * keeps open), so that a server which is killed loses nothing: the next one on
 * the same file finds table and objects as they were (adopt.h) and makes the
 * rest anew.  super.h draws what lies where.
 *
 * A file that is not a store, is damaged, truncated or of another version is
 * refused and not written to; one that another server uses is, too.
 */
#ifndef ZRAM_MEMORY_H
#define ZRAM_MEMORY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "super.h"

struct memory_params {
  const char *path;             /* of the store file; NULL: none */
  bool is_open;                 /* or it is this descriptor */
  int fd;
};

struct memory {
  int fd;                       /* -1: no file */
  char *path;                   /* for messages */
  bool is_new;                  /* nothing is in it yet */
  char *copies;                 /* of the superblock, as the file has them */

  pthread_mutex_t lock;         /* guards super; innermost */
  struct super super;
};

/* Open the file, if there is to be one.  A descriptor is taken over if this
 * succeeds.  -1: a message was given, errno is set, and the file is as it was.
 * All-zero parameters: memory without a file. */
int memory_open (struct memory *memory, const struct memory_params *params,
                 const char *device_name);
void memory_close (struct memory *memory);

static inline bool
memory_is_file (const struct memory *memory)
{
  return memory && memory->fd != -1;
}

/* A reservation, at this place of the file if there is one; memory may be NULL.
 * NULL: a message was given. */
void *memory_map (struct memory *memory, uint64_t place, size_t bytes);

/* Let the file have room for an arena of so many bytes, which is not less than
 * it has.  -1: a message was given, errno is set. */
int memory_make_room (struct memory *memory, uint64_t arena_bytes);

/* Change the superblock: all that is changed between these two is true at once
 * or not at all. */
struct super *memory_begin (struct memory *memory);
void memory_commit (struct memory *memory);

/* A dictionary that objects of this codec need.  Written before the superblock
 * names it.  -1: ENOMEM or EFBIG, a message was given. */
int memory_write_dict (struct memory *memory, unsigned codec, const void *dict,
                       size_t bytes);

/* The dictionary that the superblock names, which the caller frees; *dict NULL:
 * it names none.  -1: it is damaged or there is no memory, a message was
 * given. */
int memory_read_dict (struct memory *memory, unsigned codec, void **dict);

/* NULL: while no server has it mapped the file is not swapped out, to the very
 * disk that it is.  Else why it may be. */
const char *memory_why_swapped (const struct memory *memory);

/* Can the file system tell which pages hold something? */
bool memory_knows_holes (const struct memory *memory);

/* The next run of pages at or behind *from that hold something, before end, all
 * offsets in the file.  False: there is none.  Where a file system cannot tell,
 * all of it is one run. */
bool memory_next_run (const struct memory *memory, uint64_t *from,
                      uint64_t *run_end, uint64_t end);

#endif

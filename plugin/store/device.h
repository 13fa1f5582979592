/* SPDX-License-Identifier: BSD-3-Clause */
/* A device: one compressed disk.  Byte ranges come in here and go on as blocks.
 *
 * Lock order, outermost first.  A thread takes them in this order and holds at
 * most one of each kind:
 *   room lock      one thread at a time makes room in a full device (room.h)
 *   state lock     one pass over the whole device at a time: a compaction, a
 *                  recount, a change of what the device is; requests do not
 *                  take it
 *   open lock      clients come and go, or the device is reset
 *   block lock     a block's read-modify-write, its publish, and reads of its
 *                  object; striped over the block numbers
 *   share's lock   the block lock of a share (share.h), in a stripe of its own
 *   stream         a codec's working memory (stream.h)
 *   class lock     a size class's zspages (arena.h)
 *   pool lock      memory that is ready for requests (pool.h)
 *   span lock      which spans of the arena are free (arena.h)
 *   backing lock   the space of the backing file (backing.h)
 * Refill has a lock of its own and, outside the class lock, the arena's layout
 * lock, which whoever looks at zspages from outside takes, too; a resize takes
 * it behind the state lock.  Requests take neither.  Whoever waits for refill
 * holds no lock.
 * A table page's use count is not a lock but behaves as one for the length of
 * one system call (table.c); nothing is locked meanwhile.
 *
 * So a block is always read whole and never torn, and two writes to different
 * bytes of one block both survive.  A request over several blocks is not atomic
 * as a whole, as on any disk.
 */
#ifndef ZRAM_DEVICE_H
#define ZRAM_DEVICE_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "backing.h"
#include "budget.h"
#include "codec_set.h"
#include "dedup.h"
#include "memory.h"
#include "share.h"
#include "stats.h"
#include "table.h"

/* A block number has 32 bits where an object notes its owner. */
#define NR_BLOCKS_MAX NR_SLOTS_MAX

/* The kernel's default: how many writes to the backing file are in flight. */
#define WRITEBACK_BATCH_SIZE 32u

struct block_lock {
  pthread_mutex_t lock;
  bool quiesced;                /* guarded by lock */
  pthread_cond_t resumed;       /* quiesced is false again */
  struct stats stats;           /* of the blocks it guards */
} __attribute__ ((aligned (64)));

struct device {
  char *name;                   /* for messages */
  _Atomic uint64_t size_bytes;  /* changes while the device is quiesced */
  _Atomic uint64_t nr_blocks;   /* the last one may reach beyond size_bytes */
  uint32_t block_bytes;
  uint32_t block_shift;
  uint32_t packed_bytes_max;    /* a longer result is stored as it is: HUGE */

  struct memory memory;
  bool was_adopted;             /* its content is a store file's */
  struct budget budget;
  uint64_t fixed_bytes;         /* of the budget: held even when empty */
  struct table table;
  struct arena arena;
  struct codec_set codecs;
  struct shares shares;
  struct dedup dedup;           /* changes while the device is quiesced */
  struct backing *backing;      /* NULL: none */
  pthread_mutex_t facts_lock;   /* for those who hold no block lock and only ask
                                 * about codecs and backing; innermost */

  struct block_lock block_locks[NR_LOCKS];

  pthread_mutex_t room_lock;
  uint64_t room_failed_s;       /* when none could be made; guarded by it */
  pthread_mutex_t state_lock;
  _Atomic unsigned nr_waiting;  /* for the state lock */
  _Atomic bool stopping;        /* the server ends: so does each pass */
  pthread_mutex_t open_lock;
  unsigned nr_open;             /* connections; guarded by open_lock */
  _Atomic uint64_t pages_compacted;

  /* How far the pass under the state lock has come; total 0: none is. */
  struct {
    _Atomic uint64_t done, total;
  } progress;

  /* What policy/ tells requests.  A write that does not fit calls make_room
   * with no lock held; true: try again. */
  bool (*make_room) (struct device *device, void *opaque);      /* or NULL */
  void *make_room_opaque;
  _Atomic bool reject_incompressible;

  /* Attributes that writeback obeys. */
  _Atomic uint64_t writeback_limit_pages;
  _Atomic bool writeback_limit_enable;
  _Atomic uint32_t writeback_batch_size;
};

struct device_params {
  const char *name;
  uint64_t size_bytes;          /* at least 1 */
  uint32_t block_bytes;         /* a power of two, 4096..65536 */
  const struct codec_ops *algorithm;
  const struct codec_params *codec_params;      /* NULL: defaults */
  uint64_t mem_limit_bytes;     /* 0: none */
  struct memory_params memory;  /* a store file; all-zero: none.  Once it is
                                 * recognised the descriptor is not the
                                 * caller's any more, whatever follows */
  const struct backing_params *backing; /* how to open a backing file that
                                 * blocks in the store file need; its path is
                                 * known there */
  uint64_t reserve_bytes;       /* kept ready for requests (pool.h); 0: none */
};

/* A store file that holds a device wins over everything in params but the block
 * size, which has to be the same; was_adopted is true then.  NULL: a message
 * was given.  The caller owns the device. */
struct device *device_create (const struct device_params *params);

/* Start the threads that the device itself has, after the fork; stop them
 * before it is destroyed.  -1: a message was given.  The stop may be called
 * without start. */
int device_start (struct device *device);
void device_stop (struct device *device);

/* No request is in flight. */
void device_destroy (struct device *device);

/* One connection more, one less.  A device of size 0 (after a reset) cannot be
 * opened: ENODEV, a message was given. */
int device_open (struct device *device);
void device_close (struct device *device);
unsigned device_count_connections (struct device *device);

/* -1: errno as in block.h; blocks before the failed one are done, that one and
 * those behind it are as they were.  A range that reaches behind the end, which
 * a client can ask for after the disk shrank, fails as a whole: EINVAL for a
 * read, ENOSPC for the others. */
int device_read (struct device *device, void *data, uint64_t bytes,
                 uint64_t offset);
int device_write (struct device *device, const void *data, uint64_t bytes,
                  uint64_t offset);

/* Zeroes; with may_trim as holes. */
int device_zero (struct device *device, uint64_t bytes, uint64_t offset,
                 bool may_trim);

/* Free the whole blocks of the range.  Parts of blocks at its ends keep their
 * content: trimming is advice. */
int device_trim (struct device *device, uint64_t bytes, uint64_t offset);

enum extent_kind { EXTENT_DATA, EXTENT_ZERO, EXTENT_HOLE };

/* Bring what is backed into memory.  -1: errno as in block.h. */
int device_cache (struct device *device, uint64_t bytes, uint64_t offset);

/* Called for each run of blocks of one kind, in order, without gaps; not 0
 * stops.  The last run may be followed by one of the same kind. */
typedef int extent_visitor (void *opaque, uint64_t offset, uint64_t bytes,
                            enum extent_kind kind);

/* Visit the range, no byte outside it, without decompressing.  Returns what the
 * visitor returned last, or -1. */
int device_extents (struct device *device, uint64_t bytes, uint64_t offset,
                    extent_visitor *visit, void *opaque);

/* The sums of all counters. */
void device_get_stats (struct device *device, struct stats_snapshot *sum);

/* For block.c, live.c and policy/. */
static inline bool
device_is_share (const struct device *device, uint64_t block)
{
  return block >= atomic_load_explicit (&device->table.first_share,
                                        memory_order_relaxed);
}

static inline struct block_lock *
device_block_lock (struct device *device, uint64_t block)
{
  return &device->block_locks[table_stripe (&device->table, block)];
}

/* Does this thread hold still all others?  Then no lock waits for it. */
extern _Thread_local bool device_quiescing;

static inline void
device_lock_block (struct device *device, uint64_t block)
{
  struct block_lock *lock = device_block_lock (device, block);

  pthread_mutex_lock (&lock->lock);
  while (__builtin_expect (lock->quiesced, false) && !device_quiescing)
    pthread_cond_wait (&lock->resumed, &lock->lock);
}

static inline void
device_unlock_block (struct device *device, uint64_t block)
{
  pthread_mutex_unlock (&device_block_lock (device, block)->lock);
}

/* A block's bytes on the caller's stack, which includes <alloca.h>: at most
 * BLOCK_BYTES_MAX, but with small blocks requests get along with small stacks,
 * which can be locked in memory. */
#define device_block_buffer(device) alloca ((device)->block_bytes)

/* The state lock. */
static inline void
device_lock (struct device *device)
{
  atomic_fetch_add (&device->nr_waiting, 1);
  pthread_mutex_lock (&device->state_lock);
  atomic_fetch_sub (&device->nr_waiting, 1);
}

/* Keeps errno, for whoever returns what a pass said. */
static inline void
device_unlock (struct device *device)
{
  const int saved_errno = errno;

  pthread_mutex_unlock (&device->state_lock);
  errno = saved_errno;
}

static inline struct stats *
device_stats (struct device *device, uint64_t block)
{
  return &device_block_lock (device, block)->stats;
}

/* For passes over the device: the first block from this one on whose slot may
 * not be empty, shares behind the others.  UINT64_MAX: there is none. */
uint64_t device_next_block (struct device *device, uint64_t block);

/* How many blocks a disk of this size has.  -1: more than there can be, errno
 * is EFBIG and a message was given. */
int device_count_blocks (const struct device *device, uint64_t size_bytes,
                         uint64_t *nr_blocks);

/* Wait until no request holds a block, and keep blocks locked for everybody
 * until the end.  Under the state lock; no lock is held in between, so whoever
 * quiesces may look at everything.  Reads of empty and same-filled blocks take
 * no lock and go on.  The end keeps errno. */
void device_quiesce_begin (struct device *device);
void device_quiesce_end (struct device *device);

#endif

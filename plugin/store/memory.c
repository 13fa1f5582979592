/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of a device; see memory.h. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "checksum.h"
#include "crash.h"
#include "memory.h"
#include "pages.h"
#include "report.h"

static int
complain (const struct memory *memory, const char *what, int errnum)
{
  report_error ("%s: %s%s%s", memory->path, what, errnum ? ": " : "",
                errnum ? strerror (errnum) : "");
  errno = errnum ? errnum : EUCLEAN;
  return -1;
}

/* Opening. */

static int
open_file (struct memory *memory, const struct memory_params *params)
{
  if (params->is_open) {
    memory->fd = params->fd;
    fcntl (memory->fd, F_SETFD, FD_CLOEXEC);
    return 0;
  }
  memory->fd = open (params->path, O_RDWR|O_CREAT|O_CLOEXEC|O_NOCTTY|O_NONBLOCK,
                     0600);
  return memory->fd == -1 ? complain (memory, "cannot open the store", errno) :
    0;
}

static int
lock_file (struct memory *memory, struct stat *st)
{
  if (fstat (memory->fd, st) == -1)
    return complain (memory, "cannot look at the store", errno);
  if (!S_ISREG (st->st_mode))
    return complain (memory, "a store has to be a regular file", 0);
  if (flock (memory->fd, LOCK_EX|LOCK_NB) == 0)
    return 0;
  if (errno == EWOULDBLOCK)
    return complain (memory, "another server uses this store", EBUSY);
  return complain (memory, "cannot lock the store", errno);
}

static bool
read_copy (const struct memory *memory, unsigned copy, struct super *super)
{
  memset (super, 0, sizeof *super);
  return pread (memory->fd, super, sizeof *super, copy * SUPER_COPY_BYTES) ==
    (ssize_t) sizeof *super;
}

bool
memory_next_run (const struct memory *memory, uint64_t *from,
                 uint64_t *run_end, uint64_t end)
{
  off_t at = lseek (memory->fd, *from, SEEK_DATA);

  if (at == -1 && errno != ENXIO)       /* it cannot tell */
    at = *from;
  if (at == -1 || (uint64_t) at >= end)
    return false;
  *from = at;
  at = lseek (memory->fd, at, SEEK_HOLE);
  *run_end = at == -1 || (uint64_t) at > end ? end : (uint64_t) at;
  return *from < *run_end;
}

/* A segment of System V's shared memory is a file that has no other name; who
 * makes a store of one locks it (server/stores.h).  Of tmpfs's files nothing
 * tells but the mount's options, which only new kernels have. */
const char *
memory_why_swapped (const struct memory *memory)
{
  char link[32], name[64] = "";
  struct statfs fs;

  snprintf (link, sizeof link, "/proc/self/fd/%d", memory->fd);
  if (fstatfs (memory->fd, &fs) == -1 ||
      readlink (link, name, sizeof name - 1) == -1)
    return "nobody knows where it is";
  if (strncmp (name, "/SYSV", 5) == 0 || fs.f_type == RAMFS_MAGIC)
    return NULL;
  if (strncmp (name, "/memfd:", 7) == 0)
    return "the keeper could not lock it, it needs CAP_IPC_LOCK and "
      "CAP_CHECKPOINT_RESTORE";
  return fs.f_type == TMPFS_MAGIC ?
    "a file in tmpfs can be swapped out while no server runs" :
    "a file on a disk is written to it";
}

/* There is always one, before the arena. */
bool
memory_knows_holes (const struct memory *memory)
{
  const off_t hole = lseek (memory->fd, 0, SEEK_HOLE);

  return hole != -1 && (uint64_t) hole < SUPER_AT_ARENA;
}

/* A file of zeroes is as good as none; and a server that died while it made the
 * file left one of full length with no valid superblock, and no slot.  What
 * begins like something else was somebody's. */
static bool
is_unfinished (const struct memory *memory, uint64_t file_bytes)
{
  uint64_t from = SUPER_AT_HASHES, run_end;
  char start[PAGE_BYTES] = "";

  if (pread (memory->fd, start, sizeof start, 0) <= 0 ||
      memory_next_run (memory, &from, &run_end, INT64_MAX))
    return false;
  return (super_is_ours (start) && file_bytes >= SUPER_AT_ARENA) ||
    (start[0] == '\0' && memcmp (start, start + 1, sizeof start - 1) == 0);
}

/* The better copy, or what is wrong with the first one. */
static const char *
choose_copy (struct memory *memory)
{
  struct super *super = &memory->super, other;
  const char *wrong, *wrong_other;

  read_copy (memory, 0, super);
  wrong = super_check (super);
  read_copy (memory, 1, &other);
  wrong_other = super_check (&other);
  if (!wrong_other && (wrong || other.sequence > super->sequence))
    *super = other;
  return wrong_other ? wrong : NULL;
}

/* The file has room for an arena of so many bytes; it is never made shorter. */
static int
make_room (const struct memory *memory, uint64_t arena_bytes)
{
  struct stat st;

  if (fstat (memory->fd, &st) == 0 &&
      ((uint64_t) st.st_size >= SUPER_AT_ARENA + arena_bytes ||
       ftruncate (memory->fd, SUPER_AT_ARENA + arena_bytes) == 0))
    return 0;
  return complain (memory, "cannot make the store that large", errno);
}

static int
begin_file (struct memory *memory)
{
  memory->is_new = true;
  memset (&memory->super, 0, sizeof memory->super);
  return make_room (memory, 0);
}

static int
recognise (struct memory *memory, uint64_t file_bytes)
{
  const char *wrong = choose_copy (memory);

  if (wrong && is_unfinished (memory, file_bytes))
    return begin_file (memory);
  if (wrong)
    return complain (memory, wrong, 0);
  if (file_bytes < SUPER_AT_ARENA + memory->super.arena_bytes)
    return complain (memory, "it is truncated", 0);
  return 0;
}

static int
open_and_recognise (struct memory *memory, const struct memory_params *params)
{
  struct stat st;

  if (open_file (memory, params) == -1 || lock_file (memory, &st) == -1)
    return -1;
  if (st.st_size == 0 ? begin_file (memory) == -1 :
      recognise (memory, st.st_size) == -1)
    return -1;
  memory->copies = pages_map (memory->fd, 0, SUPER_AT_INTENTS);
  if (!memory->copies)
    return -1;
  if (pages_commit (memory->copies, SUPER_AT_INTENTS) == 0)
    return 0;
  return complain (memory, "no memory for the superblock", errno);
}

static char *
name_of (const struct memory_params *params, const char *device_name)
{
  char *name;

  if (params->path)
    return strdup (params->path);
  return asprintf (&name, "%s: the store that was handed over",
                   device_name) == -1 ? NULL : name;
}

int
memory_open (struct memory *memory, const struct memory_params *params,
             const char *device_name)
{
  memset (memory, 0, sizeof *memory);
  memory->fd = -1;
  pthread_mutex_init (&memory->lock, NULL);
  if (!params->path && !params->is_open)
    return 0;
#ifndef HAVE_XXHASH
  report_error ("%s: store files are not compiled in (xxhash)", device_name);
  errno = ENOTSUP;
  return -1;
#endif
  memory->path = name_of (params, device_name);
  if (memory->path && open_and_recognise (memory, params) == 0)
    return 0;
  if (params->is_open)
    memory->fd = -1;            /* still the caller's */
  memory_close (memory);
  return -1;
}

void
memory_close (struct memory *memory)
{
  const int saved_errno = errno;

  pages_unreserve (memory->copies, SUPER_AT_INTENTS);
  if (memory->fd != -1)
    close (memory->fd);
  memory->fd = -1;
  free (memory->path);
  pthread_mutex_destroy (&memory->lock);
  errno = saved_errno;
}

/* Parts. */

void *
memory_map (struct memory *memory, uint64_t place, size_t bytes)
{
  return memory_is_file (memory) ? pages_map (memory->fd, place, bytes) :
    pages_reserve (bytes);
}

int
memory_make_room (struct memory *memory, uint64_t arena_bytes)
{
  return memory_is_file (memory) ? make_room (memory, arena_bytes) : 0;
}

/* The superblock. */

struct super *
memory_begin (struct memory *memory)
{
  pthread_mutex_lock (&memory->lock);
  return &memory->super;
}

static void
write_copy (const struct memory *memory, unsigned i)
{
  const char *super = (const char *) &memory->super;
  const size_t bytes = sizeof memory->super, half = bytes / 2;
  char *copy = memory->copies + i * SUPER_COPY_BYTES;

  memcpy (copy, super, half);
  crash_point ("super-half");
  memcpy (copy + half, super + half, bytes - half);
  crash_point ("super");
}

/* One after the other, so that one is valid at each instant. */
void
memory_commit (struct memory *memory)
{
  if (memory_is_file (memory)) {
    memory->super.sequence++;
    super_seal (&memory->super);
    for (unsigned i = 0; i < SUPER_COPIES; i++)
      write_copy (memory, i);
  }
  pthread_mutex_unlock (&memory->lock);
}

/* Dictionaries. */

static uint64_t
dict_place (unsigned codec)
{
  return SUPER_AT_DICTS + codec * SUPER_DICT_BYTES_MAX;
}

int
memory_write_dict (struct memory *memory, unsigned codec, const void *dict,
                   size_t bytes)
{
  if (!memory_is_file (memory) || bytes == 0)
    return 0;
  if (bytes > SUPER_DICT_BYTES_MAX)
    return complain (memory, "the dictionary is too large for it", EFBIG);
  if (pwrite (memory->fd, dict, bytes, dict_place (codec)) == (ssize_t) bytes)
    return 0;
  return complain (memory, "no memory for the dictionary", ENOMEM);
}

int
memory_read_dict (struct memory *memory, unsigned codec, void **dict)
{
  const struct super_codec *noted = &memory->super.codecs[codec];

  *dict = NULL;
  if (noted->dict_bytes == 0)
    return 0;
  *dict = malloc (noted->dict_bytes);
  if (!*dict)
    return complain (memory, "a dictionary", errno);
  if (pread (memory->fd, *dict, noted->dict_bytes, dict_place (codec)) ==
      (ssize_t) noted->dict_bytes &&
      checksum_of_bytes (*dict, noted->dict_bytes, 0) == noted->dict_checksum)
    return 0;
  free (*dict);
  *dict = NULL;
  return complain (memory, "a dictionary that objects need is damaged", 0);
}

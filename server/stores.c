/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of the disks; see stores.h. */
#include <config.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../plugin/control/units.h"
#include "arguments.h"
#include "stores.h"
#include "names.h"
#include "notify.h"

/* Locked segments.  Memory is locked with the segment for as long as anybody
 * has it attached; what is attached here stays so until we are gone. */

/* The file behind what is attached, which can grow, have holes punched and be
 * mapped as any in memory. */
static int
open_attached (const void *attached)
{
  char path[64];
  const uintptr_t start = (uintptr_t) attached;

  snprintf (path, sizeof path, "/proc/self/map_files/%lx-%lx", (long) start,
            (long) start + sysconf (_SC_PAGESIZE));
  return open (path, O_RDWR | O_CLOEXEC);
}

/* Attached, and gone with the last who has it so. */
static void *
attach (int segment)
{
  void *attached = shmat (segment, NULL, 0);

  return attached == (void *) -1 ? NULL : attached;
}

/* The kernel charges for a locked segment what it is long, and gives back what
 * it is long in the end, so it must not grow: it is as long as any store can
 * be.  Where nothing is written it costs nothing. */
#define SEGMENT_BYTES ((off_t) 64 << 40)

/* -1: it cannot be had. */
static int
open_segment (int *segment)
{
  void *attached;
  int fd = -1;

  *segment = shmget (IPC_PRIVATE, sysconf (_SC_PAGESIZE),
                     0600 | SHM_NORESERVE);
  if (*segment == -1)
    return -1;
  attached = attach (*segment);
  fd = attached ? open_attached (attached) : -1;
  if (fd != -1 && (ftruncate (fd, SEGMENT_BYTES) == -1 ||
                   shmctl (*segment, SHM_LOCK, NULL) == -1)) {
    close (fd);
    fd = -1;
  }
  shmctl (*segment, IPC_RMID, NULL);
  if (fd == -1 && attached)
    shmdt (attached);
  if (fd == -1)
    *segment = -1;
  return fd;
}

/* Holding over. */

#define SEGMENTS_VARIABLE "NBDZRAM_SEGMENTS"
#define HOLDER_VARIABLE "NBDZRAM_HOLDER"
#define SEGMENT_CHARS 12

/* Waits until nobody has the other end, which the next keeper closes. */
static void
hold (int fd)
{
  sigset_t all;
  char byte;

  sigfillset (&all);
  sigprocmask (SIG_SETMASK, &all, NULL);
  if (dup2 (fd, 0) == -1 || close_range (1, ~0U, 0) == -1)
    _exit (1);
  while (read (0, &byte, 1) == -1 && errno == EINTR)
    ;
  _exit (0);
}

static void
start_holder (int first_fd)
{
  char text[16];
  int ends[2];

  if (pipe2 (ends, O_CLOEXEC) == -1)
    return;
  snprintf (text, sizeof text, "%d", fcntl (ends[1], F_DUPFD, first_fd));
  if (fork () == 0)
    hold (ends[0]);
  close (ends[0]);
  close (ends[1]);
  setenv (HOLDER_VARIABLE, text, 1);
}

void
stores_hold_over (const struct stores *memory, int first_fd)
{
  char *text = calloc (memory->nr_all + 1, SEGMENT_CHARS), *end = text;
  bool any = false;

  if (!text)
    return;
  for (unsigned i = 0; i < memory->nr_all; i++) {
    any |= memory->stores[i].segment != -1;
    end += sprintf (end, "%s%d", i ? ":" : "", memory->stores[i].segment);
  }
  if (any) {
    setenv (SEGMENTS_VARIABLE, text, 1);
    start_holder (first_fd);
  }
  free (text);
}

/* A segment's file has the segment's number.  As large as it is by now it would
 * be attached as a whole: a page is enough. */
static bool
adopt (struct held_store *store, int segment)
{
  const long page = sysconf (_SC_PAGESIZE);
  struct stat file;
  char *attached;

  if (fstat (store->fd, &file) == -1 || file.st_ino != (ino_t) segment)
    return false;
  attached = attach (segment);
  if (attached && file.st_size > page)
    munmap (attached + page, file.st_size - page);
  store->segment = attached ? segment : -1;
  return true;
}

static void
adopt_segment (struct stores *memory, int segment)
{
  for (unsigned i = 0; i < memory->nr_all; i++)
    if (adopt (&memory->stores[i], segment))
      return;
}

static void
adopt_segments (struct stores *memory)
{
  char *segments = getenv (SEGMENTS_VARIABLE), *segment;
  const char *holder = getenv (HOLDER_VARIABLE);
  int number;

  while (segments && (segment = strsep (&segments, ":")))
    if (units_parse_int (segment, &number) && number != -1)
      adopt_segment (memory, number);
  if (holder && units_parse_int (holder, &number))
    close (number);
  unsetenv (SEGMENTS_VARIABLE);
  unsetenv (HOLDER_VARIABLE);
}

/* Stores. */

static int
open_anonymous (struct held_store *store, const char *export)
{
  int fd;

  store->is_anonymous = true;
  fd = open_segment (&store->segment);
  if (fd == -1)
    fd = memfd_create (export, MFD_CLOEXEC);
  if (fd == -1)
    warn ("%s: memory", export);
  return fd;
}

/* What is in it is the server's to judge. */
static int
open_file (const char *path)
{
  const int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY |
                       O_NONBLOCK, 0600);
  struct stat file;

  if (fd != -1 && fstat (fd, &file) == 0 && S_ISREG (file.st_mode))
    return fd;
  if (fd == -1)
    warn ("store: %s", path);
  else
    warnx ("store: %s: not a file", path);
  return -1;
}

static int
open_store (struct held_store *store, const struct conf_export *export,
            struct handed *handed)
{
  *store = (struct held_store) {
    .name = name_make (NAME_STORE, export->name), .segment = -1,
  };
  if (export->store_path)
    store->fd = open_file (export->store_path);
  else {
    store->is_anonymous = true;
    store->fd = handed_take (handed, store->name);
    store->was_handed = store->fd != -1;
    if (!store->was_handed)
      store->fd = open_anonymous (store, export->name);
  }
  return store->fd == -1 ? -1 : 0;
}

/* Handed over twice: by the service manager, and by the keeper before. */
static bool
is_known (const struct stores *memory, int fd)
{
  struct stat file, known;

  if (fstat (fd, &file) == -1)
    return false;
  for (unsigned i = 0; i < memory->nr_all; i++)
    if (fstat (memory->stores[i].fd, &known) == 0 &&
        known.st_dev == file.st_dev && known.st_ino == file.st_ino)
      return true;
  return false;
}

/* Its export is gone from the ini file, or has a path now. */
static void
take_rest (struct stores *memory, struct handed_fd *handed, bool may_forget)
{
  char *export = name_read (NAME_STORE, handed->name);

  if (!export || handed->fd == -1 || is_known (memory, handed->fd))
    ;
  else if (may_forget)
    notify ("FDSTOREREMOVE=1\nFDNAME=%s\n", handed->name);
  else {
    warnx ("the memory of '%s' is held, but no export is there for it",
           export);
    memory->stores[memory->nr_all++] = (struct held_store) {
      .name = strdup (handed->name), .fd = handed->fd, .segment = -1,
      .is_anonymous = true,
    };
    handed->fd = -1;
  }
  free (export);
}

int
stores_open (struct stores *memory, const struct conf *conf,
             struct handed *handed, bool may_forget)
{
  memory->stores = calloc (conf->nr_exports + handed->nr,
                           sizeof *memory->stores);
  if (!memory->stores)
    err (STATUS_FAILED, "memory");
  for (memory->nr = 0; memory->nr < conf->nr_exports; memory->nr++)
    if (open_store (&memory->stores[memory->nr],
                    &conf->exports[memory->nr], handed) == -1)
      return -1;
  memory->nr_all = memory->nr;
  for (unsigned i = 0; i < memory->nr; i++)
    memory->was_handed |= memory->stores[i].was_handed;
  for (unsigned i = 0; i < handed->nr; i++)
    take_rest (memory, &handed->fds[i], may_forget);
  adopt_segments (memory);
  return 0;
}

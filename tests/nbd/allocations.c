/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts what requests allocate; see allocations.h. */
#include <config.h>

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "allocations.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define EXPORTED __attribute__ ((visibility ("default")))

/* glibc's own, for those who stand in front of them. */
void *__libc_malloc (size_t bytes);
void *__libc_calloc (size_t nr, size_t bytes);
void *__libc_realloc (void *old, size_t bytes);
void *__libc_memalign (size_t alignment, size_t bytes);
void __libc_free (void *memory);

/* The plugin's, which calls this one. */
void zram_debug_request (bool begins);

static struct allocations nothing_shared;
static struct allocations *shared = &nothing_shared;

static _Thread_local struct {
  bool in_request, has_buffer, is_warm;
} me __attribute__ ((tls_model ("initial-exec")));

static void
say (const char *text)
{
  size_t chars = 0;

  while (text[chars])
    chars++;
  if (write (2, text, chars) == -1)
    _exit (1);
}

static void
complain (const char *what)
{
  void *calls[32];

  atomic_store (&shared->forbidden, false);
  say ("allocations: ");
  say (what);
  say (me.in_request ? " in a request:\n" : " between two requests:\n");
  backtrace_symbols_fd (calls, backtrace (calls, 32), 2);
  abort ();
}

static void
note (const char *what, size_t bytes)
{
  if (me.in_request)
    atomic_fetch_add (&shared->nr_in_requests, 1);
  if ((me.in_request || me.is_warm) && atomic_load (&shared->forbidden))
    complain (what);
  me.has_buffer |= shared->warm_bytes > 0 && bytes >= shared->warm_bytes;
}

EXPORTED void
zram_debug_request (bool begins)
{
  me.in_request = begins;
  if (begins)
    atomic_fetch_add (&shared->nr_requests, 1);
  if (me.has_buffer && !me.is_warm) {
    me.is_warm = true;
    atomic_fetch_add (&shared->nr_warm_threads, 1);
  }
}

EXPORTED void *
malloc (size_t bytes)
{
  note ("malloc", bytes);
  return __libc_malloc (bytes);
}

EXPORTED void *
calloc (size_t nr, size_t bytes)
{
  note ("calloc", nr * bytes);
  return __libc_calloc (nr, bytes);
}

EXPORTED void *
realloc (void *old, size_t bytes)
{
  note ("realloc", bytes);
  return __libc_realloc (old, bytes);
}

EXPORTED void *
aligned_alloc (size_t alignment, size_t bytes)
{
  note ("aligned_alloc", bytes);
  return __libc_memalign (alignment, bytes);
}

EXPORTED int
posix_memalign (void **memory, size_t alignment, size_t bytes)
{
  note ("posix_memalign", bytes);
  *memory = __libc_memalign (alignment, bytes);
  return *memory ? 0 : ENOMEM;
}

/* Something was allocated before. */
EXPORTED void
free (void *memory)
{
  if (memory)
    note ("free", 0);
  __libc_free (memory);
}

EXPORTED void *
mmap (void *start, size_t bytes, int protection, int flags, int fd,
      off_t offset)
{
  note ("mmap", bytes);
  return (void *) syscall (SYS_mmap, start, bytes, protection, flags, fd,
                           offset);
}

/* What the arena commits is no allocation but counted. */
EXPORTED int
madvise (void *start, size_t bytes, int advice)
{
  if (me.in_request && advice == MADV_POPULATE_WRITE)
    atomic_fetch_add (&shared->nr_committed_pages, bytes / 4096);
  return syscall (SYS_madvise, start, bytes, advice);
}

/* What backtrace allocates for itself it allocates here. */
__attribute__ ((constructor)) static void
share (void)
{
  const char *path = getenv (ALLOCATIONS_FILE);
  const int fd = path ? open (path, O_RDWR|O_CLOEXEC) : -1;
  void *mapped;
  void *calls[1];

  if (fd == -1)
    return;
  mapped = (void *) syscall (SYS_mmap, NULL, sizeof *shared,
                             PROT_READ|PROT_WRITE, MAP_SHARED, fd, 0);
  close (fd);
  backtrace (calls, 1);
  if (mapped != MAP_FAILED)
    shared = mapped;
}

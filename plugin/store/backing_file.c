/* SPDX-License-Identifier: BSD-3-Clause */
/* The file behind a backing; see backing_file.h. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backing.h"
#include "backing_file.h"
#include "pages.h"
#include "report.h"

/* Page 0.  The rest of it is zeroes. */
struct super {
  char magic[8];
  uint32_t version;
  uint32_t page_bytes;
  uint64_t nonce;               /* of the objects in it */
};

static const struct super our_super = {
  .magic = { 'N', 'B', 'D', 'Z', 'R', 'A', 'M', 'B' },
  .version = 1, .page_bytes = PAGE_BYTES,
};

#define SUPER_SAME_BYTES offsetof (struct super, nonce)

/* Injected faults. */

static struct {
  _Atomic (const char *) kind;
  _Atomic long left;
} fault;

__attribute__ ((visibility ("default"))) void
zram_debug_fail_backing (const char *kind, long after)
{
  atomic_store (&fault.left, after);
  atomic_store (&fault.kind, kind);
}

static bool
fails_by_order (const char *kind)
{
  const char *wanted = atomic_load_explicit (&fault.kind, memory_order_relaxed);

  return wanted && strcmp (wanted, kind) == 0 &&
    atomic_fetch_sub (&fault.left, 1) <= 0;
}

/* Opening. */

static int
complain (const struct backing_params *params, const char *what, int errnum)
{
  report_error ("%s: %s%s%s", params->path, what, errnum ? ": " : "",
                errnum ? strerror (errnum) : "");
  errno = errnum ? errnum : EINVAL;
  return -1;
}

static int
open_and_lock (const struct backing_params *params)
{
  const int flags = O_RDWR|O_CREAT|O_CLOEXEC|O_NOCTTY;
  int fd = open (params->path, flags|O_DIRECT, 0600);
  int errnum;

  if (fd == -1 && errno == EINVAL)
    fd = open (params->path, flags, 0600);
  if (fd == -1)
    return complain (params, "cannot open the backing file", errno);
  if (flock (fd, LOCK_EX|LOCK_NB) == 0)
    return fd;
  if (errno == EWOULDBLOCK)
    errno = EBUSY;
  errnum = errno;
  complain (params, errnum == EBUSY ? "another server uses this backing file" :
            "cannot lock the backing file", errnum);
  close (fd);
  errno = errnum;
  return -1;
}

static int
measure_device (const struct backing_params *params, int fd, uint64_t *bytes)
{
  if (ioctl (fd, BLKGETSIZE64, bytes) == -1)
    return complain (params, "cannot tell its size", errno);
  if (params->size_bytes != 0 && params->size_bytes < *bytes)
    *bytes = params->size_bytes;
  return 0;
}

static int
measure_file (const struct backing_params *params, int fd, uint64_t *bytes)
{
  if (params->size_bytes == 0) {
    if (*bytes == 0)
      return complain (params, "a new backing file needs backing_size", 0);
    return 0;
  }
  if (*bytes == 0 && fchmod (fd, 0600) == -1)   /* somebody else made it */
    return complain (params, "cannot hide it from others", errno);
  if (*bytes < params->size_bytes &&
      params->size_bytes / PAGE_BYTES >= 1 + EXTENT_PAGES &&
      ftruncate (fd, params->size_bytes) == -1)
    return complain (params, "cannot make it that large", errno);
  *bytes = params->size_bytes;
  return 0;
}

/* The page behind an fd that may want aligned buffers. */
static bool
read_super (int fd, void *page)
{
  return pread (fd, page, PAGE_BYTES, 0) == (ssize_t) PAGE_BYTES;
}

/* A regular file that has content must be ours. */
static int
check_whose (const struct backing_params *params, int fd, uint64_t bytes)
{
  _Alignas (4096) char page[PAGE_BYTES];

  if (bytes == 0 || (read_super (fd, page) &&
                     memcmp (page, &our_super, SUPER_SAME_BYTES) == 0))
    return 0;
  return complain (params, "this file has content that is not a backing "
                   "file's: remove it, or name another", 0);
}

static int
measure (const struct backing_params *params, int fd, uint64_t *bytes)
{
  struct stat st;

  if (fstat (fd, &st) == -1)
    return complain (params, "cannot tell its size", errno);
  if (S_ISBLK (st.st_mode))
    return measure_device (params, fd, bytes);
  if (!S_ISREG (st.st_mode))
    return complain (params, "neither a file nor a block device", 0);
  *bytes = st.st_size;
  if (check_whose (params, fd, *bytes) == -1)
    return -1;
  return measure_file (params, fd, bytes);
}

/* What objects are read with, since those that are there count. */
static int
keep_nonce (const struct backing_params *params, struct backing_file *file)
{
  _Alignas (4096) char page[PAGE_BYTES];
  struct super super;

  if (!read_super (file->fd, page))
    return complain (params, "cannot read it", errno);
  memcpy (&super, page, sizeof super);
  file->nonce = super.nonce;
  if (memcmp (&super, &our_super, SUPER_SAME_BYTES) == 0 &&
      super.nonce == params->nonce)
    return 0;
  return complain (params, "it is not the backing file that the store's blocks "
                   "lie in", 0);
}

static int
make_nonce (const struct backing_params *params, struct backing_file *file)
{
  do
    if (getrandom (&file->nonce, sizeof file->nonce, 0) !=
        (ssize_t) sizeof file->nonce)
      return complain (params, "no random number", errno);
  while (file->nonce == 0);
  return 0;
}

static int
write_super (const struct backing_params *params, struct backing_file *file)
{
  _Alignas (4096) char page[PAGE_BYTES] = { 0 };
  struct super super = our_super;

  super.nonce = file->nonce;
  memcpy (page, &super, sizeof super);
  if (pwrite (file->fd, page, sizeof page, 0) == (ssize_t) sizeof page)
    return 0;
  return complain (params, "cannot write to it", errno);
}

static int
init (struct backing_file *file, const struct backing_params *params)
{
  uint64_t bytes;

  if (measure (params, file->fd, &bytes) == -1)
    return -1;
  file->nr_pages = bytes / PAGE_BYTES;
  if (file->nr_pages < 1 + EXTENT_PAGES)
    return complain (params, "smaller than 132 KiB", 0);
  if (params->nonce != 0) {
    if (keep_nonce (params, file) == -1)
      return -1;
  }
  else if (make_nonce (params, file) == -1 || write_super (params, file) == -1)
    return -1;
  file->path = strdup (params->path);
  if (!file->path)
    return complain (params, "path", errno);
  if (!params->key)
    return 0;
  file->cipher = cipher_create (params->key);
  return file->cipher ? 0 : -1;
}

int
backing_file_open (struct backing_file *file,
                   const struct backing_params *params)
{
  int saved_errno;

  memset (file, 0, sizeof *file);
  file->fd = open_and_lock (params);
  if (file->fd == -1)
    return -1;
  if (init (file, params) == 0)
    return 0;
  saved_errno = errno;
  backing_file_close (file);
  errno = saved_errno;
  return -1;
}

void
backing_file_close (struct backing_file *file)
{
  cipher_destroy (file->cipher);
  free (file->path);
  close (file->fd);
}

/* Reading and writing. */

/* The system may do less than it was asked for; nothing at all is the end of
 * the file. */
static int
transfer (int fd, bool writes, char *data, size_t bytes, off_t offset)
{
  while (bytes > 0) {
    const ssize_t done = writes ? pwrite (fd, data, bytes, offset) :
      pread (fd, data, bytes, offset);

    if (done == -1 && errno == EINTR)
      continue;
    if (done <= 0) {
      errno = done == 0 ? EIO : errno;
      return -1;
    }
    data += done;
    offset += done;
    bytes -= done;
  }
  return 0;
}

static int
transfer_pages (int fd, bool writes, void *pages, size_t nr_pages,
                uint64_t number)
{
  return transfer (fd, writes, pages, nr_pages * PAGE_BYTES,
                   number * PAGE_BYTES);
}

int
backing_file_read (struct backing_file *file, void *pages, size_t nr_pages,
                   uint64_t number)
{
  if (fails_by_order ("read")) {
    errno = EIO;
    return -1;
  }
  if (transfer_pages (file->fd, false, pages, nr_pages, number) == -1)
    return -1;
  if (fails_by_order ("flip"))
    for (size_t i = 0; i < nr_pages * PAGE_BYTES; i += 16)
      ((char *) pages)[i] ^= 4;
  return file->cipher ?
    cipher_decrypt (file->cipher, pages, nr_pages, number) : 0;
}

static int
fail_write_by_order (struct backing_file *file, void *pages,
                     size_t nr_pages, uint64_t number)
{
  if (fails_by_order ("full")) {
    errno = ENOSPC;
    return -1;
  }
  if (fails_by_order ("short")) {
    transfer_pages (file->fd, true, pages, nr_pages / 2, number);
    errno = EIO;
    return -1;
  }
  errno = EIO;
  return fails_by_order ("write") ? -1 : 0;
}

int
backing_file_write (struct backing_file *file, void *pages, size_t nr_pages,
                    uint64_t number)
{
  if (file->cipher &&
      cipher_encrypt (file->cipher, pages, nr_pages, number) == -1)
    return -1;
  if (fail_write_by_order (file, pages, nr_pages, number) == -1)
    return -1;
  return transfer_pages (file->fd, true, pages, nr_pages, number);
}

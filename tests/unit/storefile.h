/* SPDX-License-Identifier: BSD-3-Clause */
/* A store file in memory, to be copied and damaged: its pages that hold
 * something.
 */
#ifndef ZRAM_TEST_STOREFILE_H
#define ZRAM_TEST_STOREFILE_H

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "pages.h"

struct storefile_page {
  uint64_t offset;
  uint8_t data[PAGE_BYTES];
};

struct storefile {
  struct storefile_page *pages; /* in order */
  size_t nr_pages;
  uint64_t bytes;               /* with its holes */
};

static inline void
storefile_take_page (struct storefile *file, int fd, uint64_t offset)
{
  file->pages = reallocarray (file->pages, file->nr_pages + 1,
                              sizeof *file->pages);
  check (file->pages);
  file->pages[file->nr_pages].offset = offset;
  check (pread (fd, file->pages[file->nr_pages++].data, PAGE_BYTES, offset) ==
         (ssize_t) PAGE_BYTES);
}

/* What there is in fd now. */
static inline void
storefile_take (struct storefile *file, int fd)
{
  struct stat st;
  off_t at = 0, end;

  check (fstat (fd, &st) == 0);
  file->bytes = st.st_size;
  while ((at = lseek (fd, at, SEEK_DATA)) != -1) {
    end = lseek (fd, at, SEEK_HOLE);
    for (; at < end; at += PAGE_BYTES)
      storefile_take_page (file, fd, at);
  }
}

/* The caller closes it. */
static inline int
storefile_copy (const struct storefile *file)
{
  const int fd = memfd_create ("store", MFD_CLOEXEC);

  check (fd != -1 && ftruncate (fd, file->bytes) == 0);
  for (size_t i = 0; i < file->nr_pages; i++)
    check (pwrite (fd, file->pages[i].data, PAGE_BYTES,
                   file->pages[i].offset) == (ssize_t) PAGE_BYTES);
  return fd;
}

/* Damage to a copy. */

static inline void
storefile_lose_page (int fd, const struct storefile_page *page)
{
  check (fallocate (fd, FALLOC_FL_PUNCH_HOLE|FALLOC_FL_KEEP_SIZE, page->offset,
                    PAGE_BYTES) == 0);
}

static inline void
storefile_put_page (int fd, const struct storefile_page *from,
                    const struct storefile_page *to)
{
  check (pwrite (fd, from->data, PAGE_BYTES, to->offset) ==
         (ssize_t) PAGE_BYTES);
}

#endif

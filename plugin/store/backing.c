/* SPDX-License-Identifier: BSD-3-Clause */
/* The backing file's space and objects; see backing.h.
 *
 * Each page has a count of the objects that touch it: at least 32 bytes each,
 * so not more than 129, and one for a writer that fills it.  So a byte is
 * enough, where a bitmap would not tell when the last object is gone.
 */
#include <config.h>

#include <alloca.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "backing.h"
#include "backing_file.h"
#include "checksum.h"
#include "pages.h"
#include "report.h"
#include "sizeclass.h"
#include "slot.h"

#define UNITS_IN_PAGE_SHIFT (PAGE_SHIFT - SLOT_PLACE_UNIT_SHIFT)

struct header {
  uint32_t block;
  uint32_t size_bytes;
  uint64_t checksum;            /* of the object and of what names it */
};

struct backing {
  struct backing_file file;
  _Atomic uint64_t reads, writes, failed_reads, failed_writes;

  pthread_mutex_t lock;         /* guards what follows */
  uint8_t *counts;              /* for each page; page 0 is taken for ever */
  uint64_t nr_free;
  uint64_t next;                /* where the search for free pages goes on */
};

/* Opening. */

static int
init (struct backing *backing, const struct backing_params *params)
{
#ifndef HAVE_XXHASH
  report_error ("backing files are not compiled in (xxhash)");
  errno = ENOTSUP;
  return -1;
#endif
  if (backing_file_open (&backing->file, params) == -1)
    return -1;
  if (backing->file.nr_pages >> (SLOT_PLACE_BITS - UNITS_IN_PAGE_SHIFT))
    backing->file.nr_pages =
      UINT64_C (1) << (SLOT_PLACE_BITS - UNITS_IN_PAGE_SHIFT);
  backing->counts = calloc (backing->file.nr_pages, 1);
  if (!backing->counts) {
    report_error ("%s: no memory for its book-keeping", params->path);
    backing_file_close (&backing->file);
    errno = ENOMEM;
    return -1;
  }
  backing->counts[0] = 1;
  backing->nr_free = backing->file.nr_pages - 1;
  backing->next = 1;
  pthread_mutex_init (&backing->lock, NULL);
  return 0;
}

struct backing *
backing_open (const struct backing_params *params)
{
  struct backing *backing = calloc (1, sizeof *backing);

  if (!backing) {
    report_error ("%s: %m", params->path);
    return NULL;
  }
  if (init (backing, params) == 0)
    return backing;
  free (backing);
  return NULL;
}

void
backing_close (struct backing *backing)
{
  pthread_mutex_destroy (&backing->lock);
  free (backing->counts);
  backing_file_close (&backing->file);
  free (backing);
}

const char *
backing_path (const struct backing *backing)
{
  return backing->file.path;
}

uint64_t
backing_nonce (const struct backing *backing)
{
  return backing->file.nonce;
}

size_t
backing_held_bytes (const struct backing *backing)
{
  return sizeof *backing + backing->file.nr_pages;
}

uint64_t
backing_nr_pages (const struct backing *backing)
{
  return backing->file.nr_pages;
}

void
backing_get_stats (struct backing *backing, struct backing_stats *stats)
{
  *stats = (struct backing_stats) {
    .reads = backing->reads, .writes = backing->writes,
    .failed_reads = backing->failed_reads,
    .failed_writes = backing->failed_writes,
    .size = backing->file.nr_pages,
  };
  pthread_mutex_lock (&backing->lock);
  stats->count = backing->file.nr_pages - 1 - backing->nr_free;
  pthread_mutex_unlock (&backing->lock);
}

/* Space. */

/* The first run of free pages from a page on; its length, at most max_pages. */
static unsigned
next_run (const struct backing *backing, uint64_t *page, unsigned max_pages)
{
  const uint64_t end = backing->file.nr_pages;
  const uint8_t *free_page =
    memchr (backing->counts + *page, 0, end - *page);
  unsigned nr = 0;

  *page = free_page ? (uint64_t) (free_page - backing->counts) : end;
  while (nr < max_pages && *page + nr < end && backing->counts[*page + nr] == 0)
    nr++;
  return nr;
}

/* The first run that is long enough, or the longest one, in part of the
 * file. */
static void
find_run (const struct backing *backing, uint64_t page, uint64_t end,
          unsigned max_pages, struct extent *best)
{
  while (page < end && best->nr_pages < max_pages) {
    const unsigned nr = next_run (backing, &page, max_pages);

    if (nr > best->nr_pages)
      *best = (struct extent) { .first_page = page, .nr_pages = nr };
    page += nr + 1;
  }
}

static void
hold_pages (struct backing *backing, uint64_t page, uint64_t end)
{
  for (; page < end; page++)
    if (backing->counts[page]++ == 0)
      backing->nr_free--;
}

static void
release_pages (struct backing *backing, uint64_t page, uint64_t end)
{
  for (; page < end; page++)
    if (--backing->counts[page] == 0)
      backing->nr_free++;
}

int
backing_take (struct backing *backing, unsigned min_pages, unsigned max_pages,
              struct extent *extent)
{
  int r = -1;

  extent->nr_pages = 0;
  pthread_mutex_lock (&backing->lock);
  if (backing->nr_free >= min_pages) {
    find_run (backing, backing->next, backing->file.nr_pages, max_pages,
              extent);
    find_run (backing, 1, backing->next, max_pages, extent);
  }
  if (extent->nr_pages >= min_pages) {
    backing->next = extent->first_page + extent->nr_pages;
    if (backing->next == backing->file.nr_pages)
      backing->next = 1;
    hold_pages (backing, extent->first_page,
                extent->first_page + extent->nr_pages);
    r = 0;
  }
  else
    extent->nr_pages = 0;
  pthread_mutex_unlock (&backing->lock);
  errno = ENOSPC;
  return r;
}

void
backing_give (struct backing *backing, const struct extent *extent)
{
  pthread_mutex_lock (&backing->lock);
  release_pages (backing, extent->first_page,
                 extent->first_page + extent->nr_pages);
  pthread_mutex_unlock (&backing->lock);
}

static uint64_t
first_page_of (uint64_t place)
{
  return place >> UNITS_IN_PAGE_SHIFT;
}

/* One behind the last. */
static uint64_t
end_page_of (uint64_t place, uint32_t size_bytes)
{
  const uint64_t last =
    place + (backing_room (size_bytes) >> SLOT_PLACE_UNIT_SHIFT) - 1;

  return (last >> UNITS_IN_PAGE_SHIFT) + 1;
}

bool
backing_has_room (const struct backing *backing, uint64_t place,
                  uint32_t size_bytes)
{
  return first_page_of (place) > 0 &&
    end_page_of (place, size_bytes) <= backing->file.nr_pages;
}

void
backing_hold (struct backing *backing, uint64_t place, uint32_t size_bytes)
{
  pthread_mutex_lock (&backing->lock);
  hold_pages (backing, first_page_of (place), end_page_of (place, size_bytes));
  pthread_mutex_unlock (&backing->lock);
}

void
backing_release (struct backing *backing, uint64_t place, uint32_t size_bytes)
{
  pthread_mutex_lock (&backing->lock);
  release_pages (backing, first_page_of (place),
                 end_page_of (place, size_bytes));
  pthread_mutex_unlock (&backing->lock);
}

/* Objects. */

/* The nonce keeps an object of an earlier life of the file from passing for one
 * of now. */
static uint64_t
checksum (const struct backing *backing, const struct backed_object *object,
          const void *data)
{
  const uint64_t name[] = {
    backing->file.nonce, object->place, object->block,
    (uint64_t) object->codec << 32 | object->size_bytes,
  };

  return checksum_of_bytes (data, object->size_bytes,
                            checksum_of_bytes (name, sizeof name, 0));
}

void
backing_seal (const struct backing *backing, const struct backed_object *object,
              void *header)
{
  uint8_t *data = (uint8_t *) header + sizeof (struct header);
  const size_t rest = backing_room (object->size_bytes) -
    sizeof (struct header) - object->size_bytes;
  const struct header sealed = {
    .block = object->block, .size_bytes = object->size_bytes,
    .checksum = checksum (backing, object, data),
  };

  memcpy (header, &sealed, sizeof sealed);
  memset (data + object->size_bytes, 0, rest);
}

int
backing_write (struct backing *backing, const struct extent *extent,
               void *pages)
{
  if (backing_file_write (&backing->file, pages, extent->nr_pages,
                          extent->first_page) == 0) {
    atomic_fetch_add (&backing->writes, extent->nr_pages);
    return 0;
  }
  atomic_fetch_add (&backing->failed_writes, 1);
  return -1;
}

static bool
is_object (const struct backing *backing, const struct backed_object *object,
           const uint8_t *at)
{
  struct header header;

  memcpy (&header, at, sizeof header);
  return header.block == object->block &&
    header.size_bytes == object->size_bytes &&
    header.checksum == checksum (backing, object, at + sizeof header);
}

/* The first page in a buffer that has one more than is needed. */
static uint8_t *
aligned_pages (uint8_t *buffer)
{
  return buffer + (-(uintptr_t) buffer & (PAGE_BYTES - 1));
}

/* On the stack, since a request allocates nothing: an object's pages and one to
 * align them in, 18 at the most and 3 with blocks of 4 KiB. */
static int
read_object (struct backing *backing, const struct backed_object *object,
             void *data)
{
  const uint64_t page = first_page_of (object->place);
  const uint64_t end = end_page_of (object->place, object->size_bytes);
  uint8_t *pages = aligned_pages (alloca ((end - page + 1) * PAGE_BYTES));
  const uint8_t *at = pages +
    (object->place << SLOT_PLACE_UNIT_SHIFT) % PAGE_BYTES;

  if (backing_file_read (&backing->file, pages, end - page, page) == -1)
    return -1;
  atomic_fetch_add (&backing->reads, end - page);
  if (is_object (backing, object, at)) {
    memcpy (data, at + sizeof (struct header), object->size_bytes);
    return 0;
  }
  errno = EBADMSG;
  return -1;
}

int
backing_read (struct backing *backing, const struct backed_object *object,
              void *data)
{
  if (read_object (backing, object, data) == 0)
    return 0;
  atomic_fetch_add (&backing->failed_reads, 1);
  return -1;
}

/* Checks. */

void
backing_count (uint8_t *counts, uint64_t place, uint32_t size_bytes)
{
  const uint64_t end = end_page_of (place, size_bytes);

  for (uint64_t page = first_page_of (place); page < end; page++)
    counts[page]++;
}

bool
backing_check (struct backing *backing, const uint8_t *counts)
{
  uint64_t nr_free = 0;

  for (uint64_t page = 1; page < backing->file.nr_pages; page++) {
    nr_free += counts[page] == 0;
    if (backing->counts[page] != counts[page]) {
      report_error ("%s: page %" PRIu64 ": %u objects counted, %u noted",
                    backing->file.path, page, counts[page],
                    backing->counts[page]);
      return false;
    }
  }
  return nr_free == backing->nr_free;
}

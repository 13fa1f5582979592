/* SPDX-License-Identifier: BSD-3-Clause */
/* The backing file: where blocks go that memory is too good for.
 *
 * Objects lie in it as they lay in memory, compressed, one behind the other in
 * units of 16 bytes, each with a header of 16 bytes: whose object it is and a
 * checksum over both, which every read checks.  They are written in extents of
 * up to EXTENT_PAGES pages, so that a device sees few and long writes
 * (OpenHarmony's Hyperhold does the same).  A page of the file is free again
 * when the last object in it is.
 *
 * What the file holds is memory of programs: it is created with mode 0600,
 * locked against a second server, and with a key each page is encrypted with
 * AES-XTS, its number being the tweak.
 *
 * Thread-safe.  Its lock is taken inside a block lock.
 */
#ifndef ZRAM_BACKING_H
#define ZRAM_BACKING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXTENT_PAGES 32u        /* 128 KiB */
#define BACKING_KEY_BYTES 64u   /* AES-256-XTS: two keys of 32 */

struct backing_params {
  const char *path;             /* a regular file or a block device */
  uint64_t size_bytes;          /* of a new file, or at most so much; 0: all */
  const void *key;              /* BACKING_KEY_BYTES; NULL: not encrypted */
  uint64_t nonce;               /* not 0: it has to be the file that this was
                                 * the nonce of, and what is in it counts */
};

struct backing;

/* In units of 4 KiB, as the kernel's bd_stat. */
struct backing_stats {
  uint64_t count;               /* pages that hold an object now */
  uint64_t reads, writes;       /* so far */
  uint64_t failed_reads, failed_writes;
  uint64_t size;
};

/* NULL: a message was given, errno is set: EBUSY if another server uses the
 * file.  A file that was there keeps its content until it is written to, but
 * without its nonce nothing in it is ever read again. */
struct backing *backing_open (const struct backing_params *params);

/* Nothing in it is used any more. */
void backing_close (struct backing *backing);

const char *backing_path (const struct backing *backing);
uint64_t backing_nonce (const struct backing *backing);
void backing_get_stats (struct backing *backing, struct backing_stats *stats);

/* The memory that it holds: its book-keeping. */
size_t backing_held_bytes (const struct backing *backing);

/* A run of pages that a writer has taken, to fill and write as one. */
struct extent {
  uint64_t first_page;
  unsigned nr_pages;
};

/* Take free pages in one run: max_pages or as many as there are, at least
 * min_pages.  -1: ENOSPC, and the extent has none. */
int backing_take (struct backing *backing, unsigned min_pages,
                  unsigned max_pages, struct extent *extent);

/* The writer is done with them.  Those that hold an object stay, the others are
 * free. */
void backing_give (struct backing *backing, const struct extent *extent);

/* How an object is named: what is checked when it is read. */
struct backed_object {
  uint64_t place;               /* in units of 16 bytes, of its header */
  uint32_t block;
  uint32_t size_bytes;
  unsigned codec;
};

/* The room that an object takes, with its header. */
static inline size_t
backing_room (uint32_t size_bytes)
{
  return (16 + (size_t) size_bytes + 15) / 16 * 16;
}

/* Write the header in front of the object: both lie in a buffer, of which
 * backing_room () bytes are theirs; the rest of these becomes zeroes. */
void backing_seal (const struct backing *backing,
                   const struct backed_object *object, void *header);

/* Write the extent, from a buffer aligned to a page, whose content is lost.
 * -1: errno as the file said it. */
int backing_write (struct backing *backing, const struct extent *extent,
                   void *pages);

/* A slot names the object from now on, or does no more. */
void backing_hold (struct backing *backing, uint64_t place,
                   uint32_t size_bytes);
void backing_release (struct backing *backing, uint64_t place,
                      uint32_t size_bytes);

/* Read the object alone into data, which has room for size_bytes.  -1: errno as
 * the file said it, or EBADMSG if what is there is not this object. */
int backing_read (struct backing *backing, const struct backed_object *object,
                  void *data);

/* Does the file reach so far? */
bool backing_has_room (const struct backing *backing, uint64_t place,
                       uint32_t size_bytes);

/* For checks, with no request in flight: counts has one number for each page,
 * how many objects touch it.  True if they are what is noted. */
bool backing_check (struct backing *backing, const uint8_t *counts);
uint64_t backing_nr_pages (const struct backing *backing);

/* Count an object there. */
void backing_count (uint8_t *counts, uint64_t place, uint32_t size_bytes);

#endif

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
 * nothing in it is ever read again. */
struct backing *backing_open (const struct backing_params *params);

/* Nothing in it is used any more. */
void backing_close (struct backing *backing);

const char *backing_path (const struct backing *backing);
void backing_get_stats (struct backing *backing, struct backing_stats *stats);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The attributes of a device: what the kernel's zram has in /sys/block/zramN,
 * in its debugfs and in zsmalloc's, by the same names, with the same grammar,
 * columns and errors, and some of our own.
 *
 * One list, ATTRIBUTES, is parser, help, man page and test.  A name X has the
 * functions attribute_show_X and attribute_store_X, as its mode says; they are
 * in attributes_NOUN.c.
 *
 * Where the kernel differs:
 *  1. What it refuses once the disk has a size is done here at any time.
 *  2. A number with rubbish behind it, or a word nobody knows, is EINVAL
 *     everywhere; the kernel passes over some of them.
 *  3. mem_limit and mem_used_max can be read, as they could once.
 *  4. Pages are blocks, where a count of pages is shown and the block size is
 *     not 4096.
 */
#ifndef ZRAM_ATTRIBUTES_H
#define ZRAM_ATTRIBUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "export.h"
#include "payload.h"

/* RO, RW or WO (name, help) */
#define ATTRIBUTES(RO, RW, WO)                                                \
  RW (disksize, "size of the disk, SIZE; smaller only where nothing is stored")\
  RO (initstate, "1 if the disk has a size")                                  \
  WO (reset, "1: forget everything, the size becomes 0")                      \
  RO (block_size, "unit of compression in bytes")                             \
  RW (comp_algorithm, "NAME of the algorithm for what is written from now on")\
  RW (recomp_algorithm, "algo=NAME priority=1..3: for recompression")         \
  WO (algorithm_params, "priority=0..3 or algo=NAME, level=N, dict=FILE")     \
  WO (recompress, "type=idle|huge|huge_idle threshold=BYTES algo=NAME "       \
      "priority=1..3 max_pages=N; priority=0: objects of replaced algorithms")\
  WO (compact, "anything: move objects together, give pages back")            \
  RW (mem_limit, "most memory the device may hold, SIZE; 0: no limit")        \
  RW (mem_used_max, "most memory held so far; 0: begin anew")                 \
  RW (max_comp_streams, "threads that can compress at a time; writing has no "\
      "effect")                                                               \
  WO (idle, "all, or SECONDS: mark blocks that were not used for longer")     \
  RW (backing_dev, "FILE or block device to write blocks back to, or none")   \
  RW (backing_size, "SIZE of the next backing file; 0: as it is")             \
  WO (backing_key, "FILE with the key of the next backing file, or none")     \
  WO (writeback, "type=huge|idle|huge_idle|incompressible, page_index=N, "    \
      "page_indexes=N-N")                                                     \
  RW (writeback_limit, "pages that may still be written back, or SIZE")       \
  RW (writeback_limit_enable, "1: obey writeback_limit")                      \
  RW (writeback_batch_size, "writes to the backing file in flight")           \
  RW (compressed_writeback, "1: blocks are written back compressed, as always")\
  RW (use_dedup, "1: blocks with the same content share one object")          \
  RW (idle_age, "mark blocks idle that were not used for TIME, or off")       \
  RW (recompress_age, "recompress blocks that were not used for TIME, or off")\
  RW (writeback_age, "write back blocks that were not used for TIME, or off") \
  RW (writeback_rate, "most that writeback_age writes, SIZE/TIME, or off")    \
  RW (on_incompressible, "store, writeback or reject: where blocks go that "  \
      "do not compress")                                                      \
  RW (on_full, "error or writeback: what a write does at mem_limit")          \
  RO (mm_stat, "orig_data_size compr_data_size mem_used_total mem_limit "     \
      "mem_used_max same_pages pages_compacted huge_pages huge_pages_since "  \
      "dup_data_size")                                                        \
  RO (io_stat, "failed_reads failed_writes invalid_io notify_free")           \
  RO (bd_stat, "pages of 4 KiB in the backing file: held, read, written")     \
  RO (debug_stat, "version, then two counters that are 0")                    \
  RO (stat, "the block layer's counters, as far as there are such")           \
  RO (block_state, "each stored block: number, time of last use, and s same "\
      "w written back h huge i idle r recompressed n incompressible")         \
  RO (classes, "each size class: zspages by fullness, objects, pages")        \
  RO (progress, "what runs now: steps done, steps in all; 0 0: nothing")      \
  RO (nr_connections, "connections of clients that have the disk open")       \
  RO (safeguards, "what lets this machine swap on the disk: yes, no or off, " \
      "and why")                                                              \
  RO (orig_data_size, "bytes stored, before compression")                     \
  RO (compr_data_size, "bytes stored, after compression")                     \
  RO (mem_used_total, "memory held, all included")                            \
  RO (dup_data_size, "bytes that sharing objects saved")                      \
  RO (zero_pages, "same-filled blocks")                                       \
  RO (num_reads, "blocks read")                                               \
  RO (num_writes, "blocks written")                                           \
  RO (failed_reads, "reads that failed")                                      \
  RO (failed_writes, "writes that failed")                                    \
  RO (invalid_io, "0: there are no requests that are not aligned")            \
  RO (notify_free, "blocks freed by trimming")                                \
  RO (pages_compacted, "pages that compaction gave back")

/* Both: -1 and errno, and at most one message was given. */
typedef int attribute_shower (struct export *export, struct payload *payload);
typedef int attribute_storer (struct export *export, const char *value);

struct attribute {
  const char *name;
  attribute_shower *show;       /* NULL: write-only */
  attribute_storer *store;      /* NULL: read-only */
  const char *help;
};

extern const struct attribute attributes[];
extern const size_t nr_attributes;

/* NULL: there is none of that name. */
const struct attribute *attribute_find (const char *name);

/* "ro", "rw" or "wo". */
const char *attribute_mode (const struct attribute *attribute);

/* Into a payload that is open.  -1: EACCES for a write-only one, or as the
 * kernel's; a message was given. */
int attribute_show (const struct attribute *attribute, struct export *export,
                    struct payload *payload);

/* White space around the value counts for nothing.  -1: EACCES for a read-only
 * one, or as the kernel's; a message was given. */
int attribute_store (const struct attribute *attribute, struct export *export,
                     const char *value);

/* For attributes_NOUN.c: report, set errno, return -1. */
int attribute_refuse (int errnum, const char *fmt, ...)
  __attribute__ ((format (printf, 2, 3)));

/* The same if the disk has no size yet: EINVAL. */
int attribute_need_size (const struct export *export);

/* The same if it is no regular file: a pipe would keep us waiting. */
int attribute_need_file (const char *path);

#define ATTRIBUTE_SHOWER(name, help) attribute_shower attribute_show_##name;
#define ATTRIBUTE_STORER(name, help) attribute_storer attribute_store_##name;
#define ATTRIBUTE_BOTH(name, help)                                            \
  ATTRIBUTE_SHOWER (name, help) ATTRIBUTE_STORER (name, help)

ATTRIBUTES (ATTRIBUTE_SHOWER, ATTRIBUTE_BOTH, ATTRIBUTE_STORER)

#endif

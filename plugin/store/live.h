/* SPDX-License-Identifier: BSD-3-Clause */
/* What can be changed while the disk is in use.  The kernel wants a reset for
 * most of it.
 *
 * Each call takes the state lock, so it waits for a pass that is under way, and
 * one change is made at a time.  What is slow or can fail comes first; then
 * requests stand still for as long as it takes to change some words.  On
 * failure (-1, errno, one message) nothing has changed.
 */
#ifndef ZRAM_LIVE_H
#define ZRAM_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backing.h"
#include "codec.h"

struct device;

/* Let this priority use an algorithm from now on; params may be NULL.  Objects
 * of the old one stay readable, and recompression with priority 0 brings them
 * over.  EINVAL: parameters that do not suit; ENOSPC: the memory limit; EBUSY:
 * too many old codecs are still needed. */
int live_set_codec (struct device *device, unsigned priority,
                    const struct codec_ops *algorithm,
                    const struct codec_params *params);

/* Free the codecs that no priority uses and no object needs any more.  The
 * caller holds the state lock. */
void live_reap_codecs (struct device *device);

/* Which algorithm a priority uses, now; false: none. */
struct codec_description {
  const struct codec_ops *algorithm;
  int level;
  size_t dict_bytes;            /* 0: no dictionary */
  uint64_t dict_checksum;
};

bool live_get_codec (struct device *device, unsigned priority,
                     struct codec_description *description);

/* Larger at any time; smaller where no block behind the new end is stored
 * (EBUSY).  EFBIG: too large.  A client sees the new size when it connects
 * again; until then requests behind the end fail with EINVAL or ENOSPC. */
int live_set_size (struct device *device, uint64_t size_bytes);

/* 0: none.  Lower than what is held: further writes fail until it is less. */
void live_set_mem_limit (struct device *device, uint64_t bytes);

/* The high-water mark is what is held now. */
void live_reset_mem_max (struct device *device);

/* Let the device write blocks back to a file.  EBUSY: it has one already. */
int live_attach_backing (struct device *device,
                         const struct backing_params *params);

/* Bring all blocks back into memory and close the file.  ENOSPC, ENOMEM, EIO:
 * some do not fit or cannot be read; the file stays.  ENODEV: there is none. */
int live_detach_backing (struct device *device);

/* The path of the backing file into a buffer of bytes; false: there is none. */
bool live_get_backing (struct device *device, char *path, size_t bytes,
                       struct backing_stats *stats);

/* Whether new objects are shared with equal ones (dedup.h).  Turned off, what
 * is shared stays so until it is written. */
int live_set_dedup (struct device *device, bool on);

/* Let the index of contents grow with what is stored; for the worker. */
void live_fit_dedup (struct device *device);

/* All content, counters, the memory limit and algorithms go, and the backing
 * file; the size is 0.  What writeback obeys stays, as in the kernel.  EBUSY: a
 * client is connected. */
int live_reset (struct device *device);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Writeback: move blocks to the backing file.
 *
 * Objects go as they are, compressed, and packed one behind the other: the
 * kernel spends 4 KiB on each.
 */
#ifndef ZRAM_WRITEBACK_H
#define ZRAM_WRITEBACK_H

#include <stdint.h>

#include "postproc.h"

/* -1: a message was given unless a limit was reached: ENODEV (no backing file);
 * ENOSPC (it is full); EIO (the limit is used up, as the kernel says it, or the
 * file failed).  Blocks that were written until then stay there, the others
 * stay in memory. */
int writeback_device (struct device *device,
                      const struct postproc_filter *filter,
                      struct postproc_result *result);

/* The same, but write at most so many pages to the file; that is no error. */
int writeback_some (struct device *device, const struct postproc_filter *filter,
                    uint64_t max_pages, struct postproc_result *result);

#endif

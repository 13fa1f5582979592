/* SPDX-License-Identifier: BSD-3-Clause */
/* Recompression: a slower and denser algorithm for blocks that stay.
 *
 * A block is done if its new object lies in a smaller size class and is shorter
 * than the threshold; otherwise it keeps the old one.  One that even the
 * highest configured priority could not shorten is marked incompressible, and
 * not tried again until it is written.
 */
#ifndef ZRAM_RECOMPRESS_H
#define ZRAM_RECOMPRESS_H

#include <stdint.h>

#include "postproc.h"

struct recompress_params {
  struct postproc_filter filter;
  unsigned priority;            /* 1..3; 0: bring objects of algorithms that
                                 * the primary replaced over to it, except those
                                 * in the backing file */
  uint64_t max_blocks;          /* tries, also those without success; 0: all */
};

/* -1: EINVAL (this priority has no algorithm, or the threshold is larger than
 * a packed object), a message was given. */
int recompress_device (struct device *device,
                       const struct recompress_params *params,
                       struct postproc_result *result);

#endif

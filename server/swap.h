/* SPDX-License-Identifier: BSD-3-Clause */
/* Swap on an attached device. */
#ifndef NBDZRAM_SWAP_H
#define NBDZRAM_SWAP_H

#include <stdbool.h>

#include "blockdev.h"

/* Those that the kernel has for swapon. */
#define SWAP_PRIORITY_MAX 32767

/* mkswap and swapon.  -1: a message was given. */
int swap_begin (const struct blockdev *dev, int priority);

bool swap_is_on (const struct blockdev *dev);

/* Take back what is swapped out; if memory does not suffice, swap stays as it
 * is.  -1: a message was given. */
int swap_end (const struct blockdev *dev);

/* Say what of the kernel's settings does not suit compressed swap over NBD. */
void swap_print_hints (void);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Idle marks: which blocks nobody used for a while.
 *
 * Same-filled and backed blocks cost no memory and are not marked, as in the
 * kernel.  Any read or write of a block takes its mark away.
 */
#ifndef ZRAM_IDLE_H
#define ZRAM_IDLE_H

#include <stdint.h>

struct device;

/* Each takes the state lock. */

/* Mark every stored block.  Returns how many are marked. */
uint64_t idle_mark_all (struct device *device);

/* Mark those that were not used for more than age_s seconds; younger ones lose
 * their mark. */
uint64_t idle_mark_older (struct device *device, uint32_t age_s);

/* The same, but no block loses its mark: for the worker, which is not to undo
 * what somebody marked by hand. */
uint64_t idle_mark_too (struct device *device, uint32_t age_s);

/* Keep old ages from wrapping round; at least every AGE_SWEEP_S (age.h). */
void idle_sweep (struct device *device);

#endif

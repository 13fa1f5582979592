/* SPDX-License-Identifier: BSD-3-Clause */
/* The allowance: how many pages writeback may still write to the backing file,
 * the kernel's writeback_limit.  It saves flash memory from wear.
 *
 * Taken before a write, given back if the write did not come about.
 * Thread-safe, lock-free.
 */
#ifndef ZRAM_ALLOWANCE_H
#define ZRAM_ALLOWANCE_H

struct device;

/* Take up to `most` pages; 0 if fewer than `least` are left.  Without
 * writeback_limit_enable there is no end of them. */
unsigned allowance_take (struct device *device, unsigned least, unsigned most);
void allowance_give (struct device *device, unsigned nr_pages);

#endif

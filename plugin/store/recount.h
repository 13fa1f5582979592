/* SPDX-License-Identifier: BSD-3-Clause */
/* The recount: walk everything that a device holds and compare it with what is
 * noted.  The model test calls it after each step; SQLite and mimalloc check
 * themselves the same way.
 */
#ifndef ZRAM_RECOUNT_H
#define ZRAM_RECOUNT_H

#include <stdbool.h>

struct device;

/* Verify invariants 2, 3, 5, 6 and 7 of table.h, the counters of every zspage
 * and class, and the budget.  Each thing that is wrong is reported; false if
 * there was any.  Keeps requests and compaction out meanwhile. */
bool recount_device (struct device *device);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Room: what a device at its memory limit does with on_full=writeback, as zswap
 * does.  The blocks that were not used for longest go to the backing file, and
 * a compaction turns the holes that they leave into free pages.
 */
#ifndef ZRAM_ROOM_H
#define ZRAM_ROOM_H

#include <stdbool.h>
#include <stdint.h>

struct device;

/* Is less than this left below the limit? */
bool room_is_short (struct device *device, uint64_t bytes);

/* Move about so many bytes out, or wait for others who do.  False: nothing
 * could be moved. */
bool room_make (struct device *device, uint64_t bytes);

/* How much is made at once: a 64th of the limit, at least 256 KiB. */
uint64_t room_step_bytes (struct device *device);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The pace of the background worker: it works a little and rests a lot, so that
 * it takes no more than a share of one processor, and gives way to whoever asks
 * for the device.
 *
 * A low priority would not do: a thread that is scheduled away while it holds a
 * block lock makes requests wait.  So it rests where it holds none.
 *
 * What people ask for by hand is done by other threads, at full speed.
 */
#ifndef ZRAM_PACE_H
#define ZRAM_PACE_H

#include <stdbool.h>

struct device;

/* From now on this thread keeps a pace. */
void pace_begin (void);

/* At full speed for a while: somebody waits for this thread. */
void pace_suspend (bool suspended);

/* Does this thread keep one? */
bool pace_is_kept (void);

/* Did a pass of this thread end early since somebody waited?  Asked for the
 * time since it was asked last. */
bool pace_gave_way (void);

/* Called between two steps of any pass, with no lock held but the state lock.
 * True: go on; false: end this pass, since the server ends, or since this
 * thread keeps a pace and somebody waits for the state lock. */
bool pace_step (const struct device *device);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* What requests use is in memory before the first of them: the heap, with room
 * for the buffers of nbdkit's threads, the data of libraries, and their code,
 * which would have to be read from a disk, and what store files hold.
 */
#ifndef ZRAM_PRESENCE_H
#define ZRAM_PRESENCE_H

/* All that is allocated from now on is in one heap, which grows in steps and
 * never shrinks. */
void presence_prepare_heap (void);

/* Make it present, in the process that serves, and as far as memory can be
 * locked, keep it so. */
void presence_make (void);

#endif

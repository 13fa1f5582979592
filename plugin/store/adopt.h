/* SPDX-License-Identifier: BSD-3-Clause */
/* Adoption: a device takes over the store file of a server that is gone, at
 * whatever instant it went.
 *
 * The slots are the truth; all else is made from them, by as many threads as
 * there are processors: use counts, zspages, shares' counts, the backing file's
 * book-keeping, statistics.  First the file is only read, so nothing is lost by
 * a server that dies here, too.
 *
 * What was acknowledged is there.  A write that was not is there as a whole or
 * not at all, and what it had taken is free again.  A share that nobody shares
 * yet, or no more, is gone.
 *
 * A slot that names no object of its own, or lies in a page whose hash is wrong
 * (journal.h) and has nothing else to be checked by, becomes DAMAGED: the block
 * answers EIO until it is written or trimmed.  An object is checked when it is
 * read (block.h).
 */
#ifndef ZRAM_ADOPT_H
#define ZRAM_ADOPT_H

struct device;
struct backing_params;

/* The device has its memory, its codecs and no content; nobody uses it.
 * backing: how to open the backing file that its blocks need; NULL: as it is.
 * -1: a message was given, errno is set. */
int adopt_device (struct device *device, const struct backing_params *backing);

#endif

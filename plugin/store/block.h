/* SPDX-License-Identifier: BSD-3-Clause */
/* One block: store it, load it, clear it.  No byte ranges here: device.c cuts
 * them into blocks.
 *
 * The caller holds the block's lock (device_lock_block) in every call.
 *
 * Prepare, publish, release: all that can fail happens on the side, then one
 * store into the table makes it true, then the old object is freed.  On failure
 * the block has its old content and errno is set: ENOSPC (the memory limit),
 * ENOMEM (the machine), EAGAIN (the reserve is used up: arena_store), EMSGSIZE
 * (it does not compress, and the device rejects such blocks), EIO (a damaged
 * object, or the backing file).  A message that names the device, the block and
 * the reason was given for EIO; for the others the caller gives it, who may try
 * again first.
 */
#ifndef ZRAM_BLOCK_H
#define ZRAM_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "slot.h"

struct device;
struct stats;

/* One message: this cannot be done to the block, for the reason in errno, which
 * becomes what a client is told. */
void block_report (const struct device *device, uint64_t block,
                   const char *what);

/* Make the block what data says; data has block_bytes bytes, any alignment. */
int block_store (struct device *device, uint64_t block, const void *data);

/* Make part of the block what data says, or zeroes if data is NULL. */
int block_patch (struct device *device, uint64_t block, uint32_t from_byte,
                 uint32_t bytes, const void *data);

/* Read the block, or part of it. */
int block_load (struct device *device, uint64_t block, void *data);
int block_load_part (struct device *device, uint64_t block, uint32_t from_byte,
                     uint32_t bytes, void *data);

/* Make the block zeroes that are there (its slot is not empty). */
int block_zero (struct device *device, uint64_t block);

/* Bring a backed block into memory; any other is there already. */
int block_promote (struct device *device, uint64_t block);

/* Make the block empty.  Cannot fail. */
void block_clear (struct device *device, uint64_t block);

/* Where a slot without an object says all: fill data and return true.  Needs no
 * lock, since the slot is read at once. */
int block_load_from_slot (slot_t slot, uint32_t from_byte, uint32_t bytes,
                          void *data);

/* Move the block's object if it still is at the given place and the arena has a
 * lower one for it among its open zspages; *moved says whether it did.  An
 * object of an isolated zspage may go anywhere else: pass anywhere.  For
 * policy/compact.c. */
void block_move (struct device *device, uint64_t block, uint64_t place,
                 int anywhere, int *moved);

/* For policy/, which is no user of a block: these leave its age alone, but
 * whatever was done to an idle block, it is not done again for that mark. */

/* Take the idle mark away. */
void block_clear_idle (struct device *device, uint64_t block);

/* The content of a slot as it is now, whole; data has block_bytes bytes.  -1:
 * EIO, a message was given. */
int block_load_slot (struct device *device, uint64_t block, slot_t slot,
                     void *data);

/* Count what a slot of this block stands for into stats of the caller's. */
void block_count (const struct device *device, uint64_t block, slot_t slot,
                  struct stats *stats);

/* Is the object that this slot names, in the arena, as it was stored?  For
 * whoever copies it elsewhere. */
bool block_object_is_intact (const struct device *device, slot_t slot);

/* Set or take away a flag of a slot that has flags. */
void block_flag (struct device *device, uint64_t block, enum slot_flag flag,
                 bool on);

/* Whose object holds the block's content, the block or its share; and the slot
 * that says where it is, late as any that is read without its lock. */
uint64_t block_object_owner (struct device *device, uint64_t block);
slot_t block_object_slot (struct device *device, uint64_t block);

/* Replace the object by another one with the same content: PACKED by this
 * codec, or HUGE.  The block is not chosen any more.  -1: ENOSPC or ENOMEM, the
 * old one stays; no message. */
int block_replace (struct device *device, uint64_t block, enum slot_kind kind,
                   unsigned codec, const void *object, uint32_t size_bytes);

/* For dedup.c; the caller holds both locks. */

/* The block's object, which this slot names, becomes the share's; the block
 * shares it from now on.  The share was prepared. */
void block_give_object (struct device *device, uint64_t block, uint64_t share,
                        slot_t slot);

/* Nobody shares it any more. */
void block_clear_share (struct device *device, uint64_t share);

/* The object is in the backing file now, at this place, and its pages there are
 * held by the caller. */
void block_back (struct device *device, uint64_t block, uint64_t place);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Compaction: move objects together, so that whole pages become free.
 *
 * Class by class, as zsmalloc does, the emptiest zspage is emptied into the
 * fullest ones, as long as there are two with room.  Then, which zsmalloc
 * cannot, the last one with room is made dense: its last objects move into its
 * lowest holes, and the pages behind go back to the system.
 *
 * It runs beside requests.  An object is looked up under its class lock, then
 * moved under its owner's block lock if the slot still names it: select, act,
 * re-check.
 */
#ifndef ZRAM_COMPACT_H
#define ZRAM_COMPACT_H

#include <stdint.h>

struct device;

/* One compaction at a time; a second caller waits.  Returns how many pages the
 * arena holds less than before (0 if writers took more meanwhile), and adds
 * them to pages_compacted. */
uint64_t compact_device (struct device *device);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The superblock of a store file: whose memory it is, and what the slots alone
 * do not say.
 *
 *   0        64 KiB    1 MiB     128 MiB        1 GiB   33 GiB  41 GiB  48 GiB
 *   +--------+---------+---------+--------------+-------+-------+-------+-----
 *   | super  | intents | hashes  | dictionaries | slots | ages  |       | arena
 *   +--------+---------+---------+--------------+-------+-------+-------+-----
 *
 * Each part has the room that the largest disk needs, so that nothing moves
 * when a disk grows; the file is sparse and costs what is written to it.  Only
 * the arena, at its end, gets longer.
 *
 * There are two copies, written one after the other: a server that dies
 * meanwhile leaves one that is valid, and damage to one is no loss.  Everything
 * here is in the machine's byte order, since memory does not travel.
 */
#ifndef ZRAM_SUPER_H
#define ZRAM_SUPER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "codec_set.h"

#define SUPER_VERSION 1u

#define SUPER_COPIES 2u
#define SUPER_COPY_BYTES UINT64_C (32768)
#define SUPER_DICT_BYTES_MAX (UINT64_C (16) << 20)

/* Where each part begins. */
#define SUPER_AT_INTENTS (UINT64_C (64) << 10)
#define SUPER_AT_HASHES (UINT64_C (1) << 20)
#define SUPER_AT_DICTS (UINT64_C (128) << 20)
#define SUPER_AT_SLOTS (UINT64_C (1) << 30)
#define SUPER_AT_AGES (UINT64_C (33) << 30)
#define SUPER_AT_ARENA (UINT64_C (48) << 30)

/* A codec that objects may name; name "" is a free number. */
struct super_codec {
  char name[16];
  int32_t level;
  uint32_t dict_bytes;
  uint64_t dict_checksum;
};

struct super {
  char magic[8];
  uint32_t version;
  uint32_t block_bytes;
  uint64_t sequence;            /* of two good copies the higher one counts */
  uint64_t size_bytes;          /* of the disk, as it is now */
  uint64_t arena_bytes;         /* of the file, for the arena */
  uint64_t mem_limit_bytes;
  uint64_t conf_tag;            /* the configuration that was applied last */
  uint32_t has_shares;          /* there may be SHARED slots */
  uint32_t use_dedup;
  uint8_t ids[NR_PRIORITIES];   /* codec_set.h */
  uint8_t zero[4];
  struct super_codec codecs[NR_CODECS];
  uint64_t backing_nonce;       /* of the backing file, if there is one */
  uint64_t backing_bytes;
  char backing_path[PATH_MAX];
  uint64_t checksum;            /* of all before it; the last member */
};

/* Fill in what makes it valid. */
void super_seal (struct super *super);

/* Does it begin as one of ours? */
bool super_is_ours (const void *start);

/* NULL: it is one of ours and whole.  Else what is wrong with it. */
const char *super_check (const struct super *super);

#endif

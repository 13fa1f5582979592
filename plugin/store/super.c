/* SPDX-License-Identifier: BSD-3-Clause */
/* The superblock of a store file; see super.h. */
#include <config.h>

#include <stddef.h>
#include <string.h>

#include "checksum.h"
#include "sizeclass.h"
#include "super.h"

static const char our_magic[8] = { 'N', 'B', 'D', 'Z', 'R', 'A', 'M', 'S' };

static uint64_t
checksum_of (const struct super *super)
{
  return checksum_of_bytes (super, offsetof (struct super, checksum), 0);
}

void
super_seal (struct super *super)
{
  memcpy (super->magic, our_magic, sizeof our_magic);
  super->version = SUPER_VERSION;
  super->checksum = checksum_of (super);
}

/* The checksum says that we wrote it, and we write only what is in range: this
 * is for those who compute checksums. */
static const char *
check_values (const struct super *super)
{
  const uint32_t bytes = super->block_bytes;

  if (bytes < BLOCK_BYTES_MIN || bytes > BLOCK_BYTES_MAX ||
      (bytes & (bytes - 1)) != 0)
    return "its superblock has an impossible block size";
  if (super->size_bytes > INT64_MAX || super->arena_bytes > INT64_MAX / 2)
    return "its superblock has an impossible size";
  for (unsigned i = 0; i < NR_PRIORITIES; i++)
    if (super->ids[i] > CODEC_NONE)
      return "its superblock has an impossible codec";
  for (unsigned i = 0; i < NR_CODECS; i++)
    if (super->codecs[i].dict_bytes > SUPER_DICT_BYTES_MAX ||
        super->codecs[i].name[sizeof super->codecs[i].name - 1] != '\0')
      return "its superblock has an impossible codec";
  if (super->backing_path[sizeof super->backing_path - 1] != '\0')
    return "its superblock has an impossible path";
  return NULL;
}

bool
super_is_ours (const void *start)
{
  return memcmp (start, our_magic, sizeof our_magic) == 0;
}

const char *
super_check (const struct super *super)
{
  if (!super_is_ours (super))
    return "it has content that is not a store's: remove it, or name another";
  if (super->version != SUPER_VERSION)
    return "it was written by another version, which has to read it";
  if (super->checksum != checksum_of (super))
    return "its superblock is damaged";
  return check_values (super);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The superblock of a device; see persist.h. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"
#include "device.h"
#include "memory.h"
#include "persist.h"
#include "report.h"

static void
note_codecs (const struct device *device, struct super *super)
{
  memset (super->codecs, 0, sizeof super->codecs);
  memcpy (super->ids, device->codecs.ids, sizeof super->ids);
  for (unsigned id = 0; id < NR_CODECS; id++) {
    const struct codec *codec = device->codecs.codecs[id];
    struct super_codec *noted = &super->codecs[id];

    if (!codec)
      continue;
    snprintf (noted->name, sizeof noted->name, "%s", codec->ops->name);
    noted->level = codec->level;
    noted->dict_bytes = codec->dict_bytes;
    noted->dict_checksum = codec->dict_checksum;
  }
}

static void
note_backing (const struct device *device, struct super *super)
{
  struct backing *backing = device->backing;

  memset (super->backing_path, 0, sizeof super->backing_path);
  super->backing_nonce = super->backing_bytes = 0;
  if (!backing)
    return;
  super->backing_nonce = backing_nonce (backing);
  super->backing_bytes = backing_nr_pages (backing) << PAGE_SHIFT;
  snprintf (super->backing_path, sizeof super->backing_path, "%s",
            backing_path (backing));
}

void
persist_device (struct device *device)
{
  struct super *super;

  if (!memory_is_file (&device->memory))
    return;
  super = memory_begin (&device->memory);
  super->block_bytes = device->block_bytes;
  super->size_bytes = device->size_bytes;
  super->arena_bytes = device->arena.reserved_bytes;
  super->mem_limit_bytes = device->budget.limit_bytes;
  super->has_shares = device->table.first_share != UINT64_MAX;
  super->use_dedup = dedup_is_on (&device->dedup);
  note_codecs (device, super);
  note_backing (device, super);
  memory_commit (&device->memory);
}

/* A number that was freed just now must not be named by the file while its
 * dictionary is written over. */
int
persist_dict (struct device *device, unsigned codec, const void *dict,
              size_t dict_bytes)
{
  if (dict_bytes == 0)
    return 0;
  persist_device (device);
  if (memory_write_dict (&device->memory, codec, dict, dict_bytes) == -1)
    return -1;
  crash_point ("dict");
  return 0;
}

int
persist_load_params (const struct device *device, struct device_params *params)
{
  const struct super *super = &device->memory.super;

  if (!device->was_adopted)
    return 0;
  if (super->block_bytes != params->block_bytes) {
    report_error ("%s: it holds blocks of %u bytes, the configuration says %u",
                  device->memory.path, super->block_bytes,
                  params->block_bytes);
    errno = EUCLEAN;
    return -1;
  }
  params->size_bytes = super->size_bytes;
  params->mem_limit_bytes = super->mem_limit_bytes;
  return 0;
}

static struct codec *
load_codec (struct device *device, unsigned id)
{
  const struct super_codec *noted = &device->memory.super.codecs[id];
  struct codec_params params = {
    .level = noted->level, .dict_bytes = noted->dict_bytes,
  };
  const char *why;
  const struct codec_ops *ops = codec_find (noted->name, &why);
  struct codec *codec;
  void *dict;

  if (!ops) {
    report_error ("%s: its objects need the algorithm %s: %s",
                  device->memory.path, noted->name, why);
    errno = ENOTSUP;
    return NULL;
  }
  /* An algorithm without levels refuses every level. */
  if (ops->level_min == ops->level_max)
    params.level = CODEC_LEVEL_DEFAULT;
  if (memory_read_dict (&device->memory, id, &dict) == -1)
    return NULL;
  params.dict = dict;
  codec = codec_new (ops, device->block_bytes, &params);
  free (dict);
  return codec;
}

int
persist_load_codecs (struct device *device)
{
  const struct super *super = &device->memory.super;

  for (unsigned id = 0; id < NR_CODECS; id++) {
    struct codec *codec;

    if (super->codecs[id].name[0] == '\0')
      continue;
    codec = load_codec (device, id);
    if (!codec)
      return -1;
    codec_set_put (&device->codecs, NR_PRIORITIES, id, codec);
  }
  for (unsigned i = 0; i < NR_PRIORITIES; i++)
    if (super->ids[i] < NR_CODECS && device->codecs.codecs[super->ids[i]])
      device->codecs.ids[i] = super->ids[i];
  if (codec_set_at (&device->codecs, 0))
    return 0;
  report_error ("%s: its superblock names no primary algorithm",
                device->memory.path);
  errno = EUCLEAN;
  return -1;
}

uint64_t
persist_conf_tag (struct device *device)
{
  return device->memory.super.conf_tag;
}

void
persist_set_conf_tag (struct device *device, uint64_t tag)
{
  struct super *super = memory_begin (&device->memory);

  super->conf_tag = tag;
  memory_commit (&device->memory);
}

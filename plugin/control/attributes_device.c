/* SPDX-License-Identifier: BSD-3-Clause */
/* Attributes of the device as a whole. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../policy/compact.h"
#include "../policy/idle.h"
#include "../store/device.h"
#include "../store/live.h"
#include "attributes.h"
#include "units.h"

int
attribute_show_disksize (struct export *export, struct payload *payload)
{
  fprintf (payload->out, "%" PRIu64 "\n", export->device->size_bytes);
  return 0;
}

/* A size as the kernel parses it, rounded up to whole pages. */
static int
parse_pages (const char *value, uint64_t *bytes)
{
  if (!units_parse_size (value, bytes))
    return attribute_refuse (EINVAL, "not a size such as 4096, 256K or 2G: "
                             "'%s'", value);
  if (*bytes > INT64_MAX - 4095)
    return attribute_refuse (ERANGE, "too large: '%s'", value);
  *bytes = (*bytes + 4095) / 4096 * 4096;
  return 0;
}

int
attribute_store_disksize (struct export *export, const char *value)
{
  uint64_t bytes;

  if (parse_pages (value, &bytes) == -1)
    return -1;
  if (bytes == 0)
    return attribute_refuse (EINVAL, "a disk cannot be empty: use reset");
  return live_set_size (export->device, bytes);
}

int
attribute_show_initstate (struct export *export, struct payload *payload)
{
  fprintf (payload->out, "%d\n", export->device->size_bytes > 0);
  return 0;
}

int
attribute_show_nr_connections (struct export *export, struct payload *payload)
{
  fprintf (payload->out, "%u\n", device_count_connections (export->device));
  return 0;
}

int
attribute_store_reset (struct export *export, const char *value)
{
  uint64_t number;
  int wrong = units_parse_number (value, 10, UINT16_MAX, &number);

  if (wrong == 0 && number == 0)
    wrong = EINVAL;
  if (wrong != 0)
    return attribute_refuse (wrong, "reset takes a 1, not '%s'", value);
  return live_reset (export->device);
}

int
attribute_show_block_size (struct export *export, struct payload *payload)
{
  fprintf (payload->out, "%" PRIu32 "\n", export->device->block_bytes);
  return 0;
}

int
attribute_store_compact (struct export *export, const char *value)
{
  if (attribute_need_size (export) == -1)
    return -1;
  compact_device (export->device);
  return 0;
}

int
attribute_store_mem_limit (struct export *export, const char *value)
{
  uint64_t bytes;

  if (parse_pages (value, &bytes) == -1)
    return -1;
  live_set_mem_limit (export->device, bytes);
  return 0;
}

int
attribute_store_mem_used_max (struct export *export, const char *value)
{
  uint64_t number;

  if (units_parse_number (value, 10, UINT64_MAX, &number) != 0 || number != 0)
    return attribute_refuse (EINVAL, "mem_used_max takes a 0, not '%s'",
                             value);
  live_reset_mem_max (export->device);
  return 0;
}

int
attribute_show_max_comp_streams (struct export *export,
                                 struct payload *payload)
{
  struct device *device = export->device;
  unsigned nr_streams;

  device_lock_block (device, 0);        /* keeps the codecs as they are */
  nr_streams = codec_set_at (&device->codecs, 0)->streams.nr_streams;
  device_unlock_block (device, 0);
  fprintf (payload->out, "%u\n", nr_streams);
  return 0;
}

/* Scripts of ten years ago write here; the kernel takes anything, too. */
int
attribute_store_max_comp_streams (struct export *export, const char *value)
{
  return 0;
}

int
attribute_store_idle (struct export *export, const char *value)
{
  const bool all = strcmp (value, "all") == 0;
  uint64_t age_s = 0;

  if (!all && units_parse_number (value, 0, UINT32_MAX, &age_s) != 0)
    return attribute_refuse (EINVAL, "neither 'all' nor an age in seconds: "
                             "'%s'", value);
  if (attribute_need_size (export) == -1)
    return -1;
  if (all)
    idle_mark_all (export->device);
  else
    idle_mark_older (export->device, age_s);
  return 0;
}

int
attribute_show_use_dedup (struct export *export, struct payload *payload)
{
  struct device *device = export->device;
  bool on;

  device_lock_block (device, 0);        /* keeps the index as it is */
  on = dedup_is_on (&device->dedup);
  device_unlock_block (device, 0);
  fprintf (payload->out, "%d\n", on);
  return 0;
}

int
attribute_store_use_dedup (struct export *export, const char *value)
{
  bool on;

  if (!units_parse_bool (value, &on))
    return attribute_refuse (EINVAL, "neither 0 nor 1: '%s'", value);
  return live_set_dedup (export->device, on);
}

int
attribute_show_progress (struct export *export, struct payload *payload)
{
  const uint64_t done = export->device->progress.done;
  const uint64_t total = export->device->progress.total;

  fprintf (payload->out, "%" PRIu64 " %" PRIu64 "\n",
           done < total ? done : total, total);
  return 0;
}

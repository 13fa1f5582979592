/* SPDX-License-Identifier: BSD-3-Clause */
/* Attributes about the backing file, and writeback. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../policy/writeback.h"
#include "../store/device.h"
#include "../store/live.h"
#include "attributes.h"
#include "key.h"
#include "units.h"

/* The file. */

static bool
has_backing (struct export *export)
{
  struct backing_stats stats;
  char path[PATH_MAX];

  return live_get_backing (export->device, path, sizeof path, &stats);
}

int
attribute_show_backing_dev (struct export *export, struct payload *payload)
{
  struct backing_stats stats;
  char path[PATH_MAX];

  if (!live_get_backing (export->device, path, sizeof path, &stats))
    strcpy (path, "none");
  fprintf (payload->out, "%s\n", path);
  return 0;
}

static struct backing_settings
settings_of (struct export *export)
{
  struct backing_settings settings;

  pthread_mutex_lock (&export->lock);
  settings = export->backing;
  pthread_mutex_unlock (&export->lock);
  return settings;
}

/* The server's directory is no business of whoever writes. */
int
attribute_store_backing_dev (struct export *export, const char *value)
{
  struct backing_settings settings;
  int r;

  if (strcmp (value, "none") == 0)
    return live_detach_backing (export->device);
  if (*value != '/')
    return attribute_refuse (EINVAL, "neither an absolute path nor none: '%s'",
                             value);
  settings = settings_of (export);
  r = live_attach_backing (export->device, &(struct backing_params) {
      .path = value, .size_bytes = settings.size_bytes,
      .key = settings.has_key ? settings.key : NULL });
  explicit_bzero (settings.key, sizeof settings.key);
  return r;
}

int
attribute_show_backing_size (struct export *export, struct payload *payload)
{
  struct backing_settings settings = settings_of (export);

  fprintf (payload->out, "%" PRIu64 "\n", settings.size_bytes);
  explicit_bzero (settings.key, sizeof settings.key);
  return 0;
}

int
attribute_store_backing_size (struct export *export, const char *value)
{
  uint64_t bytes;

  if (!units_parse_size (value, &bytes))
    return attribute_refuse (EINVAL, "not a size such as 2G, or 0: '%s'",
                             value);
  pthread_mutex_lock (&export->lock);
  export->backing.size_bytes = bytes;
  pthread_mutex_unlock (&export->lock);
  return 0;
}

static void
set_key (struct export *export, const uint8_t *key)
{
  pthread_mutex_lock (&export->lock);
  export->backing.has_key = key != NULL;
  if (key)
    memcpy (export->backing.key, key, BACKING_KEY_BYTES);
  else
    explicit_bzero (export->backing.key, BACKING_KEY_BYTES);
  pthread_mutex_unlock (&export->lock);
}

int
attribute_store_backing_key (struct export *export, const char *value)
{
  uint8_t key[BACKING_KEY_BYTES];
  const char *wrong;
  int errnum;

  if (strcmp (value, "none") == 0) {
    set_key (export, NULL);
    return 0;
  }
  if (*value != '/')
    return attribute_refuse (EINVAL, "neither an absolute path nor none: '%s'",
                             value);
  if (attribute_need_file (value) == -1)
    return -1;
  wrong = key_read (value, key, &errnum);
  if (wrong)
    return attribute_refuse (errnum, "%s: %s", value, wrong);
  set_key (export, key);
  explicit_bzero (key, sizeof key);
  return 0;
}

/* The limits. */

int
attribute_show_writeback_limit (struct export *export, struct payload *payload)
{
  fprintf (payload->out, "%" PRIu64 "\n",
           export->device->writeback_limit_pages);
  return 0;
}

int
attribute_store_writeback_limit (struct export *export, const char *value)
{
  uint64_t pages;

  if (!units_parse_pages (value, &pages))
    return attribute_refuse (EINVAL, "neither a number of pages of 4 KiB nor "
                             "a size: '%s'", value);
  export->device->writeback_limit_pages = pages;
  return 0;
}

int
attribute_show_writeback_limit_enable (struct export *export,
                                       struct payload *payload)
{
  fprintf (payload->out, "%d\n", export->device->writeback_limit_enable);
  return 0;
}

int
attribute_store_writeback_limit_enable (struct export *export,
                                        const char *value)
{
  uint64_t number;

  if (units_parse_number (value, 10, UINT64_MAX, &number) != 0)
    return attribute_refuse (EINVAL, "neither 0 nor 1: '%s'", value);
  export->device->writeback_limit_enable = number != 0;
  return 0;
}

int
attribute_show_writeback_batch_size (struct export *export,
                                     struct payload *payload)
{
  fprintf (payload->out, "%" PRIu32 "\n",
           export->device->writeback_batch_size);
  return 0;
}

int
attribute_store_writeback_batch_size (struct export *export,
                                      const char *value)
{
  uint64_t number;
  int wrong = units_parse_number (value, 10, UINT32_MAX, &number);

  if (wrong == 0 && number == 0)
    wrong = EINVAL;
  if (wrong != 0)
    return attribute_refuse (wrong, "not a number of writes: '%s'", value);
  export->device->writeback_batch_size = number;
  return 0;
}

int
attribute_show_compressed_writeback (struct export *export,
                                     struct payload *payload)
{
  fputs ("1\n", payload->out);
  return 0;
}

int
attribute_store_compressed_writeback (struct export *export,
                                      const char *value)
{
  bool on;

  if (!units_parse_bool (value, &on))
    return attribute_refuse (EINVAL, "neither 0 nor 1: '%s'", value);
  if (!on)
    return attribute_refuse (EINVAL, "blocks are always written compressed");
  return 0;
}

/* Writeback. */

struct writeback_words {
  struct postproc_range *ranges;        /* room for one for each word */
  size_t nr_ranges;
  unsigned types;               /* 0: none was given */
  uint64_t nr_blocks;
};

static int
parse_types (const char *value, unsigned *types)
{
  *types = strcmp (value, "idle") == 0 ? POSTPROC_IDLE :
    strcmp (value, "huge") == 0 ? POSTPROC_HUGE :
    strcmp (value, "huge_idle") == 0 ? POSTPROC_HUGE | POSTPROC_IDLE :
    strcmp (value, "incompressible") == 0 ? POSTPROC_INCOMPRESSIBLE : 0;
  return *types ? 0 : EINVAL;
}

/* Returns 0, EINVAL or ERANGE. */
static int
parse_range (const char *first, const char *last,
             struct writeback_words *words)
{
  struct postproc_range *range = &words->ranges[words->nr_ranges++];
  int wrong = units_parse_number (first, 10, UINT64_MAX, &range->first);

  if (wrong == 0)
    wrong = units_parse_number (last, 10, UINT64_MAX, &range->last);
  if (wrong == 0 &&
      (range->last >= words->nr_blocks || range->first > range->last))
    wrong = ERANGE;
  return wrong;
}

static int
parse_indexes (char *value, struct writeback_words *words)
{
  char *dash = strchr (value, '-');

  if (!dash)
    return EINVAL;
  *dash = '\0';
  return parse_range (value, dash + 1, words);
}

/* A bare type is how it was written before Linux 6.16. */
static int
parse_word (char *word, struct writeback_words *words)
{
  char *value = strchr (word, '=');

  if (!value)
    return parse_types (word, &words->types);
  *value++ = '\0';
  if (strcmp (word, "type") == 0)
    return parse_types (value, &words->types);
  if (strcmp (word, "page_index") == 0)
    return parse_range (value, value, words);
  if (strcmp (word, "page_indexes") == 0)
    return parse_indexes (value, words);
  return EINVAL;
}

static int
parse (const char *value, char *copy, struct writeback_words *words)
{
  char *rest = NULL, *word;
  int wrong = EINVAL;

  for (word = strtok_r (copy, " \t\n", &rest); word && words->types == 0;
       word = strtok_r (NULL, " \t\n", &rest)) {
    wrong = parse_word (word, words);
    if (wrong != 0)
      break;
  }
  if (wrong == 0)
    return 0;
  return attribute_refuse (wrong, wrong == ERANGE ?
                           "a page that the disk does not have: '%s'" :
                           "not type=, page_index= or page_indexes=: '%s'",
                           value);
}

/* A limit that is reached has no message of its own, and an extent needs a page
 * more than a block has. */
static int
write_filtered (struct export *export, const struct postproc_filter *filter)
{
  struct device *device = export->device;
  struct postproc_result result;

  if (writeback_device (device, filter, &result) == 0)
    return 0;
  if (errno == ENOSPC)
    return attribute_refuse (ENOSPC, "%s: the backing file is full",
                             export->name);
  if (errno == EIO && device->writeback_limit_enable &&
      device->writeback_limit_pages <= device->block_bytes / 4096)
    return attribute_refuse (EIO, "%s: writeback_limit is used up",
                             export->name);
  return -1;
}

/* Blocks that are named go whatever they are; the type is for all. */
static int
write_back (struct export *export, const struct writeback_words *words)
{
  const struct postproc_filter named = {
    .ranges = words->ranges, .nr_ranges = words->nr_ranges,
  };
  const struct postproc_filter typed = { .types = words->types };

  if (words->nr_ranges > 0 && write_filtered (export, &named) == -1)
    return -1;
  return words->types == 0 ? 0 : write_filtered (export, &typed);
}

int
attribute_store_writeback (struct export *export, const char *value)
{
  struct writeback_words words = { .nr_blocks = export->device->nr_blocks };
  char *copy;
  int r = -1, saved_errno;

  if (attribute_need_size (export) == -1)
    return -1;
  if (!has_backing (export))
    return attribute_refuse (ENODEV, "%s: there is no backing file",
                             export->name);
  copy = strdup (value);
  words.ranges = calloc (strlen (value) / 2 + 1, sizeof *words.ranges);
  if (!copy || !words.ranges)
    attribute_refuse (ENOMEM, "out of memory");
  else if (parse (value, copy, &words) == 0)
    r = write_back (export, &words);
  saved_errno = errno;
  free (words.ranges);
  free (copy);
  errno = saved_errno;
  return r;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* From a configuration to exports; see setup.h. */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../policy/worker.h"
#include "../store/checksum.h"
#include "../store/device.h"
#include "../store/live.h"
#include "../store/persist.h"
#include "../store/report.h"
#include "file.h"
#include "setup.h"

/* A disk from the command line has no section to be named after. */
#define NAME_WITHOUT_SECTION "zram"

static struct backing_params
backing_params (const struct export *export, const char *path)
{
  const struct backing_settings *settings = &export->backing;

  return (struct backing_params) {
    .path = path, .size_bytes = settings->size_bytes,
    .key = settings->has_key ? settings->key : NULL,
  };
}

static int
create_device (struct export *export, const struct conf_export *conf)
{
  const struct backing_params backing = backing_params (export, NULL);
  char *store = conf->store_path ? file_absolute (conf->store_path) : NULL;
  const struct device_params params = {
    .name = export->name,
    .size_bytes = conf->disksize_bytes,
    .block_bytes = conf->block_bytes,
    .algorithm = conf->codecs[0].algorithm,
    .codec_params = &conf->codecs[0].params,
    .mem_limit_bytes = conf->mem_limit_bytes,
    .memory = { .path = store, .is_open = conf->has_store_fd,
                .fd = conf->store_fd },
    .backing = &backing,
    .reserve_bytes = conf->reserve_bytes,
  };

  if (store || !conf->store_path)
    export->device = device_create (&params);
  else
    report_error ("%s: %s: %m", export->name, conf->store_path);
  free (store);
  return export->device ? 0 : -1;
}

/* What was found in a store file goes on as it was, with what was changed at
 * run time, unless the configuration is another one. */
static bool
is_settled (const struct export *export, const struct conf_export *conf)
{
  return export->device->was_adopted &&
    persist_conf_tag (export->device) == conf_tag (conf);
}

static int
set_size (struct export *export, const struct conf_export *conf)
{
  if (is_settled (export, conf) ||
      export->device->size_bytes == conf->disksize_bytes)
    return 0;
  return live_set_size (export->device, conf->disksize_bytes);
}

static bool
has_codec (struct export *export, unsigned priority,
           const struct conf_codec *codec)
{
  struct codec_description now;

  return live_get_codec (export->device, priority, &now) &&
    now.algorithm == codec->algorithm &&
    now.dict_bytes == (codec->params.dict ? codec->params.dict_bytes : 0) &&
    now.dict_checksum == checksum_of_bytes (codec->params.dict, now.dict_bytes,
                                            0) &&
    (now.level == codec->params.level ||
     codec->params.level == CODEC_LEVEL_DEFAULT);
}

static int
set_codecs (struct export *export, const struct conf_export *conf)
{
  for (unsigned priority = 0; priority < NR_PRIORITIES; priority++) {
    const struct conf_codec *codec = &conf->codecs[priority];

    if (codec->algorithm && !is_settled (export, conf) &&
        !has_codec (export, priority, codec) &&
        live_set_codec (export->device, priority, codec->algorithm,
                        &codec->params) == -1)
      return -1;
  }
  return 0;
}

static int
attach_backing (struct export *export, const char *path)
{
  char *absolute = file_absolute (path);
  struct backing_params params = backing_params (export, absolute);
  int r;

  if (!absolute) {
    report_error ("%s: %s: %m", export->name, path);
    return -1;
  }
  r = live_attach_backing (export->device, &params);
  free (absolute);
  return r;
}

static int
set_values (struct export *export, const struct conf_export *conf)
{
  struct device *device = export->device;

  if (!is_settled (export, conf))
    live_set_mem_limit (device, conf->mem_limit_bytes);

  device->writeback_limit_pages = conf->writeback_limit_pages;
  device->writeback_limit_enable = conf->writeback_limit_enable;
  export->policy = conf->policy;
  return 0;
}

static int
set_dedup (struct export *export, const struct conf_export *conf)
{
  return is_settled (export, conf) ? 0 :
    live_set_dedup (export->device, conf->use_dedup);
}

/* Is the file that the device has the one that it is to have? */
static bool
has_backing (struct export *export, const char *path)
{
  char *absolute = path ? file_absolute (path) : NULL;
  char now[PATH_MAX] = "";
  struct backing_stats stats;
  const bool has = live_get_backing (export->device, now, sizeof now, &stats);
  const bool same = absolute ? strcmp (now, absolute) == 0 : !has;

  free (absolute);
  return same;
}

static int
set_backing (struct export *export, const struct conf_export *conf)
{
  if (is_settled (export, conf) || has_backing (export, conf->backing_path))
    return 0;
  if (export->device->backing && live_detach_backing (export->device) == -1)
    return -1;
  return conf->backing_path ? attach_backing (export, conf->backing_path) : 0;
}

static int
settle (struct export *export, const struct conf_export *conf)
{
  persist_set_conf_tag (export->device, conf_tag (conf));
  return 0;
}

/* The steps, and the key that is to blame if one goes wrong. */
static const struct {
  int (*take) (struct export *export, const struct conf_export *conf);
  enum conf_key_id id;
} steps[] = {
  { create_device, CONF_DISKSIZE },
  { set_values, CONF_DISKSIZE },
  { set_size, CONF_DISKSIZE },
  { set_codecs, CONF_RECOMP_ALGORITHM },
  { set_dedup, CONF_USE_DEDUP },
  { set_backing, CONF_BACKING_DEV },
  { settle, CONF_STORE },
};

#define MESSAGE_CHARS 512

/* A device has several keys that can be wrong. */
static enum conf_key_id
key_to_blame (size_t i, const struct conf_export *conf)
{
  if (steps[i].take != create_device)
    return steps[i].id;
  if (errno == EINVAL)
    return CONF_MEM_LIMIT;
  return conf->store_path && errno != EFBIG ? CONF_STORE : CONF_DISKSIZE;
}

/* What the store says goes behind file, line and key. */
static int
take_step (size_t i, struct export *export, const struct conf_export *conf)
{
  char message[MESSAGE_CHARS] = "";
  int r;

  report_capture (message, sizeof message);
  r = steps[i].take (export, conf);
  report_capture (NULL, 0);
  if (r == 0)
    return 0;
  return conf_blame (conf, key_to_blame (i, conf), message);
}

static void
note_safeguard (struct safeguard *safeguard, bool wanted, const char *why_not)
{
  safeguard->state = !wanted ? SAFEGUARD_OFF :
    why_not ? SAFEGUARD_NO : SAFEGUARD_YES;
  snprintf (safeguard->why, sizeof safeguard->why, "%s",
            why_not ? why_not : "");
}

/* Memory that goes with the server is locked with it or not at all. */
static void
note_safeguards (struct export *export, const struct conf_export *conf)
{
  const struct memory *memory = &export->device->memory;
  const bool has_file = memory_is_file (memory);

  note_safeguard (&export->reserve, conf->reserve_bytes > 0, NULL);
  note_safeguard (&export->store_locked, has_file,
                  has_file ? memory_why_swapped (memory) : "anonymous memory");
}

static int
make_export (struct export *export, const struct conf_export *conf)
{
  pthread_mutex_init (&export->lock, NULL);
  export->backing = conf->backing;
  export->name = strdup (*conf->name ? conf->name : NAME_WITHOUT_SECTION);
  if (!export->name) {
    report_error ("%m");
    return -1;
  }
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
    if (take_step (i, export, conf) == -1)
      return -1;
  note_safeguards (export, conf);
  return 0;
}

static int
make_worker (struct exports *exports)
{
  exports->worker = worker_create ();
  if (!exports->worker)
    return -1;
  for (size_t i = 0; i < exports->nr_exports; i++)
    if (worker_add (exports->worker, exports->exports[i].device,
                    &exports->exports[i].policy) == -1)
      return -1;
  return 0;
}

int
setup_exports (struct exports *exports, const struct conf *conf)
{
  exports->nr_exports = 0;
  exports->exports = calloc (conf->nr_exports, sizeof *exports->exports);
  if (!exports->exports) {
    report_error ("%m");
    return -1;
  }
  while (exports->nr_exports < conf->nr_exports) {
    const size_t i = exports->nr_exports++;

    if (make_export (&exports->exports[i], &conf->exports[i]) == -1)
      return -1;
  }
  return make_worker (exports);
}

int
setup_start (struct exports *exports)
{
  for (size_t i = 0; i < exports->nr_exports; i++)
    if (device_start (exports->exports[i].device) == -1)
      return -1;
  return worker_start (exports->worker);
}

void
setup_stop (struct exports *exports)
{
  worker_stop (exports->worker);
  for (size_t i = 0; i < exports->nr_exports; i++)
    device_stop (exports->exports[i].device);
}

void
setup_free (struct exports *exports)
{
  if (exports->worker)
    worker_destroy (exports->worker);
  for (size_t i = 0; i < exports->nr_exports; i++) {
    struct export *export = &exports->exports[i];

    if (export->device)
      device_destroy (export->device);
    pthread_mutex_destroy (&export->lock);
    explicit_bzero (&export->backing, sizeof export->backing);
    free (export->name);
  }
  free (exports->exports);
  *exports = (struct exports) { .nr_exports = 0 };
}

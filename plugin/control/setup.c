/* SPDX-License-Identifier: BSD-3-Clause */
/* From a configuration to exports; see setup.h. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../policy/worker.h"
#include "../store/device.h"
#include "../store/live.h"
#include "../store/report.h"
#include "file.h"
#include "setup.h"

/* A disk from the command line has no section to be named after. */
#define NAME_WITHOUT_SECTION "zram"

static int
create_device (struct export *export, const struct conf_export *conf)
{
  const struct device_params params = {
    .name = export->name,
    .size_bytes = conf->disksize_bytes,
    .block_bytes = conf->block_bytes,
    .algorithm = conf->codecs[0].algorithm,
    .codec_params = &conf->codecs[0].params,
    .mem_limit_bytes = conf->mem_limit_bytes,
  };

  export->device = device_create (&params);
  return export->device ? 0 : -1;
}

static int
set_codecs (struct export *export, const struct conf_export *conf)
{
  for (unsigned priority = 1; priority < NR_PRIORITIES; priority++) {
    const struct conf_codec *codec = &conf->codecs[priority];

    if (codec->algorithm &&
        live_set_codec (export->device, priority, codec->algorithm,
                        &codec->params) == -1)
      return -1;
  }
  return 0;
}

static int
attach_backing (struct export *export, const char *path)
{
  const struct backing_settings *settings = &export->backing;
  char *absolute = file_absolute (path);
  int r;

  if (!absolute) {
    report_error ("%s: %s: %m", export->name, path);
    return -1;
  }
  r = live_attach_backing (export->device, &(struct backing_params) {
      .path = absolute, .size_bytes = settings->size_bytes,
      .key = settings->has_key ? settings->key : NULL });
  free (absolute);
  return r;
}

static int
set_values (struct export *export, const struct conf_export *conf)
{
  struct device *device = export->device;

  device->writeback_limit_pages = conf->writeback_limit_pages;
  device->writeback_limit_enable = conf->writeback_limit_enable;
  export->policy = conf->policy;
  return 0;
}

static int
set_dedup (struct export *export, const struct conf_export *conf)
{
  return conf->use_dedup ? live_set_dedup (export->device, true) : 0;
}

static int
set_backing (struct export *export, const struct conf_export *conf)
{
  export->backing = conf->backing;
  return conf->backing_path ? attach_backing (export, conf->backing_path) : 0;
}

/* The steps, and the key that is to blame if one goes wrong. */
static const struct {
  int (*take) (struct export *export, const struct conf_export *conf);
  enum conf_key_id id;
} steps[] = {
  { create_device, CONF_DISKSIZE },
  { set_values, CONF_DISKSIZE },
  { set_codecs, CONF_RECOMP_ALGORITHM },
  { set_dedup, CONF_USE_DEDUP },
  { set_backing, CONF_BACKING_DEV },
};

#define MESSAGE_CHARS 512

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
  return conf_blame (conf, errno == EINVAL && steps[i].take == create_device ?
                     CONF_MEM_LIMIT : steps[i].id, message);
}

static int
make_export (struct export *export, const struct conf_export *conf)
{
  pthread_mutex_init (&export->lock, NULL);
  export->name = strdup (*conf->name ? conf->name : NAME_WITHOUT_SECTION);
  if (!export->name) {
    report_error ("%m");
    return -1;
  }
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
    if (take_step (i, export, conf) == -1)
      return -1;
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

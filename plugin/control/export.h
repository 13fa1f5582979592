/* SPDX-License-Identifier: BSD-3-Clause */
/* An export: a device, the name by which clients open it, and what is kept
 * beside the device to steer it.
 */
#ifndef ZRAM_EXPORT_H
#define ZRAM_EXPORT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../policy/policy.h"
#include "../store/backing.h"
#include "safeguard.h"

struct device;
struct worker;

/* What the next backing file is opened with. */
struct backing_settings {
  uint64_t size_bytes;          /* 0: all of a file that is there */
  bool has_key;
  uint8_t key[BACKING_KEY_BYTES];
};

struct export {
  char *name;                   /* never empty */
  struct device *device;
  struct policy policy;
  pthread_mutex_t lock;         /* guards backing; innermost */
  struct backing_settings backing;
  struct safeguard reserve, store_locked;       /* its own safeguards */
};

/* All that a server serves, in the order of the configuration, and the one who
 * does for all of them what their policies say. */
struct exports {
  struct export *exports;
  size_t nr_exports;
  struct worker *worker;
};

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device writes into the superblock of its store file, and finds there
 * again: all that is not a slot, an object or made from these.  Without a store
 * file these calls do nothing.
 */
#ifndef ZRAM_PERSIST_H
#define ZRAM_PERSIST_H

#include <stddef.h>
#include <stdint.h>

struct device;
struct device_params;

/* Write it all, after a change.  The device is quiesced, or not in use yet. */
void persist_device (struct device *device);

/* A dictionary for this free number, before a codec with it gets that.  -1: a
 * message was given, errno is set. */
int persist_dict (struct device *device, unsigned codec, const void *dict,
                  size_t dict_bytes);

/* What the file says instead of the parameters.  -1: it does not go with them,
 * a message was given. */
int persist_load_params (const struct device *device,
                         struct device_params *params);

/* The codecs that its objects need.  -1: a message was given, none is held. */
int persist_load_codecs (struct device *device);

/* The configuration that this device obeys, as one number; 0: none yet.
 * Whoever configures it applies a new one on top of what was found, and leaves
 * what was changed at run time where the configuration is the same. */
uint64_t persist_conf_tag (struct device *device);
void persist_set_conf_tag (struct device *device, uint64_t tag);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* What the model tests share: data as memory has it, and devices to try. */
#ifndef ZRAM_TEST_MODEL_H
#define ZRAM_TEST_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "check.h"
#include "device.h"

/* Fill with one of the kinds of data that the store treats differently: zeroes,
 * one word repeated (each mode of the slot, and none), text, noise, noise with
 * text behind it, and filled but for one byte. */
void model_fill (struct random *random, uint8_t *data, size_t bytes);

/* A device of this size with the nr-th algorithm (modulo how many there are) at
 * its default level. */
struct device *model_device (unsigned algorithm, uint32_t block_bytes,
                             uint64_t size_bytes);

/* The same with a reserve of so many bytes, 0: none. */
struct device *model_device_reserve (unsigned algorithm, uint32_t block_bytes,
                                     uint64_t size_bytes,
                                     uint64_t reserve_bytes);

/* Give the device a small backing file of its own, and let blocks share objects,
 * where that is compiled in. */
void model_attach_backing (struct device *device);
void model_start_dedup (struct device *device);

/* Do one of the things that happen to a live device beside requests: another
 * algorithm, idle marks, recompression, writeback, another size.  It may fail
 * for lack of memory or since the backing file fails, and changes no
 * content. */
void model_steer (struct random *random, struct device *device);

#endif

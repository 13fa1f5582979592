/* SPDX-License-Identifier: BSD-3-Clause */
/* File systems on an attached device.  Calls that return -1 have given a
 * message.
 */
#ifndef NBDZRAM_MOUNT_H
#define NBDZRAM_MOUNT_H

#include <stdbool.h>

#include "blockdev.h"

/* Is there a program that makes it? */
bool mount_can_make (const char *type);

int mount_make (const struct blockdev *dev, const char *type);

/* With discard, if the file system knows that. */
int mount_begin (const struct blockdev *dev, const char *type,
                 const char *directory);

bool mount_is_on (const struct blockdev *dev, const char *directory);

/* Unmount it wherever it is mounted. */
int mount_end (const struct blockdev *dev);

#endif

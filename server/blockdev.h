/* SPDX-License-Identifier: BSD-3-Clause */
/* A block device /dev/nbdN, as sysfs shows it. */
#ifndef NBDZRAM_BLOCKDEV_H
#define NBDZRAM_BLOCKDEV_H

#include <stdbool.h>
#include <stddef.h>

#define BLOCKDEV_NAME_BYTES 16

struct blockdev {
  unsigned index;
  char name[BLOCKDEV_NAME_BYTES];       /* nbdN */
  char path[BLOCKDEV_NAME_BYTES + 5];   /* /dev/nbdN */
};

/* /dev/nbdN or nbdN.  False: it is something else. */
bool blockdev_parse (struct blockdev *dev, const char *word);

/* Is a client's connection behind it? */
bool blockdev_is_attached (const struct blockdev *dev);

bool blockdev_is_read_only (const struct blockdev *dev);

/* What sysfs has below the device; the newline is taken off.  -1 and errno. */
int blockdev_get (const struct blockdev *dev, const char *attribute,
                  char *text, size_t bytes);
int blockdev_set (const struct blockdev *dev, const char *attribute,
                  const char *text);

/* Open it as the only one who does; file systems, swap and other devices on top
 * of it do the same.  -1 and errno, EBUSY if one of them does. */
int blockdev_claim (const struct blockdev *dev);

/* A process that has it open other than that; 0: none was found.  The name of
 * its program is put into name. */
#define BLOCKDEV_USER_BYTES 32
int blockdev_find_user (const struct blockdev *dev,
                        char name[BLOCKDEV_USER_BYTES]);

#endif

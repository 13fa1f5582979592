/* SPDX-License-Identifier: BSD-3-Clause */
/* File systems on an attached device; see mount.h. */
#include <config.h>

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "mount.h"
#include "program.h"

#define NAME_BYTES 32
#define PLACE_BYTES 4096

static void
name_maker (const char *type, char name[NAME_BYTES])
{
  snprintf (name, NAME_BYTES, "mkfs.%s", type);
}

bool
mount_can_make (const char *type)
{
  char name[NAME_BYTES];

  name_maker (type, name);
  return *type && !strchr (type, '/') && program_exists (name);
}

int
mount_make (const struct blockdev *dev, const char *type)
{
  char name[NAME_BYTES];
  const char *const argv[] = { name, dev->path, NULL };

  name_maker (type, name);
  return program_run (argv);
}

int
mount_begin (const struct blockdev *dev, const char *type,
             const char *directory)
{
  const unsigned long flags = blockdev_is_read_only (dev) ? MS_RDONLY : 0;

  if (mount (dev->path, directory, type, flags, "discard") == 0)
    return 0;
  if (errno == EINVAL && mount (dev->path, directory, type, flags, NULL) == 0) {
    warnx ("hint: %s does without discard; fstrim (8) gives back what it frees",
           type);
    return 0;
  }
  warn ("cannot mount %s (%s) on %s", dev->path, type, directory);
  return -1;
}

/* Where it is mounted. */

/* Spaces and such are \OOO there. */
static void
decode (char *text)
{
  char *to = text, digits[4] = "";

  for (const char *from = text; *from; to++)
    if (from[0] == '\\' && from[1] && from[2] && from[3]) {
      memcpy (digits, from + 1, 3);
      *to = strtoul (digits, NULL, 8);
      from += 4;
    }
    else
      *to = *from++;
  *to = '\0';
}

static bool
is_number (dev_t device, const char *number)
{
  char text[NAME_BYTES];

  snprintf (text, sizeof text, "%u:%u", major (device), minor (device));
  return strcmp (text, number) == 0;
}

/* The last place where it is mounted.
 * Lines are: id, parent's id, MAJOR:MINOR, root, place, ... */
static bool
find_place (const char *number, char found[PLACE_BYTES])
{
  FILE *stream = fopen ("/proc/self/mountinfo", "re");
  char *line = NULL, device[NAME_BYTES], place[PLACE_BYTES];
  size_t bytes = 0;
  bool is_mounted = false;

  while (stream && getline (&line, &bytes, stream) != -1)
    if (sscanf (line, "%*s %*s %31s %*s %4095s", device, place) == 2 &&
        strcmp (device, number) == 0) {
      strcpy (found, place);
      is_mounted = true;
    }
  free (line);
  if (stream)
    fclose (stream);
  decode (found);
  return is_mounted;
}

bool
mount_is_on (const struct blockdev *dev, const char *directory)
{
  char number[NAME_BYTES];
  struct stat st;

  return blockdev_get (dev, "dev", number, sizeof number) == 0 &&
    stat (directory, &st) == 0 && is_number (st.st_dev, number);
}

int
mount_end (const struct blockdev *dev)
{
  char number[NAME_BYTES], place[PLACE_BYTES] = "";
  int r = 0;

  if (blockdev_get (dev, "dev", number, sizeof number) == -1)
    return 0;
  while (r == 0 && find_place (number, place)) {
    r = umount2 (place, UMOUNT_NOFOLLOW);
    if (r == -1)
      warn ("cannot unmount %s", place);
  }
  return r;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What a block device holds; see signature.h.  The only file that knows
 * libblkid.
 */
#include <config.h>

#include <blkid/blkid.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "signature.h"

static blkid_probe
open_probe (int fd)
{
  blkid_probe probe = blkid_new_probe ();

  if (!probe)
    return NULL;
  blkid_probe_enable_superblocks (probe, 1);
  blkid_probe_set_superblocks_flags (probe, BLKID_SUBLKS_TYPE |
                                     BLKID_SUBLKS_MAGIC);
  blkid_probe_enable_partitions (probe, 1);
  blkid_probe_set_partitions_flags (probe, BLKID_PARTS_MAGIC);
  if (blkid_probe_set_device (probe, fd, 0, 0) == 0)
    return probe;
  blkid_free_probe (probe);
  return NULL;
}

static void
get_type (blkid_probe probe, char text[SIGNATURE_BYTES])
{
  const char *type;

  if (blkid_probe_lookup_value (probe, "TYPE", &type, NULL) == -1 &&
      blkid_probe_lookup_value (probe, "PTTYPE", &type, NULL) == -1)
    type = "something unknown";
  snprintf (text, SIGNATURE_BYTES, "%s", type);
}

/* For both: with a probe of a file that was opened. */
static int
with_probe (const char *path, int flags,
            int (*use) (blkid_probe probe, const char *path, char *text),
            char *text)
{
  const int fd = open (path, flags | O_CLOEXEC);
  blkid_probe probe = fd == -1 ? NULL : open_probe (fd);
  int r = -1;

  if (probe)
    r = use (probe, path, text);
  else
    warn ("%s", path);
  if (probe)
    blkid_free_probe (probe);
  if (fd != -1 && close (fd) == -1) {
    warn ("%s", path);
    r = -1;
  }
  return r;
}

static int
read_it (blkid_probe probe, const char *path, char *text)
{
  text[0] = '\0';
  switch (blkid_do_safeprobe (probe)) {
  case 0:
    get_type (probe, text);
    return 0;
  case 1:
    return 0;
  case -2:
    warnx ("%s holds several things at once, see wipefs (8)", path);
    return -1;
  default:
    warnx ("%s cannot be read", path);
    return -1;
  }
}

int
signature_read (const char *path, char text[SIGNATURE_BYTES])
{
  return with_probe (path, O_RDONLY, read_it, text);
}

static int
wipe_it (blkid_probe probe, const char *path, char *text)
{
  int r;

  while ((r = blkid_do_probe (probe)) == 0)
    if (blkid_do_wipe (probe, 0) != 0) {
      warn ("%s: cannot wipe what it holds", path);
      return -1;
    }
  if (r == 1)
    return 0;
  warnx ("%s cannot be read", path);
  return -1;
}

int
signature_wipe (const char *path)
{
  return with_probe (path, O_RDWR, wipe_it, NULL);
}

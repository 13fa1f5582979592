/* SPDX-License-Identifier: BSD-3-Clause */
/* What a block device holds, by what is written at its beginning. */
#ifndef NBDZRAM_SIGNATURE_H
#define NBDZRAM_SIGNATURE_H

#define SIGNATURE_BYTES 32

/* Into text: the type of the file system ("ext4", "swap", "LVM2_member") or
 * partition table ("dos"); "" if there is none.  -1: a message was given, for
 * several that contradict each other, too. */
int signature_read (const char *path, char text[SIGNATURE_BYTES]);

/* Take all of them away.  -1: a message was given. */
int signature_wipe (const char *path);

#endif

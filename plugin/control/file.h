/* SPDX-License-Identifier: BSD-3-Clause */
/* Small files that are read whole: the configuration, a dictionary. */
#ifndef ZRAM_FILE_H
#define ZRAM_FILE_H

#include <stddef.h>

/* The most that makes sense: zstd's trainer makes dictionaries of 110 KiB, lz4
 * looks at 64. */
#define FILE_BYTES_MAX ((size_t) 16 << 20)

/* NULL on success; else what is wrong with the file, and nothing is held.
 * There is room for a NUL behind the last byte.  The caller frees *data. */
const char *file_read (const char *path, char **data, size_t *bytes);

/* The path from the root, since a server leaves its directory.  NULL: errno;
 * the caller frees it. */
char *file_absolute (const char *path);

#endif

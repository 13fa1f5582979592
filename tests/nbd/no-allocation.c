/* SPDX-License-Identifier: BSD-3-Clause */
/* For LD_PRELOAD: while the file $ZRAM_TEST_NO_ALLOCATION is there, nbdzram is
 * aborted when it allocates.
 */
#include <config.h>

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc (size_t bytes);
void *__libc_calloc (size_t nr, size_t bytes);
void *__libc_realloc (void *old, size_t bytes);

static const char *path;        /* NULL: another program */

__attribute__ ((constructor)) static void
set_up (void)
{
  if (strcmp (program_invocation_short_name, "nbdzram") == 0)
    path = getenv ("ZRAM_TEST_NO_ALLOCATION");
}

static void
look (void)
{
  static const char text[] = "no-allocation: nbdzram allocates\n";
  const int saved_errno = errno;

  if (path && access (path, F_OK) == 0) {
    (void) !write (STDERR_FILENO, text, sizeof text - 1);
    abort ();
  }
  errno = saved_errno;
}

void *
malloc (size_t bytes)
{
  look ();
  return __libc_malloc (bytes);
}

void *
calloc (size_t nr, size_t bytes)
{
  look ();
  return __libc_calloc (nr, bytes);
}

void *
realloc (void *old, size_t bytes)
{
  look ();
  return __libc_realloc (old, bytes);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The key of a backing file; see key.h. */
#include <config.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "key.h"

#define HEX_CHARS (2 * BACKING_KEY_BYTES)

/* -1: no hex digit. */
static int
digit (char c)
{
  static const char digits[] = "0123456789abcdefABCDEF";
  const char *found = c ? strchr (digits, c) : NULL;
  const int value = found ? found - digits : -1;

  return value >= 16 ? value - 6 : value;
}

static const char *
parse_hex (const char *text, uint8_t *key)
{
  for (unsigned i = 0; i < BACKING_KEY_BYTES; i++) {
    const int high = digit (text[2 * i]), low = digit (text[2 * i + 1]);

    if (high == -1 || low == -1)
      return "neither 64 bytes nor 128 hex digits";
    key[i] = high << 4 | low;
  }
  return NULL;
}

static const char *
parse (const char *data, size_t bytes, uint8_t *key)
{
  const char *wrong = NULL;

  if (bytes == HEX_CHARS + 1 && data[HEX_CHARS] == '\n')
    bytes--;
  if (bytes == BACKING_KEY_BYTES)
    memcpy (key, data, BACKING_KEY_BYTES);
  else if (bytes == HEX_CHARS)
    wrong = parse_hex (data, key);
  else
    wrong = "neither 64 bytes nor 128 hex digits";
  /* XTS is two keys; with one twice it falls apart. */
  if (!wrong && memcmp (key, key + BACKING_KEY_BYTES / 2,
                        BACKING_KEY_BYTES / 2) == 0)
    wrong = "both halves of the key are the same";
  return wrong;
}

const char *
key_read (const char *path, uint8_t key[BACKING_KEY_BYTES], int *errnum)
{
  const char *wrong;
  char *data;
  size_t bytes;

  errno = 0;
  memset (key, 0, BACKING_KEY_BYTES);
  wrong = file_read (path, &data, &bytes);
  *errnum = errno ? errno : EINVAL;
  if (wrong)
    return wrong;
  *errnum = EINVAL;
  wrong = parse (data, bytes, key);
  if (wrong)
    explicit_bzero (key, BACKING_KEY_BYTES);
  explicit_bzero (data, bytes);
  free (data);
  return wrong;
}

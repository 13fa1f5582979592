/* SPDX-License-Identifier: BSD-3-Clause */
/* Same-filled blocks; see samefill.h. */
#include <config.h>

#include <string.h>

#include "samefill.h"

static uint64_t
word_at (const void *data, size_t offset)
{
  uint64_t word;

  memcpy (&word, (const char *) data + offset, sizeof word);
  return word;
}

/* The last word first, as the kernel does: most blocks that begin like a filled
 * one do not end like it.  Then the data compared with itself, one word
 * further, is the whole proof. */
bool
samefill_detect (const void *data, size_t bytes, uint64_t *word)
{
  *word = word_at (data, 0);
  return word_at (data, bytes - sizeof *word) == *word &&
    memcmp (data, (const char *) data + sizeof *word,
            bytes - sizeof *word) == 0;
}

void
samefill_write (void *data, size_t bytes, uint64_t word, size_t from_byte)
{
  const unsigned shift = from_byte % 8 * 8;
  const uint64_t turned =
    shift == 0 ? word : word >> shift | word << (64 - shift);
  char *p = data;

  if (turned == (turned & 0xff) * UINT64_C (0x0101010101010101)) {
    memset (p, turned & 0xff, bytes);
    return;
  }
  for (; bytes >= sizeof turned; bytes -= sizeof turned, p += sizeof turned)
    memcpy (p, &turned, sizeof turned);
  memcpy (p, &turned, bytes);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes to write; see pattern.h. */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pattern.h"

uint64_t
pattern_seed (void)
{
  const char *given = getenv ("TEST_SEED");
  struct timespec now;
  uint64_t seed;

  clock_gettime (CLOCK_REALTIME, &now);
  seed = given ? strtoull (given, NULL, 0) :
    (uint64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
  seed += seed == 0;
  printf ("TEST_SEED=%" PRIu64 "\n", seed);
  fflush (stdout);
  return seed;
}

uint64_t
pattern_next (uint64_t *state)
{
  uint64_t x = *state;

  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  *state = x;
  return x * UINT64_C (0x2545f4914f6cdd1d);
}

uint64_t
pattern_below (uint64_t *state, uint64_t bound)
{
  return (pattern_next (state) >> 11) % bound;
}

void
pattern_noise (void *data, size_t bytes, uint64_t *state)
{
  uint8_t *p = data;
  uint64_t word = 0;

  for (size_t i = 0; i < bytes; i++) {
    if (i % sizeof word == 0)
      word = pattern_next (state);
    p[i] = word >> i % sizeof word * 8;
  }
}

static void
repeat (uint8_t *data, size_t bytes, const void *what, size_t what_bytes)
{
  const uint8_t *from = what;

  for (size_t i = 0; i < bytes; i++)
    data[i] = from[i % what_bytes];
}

static void
piece (uint8_t *data, size_t bytes, uint64_t *state)
{
  static const char text[] = "the quick brown fox jumps over the lazy dog; ";
  const uint64_t word = pattern_next (state);

  switch (pattern_below (state, 6)) {
  case 0: memset (data, 0, bytes); break;
  case 1: memset (data, (uint8_t) word, bytes); break;
  case 2: repeat (data, bytes, &word, sizeof word); break;
  case 3: pattern_noise (data, bytes, state); break;
  default: repeat (data, bytes, text + word % 16, sizeof text - 1 - word % 16);
  }
}

/* A piece in four is longer than any block, so that whole blocks of each kind
 * turn up. */
void
pattern_mixed (void *data, size_t bytes, uint64_t *state)
{
  uint8_t *p = data;
  size_t length;

  while (bytes > 0) {
    length = 1 + pattern_below (state, pattern_below (state, 4) ?
                                3000 : 200000);
    length = length < bytes ? length : bytes;
    piece (p, length, state);
    p += length;
    bytes -= length;
  }
}

/* Number i of the words of a stamp (splitmix64's finish). */
static uint64_t
stamped_word (uint64_t stamp, uint64_t i)
{
  uint64_t x = stamp + i * UINT64_C (0x9e3779b97f4a7c15);

  if (i == 0 || stamp % 3 == 0 || (stamp % 3 == 1 && i % 16 < 8))
    return stamp;
  x = (x ^ x >> 30) * UINT64_C (0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * UINT64_C (0x94d049bb133111eb);
  return x ^ x >> 31;
}

void
pattern_stamped (void *data, size_t bytes, uint64_t stamp)
{
  uint8_t *p = data;
  uint64_t word;
  size_t here;

  for (size_t i = 0; i < bytes; i += here) {
    word = stamped_word (stamp, i / sizeof word);
    here = bytes - i < sizeof word ? bytes - i : sizeof word;
    memcpy (p + i, &word, here);
  }
}

bool
pattern_has_stamp (const void *data, size_t bytes, uint64_t *stamp)
{
  const uint8_t *p = data;
  uint64_t word;
  size_t here;

  memcpy (stamp, data, sizeof *stamp);
  for (size_t i = 0; i < bytes; i += here) {
    word = stamped_word (*stamp, i / sizeof word);
    here = bytes - i < sizeof word ? bytes - i : sizeof word;
    if (memcmp (p + i, &word, here) != 0)
      return false;
  }
  return true;
}

bool
pattern_is_zero (const void *data, size_t bytes)
{
  const char *p = data;

  return bytes == 0 || (p[0] == 0 && memcmp (p, p + 1, bytes - 1) == 0);
}

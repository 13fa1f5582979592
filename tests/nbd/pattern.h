/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes to write: a random generator that is the same everywhere, and buffers
 * that compress as memory does.
 */
#ifndef ZRAM_TESTS_PATTERN_H
#define ZRAM_TESTS_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of the test: $TEST_SEED, or the time.  Printed, so that a failure can be had
 * again. */
uint64_t pattern_seed (void);

/* The next number (xorshift64*).  A state is never 0. */
uint64_t pattern_next (uint64_t *state);

/* 0 .. bound - 1. */
uint64_t pattern_below (uint64_t *state, uint64_t bound);

/* Pieces of all that a disk meets, at random lengths: zeroes, one byte or word
 * repeated, text, noise. */
void pattern_mixed (void *data, size_t bytes, uint64_t *state);

/* What no algorithm makes shorter. */
void pattern_noise (void *data, size_t bytes, uint64_t *state);

/* A version of a piece: the stamp is its first 8 bytes, and all others follow
 * from it, so that a piece of two versions shows.  By turns same-filled, noise
 * and half noise; stamp 0 is zeroes. */
void pattern_stamped (void *data, size_t bytes, uint64_t stamp);

/* Is this, as a whole, one version?  *stamp says which. */
bool pattern_has_stamp (const void *data, size_t bytes, uint64_t *stamp);

bool pattern_is_zero (const void *data, size_t bytes);

#endif

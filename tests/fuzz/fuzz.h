/* SPDX-License-Identifier: BSD-3-Clause */
/* What every fuzzer is: a function that is given bytes and ends the process if
 * what it tries goes wrong.  libFuzzer calls it, or driver.c, which only knows
 * how to run the seeds and to change them blindly.
 *
 * The same bytes always do the same, or a crash could not be repeated.
 */
#ifndef ZRAM_FUZZ_H
#define ZRAM_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Always 0: every input is worth to be kept. */
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t bytes);

/* Called once, before the first input. */
int LLVMFuzzerInitialize (int *argc, char ***argv);

/* What is left of an input.  All-zero is the end. */
struct input {
  const uint8_t *data;
  size_t bytes;
};

/* Zeroes come behind the end. */
static inline uint8_t
input_u8 (struct input *input)
{
  if (input->bytes == 0)
    return 0;
  input->bytes--;
  return *input->data++;
}

/* The low byte first. */
static inline uint16_t
input_u16 (struct input *input)
{
  const uint8_t low = input_u8 (input);

  return low | input_u8 (input) << 8;
}

#endif

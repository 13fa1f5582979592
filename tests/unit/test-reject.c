/* SPDX-License-Identifier: BSD-3-Clause */
/* on_incompressible=reject: a write that does not compress gets ENOSPC and the
 * old content stays, so the swapping kernel keeps the page in memory.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "blocks.h"
#include "model.h"
#include "report.h"
#include "worker.h"

#define BLOCK_BYTES 4096u

static struct device *device;
static struct policy policy;
static uint8_t text[BLOCK_BYTES], noise[BLOCK_BYTES], read_back[BLOCK_BYTES];
static char message[256];

static void
set_policy (enum policy_incompressible what)
{
  policy.on_incompressible = what;
  policy_apply (&policy, device);
}

static void
set_up (void)
{
  device = model_device (0, BLOCK_BYTES, 64 * BLOCK_BYTES);
  block_make (device, text, 1, 500);
  block_make (device, noise, 2, BLOCK_BYTES);
  set_policy (POLICY_INCOMPRESSIBLE_REJECT);
}

static void
tear_down (void)
{
  check (recount_device (device));
  device_destroy (device);
}

static void
check_refused (const void *data, uint64_t bytes, uint64_t offset)
{
  errno = 0;
  report_capture (message, sizeof message);
  check (device_write (device, data, bytes, offset) == -1 && errno == ENOSPC);
  report_capture (NULL, 0);
}

static void
check_content (uint64_t block, const uint8_t *wanted)
{
  check (device_read (device, read_back, BLOCK_BYTES,
                      block * BLOCK_BYTES) == 0);
  check (memcmp (read_back, wanted, BLOCK_BYTES) == 0);
}

static void
noise_is_refused_and_the_old_content_stays (void)
{
  check (device_write (device, text, BLOCK_BYTES, 0) == 0);
  check_refused (noise, BLOCK_BYTES, 0);
  check_content (0, text);
}

static void
the_message_names_device_block_and_reason (void)
{
  check_refused (noise, BLOCK_BYTES, 7 * BLOCK_BYTES);
  check (strstr (message, "model: block 7: ") != NULL);
  check (strstr (message, "does not compress") != NULL);
}

/* Most of the block becomes noise. */
static void
a_part_that_makes_a_block_incompressible_is_refused (void)
{
  check (device_write (device, text, BLOCK_BYTES, 0) == 0);
  check_refused (noise, BLOCK_BYTES - 8, 8);
  check_content (0, text);
}

static void
the_blocks_before_it_are_written (void)
{
  uint8_t data[2 * BLOCK_BYTES];

  memcpy (data, text, BLOCK_BYTES);
  memcpy (data + BLOCK_BYTES, noise, BLOCK_BYTES);
  check_refused (data, sizeof data, 10 * BLOCK_BYTES);
  check_content (10, text);
  check_content (11, (const uint8_t[BLOCK_BYTES]) { 0 });
}

static void
it_counts_as_a_failed_write (void)
{
  struct stats_snapshot before, after;

  device_get_stats (device, &before);
  check_refused (noise, BLOCK_BYTES, 0);
  device_get_stats (device, &after);
  check (after.values[STAT_FAILED_WRITES] ==
         before.values[STAT_FAILED_WRITES] + 1);
  check (after.values[STAT_HUGE_SINCE] == before.values[STAT_HUGE_SINCE]);
}

static void
with_store_it_is_taken_again (void)
{
  set_policy (POLICY_INCOMPRESSIBLE_STORE);
  check (device_write (device, noise, BLOCK_BYTES, 0) == 0);
  check_content (0, noise);
}

int
main (void)
{
  set_up ();
  test (noise_is_refused_and_the_old_content_stays);
  test (the_message_names_device_block_and_reason);
  test (a_part_that_makes_a_block_incompressible_is_refused);
  test (the_blocks_before_it_are_written);
  test (it_counts_as_a_failed_write);
  test (with_store_it_is_taken_again);
  tear_down ();
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The allowance: never more is taken than there is, whoever takes. */
#include <config.h>

#include <pthread.h>

#include "allowance.h"
#include "check.h"
#include "device.h"
#include "model.h"

#define NR_THREADS 4u
#define NR_PAGES 100000u

static struct device *device;

static void
start (uint64_t pages, bool enabled)
{
  device = model_device (0, 4096, 1 << 20);
  device->writeback_limit_pages = pages;
  device->writeback_limit_enable = enabled;
}

static void
stop (void)
{
  device_destroy (device);
}

static void
without_the_switch_there_is_no_end (void)
{
  start (3, false);
  check (allowance_take (device, 1, 32) == 32);
  check (allowance_take (device, 32, 32) == 32);
  allowance_give (device, 10);
  check (device->writeback_limit_pages == 3);
  stop ();
}

static void
what_is_taken_is_gone (void)
{
  start (40, true);
  check (allowance_take (device, 1, 32) == 32);
  check (device->writeback_limit_pages == 8);
  check (allowance_take (device, 1, 32) == 8);
  check (device->writeback_limit_pages == 0);
  check (allowance_take (device, 1, 32) == 0);
  stop ();
}

static void
less_than_the_least_is_left_alone (void)
{
  start (5, true);
  check (allowance_take (device, 6, 32) == 0);
  check (device->writeback_limit_pages == 5);
  check (allowance_take (device, 5, 32) == 5);
  stop ();
}

static void
what_is_given_back_can_be_taken (void)
{
  start (0, true);
  allowance_give (device, 0);
  check (allowance_take (device, 1, 32) == 0);
  allowance_give (device, 7);
  check (allowance_take (device, 7, 32) == 7);
  stop ();
}

/* Each page that is not given back is counted. */
static void *
take_and_give (void *opaque)
{
  struct random random = random_seeded ((uintptr_t) opaque);
  uintptr_t kept = 0;
  unsigned taken;

  while ((taken = allowance_take (device, 1,
                                  1 + random_below (&random, 32))) > 0) {
    const unsigned given = random_below (&random, taken);

    allowance_give (device, given);
    kept += taken - given;
  }
  return (void *) kept;
}

static void
threads_take_what_there_is_and_no_more (void)
{
  pthread_t threads[NR_THREADS];
  uintptr_t sum = 0;
  void *kept;

  start (NR_PAGES, true);
  for (uintptr_t i = 0; i < NR_THREADS; i++)
    check (pthread_create (&threads[i], NULL, take_and_give,
                           (void *) (i + 1)) == 0);
  for (unsigned i = 0; i < NR_THREADS; i++) {
    pthread_join (threads[i], &kept);
    sum += (uintptr_t) kept;
  }
  check (sum + device->writeback_limit_pages == NR_PAGES);
  check (device->writeback_limit_pages < NR_PAGES);
  stop ();
}

int
main (void)
{
  capture_reports ();
  test (without_the_switch_there_is_no_end);
  test (what_is_taken_is_gone);
  test (less_than_the_least_is_left_alone);
  test (what_is_given_back_can_be_taken);
  test (threads_take_what_there_is_and_no_more);
  return 0;
}

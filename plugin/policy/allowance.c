/* SPDX-License-Identifier: BSD-3-Clause */
/* The allowance; see allowance.h. */
#include <config.h>

#include "../store/device.h"
#include "allowance.h"

unsigned
allowance_take (struct device *device, unsigned least, unsigned most)
{
  uint64_t left = atomic_load (&device->writeback_limit_pages);
  unsigned take;

  if (!atomic_load (&device->writeback_limit_enable))
    return most;
  do {
    if (left < least)
      return 0;
    take = left < most ? left : most;
  } while (!atomic_compare_exchange_weak (&device->writeback_limit_pages,
                                          &left, left - take));
  return take;
}

/* Switched on meanwhile, it may become more by one extent. */
void
allowance_give (struct device *device, unsigned nr_pages)
{
  if (nr_pages > 0 && atomic_load (&device->writeback_limit_enable))
    atomic_fetch_add (&device->writeback_limit_pages, nr_pages);
}

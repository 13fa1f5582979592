/* SPDX-License-Identifier: BSD-3-Clause */
/* Stands in for what the store cannot do yet; a definition there wins. */
#include <config.h>

#include <errno.h>

#include "../store/live.h"
#include "../store/report.h"

__attribute__ ((weak)) int
live_set_dedup (struct device *device, bool on)
{
  if (!on)
    return 0;
  report_error ("deduplication is not there yet");
  errno = ENOTSUP;
  return -1;
}

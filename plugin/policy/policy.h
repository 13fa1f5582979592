/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device does by itself.  zram leaves all of this to scripts.
 *
 * All-zero is: nothing by itself, and a full device is full.  Anybody may
 * change a value at any time; the worker looks at it when it begins its next
 * round.
 */
#ifndef ZRAM_POLICY_H
#define ZRAM_POLICY_H

#include <stdatomic.h>
#include <stdint.h>

#include "../store/age.h"

/* Ages are known up to this one (age.h), so a policy's is less. */
#define POLICY_AGE_END_S AGE_COARSE_MAX_S

/* Where a block goes that does not compress. */
enum policy_incompressible {
  POLICY_INCOMPRESSIBLE_STORE,          /* into memory as it is */
  POLICY_INCOMPRESSIBLE_WRITEBACK,      /* to the backing file, soon */
  POLICY_INCOMPRESSIBLE_REJECT,         /* the write fails with ENOSPC */
};

/* What a write does at the memory limit. */
enum policy_full {
  POLICY_FULL_ERROR,                    /* fail with ENOSPC */
  POLICY_FULL_WRITEBACK,                /* write cold blocks back first */
};

struct policy {
  /* What is done with a block that was not used for so many seconds; 0: off. */
  _Atomic uint32_t idle_age_s;          /* mark it idle */
  _Atomic uint32_t recompress_age_s;    /* with each priority that there is */
  _Atomic uint32_t writeback_age_s;     /* if there is a backing file */

  /* The worker writes back so much in each period; 0 bytes: no limit.  What is
   * asked for by hand is not counted. */
  _Atomic uint64_t writeback_rate_bytes;
  _Atomic uint32_t writeback_rate_period_s;

  _Atomic (enum policy_incompressible) on_incompressible;
  _Atomic (enum policy_full) on_full;
};

#endif

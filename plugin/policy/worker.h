/* SPDX-License-Identifier: BSD-3-Clause */
/* The worker: one background thread for all devices of a server that does by
 * policy what zram's users do by script.
 *
 * Each second it looks at each device: it marks idle blocks, recompresses and
 * writes back old ones, makes room before a device is full, compacts one that
 * wastes memory, and keeps ages from wrapping round.  It keeps a pace (pace.h).
 */
#ifndef ZRAM_WORKER_H
#define ZRAM_WORKER_H

#include "policy.h"

struct device;
struct worker;

/* NULL: a message was given. */
struct worker *worker_create (void);

/* Before the start.  Both outlive the worker, or at least its stop; the device
 * obeys the policy from now on.  -1: ENOMEM, a message was given. */
int worker_add (struct worker *worker, struct device *device,
                struct policy *policy);

/* After the fork.  -1: a message was given. */
int worker_start (struct worker *worker);

/* The server ends: passes on its devices, by whomever, end after their present
 * step.  May be called without start, and twice. */
void worker_stop (struct worker *worker);
void worker_destroy (struct worker *worker);

/* Tell the device what of the policy its requests obey; called after each
 * change. */
void policy_apply (struct policy *policy, struct device *device);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* From a configuration to the exports that it describes. */
#ifndef ZRAM_SETUP_H
#define ZRAM_SETUP_H

#include "conf.h"
#include "export.h"

/* In the directory that the configuration's paths start from.  The worker is
 * there, but not started.  -1: a message was given; what was made is to be
 * freed. */
int setup_exports (struct exports *exports, const struct conf *conf);

/* After the fork: the threads of the devices and the worker; they end before
 * the exports are freed.  -1: a message was given. */
int setup_start (struct exports *exports);
void setup_stop (struct exports *exports);

/* No request is in flight.  All-zero has nothing to free. */
void setup_free (struct exports *exports);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The process that stays with an attached device: it connects it to the server,
 * and connects it again when the server comes back.
 *
 * Who started it (the front) makes swap or a file system meanwhile:
 *
 *   agent                             front
 *   "attached" -------------------->
 *                                     mkswap, swapon, …
 *              <--------------------  a struct mark: all is done
 *   "staying"  -------------------->
 *                                     ends
 *
 * Either one finds the other's pipe closed if it failed, and then undoes what
 * it has done.
 */
#ifndef NBDZRAM_AGENT_H
#define NBDZRAM_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "blockdev.h"

#define AGENT_ATTACHED 'a'
#define AGENT_ADOPTED 'o'       /* instead: it was attached before */
#define AGENT_STAYING 's'

struct agent_order {
  struct blockdev dev;
  const char *export;           /* a name, or a URI */
  const char *socket;           /* of the local server */
  unsigned nr_connections;
  uint32_t timeout_s;
  uint32_t dead_timeout_s;
  int to_front;                 /* pipes */
  int from_front;
  bool is_foreground;           /* keep standard error */
};

/* Until the device is detached.  Returns an exit status; if it is not
 * STATUS_OK, a message was given, by the front if that failed. */
int agent_run (const struct agent_order *order);

#endif

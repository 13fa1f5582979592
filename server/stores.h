/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of the disks, which the keeper holds while servers come and go.
 *
 * For store=anonymous it has no name in any file system.  With CAP_IPC_LOCK it
 * is a locked segment, which cannot be swapped out (to the very disk that it
 * is) even while no server has it mapped; else a memfd.  For store=PATH it is
 * that file.
 */
#ifndef NBDZRAM_STORES_H
#define NBDZRAM_STORES_H

#include "../plugin/control/conf.h"
#include "handed.h"

struct held_store {
  char *name;                   /* to hand it over with */
  int fd;
  int segment;                  /* -1: not a locked segment */
  bool is_anonymous;
  bool was_handed;
};

struct stores {
  struct held_store *stores;    /* in the order of the exports */
  unsigned nr;
  unsigned nr_all;              /* with what no export is there for */
  bool was_handed;              /* at least one of them */
};

/* What was handed over is used again; what no export is there for is held all
 * the same, unless that may be forgotten.  -1: a message was given. */
int stores_open (struct stores *memory, const struct conf *conf,
                 struct handed *handed, bool may_forget);

/* Before exec, which gives up what keeps the segments locked: somebody else
 * holds them until whoever opens the memory next has them.  For that one a
 * descriptor from first_fd on stays open.  Allocates. */
void stores_hold_over (const struct stores *memory, int first_fd);

#endif

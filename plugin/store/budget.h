/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device holds and may hold.  Everything counts: zspages, the table,
 * the book-keeping, the codecs' working memory.  The kernel's zram counts
 * only zspages; users then wonder where the rest went.
 *
 * All-zero is an empty budget without a limit.  Thread-safe, lock-free.
 */
#ifndef ZRAM_BUDGET_H
#define ZRAM_BUDGET_H

#include <stdatomic.h>
#include <stdint.h>

struct budget {
  _Atomic uint64_t used_bytes;
  _Atomic uint64_t max_used_bytes;      /* the highest used_bytes so far */
  _Atomic uint64_t limit_bytes;         /* 0: none */
};

/* Called before memory is committed.  -1: ENOSPC, nothing was taken. */
int budget_take (struct budget *budget, uint64_t bytes);

/* The same for what is held already, whatever the limit is. */
void budget_force (struct budget *budget, uint64_t bytes);

/* Called after memory went back. */
void budget_give (struct budget *budget, uint64_t bytes);

#endif

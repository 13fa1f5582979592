/* SPDX-License-Identifier: BSD-3-Clause */
/* By what the content of a disk is known again.
 *
 * A server that lost the content may come back under the same name: to go on
 * with it would be worse than to have none.  A swap header never changes.  Of
 * anything else it is only known that its beginning was not all zeroes.
 */
#ifndef NBDZRAM_MARK_H
#define NBDZRAM_MARK_H

#include <stdbool.h>

/* The superblock of btrfs begins at 64 KiB, no other is later. */
#define MARK_HEAD_BYTES (72 << 10)

#define MARK_SAME_BYTES 4096

enum mark_kind {
  MARK_NONE,
  MARK_NOT_EMPTY,
  MARK_SAME,
};

struct mark {
  enum mark_kind kind;
  char same[MARK_SAME_BYTES];
};

/* head has MARK_HEAD_BYTES. */
void mark_take (struct mark *mark, const char *head, bool is_swap);
bool mark_fits (const struct mark *mark, const char *head);

#endif

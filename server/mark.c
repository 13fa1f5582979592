/* SPDX-License-Identifier: BSD-3-Clause */
/* By what the content of a disk is known again; see mark.h. */
#include <config.h>

#include <string.h>

#include "mark.h"

static bool
is_empty (const char *head)
{
  return head[0] == 0 && memcmp (head, head + 1, MARK_HEAD_BYTES - 1) == 0;
}

void
mark_take (struct mark *mark, const char *head, bool is_swap)
{
  memset (mark, 0, sizeof *mark);
  if (is_swap) {
    mark->kind = MARK_SAME;
    memcpy (mark->same, head, sizeof mark->same);
  }
  else if (!is_empty (head))
    mark->kind = MARK_NOT_EMPTY;
}

bool
mark_fits (const struct mark *mark, const char *head)
{
  switch (mark->kind) {
  case MARK_SAME: return memcmp (mark->same, head, sizeof mark->same) == 0;
  case MARK_NOT_EMPTY: return !is_empty (head);
  default: return true;
  }
}

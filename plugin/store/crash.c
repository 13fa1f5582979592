/* SPDX-License-Identifier: BSD-3-Clause */
/* Places to die at; see crash.h. */
#include <config.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crash.h"

const char *const crash_names[] = {
  /* a store, from prepare to release */
  "prepared", "taken", "stored", "sealed", "intended", "swapped", "hashed",
  "published", "released",
  /* zspages come and go */
  "zspage-open", "zspage-close",
  /* a share comes to be, and goes */
  "share-owned", "share-published", "share-counted",
  /* compaction, writeback, promotion */
  "moved", "backed", "written", "promoted",
  /* changes of the device */
  "super-half", "super", "grown", "dict",
  /* adoption itself */
  "adopt-zspage", "adopt-damaged", "adopt-hash",
  NULL
};

const char *crash_armed;
static _Atomic long crash_left;

void
crash_here (const char *name)
{
  if (strcmp (name, crash_armed) == 0 &&
      atomic_fetch_sub (&crash_left, 1) == 1)
    kill (getpid (), SIGKILL);
}

__attribute__ ((visibility ("default"))) void
zram_debug_crash (const char *name, long times)
{
  atomic_store (&crash_left, times);
  crash_armed = name;
}

bool
crash_arm (const char *text)
{
  static char name[32];
  long times;

  if (sscanf (text, "%31[a-z-]:%ld", name, &times) != 2)
    return false;
  zram_debug_crash (name, times);
  return true;
}

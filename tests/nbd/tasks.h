/* SPDX-License-Identifier: BSD-3-Clause */
/* The threads of a server, as /proc shows them. */
#ifndef ZRAM_TESTS_TASKS_H
#define ZRAM_TESTS_TASKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TASKS_MAX 64u

struct task {
  unsigned id;
  unsigned flags;               /* PF_* of the kernel */
  unsigned policy;              /* SCHED_* */
  uint64_t nr_faults;           /* minor and major ones */
};

struct tasks {
  struct task tasks[TASKS_MAX];
  unsigned nr;
};

/* Those that are there now, but for those that were there before, which may be
 * NULL. */
void tasks_look (struct tasks *tasks, pid_t pid, const struct tasks *before);

uint64_t tasks_faults (const struct tasks *tasks);

/* A number of /proc/PID/status, in its unit. */
uint64_t tasks_status (pid_t pid, const char *name);

#endif

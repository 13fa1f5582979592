/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads of a server; see tasks.h. */
#include <config.h>

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"
#include "tasks.h"

/* From what stands behind the name in brackets: fields 3 to 41. */
static void
read_task (struct task *task, pid_t pid)
{
  char path[64], text[1024], *rest, *field;
  uint64_t fields[42] = { 0 };
  FILE *file;

  snprintf (path, sizeof path, "/proc/%d/task/%u/stat", pid, task->id);
  file = fopen (path, "re");
  require (file && fgets (text, sizeof text, file));
  fclose (file);
  rest = strrchr (text, ')') + 2;
  for (unsigned i = 3; i <= 41; i++) {
    field = strsep (&rest, " ");
    require (field);
    fields[i] = strtoull (field, NULL, 10);
  }
  task->flags = fields[9];
  task->nr_faults = fields[10] + fields[12];
  task->policy = fields[41];
}

static bool
has_task (const struct tasks *tasks, unsigned id)
{
  for (unsigned i = 0; tasks && i < tasks->nr; i++)
    if (tasks->tasks[i].id == id)
      return true;
  return false;
}

void
tasks_look (struct tasks *tasks, pid_t pid, const struct tasks *before)
{
  const struct dirent *entry;
  char path[64];
  DIR *directory;

  snprintf (path, sizeof path, "/proc/%d/task", pid);
  directory = opendir (path);
  require (directory);
  tasks->nr = 0;
  while ((entry = readdir (directory))) {
    const unsigned id = strtoul (entry->d_name, NULL, 10);

    if (id == 0 || has_task (before, id))
      continue;
    require (tasks->nr < TASKS_MAX);
    tasks->tasks[tasks->nr].id = id;
    read_task (&tasks->tasks[tasks->nr++], pid);
  }
  closedir (directory);
}

uint64_t
tasks_faults (const struct tasks *tasks)
{
  uint64_t sum = 0;

  for (unsigned i = 0; i < tasks->nr; i++)
    sum += tasks->tasks[i].nr_faults;
  return sum;
}

uint64_t
tasks_status (pid_t pid, const char *name)
{
  char path[64], line[256];
  const size_t chars = strlen (name);
  uint64_t value = UINT64_MAX;
  FILE *file;

  snprintf (path, sizeof path, "/proc/%d/status", pid);
  file = fopen (path, "re");
  require (file);
  while (value == UINT64_MAX && fgets (line, sizeof line, file))
    if (strncmp (line, name, chars) == 0 && line[chars] == ':')
      value = strtoull (line + chars + 1, NULL, 10);
  fclose (file);
  require (value != UINT64_MAX);
  return value;
}

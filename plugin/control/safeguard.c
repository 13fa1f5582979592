/* SPDX-License-Identifier: BSD-3-Clause */
/* Safeguards; see safeguard.h.
 *
 * The order in which memory is locked was tried out: with MCL_FUTURE from the
 * beginning nbdkit's 192 MiB of static buffers, which nobody uses, would be
 * there too (pages.h).
 */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../store/pages.h"
#include "../store/report.h"
#include "presence.h"
#include "safeguard.h"
#include "standby.h"

/* Linux 5.6 */
#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#define PR_GET_IO_FLUSHER 58
#endif

#define OOM_SCORE_ADJ_PATH "/proc/self/oom_score_adj"
#define OOM_SCORE_ADJ_MIN (-1000)

static struct {
  bool wanted;
  pthread_mutex_t lock;         /* guards taken */
  pthread_cond_t changed;
  bool taken;
  bool is_io_flusher;           /* a thread can only ask for itself */
  char why[NR_SAFEGUARDS][SAFEGUARD_WHY_CHARS];
} process = {
  .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER,
};

/* Each one: take it, or say why not; and does it hold? */

__attribute__ ((format (printf, 2, 3))) static void
explain (enum safeguard_id id, const char *fmt, ...)
{
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (process.why[id], SAFEGUARD_WHY_CHARS, fmt, ap);
  va_end (ap);
}

static void
take_locked_memory (enum safeguard_id id)
{
  struct rlimit limit = { .rlim_cur = 0 };

  if (pages_lock () == 0)
    return;
  getrlimit (RLIMIT_MEMLOCK, &limit);
  if (errno == EPERM || errno == ENOMEM)
    explain (id, "needs CAP_IPC_LOCK, or no limit of locked memory (it is "
             "%llu KiB)", (unsigned long long) limit.rlim_cur >> 10);
  else
    explain (id, "%s", strerror (errno));
}

static void
take_io_flusher (enum safeguard_id id)
{
  if (prctl (PR_SET_IO_FLUSHER, 1, 0, 0, 0) == -1)
    explain (id, "%s", errno == EPERM ? "needs CAP_SYS_RESOURCE" :
             errno == EINVAL ? "needs Linux 5.6" : strerror (errno));
  process.is_io_flusher = prctl (PR_GET_IO_FLUSHER, 0, 0, 0, 0) == 1;
}

static bool
is_io_flusher (void)
{
  return process.is_io_flusher;
}

static void
take_realtime (enum safeguard_id id)
{
  const struct sched_param param = { .sched_priority = 1 };

  if (sched_setscheduler (0, SCHED_FIFO, &param) == -1)
    explain (id, "%s", errno == EPERM ?
             "needs CAP_SYS_NICE or RLIMIT_RTPRIO, and real-time bandwidth of "
             "its cgroup" : strerror (errno));
}

/* What the first thread has, those that serve requests have inherited. */
static bool
is_realtime (void)
{
  const int policy = sched_getscheduler (getpid ());

  return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool
has_oom_score_adj (void)
{
  FILE *file = fopen (OOM_SCORE_ADJ_PATH, "re");
  char text[16] = "";
  bool read;

  if (!file)
    return false;
  read = fgets (text, sizeof text, file);
  fclose (file);
  return read && strtol (text, NULL, 10) == OOM_SCORE_ADJ_MIN;
}

static void
take_oom_score_adj (enum safeguard_id id)
{
  FILE *file;
  bool written;

  if (has_oom_score_adj ())
    return;
  file = fopen (OOM_SCORE_ADJ_PATH, "we");
  written = file && fprintf (file, "%d\n", OOM_SCORE_ADJ_MIN) > 0 &&
    fflush (file) == 0;
  if (!written)
    explain (id, "%s", errno == EACCES || errno == EPERM ?
             "needs CAP_SYS_RESOURCE" : strerror (errno));
  if (file)
    fclose (file);
}

/* Of those who do not say how large. */
static size_t
stack_bytes (void)
{
  pthread_attr_t attr;
  size_t bytes = SIZE_MAX;

  if (pthread_getattr_default_np (&attr) != 0)
    return bytes;
  pthread_attr_getstacksize (&attr, &bytes);
  pthread_attr_destroy (&attr);
  return bytes;
}

static bool
has_small_stacks (void)
{
  return stack_bytes () <= SAFEGUARD_STACK_BYTES;
}

/* glibc looked at RLIMIT_STACK when the process began, so that would come too
 * late. */
static void
take_small_stacks (enum safeguard_id id)
{
  pthread_attr_t attr;
  int errnum;

  if (has_small_stacks ())
    return;
  errnum = pthread_attr_init (&attr);
  if (errnum == 0) {
    pthread_attr_setstacksize (&attr, SAFEGUARD_STACK_BYTES);
    errnum = pthread_setattr_default_np (&attr);
    pthread_attr_destroy (&attr);
  }
  if (errnum != 0)
    explain (id, "%s", strerror (errnum));
}

/* The keeper's matter: it comes and goes. */
static void
look_for_next_server (struct safeguard *safeguard)
{
  bool is_ready;
  pid_t pid;

  if (!standby_is_expected ()) {
    strcpy (safeguard->why, "nbdzram serve did not start this server");
    return;
  }
  pid = standby_find (&is_ready);
  safeguard->state = pid > 0 ? SAFEGUARD_YES : SAFEGUARD_NO;
  if (pid == 0)
    strcpy (safeguard->why, "nobody stands by");
  else if (pid == -1)
    snprintf (safeguard->why, sizeof safeguard->why,
              "nobody stands by as far as one can see: %s", strerror (errno));
  else
    snprintf (safeguard->why, sizeof safeguard->why, "process %d%s", (int) pid,
              is_ready ? "" : ", which is not ready yet");
}

/* Of those without functions each export has its own. */
static const struct {
  const char *name;
  void (*take) (enum safeguard_id id);
  bool (*holds) (void);
  void (*look) (struct safeguard *safeguard);   /* in place of holds */
} guards[NR_SAFEGUARDS] = {
  [SAFEGUARD_LOCKED_MEMORY] = {
    "locked_memory", take_locked_memory, pages_are_locked, NULL },
  [SAFEGUARD_RESERVE] = { .name = "reserve" },
  [SAFEGUARD_STORE_LOCKED] = { .name = "store_locked" },
  [SAFEGUARD_IO_FLUSHER] = {
    "io_flusher", take_io_flusher, is_io_flusher, NULL },
  [SAFEGUARD_REALTIME] = { "realtime", take_realtime, is_realtime, NULL },
  [SAFEGUARD_OOM_SCORE_ADJ] = {
    "oom_score_adj", take_oom_score_adj, has_oom_score_adj, NULL },
  [SAFEGUARD_SMALL_STACKS] = {
    "small_stacks", take_small_stacks, has_small_stacks, NULL },
  [SAFEGUARD_NEXT_SERVER] = {
    .name = "next_server", .look = look_for_next_server },
};

const char *
safeguard_name (enum safeguard_id id)
{
  return guards[id].name;
}

const char *
safeguard_state_name (enum safeguard_state state)
{
  static const char *const names[] = {
    [SAFEGUARD_OFF] = "off", [SAFEGUARD_NO] = "no", [SAFEGUARD_YES] = "yes",
  };

  return names[state];
}

/* Taking them. */

/* What threads in the background have too: they hold locks that requests wait
 * for, so their stacks must be there as well. */
static bool
is_for_all_threads (enum safeguard_id id)
{
  return id == SAFEGUARD_LOCKED_MEMORY || id == SAFEGUARD_SMALL_STACKS;
}

void
safeguard_prepare (void)
{
  process.wanted = true;
  presence_prepare_heap ();
}

/* What is mapped later comes with safeguard_begin. */
void
safeguard_stand_by (void)
{
  if (!process.wanted)
    return;
  presence_make ();
  take_oom_score_adj (SAFEGUARD_OOM_SCORE_ADJ);
  take_io_flusher (SAFEGUARD_IO_FLUSHER);
  take_realtime (SAFEGUARD_REALTIME);
}

void
safeguard_begin (void)
{
  if (!process.wanted)
    return;
  presence_make ();
  take_small_stacks (SAFEGUARD_SMALL_STACKS);
  take_locked_memory (SAFEGUARD_LOCKED_MEMORY);
}

static void
look (enum safeguard_id id, struct safeguard *safeguard)
{
  *safeguard = (struct safeguard) { .state = SAFEGUARD_OFF };
  if (!process.wanted)
    strcpy (safeguard->why, "lock_memory is off");
  else if (guards[id].look)
    guards[id].look (safeguard);
  else if (guards[id].holds ())
    safeguard->state = SAFEGUARD_YES;
  else {
    safeguard->state = SAFEGUARD_NO;
    strcpy (safeguard->why, process.why[id][0] ? process.why[id] :
            "the kernel says that it is not so");
  }
}

static void
take (enum safeguard_id id)
{
  struct safeguard safeguard;

  if (!is_for_all_threads (id))
    guards[id].take (id);
  look (id, &safeguard);
  if (safeguard.state == SAFEGUARD_NO)
    report_error ("lock_memory: %s could not be had: %s", guards[id].name,
                  safeguard.why);
}

void
safeguard_take (void)
{
  for (unsigned id = 0; process.wanted && id < NR_SAFEGUARDS; id++)
    if (guards[id].take)
      take (id);
  pthread_mutex_lock (&process.lock);
  process.taken = true;
  pthread_cond_broadcast (&process.changed);
  pthread_mutex_unlock (&process.lock);
}

/* Whoever asks in the first moment waits: then it is not yet so. */
void
safeguard_look (enum safeguard_id id, struct safeguard *safeguard)
{
  pthread_mutex_lock (&process.lock);
  while (process.wanted && !process.taken)
    pthread_cond_wait (&process.changed, &process.lock);
  pthread_mutex_unlock (&process.lock);
  look (id, safeguard);
}

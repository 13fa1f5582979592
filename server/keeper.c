/* SPDX-License-Identifier: BSD-3-Clause */
/* The keeper; see keeper.h. */
#include <config.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../plugin/control/standby.h"
#include "arguments.h"
#include "clock.h"
#include "descriptor.h"
#include "keeper.h"
#include "logger.h"
#include "next.h"
#include "notice.h"
#include "notify.h"
#include "resident.h"
#include "successor.h"

/* A server that served so long has not started in vain. */
#define SERVED_MS 1000

/* So many deaths of servers that did not are put up with, the first without a
 * pause, the others with ones that double. */
#define FAILURES_MAX 5
#define PAUSE_MS 50

/* What it may take to answer the requests under way.  nbdkit also waits for
 * clients that ask nothing, and a disk that is attached has some; but a kill
 * loses nothing. */
#define END_MS 500

/* The successor's descriptors, in a row from 3 on, may be more than the
 * server's. */
#define SPARE_FDS 8

enum goal { GOAL_SERVE, GOAL_STOP };

enum phase {
  PHASE_STARTING,
  PHASE_SERVING,
  PHASE_PAUSE,                  /* until due_ms, then a start */
  PHASE_ENDING,                 /* until due_ms, then by force */
  PHASE_SUCCEEDING,             /* it serves until the next one is ready */
  PHASE_REPLACING,              /* it was killed, the next one is to serve */
  PHASE_HOLDING,                /* no server */
};

static struct {
  struct keeper_parts *parts;
  enum goal goal;
  enum phase phase;
  pid_t server;                 /* 0: none */
  struct next next;             /* the one that stands by */
  pid_t checker;                /* 0: none */
  bool may_forget;              /* what a restart has no export for */
  int signal_fd;
  int pipe[2];                  /* servers say that they are ready */
  bool has_served;
  bool is_kept;                 /* what a start takes is held in memory */
  bool has_failed;              /* the first one did not start */
  bool was_forced;              /* the last one had to be killed */
  unsigned nr_failures;         /* in a row */
  unsigned nr_deaths;
  int64_t ready_ms;             /* when it began to serve */
  int64_t due_ms;               /* 0: never */
  int64_t watchdog_ms;          /* the next one; 0: never */
} keeper;

int
keeper_first_fd (const struct keeper_parts *parts)
{
  return launch_first_free_fd (&parts->launch) + SPARE_FDS +
    parts->memory.nr_all - parts->memory.nr;
}

static void
set_state (enum keeper_state state)
{
  pidfile_set_state (&keeper.parts->pidfile, state);
}

/* Time. */

static int64_t
earlier (int64_t a, int64_t b)
{
  return a == 0 || (b != 0 && b < a) ? b : a;
}

/* -1: nothing is due. */
static int
timeout_ms (void)
{
  const int64_t due = earlier (keeper.next.due_ms,
                               earlier (keeper.due_ms, keeper.watchdog_ms));
  const int64_t left = due - clock_now_ms ();

  return due == 0 ? -1 : left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : left;
}

static void
feed_watchdog (void)
{
  const unsigned interval = notify_watchdog_ms ();

  if (interval == 0)
    return;
  notify ("WATCHDOG=1\n");
  keeper.watchdog_ms = clock_now_ms () + interval;
}

/* Starts. */

/* And is to stay so. */
static bool
is_without_server (void)
{
  return keeper.goal == GOAL_STOP || keeper.phase == PHASE_HOLDING;
}

/* The one that serves goes on, and another one may stand by later. */
static void
do_without_next (void)
{
  keeper.next.pid = 0;
  if (is_without_server ())
    return;
  if (keeper.phase == PHASE_SUCCEEDING) {
    keeper.phase = PHASE_SERVING;
    set_state (KEEPER_REFUSED);
  }
  if (keeper.parts->launch.is_locked)
    next_postpone (&keeper.next);
}

static void
start_next (void)
{
  if (!next_start (&keeper.next))
    do_without_next ();
}

static void start_again (void);

static void
start_server (void)
{
  const struct keeper_parts *parts = keeper.parts;

  if (parts->warning)
    notice ("warning: %s: everybody who reaches this machine may read and "
            "write the disks", parts->warning);
  descriptor_drain (keeper.pipe[0]);
  keeper.phase = PHASE_STARTING;
  keeper.due_ms = 0;
  set_state (KEEPER_STARTING);
  keeper.server = next_take (&keeper.next);
  if (keeper.server == 0)
    start_again ();
}

/* Clients are refused from now on. */
static void
give_up (void)
{
  keeper.phase = PHASE_HOLDING;
  keeper.due_ms = 0;
  next_end (&keeper.next);
  listeners_close (&keeper.parts->listeners);
  notice ("gave up: %u servers died in a row; clients are refused, the memory "
          "is held until nbdzram restart or stop", keeper.nr_failures);
  notify ("STATUS=gave up after %u servers that died in a row; the memory is "
          "held\n", keeper.nr_failures);
  set_state (KEEPER_HOLDING);
}

/* Again at once, later, or never. */
static void
start_again (void)
{
  if (keeper.ready_ms && clock_now_ms () - keeper.ready_ms >= SERVED_MS)
    keeper.nr_failures = 0;
  keeper.ready_ms = 0;
  keeper.nr_failures++;
  if (keeper.nr_failures > FAILURES_MAX)
    give_up ();
  else if (keeper.nr_failures == 1)
    start_server ();
  else {
    keeper.phase = PHASE_PAUSE;
    keeper.due_ms = clock_now_ms () + (PAUSE_MS << (keeper.nr_failures - 1));
  }
}

static void
tell_who_waits (void)
{
  if (keeper.parts->ready_fd == -1)
    return;
  (void) !write (keeper.parts->ready_fd, "", 1);
  close (keeper.parts->ready_fd);
  keeper.parts->ready_fd = -1;
}

/* What it took to start the server is there for the next one. */
static void
keep (pid_t server)
{
  if (keeper.is_kept || !keeper.parts->launch.is_locked)
    return;
  resident_keep (server);
  pidfile_keep_state (&keeper.parts->pidfile);
  keeper.is_kept = true;
}

/* The server wrote its number. */
static void
note_serving (void)
{
  if (keeper.phase != PHASE_STARTING)
    return;
  keeper.phase = PHASE_SERVING;
  keeper.ready_ms = clock_now_ms ();
  keep (keeper.server);
  keeper.has_served = true;
  set_state (KEEPER_SERVING);
  notify ("READY=1\nSTATUS=process %d serves; exports: %u, deaths: %u\n",
          (int) keeper.server, keeper.parts->launch.nr_stores,
          keeper.nr_deaths);
  tell_who_waits ();
  keeper.next.nr_failures = 0;
  if (keeper.parts->launch.is_locked)
    start_next ();
}

/* Ends. */

/* Of a server, or of none. */
static void
end_server (void)
{
  keeper.goal = GOAL_STOP;
  next_end (&keeper.next);
  if (keeper.server == 0) {
    keeper.phase = PHASE_HOLDING;
    return;
  }
  if (keeper.phase != PHASE_ENDING) {
    kill (keeper.server, SIGTERM);
    keeper.due_ms = clock_now_ms () + END_MS;
  }
  keeper.phase = PHASE_ENDING;
}

/* One that is told to end answers what is under way with an error, which is
 * then the device's: clients lose data, though the memory has it.  What one
 * that is killed leaves unanswered is sent again. */
static void
replace_server (void)
{
  keeper.phase = PHASE_REPLACING;
  kill (keeper.server, SIGKILL);
}

/* The next one waits for its turn. */
static void
note_standby (void)
{
  if (keeper.next.pid == 0)
    return;
  keep (keeper.next.pid);
  keeper.next.nr_failures = 0;
  if (keeper.phase == PHASE_SUCCEEDING)
    replace_server ();
}

/* One that was told while it got ready may have said both. */
static void
note_words (void)
{
  char words[64];
  ssize_t r;

  while ((r = read (keeper.pipe[0], words, sizeof words)) > 0) {
    if (memchr (words, STANDBY_IS_READY, r))
      note_standby ();
    if (memchr (words, '\n', r))
      note_serving ();
  }
}

static void
say_how (const char *which, pid_t pid, int status)
{
  if (WIFSIGNALED (status))
    notice ("the %sserver, process %d, was killed by signal %d (%s)", which,
            (int) pid, WTERMSIG (status), sigabbrev_np (WTERMSIG (status)));
  else
    notice ("the %sserver, process %d, ended with status %d", which, (int) pid,
            WEXITSTATUS (status));
}

static void
note_next_death (int status)
{
  if (!is_without_server ())
    say_how ("next ", keeper.next.pid, status);
  do_without_next ();
}

static void
note_death (int status)
{
  const bool is_replaced = keeper.phase == PHASE_REPLACING;
  const bool was_meant = is_replaced || keeper.phase == PHASE_ENDING;

  keeper.due_ms = 0;
  if (!was_meant)
    say_how ("", keeper.server, status);
  keeper.server = 0;
  keeper.phase = PHASE_HOLDING;
  if (is_replaced)
    start_server ();
  if (was_meant)
    return;
  keeper.nr_deaths++;
  notify ("STATUS=starting again; deaths: %u\n", keeper.nr_deaths);
  if (keeper.has_served || keeper.parts->is_successor ||
      keeper.parts->memory.was_handed)
    start_again ();
  else {
    keeper.has_failed = true;
    end_server ();
  }
}

/* A restart: the ini file is checked by the version that is installed now, then
 * that takes the keeper's place, and when it is ready to start a server it ends
 * the one before. */

static void
start_check (bool force)
{
  char **argv = force ? keeper.parts->force_argv : keeper.parts->check_argv;
  sigset_t none;

  if (keeper.checker != 0 || keeper.goal != GOAL_SERVE)
    return;
  keeper.may_forget = force;
  notify ("RELOADING=1\nMONOTONIC_USEC=%lld\n",
          (long long) clock_now_ms () * 1000);
  keeper.checker = vfork ();
  if (keeper.checker != 0)
    return;
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  execv (argv[0], argv);
  _exit (127);
}

/* The next version takes over; if it cannot, this one goes on.  Whoever stands
 * by ends, since nobody is left who could tell it to go. */
static void
succeed (void)
{
  set_state (KEEPER_STARTING);
  logger_step_aside ();
  successor_start (keeper.parts, &(struct inheritance) {
    .may_forget = keeper.may_forget, .server = keeper.server,
  });
  logger_step_in ();
  notice ("%s: cannot be executed: %s", keeper.parts->argv[0],
          strerrordesc_np (errno));
}

static void
note_check (int status)
{
  keeper.checker = 0;
  if (keeper.goal != GOAL_SERVE)
    return;
  keeper.parts->pidfile.nr_restarts++;
  if (status == 0)
    succeed ();
  else
    notice ("no restart: the configuration was refused");
  set_state (keeper.server ? KEEPER_REFUSED : KEEPER_HOLDING);
  notify ("READY=1\n");
}

/* The server that was there before us, if there is one. */
static void
begin (void)
{
  keeper.server = keeper.parts->inherited.server;
  if (keeper.server == 0) {
    start_server ();
    return;
  }
  /* That one may die before the next is ready. */
  if (keeper.parts->launch.is_locked)
    resident_keep_self (false);
  keeper.phase = PHASE_SUCCEEDING;
  start_next ();
}

/* Events. */

static void
reap (void)
{
  pid_t pid;
  int status;

  while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
    if (pid == keeper.server)
      note_death (status);
    else if (pid == keeper.next.pid)
      note_next_death (status);
    else if (pid == keeper.checker)
      note_check (status);
}

/* The value that comes with a hang-up means force. */
static void
note_signals (void)
{
  struct signalfd_siginfo info;

  while (read (keeper.signal_fd, &info, sizeof info) == sizeof info)
    switch (info.ssi_signo) {
    case SIGCHLD:
      reap ();
      break;
    case SIGHUP:
      start_check (info.ssi_code == SI_QUEUE && info.ssi_int);
      break;
    default:
      notify ("STOPPING=1\nSTATUS=stopping\n");
      end_server ();
    }
}

static void
note_time (void)
{
  const int64_t now = clock_now_ms ();

  if (keeper.watchdog_ms && now >= keeper.watchdog_ms)
    feed_watchdog ();
  if (keeper.next.due_ms && now >= keeper.next.due_ms)
    start_next ();
  if (!keeper.due_ms || now < keeper.due_ms)
    return;
  keeper.due_ms = 0;
  if (keeper.phase == PHASE_PAUSE)
    start_server ();
  else if (keeper.phase == PHASE_ENDING && keeper.server) {
    kill (keeper.server, SIGKILL);
    keeper.was_forced = true;
  }
}

/* Who was ready and died at once was ready first. */
static void
wait_for_events (void)
{
  struct pollfd fds[] = {
    { .fd = keeper.signal_fd, .events = POLLIN },
    { .fd = keeper.pipe[0], .events = POLLIN },
  };

  if (poll (fds, 2, timeout_ms ()) > 0) {
    if (fds[1].revents)
      note_words ();
    if (fds[0].revents)
      note_signals ();
  }
  note_time ();
}

/* The whole. */

void
keeper_block_signals (sigset_t *set)
{
  static const int watched[] = { SIGCHLD, SIGHUP, SIGINT, SIGTERM };

  sigemptyset (set);
  for (size_t i = 0; i < sizeof watched / sizeof *watched; i++)
    sigaddset (set, watched[i]);
  sigprocmask (SIG_SETMASK, set, NULL);
}

static void
watch_signals (void)
{
  sigset_t set;

  keeper_block_signals (&set);
  signal (SIGPIPE, SIG_IGN);
  keeper.signal_fd = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The server opens the first one anew, as the user that it runs as. */
static int
make_pipes (void)
{
  const struct launch *launch = &keeper.parts->launch;
  const int first_fd = keeper_first_fd (keeper.parts);

  if (descriptor_pipe (keeper.pipe, O_CLOEXEC | O_NONBLOCK, first_fd) == -1 ||
      next_open (&keeper.next, first_fd) == -1)
    return -1;
  keeper.signal_fd = descriptor_move_up (keeper.signal_fd, first_fd);
  return launch->uid == 0 ? 0 :
    fchown (keeper.pipe[1], launch->uid, launch->gid);
}

static int
collect_fds (void)
{
  const struct keeper_parts *parts = keeper.parts;
  int *fd = calloc (parts->listeners.nr + parts->memory.nr + 2, sizeof *fd);

  if (!fd)
    return -1;
  keeper.next.launch = &parts->launch;
  keeper.next.fds = fd;
  for (unsigned i = 0; i < parts->listeners.nr; i++)
    *fd++ = parts->listeners.fds[i];
  for (unsigned i = 0; i < parts->memory.nr; i++)
    *fd++ = parts->memory.stores[i].fd;
  *fd++ = keeper.pipe[1];
  *fd = keeper.next.go[0];
  return 0;
}

static void
keep_memory (void)
{
  const struct stores *memory = &keeper.parts->memory;

  for (unsigned i = 0; i < memory->nr_all; i++)
    if (memory->stores[i].is_anonymous)
      notify_keep (memory->stores[i].name, memory->stores[i].fd);
}

static int
stop (void)
{
  listeners_close (&keeper.parts->listeners);
  if (keeper.was_forced)
    unlink (keeper.parts->control);
  pidfile_remove (&keeper.parts->pidfile);
  free (keeper.next.fds);
  logger_stop ();
  return keeper.has_failed ? STATUS_FAILED : STATUS_OK;
}

int
keeper_run (struct keeper_parts *parts)
{
  keeper.parts = parts;
  watch_signals ();
  if (make_pipes () == -1 || collect_fds () == -1) {
    warn ("keeper");
    return STATUS_FAILED;
  }
  keep_memory ();
  feed_watchdog ();
  if (parts->launch.is_locked) {
    if (logger_start (keeper_first_fd (parts)) == -1)
      warn ("messages may have to wait");
    resident_protect ();
  }
  begin ();
  while (keeper.goal != GOAL_STOP || keeper.server != 0 || keeper.next.pid != 0)
    wait_for_events ();
  return stop ();
}

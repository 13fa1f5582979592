/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands stop and restart; see stop.h. */
#include <config.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "inifile.h"
#include "pidfile.h"
#include "stop.h"

const struct option_spec stop_options[] = {
  INIFILE_OPTION,
  { .name = NULL }
};

const struct option_spec restart_options[] = {
  INIFILE_OPTION,
  { "force", 'f', NULL, "even if an export is gone from the file: its content\n"
    "is then lost" },
  { .name = NULL }
};

/* The keeper of this configuration. */
struct target {
  pid_t pid;
  int pidfd;
};

/* -1: a message was given. */
static int
find_target (const struct conf *conf, struct target *target)
{
  const char *path = conf->server.pidfile;

  target->pid = pidfile_find_keeper (path);
  if (target->pid == 0) {
    warnx ("%s: no keeper is there", path);
    return -1;
  }
  target->pidfd = pidfd_open (target->pid, 0);
  if (target->pidfd != -1)
    return 0;
  warn ("process %d", (int) target->pid);
  return -1;
}

/* The value goes with the signal. */
static int
ask (const struct target *target, int signal, int value)
{
  siginfo_t info = { .si_signo = signal, .si_code = SI_QUEUE };

  info.si_pid = getpid ();
  info.si_uid = getuid ();
  info.si_value.sival_int = value;
  if (pidfd_send_signal (target->pidfd, signal, &info, 0) == 0)
    return 0;
  warn ("process %d", (int) target->pid);
  return -1;
}

static bool
usage_is_good (const char *command, const struct arguments *arguments)
{
  if (arguments->nr_words > 0)
    warnx ("%s: what is '%s'?", command, arguments->words[0]);
  return arguments->nr_words == 0;
}

/* stop */

static int
await_end (const struct target *target)
{
  struct pollfd fd = { .fd = target->pidfd, .events = POLLIN };

  while (poll (&fd, 1, -1) == -1)
    if (errno != EINTR) {
      warn ("process %d", (int) target->pid);
      return -1;
    }
  return 0;
}

int
stop_run (const char *control, struct arguments *arguments)
{
  struct conf conf;
  struct target target;
  int r;

  if (!usage_is_good ("stop", arguments))
    return STATUS_USAGE;
  r = inifile_read (inifile_path (arguments), &conf);
  if (r == 0)
    r = find_target (&conf, &target);
  if (r == 0)
    r = ask (&target, SIGTERM, 0);
  if (r == 0)
    r = await_end (&target);
  conf_free (&conf);
  return r == 0 ? STATUS_OK : STATUS_FAILED;
}

/* restart */

struct watch {
  int state_fd;
  int inotify_fd;
  unsigned nr_restarts;         /* before */
};

static int
start_watch (struct watch *watch, const struct conf *conf)
{
  char *path = pidfile_state_path (conf->server.pidfile);
  enum keeper_state state;
  int r = -1;

  watch->state_fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  watch->inotify_fd = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
  if (watch->state_fd == -1 || watch->inotify_fd == -1 ||
      inotify_add_watch (watch->inotify_fd, path, IN_MODIFY) == -1)
    warn ("%s", path);
  else if (!pidfile_get_state (watch->state_fd, &watch->nr_restarts, &state))
    warnx ("%s: not a keeper's state", path);
  else
    r = 0;
  free (path);
  return r;
}

/* False: not yet. */
static bool
look (const struct watch *watch, enum keeper_state *state)
{
  unsigned nr;

  return pidfile_get_state (watch->state_fd, &nr, state) &&
    nr != watch->nr_restarts && *state != KEEPER_STARTING;
}

/* Until the state changes or the keeper is gone. */
static int
await_change (const struct watch *watch, const struct target *target)
{
  struct pollfd fds[] = {
    { .fd = watch->inotify_fd, .events = POLLIN },
    { .fd = target->pidfd, .events = POLLIN },
  };
  char events[4096];

  if (poll (fds, 2, -1) == -1 && errno != EINTR) {
    warn ("process %d", (int) target->pid);
    return -1;
  }
  while (read (watch->inotify_fd, events, sizeof events) > 0)
    ;
  if (!fds[1].revents)
    return 0;
  warnx ("the keeper, process %d, is gone", (int) target->pid);
  return -1;
}

static int
await_restart (const struct watch *watch, const struct target *target)
{
  enum keeper_state state;

  while (!look (watch, &state))
    if (await_change (watch, target) == -1)
      return -1;
  if (state == KEEPER_SERVING)
    return 0;
  warnx (state == KEEPER_REFUSED ?
         "the keeper refused the configuration, and goes on as before" :
         "the new server did not start; the memory is held, see the "
         "keeper's messages");
  return -1;
}

static int
restart (const struct conf *conf, bool force)
{
  struct target target;
  struct watch watch;

  if (find_target (conf, &target) == -1 || start_watch (&watch, conf) == -1 ||
      ask (&target, SIGHUP, force) == -1)
    return -1;
  return await_restart (&watch, &target);
}

int
restart_run (const char *control, struct arguments *arguments)
{
  struct conf conf;
  int r;

  if (!usage_is_good ("restart", arguments))
    return STATUS_USAGE;
  r = inifile_load (inifile_path (arguments), &conf);
  if (r == 0)
    r = restart (&conf, arguments_get (arguments, "force") != NULL);
  conf_free (&conf);
  return r == 0 ? STATUS_OK : STATUS_FAILED;
}

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

#include "client.h"
#include "devices.h"
#include "inifile.h"
#include "pidfile.h"
#include "stats.h"
#include "stop.h"

const struct option_spec stop_options[] = {
  INIFILE_OPTION,
  { "force", 'f', NULL, "even if clients have disks open whose content is then\n"
    "lost" },
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

/* Clients that are just leaving are waited for. */
#define LEAVE_TRIES 20
#define LEAVE_PAUSE_US 50000

/* -1: a message was given. */
static int
count_connections (struct client *client, const char *device, uint64_t *nr)
{
  int r = stats_get_number (client, device, "nr_connections", nr);

  for (unsigned i = 0; r == 0 && *nr > 0 && i < LEAVE_TRIES; i++) {
    usleep (LEAVE_PAUSE_US);
    r = stats_get_number (client, device, "nr_connections", nr);
  }
  return r;
}

static bool
is_device_in_use (struct client *client, const struct conf *conf,
                  const char *device)
{
  const struct conf_export *export = conf_find (conf, device);
  uint64_t nr = 0;

  if (export && export->store_path)
    return false;
  if (count_connections (client, device, &nr) == -1)
    return true;
  if (nr > 0)
    warnx ("%s: is open, and its content would be lost: detach it first, or "
           "say --force", device);
  return nr > 0;
}

/* Or cannot be asked. */
static bool
is_in_use (const struct conf *conf)
{
  struct client *client = client_open (conf->server.control);
  struct devices devices;
  bool in_use = false;

  if (!client || devices_list (client, &devices) == -1) {
    client_close (client);
    return true;
  }
  for (size_t i = 0; i < devices.nr; i++)
    in_use |= is_device_in_use (client, conf, devices.names[i]);
  devices_free (&devices);
  client_close (client);
  return in_use;
}

static bool
is_serving (const struct conf *conf)
{
  char *path = pidfile_state_path (conf->server.pidfile);
  const int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  enum keeper_state state;
  unsigned nr;
  const bool serving = fd != -1 && pidfile_get_state (fd, &nr, &state) &&
    (state == KEEPER_SERVING || state == KEEPER_REFUSED);

  if (fd != -1)
    close (fd);
  free (path);
  return serving;
}

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
  if (r == 0 && !arguments_get (arguments, "force") && is_serving (&conf) &&
      is_in_use (&conf))
    r = -1;
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

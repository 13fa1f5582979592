/* SPDX-License-Identifier: BSD-3-Clause */
/* The process that stays with an attached device; see agent.h.
 *
 * Everything that it may need later, it has done once before it locks its
 * memory: the device may be where this machine swaps to.
 */
#include <config.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent.h"
#include "arguments.h"
#include "connections.h"
#include "lease.h"
#include "notice.h"
#include "program.h"
#include "relay.h"
#include "steady.h"

struct agent {
  const struct agent_order *order;
  struct endpoint endpoint;
  struct connections connections;
  int lease;
  int signals;
  int from_front;               /* -1: it is done */
};

/* Signals. */

static void
fill_signals (sigset_t *set)
{
  sigemptyset (set);
  sigaddset (set, SIGTERM);
  sigaddset (set, SIGINT);
}

/* For what takes long. */
static bool
is_asked_to_end (void)
{
  sigset_t pending;

  sigpending (&pending);
  return sigismember (&pending, SIGTERM) || sigismember (&pending, SIGINT);
}

static int
take_signals (void)
{
  sigset_t set;

  signal (SIGPIPE, SIG_IGN);
  signal (SIGHUP, SIG_IGN);
  fill_signals (&set);
  sigprocmask (SIG_BLOCK, &set, NULL);
  return signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The start. */

static struct netlink *
open_netlink (void)
{
  const char *const modprobe[] = { "modprobe", "-q", "nbd", NULL };
  struct netlink *link = netlink_open ();

  if (!link && errno == ENOENT) {
    program_try (modprobe);
    link = netlink_open ();
  }
  if (!link)
    warnx ("%s", errno == ENOENT ?
           "this kernel has no nbd that can be attached to over netlink" :
           strerror (errno));
  return link;
}

static int
prepare_relay (const struct agent *agent)
{
  return agent->endpoint.has_tls ?
    relay_prepare (agent->order->nr_connections) : 0;
}

static int
attach (struct agent *agent)
{
  struct connections *connections = &agent->connections;

  connections->dev = &agent->order->dev;
  connections->endpoint = &agent->endpoint;
  connections->is_over = is_asked_to_end;
  connections->nr = agent->order->nr_connections;
  connections->device.timeout_s = agent->order->timeout_s;
  connections->device.dead_timeout_s = agent->order->dead_timeout_s;
  return connections_open (connections);
}

static int
begin (struct agent *agent)
{
  agent->lease = lease_take (&agent->order->dev);
  if (agent->lease == -1)
    return -1;
  agent->connections.link = open_netlink ();
  if (agent->connections.link &&
      endpoint_find (&agent->endpoint, agent->order->export,
                     agent->order->socket) == 0) {
    if (prepare_relay (agent) == 0) {
      steady_hold ();
      if (attach (agent) == 0)
        return 0;
    }
    endpoint_free (&agent->endpoint);
  }
  netlink_close (agent->connections.link);
  lease_give_back (&agent->order->dev, agent->lease);
  return -1;
}

/* The end. */

/* False: somebody uses the device, so it stays. */
static bool
let_go (struct agent *agent)
{
  const struct blockdev *dev = &agent->order->dev;
  const int claim = blockdev_claim (dev);

  if (claim == -1 && errno == EBUSY) {
    notice ("%s is in use: it stays attached", dev->path);
    return false;
  }
  if (netlink_disconnect (agent->connections.link, dev->index) == -1)
    notice ("cannot disconnect %s: %s", dev->path, strerror (errno));
  if (claim != -1)
    close (claim);
  return true;
}

static void
finish (struct agent *agent)
{
  connections_close (&agent->connections);
  netlink_close (agent->connections.link);
  endpoint_free (&agent->endpoint);
  close (agent->signals);
  lease_give_back (&agent->order->dev, agent->lease);
}

/* The front. */

static int
tell_front (const struct agent *agent, char what)
{
  return write (agent->order->to_front, &what, 1) == 1 ? 0 : -1;
}

static void
leave_terminal (void)
{
  const int null = open ("/dev/null", O_RDWR | O_CLOEXEC);

  notice_to_kernel_log ();
  if (null == -1 || chdir ("/") == -1)
    return;
  dup2 (null, STDIN_FILENO);
  dup2 (null, STDOUT_FILENO);
  dup2 (null, STDERR_FILENO);
  close (null);
}

/* False: it failed, so that there is nothing to stay for. */
static bool
hear_front (struct agent *agent)
{
  struct mark *mark = &agent->connections.mark;
  const bool has_failed =
    read (agent->from_front, mark, sizeof *mark) != sizeof *mark;

  if (has_failed) {
    memset (mark, 0, sizeof *mark);
    if (agent->connections.is_adopted || let_go (agent))
      return false;
  }
  /* Who is in front may be a child, which nobody waits for. */
  signal (SIGCHLD, SIG_IGN);
  notice_about (agent->order->dev.name);
  if (!agent->order->is_foreground)
    leave_terminal ();
  if (!has_failed)
    tell_front (agent, AGENT_STAYING);
  close (agent->from_front);
  close (agent->order->to_front);
  agent->from_front = -1;
  return true;
}

/* The loop. */

enum {
  POLL_SIGNALS,
  POLL_FRONT,
  POLL_CONNECTIONS,
};

#define POLL_MAX (POLL_CONNECTIONS + 1 + CONNECTIONS_MAX)

static bool
was_signalled (struct agent *agent)
{
  struct signalfd_siginfo info;
  bool found = false;

  while (read (agent->signals, &info, sizeof info) == sizeof info)
    found = true;
  return found;
}

/* Wait for what comes, and do it.  False: that was the last. */
static bool
turn (struct agent *agent, int *status)
{
  struct pollfd fds[POLL_MAX] = {
    [POLL_SIGNALS] = { .fd = agent->signals, .events = POLLIN },
    [POLL_FRONT] = { .fd = agent->from_front, .events = POLLIN },
  };
  const unsigned nr = connections_fill_poll (&agent->connections,
                                             fds + POLL_CONNECTIONS);

  if (poll (fds, POLL_CONNECTIONS + nr,
            connections_timeout_ms (&agent->connections)) == -1)
    return true;
  if (fds[POLL_FRONT].revents && !hear_front (agent)) {
    *status = STATUS_FAILED;
    return false;
  }
  if (was_signalled (agent) && let_go (agent))
    return false;
  if (connections_tend (&agent->connections, fds + POLL_CONNECTIONS))
    return true;
  notice ("somebody else disconnected it");
  return false;
}

int
agent_run (const struct agent_order *order)
{
  static struct agent agent;
  int status = STATUS_OK;

  agent.order = order;
  agent.from_front = order->from_front;
  steady_begin ();
  agent.signals = take_signals ();
  if (agent.signals == -1) {
    warn ("signalfd");
    return STATUS_FAILED;
  }
  if (begin (&agent) == -1)
    return STATUS_FAILED;
  tell_front (&agent, agent.connections.is_adopted ?
              AGENT_ADOPTED : AGENT_ATTACHED);
  while (turn (&agent, &status))
    continue;
  finish (&agent);
  return status;
}

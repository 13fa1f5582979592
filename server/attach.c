/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands attach and detach; see attach.h.
 *
 * attach is two processes: an agent, which stays, and the front, which makes
 * swap or a file system and reports.  With --foreground the agent is the first
 * of them, else the front.
 */
#include <config.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../plugin/control/units.h"

#include "agent.h"
#include "attach.h"
#include "connections.h"
#include "inifile.h"
#include "lease.h"
#include "mark.h"
#include "mount.h"
#include "netlink.h"
#include "safeguards.h"
#include "signature.h"
#include "swap.h"

#define DEFAULT_SOCKET CONF_RUN_DIR "/nbd.sock"

/* As the server calls the export without a name. */
#define DEFAULT_DEVICE "zram"

/* A server that is started again, or a host, has to be back in that time, else
 * requests fail: programs are killed that have memory on it, file systems
 * become read-only. */
#define DEFAULT_DEAD_TIMEOUT_S 600

/* The kernel has a number for each time, and 0 is at once. */
#define NEVER_S (10 * 365 * 86400)

/* Of a request, if there are several connections. */
#define DEFAULT_TIMEOUT_S 30

/* Before disks, which have -2 and less if nobody says otherwise. */
#define DEFAULT_PRIORITY 100

#define DETACH_TIMEOUT_S 60

const struct option_spec attach_options[] = {
  INIFILE_OPTION,
  { "socket", 'u', "PATH",
    "the server's Unix socket [the ini file's listen]" },
  { "swap", 's', NULL, "make swap on it and use it" },
  { "priority", 'p', "NUMBER", "of that swap [100]" },
  { "mkfs", 0, "TYPE", "make a file system, as mkfs.TYPE does" },
  { "mount", 0, "DIR", "mount what is on it, or was made" },
  { "force", 'f', NULL, "whatever it holds is lost" },
  { "connections", 'C', "NUMBER", "to the server [1]" },
  { "timeout", 't', "TIME",
    "give up a connection that does not answer a\nrequest [off; 30s for "
    "several connections]" },
  { "dead-timeout", 0, "TIME",
    "without a server, let requests fail after\nthis time [10m]" },
  { "foreground", 0, NULL, "do not leave the terminal" },
  { .name = NULL }
};

/* What is to be done with the device once it is attached. */
struct wish {
  bool swap;
  int priority;
  const char *mkfs;             /* a type, or NULL */
  const char *mount;            /* a directory, or NULL */
  bool force;
  const char *local;            /* the device of a server at a Unix socket */
  const char *control;          /* its control socket */
};

/* The command line. */

static bool
parse_time (const struct arguments *arguments, const char *name,
            uint32_t *seconds)
{
  const char *text = arguments_get (arguments, name);

  if (!text || units_parse_time (text, seconds))
    return true;
  warnx ("attach: --%s: '%s' is no time like 90s, 10m or off", name, text);
  return false;
}

static bool
parse_number (const struct arguments *arguments, const char *name, int least,
              int most, int *value)
{
  const char *text = arguments_get (arguments, name);

  if (!text || (units_parse_int (text, value) && *value >= least &&
                *value <= most))
    return true;
  warnx ("attach: --%s: '%s' is no number from %d to %d", name, text, least,
         most);
  return false;
}

static bool
parse_connections (const struct arguments *arguments,
                   struct agent_order *order)
{
  int nr = 1;

  if (!parse_number (arguments, "connections", 1, CONNECTIONS_MAX, &nr))
    return false;
  order->nr_connections = nr;
  order->timeout_s = nr > 1 ? DEFAULT_TIMEOUT_S : 0;
  order->dead_timeout_s = DEFAULT_DEAD_TIMEOUT_S;
  if (!parse_time (arguments, "timeout", &order->timeout_s) ||
      !parse_time (arguments, "dead-timeout", &order->dead_timeout_s))
    return false;
  if (order->dead_timeout_s == 0)
    order->dead_timeout_s = NEVER_S;
  if (nr == 1 || order->timeout_s > 0)
    return true;
  warnx ("attach: several connections need a --timeout");
  return false;
}

static bool
is_directory (const char *path)
{
  struct stat st;

  if (stat (path, &st) == -1)
    warn ("attach: %s", path);
  else if (!S_ISDIR (st.st_mode))
    warnx ("attach: %s is no directory", path);
  else
    return true;
  return false;
}

static bool
parse_wish (const struct arguments *arguments, struct wish *wish)
{
  memset (wish, 0, sizeof *wish);
  wish->swap = arguments_get (arguments, "swap");
  wish->mkfs = arguments_get (arguments, "mkfs");
  wish->mount = arguments_get (arguments, "mount");
  wish->force = arguments_get (arguments, "force");
  wish->priority = DEFAULT_PRIORITY;
  if (!parse_number (arguments, "priority", 0, SWAP_PRIORITY_MAX,
                     &wish->priority))
    return false;
  if (wish->swap && (wish->mkfs || wish->mount))
    warnx ("attach: swap and a file system exclude each other");
  else if (!wish->swap && arguments_get (arguments, "priority"))
    warnx ("attach: --priority goes with --swap");
  else if (wish->force && !wish->swap && !wish->mkfs)
    warnx ("attach: --force goes with --swap or --mkfs");
  else
    return true;
  return false;
}

static bool
parse_words (struct arguments *arguments, struct agent_order *order)
{
  if (arguments->nr_words != 2) {
    warnx ("attach: an export and a device like /dev/nbd0 are needed");
    return false;
  }
  order->export = arguments_shift (arguments);
  if (blockdev_parse (&order->dev, arguments->words[0]))
    return true;
  warnx ("attach: '%s' is no device like /dev/nbd0", arguments->words[0]);
  return false;
}

/* Of a server that listens at a port of this machine, or all machines. */
static int
name_port (const struct conf_server *server, struct agent_order *order)
{
  const char *host = server->listen_host;
  char *uri;

  if (server->tls_is_required) {
    warnx ("attach: the server wants TLS: a URI nbds://%s:%s/%s with "
           "?tls-psk-file= or ?tls-certificates= says how", host,
           server->listen_port, order->export);
    return -1;
  }
  if (!conf_is_loopback (host))
    host = "localhost";
  if (asprintf (&uri, strchr (host, ':') ? "nbd://[%s]:%s/%s" :
                "nbd://%s:%s/%s", host, server->listen_port,
                order->export) == -1) {
    warnx ("out of memory");
    return -1;
  }
  order->export = uri;
  return 0;
}

/* Where is the server that has this export?  -1: a message was given. */
static int
find_server (const struct arguments *arguments, struct agent_order *order)
{
  static struct conf conf;      /* holds the path */

  order->socket = arguments_get (arguments, "socket");
  if (order->socket || strstr (order->export, "://"))
    return 0;
  order->socket = DEFAULT_SOCKET;
  if (!arguments_get (arguments, "config") &&
      access (CONF_DEFAULT_FILE, F_OK) == -1)
    return 0;
  if (inifile_read (inifile_path (arguments), &conf) == -1)
    return -1;
  if (!conf.server.listen_path)
    return name_port (&conf.server, order);
  order->socket = conf.server.listen_path;
  return 0;
}

/* What can be known before anything is done. */
static bool
can_be_done (const struct wish *wish)
{
  if (wish->mkfs && !mount_can_make (wish->mkfs)) {
    warnx ("attach: there is no program mkfs.%s", wish->mkfs);
    return false;
  }
  return !wish->mount || is_directory (wish->mount);
}

/* The front. */

/* What it holds must not be lost, unless that is said. */
static int
make_room (const struct blockdev *dev, const struct wish *wish)
{
  char held[SIGNATURE_BYTES];

  if (blockdev_is_read_only (dev)) {
    warnx ("%s is read-only", dev->path);
    return -1;
  }
  if (wish->force)
    return signature_wipe (dev->path);
  if (signature_read (dev->path, held) == -1)
    return -1;
  if (!*held || (wish->swap && strcmp (held, "swap") == 0))
    return 0;
  warnx ("%s holds %s already; --force overwrites it", dev->path, held);
  return -1;
}

static int
mount_held (const struct blockdev *dev, const struct wish *wish)
{
  char held[SIGNATURE_BYTES];

  if (wish->mkfs)
    return mount_begin (dev, wish->mkfs, wish->mount);
  if (signature_read (dev->path, held) == -1)
    return -1;
  if (*held)
    return mount_begin (dev, held, wish->mount);
  warnx ("%s holds no file system; --mkfs makes one", dev->path);
  return -1;
}

/* Nothing comes after what would have to be undone. */
static int
fulfil (const struct blockdev *dev, const struct wish *wish)
{
  if ((wish->swap || wish->mkfs) && make_room (dev, wish) == -1)
    return -1;
  if (wish->swap)
    return swap_begin (dev, wish->priority);
  if (wish->mkfs && mount_make (dev, wish->mkfs) == -1)
    return -1;
  return wish->mount ? mount_held (dev, wish) : 0;
}

static void
read_mark (const struct blockdev *dev, bool is_swap, struct mark *mark)
{
  static char head[MARK_HEAD_BYTES];
  const int fd = open (dev->path, O_RDONLY | O_CLOEXEC);

  memset (mark, 0, sizeof *mark);
  if (fd != -1 && pread (fd, head, sizeof head, 0) > 0)
    mark_take (mark, head, is_swap);
  else
    warn ("%s", dev->path);
  if (fd != -1)
    close (fd);
}

/* 0: it has ended. */
static char
hear_agent (int fd)
{
  char said;

  return read (fd, &said, 1) == 1 ? said : 0;
}

/* An agent that died left it so. */
static bool
is_fulfilled (const struct blockdev *dev, const struct wish *wish)
{
  if (wish->swap)
    return swap_is_on (dev);
  return wish->mount ? mount_is_on (dev, wish->mount) : !wish->mkfs;
}

static int
front_run (const struct blockdev *dev, const struct wish *wish, int from_agent,
           int to_agent)
{
  static struct mark mark;
  char said;

  signal (SIGPIPE, SIG_IGN);
  said = hear_agent (from_agent);
  if (!said)
    return STATUS_FAILED;
  if (!(said == AGENT_ADOPTED && is_fulfilled (dev, wish)) &&
      fulfil (dev, wish) == -1) {
    /* The agent undoes the rest, and ends. */
    close (to_agent);
    hear_agent (from_agent);
    return STATUS_FAILED;
  }
  read_mark (dev, wish->swap, &mark);
  if (write (to_agent, &mark, sizeof mark) != sizeof mark ||
      hear_agent (from_agent) != AGENT_STAYING) {
    warnx ("the agent of %s has died: nobody connects it again", dev->path);
    return STATUS_FAILED;
  }
  if (wish->swap)
    swap_print_hints ();
  if (wish->swap && wish->local)
    safeguards_hint (wish->control, wish->local);
  return STATUS_OK;
}

/* Two processes. */

struct pipes {
  int agent[2];                 /* what it says */
  int front[2];
};

static int
run_agent (struct agent_order *order, const struct pipes *pipes)
{
  close (pipes->agent[0]);
  close (pipes->front[1]);
  order->to_front = pipes->agent[1];
  order->from_front = pipes->front[0];
  return agent_run (order);
}

static int
run_front (const struct agent_order *order, const struct wish *wish,
           const struct pipes *pipes)
{
  close (pipes->agent[1]);
  close (pipes->front[0]);
  return front_run (&order->dev, wish, pipes->agent[0], pipes->front[1]);
}

static int
run_both (struct agent_order *order, const struct wish *wish)
{
  struct pipes pipes;
  pid_t pid;

  if (pipe2 (pipes.agent, O_CLOEXEC) == -1 ||
      pipe2 (pipes.front, O_CLOEXEC) == -1 || (pid = fork ()) == -1) {
    warn ("attach");
    return STATUS_FAILED;
  }
  if (order->is_foreground)
    return pid == 0 ? run_front (order, wish, &pipes) :
      run_agent (order, &pipes);
  if (pid > 0)
    return run_front (order, wish, &pipes);
  setsid ();
  return run_agent (order, &pipes);
}

int
attach_run (const char *control, struct arguments *arguments)
{
  struct agent_order order = { .nr_connections = 1 };
  struct wish wish;

  order.is_foreground = arguments_get (arguments, "foreground");
  if (!parse_connections (arguments, &order) ||
      !parse_wish (arguments, &wish) || !parse_words (arguments, &order))
    return STATUS_USAGE;
  if (!can_be_done (&wish) || find_server (arguments, &order) == -1)
    return STATUS_FAILED;
  wish.control = control;
  if (!strstr (order.export, "://"))
    wish.local = *order.export ? order.export : DEFAULT_DEVICE;
  return run_both (&order, &wish);
}

/* detach. */

static int
check_unused (const struct blockdev *dev)
{
  char name[BLOCKDEV_USER_BYTES];
  const int claim = blockdev_claim (dev);
  int pid;

  if (claim == -1 && errno == EBUSY) {
    warnx ("%s is in use by another device, or mounted where this process "
           "does not see it", dev->path);
    return -1;
  }
  if (claim != -1)
    close (claim);
  pid = blockdev_find_user (dev, name);
  if (pid == 0)
    return 0;
  warnx ("%s is in use by process %d (%s)", dev->path, pid, name);
  return -1;
}

/* Without an agent, or if another client attached it. */
static int
disconnect (const struct blockdev *dev)
{
  struct netlink *link = netlink_open ();
  int r = -1;

  if (!link)
    warn ("netlink");
  else if ((r = netlink_disconnect (link, dev->index)) == -1)
    warn ("cannot disconnect %s", dev->path);
  netlink_close (link);
  return r;
}

static int
end_agent (const struct blockdev *dev, pid_t pid)
{
  if (kill (pid, SIGTERM) == -1 && errno != ESRCH) {
    warn ("process %d, which keeps %s", (int) pid, dev->path);
    return -1;
  }
  if (lease_await_end (dev, DETACH_TIMEOUT_S) == 0)
    return 0;
  warnx ("process %d still keeps %s", (int) pid, dev->path);
  return -1;
}

static int
detach (const struct blockdev *dev)
{
  const pid_t agent = lease_holder (dev);

  if (agent == 0 && !blockdev_is_attached (dev)) {
    warnx ("%s is not attached", dev->path);
    return -1;
  }
  if ((swap_is_on (dev) && swap_end (dev) == -1) || mount_end (dev) == -1 ||
      check_unused (dev) == -1)
    return -1;
  return agent ? end_agent (dev, agent) : disconnect (dev);
}

int
detach_run (const char *control, struct arguments *arguments)
{
  struct blockdev dev;

  if (arguments->nr_words != 1) {
    warnx ("detach: one device like /dev/nbd0 is needed");
    return STATUS_USAGE;
  }
  if (!blockdev_parse (&dev, arguments->words[0])) {
    warnx ("detach: '%s' is no device like /dev/nbd0", arguments->words[0]);
    return STATUS_USAGE;
  }
  return detach (&dev) == 0 ? STATUS_OK : STATUS_FAILED;
}

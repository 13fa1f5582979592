/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommand serve; see serve.h. */
#include <config.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptor.h"
#include "../plugin/control/file.h"
#include "inifile.h"
#include "keeper.h"
#include "names.h"
#include "notify.h"
#include "serve.h"
#include "successor.h"

const struct option_spec serve_options[] = {
  INIFILE_OPTION,
  { "daemon", 0, NULL, "go to the background when it serves" },
  { "dry-run", 0, NULL, "show how nbdkit would be started" },
  { .name = NULL }
};

/* Each connection is a descriptor. */
#define DESCRIPTORS_MAX 65536

static void
out_of_memory (void)
{
  err (STATUS_FAILED, "out of memory");
}

/* Directories. */

/* The last directory of the path.  One that is made, or the usual one, is
 * shared with the user that the server runs as: it may put its socket there,
 * and cannot touch what is not its own. */
static void
prepare_directory (const char *path, const struct launch *launch)
{
  char *copy = strdup (path);
  const char *directory;
  bool is_ours;

  if (!copy)
    out_of_memory ();
  directory = dirname (copy);
  is_ours = mkdir (directory, 0755) == 0 ||
    strcmp (directory, CONF_RUN_DIR) == 0;
  if (is_ours && launch->uid != 0 &&
      (chown (directory, -1, launch->gid) == -1 ||
       chmod (directory, 01775) == -1))
    warn ("%s", directory);
  free (copy);
}

static void
prepare_directories (const struct conf_server *server,
                     const struct launch *launch)
{
  prepare_directory (server->pidfile, launch);
  prepare_directory (server->control, launch);
  if (server->listen_path)
    prepare_directory (server->listen_path, launch);
}

/* Descriptors. */

static void
raise_descriptors (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) == -1 ||
      limit.rlim_cur >= DESCRIPTORS_MAX)
    return;
  limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max :
    DESCRIPTORS_MAX;
  setrlimit (RLIMIT_NOFILE, &limit);
}

static void
move_up (int *fd, int first)
{
  *fd = descriptor_move_up (*fd, first);
  if (*fd == -1)
    err (STATUS_FAILED, "descriptors");
}

static void
move_all_up (struct keeper_parts *parts)
{
  const int first = keeper_first_fd (parts);

  for (unsigned i = 0; i < parts->listeners.nr; i++)
    move_up (&parts->listeners.fds[i], first);
  parts->listeners.local.fd = parts->listeners.fds[0];
  for (unsigned i = 0; i < parts->memory.nr_all; i++)
    move_up (&parts->memory.stores[i].fd, first);
  move_up (&parts->pidfile.fd, first);
  move_up (&parts->pidfile.state_fd, first);
  if (parts->ready_fd != -1)
    move_up (&parts->ready_fd, first);
}

/* A restart. */

static char *
own_program (void)
{
  char path[4096];
  const ssize_t r = readlink ("/proc/self/exe", path, sizeof path - 1);
  char *copy;

  if (r == -1)
    err (STATUS_FAILED, "/proc/self/exe");
  path[r] = '\0';
  copy = strdup (path);
  if (!copy)
    out_of_memory ();
  return copy;
}

/* check-config -c FILE, and without force the exports that must stay: a disk
 * in a file is not lost. */
static char **
make_check (char *program, char *file, const struct stores *memory, bool force)
{
  static char command[] = "check-config", option[] = "-c", end[] = "--";
  char **argv = calloc (memory->nr_all + 6, sizeof *argv);
  size_t nr = 5;

  if (!argv)
    out_of_memory ();
  argv[0] = program;
  argv[1] = command;
  argv[2] = option;
  argv[3] = file;
  argv[4] = end;
  for (unsigned i = 0; !force && i < memory->nr_all; i++)
    if (memory->stores[i].is_anonymous)
      argv[nr++] = name_read (NAME_STORE, memory->stores[i].name);
  return argv;
}

/* serve -c FILE, in the foreground: whoever started us is served. */
static char **
make_successor (char *program, char *file)
{
  static char command[] = "serve", option[] = "-c";
  char **argv = calloc (5, sizeof *argv);

  if (!argv)
    out_of_memory ();
  argv[0] = program;
  argv[1] = command;
  argv[2] = option;
  argv[3] = file;
  return argv;
}

static void
prepare_restart (struct keeper_parts *parts)
{
  char *program = parts->argv[0], *file = parts->argv[3];

  parts->check_argv = make_check (program, file, &parts->memory, false);
  parts->force_argv = make_check (program, file, &parts->memory, true);
}

/* To the background. */

/* The parent's status, once it is known. */
static int
await_child (int fd)
{
  char byte;

  return read (fd, &byte, 1) == 1 ? STATUS_OK : STATUS_FAILED;
}

/* In the child, which has the end of the pipe to write to.  The parent ends
 * here. */
static int
go_to_background (void)
{
  int ends[2], null;

  if (pipe2 (ends, O_CLOEXEC) == -1)
    err (STATUS_FAILED, "pipe");
  switch (fork ()) {
  case -1:
    err (STATUS_FAILED, "fork");
  case 0:
    break;
  default:
    close (ends[1]);
    _exit (await_child (ends[0]));
  }
  close (ends[0]);
  setsid ();
  null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  if (null != -1 && dup2 (null, STDIN_FILENO) != -1)
    dup2 (null, STDOUT_FILENO);
  if (null > STDERR_FILENO)
    close (null);
  return ends[1];
}

/* Serving. */

/* Which key leaves the door open; certificates alone only prove who the server
 * is.  NULL: none does. */
static const char *
open_door (const struct conf_server *server)
{
  if (server->listen_path || conf_is_loopback (server->listen_host))
    return NULL;
  if (!server->tls_is_required)
    return "insecure=yes";
  return server->tls_certificates && !server->tls_verify_peer ?
    "tls_verify_peer=0" : NULL;
}

/* Others may connect if they are asked for, and no disk is open to everybody
 * who can. */
static mode_t
socket_mode (const struct conf *conf)
{
  mode_t mode = 0600;

  for (size_t i = 0; i < conf->nr_exports; i++) {
    const struct access *access = &conf->exports[i].access;

    if (access->nr_uids == 0)
      return 0600;
    for (size_t j = 0; j < access->nr_uids; j++)
      if (access->uids[j] != 0 && access->uids[j] != geteuid ())
        mode = 0666;
  }
  return mode;
}

/* The lock comes first, then what another keeper may have. */
static int
prepare (struct keeper_parts *parts, const struct conf *conf,
         struct handed *handed)
{
  const struct conf_server *server = &conf->server;

  launch_set_user (&parts->launch, server);
  prepare_directories (server, &parts->launch);
  if (pidfile_open (&parts->pidfile, server->pidfile, handed) == -1 ||
      listeners_open (&parts->listeners, server, handed) == -1 ||
      listeners_set_mode (&parts->listeners, socket_mode (conf)) == -1 ||
      stores_open (&parts->memory, conf, handed,
                   parts->inherited.may_forget) == -1 ||
      launch_prepare (&parts->launch, conf, parts->listeners.nr) == -1)
    return -1;
  parts->control = server->control;
  parts->warning = open_door (server);
  prepare_restart (parts);
  return 0;
}

/* What was made in vain: only what is there has a path or a descriptor. */
static void
clean_up (struct keeper_parts *parts)
{
  listeners_close (&parts->listeners);
  if (parts->pidfile.fd > 0)
    pidfile_remove (&parts->pidfile);
}

/* Above all that may have been handed over. */
#define HOLDER_FD 1000

/* What was handed over is lost with us, unless it is held. */
static int
fail (struct keeper_parts *parts, struct handed *handed)
{
  if (parts->is_successor) {
    stores_hold_over (&parts->memory, HOLDER_FD);
    return successor_hold (handed, &parts->inherited, parts->argv);
  }
  clean_up (parts);
  handed_close (handed);
  return STATUS_FAILED;
}

static int
serve (struct keeper_parts *parts, const struct conf *conf,
       struct handed *handed)
{
  raise_descriptors ();
  if (prepare (parts, conf, handed) == -1)
    return fail (parts, handed);
  handed_close (handed);
  move_all_up (parts);
  if (pidfile_write (&parts->pidfile) == -1)
    return STATUS_FAILED;
  return keeper_run (parts);
}

static int
dry_run (const struct conf *conf)
{
  const unsigned nr = listeners_count (&conf->server);
  static struct launch launch;

  if (nr == 0 || launch_prepare (&launch, conf, nr) == -1)
    return STATUS_FAILED;
  launch_print (&launch, stdout);
  return STATUS_OK;
}

/* The ini file is read before anything is taken, and by every successor
 * anew. */
static int
read_and_serve (const char *path, bool is_daemon)
{
  static struct keeper_parts parts = { .ready_fd = -1 };
  struct handed handed;
  struct conf conf;
  char *absolute = file_absolute (path);
  int r, status;

  if (!absolute)
    out_of_memory ();
  parts.argv = make_successor (own_program (), absolute);
  parts.is_successor = successor_is_here (&parts.inherited);
  notify_open ();
  handed_receive (&handed);
  r = inifile_load (path, &conf);
  if (r == 0 && is_daemon)
    parts.ready_fd = go_to_background ();
  status = r == -1 ? fail (&parts, &handed) :
    serve (&parts, &conf, &handed);
  conf_free (&conf);
  return status;
}

static int
show (const char *path)
{
  struct conf conf;
  const int r = inifile_load (path, &conf);
  const int status = r == 0 ? dry_run (&conf) : STATUS_FAILED;

  conf_free (&conf);
  return status;
}

int
serve_run (const char *control, struct arguments *arguments)
{
  const char *path = inifile_path (arguments);

  if (arguments->nr_words > 0) {
    warnx ("serve: what is '%s'?", arguments->words[0]);
    return STATUS_USAGE;
  }
  return arguments_get (arguments, "dry-run") ? show (path) :
    read_and_serve (path, arguments_get (arguments, "daemon") != NULL);
}

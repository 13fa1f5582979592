/* SPDX-License-Identifier: BSD-3-Clause */
/* How nbdkit is started; see launch.h. */
#include <config.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../plugin/control/file.h"
#include "../plugin/control/standby.h"
#include "arguments.h"
#include "launch.h"

#define FIRST_FD 3              /* systemd's SD_LISTEN_FDS_START */

/* As much as the server's threads need, since it is locked: three blocks (of 64
 * KiB 201 KiB were seen, of 4 KiB 22), and what nbdkit does itself.  With TLS
 * that is more. */
#define STACK_BYTES_OF_BLOCK(bytes) (((rlim_t) 64 << 10) + 3 * (bytes))
#define STACK_BYTES_MAX ((rlim_t) 256 << 10)

/* All that the server asks for is the lowest real-time priority. */
#define REALTIME_PRIORITY_MAX 1

/* Words. */

struct words {
  char **words;                 /* NULL at the end */
  size_t nr;
};

static void
out_of_memory (void)
{
  err (STATUS_FAILED, "out of memory");
}

static char *
add_owned (struct words *words, char *word)
{
  words->words = reallocarray (words->words, words->nr + 2, sizeof (char *));
  if (!words->words)
    out_of_memory ();
  words->words[words->nr++] = word;
  words->words[words->nr] = NULL;
  return word;
}

__attribute__ ((format (printf, 2, 3))) static char *
add (struct words *words, const char *fmt, ...)
{
  char *word;
  va_list ap;
  int r;

  va_start (ap, fmt);
  r = vasprintf (&word, fmt, ap);
  va_end (ap);
  if (r == -1)
    out_of_memory ();
  return add_owned (words, word);
}

static void
add_path (struct words *words, const char *prefix, const char *path)
{
  char *absolute = file_absolute (path);

  if (!absolute)
    out_of_memory ();
  add (words, "%s%s", prefix, absolute);
  free (absolute);
}

/* The command line. */

static void
add_tls (struct words *words, const struct conf_server *server)
{
  add (words, "--tls=%s", server->tls_is_required ? "require" : "off");
  if (server->tls_certificates)
    add_path (words, "--tls-certificates=", server->tls_certificates);
  if (server->tls_psk)
    add_path (words, "--tls-psk=", server->tls_psk);
  if (server->tls_verify_peer)
    add (words, "--tls-verify-peer");
}

static void
add_stores (struct words *words, const struct conf *conf, int fd)
{
  for (size_t i = 0; i < conf->nr_exports; i++)
    add (words, "store_fd=%d:%s", fd++, conf->exports[i].name);
}

static rlim_t
stack_bytes (const struct conf *conf)
{
  rlim_t most = 0;

  for (size_t i = 0; i < conf->nr_exports; i++) {
    const rlim_t bytes = STACK_BYTES_OF_BLOCK (conf->exports[i].block_bytes);

    most = bytes > most ? bytes : most;
  }
  return conf->server.tls_is_required || most > STACK_BYTES_MAX ?
    STACK_BYTES_MAX : most;
}

/* $NBDZRAM_NBDKIT, for an nbdkit that is not in PATH or has a wrapper. */
static char **
make_argv (const struct launch *launch, const struct conf *conf)
{
  const int store_fd = FIRST_FD + launch->nr_listeners;
  const char *program = getenv ("NBDZRAM_NBDKIT");
  struct words words = { .nr = 0 };

  add (&words, "%s", program && *program ? program : "nbdkit");
  add (&words, "-f");
  add_tls (&words, &conf->server);
  add (&words, "--threads=%u", conf->server.nr_threads);
  add (&words, "--pidfile=/proc/self/fd/%u", store_fd + launch->nr_stores);
  add (&words, "zram");
  add_path (&words, "config=", conf->file);
  add_path (&words, "control=", conf->server.control);
  add_stores (&words, conf, store_fd);
  return words.words;
}

static bool
is_safe (const char *word)
{
  return *word && word[strspn (word, "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789-_./=:,+@%")] == '\0';
}

static void
print_quoted (const char *word, FILE *file)
{
  if (is_safe (word)) {
    fputs (word, file);
    return;
  }
  putc ('\'', file);
  for (; *word; word++)
    if (*word == '\'')
      fputs ("'\\''", file);
    else
      putc (*word, file);
  putc ('\'', file);
}

void
launch_print (const struct launch *launch, FILE *file)
{
  for (char **word = launch->argv; *word; word++) {
    if (word != launch->argv)
      putc (' ', file);
    print_quoted (*word, file);
  }
  putc ('\n', file);
}

/* The environment. */

/* What is between systemd and the keeper is not the server's. */
static bool
is_ours (const char *variable)
{
  static const char *const ours[] = {
    "LISTEN_", "NOTIFY_SOCKET=", "WATCHDOG_", "NBDZRAM_KEEPER=",
    STANDBY_VARIABLE "=",
  };

  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
    if (strncmp (variable, ours[i], strlen (ours[i])) == 0)
      return true;
  return false;
}

static void
make_environment (struct launch *launch)
{
  const int go_fd = launch_first_free_fd (launch) - 1;
  struct words words = { .nr = 0 };
  char *variable;

  for (char **old = environ; *old; old++)
    if (!is_ours (*old))
      add (&words, "%s", *old);
  add (&words, "LISTEN_FDS=%u", launch->nr_listeners);
  add (&words, "NBDZRAM_KEEPER=%d", (int) getpid ());
  add (&words, STANDBY_VARIABLE "=%d:%d", go_fd - 1, go_fd);
  variable = add (&words, "LISTEN_PID=%010d", 0);
  launch->listen_pid = strchr (variable, '=') + 1;
  launch->envp = words.words;
}

/* A program without a slash is looked for in PATH, now and not at each
 * start. */
static const char *
find_program (const char *name)
{
  const char *path = getenv ("PATH");
  char *copy, *rest, *directory, *program;

  if (strchr (name, '/'))
    return name;
  rest = copy = strdup (path ? path : "/usr/bin:/bin");
  if (!copy)
    out_of_memory ();
  while ((directory = strsep (&rest, ":"))) {
    if (asprintf (&program, "%s/%s", *directory ? directory : ".", name) == -1)
      out_of_memory ();
    if (eaccess (program, X_OK) == 0)
      break;
    free (program);
  }
  free (copy);
  return directory ? program : NULL;
}

void
launch_set_user (struct launch *launch, const struct conf_server *server)
{
  const struct passwd *user = server->user ? getpwnam (server->user) : NULL;

  launch->uid = user ? user->pw_uid : 0;
  launch->gid = user ? user->pw_gid : 0;
}

int
launch_prepare (struct launch *launch, const struct conf *conf,
                unsigned nr_listeners)
{
  *launch = (struct launch) {
    .nr_listeners = nr_listeners, .nr_stores = conf->nr_exports,
    .is_locked = conf_locks_memory (conf), .stack_bytes = stack_bytes (conf),
  };
  launch->argv = make_argv (launch, conf);
  make_environment (launch);
  launch_set_user (launch, &conf->server);
  launch->program = find_program (launch->argv[0]);
  if (launch->program && eaccess (launch->program, X_OK) == 0)
    return 0;
  warnx ("%s: %s", launch->argv[0],
         launch->program ? strerror (errno) : "not found in PATH");
  return -1;
}

int
launch_first_free_fd (const struct launch *launch)
{
  return FIRST_FD + launch->nr_listeners + launch->nr_stores + 2;
}

/* The child, which has the keeper's memory until it executes: system calls
 * only, and those that glibc would announce to all threads raw. */

/* As far as we may: the hard limit is raised where it is too low. */
static void
set_limit (int resource, rlim_t limit)
{
  struct rlimit limits;

  if (getrlimit (resource, &limits) == -1)
    return;
  limits.rlim_cur = limit;
  if (limits.rlim_max >= limit && setrlimit (resource, &limits) == 0)
    return;
  limits.rlim_cur = limits.rlim_max;
  setrlimit (resource, &limits);
  limits.rlim_cur = limits.rlim_max = limit;
  setrlimit (resource, &limits);
}

/* What the server may then take for itself; the rest it inherits from the
 * keeper (resident.c), so that it is safe from its first page on.  What cannot
 * be had is reported by the plugin. */
static void
prepare_locking (const struct launch *launch)
{
  set_limit (RLIMIT_STACK, launch->stack_bytes);
  set_limit (RLIMIT_MEMLOCK, RLIM_INFINITY);
  set_limit (RLIMIT_RTPRIO, REALTIME_PRIORITY_MAX);
}

/* The capabilities that the safeguards need survive the change of user, as
 * inheritable and ambient ones. */
#define KEPT_CAPABILITIES                                                     \
  (UINT64_C (1) << CAP_SYS_RESOURCE | UINT64_C (1) << CAP_IPC_LOCK |          \
   UINT64_C (1) << CAP_SYS_NICE)

static bool
is_kept (unsigned capability)
{
  return KEPT_CAPABILITIES & UINT64_C (1) << capability;
}

/* Nothing that is executed later gets any other, either. */
static void
drop_others (void)
{
  for (unsigned capability = 0; capability < 64; capability++)
    if (!is_kept (capability))
      prctl (PR_CAPBSET_DROP, capability, 0, 0, 0);
  prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int
keep_capabilities (void)
{
  struct __user_cap_header_struct header = {
    .version = _LINUX_CAPABILITY_VERSION_3,
  };
  struct __user_cap_data_struct data[2];
  uint32_t kept = KEPT_CAPABILITIES;

  if (syscall (SYS_capget, &header, data) == -1)
    return -1;
  kept &= data[0].permitted;
  data[0] = (struct __user_cap_data_struct) { kept, kept, kept };
  data[1] = (struct __user_cap_data_struct) { 0, 0, 0 };
  if (syscall (SYS_capset, &header, data) == -1)
    return -1;
  for (unsigned capability = 0; capability < 32; capability++)
    if (kept & UINT32_C (1) << capability)
      prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
  return 0;
}

static int
become_user (const struct launch *launch)
{
  if (launch->uid == 0)
    return 0;
  drop_others ();
  if (syscall (SYS_setgroups, 0, NULL) == -1 ||
      syscall (SYS_setresgid, launch->gid, launch->gid, launch->gid) == -1 ||
      prctl (PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1 ||
      syscall (SYS_setresuid, launch->uid, launch->uid, launch->uid) == -1)
    return -1;
  return keep_capabilities ();
}

/* Without leading zeroes, which would make it octal. */
static void
write_listen_pid (const struct launch *launch)
{
  char *text = launch->listen_pid;
  unsigned pid = syscall (SYS_getpid), power = 1;

  while (pid / power >= 10)
    power *= 10;
  for (; power > 0; power /= 10)
    *text++ = '0' + pid / power % 10;
  *text = '\0';
}

static void
become_server (const struct launch *launch, const int *fds)
{
  const int nr_fds = launch_first_free_fd (launch) - FIRST_FD;
  sigset_t none;

  for (int i = 0; i < nr_fds; i++)
    if (dup2 (fds[i], FIRST_FD + i) == -1)
      return;
  if (launch->is_locked)
    prepare_locking (launch);
  if (become_user (launch) == -1)
    return;
  write_listen_pid (launch);
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  execve (launch->program, launch->argv, launch->envp);
}

pid_t
launch_start (const struct launch *launch, const int *fds)
{
  static const char cannot[] = "nbdzram: nbdkit cannot be executed\n";
  const pid_t pid = vfork ();

  if (pid != 0)
    return pid;
  become_server (launch, fds);
  (void) !write (STDERR_FILENO, cannot, sizeof cannot - 1);
  _exit (127);
}

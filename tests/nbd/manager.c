/* SPDX-License-Identifier: BSD-3-Clause */
/* A service manager for tests: manager LOG COMMAND...
 *
 * The command is told how to notify and that a watchdog waits for it; each
 * message becomes a line of the log.  Descriptors that it wants to be kept are
 * kept.  When it is killed it is started again with them, else its end is ours.
 */
#include <config.h>

#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_FD 3
#define KEPT_MAX 16
#define KEPT_FIRST_FD 100
#define TEXT_BYTES 4096

static struct kept {
  char name[256];
  int fd;
} kept[KEPT_MAX];
static unsigned nr_kept;

static pid_t child;

/* What is kept, from descriptor 3 on. */
static void
hand_over (void)
{
  char names[KEPT_MAX * 256] = "", text[16];

  for (unsigned i = 0; i < nr_kept; i++) {
    if (dup2 (kept[i].fd, FIRST_FD + i) == -1)
      err (1, "dup2");
    strcat (strcat (names, i ? ":" : ""), kept[i].name);
  }
  snprintf (text, sizeof text, "%d", (int) getpid ());
  setenv ("LISTEN_PID", text, 1);
  snprintf (text, sizeof text, "%u", nr_kept);
  setenv ("LISTEN_FDS", text, 1);
  setenv ("LISTEN_FDNAMES", names, 1);
}

static void
start (char **argv)
{
  child = fork ();
  if (child == -1)
    err (1, "fork");
  if (child != 0)
    return;
  if (nr_kept > 0)
    hand_over ();
  execv (argv[0], argv);
  err (1, "%s", argv[0]);
}

/* An abstract name, which begins with a NUL; the environment has @. */
static int
listen_to_child (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  const int fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  char name[64];
  int chars;

  chars = snprintf (name, sizeof name, "@zram-test-%d", (int) getpid ());
  memcpy (address.sun_path, name, chars);
  address.sun_path[0] = '\0';
  if (fd == -1 ||
      bind (fd, (struct sockaddr *) &address,
            offsetof (struct sockaddr_un, sun_path) + chars) == -1)
    err (1, "%s", name);
  setenv ("NOTIFY_SOCKET", name, 1);
  setenv ("WATCHDOG_USEC", "200000", 1);
  return fcntl (fd, F_DUPFD_CLOEXEC, KEPT_FIRST_FD);
}

/* systemd ignores what it has already. */
static bool
is_kept (int fd)
{
  struct stat file, other;

  for (unsigned i = 0; i < nr_kept; i++)
    if (fstat (fd, &file) == 0 && fstat (kept[i].fd, &other) == 0 &&
        file.st_dev == other.st_dev && file.st_ino == other.st_ino)
      return true;
  return false;
}

static void
keep (const char *text, int fd)
{
  const char *name = strstr (text, "FDNAME=");

  if (is_kept (fd)) {
    close (fd);
    return;
  }
  if (!name || nr_kept == KEPT_MAX)
    errx (1, "cannot keep: %s", text);
  name += strlen ("FDNAME=");
  snprintf (kept[nr_kept].name, sizeof kept->name, "%.*s",
            (int) strcspn (name, "\n"), name);
  kept[nr_kept++].fd = fcntl (fd, F_DUPFD_CLOEXEC, KEPT_FIRST_FD);
  close (fd);
}

static void
note (FILE *log, char *text)
{
  for (char *c = text; *c; c++)
    if (*c == '\n')
      *c = ' ';
  fprintf (log, "%s\n", text);
  fflush (log);
}

static void
receive (int fd, FILE *log)
{
  static char text[TEXT_BYTES];
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE (sizeof (int))];
  } control;
  struct iovec vector = { text, sizeof text - 1 };
  struct msghdr message = {
    .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control,
    .msg_controllen = sizeof control,
  };
  const ssize_t r = recvmsg (fd, &message, MSG_CMSG_CLOEXEC);
  int passed;

  if (r == -1)
    return;
  text[r] = '\0';
  if (CMSG_FIRSTHDR (&message)) {
    memcpy (&passed, CMSG_DATA (&control.header), sizeof passed);
    keep (text, passed);
  }
  note (log, text);
}

static void
nothing (int signal)
{
}

/* False: it ended of its own. */
static bool
is_to_be_started_again (int *status)
{
  if (waitpid (child, status, WNOHANG) != child)
    return false;
  if (!WIFSIGNALED (*status))
    exit (WEXITSTATUS (*status));
  return true;
}

int
main (int argc, char **argv)
{
  /* SIGCHLD ends recvmsg. */
  const struct sigaction action = { .sa_handler = nothing };
  const struct timeval patience = { .tv_usec = 100000 };
  FILE *log;
  int fd, status;

  if (argc < 3 || !(log = fopen (argv[1], "ae")))
    errx (2, "usage: manager LOG COMMAND...");
  fd = listen_to_child ();
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sigaction (SIGCHLD, &action, NULL);
  for (start (argv + 2);; receive (fd, log))
    if (is_to_be_started_again (&status)) {
      note (log, (char[]) { "killed" });
      start (argv + 2);
    }
}

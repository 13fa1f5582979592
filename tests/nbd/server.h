/* SPDX-License-Identifier: BSD-3-Clause */
/* A server of our own for each test, and connections to it.
 *
 * The server is the build tree's: $NBDKIT, or ./nbdkit below $top_builddir.  It
 * runs in the foreground on a Unix socket in a directory of its own, and says
 * that it is ready by writing its pid file, so nobody sleeps and hopes.  It
 * dies with the test, whatever happens to the test.
 *
 * A test is a list of calls to functions whose names are sentences.  Whatever
 * it requires and does not get ends it: require prints the place, the
 * expression and what libnbd says, then the server's log is shown and the
 * status is 1.
 */
#ifndef ZRAM_TESTS_SERVER_H
#define ZRAM_TESTS_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/un.h>

#include <libnbd.h>

#define KiB ((uint64_t) 1024)
#define MiB (1024 * KiB)
#define GiB (1024 * MiB)
#define TiB (1024 * GiB)

/* The most that one request of NBD can say. */
#define REQUEST_BYTES_MAX UINT32_MAX

struct server {
  char *directory;              /* holds all the files below */
  char *socket;
  char *pid_file;
  char *log;                    /* what the server printed */
  pid_t pid;
};

/* A name and value for the plugin each, and NULL behind the last. */
#define SERVER_ARGS(...) ((const char *const[]) { __VA_ARGS__, NULL })

/* The server listens when this returns.  The caller owns it. */
struct server *server_start (const char *const args[]);

/* The same with options for nbdkit before the plugin's name. */
struct server *server_start_with (const char *const options[],
                                  const char *const args[]);

/* The same on a socket that the test listens on and hands over, as systemd
 * does.  Clients can connect when this returns, but the server may be anywhere
 * on its way: stop it only after it answered. */
struct server *server_start_activated (const char *const args[]);

/* Stop it by a signal, require that it exits with status 0 (a sanitizer's
 * report makes that another one), and free it. */
void server_stop (struct server *server);

/* Require that it still runs and answers. */
void server_require_alive (const struct server *server);

/* How many threads it has; they start and end in their own time, so this waits
 * until nothing has changed for a while.  And how many open files. */
unsigned server_nr_threads (const struct server *server);
unsigned server_nr_files (const struct server *server);

/* Wait until it has no more threads than so many: the others belong to
 * connections that have ended, and nothing that these asked for is done any
 * more when they are gone. */
void server_await_threads (const struct server *server, unsigned nr_threads);

/* Is this text anywhere in what it printed? */
bool server_log_has (const struct server *server, const char *text);

/* A connection to an export; full, with base:allocation, and one whose
 * requests are not checked in the client: it is the server that is tested.
 * The caller closes it with nbd_close. */
struct nbd_handle *server_connect (const struct server *server,
                                   const char *export_name);

/* A handle for the same, not yet connected: for other settings. */
struct nbd_handle *server_handle (const char *export_name);

/* Print what is checked now, for the log of a test that fails or hangs. */
#define CHECK(...)                                                            \
  do {                                                                        \
    printf (__VA_ARGS__);                                                     \
    putchar ('\n');                                                           \
    fflush (stdout);                                                          \
  } while (0)

#define require(condition)                                                    \
  ((condition) ? (void) 0 : require_failed (__FILE__, __LINE__, #condition))

void require_failed (const char *file, int line, const char *condition)
  __attribute__ ((noreturn));

/* A Unix socket, neither bound nor connected, and the address of this path. */
int unix_socket (const char *path, struct sockaddr_un *address);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The section [server]; see conf_server.h. */
#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../store/report.h"
#include "conf_server.h"
#include "units.h"

#define OUT_OF_MEMORY "out of memory"

#define THREADS_MAX 256

/* Setters: NULL, or what is wrong. */

static const char *
set_string (char **string, const char *value)
{
  free (*string);
  *string = strdup (value);
  return *string ? NULL : OUT_OF_MEMORY;
}

static const char *
set_path (char **path, const char *value)
{
  return *value ? set_string (path, value) : "a path is missing";
}

/* "none" is no path. */
static const char *
set_path_or_none (char **path, const char *value)
{
  if (strcmp (value, "none") != 0)
    return set_path (path, value);
  free (*path);
  *path = NULL;
  return NULL;
}

static const char *
set_socket_path (char **path, const char *value)
{
  if (strlen (value) >= sizeof ((struct sockaddr_un *) 0)->sun_path)
    return "a socket's path has at most 107 bytes";
  return set_path (path, value);
}

static bool
is_port (const char *text)
{
  uint64_t port;

  return strlen (text) <= 5 && units_parse_number (text, 10, 65535, &port) == 0
    && *text != '+' && port > 0;
}

/* HOST:PORT, cut in place. */
static const char *
set_host_and_port (struct conf_server *server, char *text)
{
  char *colon = strrchr (text, ':'), *host = text;
  const char *wrong;

  if (!colon || !is_port (colon + 1))
    return "neither unix:PATH nor HOST:PORT";
  *colon = '\0';
  if (*host == '[' && colon[-1] == ']') {
    colon[-1] = '\0';
    host++;
  }
  else if (strchr (host, ':'))
    return "an IPv6 address needs brackets, as in [::1]:10809";
  if (*host == '\0')
    return "a host is missing, such as 127.0.0.1 or 0.0.0.0";
  wrong = set_string (&server->listen_host, host);
  return wrong ? wrong : set_string (&server->listen_port, colon + 1);
}

static const char *
set_listen (struct conf_server *server, const char *value)
{
  const char *wrong;
  char *copy;

  if (strncmp (value, "unix:", 5) == 0)
    return set_socket_path (&server->listen_path, value + 5);
  copy = strdup (value);
  if (!copy)
    return OUT_OF_MEMORY;
  wrong = set_host_and_port (server, copy);
  free (copy);
  return wrong;
}

static const char *
set_tls (struct conf_server *server, const char *value)
{
  server->tls_is_required = strcmp (value, "require") == 0;
  return server->tls_is_required || strcmp (value, "off") == 0 ? NULL :
    "neither off nor require";
}

static const char *
set_tls_certificates (struct conf_server *server, const char *value)
{
  return set_path_or_none (&server->tls_certificates, value);
}

static const char *
set_tls_psk (struct conf_server *server, const char *value)
{
  return set_path_or_none (&server->tls_psk, value);
}

static const char *
set_tls_verify_peer (struct conf_server *server, const char *value)
{
  return units_parse_bool (value, &server->tls_verify_peer) ? NULL :
    "neither 0 nor 1";
}

static const char *
set_insecure (struct conf_server *server, const char *value)
{
  return units_parse_bool (value, &server->insecure) ? NULL :
    "neither yes nor no";
}

static const char *
set_threads (struct conf_server *server, const char *value)
{
  uint64_t nr;

  if (units_parse_number (value, 10, THREADS_MAX, &nr) != 0 || nr == 0)
    return "not a number from 1 to 256";
  server->nr_threads = nr;
  return NULL;
}

static const char *
set_pidfile (struct conf_server *server, const char *value)
{
  return set_path (&server->pidfile, value);
}

static const char *
set_user (struct conf_server *server, const char *value)
{
  return *value ? set_path_or_none (&server->user, value) :
    "a name is missing";
}

static const char *
set_control (struct conf_server *server, const char *value)
{
  return set_socket_path (&server->control, value);
}

#define CONF_SERVER_KEY_ENTRY(id, name, default_text, value, help)            \
  [CONF_SERVER_##id] = { #name, set_##name, default_text },

const struct conf_server_key conf_server_keys[NR_CONF_SERVER_KEYS] = {
  CONF_SERVER_KEYS (CONF_SERVER_KEY_ENTRY)
};

/* Values. */

static int
find_key (const char *name)
{
  for (int id = 0; id < NR_CONF_SERVER_KEYS; id++)
    if (strcmp (name, conf_server_keys[id].name) == 0)
      return id;
  return -1;
}

int
conf_server_set (struct conf_server *server, const char *name,
                 const struct conf_origin *origin, const char *value)
{
  const int id = find_key (name);
  const char *wrong;

  if (id == -1)
    return conf_complain (origin, name, "unknown key in [server]", value);
  if (server->origins[id].text)
    return conf_complain (origin, name, "given twice", value);
  server->origins[id] = *origin;
  server->origins[id].text = strdup (value);
  wrong = server->origins[id].text ? conf_server_keys[id].set (server, value) :
    OUT_OF_MEMORY;
  return wrong ? conf_complain (origin, name, wrong, value) : 0;
}

int
conf_server_complete (struct conf_server *server)
{
  const struct conf_origin nowhere = { .file = NULL };
  const char *wrong = NULL;
  int id;

  for (id = 0; id < NR_CONF_SERVER_KEYS && !wrong; id++)
    if (!server->origins[id].text)
      wrong = conf_server_keys[id].set (server,
                                        conf_server_keys[id].default_text);
  return wrong ? conf_complain (&nowhere, conf_server_keys[id - 1].name, wrong,
                                conf_server_keys[id - 1].default_text) : 0;
}

const char *
conf_server_text (const struct conf_server *server, enum conf_server_key_id id)
{
  const char *text = server->origins[id].text;

  return text ? text : conf_server_keys[id].default_text;
}

int
conf_server_blame (const struct conf_server *server,
                   enum conf_server_key_id id, const char *wrong)
{
  const struct conf_origin *origin = &server->origins[id];
  const char *name = conf_server_keys[id].name;

  if (origin->text)
    return conf_complain (origin, name, wrong, origin->text);
  report_error ("[server]: %s: %s: '%s'", name, wrong,
                conf_server_keys[id].default_text);
  return -1;
}

void
conf_server_free (struct conf_server *server)
{
  free (server->listen_path);
  free (server->listen_host);
  free (server->listen_port);
  free (server->tls_certificates);
  free (server->tls_psk);
  free (server->pidfile);
  free (server->user);
  free (server->control);
  for (int id = 0; id < NR_CONF_SERVER_KEYS; id++)
    free (server->origins[id].text);
  *server = (struct conf_server) { .listen_path = NULL };
}

/* Checks. */

bool
conf_is_loopback (const char *host)
{
  struct in6_addr v6;
  struct in_addr v4;

  if (inet_pton (AF_INET, host, &v4) == 1)
    return ntohl (v4.s_addr) >> 24 == 127;
  if (inet_pton (AF_INET6, host, &v6) == 1)
    return IN6_IS_ADDR_LOOPBACK (&v6);
  return strcasecmp (host, "localhost") == 0;
}

static int
check_door (const struct conf_server *server)
{
  if (server->listen_path || conf_is_loopback (server->listen_host) ||
      server->tls_is_required || server->insecure)
    return 0;
  return conf_server_blame (server, CONF_SERVER_LISTEN,
                            "beyond this machine only with tls=require, or "
                            "with insecure=yes if you must");
}

/* nbdkit would take the one or the other, or none, without a word. */
static int
check_tls (const struct conf_server *server)
{
  if (!server->tls_is_required) {
    if (server->tls_certificates)
      return conf_server_blame (server, CONF_SERVER_TLS_CERTIFICATES,
                                "of no use without tls=require");
    return server->tls_psk ?
      conf_server_blame (server, CONF_SERVER_TLS_PSK,
                         "of no use without tls=require") : 0;
  }
  if (!server->tls_certificates && !server->tls_psk)
    return conf_server_blame (server, CONF_SERVER_TLS,
                              "tls_certificates or tls_psk is missing");
  if (server->tls_certificates && server->tls_psk)
    return conf_server_blame (server, CONF_SERVER_TLS_PSK,
                              "not together with tls_certificates");
  if (server->tls_verify_peer && server->tls_psk)
    return conf_server_blame (server, CONF_SERVER_TLS_VERIFY_PEER,
                              "only with tls_certificates");
  return 0;
}

/* NULL, or what is wrong with the file that has to be there. */
static const char *
why_unreadable (const char *path, bool is_directory)
{
  struct stat file;

  if (stat (path, &file) == -1)
    return strerror (errno);
  if (S_ISDIR (file.st_mode) != is_directory)
    return strerror (is_directory ? ENOTDIR : EISDIR);
  return eaccess (path, is_directory ? R_OK | X_OK : R_OK) == -1 ?
    strerror (errno) : NULL;
}

static int
check_files (const struct conf_server *server)
{
  const char *wrong = NULL;

  if (server->tls_certificates)
    wrong = why_unreadable (server->tls_certificates, true);
  if (wrong)
    return conf_server_blame (server, CONF_SERVER_TLS_CERTIFICATES, wrong);
  if (server->tls_psk)
    wrong = why_unreadable (server->tls_psk, false);
  return wrong ? conf_server_blame (server, CONF_SERVER_TLS_PSK, wrong) : 0;
}

static int
check_user (const struct conf_server *server)
{
  if (!server->user)
    return 0;
  errno = 0;
  if (!getpwnam (server->user))
    return conf_server_blame (server, CONF_SERVER_USER,
                              errno ? strerror (errno) : "no such user");
  return geteuid () == 0 ? 0 :
    conf_server_blame (server, CONF_SERVER_USER,
                       "only root can become another user");
}

static bool
is_same (const char *a, const char *b)
{
  return a && b && strcmp (a, b) == 0;
}

static int
check_paths (const struct conf_server *server)
{
  if (is_same (server->control, server->listen_path))
    return conf_server_blame (server, CONF_SERVER_CONTROL,
                              "the same path as listen");
  if (is_same (server->pidfile, server->listen_path) ||
      is_same (server->pidfile, server->control))
    return conf_server_blame (server, CONF_SERVER_PIDFILE,
                              "the path of a socket");
  return 0;
}

/* Every check has its say. */
int
conf_server_check (const struct conf_server *server)
{
  int r = check_door (server);

  r |= check_tls (server);
  r |= check_files (server);
  r |= check_user (server);
  r |= check_paths (server);
  return r;
}

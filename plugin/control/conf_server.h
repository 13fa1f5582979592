/* SPDX-License-Identifier: BSD-3-Clause */
/* The section [server] of the ini file: what `nbdzram serve` starts the server
 * with.  The plugin reads it too, but does only what control= says.
 *
 * Keys, their help and their defaults are one list, as in conf.h.
 */
#ifndef ZRAM_CONF_SERVER_H
#define ZRAM_CONF_SERVER_H

#include <stdbool.h>

#include "conf_origin.h"

#define CONF_RUN_DIR "/run/nbdzram"
#define CONF_DEFAULT_FILE "/etc/nbdzram.conf"
#define CONF_DEFAULT_CONTROL CONF_RUN_DIR "/control.sock"

/* id, name, default, value, help */
#define CONF_SERVER_KEYS(KEY)                                                 \
  KEY (LISTEN, listen, "unix:" CONF_RUN_DIR "/nbd.sock",                      \
       "unix:PATH|HOST:PORT",                                                 \
       "where clients connect (default unix:/run/nbdzram/nbd.sock)")          \
  KEY (TLS, tls, "off", "off|require",                                        \
       "clients have to encrypt and to prove who they are (default off)")     \
  KEY (TLS_CERTIFICATES, tls_certificates, "none", "DIR",                     \
       "the server's certificate, key and CA (default none)")                 \
  KEY (TLS_PSK, tls_psk, "none", "FILE",                                      \
       "names and keys of clients, instead of certificates (default none)")   \
  KEY (TLS_VERIFY_PEER, tls_verify_peer, "0", "0|1",                          \
       "clients need a certificate of the same CA (default 0)")               \
  KEY (INSECURE, insecure, "no", "yes|no",                                    \
       "listen beyond this machine without TLS (default no)")                 \
  KEY (THREADS, threads, "16", "NUMBER",                                      \
       "requests of one connection at a time (default 16)")                   \
  KEY (PIDFILE, pidfile, CONF_RUN_DIR "/nbdzram.pid", "FILE",                 \
       "where the keeper's number is (default /run/nbdzram/nbdzram.pid)")     \
  KEY (USER, user, "none", "NAME",                                            \
       "whom the server runs as (default none: who starts it)")               \
  KEY (CONTROL, control, CONF_DEFAULT_CONTROL, "PATH",                        \
       "socket to see and change the devices through\n"                       \
       "    (default /run/nbdzram/control.sock)")

#define CONF_SERVER_KEY_ID(id, name, default_text, value, help)               \
  CONF_SERVER_##id,

enum conf_server_key_id {
  CONF_SERVER_KEYS (CONF_SERVER_KEY_ID)
  NR_CONF_SERVER_KEYS
};

struct conf_server {
  char *listen_path;            /* of a Unix socket; NULL: host and port */
  char *listen_host;            /* without the brackets of IPv6 */
  char *listen_port;
  bool tls_is_required;
  char *tls_certificates;       /* NULL: none */
  char *tls_psk;                /* NULL: none */
  bool tls_verify_peer;
  bool insecure;
  unsigned nr_threads;
  char *pidfile;
  char *user;                   /* NULL: stay who we are */
  char *control;
  struct conf_origin origins[NR_CONF_SERVER_KEYS];
};

struct conf_server_key {
  const char *name;
  /* NULL if the value is good, else what is wrong with it. */
  const char *(*set) (struct conf_server *server, const char *value);
  const char *default_text;
};

extern const struct conf_server_key conf_server_keys[NR_CONF_SERVER_KEYS];

/* A key and value from a line of the file.  -1: a message was given. */
int conf_server_set (struct conf_server *server, const char *name,
                     const struct conf_origin *origin, const char *value);

/* Fill in what the file did not give.  -1: a message was given. */
int conf_server_complete (struct conf_server *server);

/* What has to be true before anything is started: keys that go together, files
 * that are there, no open door.  -1: a message was given. */
int conf_server_check (const struct conf_server *server);

/* The value as it was written, or the default. */
const char *conf_server_text (const struct conf_server *server,
                              enum conf_server_key_id id);

/* One message about this key.  Returns -1. */
int conf_server_blame (const struct conf_server *server,
                       enum conf_server_key_id id, const char *wrong);

/* Is this an address of the machine itself: 127.0.0.0/8, ::1 or localhost? */
bool conf_is_loopback (const char *host);

/* All-zero is an empty one. */
void conf_server_free (struct conf_server *server);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration: keys from the command line and from the ini file, one
 * export for each section.
 *
 * Everything is parsed into a scratch conf and checked as a whole; only a conf
 * that conf_finish accepted is used.  Each error is one line with the file, the
 * line, the key and the value:
 *   /etc/nbdzram.conf:7: block_size: not a power of two from 4096 to 65536: '5000'
 * with "command line" in place of file and line where it comes from there.
 *
 * Keys, their help and their defaults are one list, CONF_KEYS: parser, --help
 * and the tests are made from it.
 */
#ifndef ZRAM_CONF_H
#define ZRAM_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../policy/policy.h"
#include "../store/codec.h"
#include "access.h"
#include "algorithm.h"
#include "conf_origin.h"
#include "conf_server.h"
#include "export.h"

/* id, name, alias, default (NULL: must be given), value, help
 *
 * Ages and the rate are Android 16's, whose mmd has found them out on phones:
 * recompression after 2 to 4 hours, writeback after 20 to 25, one gigabyte a
 * day.  Without recomp_algorithm and backing_dev nothing comes of them. */
#define CONF_KEYS(KEY)                                                        \
  KEY (DISKSIZE, disksize, "size", NULL, "SIZE",                              \
       "size of the disk before compression, rounded up to 4K (required)")   \
  KEY (BLOCK_SIZE, block_size, NULL, "4096", "SIZE",                          \
       "unit of compression, a power of two from 4K to 64K (default 4K)")    \
  KEY (COMP_ALGORITHM, comp_algorithm, NULL, "zstd", "NAME",                  \
       "zstd, lz4, lz4hc, lzo or deflate (default zstd)")                    \
  KEY (RECOMP_ALGORITHM, recomp_algorithm, NULL, "",                          \
       "'algo=NAME priority=1..3, ...'",                                      \
       "algorithms for recompression (default none)")                        \
  KEY (ALGORITHM_PARAMS, algorithm_params, NULL, "",                          \
       "'level=N dict=FILE, priority=N level=N ...'",                         \
       "how the algorithms compress (default: zstd level -1)")               \
  KEY (MEM_LIMIT, mem_limit, NULL, "0", "SIZE",                               \
       "most memory the device may hold, all included (default 0: no limit)")\
  KEY (RESERVE, reserve, NULL, "0", "SIZE",                                   \
       "memory kept ready, so that no write waits for some (default 0: off)") \
  KEY (USE_DEDUP, use_dedup, NULL, "0", "0|1",                                \
       "share one object between blocks with the same content (default 0)")  \
  KEY (ALLOW_UIDS, allow_uids, NULL, "any", "any|UID,UID,...",                \
       "users who may open it, on a Unix socket only (default any)")          \
  KEY (ALLOW_CERTIFICATES, allow_certificates, NULL, "none",                  \
       "none|any|'NAME;NAME;...'",                                            \
       "TLS clients who may open it, by distinguished name (default none)")   \
  KEY (BACKING_DEV, backing_dev, NULL, "none", "FILE",                        \
       "file or block device to write blocks back to (default none)")        \
  KEY (BACKING_SIZE, backing_size, NULL, "0", "SIZE",                         \
       "size of a new backing file (default 0: all of one that is there)")   \
  KEY (BACKING_KEY, backing_key, NULL, "none", "FILE",                        \
       "64 bytes or 128 hex digits to encrypt it with (default none)")       \
  KEY (WRITEBACK_LIMIT, writeback_limit, NULL, "0", "PAGES|SIZE",             \
       "most that is written back, if enabled (default 0)")                  \
  KEY (WRITEBACK_LIMIT_ENABLE, writeback_limit_enable, NULL, "0", "0|1",      \
       "obey writeback_limit (default 0)")                                   \
  KEY (IDLE_AGE, idle_age, NULL, "off", "TIME",                               \
       "mark blocks idle that were not used for so long (default off)")      \
  KEY (RECOMPRESS_AGE, recompress_age, NULL, "2h", "TIME",                    \
       "recompress blocks that were not used for so long (default 2h)")      \
  KEY (WRITEBACK_AGE, writeback_age, NULL, "20h", "TIME",                     \
       "write back blocks that were not used for so long (default 20h)")     \
  KEY (WRITEBACK_RATE, writeback_rate, NULL, "1G/1d", "SIZE/TIME",            \
       "most that is written back for its age (default 1G/1d)")              \
  KEY (ON_INCOMPRESSIBLE, on_incompressible, NULL, "store",                   \
       "store|writeback|reject",                                              \
       "where a block goes that does not compress (default store)")          \
  KEY (ON_FULL, on_full, NULL, "writeback", "error|writeback",                \
       "what a write does at mem_limit (default writeback, if it can)")       \
  KEY (STORE, store, NULL, "anonymous", "anonymous|FILE",                     \
       "where the memory is; a FILE in memory survives the server")           \
  KEY (LOCK_MEMORY, lock_memory, NULL, "off", "off|on",                       \
       "let this machine swap on the disk, on for all if for one (default off)")

/* What inih keeps of a line, as distributions build it. */
#define CONF_LINE_CHARS_MAX 198

#define CONF_KEY_ID(id, name, alias, default_text, value, help) CONF_##id,

enum conf_key_id {
  CONF_KEYS (CONF_KEY_ID)
  NR_CONF_KEYS
};

/* The text for nbdkit --help. */
#define CONF_KEY_HELP(id, name, alias, default_text, value, help)             \
  #name "=" value "\n    " help "\n"
#define CONF_HELP                                                             \
  CONF_KEYS (CONF_KEY_HELP)                                                   \
  "config=FILE\n    serve every section of the ini FILE as an export\n"       \
  "export=NAME\n    serve only this section of FILE\n"                        \
  "control=PATH\n    socket to see and change the devices through\n"          \
  "store_fd=N:EXPORT\n    an open file instead of the export's store\n"       \
  "The key size= may be left out: nbdkit zram 4G"

/* What a priority compresses with; algorithm NULL: nothing. */
struct conf_codec {
  const struct codec_ops *algorithm;
  struct codec_params params;   /* params.dict is owned */
};

struct conf_export {
  char *name;                   /* the section's; "" on the command line */
  unsigned line;                /* of the section */
  uint64_t disksize_bytes;
  uint32_t block_bytes;
  struct conf_codec codecs[NR_PRIORITIES];
  struct algorithm_words params_words[NR_PRIORITIES];   /* as written */
  unsigned nr_params_words;
  uint64_t mem_limit_bytes;
  uint64_t reserve_bytes;       /* 0: none */
  bool use_dedup;
  struct access access;
  char *backing_path;           /* NULL: none */
  char *backing_key_path;       /* NULL: none */
  struct backing_settings backing;
  uint64_t writeback_limit_pages;
  bool writeback_limit_enable;
  struct policy policy;
  char *store_path;             /* NULL: anonymous */
  bool has_store_fd;            /* which is taken instead */
  int store_fd;
  bool lock_memory;
  struct conf_origin origins[NR_CONF_KEYS];
};

/* store_fd=N:EXPORT */
struct conf_store_fd {
  int fd;
  char *export;                 /* "" means the only one */
};

struct conf {
  char *file;                   /* config=; NULL: none */
  char *only;                   /* export=; NULL: all */
  char *control;                /* control=, or [server]'s; NULL: none */
  struct conf_server server;
  struct conf_export *exports;
  size_t nr_exports;
  struct conf_origin overrides[NR_CONF_KEYS];   /* from the command line */
  struct conf_store_fd *store_fds;
  size_t nr_store_fds;
};

struct conf_key {
  const char *name;
  const char *alias;            /* NULL: none */
  /* NULL if the value is good, else what is wrong with it. */
  const char *(*set) (struct conf_export *export, const char *value);
  const char *default_text;     /* NULL: must be given */
};

extern const struct conf_key conf_keys[NR_CONF_KEYS];

/* Replace an owned string.  For conf_keys.c and conf.c; NULL, or what is
 * wrong. */
const char *conf_set_string (char **string, const char *value);

/* A key and value from the command line; config, export and control too.  -1: a
 * message was given. */
int conf_set (struct conf *conf, const char *key, const char *value);

/* Read the file if there is one, apply what the command line says, check all.
 * -1: a message was given; the conf can only be freed. */
int conf_finish (struct conf *conf);

/* One message: something is wrong with the value of this key, which was found
 * out only now.  Returns -1. */
int conf_blame (const struct conf_export *export, enum conf_key_id id,
                const char *wrong);

/* A number for all that is configured for the export, never 0: another one
 * where anything else is said. */
uint64_t conf_tag (const struct conf_export *export);

/* Does any export say lock_memory=on? */
bool conf_locks_memory (const struct conf *conf);

/* All-zero is an empty conf. */
void conf_free (struct conf *conf);

/* The export of that name; "" is the first one.  NULL: no such export. */
const struct conf_export *conf_find (const struct conf *conf,
                                     const char *name);

#endif

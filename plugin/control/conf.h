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

#include <stddef.h>
#include <stdint.h>

#include "../store/codec.h"

/* id, name, alias, default (NULL: must be given), value, help */
#define CONF_KEYS(KEY)                                                        \
  KEY (DISKSIZE, disksize, "size", NULL, "SIZE",                              \
       "size of the disk before compression, rounded up to 4K (required)")   \
  KEY (BLOCK_SIZE, block_size, NULL, "4096", "SIZE",                          \
       "unit of compression, a power of two from 4K to 64K (default 4K)")    \
  KEY (COMP_ALGORITHM, comp_algorithm, NULL, "zstd", "NAME",                  \
       "zstd, lz4, lz4hc, lzo or deflate (default zstd)")                    \
  KEY (ALGORITHM_PARAMS, algorithm_params, NULL, "", "'level=N dict=FILE'",   \
       "how the algorithm compresses (default: zstd level -1)")              \
  KEY (MEM_LIMIT, mem_limit, NULL, "0", "SIZE",                               \
       "most memory the device may hold, all included (default 0: no limit)")

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
  "The key size= may be left out: nbdkit zram 4G"

/* Where a value was written, and the value; text NULL: not given. */
struct conf_origin {
  const char *file;             /* NULL: the command line */
  unsigned line;
  char *text;
};

struct conf_export {
  char *name;                   /* the section's; "" on the command line */
  unsigned line;                /* of the section */
  uint64_t disksize_bytes;
  uint32_t block_bytes;
  const struct codec_ops *algorithm;
  struct codec_params params;   /* params.dict is owned */
  char *dict_path;
  char *params_algo;            /* algo= in algorithm_params; NULL: not given */
  uint64_t mem_limit_bytes;
  struct conf_origin origins[NR_CONF_KEYS];
};

struct conf {
  char *file;                   /* config=; NULL: none */
  char *only;                   /* export=; NULL: all */
  struct conf_export *exports;
  size_t nr_exports;
  struct conf_origin overrides[NR_CONF_KEYS];   /* from the command line */
};

struct conf_key {
  const char *name;
  const char *alias;            /* NULL: none */
  /* NULL if the value is good, else what is wrong with it. */
  const char *(*set) (struct conf_export *export, const char *value);
  const char *default_text;     /* NULL: must be given */
};

extern const struct conf_key conf_keys[NR_CONF_KEYS];

/* Keys of the section [server], which is the server's, not the plugin's. */
extern const char *const conf_server_keys[];

/* A key and value from the command line; config and export too.  -1: a message
 * was given. */
int conf_set (struct conf *conf, const char *key, const char *value);

/* Read the file if there is one, apply what the command line says, check all.
 * -1: a message was given; the conf can only be freed. */
int conf_finish (struct conf *conf);

/* All-zero is an empty conf. */
void conf_free (struct conf *conf);

/* The export of that name; "" is the first one.  NULL: no such export. */
const struct conf_export *conf_find (const struct conf *conf,
                                     const char *name);

#endif

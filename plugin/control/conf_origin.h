/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a value of the configuration was written, and what is said when it is
 * wrong:
 *   /etc/nbdzram.conf:7: block_size: not a power of two from 4096 to 65536: '5000'
 */
#ifndef ZRAM_CONF_ORIGIN_H
#define ZRAM_CONF_ORIGIN_H

/* The place and the value; text NULL: not given. */
struct conf_origin {
  const char *file;             /* NULL: the command line */
  unsigned line;
  char *text;
};

/* One message.  Returns -1. */
int conf_complain (const struct conf_origin *origin, const char *key,
                   const char *wrong, const char *value);

#endif

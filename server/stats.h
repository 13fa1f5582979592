/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's statistics files, with names for their columns. */
#ifndef NBDZRAM_STATS_H
#define NBDZRAM_STATS_H

#include <stdint.h>

#include "client.h"

struct mm_stat {
  uint64_t orig_data_bytes;
  uint64_t compr_data_bytes;
  uint64_t mem_used_bytes;
  uint64_t mem_limit_bytes;     /* 0: none */
  uint64_t mem_max_bytes;       /* most that was ever used */
  uint64_t nr_same;
  uint64_t nr_compacted;
  uint64_t nr_huge;
  uint64_t nr_huge_since;
};

/* In units of 4 KiB, as the kernel counts here. */
struct bd_stat {
  uint64_t count;               /* on the backing device now */
  uint64_t reads;
  uint64_t writes;
};

/* -1: a message was given. */
int stats_get_mm (struct client *client, const char *device,
                  struct mm_stat *stat);
int stats_get_bd (struct client *client, const char *device,
                  struct bd_stat *stat);

/* An attribute that is one number. */
int stats_get_number (struct client *client, const char *device,
                      const char *attribute, uint64_t *value);

#endif

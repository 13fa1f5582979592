/* SPDX-License-Identifier: BSD-3-Clause */
/* What users write about an algorithm: words such as
 *   algo=zstd priority=1 level=12 dict=/etc/nbdzram.dict
 * in the configuration and in attributes, separated by white space.
 */
#ifndef ZRAM_ALGORITHM_H
#define ZRAM_ALGORITHM_H

#include <stdbool.h>

#include "../store/codec.h"

/* Which words may be there. */
#define ALGORITHM_ALGO 1u
#define ALGORITHM_PRIORITY 2u
#define ALGORITHM_LEVEL 4u
#define ALGORITHM_DICT 8u

#define ALGORITHM_NAME_CHARS_MAX 127u   /* the kernel's */

struct algorithm_words {
  char *algo;                   /* NULL: not given */
  int priority;                 /* -1: not given */
  int level;                    /* CODEC_LEVEL_DEFAULT: not given */
  char *dict_path;              /* NULL: not given */
};

/* All-zero is not empty: this is. */
#define ALGORITHM_NO_WORDS                                                    \
  ((struct algorithm_words) { .priority = -1, .level = CODEC_LEVEL_DEFAULT })

/* NULL, or what is wrong, and *errnum is as the kernel's: EINVAL, ERANGE (a
 * number that no int holds), E2BIG (a name no algorithm has) or ENOMEM.  Words
 * that are not in may are wrong.  The caller frees the words in either case. */
const char *algorithm_parse (const char *text, unsigned may,
                             struct algorithm_words *words, int *errnum);

void algorithm_free (struct algorithm_words *words);

/* Read the dictionary, if one is named.  NULL, or what is wrong with it, and
 * *errnum; the caller frees params->dict. */
const char *algorithm_load_params (const struct algorithm_words *words,
                                   struct codec_params *params, int *errnum);

#endif

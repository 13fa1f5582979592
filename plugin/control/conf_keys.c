/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys of an export, and what their values may be; see conf.h.  Each setter
 * returns NULL, or what is wrong with the value.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "../store/sizeclass.h"
#include "conf.h"
#include "policy_text.h"
#include "units.h"

#define OUT_OF_MEMORY "out of memory"

const char *
conf_set_string (char **string, const char *value)
{
  free (*string);
  *string = strdup (value);
  return *string ? NULL : OUT_OF_MEMORY;
}

static const char *
set_disksize (struct conf_export *export, const char *value)
{
  uint64_t bytes;

  if (!units_parse_size (value, &bytes))
    return "not a size such as 4096, 256K or 2G";
  if (bytes == 0)
    return "a disk cannot be empty";
  if (bytes > INT64_MAX - 4095)
    return "larger than NBD can say";
  export->disksize_bytes = (bytes + 4095) / 4096 * 4096;
  return NULL;
}

static const char *
set_block_size (struct conf_export *export, const char *value)
{
  uint64_t bytes;

  if (!units_parse_size (value, &bytes) || bytes < BLOCK_BYTES_MIN ||
      bytes > BLOCK_BYTES_MAX || (bytes & (bytes - 1)) != 0)
    return "not a power of two from 4096 to 65536";
  export->block_bytes = bytes;
  return NULL;
}

static const char *
set_comp_algorithm (struct conf_export *export, const char *value)
{
  const char *why;

  export->codecs[0].algorithm = codec_find (value, &why);
  return why;
}

/* Groups of words with commas between them; each goes to take, which owns its
 * words if it returns NULL. */
static const char *
parse_groups (struct conf_export *export, const char *value, unsigned may,
              const char *(*take) (struct conf_export *export,
                                   struct algorithm_words *words))
{
  char *copy = strdup (value), *rest = copy, *group;
  const char *wrong = copy ? NULL : OUT_OF_MEMORY;
  struct algorithm_words words;
  int errnum;

  while (!wrong && *value && (group = strsep (&rest, ","))) {
    wrong = algorithm_parse (group, may, &words, &errnum);
    if (!wrong)
      wrong = take (export, &words);
    if (wrong)
      algorithm_free (&words);
  }
  free (copy);
  return wrong;
}

static const char *
take_secondary (struct conf_export *export, struct algorithm_words *words)
{
  const unsigned priority = words->priority == -1 ? 1 : words->priority;
  const struct codec_ops **algorithm = &export->codecs[priority].algorithm;
  const char *wrong = NULL;

  if (!words->algo)
    return "algo= is missing";
  if (priority == 0)
    return "priority 0 is comp_algorithm's";
  if (*algorithm)
    return "two algorithms for one priority";
  *algorithm = codec_find (words->algo, &wrong);
  if (!wrong)
    algorithm_free (words);
  return wrong;
}

static const char *
set_recomp_algorithm (struct conf_export *export, const char *value)
{
  for (unsigned priority = 1; priority < NR_PRIORITIES; priority++)
    export->codecs[priority].algorithm = NULL;
  return parse_groups (export, value, ALGORITHM_ALGO | ALGORITHM_PRIORITY,
                       take_secondary);
}

static const char *
take_params (struct conf_export *export, struct algorithm_words *words)
{
  if (export->nr_params_words == NR_PRIORITIES)
    return "more groups than priorities";
  export->params_words[export->nr_params_words++] = *words;
  return NULL;
}

static void
forget_params (struct conf_export *export)
{
  while (export->nr_params_words > 0)
    algorithm_free (&export->params_words[--export->nr_params_words]);
}

/* Parameters are replaced as a whole, as each write to the kernel's attribute
 * does. */
static const char *
set_algorithm_params (struct conf_export *export, const char *value)
{
  forget_params (export);
  return parse_groups (export, value, ALGORITHM_ALGO | ALGORITHM_PRIORITY |
                       ALGORITHM_LEVEL | ALGORITHM_DICT, take_params);
}

static const char *
set_mem_limit (struct conf_export *export, const char *value)
{
  if (!units_parse_size (value, &export->mem_limit_bytes))
    return "not a size such as 64M or 2G, or 0 for no limit";
  return NULL;
}

static const char *
set_reserve (struct conf_export *export, const char *value)
{
  if (!units_parse_size (value, &export->reserve_bytes))
    return "not a size such as 16M or 1G, or 0 for no reserve";
  return NULL;
}

static const char *
set_bool (bool *flag, const char *value)
{
  return units_parse_bool (value, flag) ? NULL : "neither 0 nor 1";
}

static const char *
set_use_dedup (struct conf_export *export, const char *value)
{
  return set_bool (&export->use_dedup, value);
}

static const char *
set_allow_uids (struct conf_export *export, const char *value)
{
  return access_set_uids (&export->access, value);
}

static const char *
set_allow_certificates (struct conf_export *export, const char *value)
{
  return access_set_certificates (&export->access, value);
}

/* "none" is no path. */
static const char *
set_path (char **path, const char *value)
{
  free (*path);
  *path = NULL;
  if (*value == '\0')
    return "a path is missing";
  return strcmp (value, "none") == 0 ? NULL : conf_set_string (path, value);
}

static const char *
set_backing_dev (struct conf_export *export, const char *value)
{
  return set_path (&export->backing_path, value);
}

static const char *
set_backing_size (struct conf_export *export, const char *value)
{
  return units_parse_size (value, &export->backing.size_bytes) ? NULL :
    "not a size such as 64M or 2G, or 0 for all of the file";
}

static const char *
set_backing_key (struct conf_export *export, const char *value)
{
  return set_path (&export->backing_key_path, value);
}

static const char *
set_writeback_limit (struct conf_export *export, const char *value)
{
  return units_parse_pages (value, &export->writeback_limit_pages) ? NULL :
    "neither a number of pages of 4 KiB nor a size such as 64M";
}

static const char *
set_writeback_limit_enable (struct conf_export *export, const char *value)
{
  return set_bool (&export->writeback_limit_enable, value);
}

static const char *
set_idle_age (struct conf_export *export, const char *value)
{
  return policy_set_age (&export->policy.idle_age_s, value);
}

static const char *
set_recompress_age (struct conf_export *export, const char *value)
{
  return policy_set_age (&export->policy.recompress_age_s, value);
}

static const char *
set_writeback_age (struct conf_export *export, const char *value)
{
  return policy_set_age (&export->policy.writeback_age_s, value);
}

static const char *
set_writeback_rate (struct conf_export *export, const char *value)
{
  return policy_set_rate (&export->policy, value);
}

static const char *
set_on_incompressible (struct conf_export *export, const char *value)
{
  return policy_set_on_incompressible (&export->policy, value);
}

static const char *
set_on_full (struct conf_export *export, const char *value)
{
  return policy_set_on_full (&export->policy, value);
}

static const char *
set_store (struct conf_export *export, const char *value)
{
  const char *wrong = set_path (&export->store_path, value);

  if (!wrong && export->store_path &&
      strcmp (export->store_path, "anonymous") == 0) {
    free (export->store_path);
    export->store_path = NULL;
  }
  return wrong;
}

static const char *
set_lock_memory (struct conf_export *export, const char *value)
{
  return units_parse_bool (value, &export->lock_memory) ? NULL :
    "neither off nor on";
}

#define CONF_KEY_ENTRY(id, name, alias, default_text, value, help)            \
  [CONF_##id] = { #name, alias, set_##name, default_text },

const struct conf_key conf_keys[NR_CONF_KEYS] = {
  CONF_KEYS (CONF_KEY_ENTRY)
};

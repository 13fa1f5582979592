/* SPDX-License-Identifier: BSD-3-Clause */
/* Attributes about algorithms, and recompression. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../policy/recompress.h"
#include "../store/device.h"
#include "../store/live.h"
#include "algorithm.h"
#include "attributes.h"
#include "units.h"

/* The names, the one in use in brackets; the blank behind the last one is the
 * kernel's. */
static void
print_algorithms (FILE *out, const struct codec_ops *used)
{
  for (unsigned i = 0; codec_algorithms[i]; i++)
    fprintf (out, codec_algorithms[i] == used ? "[%s] " : "%s ",
             codec_algorithms[i]->name);
  fputc ('\n', out);
}

int
attribute_show_comp_algorithm (struct export *export, struct payload *payload)
{
  struct codec_description now = { .algorithm = NULL };

  live_get_codec (export->device, 0, &now);
  print_algorithms (payload->out, now.algorithm);
  return 0;
}

int
attribute_show_recomp_algorithm (struct export *export,
                                 struct payload *payload)
{
  struct codec_description now;

  for (unsigned priority = 1; priority < NR_PRIORITIES; priority++)
    if (live_get_codec (export->device, priority, &now)) {
      fprintf (payload->out, "#%u: ", priority);
      print_algorithms (payload->out, now.algorithm);
    }
  return 0;
}

/* A priority that has the algorithm already keeps its parameters. */
static int
set_algorithm (struct export *export, unsigned priority, const char *name)
{
  struct codec_description now;
  const struct codec_ops *algorithm;
  const char *why;

  if (strlen (name) > ALGORITHM_NAME_CHARS_MAX)
    return attribute_refuse (E2BIG, "no algorithm has so long a name");
  algorithm = codec_find (name, &why);
  if (!algorithm)
    return attribute_refuse (EINVAL, "%s: '%s'", why, name);
  if (live_get_codec (export->device, priority, &now) &&
      now.algorithm == algorithm)
    return 0;
  return live_set_codec (export->device, priority, algorithm, NULL);
}

int
attribute_store_comp_algorithm (struct export *export, const char *value)
{
  return set_algorithm (export, 0, value);
}

static int
set_secondary (struct export *export, const struct algorithm_words *words)
{
  const unsigned priority = words->priority == -1 ? 1 : words->priority;

  if (!words->algo)
    return attribute_refuse (EINVAL, "algo= is missing");
  if (priority == 0)
    return attribute_refuse (EINVAL, "priority 0 is comp_algorithm's");
  return set_algorithm (export, priority, words->algo);
}

/* Parse, then act on the words. */
static int
with_words (struct export *export, const char *value, unsigned may,
            int (*act) (struct export *export,
                        const struct algorithm_words *words))
{
  struct algorithm_words words;
  int errnum, r;
  const char *wrong = algorithm_parse (value, may, &words, &errnum);

  if (wrong)
    r = attribute_refuse (errnum, "%s: '%s'", wrong, value);
  else
    r = act (export, &words);
  errnum = errno;
  algorithm_free (&words);
  errno = errnum;
  return r;
}

int
attribute_store_recomp_algorithm (struct export *export, const char *value)
{
  return with_words (export, value, ALGORITHM_ALGO | ALGORITHM_PRIORITY,
                     set_secondary);
}

/* Which priority has this algorithm; the first one from the given. */
static int
find_priority (struct export *export, unsigned from, const char *algo)
{
  struct codec_description now;
  const char *why;
  const struct codec_ops *algorithm = codec_find (algo, &why);

  for (unsigned priority = from; priority < NR_PRIORITIES; priority++)
    if (algorithm && live_get_codec (export->device, priority, &now) &&
        now.algorithm == algorithm)
      return priority;
  return attribute_refuse (EINVAL, "no priority has this algorithm: '%s'",
                           algo);
}

/* The priority that algo= and priority= name together: both must match, neither
 * is the default.  -1: EINVAL. */
static int
choose_priority (struct export *export, const char *algo, int priority,
                 unsigned none)
{
  struct codec_description now;
  const char *why;

  if (priority == -1)
    return algo ? find_priority (export, none, algo) : (int) none;
  if (!live_get_codec (export->device, priority, &now))
    return attribute_refuse (EINVAL, "priority %d has no algorithm", priority);
  if (algo && codec_find (algo, &why) != now.algorithm)
    return attribute_refuse (EINVAL, "priority %d has the algorithm %s, "
                             "not '%s'", priority, now.algorithm->name, algo);
  return priority;
}

/* All parameters of the priority are replaced, as each write to the kernel's
 * does. */
static int
set_params (struct export *export, const struct algorithm_words *words)
{
  const int priority = choose_priority (export, words->algo, words->priority,
                                        0);
  struct codec_description now;
  struct codec_params params;
  const char *wrong;
  int errnum, r;

  if (priority == -1 ||
      (words->dict_path && attribute_need_file (words->dict_path) == -1))
    return -1;
  live_get_codec (export->device, priority, &now);
  wrong = algorithm_load_params (words, &params, &errnum);
  if (!wrong)
    wrong = codec_check_params (now.algorithm, &params);
  if (wrong)
    r = attribute_refuse (errnum, "%s: %s", words->dict_path ?
                          words->dict_path : now.algorithm->name, wrong);
  else
    r = live_set_codec (export->device, priority, now.algorithm, &params);
  errnum = errno;
  free ((void *) params.dict);
  errno = errnum;
  return r;
}

int
attribute_store_algorithm_params (struct export *export, const char *value)
{
  return with_words (export, value, ALGORITHM_ALGO | ALGORITHM_PRIORITY |
                     ALGORITHM_LEVEL | ALGORITHM_DICT, set_params);
}

/* Recompression. */

struct recompress_words {
  struct recompress_params params;
  char *algo;                   /* in the text that is parsed */
  int priority;                 /* -1: not given */
};

static int
parse_type (const char *value, unsigned *types)
{
  *types = strcmp (value, "idle") == 0 ? POSTPROC_IDLE :
    strcmp (value, "huge") == 0 ? POSTPROC_HUGE :
    strcmp (value, "huge_idle") == 0 ? POSTPROC_HUGE | POSTPROC_IDLE : 0;
  return *types ? 0 : EINVAL;
}

/* Returns 0, EINVAL or ERANGE. */
static int
parse_recompress_word (const char *name, char *value,
                       struct recompress_words *words)
{
  struct recompress_params *params = &words->params;
  uint64_t number = 0;
  int wrong = EINVAL;

  if (strcmp (name, "type") == 0)
    return parse_type (value, &params->filter.types);
  if (strcmp (name, "algo") == 0) {
    words->algo = value;
    return 0;
  }
  if (strcmp (name, "threshold") == 0) {
    wrong = units_parse_number (value, 10, UINT32_MAX, &number);
    params->filter.threshold_bytes = number;
  }
  else if (strcmp (name, "max_pages") == 0)
    wrong = units_parse_number (value, 10, UINT64_MAX, &params->max_blocks);
  else if (strcmp (name, "priority") == 0) {
    wrong = units_parse_number (value, 10, UINT32_MAX, &number);
    words->priority = number < NR_PRIORITIES ? number : NR_PRIORITIES;
  }
  return wrong;
}

static int
parse_recompress (char *text, struct recompress_words *words)
{
  char *rest = NULL, *word, *value;
  int wrong;

  for (word = strtok_r (text, " \t\n", &rest); word;
       word = strtok_r (NULL, " \t\n", &rest)) {
    value = strchr (word, '=');
    if (!value || !value[1])
      return attribute_refuse (EINVAL, "a parameter without a value: '%s'",
                               word);
    *value++ = '\0';
    wrong = parse_recompress_word (word, value, words);
    if (wrong != 0)
      return attribute_refuse (wrong, "%s: not a good value: '%s'", word,
                               value);
  }
  if (words->priority < (int) NR_PRIORITIES)
    return 0;
  return attribute_refuse (EINVAL, "priority is not one of 0, 1, 2 and 3");
}

static int
recompress (struct export *export, char *text)
{
  struct recompress_words words = { .priority = -1 };
  struct postproc_result result;
  int priority;

  if (parse_recompress (text, &words) == -1 ||
      attribute_need_size (export) == -1)
    return -1;
  priority = choose_priority (export, words.algo, words.priority, 1);
  if (priority == -1)
    return -1;
  words.params.priority = priority;
  return recompress_device (export->device, &words.params, &result);
}

int
attribute_store_recompress (struct export *export, const char *value)
{
  char *copy = strdup (value);
  int r, saved_errno;

  if (!copy)
    return attribute_refuse (ENOMEM, "out of memory");
  r = recompress (export, copy);
  saved_errno = errno;
  free (copy);
  errno = saved_errno;
  return r;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What users write about an algorithm; see algorithm.h. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "algorithm.h"
#include "file.h"
#include "units.h"

#define OUT_OF_MEMORY "out of memory"

static const char *
set_string (char **string, const char *value, int *errnum)
{
  free (*string);
  *string = strdup (value);
  if (*string)
    return NULL;
  *errnum = ENOMEM;
  return OUT_OF_MEMORY;
}

static const char *
set_algo (struct algorithm_words *words, const char *value, int *errnum)
{
  if (strlen (value) <= ALGORITHM_NAME_CHARS_MAX)
    return set_string (&words->algo, value, errnum);
  *errnum = E2BIG;
  return "no algorithm has so long a name";
}

static const char *
set_priority (struct algorithm_words *words, const char *value, int *errnum)
{
  uint64_t priority;
  const int wrong = units_parse_number (value, 10, INT_MAX, &priority);

  if (wrong != 0)
    *errnum = wrong;
  else if (priority < NR_PRIORITIES) {
    words->priority = priority;
    return NULL;
  }
  return "priority is not one of 0, 1, 2 and 3";
}

static const char *
set_level (struct algorithm_words *words, const char *value, int *errnum)
{
  if (!units_parse_int (value, &words->level))
    return "level is not a number";
  return words->level == CODEC_LEVEL_DEFAULT ?
    "the level is out of any algorithm's range" : NULL;
}

static const char *
set_dict (struct algorithm_words *words, const char *value, int *errnum)
{
  return set_string (&words->dict_path, value, errnum);
}

/* libdeflate has no window to set: it is as large as the block. */
static const char *
check_winbits (struct algorithm_words *words, const char *value, int *errnum)
{
  int winbits;

  return units_parse_int (value, &winbits) ? NULL :
    "deflate.winbits is not a number";
}

static const struct {
  const char *name;
  unsigned bit;
  const char *(*set) (struct algorithm_words *words, const char *value,
                      int *errnum);
} known[] = {
  { "algo", ALGORITHM_ALGO, set_algo },
  { "priority", ALGORITHM_PRIORITY, set_priority },
  { "level", ALGORITHM_LEVEL, set_level },
  { "dict", ALGORITHM_DICT, set_dict },
  { "deflate.winbits", ALGORITHM_LEVEL, check_winbits },
};

#define NR_KNOWN (sizeof known / sizeof *known)

static const char *
parse_word (char *word, unsigned may, struct algorithm_words *words,
            int *errnum)
{
  char *equals = strchr (word, '=');

  if (!equals || !equals[1])
    return "a parameter without a value";
  *equals = '\0';
  for (unsigned i = 0; i < NR_KNOWN; i++)
    if (strcmp (word, known[i].name) == 0 && (known[i].bit & may))
      return known[i].set (words, equals + 1, errnum);
  return may & ALGORITHM_LEVEL ?
    "not one of level=, dict=, algo= and priority=" :
    "not one of algo= and priority=";
}

const char *
algorithm_parse (const char *text, unsigned may, struct algorithm_words *words,
                 int *errnum)
{
  char *copy = strdup (text), *rest = NULL, *word;
  const char *wrong = NULL;

  *words = ALGORITHM_NO_WORDS;
  *errnum = EINVAL;
  if (!copy) {
    *errnum = ENOMEM;
    return OUT_OF_MEMORY;
  }
  for (word = strtok_r (copy, " \t\n", &rest); word && !wrong;
       word = strtok_r (NULL, " \t\n", &rest))
    wrong = parse_word (word, may, words, errnum);
  free (copy);
  return wrong;
}

void
algorithm_free (struct algorithm_words *words)
{
  free (words->algo);
  free (words->dict_path);
  *words = ALGORITHM_NO_WORDS;
}

const char *
algorithm_load_params (const struct algorithm_words *words,
                       struct codec_params *params, int *errnum)
{
  const char *wrong;
  char *data;

  *errnum = EINVAL;
  *params = (struct codec_params) { .level = words->level };
  if (!words->dict_path)
    return NULL;
  errno = 0;
  wrong = file_read (words->dict_path, &data, &params->dict_bytes);
  params->dict = data;
  if (wrong)
    *errnum = errno ? errno : EINVAL;
  else if (params->dict_bytes == 0)
    wrong = "the dictionary is empty";
  return wrong;
}

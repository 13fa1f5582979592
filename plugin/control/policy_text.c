/* SPDX-License-Identifier: BSD-3-Clause */
/* Policies as users write them; see policy_text.h. */
#include <config.h>

#include <string.h>

#include "policy_text.h"
#include "units.h"

static const char *const incompressible_words[] = {
  [POLICY_INCOMPRESSIBLE_STORE] = "store",
  [POLICY_INCOMPRESSIBLE_WRITEBACK] = "writeback",
  [POLICY_INCOMPRESSIBLE_REJECT] = "reject",
  NULL
};

static const char *const full_words[] = {
  [POLICY_FULL_ERROR] = "error",
  [POLICY_FULL_WRITEBACK] = "writeback",
  NULL
};

/* -1: none of them. */
static int
find_word (const char *const words[], const char *text)
{
  for (int i = 0; words[i]; i++)
    if (strcmp (text, words[i]) == 0)
      return i;
  return -1;
}

const char *
policy_set_age (_Atomic uint32_t *age_s, const char *text)
{
  uint32_t seconds;

  if (!units_parse_time (text, &seconds))
    return "not a time such as 90s, 2h or 1d, or off";
  if (seconds >= POLICY_AGE_END_S)
    return "not below 6 days: ages are not known any further";
  *age_s = seconds;
  return NULL;
}

/* Whoever reads in between sees a rate near nothing, for a moment. */
const char *
policy_set_rate (struct policy *policy, const char *text)
{
  uint64_t bytes;
  uint32_t period_s;

  if (!units_parse_rate (text, &bytes, &period_s))
    return "not a rate such as 1G/1d, or off";
  policy->writeback_rate_period_s = UINT32_MAX;
  policy->writeback_rate_bytes = bytes;
  policy->writeback_rate_period_s = period_s;
  return NULL;
}

const char *
policy_set_on_incompressible (struct policy *policy, const char *text)
{
  const int word = find_word (incompressible_words, text);

  if (word == -1)
    return "not one of store, writeback and reject";
  policy->on_incompressible = word;
  return NULL;
}

const char *
policy_set_on_full (struct policy *policy, const char *text)
{
  const int word = find_word (full_words, text);

  if (word == -1)
    return "neither error nor writeback";
  policy->on_full = word;
  return NULL;
}

const char *
policy_incompressible_text (enum policy_incompressible what)
{
  return incompressible_words[what];
}

const char *
policy_full_text (enum policy_full what)
{
  return full_words[what];
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Attributes that say what a device does by itself. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "../policy/worker.h"
#include "attributes.h"
#include "policy_text.h"
#include "units.h"

static int
show_age (struct payload *payload, uint32_t age_s)
{
  char text[UNITS_CHARS];

  fprintf (payload->out, "%s\n", units_time_text (age_s, text));
  return 0;
}

/* wrong is NULL if the policy was changed. */
static int
finish (struct export *export, const char *wrong, const char *value)
{
  if (wrong)
    return attribute_refuse (EINVAL, "%s: '%s'", wrong, value);
  policy_apply (&export->policy, export->device);
  return 0;
}

#define AGE(name)                                                             \
  int                                                                         \
  attribute_show_##name (struct export *export, struct payload *payload)      \
  {                                                                           \
    return show_age (payload, export->policy.name##_s);                       \
  }                                                                           \
                                                                              \
  int                                                                         \
  attribute_store_##name (struct export *export, const char *value)           \
  {                                                                           \
    return finish (export, policy_set_age (&export->policy.name##_s, value),  \
                   value);                                                    \
  }

AGE (idle_age)
AGE (recompress_age)
AGE (writeback_age)

int
attribute_show_writeback_rate (struct export *export, struct payload *payload)
{
  char text[UNITS_CHARS];

  fprintf (payload->out, "%s\n",
           units_rate_text (export->policy.writeback_rate_bytes,
                            export->policy.writeback_rate_period_s, text));
  return 0;
}

int
attribute_store_writeback_rate (struct export *export, const char *value)
{
  return finish (export, policy_set_rate (&export->policy, value), value);
}

int
attribute_show_on_incompressible (struct export *export,
                                  struct payload *payload)
{
  fprintf (payload->out, "%s\n",
           policy_incompressible_text (export->policy.on_incompressible));
  return 0;
}

int
attribute_store_on_incompressible (struct export *export, const char *value)
{
  return finish (export, policy_set_on_incompressible (&export->policy, value),
                 value);
}

int
attribute_show_on_full (struct export *export, struct payload *payload)
{
  fprintf (payload->out, "%s\n", policy_full_text (export->policy.on_full));
  return 0;
}

int
attribute_store_on_full (struct export *export, const char *value)
{
  return finish (export, policy_set_on_full (&export->policy, value), value);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Policies as users write them, in the configuration and in attributes.  Each
 * setter returns NULL, or what is wrong with the text and changes nothing.
 */
#ifndef ZRAM_POLICY_TEXT_H
#define ZRAM_POLICY_TEXT_H

#include "../policy/policy.h"

const char *policy_set_age (_Atomic uint32_t *age_s, const char *text);
const char *policy_set_rate (struct policy *policy, const char *text);
const char *policy_set_on_incompressible (struct policy *policy,
                                          const char *text);
const char *policy_set_on_full (struct policy *policy, const char *text);

const char *policy_incompressible_text (enum policy_incompressible what);
const char *policy_full_text (enum policy_full what);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The attribute that says what holds of what lets a machine swap on its own
 * server. */
#include <config.h>

#include "attributes.h"
#include "safeguard.h"

static void
look (const struct export *export, enum safeguard_id id,
      struct safeguard *safeguard)
{
  if (id == SAFEGUARD_RESERVE)
    *safeguard = export->reserve;
  else if (id == SAFEGUARD_STORE_LOCKED)
    *safeguard = export->store_locked;
  else
    safeguard_look (id, safeguard);
}

int
attribute_show_safeguards (struct export *export, struct payload *payload)
{
  struct safeguard safeguard;

  for (unsigned id = 0; id < NR_SAFEGUARDS; id++) {
    look (export, id, &safeguard);
    fprintf (payload->out, "%s %s%s%s\n", safeguard_name (id),
             safeguard_state_name (safeguard.state), *safeguard.why ? " " : "",
             safeguard.why);
  }
  return 0;
}

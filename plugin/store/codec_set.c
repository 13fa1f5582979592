/* SPDX-License-Identifier: BSD-3-Clause */
/* The codecs of a device; see codec_set.h. */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "codec_set.h"

void
codec_set_init (struct codec_set *set)
{
  memset (set, 0, sizeof *set);
  memset (set->ids, CODEC_NONE, sizeof set->ids);
}

void
codec_set_destroy (struct codec_set *set)
{
  for (unsigned id = 0; id < NR_CODECS; id++)
    if (set->codecs[id])
      codec_delete (set->codecs[id]);
}

unsigned
codec_set_priority (const struct codec_set *set, unsigned id)
{
  unsigned priority = 0;

  while (priority < NR_PRIORITIES && set->ids[priority] != id)
    priority++;
  return priority;
}

static bool
reads_the_same (const struct codec *one, const struct codec *other)
{
  return one->ops == other->ops && one->dict_bytes == 0 &&
    other->dict_bytes == 0;
}

unsigned
codec_set_number_for (const struct codec_set *set, unsigned priority,
                      const struct codec *codec)
{
  const struct codec *present = codec_set_at (set, priority);
  unsigned id = 0;

  if (present && reads_the_same (present, codec))
    return set->ids[priority];
  while (id < NR_CODECS && set->codecs[id])
    id++;
  return id;
}

struct codec *
codec_set_put (struct codec_set *set, unsigned priority, unsigned id,
               struct codec *codec)
{
  struct codec *old = set->codecs[id];

  set->codecs[id] = codec;
  if (priority < NR_PRIORITIES)
    set->ids[priority] = id;
  return old;
}

size_t
codec_set_held_bytes (const struct codec_set *set)
{
  size_t held = 0;

  for (unsigned id = 0; id < NR_CODECS; id++)
    if (set->codecs[id])
      held += codec_held_bytes (set->codecs[id]);
  return held;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What an attribute shows; see payload.h. */
#include <config.h>

#include <stdlib.h>

#include "payload.h"

/* Large enough for few system calls, small enough to be no matter. */
#define PIECE_BYTES 16384

int
payload_open (struct payload *payload)
{
  *payload = (struct payload) { .bytes = 0 };
  payload->out = open_memstream (&payload->text, &payload->text_bytes);
  return payload->out ? 0 : -1;
}

static int
close_stream (struct payload *payload)
{
  FILE *out = payload->out;

  payload->out = NULL;
  return fclose (out);
}

int
payload_close (struct payload *payload)
{
  if (close_stream (payload) != 0)
    return -1;
  payload->bytes = payload->text_bytes;
  if (!payload->table.fill)
    return 0;
  free (payload->text);
  payload->text = malloc (PIECE_BYTES);
  payload->bytes = payload->table.bytes;
  return payload->text ? 0 : -1;
}

size_t
payload_next (struct payload *payload, const char **piece)
{
  struct payload_table *table = &payload->table;
  size_t bytes = 0;

  *piece = payload->text;
  if (payload->next < payload->bytes)
    bytes = table->fill ?
      table->fill (table->opaque, payload->text, PIECE_BYTES) :
      payload->text_bytes;
  payload->next += bytes;
  return bytes;
}

void
payload_free (struct payload *payload)
{
  if (payload->out)
    close_stream (payload);
  if (payload->table.destroy)
    payload->table.destroy (payload->table.opaque);
  free (payload->text);
}

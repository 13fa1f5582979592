/* SPDX-License-Identifier: BSD-3-Clause */
/* A configuration as an ini file; see conf_dump.h. */
#include <config.h>

#include <string.h>

#include "conf_dump.h"

/* Without blanks a line is no longer than the one that it was read from. */
static void
dump_key (FILE *file, const char *name, const char *value)
{
  const size_t chars = strlen (name) + strlen (" = ") + strlen (value);

  if (*value == '\0')
    fprintf (file, "%s =\n", name);
  else
    fprintf (file, chars <= CONF_LINE_CHARS_MAX ? "%s = %s\n" : "%s=%s\n",
             name, value);
}

static void
dump_server (const struct conf_server *server, FILE *file)
{
  fprintf (file, "[server]\n");
  for (int id = 0; id < NR_CONF_SERVER_KEYS; id++)
    dump_key (file, conf_server_keys[id].name, conf_server_text (server, id));
}

static void
dump_export (const struct conf_export *export, FILE *file)
{
  fprintf (file, "\n[%s]\n", export->name);
  for (int id = 0; id < NR_CONF_KEYS; id++) {
    const char *text = export->origins[id].text;

    dump_key (file, conf_keys[id].name,
              text ? text : conf_keys[id].default_text);
  }
}

void
conf_dump (const struct conf *conf, FILE *file)
{
  dump_server (&conf->server, file);
  for (size_t i = 0; i < conf->nr_exports; i++)
    dump_export (&conf->exports[i], file);
}

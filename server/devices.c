/* SPDX-License-Identifier: BSD-3-Clause */
/* The server's devices; see devices.h. */
#include <config.h>

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "devices.h"

static size_t
count_lines (const char *text)
{
  size_t nr = 0;

  for (; (text = strchr (text, '\n')); text++)
    nr++;
  return nr;
}

int
devices_list (struct client *client, struct devices *devices)
{
  struct answer answer;
  char *line, *rest;

  memset (devices, 0, sizeof *devices);
  if (client_send (client, "list") == -1 ||
      client_receive (client, &answer) == -1)
    return -1;
  devices->text = answer.text;
  if (!answer.ok) {
    warnx ("%s: %s", client_path (client), answer.text);
    devices_free (devices);
    return -1;
  }
  devices->names = calloc (count_lines (answer.text) + 1, sizeof (char *));
  if (!devices->names) {
    warnx ("out of memory");
    devices_free (devices);
    return -1;
  }
  for (line = strtok_r (answer.text, "\n", &rest); line;
       line = strtok_r (NULL, "\n", &rest))
    devices->names[devices->nr++] = line;
  return 0;
}

void
devices_free (struct devices *devices)
{
  free (devices->names);
  free (devices->text);
  memset (devices, 0, sizeof *devices);
}

static bool
is_device (const struct devices *devices, const char *name)
{
  for (size_t i = 0; i < devices->nr; i++)
    if (strcmp (devices->names[i], name) == 0)
      return true;
  return false;
}

/* All names for a message, with commas; NULL if there is no memory. */
static char *
join_names (const struct devices *devices)
{
  size_t bytes = 1;
  char *text;

  for (size_t i = 0; i < devices->nr; i++)
    bytes += strlen (devices->names[i]) + 2;
  text = calloc (1, bytes);
  for (size_t i = 0; text && i < devices->nr; i++)
    strcat (strcat (text, i == 0 ? "" : ", "), devices->names[i]);
  return text;
}

int
devices_complain (const struct devices *devices, const char *word)
{
  char *names = join_names (devices);

  if (devices->nr == 0)
    warnx ("the server has no device");
  else if (word)
    warnx ("'%s' is none of the devices: %s", word, names ? names : "");
  else
    warnx ("which device? one of: %s", names ? names : "");
  free (names);
  return word || devices->nr == 0 ? STATUS_FAILED : STATUS_USAGE;
}

int
devices_choose (const struct devices *devices, struct arguments *arguments,
                const char **device)
{
  const char *word = arguments->nr_words > 0 ? arguments->words[0] : NULL;

  *device = NULL;
  if (word && is_device (devices, word))
    *device = arguments_shift (arguments);
  else if (devices->nr == 1)
    *device = devices->names[0];
  else
    return devices_complain (devices, word);
  return STATUS_OK;
}

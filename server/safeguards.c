/* SPDX-License-Identifier: BSD-3-Clause */
/* Safeguards; see safeguards.h.  A line of the attribute is
 *   NAME yes|no|off[ REASON]
 */
#include <config.h>

#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "safeguards.h"

/* The process's, which all devices say alike, come once. */
static bool
is_of_device (const char *name)
{
  return strcmp (name, "reserve") == 0 || strcmp (name, "store_locked") == 0;
}

/* Where this is off, nobody asked for any. */
static bool
are_wanted (const char *text)
{
  const char *line = strstr (text, "locked_memory ");

  return line && strncmp (strchr (line, ' ') + 1, "off", 3) != 0;
}

/* Cuts the line into words. */
static void
print_line (char *line, const char *device)
{
  const char *name = strsep (&line, " ");
  const char *state = strsep (&line, " ");

  if (!state || (device != NULL) != is_of_device (name))
    return;
  if (device)
    printf ("  %s: %s %s", device, name, state);
  else
    printf ("  %-13s %s", name, state);
  printf ("%s%s\n", line ? ": " : "", line ? line : "");
}

/* Lines of the process (device NULL), or of the device.  The text is cut. */
static void
print_lines (char *text, const char *device)
{
  char *line;

  while ((line = strsep (&text, "\n")))
    if (*line)
      print_line (line, device);
}

static void
print_text (char *text, const char *device, bool first)
{
  char *copy = first ? strdup (text) : NULL;

  if (copy) {
    printf ("\nlock_memory is on:\n");
    print_lines (copy, NULL);
  }
  free (copy);
  print_lines (text, device);
}

int
safeguards_print (struct client *client, const struct devices *devices,
                  const char *only)
{
  bool first = true;
  struct answer answer;

  for (size_t i = 0; i < devices->nr; i++) {
    const char *name = devices->names[i];

    if (only && strcmp (name, only) != 0)
      continue;
    if (client_send (client, "show %s safeguards", name) == -1 ||
        client_receive (client, &answer) == -1)
      return -1;
    if (answer.ok && are_wanted (answer.text)) {
      print_text (answer.text, name, first);
      first = false;
    }
    free (answer.text);
  }
  return 0;
}

/* Hints. */

/* The text is cut. */
static void
hint_missing (char *text, const char *device)
{
  char *line;

  while ((line = strsep (&text, "\n"))) {
    const char *name = strsep (&line, " ");
    const char *state = strsep (&line, " ");

    if (state && strcmp (state, "no") == 0)
      warnx ("hint: %s: not all that swap on the server's own machine needs "
             "holds: %s%s%s", device, name, line ? ": " : "",
             line ? line : "");
  }
}

void
safeguards_hint (const char *control, const char *device)
{
  struct client *client =
    access (control, F_OK) == 0 ? client_open (control) : NULL;
  struct answer answer;

  if (client && client_send (client, "show %s safeguards", device) == 0 &&
      client_receive (client, &answer) == 0) {
    if (answer.ok && are_wanted (answer.text))
      hint_missing (answer.text, device);
    else if (answer.ok)
      warnx ("hint: %s has lock_memory=off: the machine of the server itself "
             "may hang when it swaps there", device);
    free (answer.text);
  }
  client_close (client);
}

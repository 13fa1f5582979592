/* SPDX-License-Identifier: BSD-3-Clause */
/* Stores that take long; see progress.h. */
#include <config.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"

/* Fluent for the eye, and next to no work for the server. */
#define POLL_MS 100

/* Leaves room for the names on a terminal of 80 columns. */
#define BAR_COLUMNS 30

struct progress {
  const char *device, *attribute;
  struct client *client;        /* the second connection; NULL: not yet */
  bool asked;                   /* its answer is to come */
  bool drawn;
};

static void
draw (struct progress *progress, uint64_t done, uint64_t total)
{
  const double part = (double) done / (double) total;
  char bar[BAR_COLUMNS + 1];

  memset (bar, ' ', BAR_COLUMNS);
  memset (bar, '=', (size_t) (part * BAR_COLUMNS));
  bar[BAR_COLUMNS] = '\0';
  fprintf (stderr, "\r%s: %s [%s] %3.0f %%", progress->device,
           progress->attribute, bar, 100 * part);
  progress->drawn = true;
}

/* No line of the terminal is left for it. */
static void
erase (const struct progress *progress)
{
  if (progress->drawn)
    fputs ("\r\033[K", stderr);
}

/* "DONE TOTAL"; 0 0 or an error: nothing is under way, or this server does not
 * say. */
static void
draw_answer (struct progress *progress, const struct answer *answer)
{
  uint64_t done, total;

  if (!answer->ok ||
      sscanf (answer->text, "%" SCNu64 " %" SCNu64, &done, &total) != 2 ||
      total == 0)
    return;
  draw (progress, done < total ? done : total, total);
}

static int
ask (struct progress *progress, const char *path)
{
  if (!progress->client)
    progress->client = client_open (path);
  progress->asked = true;
  return progress->client ?
    client_send (progress->client, "show %s progress", progress->device) : -1;
}

static int
look (struct progress *progress)
{
  struct answer answer;
  const int r = client_wait (progress->client, 0);

  if (r != 1)
    return r;
  if (client_receive (progress->client, &answer) == -1)
    return -1;
  progress->asked = false;
  draw_answer (progress, &answer);
  free (answer.text);
  return 0;
}

/* Nobody waits for the second connection: a busy server lets it stand in its
 * queue. */
static int
watch (struct progress *progress, struct client *client)
{
  const bool on_terminal = isatty (STDERR_FILENO);
  int r;

  while ((r = client_wait (client, on_terminal ? POLL_MS : -1)) == 0)
    if (on_terminal &&
        (progress->asked ? look (progress) :
         ask (progress, client_path (client))) == -1)
      return -1;
  return r;
}

int
progress_store (struct client *client, const char *device,
                const char *attribute, const char *value,
                struct answer *answer)
{
  struct progress progress = { .device = device, .attribute = attribute };
  int r;

  memset (answer, 0, sizeof *answer);
  if (client_send (client, "store %s %s %s", device, attribute, value) == -1)
    return -1;
  r = watch (&progress, client);
  erase (&progress);
  client_close (progress.client);
  return r == -1 ? -1 : client_receive (client, answer);
}

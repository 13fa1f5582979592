/* SPDX-License-Identifier: BSD-3-Clause */
/* Whatever a server answers, nbdzram ends: with status 1 and one line if it is
 * not what it should be.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "fake.h"

/* What is answered to list, and to a show of mm_stat. */
static const char *listed, *shown;
static bool is_reset;           /* the device has no memory yet */

/* The last store, for this thread when the command has ended. */
static char stored[8192];

static const char *
answer (const char *line)
{
  if (strcmp (line, "list") == 0)
    return listed;
  if (strcmp (line, "help") == 0)
    return fake_ok ("disksize rw size\nreset wo forget\nmm_stat ro memory\n"
                    "block_state ro long\n");
  if (strncmp (line, "store ", 6) == 0) {
    snprintf (stored, sizeof stored, "%s", line);
    return fake_ok ("");
  }
  if (strncmp (line, "show ", 5) != 0)
    return NULL;
  line = strrchr (line, ' ') + 1;
  if (strcmp (line, "mm_stat") == 0)
    return shown;
  if (strcmp (line, "bd_stat") == 0)
    return fake_ok ("0 0 0\n");
  if (strcmp (line, "disksize") == 0)
    return fake_ok (is_reset ? "0\n" : "1048576\n");
  if (strcmp (line, "max_comp_streams") == 0)
    return fake_ok ("16\n");
  if (strcmp (line, "comp_algorithm") == 0)
    return fake_ok ("lzo [zstd] lz4\n");
  return "error ENOENT no such attribute\n";
}

static void
require_one_line (const struct outcome *outcome, const char *part)
{
  require (outcome->status == 1);
  require (strcmp (outcome->out, "") == 0);
  require (strncmp (outcome->err, "nbdzram: ", 9) == 0);
  require (strchr (outcome->err, '\n') == strrchr (outcome->err, '\n'));
  require (strstr (outcome->err, part));
}

static void
status_of_a_strange_server (const char *answer_to_list, const char *part)
{
  struct outcome outcome;

  listed = answer_to_list;
  fake_run (&outcome, WORDS ("status"));
  require_one_line (&outcome, part);
}

static void
strange_answers_are_told (void)
{
  static const char *const rubbish[] = {
    "\n", "hello\n", "ok\n", "ok \n", "ok -1\n", "ok 5x\nswap\n",
    "ok 0x5\nswap\n",
    "ok 99999999999999999999\n", "ok 1099511627776\n", "OK 5\nswap\n",
    "error\n", "HTTP/1.1 400 Bad Request\n\n", "\033[2Jok 5\n", NULL
  };
  char *line = malloc (100001);

  CHECK ("an answer that is none");
  for (unsigned i = 0; rubbish[i]; i++)
    status_of_a_strange_server (rubbish[i], "does not answer as nbdzram does");

  CHECK ("a first line without end");
  require (line);
  memset (line, 'x', 100000);
  line[100000] = '\0';
  status_of_a_strange_server (line, "does not answer as nbdzram does");
  free (line);
}

static void
a_connection_cut_short_is_told (void)
{
  struct outcome outcome;

  CHECK ("a connection that is closed at once");
  status_of_a_strange_server (NULL, "the server closed the connection");
  CHECK ("in the first line");
  status_of_a_strange_server ("ok 5" HANG_UP,
                              "the server closed the connection");
  CHECK ("in the payload");
  status_of_a_strange_server ("ok 5\nswa" HANG_UP,
                              "the server closed the connection");
  CHECK ("in a payload of many gigabytes: what there is is passed on");
  listed = "ok 5\nswap\n";
  shown = "ok 1099511627776\nx" HANG_UP;
  fake_run (&outcome, WORDS ("show", "swap", "mm_stat"));
  require (outcome.status == 1);
  require (strstr (outcome.err, "the server closed the connection"));
  require (strcmp (outcome.out, "x") == 0);
}

static void
an_error_is_shown (void)
{
  CHECK ("an error is shown as it comes");
  status_of_a_strange_server ("error EACCES only root may ask\n",
                              "EACCES only root may ask\n");
}

static void
a_stat_without_numbers_is_told (void)
{
  struct outcome outcome;

  CHECK ("a column that is no number");
  listed = "ok 5\nswap\n";
  shown = "ok 18\n1 2 3 4 5 6 7 8 x\n";
  fake_run (&outcome, WORDS ("-n", "-o", "NAME"));
  require (outcome.status == 1);
  require (strstr (outcome.err, "swap: mm_stat: not 9 numbers"));
}

static void
more_columns_are_left_alone (void)
{
  struct outcome outcome;

  CHECK ("columns of a later server are left alone");
  listed = "ok 5\nswap\n";
  shown = "ok 21\n3 2 2 1 5 6 7 8 9 10\n";
  fake_run (&outcome, WORDS ("-n", "-b", "--raw", "--output",
                             "name,disksize,data,compr,algorithm,streams,"
                             "zero-pages,total,mem-limit,mem-used,migrated,"
                             "comp-ratio"));
  require (outcome.status == 0);
  require (strcmp (outcome.out,
                   "swap 1048576 3 2 zstd 16 6 2 1 5 7 1.5000\n") == 0);
}

static void
an_empty_device_has_no_ratio (void)
{
  struct outcome outcome;

  CHECK ("a device without memory has no ratio");
  listed = "ok 5\nswap\n";
  shown = "ok 18\n0 0 0 0 0 0 0 0 0\n";
  is_reset = true;
  fake_run (&outcome, WORDS ("--json", "-o", "disksize,comp-ratio"));
  require (outcome.status == 0);
  require (strstr (outcome.out, "\"disksize\": \"0B\""));
  require (strstr (outcome.out, "\"comp-ratio\": null"));
  is_reset = false;
}

static void
a_device_is_left_out_where_there_is_one (void)
{
  struct outcome outcome;

  CHECK ("the only device need not be named");
  listed = "ok 5\nswap\n";
  shown = "ok 18\n0 0 0 0 0 0 0 0 0\n";
  fake_run (&outcome, WORDS ("show", "mm_stat"));
  require (outcome.status == 0);
  require (strcmp (outcome.out, "0 0 0 0 0 0 0 0 0\n") == 0);

  CHECK ("one of several has to be");
  listed = "ok 11\nswap\na bit\n";
  fake_run (&outcome, WORDS ("show"));
  require (outcome.status == 2);
  require (strstr (outcome.err, "which device? one of: swap, a bit\n"));
  fake_run (&outcome, WORDS ("show", "mm_stat"));
  require_one_line (&outcome, "'mm_stat' is none of the devices: swap, a bit");
  fake_run (&outcome, WORDS ("show", "a bit", "mm_stat"));
  require (outcome.status == 0);

  CHECK ("a server without any");
  listed = "ok 0\n";
  fake_run (&outcome, WORDS ("compact"));
  require_one_line (&outcome, "the server has no device");
  fake_run (&outcome, WORDS ("status", "--noheadings"));
  require (outcome.status == 0);
  require (strcmp (outcome.out, "") == 0);
}

static void
all_that_can_be_read_is_shown (void)
{
  struct outcome outcome;

  CHECK ("show without attributes shows those that the server names");
  listed = "ok 5\nswap\n";
  shown = "ok 18\n0 0 0 0 0 0 0 0 0\n";
  fake_run (&outcome, WORDS ("show"));
  require (outcome.status == 0);
  require (strcmp (outcome.out, "disksize: 1048576\n"
                                "mm_stat: 0 0 0 0 0 0 0 0 0\n") == 0);

  CHECK ("an attribute that cannot be shown does not hide the others");
  shown = "error EINVAL there is no disk\n";
  fake_run (&outcome, WORDS ("show", "swap", "mm_stat", "disksize"));
  require (outcome.status == 1);
  require (strcmp (outcome.out, "disksize: 1048576\n") == 0);
  require (strcmp (outcome.err,
                   "nbdzram: swap: mm_stat: EINVAL there is no disk\n") == 0);
}

static void
words_store (const char *const words[], const char *line)
{
  struct outcome outcome;

  strcpy (stored, "");
  fake_run (&outcome, words);
  require (outcome.status == 0);
  require (strcmp (stored, line) == 0);
}

static void
values_are_made_of_words (void)
{
  CHECK ("what is stored");
  listed = "ok 5\nswap\n";
  shown = "ok 18\n0 0 0 0 0 0 0 0 0\n";
  words_store (WORDS ("set", "a=b =c"), "store swap a b =c");
  words_store (WORDS ("set", "swap", "a="), "store swap a ");
  words_store (WORDS ("compact"), "store swap compact 1");
  words_store (WORDS ("reset", "swap"), "store swap reset 1");
  words_store (WORDS ("idle"), "store swap idle all");
  words_store (WORDS ("idle", "swap", "90"), "store swap idle 90");
  words_store (WORDS ("idle", "2h"), "store swap idle 7200");
  words_store (WORDS ("idle", "swap", "1d"), "store swap idle 86400");
  words_store (WORDS ("recompress"), "store swap recompress priority=1");
  words_store (WORDS ("recompress", "--threshold=3K", "swap", "type=huge",
                      "--max-pages", "7", "--algo=lz4"),
               "store swap recompress threshold=3072 max_pages=7 algo=lz4 "
               "type=huge");
  words_store (WORDS ("recompress", "max_pages=1", "max-pages=2"),
               "store swap recompress max_pages=1 max_pages=2");
  words_store (WORDS ("writeback", "--page-index=3", "--page-indexes=5-9",
                      "--page-index=7"),
               "store swap writeback page_index=3 page_indexes=5-9 "
               "page_index=7");
  words_store (WORDS ("writeback", "--type", "huge_idle"),
               "store swap writeback type=huge_idle");
}

int
main (void)
{
  fake_start (answer);
  strange_answers_are_told ();
  a_connection_cut_short_is_told ();
  an_error_is_shown ();
  a_stat_without_numbers_is_told ();
  more_columns_are_left_alone ();
  an_empty_device_has_no_ratio ();
  a_device_is_left_out_where_there_is_one ();
  all_that_can_be_read_is_shown ();
  values_are_made_of_words ();
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration against golden files: each directory of conf/ is one case,
 * and its name says which.
 *
 *   input.ini   given as config=, if it is there
 *   keys        what the command line says then, key=value on each line
 *   needs       an algorithm that has to be compiled in, else it is no case
 *   expected    the one message, or what was understood
 *
 * A case runs in its directory, so messages name input.ini and a dictionary is
 * found by its name.
 */
#include <config.h>

#include <dirent.h>
#include <unistd.h>

#include "check.h"
#include "conf.h"
#include "conf_dump.h"
#include "file.h"

static char got[16384];         /* the message or the dump */
static unsigned nr_messages;

__attribute__ ((format (printf, 1, 2))) static void
print (const char *fmt, ...)
{
  const size_t used = strlen (got);
  va_list ap;

  va_start (ap, fmt);
  vsnprintf (got + used, sizeof got - used, fmt, ap);
  va_end (ap);
}

__attribute__ ((format (printf, 1, 0))) static void
print_report (const char *fmt, va_list ap)
{
  const size_t used = strlen (got);

  vsnprintf (got + used, sizeof got - used, fmt, ap);
  print ("\n");
  nr_messages++;
}

static void
dump (const struct conf *conf)
{
  for (size_t i = 0; i < conf->nr_exports; i++) {
    const struct conf_export *export = &conf->exports[i];
    const struct codec_params *params = &export->codecs[0].params;

    print ("[%s]\n", export->name);
    print ("disksize = %llu\n", (unsigned long long) export->disksize_bytes);
    print ("block_size = %u\n", export->block_bytes);
    print ("comp_algorithm = %s\n", export->codecs[0].algorithm->name);
    if (params->level != CODEC_LEVEL_DEFAULT)
      print ("level = %d\n", params->level);
    if (params->dict)
      print ("dict of %zu bytes, '%.4s'\n", params->dict_bytes,
             (const char *) params->dict);
    print ("mem_limit = %llu\n",
           (unsigned long long) export->mem_limit_bytes);
    if (export->reserve_bytes)
      print ("reserve = %llu\n",
             (unsigned long long) export->reserve_bytes);
  }
}

/* NULL: there is no such file. */
static char *
read_text (const char *name)
{
  char *text;
  size_t bytes;

  if (file_read (name, &text, &bytes) != NULL)
    return NULL;
  text[bytes] = '\0';
  return text;
}

static int
set_keys (struct conf *conf, char *lines)
{
  char *line, *equals, *rest = NULL;
  int r = 0;

  for (line = strtok_r (lines, "\n", &rest); line && r == 0;
       line = strtok_r (NULL, "\n", &rest)) {
    equals = strchr (line, '=');
    check (equals != NULL);
    *equals = '\0';
    r = conf_set (conf, line, equals + 1);
  }
  return r;
}

#define DUMP_FILE "/tmp/zram-test-conf-dump"

/* A configuration that was dumped is the same when it is read again, and so is
 * its dump.  Relative to the case's directory. */
static void
check_dump (const struct conf *conf)
{
  char path[64];
  char *text[2], *first = strdup (got);
  struct conf again = { .file = NULL };
  size_t bytes;
  FILE *file;

  snprintf (path, sizeof path, "%s-%d", DUMP_FILE, (int) getpid ());
  for (unsigned i = 0; i < 2; i++) {
    check ((file = fopen (path, "w")) != NULL);
    conf_dump (i == 0 ? conf : &again, file);
    check (fclose (file) == 0 && file_read (path, &text[i], &bytes) == NULL);
    text[i][bytes] = '\0';
    conf_free (&again);
    check (conf_set (&again, "config", path) == 0);
    check (conf_finish (&again) == 0);
  }
  check_str_equal (text[1], text[0]);
  got[0] = '\0';
  dump (&again);
  check_str_equal (got, first);
  unlink (path);
  conf_free (&again);
  free (text[0]);
  free (text[1]);
  free (first);
}

/* Fill got. */
static void
understand (void)
{
  struct conf conf = { .file = NULL };
  char *keys = read_text ("keys");
  int r = 0;

  got[0] = '\0';
  nr_messages = 0;
  if (access ("input.ini", F_OK) == 0)
    r = conf_set (&conf, "config", "input.ini");
  if (r == 0 && keys)
    r = set_keys (&conf, keys);
  if (r == 0)
    r = conf_finish (&conf);
  check (nr_messages == (r == 0 ? 0 : 1));
  if (r == 0)
    dump (&conf);
  if (r == 0 && conf.file)
    check_dump (&conf);
  conf_free (&conf);
  free (keys);
}

static bool
is_needed_algorithm_here (void)
{
  char *name = read_text ("needs");
  const char *why;
  bool here = true;

  if (name) {
    name[strcspn (name, "\n")] = '\0';
    here = codec_find (name, &why) != NULL;
  }
  free (name);
  return here;
}

static void
run_case (void)
{
  char *expected;

  if (!is_needed_algorithm_here ()) {
    printf ("  its algorithm is not compiled in\n");
    return;
  }
  expected = read_text ("expected");
  check (expected != NULL);
  understand ();
  check_str_equal (got, expected);
  free (expected);
}

static int
is_case (const struct dirent *entry)
{
  return entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
}

static void
each_case_is_understood_as_its_golden_file_says (void)
{
  struct dirent **entries;
  int nr;

  check (chdir (CONF_CASES) == 0);
  nr = scandir (".", &entries, is_case, alphasort);
  check (nr > 0);
  for (int i = 0; i < nr; i++) {
    printf ("%s\n", entries[i]->d_name);
    fflush (stdout);
    check (chdir (entries[i]->d_name) == 0);
    run_case ();
    check (chdir ("..") == 0);
    free (entries[i]);
  }
  free (entries);
  printf ("%d cases\n", nr);
}

static void
an_export_is_found_by_its_name_and_the_first_by_none (void)
{
  struct conf conf = { .file = NULL };

  check (conf_find (&conf, "") == NULL);
  check (chdir (CONF_CASES "/01-two-exports") == 0);
  check (conf_set (&conf, "config", "input.ini") == 0);
  check (conf_finish (&conf) == 0);
  check (conf.nr_exports == 2);
  check (conf_find (&conf, "") == &conf.exports[0]);
  check (conf_find (&conf, "swap0") == &conf.exports[0]);
  check (conf_find (&conf, "scratch") == &conf.exports[1]);
  check (conf_find (&conf, "server") == NULL);
  check (conf_find (&conf, "Swap0") == NULL);
  conf_free (&conf);
  check (conf.nr_exports == 0 && conf_find (&conf, "") == NULL);
}

/* Each key's default is one that the key takes, and the help names each key. */
static void
defaults_are_good_values (void)
{
  for (unsigned id = 0; id < NR_CONF_KEYS; id++) {
    struct conf_export export = { .name = NULL };

    check (strstr (CONF_HELP, conf_keys[id].name) != NULL);
    if (conf_keys[id].default_text)
      check (conf_keys[id].set (&export, conf_keys[id].default_text) == NULL);
  }
}

int
main (void)
{
  report_set_sink (print_report);
  test (each_case_is_understood_as_its_golden_file_says);
  test (an_export_is_found_by_its_name_and_the_first_by_none);
  test (defaults_are_good_values);
  return 0;
}

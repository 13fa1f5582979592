/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys of the configuration: what their values may be, what each error
 * says, and what comes of several of them together.
 */
#include <config.h>

#include <unistd.h>

#include "check.h"
#include "conf.h"

static char directory[] = "/tmp/zram-test-conf-XXXXXX";
static char file_path[64];

static void
remove_files (void)
{
  unlink (file_path);
  rmdir (directory);
}

static void
write_file (const char *text, size_t bytes)
{
  FILE *file = fopen (file_path, "w");

  check (file);
  check (fwrite (text, 1, bytes, file) == bytes);
  check (fclose (file) == 0);
}

/* Settings: KEY=VALUE each, NULL behind the last. */

static int
set_all (struct conf *conf, const char *const settings[])
{
  for (; *settings; settings++) {
    const char *equals = strchr (*settings, '=');
    char *key = strndup (*settings, equals - *settings);
    const int r = conf_set (conf, key, equals + 1);

    free (key);
    if (r == -1)
      return -1;
  }
  return conf_finish (conf);
}

#define SETTINGS(...) ((const char *const[]) { "size=1M", __VA_ARGS__, NULL })

/* The conf is the caller's. */
static struct conf
good_conf (const char *const settings[])
{
  struct conf conf = { .file = NULL };

  printf ("  %s\n", settings[1]);
  fflush (stdout);
  check (set_all (&conf, settings) == 0);
  check_nothing_reported ();
  return conf;
}

static void
check_refused (const char *const settings[], const char *message)
{
  struct conf conf = { .file = NULL };

  printf ("  %s\n", settings[1]);
  fflush (stdout);
  check (set_all (&conf, settings) == -1);
  check_str_equal (captured_reports, message);
  captured_reports[0] = '\0';
  conf_free (&conf);
}

/* One key: values that are good, and what is said of those that are not. */
static void
check_values (const char *key, const char *const good[],
              const char *const bad[], const char *wrong)
{
  char setting[300], message[400];

  for (; *good; good++) {
    struct conf conf;

    snprintf (setting, sizeof setting, "%s=%s", key, *good);
    conf = good_conf (SETTINGS (setting));
    conf_free (&conf);
  }
  for (; *bad; bad++) {
    snprintf (setting, sizeof setting, "%s=%s", key, *bad);
    snprintf (message, sizeof message, "command line: %s: %s: '%s'", key,
              wrong, *bad);
    check_refused (SETTINGS (setting), message);
  }
}

#define VALUES(...) ((const char *const[]) { __VA_ARGS__, NULL })

static void
switches_are_on_or_off (void)
{
  static const char *const keys[] = { "use_dedup", "writeback_limit_enable" };

  for (unsigned i = 0; i < 2; i++)
    check_values (keys[i], VALUES ("0", "1", "on", "off", "y", "no"),
                  VALUES ("", "2", "maybe", "1 "), "neither 0 nor 1");
  check_values ("lock_memory", VALUES ("off", "on", "0", "1", "no"),
                VALUES ("", "2", "maybe"), "neither off nor on");
}

static void
ages_are_times (void)
{
  static const char *const keys[] = {
    "idle_age", "recompress_age", "writeback_age",
  };

  for (unsigned i = 0; i < 3; i++) {
    check_values (keys[i], VALUES ("off", "0", "90", "90s", "2h", "5d"),
                  VALUES ("", "h", "2y", "-1s", "1.5h", "2 h", "99999999999"),
                  "not a time such as 90s, 2h or 1d, or off");
    check_values (keys[i], VALUES ("143h"), VALUES ("6d", "144h", "1w"),
                  "not below 6 days: ages are not known any further");
  }
}

static void
other_values_are_checked (void)
{
  check_values ("writeback_rate", VALUES ("off", "1G/1d", "5M/10m"),
                VALUES ("", "1G", "1G/", "/1d", "0/1d", "1G/0s", "1G/off"),
                "not a rate such as 1G/1d, or off");
  check_values ("on_incompressible", VALUES ("store", "writeback", "reject"),
                VALUES ("", "error", "Store"),
                "not one of store, writeback and reject");
  check_values ("on_full", VALUES ("error", "writeback"),
                VALUES ("", "store"), "neither error nor writeback");
  check_values ("backing_size", VALUES ("0", "1G", "0x1000"),
                VALUES ("", "-1", "1X", "G"),
                "not a size such as 64M or 2G, or 0 for all of the file");
  check_values ("reserve", VALUES ("0", "4096", "1M"), VALUES ("", "-1", "M"),
                "not a size such as 16M or 1G, or 0 for no reserve");
  check_values ("writeback_limit", VALUES ("0", "1000", "1G"),
                VALUES ("", "-1", "x", "1X"),
                "neither a number of pages of 4 KiB nor a size such as 64M");
  check_values ("allow_uids", VALUES ("any", "0", "0,1000, 4294967294"),
                VALUES ("", "root", "1,", "4294967295"), "neither any nor uids "
                "from 0 to 4294967294 with commas between them");
  check_values ("allow_certificates",
                VALUES ("none", "any", "CN=a", "CN=a,O=b;CN=*,O=c"),
                VALUES ("", "all", "CN=a;"), "neither none, any nor names such "
                "as CN=host,O=* with ; between them");
  check_values ("backing_dev", VALUES ("none", "file", "/dev/sda"),
                VALUES (""), "a path is missing");
  check_values ("backing_key", VALUES ("none"), VALUES (""),
                "a path is missing");
}

static void
values_arrive (void)
{
  struct conf conf = good_conf (SETTINGS (
    "use_dedup=1", "allow_uids=7,0", "allow_certificates=CN=a;CN=b",
    "backing_dev=file", "backing_size=1G",
    "writeback_limit=2M", "writeback_limit_enable=1", "idle_age=1h",
    "recompress_age=2m", "writeback_age=3d", "writeback_rate=5M/2h",
    "on_incompressible=reject", "on_full=error", "control=/run/control",
    "lock_memory=on"));
  const struct conf_export *export = &conf.exports[0];

  check (export->use_dedup);
  check (export->access.nr_uids == 2 && export->access.uids[0] == 7);
  check (export->access.certificates == ACCESS_CERTIFICATES_LISTED);
  check_str_equal (export->access.patterns, "CN=a;CN=b");
  check_str_equal (export->backing_path, "file");
  check (export->backing.size_bytes == 1 << 30);
  check (export->writeback_limit_pages == 512);
  check (export->writeback_limit_enable);
  check (export->policy.idle_age_s == 3600);
  check (export->policy.recompress_age_s == 120);
  check (export->policy.writeback_age_s == 3 * 86400);
  check (export->policy.writeback_rate_bytes == 5 << 20);
  check (export->policy.writeback_rate_period_s == 7200);
  check (export->policy.on_incompressible == POLICY_INCOMPRESSIBLE_REJECT);
  check (export->policy.on_full == POLICY_FULL_ERROR);
  check_str_equal (conf.control, "/run/control");
  check (export->lock_memory && conf_locks_memory (&conf));
  conf_free (&conf);
}

static void
defaults_are_what_help_says (void)
{
  struct conf conf = good_conf (SETTINGS ("mem_limit=0"));
  const struct conf_export *export = &conf.exports[0];

  check (!export->use_dedup && !export->backing_path);
  check (!access_is_limited (&export->access));
  check (!export->backing_key_path && !export->backing.has_key);
  check (!export->writeback_limit_enable);
  check (export->policy.idle_age_s == 0);
  check (export->policy.recompress_age_s == 2 * 3600);
  check (export->policy.writeback_age_s == 20 * 3600);
  check (export->policy.writeback_rate_bytes == 1 << 30);
  check (export->policy.writeback_rate_period_s == 86400);
  check (export->policy.on_incompressible == POLICY_INCOMPRESSIBLE_STORE);
  check (export->policy.on_full == POLICY_FULL_WRITEBACK);
  check (!export->codecs[1].algorithm);
  check (!conf.control);
  check (!export->lock_memory && !conf_locks_memory (&conf));
  for (int id = 0; id < NR_CONF_KEYS; id++)
    check (strstr (CONF_HELP, conf_keys[id].name));
  check (strstr (CONF_HELP, "control=PATH"));
  conf_free (&conf);
}

/* Algorithms. */

static void
recomp_algorithm_names_an_algorithm_for_each_priority (void)
{
  struct conf conf = good_conf (SETTINGS (
    "recomp_algorithm=algo=zstd, algo=lz4hc priority=3"));
  const struct conf_codec *codecs = conf.exports[0].codecs;

  check_str_equal (codecs[1].algorithm->name, "zstd");
  check (!codecs[2].algorithm);
  check_str_equal (codecs[3].algorithm->name, "lz4hc");
  conf_free (&conf);
}

static void
check_key_refused (const char *setting, const char *wrong)
{
  const char *equals = strchr (setting, '=');
  char message[400];

  snprintf (message, sizeof message, "command line: %.*s: %s: '%s'",
            (int) (equals - setting), setting, wrong, equals + 1);
  check_refused (SETTINGS (setting), message);
}

static void
recomp_algorithm_says_what_is_wrong (void)
{
  check_key_refused ("recomp_algorithm=zstd", "a parameter without a value");
  check_key_refused ("recomp_algorithm=priority=1", "algo= is missing");
  check_key_refused ("recomp_algorithm=algo=zstd,", "algo= is missing");
  check_key_refused ("recomp_algorithm=algo=none", "no such algorithm");
  check_key_refused ("recomp_algorithm=algo=zstd priority=0",
                     "priority 0 is comp_algorithm's");
  check_key_refused ("recomp_algorithm=algo=zstd priority=4",
                     "priority is not one of 0, 1, 2 and 3");
  check_key_refused ("recomp_algorithm=algo=zstd, algo=lz4",
                     "two algorithms for one priority");
  check_key_refused ("recomp_algorithm=algo=zstd level=3",
                     "not one of algo= and priority=");
}

static void
algorithm_params_go_to_each_priority (void)
{
  struct conf conf = good_conf (SETTINGS (
    "recomp_algorithm=algo=lz4hc, algo=zstd priority=2",
    "comp_algorithm=lz4",
    "algorithm_params=level=3, priority=2 level=12, algo=lz4hc level=9"));
  const struct conf_codec *codecs = conf.exports[0].codecs;

  check (codecs[0].params.level == 3);
  check (codecs[1].params.level == 9);
  check (codecs[2].params.level == 12);
  check (codecs[3].params.level == CODEC_LEVEL_DEFAULT);
  conf_free (&conf);
}

static void
algorithm_params_reads_dictionaries (void)
{
  char setting[128];
  struct conf conf;

  write_file ("some words", 10);
  snprintf (setting, sizeof setting, "algorithm_params=level=1, priority=1 "
            "dict=%s", file_path);
  conf = good_conf (SETTINGS (setting, "recomp_algorithm=algo=zstd"));
  check (conf.exports[0].codecs[0].params.dict_bytes == 0);
  check (conf.exports[0].codecs[1].params.dict_bytes == 10);
  conf_free (&conf);
  write_file ("", 0);
  conf = (struct conf) { .file = NULL };
  check (set_all (&conf, SETTINGS (setting,
                                   "recomp_algorithm=algo=zstd")) == -1);
  check_reported (": the dictionary is empty: ");
  conf_free (&conf);
}

static void
algorithm_params_says_what_is_wrong (void)
{
  check_key_refused ("algorithm_params=level", "a parameter without a value");
  check_key_refused ("algorithm_params=level=x", "level is not a number");
  check_key_refused ("algorithm_params=level=99",
                     "the level is out of this algorithm's range");
  check_key_refused ("algorithm_params=lvl=1",
                     "not one of level=, dict=, algo= and priority=");
  check_key_refused ("algorithm_params=priority=1 level=1",
                     "this priority has no algorithm");
  check_key_refused ("algorithm_params=algo=lz4 level=1",
                     "algo= is not the device's algorithm");
  check_key_refused ("algorithm_params=algo=lz4 priority=0 level=1",
                     "algo= is not the device's algorithm");
  check_key_refused ("algorithm_params=level=1, level=2",
                     "two groups for one priority");
  check_key_refused ("algorithm_params=level=1, level=2, level=3, level=4, "
                     "level=5", "more groups than priorities");
  check_key_refused ("algorithm_params=dict=/nonexistent",
                     "No such file or directory");
}

/* The key of a backing file. */

static void
backing_key_is_read (void)
{
  char setting[80], text[129];
  struct conf conf;

  for (unsigned i = 0; i < sizeof text; i++)
    text[i] = "0123456789abcdef"[i % 16 ^ i / 16];
  snprintf (setting, sizeof setting, "backing_key=%s", file_path);
  write_file (text, 128);
  conf = good_conf (SETTINGS (setting));
  check (conf.exports[0].backing.has_key);
  check (conf.exports[0].backing.key[0] == 0x01);
  conf_free (&conf);
  write_file (text, 64);
  conf = good_conf (SETTINGS (setting));
  check (memcmp (conf.exports[0].backing.key, text, 64) == 0);
  conf_free (&conf);
  write_file (text, 65);
  check_key_refused (setting, "neither 64 bytes nor 128 hex digits");
  memset (text, 'a', sizeof text);
  write_file (text, 128);
  check_key_refused (setting, "both halves of the key are the same");
  unlink (file_path);
  check_key_refused (setting, "No such file or directory");
}

/* The socket. */

static void
control_is_given_once (void)
{
  check_refused (SETTINGS ("control="),
                 "command line: control: a path is missing: ''");
  check_refused (SETTINGS ("control=/a", "control=/b"),
                 "command line: control: given twice: '/b'");
}

/* Read a file, whose conf is the caller's; -1: refused. */
static int
read_text (struct conf *conf, const char *text, const char *control)
{
  *conf = (struct conf) { .file = NULL };
  write_file (text, strlen (text));
  check (conf_set (conf, "config", file_path) == 0);
  if (control)
    check (conf_set (conf, "control", control) == 0);
  return conf_finish (conf);
}

static void
control_may_stand_in_the_servers_section (void)
{
  static const char text[] = "[server]\ncontrol = /a\n[d]\nsize = 1M\n";
  struct conf conf;

  check (read_text (&conf, text, NULL) == 0);
  check_str_equal (conf.control, "/a");
  conf_free (&conf);
  check (read_text (&conf, text, "/b") == 0);
  check_str_equal (conf.control, "/b");
  conf_free (&conf);
  check (read_text (&conf, "[server]\ncontrol =\n", NULL) == -1);
  check_reported (":2: control: a path is missing: ''");
  conf_free (&conf);
  check (read_text (&conf, "[d]\nsize = 1M\ncontrol = /a\n", NULL) == -1);
  check_reported (":3: control: unknown key: '/a'");
  conf_free (&conf);
}

static void
errors_in_a_file_have_their_line (void)
{
  struct conf conf;

  check (read_text (&conf, "[d]\nsize = 1M\nidle_age = soon\n", NULL) == -1);
  check_reported (":3: idle_age: not a time such as 90s, 2h or 1d, or off: "
                  "'soon'");
  conf_free (&conf);
  check (read_text (&conf, "[d]\nsize = 1M\nuse_dedup = 1\nuse_dedup = 1\n",
                    NULL) == -1);
  check_reported (":4: use_dedup: given twice: '1'");
  conf_free (&conf);
}

int
main (void)
{
  check (mkdtemp (directory));
  snprintf (file_path, sizeof file_path, "%s/file", directory);
  check (atexit (remove_files) == 0);
  capture_reports ();
  test (switches_are_on_or_off);
  test (ages_are_times);
  test (other_values_are_checked);
  test (values_arrive);
  test (defaults_are_what_help_says);
  test (recomp_algorithm_names_an_algorithm_for_each_priority);
  test (recomp_algorithm_says_what_is_wrong);
  test (algorithm_params_go_to_each_priority);
  test (algorithm_params_reads_dictionaries);
  test (algorithm_params_says_what_is_wrong);
  test (backing_key_is_read);
  test (control_is_given_once);
  test (control_may_stand_in_the_servers_section);
  test (errors_in_a_file_have_their_line);
  return 0;
}

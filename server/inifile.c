/* SPDX-License-Identifier: BSD-3-Clause */
/* The ini file; see inifile.h. */
#include <config.h>

#include <err.h>
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../plugin/control/conf_dump.h"
#include "../plugin/store/report.h"
#include "inifile.h"

const struct option_spec inifile_options[] = {
  INIFILE_OPTION,
  { .name = NULL }
};

const char *
inifile_path (const struct arguments *arguments)
{
  const char *path = arguments_get (arguments, "config");

  return path ? path : CONF_DEFAULT_FILE;
}

/* NULL, or why none can be made. */
static const char *
why_no_new_file (const char *path)
{
  char *copy = strdup (path);
  bool may;

  if (!copy)
    return strerror (errno);
  may = eaccess (dirname (copy), W_OK | X_OK) == 0;
  free (copy);
  return may ? NULL : strerror (errno);
}

/* Backing files: the server opens them, and makes those that are not there. */

static const char *
why_no_new_backing (const struct conf_export *export)
{
  if (export->backing.size_bytes == 0)
    return "is not there, and backing_size does not say how large to make it";
  return why_no_new_file (export->backing_path);
}

static const char *
why_no_backing (const struct conf_export *export)
{
  struct stat file;

  if (stat (export->backing_path, &file) == -1)
    return errno == ENOENT ? why_no_new_backing (export) : strerror (errno);
  if (!S_ISREG (file.st_mode) && !S_ISBLK (file.st_mode))
    return "neither a file nor a block device";
  return eaccess (export->backing_path, R_OK | W_OK) == 0 ? NULL :
    strerror (errno);
}

static int
check_backing (const struct conf_export *export)
{
  const char *wrong = export->backing_path ? why_no_backing (export) : NULL;

  return wrong ? conf_blame (export, CONF_BACKING_DEV, wrong) : 0;
}

/* Files of memory, which the keeper opens or makes. */

static const char *
why_no_store (const struct conf_export *export)
{
  struct stat file;

  if (stat (export->store_path, &file) == -1)
    return errno == ENOENT ? why_no_new_file (export->store_path) :
      strerror (errno);
  if (!S_ISREG (file.st_mode))
    return "not a file";
  return eaccess (export->store_path, R_OK | W_OK) == 0 ? NULL :
    strerror (errno);
}

static int
check_store (const struct conf_export *export)
{
  const char *wrong = export->store_path ? why_no_store (export) : NULL;

  return wrong ? conf_blame (export, CONF_STORE, wrong) : 0;
}

/* Who may open an export has to be able to. */

static const char *
why_no_certificate (const struct conf_server *server,
                    const struct access *access)
{
  if (access->certificates == ACCESS_CERTIFICATES_NONE)
    return NULL;
  if (!server->tls_is_required)
    return "of no use without tls=require";
  if (server->tls_certificates && !server->tls_verify_peer)
    return "of no use without tls_verify_peer=1";
  return server->tls_psk && access->certificates == ACCESS_CERTIFICATES_LISTED ?
    "with tls_psk clients have no certificates, only any is of use" : NULL;
}

static int
check_access (const struct conf_server *server,
              const struct conf_export *export)
{
  const struct access *access = &export->access;
  const char *wrong = why_no_certificate (server, access);

  if (wrong)
    return conf_blame (export, CONF_ALLOW_CERTIFICATES, wrong);
  if (server->listen_path || access->nr_uids == 0 ||
      access->certificates != ACCESS_CERTIFICATES_NONE)
    return 0;
  return conf_blame (export, CONF_ALLOW_UIDS,
                     "clients on TCP have none, so nobody could open it");
}

/* Loading. */

int
inifile_read (const char *path, struct conf *conf)
{
  report_set_sink (vwarnx);
  *conf = (struct conf) { .file = NULL };
  return conf_set (conf, "config", path) == -1 ? -1 : conf_finish (conf);
}

int
inifile_load (const char *path, struct conf *conf)
{
  int r = inifile_read (path, conf);

  if (r == -1)
    return -1;
  r = conf_server_check (&conf->server);
  for (size_t i = 0; i < conf->nr_exports; i++) {
    r |= check_backing (&conf->exports[i]);
    r |= check_store (&conf->exports[i]);
    r |= check_access (&conf->server, &conf->exports[i]);
  }
  return r;
}

/* Subcommands. */

/* The words are exports that must be there. */
static int
check_exports (const struct conf *conf, const struct arguments *arguments)
{
  int r = 0;

  for (unsigned i = 0; i < arguments->nr_words; i++)
    if (*arguments->words[i] == '\0' ||
        !conf_find (conf, arguments->words[i])) {
      warnx ("%s: there is no export '%s'", conf->file, arguments->words[i]);
      r = -1;
    }
  return r;
}

int
check_config_run (const char *control, struct arguments *arguments)
{
  struct conf conf;
  int r = inifile_load (inifile_path (arguments), &conf);

  if (r == 0)
    r = check_exports (&conf, arguments);
  conf_free (&conf);
  return r == 0 ? STATUS_OK : STATUS_FAILED;
}

int
dump_config_run (const char *control, struct arguments *arguments)
{
  struct conf conf;
  int r;

  if (arguments->nr_words > 0) {
    warnx ("dump-config: what is '%s'?", arguments->words[0]);
    return STATUS_USAGE;
  }
  r = inifile_read (inifile_path (arguments), &conf);
  if (r == 0)
    conf_dump (&conf, stdout);
  conf_free (&conf);
  return r == 0 ? STATUS_OK : STATUS_FAILED;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The nbdkit callbacks, and the only file that knows nbdkit: each callback is a
 * call into store/ or control/ and a translation of names.
 *
 * Everything that can fail at start happens in config_complete (the
 * configuration) and get_ready (the devices): nbdkit shows no error of a later
 * stage once it has gone to the background.
 */
#include <config.h>

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <lz4.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/prctl.h>
#include <zstd.h>
#ifdef HAVE_LZO
#include <lzo/lzo1x.h>
#endif
#ifdef HAVE_LIBDEFLATE
#include <libdeflate.h>
#endif

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "control/access.h"
#include "control/conf.h"
#include "control/safeguard.h"
#include "control/setup.h"
#include "control/socket.h"
#include "control/standby.h"
#include "store/crash.h"
#include "store/device.h"
#include "store/live.h"
#include "store/report.h"

static struct conf conf;
static struct exports exports;          /* the same order as in conf */
static struct control_socket *control;  /* NULL: none */

/* Threads come and go with their connections, and each has a buffer as long as
 * the longest request that it served.  glibc takes from such buffers, once they
 * are freed, that it had better keep so much for the next time, in each of up
 * to 8 heaps a processor: after a minute of four clients a server with empty
 * disks had 100 MiB, and has 14 with one heap and a fixed limit.  Reads and
 * writes allocate nothing, so nobody waits for the heap. */
#define FREE_BYTES_MAX (128 << 10)

static void
set_up_malloc (void)
{
  mallopt (M_ARENA_MAX, 1);
  mallopt (M_MMAP_THRESHOLD, FREE_BYTES_MAX);
  mallopt (M_TRIM_THRESHOLD, FREE_BYTES_MAX);
}

static void
zram_load (void)
{
  const char *crash = getenv ("ZRAM_DEBUG_CRASH");

  standby_begin ();
  set_up_malloc ();
  report_set_sink (nbdkit_verror);
  if (crash && !crash_arm (crash))
    nbdkit_error ("ZRAM_DEBUG_CRASH: not NAME:TIMES: '%s'", crash);
}

static void
zram_dump_plugin (void)
{
  printf ("zram_version=%s\n", PACKAGE_VERSION);
  printf ("zram_algorithms=");
  for (unsigned i = 0; codec_algorithms[i]; i++)
    printf ("%s%s", i == 0 ? "" : " ", codec_algorithms[i]->name);
  printf ("\nzram_zstd=%s\nzram_lz4=%s\n", ZSTD_versionString (),
          LZ4_versionString ());
#ifdef HAVE_LZO
  printf ("zram_lzo=%s\n", lzo_version_string ());
#endif
#ifdef HAVE_LIBDEFLATE
  printf ("zram_libdeflate=%s\n", LIBDEFLATE_VERSION_STRING);
#endif
#ifdef HAVE_XXHASH
  printf ("zram_features=backing_dev use_dedup");
#ifdef HAVE_LIBCRYPTO
  printf (" backing_key");
#endif
  printf ("\n");
#else
  printf ("zram_features=\n");
#endif
  printf ("zram_block_size_min=%u\nzram_block_size_max=%u\n", BLOCK_BYTES_MIN,
          BLOCK_BYTES_MAX);
}

/* nbdkit goes to / before it serves, so these paths become absolute here;
 * control/setup.c does it for those of a device. */
static int
zram_config (const char *key, const char *value)
{
  char *path;
  int r;

  if ((strcmp (key, "config") != 0 && strcmp (key, "control") != 0) ||
      *value == '\0')
    return conf_set (&conf, key, value);
  path = nbdkit_absolute_path (value);
  if (!path)
    return -1;
  r = conf_set (&conf, key, path);
  free (path);
  return r;
}

/* Who comes in. */

/* nbdkit_peer_tls_dn, where the server has it; the caller frees what it
 * returns. */
static char *(*peer_tls_dn) (void);

/* An export whose limits could not be held is not served. */
static int
find_peer_tls_dn (void)
{
  peer_tls_dn = (char *(*) (void)) dlsym (RTLD_DEFAULT, "nbdkit_peer_tls_dn");
  for (size_t i = 0; i < conf.nr_exports && !peer_tls_dn; i++)
    if (conf.exports[i].access.certificates == ACCESS_CERTIFICATES_LISTED)
      return conf_blame (&conf.exports[i], CONF_ALLOW_CERTIFICATES,
                         "names of certificates need nbdkit 1.40; any will "
                         "do with --tls-verify-peer");
  return 0;
}

static bool
is_on_unix_socket (void)
{
  struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
  socklen_t bytes = sizeof address;

  return nbdkit_peer_name ((struct sockaddr *) &address, &bytes) == 0 &&
    address.ss_family == AF_UNIX;
}

/* *name is the caller's.  is_tls: nbdkit_is_tls knows it in open only. */
static void
look_at_peer (struct access_peer *peer, bool is_tls, char **name)
{
  peer->is_local = is_on_unix_socket ();
  peer->uid = peer->is_local ? nbdkit_peer_uid () : -1;
  peer->is_tls = is_tls;
  peer->name = *name = is_tls && peer_tls_dn ? peer_tls_dn () : NULL;
}

/* NULL: the client of this connection may open the export.  Else why not, and
 * who it is. */
static const char *
refusal (const struct conf_export *export, bool is_tls,
         char who[ACCESS_PEER_CHARS])
{
  struct access_peer peer;
  const char *why;
  char *name;

  if (!access_is_limited (&export->access))
    return NULL;
  look_at_peer (&peer, is_tls, &name);
  why = access_refusal (&export->access, &peer);
  access_describe (&peer, who);
  free (name);
  return why;
}

static bool
is_visible (const struct conf_export *export, bool is_tls)
{
  char who[ACCESS_PEER_CHARS];

  return !refusal (export, is_tls, who);
}

static int
zram_config_complete (void)
{
  return conf_finish (&conf) == -1 ? -1 : find_peer_tls_dn ();
}

static int
open_control (void)
{
  char *path = nbdkit_absolute_path (conf.control);

  if (path)
    control = control_socket_open (path, &exports);
  free (path);
  return control ? 0 : -1;
}

/* nbdkit ends with its parent where sockets are handed over, as if it had been
 * given --exit-with-parent; a disk must not end with nbdzram's keeper. */
static void
outlive_keeper (void)
{
  if (getenv ("NBDZRAM_KEEPER"))
    prctl (PR_SET_PDEATHSIG, 0, 0, 0, 0);
}

static int
zram_get_ready (void)
{
  const bool is_locked = conf_locks_memory (&conf);

  outlive_keeper ();
  if (is_locked)
    safeguard_prepare ();
  if (standby_wait (is_locked) == -1 ||
      setup_exports (&exports, &conf) == -1)
    return -1;
  return conf.control ? open_control () : 0;
}

static int
zram_after_fork (void)
{
  safeguard_begin ();
  if (setup_start (&exports) == -1 ||
      (control && control_socket_start (control) == -1))
    return -1;
  safeguard_take ();
  return 0;
}

static void
zram_cleanup (void)
{
  setup_stop (&exports);
  if (control)
    control_socket_stop (control);
}

/* The exports are looked at by the socket's threads, which are gone. */
static void
zram_unload (void)
{
  if (control)
    control_socket_close (control);
  setup_free (&exports);
  conf_free (&conf);
}

static int
zram_list_exports (int readonly, int is_tls, struct nbdkit_exports *list)
{
  for (size_t i = 0; i < conf.nr_exports; i++)
    if (is_visible (&conf.exports[i], is_tls) &&
        nbdkit_add_export (list, conf.exports[i].name, NULL) == -1)
      return -1;
  return 0;
}

static const char *
zram_default_export (int readonly, int is_tls)
{
  return is_visible (&conf.exports[0], is_tls) ? conf.exports[0].name : "";
}

static int
let_in (const struct conf_export *export, const struct device *device)
{
  char who[ACCESS_PEER_CHARS];
  const char *why = refusal (export, nbdkit_is_tls () == 1, who);

  if (!why)
    return 0;
  nbdkit_error ("%s: refused to a client (%s): %s", device->name, who, why);
  errno = EACCES;
  return -1;
}

/* With a file, names are strict.  A single disk from the command line answers
 * to any name, as nbdkit's own memory plugin does. */
static void *
zram_open (int readonly)
{
  const char *name = nbdkit_export_name ();
  const struct conf_export *found;
  struct device *device;

  if (!name)
    return NULL;
  found = conf_find (&conf, conf.file ? name : "");
  if (!found) {
    nbdkit_error ("there is no export '%s'", name);
    errno = ENOENT;
    return NULL;
  }
  device = exports.exports[found - conf.exports].device;
  if (let_in (found, device) == -1)
    return NULL;
  return device_open (device) == 0 ? device : NULL;
}

static void
zram_close (void *handle)
{
  device_close (handle);
}

static int64_t
zram_get_size (void *handle)
{
  const struct device *device = handle;

  return device->size_bytes;
}

static const char *
zram_export_description (void *handle)
{
  struct device *device = handle;
  struct codec_description primary;

  if (!live_get_codec (device, 0, &primary))
    return NULL;
  return nbdkit_printf_intern ("compressed RAM disk, %s, blocks of %" PRIu32
                               " bytes", primary.algorithm->name,
                               device->block_bytes);
}

/* Any request is served; whole blocks are served best. */
static int
zram_block_size (void *handle, uint32_t *minimum, uint32_t *preferred,
                 uint32_t *maximum)
{
  const struct device *device = handle;

  *minimum = 1;
  *preferred = device->block_bytes;
  *maximum = 0xffffffff;
  return 0;
}

/* All connections see one memory, so a flush of any of them is a flush of
 * all. */
static int
zram_yes (void *handle)
{
  return 1;
}

static int
zram_no (void *handle)
{
  return 0;
}

/* Memory is as durable as it gets: FUA is true at once. */
static int
zram_can_fua (void *handle)
{
  return NBDKIT_FUA_NATIVE;
}

static int
zram_can_cache (void *handle)
{
  return NBDKIT_CACHE_NATIVE;
}

/* For tests, which put their own in front of it (LD_PRELOAD) and see what a
 * request does between its two calls. */
void zram_debug_request (bool begins);

__attribute__ ((visibility ("default"), noinline)) void
zram_debug_request (bool begins)
{
  __asm__ volatile ("" : : "r" (begins) : "memory");
}

static int
end_request (int r)
{
  zram_debug_request (false);
  return r;
}

static int
zram_pread (void *handle, void *buf, uint32_t count, uint64_t offset,
            uint32_t flags)
{
  zram_debug_request (true);
  return end_request (device_read (handle, buf, count, offset));
}

static int
zram_pwrite (void *handle, const void *buf, uint32_t count, uint64_t offset,
             uint32_t flags)
{
  zram_debug_request (true);
  return end_request (device_write (handle, buf, count, offset));
}

static int
zram_flush (void *handle, uint32_t flags)
{
  return 0;
}

static int
zram_trim (void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
  zram_debug_request (true);
  return end_request (device_trim (handle, count, offset));
}

/* Always fast: a table edit, and two blocks at the most to rewrite. */
static int
zram_zero (void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
  zram_debug_request (true);
  return end_request (device_zero (handle, count, offset,
                                   flags & NBDKIT_FLAG_MAY_TRIM));
}

/* Everything is in memory already but what is in the backing file. */
static int
zram_cache (void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
  zram_debug_request (true);
  return end_request (device_cache (handle, count, offset));
}

struct extents_request {
  struct nbdkit_extents *extents;
  bool one;
};

static int
add_extent (void *opaque, uint64_t offset, uint64_t bytes,
            enum extent_kind kind)
{
  static const uint32_t types[] = {
    [EXTENT_DATA] = 0,
    [EXTENT_ZERO] = NBDKIT_EXTENT_ZERO,
    [EXTENT_HOLE] = NBDKIT_EXTENT_ZERO | NBDKIT_EXTENT_HOLE,
  };
  const struct extents_request *request = opaque;

  if (nbdkit_add_extent (request->extents, offset, bytes, types[kind]) == -1)
    return -1;
  return request->one;
}

/* Never beyond the request: nbdkit 1.32 aborts on it (CVE-2025-47711). */
static int
zram_extents (void *handle, uint32_t count, uint64_t offset, uint32_t flags,
              struct nbdkit_extents *extents)
{
  struct extents_request request = {
    .extents = extents, .one = flags & NBDKIT_FLAG_REQ_ONE,
  };

  return device_extents (handle, count, offset, add_extent, &request) == -1 ?
    -1 : 0;
}

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

static struct nbdkit_plugin plugin = {
  .name = "zram",
  .longname = "nbdzram compressed RAM disk",
  .version = PACKAGE_VERSION,
  .description = "A RAM disk whose blocks are compressed, as the kernel's zram",
  .load = zram_load,
  .unload = zram_unload,
  .dump_plugin = zram_dump_plugin,
  .config = zram_config,
  .config_complete = zram_config_complete,
  .config_help = CONF_HELP,
  .magic_config_key = "size",
  .get_ready = zram_get_ready,
  .after_fork = zram_after_fork,
  .cleanup = zram_cleanup,
  .list_exports = zram_list_exports,
  .default_export = zram_default_export,
  .open = zram_open,
  .close = zram_close,
  .get_size = zram_get_size,
  .export_description = zram_export_description,
  .block_size = zram_block_size,
  .can_write = zram_yes,
  .can_flush = zram_yes,
  .is_rotational = zram_no,
  .can_trim = zram_yes,
  .can_zero = zram_yes,
  .can_fast_zero = zram_yes,
  .can_extents = zram_yes,
  .can_fua = zram_can_fua,
  .can_multi_conn = zram_yes,
  .can_cache = zram_can_cache,
  .pread = zram_pread,
  .pwrite = zram_pwrite,
  .flush = zram_flush,
  .trim = zram_trim,
  .zero = zram_zero,
  .extents = zram_extents,
  .cache = zram_cache,
  .errno_is_preserved = 1,
};

NBDKIT_REGISTER_PLUGIN (plugin)

/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said on the control socket: each line of the input is a request to a
 * server with two devices, as connection.c hands it on; and between requests a
 * client writes and trims.
 *
 *   store disk comp_algorithm lz4
 *   show disk mm_stat
 *   +ab                          write content b to block a, and so on
 *   -abc                         trim blocks a, b and c
 *
 * Each answer is one that may be given, no message goes astray, what is stored
 * stays as it is, and at the end all that is noted is so.
 *
 * No file of the machine is touched: the linker puts the __wrap functions in
 * the place of those that open files.  There are four: a backing file, a
 * dictionary, a key and an empty one.
 */
#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backing_file.h"
#include "check.h"
#include "device.h"
#include "file.h"
#include "fuzz.h"
#include "live.h"
#include "recount.h"
#include "report.h"
#include "request.h"

#define NR_BLOCKS 64u           /* those that are written */

/* Larger ones take seconds to recount. */
#define DISK_BYTES_MAX ((uint64_t) 1 << 36)
#define BACKING_BYTES_MAX ((uint64_t) 1 << 24)

static struct export pair[2];   /* their names begin alike */
static struct exports exports = { .exports = pair, .nr_exports = 2 };
static uint8_t contents[NR_BLOCKS];     /* of the first one; 0: zeroes */
static int backing_fd;
static bool may_report;

/* Files. */

int __wrap_backing_file_open (struct backing_file *file,
                              const struct backing_params *params);
int __real_backing_file_open (struct backing_file *file,
                              const struct backing_params *params);
int __wrap_attribute_need_file (const char *path);
const char *__wrap_file_read (const char *path, char **data, size_t *bytes);
int __wrap_live_set_size (struct device *device, uint64_t size_bytes);
int __real_live_set_size (struct device *device, uint64_t size_bytes);

/* A file in memory, found by its number. */
int
__wrap_backing_file_open (struct backing_file *file,
                          const struct backing_params *params)
{
  struct backing_params own = *params;
  char path[64];

  if (strcmp (params->path, "/backing") != 0)
    return attribute_refuse (ENOENT, "%s: no such file", params->path);
  if (params->size_bytes > BACKING_BYTES_MAX)
    return attribute_refuse (ENOSPC, "%s: too large", params->path);
  snprintf (path, sizeof path, "/proc/self/fd/%d", backing_fd);
  own.path = path;
  return __real_backing_file_open (file, &own);
}

/* What is in a file; NULL: there is none. */
static const char *
content_of (const char *path)
{
  static const char dict[] = "a dictionary of some words";
  static const char key[] =
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";

  return strcmp (path, "/dict") == 0 ? dict : strcmp (path, "/key") == 0 ? key :
    strcmp (path, "/empty") == 0 ? "" : NULL;
}

int
__wrap_attribute_need_file (const char *path)
{
  if (content_of (path))
    return 0;
  return attribute_refuse (ENOENT, "%s: no such file", path);
}

const char *
__wrap_file_read (const char *path, char **data, size_t *bytes)
{
  const char *content = content_of (path);

  *data = NULL;
  *bytes = 0;
  if (!content) {
    errno = ENOENT;
    return strerror (errno);
  }
  *bytes = strlen (content);
  *data = malloc (*bytes + 1);
  check (*data != NULL);
  memcpy (*data, content, *bytes);
  return NULL;
}

int
__wrap_live_set_size (struct device *device, uint64_t size_bytes)
{
  if (size_bytes <= DISK_BYTES_MAX)
    return __real_live_set_size (device, size_bytes);
  return attribute_refuse (EFBIG, "too large for this test");
}

/* A message that no client gets. */
__attribute__ ((format (printf, 1, 0))) static void
report_astray (const char *fmt, va_list ap)
{
  if (may_report)
    return;
  vfprintf (stderr, fmt, ap);
  check_failed (__FILE__, __LINE__, "no message goes astray");
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  report_set_sink (report_astray);
  return 0;
}

/* Devices. */

static void
make_export (struct export *export, char *name, uint32_t block_bytes)
{
  *export = (struct export) { .name = name };
  export->device = device_create (&(struct device_params) {
      .name = name, .size_bytes = NR_BLOCKS * block_bytes,
      .block_bytes = block_bytes, .algorithm = codec_algorithms[0] });
  check (export->device != NULL);
  pthread_mutex_init (&export->lock, NULL);
}

static void
start (void)
{
  static char short_name[] = "disk", long_name[] = "disk two";

  backing_fd = memfd_create ("backing", MFD_CLOEXEC);
  check (backing_fd != -1);
  make_export (&pair[0], short_name, 4096);
  make_export (&pair[1], long_name, 65536);
  memset (contents, 0, sizeof contents);
}

/* Same-filled, huge, and two lengths of what can be compressed. */
static void
make_content (uint8_t *data, uint8_t content)
{
  struct random random = random_seeded (content);
  static const size_t noise_bytes[] = { 0, 4096, 500, 3000 };

  memset (data, content, 4096);
  if (content)
    random_fill (&random, data, noise_bytes[content % 4]);
}

static void
check_contents (void)
{
  uint8_t data[4096], wanted[4096];

  for (uint64_t block = 0; block < NR_BLOCKS; block++) {
    if ((block + 1) * 4096 > pair[0].device->size_bytes)
      break;
    make_content (wanted, contents[block]);
    check (device_read (pair[0].device, data, 4096, block * 4096) == 0);
    check (memcmp (data, wanted, 4096) == 0);
  }
}

static void
stop (void)
{
  check_contents ();
  for (unsigned i = 0; i < 2; i++) {
    check (recount_device (pair[i].device));
    device_destroy (pair[i].device);
    pthread_mutex_destroy (&pair[i].lock);
  }
  close (backing_fd);
}

/* The client.  A write may fail at a limit: then the block is as it was. */

static void
write_blocks (const char *text)
{
  uint8_t data[4096];

  for (; text[0] && text[1]; text += 2) {
    const uint64_t block = (uint8_t) text[0] % NR_BLOCKS;

    make_content (data, text[1]);
    may_report = true;
    if (device_write (pair[0].device, data, 4096, block * 4096) == 0)
      contents[block] = text[1];
    may_report = false;
  }
}

static void
trim_blocks (const char *text)
{
  for (; *text; text++) {
    const uint64_t block = (uint8_t) *text % NR_BLOCKS;

    may_report = true;
    if (device_trim (pair[0].device, 4096, block * 4096) == 0)
      contents[block] = 0;
    may_report = false;
  }
}

/* Requests. */

/* An errno without a name would be called EIO. */
static void
check_error (const struct request_error *error)
{
  const char *name = request_errno_name (error->errnum);

  check (error->errnum > 0);
  check (name[0] == 'E' && isalnum ((unsigned char) name[1]));
  check (error->errnum == EIO || strcmp (name, "EIO") != 0);
  check (error->message[0] != '\0');
  check (strlen (error->message) < sizeof error->message);
}

/* As long as it says; lines, and no NUL in them. */
static void
check_payload (const struct request *request, struct payload *payload)
{
  uint64_t sum = 0;
  const char *piece;
  char last = '\n';
  size_t bytes;

  while ((bytes = payload_next (payload, &piece)) > 0) {
    check (memchr (piece, '\0', bytes) == NULL);
    sum += bytes;
    last = piece[bytes - 1];
  }
  check (sum == payload->bytes);
  check (last == '\n');
  check (request->verb != REQUEST_STORE || sum == 0);
  check (request->verb != REQUEST_LIST || sum > 0);
}

static void
note_reset (const struct request *request)
{
  if (request->verb == REQUEST_STORE && request->export == &pair[0] &&
      strcmp (request->attribute->name, "reset") == 0)
    memset (contents, 0, sizeof contents);
}

static void
ask (char *line)
{
  struct request_error error = { .errnum = 0 };
  struct request request;
  struct payload payload;

  if (request_parse (line, &exports, &request, &error) == -1 ||
      request_run (&request, &exports, &payload, &error) == -1) {
    check_error (&error);
    return;
  }
  check (error.errnum == 0);
  check_payload (&request, &payload);
  payload_free (&payload);
  note_reset (&request);
}

/* A line in memory of its own length, for the address sanitizer. */
static void
do_line (const uint8_t *data, size_t bytes)
{
  char *line = malloc (bytes + 1);

  check (line != NULL);
  memcpy (line, data, bytes);
  line[bytes] = '\0';
  if (line[0] == '+')
    write_blocks (line + 1);
  else if (line[0] == '-')
    trim_blocks (line + 1);
  else
    ask (line);
  free (line);
}

/* A connection ends with a line that is too long or has a NUL byte. */
int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t bytes)
{
  start ();
  while (bytes > 0) {
    const uint8_t *newline = memchr (data, '\n', bytes);
    const size_t length = newline ? (size_t) (newline - data) : bytes;

    if (length > PROTOCOL_LINE_BYTES_MAX || memchr (data, '\0', length))
      break;
    do_line (data, length);
    data += length + (newline != NULL);
    bytes -= length + (newline != NULL);
  }
  stop ();
  return 0;
}

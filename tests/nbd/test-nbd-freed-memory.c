/* SPDX-License-Identifier: BSD-3-Clause */
/* What was freed on one disk is not to be read from another one.
 *
 * Secrets fill one disk in each way that a block can be stored, and go again;
 * so the memory, the stacks and the buffers of the server are full of them.
 * Then another disk is read, all of it and in odd parts: blocks that nobody
 * wrote, blocks that were written in part, the last one that is not whole, what
 * a larger disk has beyond the former end, blocks that come back from a file
 * and those that cannot.  Each byte is what was written there, or zero; and no
 * secret is in the other disk's file.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control.h"
#include "pattern.h"
#include "server.h"

#define NR_ROUNDS 3u
#define SECRET_BYTES (8 * MiB)
#define OTHER_BYTES (2 * MiB + 3 * 4096)        /* no whole blocks of 64 KiB */
#define GROWN_BYTES (4 * MiB)
#define BACKING_BYTES (16 * MiB)

#define SECRET "THIS IS THE SECRET"

static char directory[] = "/tmp/zram-test-freed-XXXXXX";
static char conf[64], control[64], backing[64], secret_backing[64];

static void
remove_files (void)
{
  unlink (conf);
  unlink (control);
  unlink (backing);
  unlink (secret_backing);
  rmdir (directory);
}

struct other {
  const char *name;
  uint64_t bytes;
  uint8_t expected[GROWN_BYTES];
};

static struct other others[] = {
  { .name = "small-blocks", .bytes = OTHER_BYTES },
  { .name = "large-blocks", .bytes = OTHER_BYTES },
  { .name = "reserved", .bytes = OTHER_BYTES },
};
#define NR_OTHERS (sizeof others / sizeof *others)

struct test {
  struct server *server;
  uint64_t state;
};

static void
write_conf (void)
{
  FILE *file = fopen (conf, "w");

  require (file);
  fprintf (file, "[server]\ncontrol = %s\n", control);
  fprintf (file, "[secret]\ndisksize = %llu\n",
           (unsigned long long) SECRET_BYTES);
  fprintf (file, "[secret-large]\ndisksize = %llu\ncomp_algorithm = lz4\n"
           "block_size = 64K\nreserve = 1M\n",
           (unsigned long long) SECRET_BYTES);
  fprintf (file, "[small-blocks]\ndisksize = %llu\n",
           (unsigned long long) OTHER_BYTES);
  fprintf (file, "[large-blocks]\ndisksize = %llu\ncomp_algorithm = lz4\n"
           "block_size = 64K\n", (unsigned long long) OTHER_BYTES);
  fprintf (file, "[reserved]\ndisksize = %llu\nreserve = 1M\n",
           (unsigned long long) OTHER_BYTES);
  require (fclose (file) == 0);
}

/* All by one connection, so that the server has one thread for it. */
static void
store (const char *const lines[])
{
  const int fd = control_connect (control);

  for (; *lines; lines++)
    require (control_ok (fd, *lines));
  close (fd);
}

#define LINES(...) ((const char *const[]) { __VA_ARGS__, NULL })

/* Secrets. */

/* By turns text, noise and one word; it names itself in all of them. */
static void
fill_with_secrets (uint8_t *data, size_t bytes, uint64_t *state)
{
  const uint64_t word = 0x5445524345532121;     /* "!!SECRET" */

  for (size_t i = 0; i < bytes; i += 64 * KiB)
    switch (i / (64 * KiB) % 3) {
    case 0:
      for (size_t j = 0; j < 64 * KiB; j += 64)
        snprintf ((char *) data + i + j, 64, SECRET " number %zu", j);
      break;
    case 1:
      pattern_noise (data + i, 64 * KiB, state);
      for (size_t j = 0; j < 64 * KiB; j += KiB)
        memcpy (data + i + j, SECRET, sizeof SECRET);
      break;
    default:
      for (size_t j = 0; j < 64 * KiB; j += sizeof word)
        memcpy (data + i + j, &word, sizeof word);
    }
}

/* Many connections, so that many threads have it on their stacks. */
static void
secrets_come (struct test *test, const char *name)
{
  static uint8_t data[SECRET_BYTES];
  char part[5000];

  fill_with_secrets (data, sizeof data, &test->state);
  for (uint64_t offset = 0; offset < SECRET_BYTES; offset += MiB) {
    struct nbd_handle *nbd = server_connect (test->server, name);

    require (nbd_pwrite (nbd, data + offset, MiB, offset, 0) == 0);
    require (nbd_pwrite (nbd, SECRET, sizeof SECRET, offset + 100, 0) == 0);
    require (nbd_pread (nbd, part, sizeof part, offset + 1000, 0) == 0);
    require (memmem (part, sizeof part, "SECRET", 6));
    nbd_close (nbd);
  }
}

static void
secrets_go (struct test *test, const char *name, unsigned round)
{
  struct nbd_handle *nbd = server_connect (test->server, name);

  require (nbd_trim (nbd, SECRET_BYTES / 2, 0, 0) == 0);
  require (nbd_zero (nbd, SECRET_BYTES / 2 - 77, SECRET_BYTES / 2,
                     round % 2 ? LIBNBD_CMD_FLAG_NO_HOLE : 0) == 0);
  require (nbd_zero (nbd, 77, SECRET_BYTES - 77, 0) == 0);
  nbd_close (nbd);
}

static void
secrets_come_and_go (struct test *test, unsigned round)
{
  secrets_come (test, "secret");
  secrets_come (test, "secret-large");
  store (LINES ("store secret recompress priority=1"));
  secrets_go (test, "secret", round);
  secrets_go (test, "secret-large", round);
}

/* The other disks. */

static void
reads_as_expected (struct nbd_handle *nbd, const struct other *other,
                   uint64_t bytes, uint64_t offset)
{
  static uint8_t data[GROWN_BYTES];

  memset (data, 0xee, bytes);
  require (nbd_pread (nbd, data, bytes, offset, 0) == 0);
  if (memmem (data, bytes, "SECRET", 6))
    fprintf (stderr, "a secret in %" PRIu64 " bytes at %" PRIu64 " of %s\n",
             bytes, offset, other->name);
  require (memcmp (data, other->expected + offset, bytes) == 0);
}

/* Part of the request is behind the end.  libnbd clears what it reads into, so
 * what is not zero came from the server. */
static void
end_is_an_end (struct nbd_handle *nbd, const struct other *other)
{
  uint8_t data[8192];

  require (nbd_pread (nbd, data, sizeof data, other->bytes - 4096, 0) == -1);
  require (nbd_get_errno () == EINVAL);
  require (pattern_is_zero (data, sizeof data));
}

static void
all_is_as_expected (struct test *test, const struct other *other)
{
  struct nbd_handle *nbd = server_connect (test->server, other->name);

  reads_as_expected (nbd, other, other->bytes, 0);
  for (unsigned i = 0; i < 300; i++) {
    const uint64_t offset = pattern_below (&test->state, other->bytes);
    const uint64_t most = other->bytes - offset;

    reads_as_expected (nbd, other, 1 + pattern_below (&test->state, most < 9000
                                                      ? most : 9000), offset);
  }
  end_is_an_end (nbd, other);
  nbd_close (nbd);
}

/* Short writes, each of them in part of a block or across an end of one. */
static void
write_some_parts (struct test *test, struct other *other)
{
  struct nbd_handle *nbd = server_connect (test->server, other->name);

  for (unsigned i = 0; i < 100; i++) {
    const uint64_t offset = pattern_below (&test->state, other->bytes - 200);
    const uint64_t bytes = 1 + pattern_below (&test->state, 200);
    uint8_t *data = other->expected + offset;

    if (i % 4 == 0) {
      memset (data, 0, bytes);
      require (nbd_zero (nbd, bytes, offset, 0) == 0);
    }
    else {
      pattern_noise (data, bytes, &test->state);
      require (nbd_pwrite (nbd, data, bytes, offset, 0) == 0);
    }
  }
  nbd_close (nbd);
}

/* Blocks of noise, which are kept as they are, and go to the file first. */
static void
write_noise (struct test *test, struct other *other)
{
  struct nbd_handle *nbd = server_connect (test->server, other->name);

  pattern_noise (other->expected + MiB, MiB / 2, &test->state);
  require (nbd_pwrite (nbd, other->expected + MiB, MiB / 2, MiB, 0) == 0);
  nbd_close (nbd);
}

static void
grow (struct other *other)
{
  char line[80];

  other->bytes = GROWN_BYTES;
  snprintf (line, sizeof line, "store %s disksize %llu", other->name,
            (unsigned long long) GROWN_BYTES);
  store (LINES (line));
}

/* The file. */

#ifdef HAVE_XXHASH
static void
attach_files (void)
{
  char secret_line[100], line[100];

  snprintf (secret_line, sizeof secret_line, "store secret backing_dev %s",
            secret_backing);
  snprintf (line, sizeof line, "store small-blocks backing_dev %s", backing);
  store (LINES ("store secret backing_size 16M", secret_line,
                "store small-blocks backing_size 16M", line));
}

static bool
file_has (const char *path, const char *text)
{
  const int fd = open (path, O_RDONLY | O_CLOEXEC);
  struct stat st;
  void *data;
  bool found;

  require (fd != -1 && fstat (fd, &st) == 0 && st.st_size > 0);
  data = mmap (NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
  require (data != MAP_FAILED);
  found = memmem (data, st.st_size, text, strlen (text)) != NULL;
  munmap (data, st.st_size);
  close (fd);
  return found;
}

static void
file_holds_no_secret (void)
{
  const int fd = control_connect (control);

  require (strtoul (control_ok (fd, "show small-blocks bd_stat"), NULL, 10));
  close (fd);
  require (file_has (secret_backing, "SECRET"));
  require (!file_has (backing, "SECRET"));
}

/* All but the first page. */
static void
damage_file (void)
{
  const int fd = open (backing, O_WRONLY | O_CLOEXEC);
  static uint8_t data[BACKING_BYTES - 4096];

  require (fd != -1);
  memset (data, 0x55, sizeof data);
  require (pwrite (fd, data, sizeof data, 4096) == (ssize_t) sizeof data);
  require (fdatasync (fd) == 0);
  close (fd);
}

/* An error, and nothing with it. */
static void
damaged_block_is_an_error (struct test *test, const struct other *other)
{
  struct nbd_handle *nbd = server_connect (test->server, other->name);
  uint8_t data[12288];

  require (nbd_pread (nbd, data, sizeof data, MiB, 0) == -1);
  require (nbd_get_errno () == EIO);
  require (nbd_pread (nbd, data, 100, MiB + 50, 0) == -1);
  require (pattern_is_zero (data, sizeof data));
  nbd_close (nbd);
}

/* Secrets go to their file just before, in pieces of all sizes, so that the
 * buffer is full of them. */
static void
write_back (struct test *test, struct other *other)
{
  secrets_come (test, "secret");
  write_noise (test, other);
  store (LINES ("store secret idle all", "store secret writeback idle",
                "store small-blocks writeback huge"));
  secrets_go (test, "secret", 0);
}

static void
files_leak_nothing (struct test *test)
{
  struct other *other = &others[0];

  CHECK ("blocks go to a file, which holds no secret, and come back");
  attach_files ();
  for (unsigned round = 0; round < NR_ROUNDS; round++) {
    write_back (test, other);
    file_holds_no_secret ();
    all_is_as_expected (test, other);
  }
  CHECK ("a damaged block is an error with nothing in it");
  write_back (test, other);
  damage_file ();
  damaged_block_is_an_error (test, other);
}
#else
static void
files_leak_nothing (struct test *test)
{
  CHECK ("there are no backing files in this build");
}
#endif

static void
nothing_leaks (struct test *test, unsigned round)
{
  for (unsigned i = 0; i < NR_OTHERS; i++) {
    secrets_come_and_go (test, round);
    all_is_as_expected (test, &others[i]);
    write_some_parts (test, &others[i]);
    secrets_come_and_go (test, round);
    all_is_as_expected (test, &others[i]);
  }
}

int
main (void)
{
  struct test test = { .state = pattern_seed () };
  char key[80];

  require (mkdtemp (directory));
  snprintf (conf, sizeof conf, "%s/conf", directory);
  snprintf (control, sizeof control, "%s/control", directory);
  snprintf (backing, sizeof backing, "%s/backing", directory);
  snprintf (secret_backing, sizeof secret_backing, "%s/secret", directory);
  require (atexit (remove_files) == 0);
  write_conf ();
  snprintf (key, sizeof key, "config=%s", conf);
  test.server = server_start (SERVER_ARGS (key));
  store (LINES ("store secret recomp_algorithm algo=zstd priority=1"));
  for (unsigned round = 0; round < NR_ROUNDS; round++) {
    CHECK ("round %u", round + 1);
    nothing_leaks (&test, round);
    if (round == 1)
      for (unsigned i = 0; i < NR_OTHERS; i++)
        grow (&others[i]);
  }
  files_leak_nothing (&test);
  server_stop (test.server);
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Each section of a file is a disk of its own, and names are strict. */
#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pattern.h"
#include "server.h"

#define LONGEST "a234567890123456789012345678901234567890123456789"
#define ODD "odd: näme = 100% (#1)"

static const char file_text[] =
  "# two disks that differ in everything\n"
  "[first]\n"
  "disksize = 16M\n"
  "[second]\n"
  "size = 32M   ; the other name of disksize\n"
  "comp_algorithm = lz4\n"
  "block_size = 64K\n"
  "[" LONGEST "]\n"
  "disksize = 4K\n"
  "[" ODD "]\n"
  "disksize = 8K\n"
  "[server]\n"
  "threads = 4\n";

static char config_path[] = "/tmp/zram-test-config-XXXXXX";
static char config_key[sizeof config_path + 8];

static void
remove_file (void)
{
  unlink (config_path);
}

static void
write_file (void)
{
  const int fd = mkstemp (config_path);

  require (fd != -1);
  require (atexit (remove_file) == 0);
  require (write (fd, file_text, sizeof file_text - 1) ==
           sizeof file_text - 1);
  require (close (fd) == 0);
  snprintf (config_key, sizeof config_key, "config=%s", config_path);
}

static void
export_has_size (const struct server *server, const char *name,
                 uint64_t size_bytes)
{
  struct nbd_handle *nbd = server_connect (server, name);

  CHECK ("export '%s'", name);
  require (nbd_get_size (nbd) == (int64_t) size_bytes);
  nbd_close (nbd);
}

static void
each_section_is_an_export (const struct server *server)
{
  export_has_size (server, "first", 16 * MiB);
  export_has_size (server, "second", 32 * MiB);
  export_has_size (server, LONGEST, 4 * KiB);
  export_has_size (server, ODD, 8 * KiB);
}

static void
the_empty_name_is_the_first_section (const struct server *server)
{
  struct nbd_handle *nbd = server_connect (server, "");
  char *name = nbd_get_canonical_export_name (nbd);

  CHECK ("the default export");
  require (nbd_get_size (nbd) == 16 * (int64_t) MiB);
  require (name && strcmp (name, "first") == 0);
  free (name);
  nbd_close (nbd);
}

static void
export_is_refused (const struct server *server, const char *name)
{
  struct nbd_handle *nbd = server_handle (name);

  CHECK ("no export '%.60s'", name);
  require (nbd_connect_unix (nbd, server->socket) == -1);
  nbd_close (nbd);
}

static void
bad_names_are_refused (const struct server *server)
{
  char longest[4097] = "";      /* what NBD allows */

  memset (longest, 'x', sizeof longest - 1);
  export_is_refused (server, "third");
  export_is_refused (server, "First");
  export_is_refused (server, "first ");
  export_is_refused (server, "firs");
  export_is_refused (server, LONGEST "0");
  export_is_refused (server, "server");
  export_is_refused (server, "../first");
  export_is_refused (server, "%s%n%s%n");
  export_is_refused (server, "zwei\nZeilen");
  export_is_refused (server, longest);
  require (server_log_has (server, "there is no export 'third'"));
  server_require_alive (server);
}

static const char *const all_names[] = {
  "first", "second", LONGEST, ODD, NULL
};

struct listing {
  const char *const *expected;
  unsigned nr_seen;
};

static int
see_export (void *opaque, const char *name, const char *description)
{
  struct listing *listing = opaque;

  printf ("  %s\n", name);
  require (listing->expected[listing->nr_seen]);
  require (strcmp (name, listing->expected[listing->nr_seen++]) == 0);
  return 0;
}

static void
the_list_is (const struct server *server, const char *const expected[])
{
  struct listing listing = { .expected = expected };
  struct nbd_handle *nbd = server_handle ("");

  CHECK ("the list of exports:");
  require (nbd_set_opt_mode (nbd, true) == 0);
  require (nbd_connect_unix (nbd, server->socket) == 0);
  require (nbd_opt_list (nbd, (nbd_list_callback) {
             .callback = see_export, .user_data = &listing }) >= 0);
  require (!expected[listing.nr_seen]);
  require (nbd_opt_abort (nbd) == 0);
  nbd_close (nbd);
}

static void
write_and_keep (struct nbd_handle *nbd, const char *text)
{
  require (nbd_pwrite (nbd, text, strlen (text), 4000, 0) == 0);
}

static void
reads_back (const struct server *server, const char *name, const char *text)
{
  struct nbd_handle *nbd = server_connect (server, name);
  char data[200];

  require (strlen (text) <= sizeof data);
  require (nbd_pread (nbd, data, strlen (text), 4000, 0) == 0);
  require (memcmp (data, text, strlen (text)) == 0);
  nbd_close (nbd);
}

static void
reads_zeroes (const struct server *server, const char *name)
{
  struct nbd_handle *nbd = server_connect (server, name);
  char data[8192];

  require (nbd_pread (nbd, data, sizeof data, 0, 0) == 0);
  require (pattern_is_zero (data, sizeof data));
  nbd_close (nbd);
}

static void
sections_are_separate_disks (const struct server *server)
{
  struct nbd_handle *first = server_connect (server, "first");
  struct nbd_handle *second = server_connect (server, "second");

  CHECK ("what is written to one section is not on the other");
  write_and_keep (first, "here is the first disk");
  reads_zeroes (server, "second");
  write_and_keep (second, "this is the other one");
  reads_back (server, "first", "here is the first disk");
  reads_back (server, "second", "this is the other one");
  require (nbd_trim (second, 32 * MiB, 0, 0) == 0);
  reads_back (server, "first", "here is the first disk");
  reads_back (server, "", "here is the first disk");
  nbd_close (first);
  nbd_close (second);
}

static void
sections_have_their_own_algorithms (const struct server *server)
{
  struct nbd_handle *nbd = server_connect (server, "second");
  char *description = nbd_get_export_description (nbd);

  CHECK ("second: %s", description);
  require (description && strstr (description, "lz4"));
  require (nbd_get_block_size (nbd, LIBNBD_SIZE_PREFERRED) == 65536);
  free (description);
  nbd_close (nbd);
}

static void
a_file_serves_all_its_sections (void)
{
  struct server *server = server_start (SERVER_ARGS (config_key));

  each_section_is_an_export (server);
  the_empty_name_is_the_first_section (server);
  the_list_is (server, all_names);
  bad_names_are_refused (server);
  sections_are_separate_disks (server);
  sections_have_their_own_algorithms (server);
  server_stop (server);
}

static void
export_limits_the_file_to_one_section (void)
{
  static const char *const expected[] = { "second", NULL };
  struct server *server =
    server_start (SERVER_ARGS (config_key, "export=second"));

  CHECK ("with export=second:");
  export_has_size (server, "second", 32 * MiB);
  export_has_size (server, "", 32 * MiB);
  export_is_refused (server, "first");
  the_list_is (server, expected);
  server_stop (server);
}

static void
the_command_line_wins_over_the_file (void)
{
  struct server *server = server_start (
    SERVER_ARGS (config_key, "disksize=1M", "comp_algorithm=lz4"));

  CHECK ("with disksize=1M on the command line:");
  export_has_size (server, "first", 1 * MiB);
  export_has_size (server, "second", 1 * MiB);
  server_stop (server);
}

static void
a_disk_from_the_command_line_answers_to_any_name (void)
{
  static const char *const expected[] = { "", NULL };
  struct server *server = server_start (SERVER_ARGS ("2M"));

  CHECK ("without a file:");
  export_has_size (server, "", 2 * MiB);
  export_has_size (server, "anything", 2 * MiB);
  the_list_is (server, expected);
  server_stop (server);
}

int
main (void)
{
  write_file ();
  a_file_serves_all_its_sections ();
  export_limits_the_file_to_one_section ();
  the_command_line_wins_over_the_file ();
  a_disk_from_the_command_line_answers_to_any_name ();
  return 0;
}

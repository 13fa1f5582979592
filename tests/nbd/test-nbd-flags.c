/* SPDX-License-Identifier: BSD-3-Clause */
/* What a client is told in the handshake. */
#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server.h"

static void
size_is_rounded_up_to_4k (void)
{
  struct server *server = server_start (SERVER_ARGS ("size=1000000"));
  struct nbd_handle *nbd = server_connect (server, "");

  CHECK ("a disk of 1000000 bytes has 245 times 4096");
  require (nbd_get_size (nbd) == 245 * 4096);
  nbd_close (nbd);
  server_stop (server);
}

static void
everything_can_be_done (struct nbd_handle *nbd)
{
  CHECK ("flags: everything can be done, by many connections at once");
  require (nbd_is_read_only (nbd) == 0);
  require (nbd_can_multi_conn (nbd) == 1);
  require (nbd_can_flush (nbd) == 1);
  require (nbd_can_fua (nbd) == 1);
  require (nbd_can_trim (nbd) == 1);
  require (nbd_can_zero (nbd) == 1);
  require (nbd_can_fast_zero (nbd) == 1);
  require (nbd_can_cache (nbd) == 1);
  require (nbd_can_df (nbd) == 1);
  require (nbd_is_rotational (nbd) == 0);
}

static void
extents_are_offered (struct nbd_handle *nbd)
{
  CHECK ("structured replies and base:allocation are offered");
  require (nbd_get_structured_replies_negotiated (nbd) == 1);
  require (nbd_can_meta_context (nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) == 1);
}

static void
block_size_is_a_hint (struct nbd_handle *nbd, int64_t preferred)
{
  CHECK ("any request is served, %lld bytes are preferred",
         (long long) preferred);
  require (nbd_get_block_size (nbd, LIBNBD_SIZE_MINIMUM) == 1);
  require (nbd_get_block_size (nbd, LIBNBD_SIZE_PREFERRED) == preferred);
  require (nbd_get_block_size (nbd, LIBNBD_SIZE_MAXIMUM) == UINT32_MAX);
}

static void
description_is (struct nbd_handle *nbd, const char *expected)
{
  char *description = nbd_get_export_description (nbd);

  CHECK ("description: %s", description);
  require (description && strcmp (description, expected) == 0);
  free (description);
}

static void
a_disk_from_the_command_line_says_what_it_is (void)
{
  struct server *server = server_start (SERVER_ARGS ("64M"));
  struct nbd_handle *nbd = server_connect (server, "");

  require (nbd_get_size (nbd) == 64 * (int64_t) MiB);
  everything_can_be_done (nbd);
  extents_are_offered (nbd);
  block_size_is_a_hint (nbd, 4096);
  description_is (nbd, "compressed RAM disk, zstd, blocks of 4096 bytes");
  nbd_close (nbd);
  server_stop (server);
}

static void
other_keys_show_in_the_handshake (void)
{
  struct server *server = server_start (
    SERVER_ARGS ("64M", "block_size=65536", "comp_algorithm=lz4"));
  struct nbd_handle *nbd = server_connect (server, "");

  everything_can_be_done (nbd);
  block_size_is_a_hint (nbd, 65536);
  description_is (nbd, "compressed RAM disk, lz4, blocks of 65536 bytes");
  nbd_close (nbd);
  server_stop (server);
}

static void
flush_and_fua_succeed_at_once (void)
{
  struct server *server = server_start (SERVER_ARGS ("16M"));
  struct nbd_handle *nbd = server_connect (server, "");

  CHECK ("flush and FUA");
  require (nbd_pwrite (nbd, "x", 1, 4095, LIBNBD_CMD_FLAG_FUA) == 0);
  require (nbd_trim (nbd, 4096, 8192, LIBNBD_CMD_FLAG_FUA) == 0);
  require (nbd_zero (nbd, 5000, 8192, LIBNBD_CMD_FLAG_FUA) == 0);
  require (nbd_flush (nbd, 0) == 0);
  nbd_close (nbd);
  server_stop (server);
}

static void
a_read_only_server_refuses_writes (void)
{
  static const char *const options[] = { "-r", NULL };
  struct server *server = server_start_with (options, SERVER_ARGS ("16M"));
  struct nbd_handle *nbd = server_connect (server, "");
  char byte = 1;

  CHECK ("with -r writes are refused, reads are not");
  require (nbd_is_read_only (nbd) == 1);
  require (nbd_pwrite (nbd, "x", 1, 0, 0) == -1);
  require (nbd_pread (nbd, &byte, 1, 0, 0) == 0 && byte == 0);
  nbd_close (nbd);
  server_stop (server);
}

int
main (void)
{
  size_is_rounded_up_to_4k ();
  a_disk_from_the_command_line_says_what_it_is ();
  other_keys_show_in_the_handshake ();
  flush_and_fua_succeed_at_once ();
  a_read_only_server_refuses_writes ();
  return 0;
}

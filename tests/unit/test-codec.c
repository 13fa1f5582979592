/* SPDX-License-Identifier: BSD-3-Clause */
/* Codecs: every algorithm gives back what it was given, at both ends of its
 * levels, with and without a dictionary, for every block size; and whatever an
 * object is, nothing outside of it and of the block is touched.
 *
 * Objects and blocks end where memory ends, so a byte too far is a fault even
 * in libraries that no sanitizer looks into.
 */
#include <config.h>

#include <errno.h>
#include <sys/mman.h>

#include "check.h"
#include "codec.h"
#include "model.h"
#include "pages.h"
#include "sizeclass.h"

#define GUARD 0x5a
#define GUARD_BYTES 64u
#define DICT_BYTES 8192u
#define DAMAGED_BYTES (1u << 20)       /* blocks to damage, for each codec */

static uint8_t dict[DICT_BYTES], block[BLOCK_BYTES_MAX];
static uint8_t *object_end, *block_end;         /* behind them is no memory */

/* The end of as much memory as a block and its guard need. */
static uint8_t *
make_end (void)
{
  const size_t bytes = BLOCK_BYTES_MAX + PAGE_BYTES;
  uint8_t *start = mmap (NULL, bytes + PAGE_BYTES, PROT_READ|PROT_WRITE,
                         MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);

  check (start != MAP_FAILED);
  check (mprotect (start + bytes, PAGE_BYTES, PROT_NONE) == 0);
  return start + bytes;
}

static struct codec *
new_codec (const struct codec_ops *ops, uint32_t block_bytes, int level,
           bool with_dict)
{
  const struct codec_params params = {
    .level = level, .dict = with_dict ? dict : NULL,
    .dict_bytes = with_dict ? sizeof dict : 0,
  };
  struct codec *codec = codec_new (ops, block_bytes, &params);

  check_nothing_reported ();
  check (codec != NULL);
  return codec;
}

/* Compress block; the object ends at object_end.  Returns its size. */
static int
compress (struct codec *codec, size_t capacity_bytes)
{
  struct stream *stream = stream_get (&codec->streams);
  const int size = codec_compress (codec, stream, block, capacity_bytes);

  check (size >= 0 && (size_t) size <= capacity_bytes);
  memcpy (object_end - size, stream->object, size);
  stream_put (stream);
  return size;
}

/* Decompress what ends at object_end into what ends at block_end. */
static int
decompress (struct codec *codec, size_t object_bytes)
{
  uint8_t *guard = block_end - codec->block_bytes - GUARD_BYTES;
  int r;

  memset (guard, GUARD, codec->block_bytes + GUARD_BYTES);
  errno = 0;
  r = codec_decompress (codec, object_end - object_bytes, object_bytes,
                        block_end - codec->block_bytes);
  for (unsigned i = 0; i < GUARD_BYTES; i++)
    check (guard[i] == GUARD);
  check (r == 0 || (r == -1 && errno == EIO));
  return r;
}

static unsigned nr_round_trips;

static void
check_round_trip (struct codec *codec)
{
  const int size = compress (codec, codec->block_bytes);

  if (size == 0)                /* too long */
    return;
  nr_round_trips++;
  check (decompress (codec, size) == 0);
  check (memcmp (block_end - codec->block_bytes, block,
                 codec->block_bytes) == 0);
}

/* Every kind of data twice or so at the usual level, and text that dict helps
 * with. */
static void
check_round_trips (struct codec *codec)
{
  struct random random = random_seeded (test_seed ());
  const bool is_usual = codec->level == codec->ops->level_default;

  nr_round_trips = 0;
  for (unsigned i = 0; i < (is_usual ? 18 : 5); i++) {
    model_fill (&random, block, codec->block_bytes);
    check_round_trip (codec);
  }
  for (unsigned i = 0; i < codec->block_bytes; i++)
    block[i] = dict[i % 1000 + i / 512];
  check_round_trip (codec);
  check (!is_usual || nr_round_trips > 9);      /* the fastest make none */
}

static void
for_each_codec (void (*visit) (struct codec *codec), bool all_levels,
                bool with_dict)
{
  for (unsigned i = 0; codec_algorithms[i]; i++) {
    const struct codec_ops *ops = codec_algorithms[i];
    const bool has_levels = all_levels && ops->level_min != ops->level_max;
    const int levels[] = {
      CODEC_LEVEL_DEFAULT, ops->level_min, ops->level_max,
    };

    if (with_dict && !ops->takes_dict)
      continue;
    for (uint32_t bytes = BLOCK_BYTES_MIN; bytes <= BLOCK_BYTES_MAX; bytes *= 2)
      for (unsigned l = 0; l < (has_levels ? 3 : 1); l++) {
        struct codec *codec = new_codec (ops, bytes, levels[l], with_dict);

        visit (codec);
        codec_delete (codec);
      }
  }
}

static void
every_algorithm_gives_back_what_it_was_given (void)
{
  for_each_codec (check_round_trips, true, false);
}

static void
so_it_does_with_a_dictionary (void)
{
  for_each_codec (check_round_trips, true, true);
}

static void
check_capacities (struct codec *codec)
{
  struct random random = random_seeded (test_seed ());
  int size;

  random_fill (&random, block, codec->block_bytes);
  check (compress (codec, codec->block_bytes - codec->block_bytes / 64) == 0);
  memset (block, 'x', codec->block_bytes / 2);
  size = compress (codec, codec->block_bytes - codec->block_bytes / 64);
  check (size > 0);
  for (int less = 1; less < size; less *= 2)
    check (compress (codec, size - less) == 0);
}

static void
an_object_that_is_longer_than_allowed_is_not_made (void)
{
  for_each_codec (check_capacities, false, false);
  for_each_codec (check_capacities, false, true);
}

static void
check_truncated (struct codec *codec)
{
  struct random random = random_seeded (test_seed ());
  int size;

  random_fill (&random, block, codec->block_bytes);
  memset (block, 'x', codec->block_bytes / 4 * 3);
  size = compress (codec, codec->block_bytes);
  check (size > 100);
  /* The object's begin, moved up so that it ends where memory does. */
  for (int less = 1; less < size; less += 1 + less / 4) {
    compress (codec, codec->block_bytes);
    memmove (object_end - (size - less), object_end - size, size - less);
    check (decompress (codec, size - less) == -1);
  }
}

static void
a_truncated_object_is_an_error (void)
{
  for_each_codec (check_truncated, false, false);
  for_each_codec (check_truncated, false, true);
}

/* Flipped bits, and objects that never were any: an error or some bytes, never
 * a byte outside (decompress checks that). */
static void
check_damaged (struct codec *codec)
{
  struct random random = random_seeded (test_seed ());
  unsigned nr_errors = 0;

  for (unsigned i = 0; i < DAMAGED_BYTES / codec->block_bytes; i++) {
    int size;

    do
      model_fill (&random, block, codec->block_bytes);
    while ((size = compress (codec, codec->block_bytes)) == 0);
    if (i % 4 == 0)
      random_fill (&random, object_end - size, size);
    else
      for (unsigned n = 0; n < i % 4; n++)
        object_end[-1 - (int) random_below (&random, size)] ^=
          1u << random_below (&random, 8);
    nr_errors += decompress (codec, size) == -1;
  }
  check (nr_errors > 0);
}

static void
a_damaged_object_writes_nothing_outside_the_block (void)
{
  for_each_codec (check_damaged, false, false);
  for_each_codec (check_damaged, false, true);
}

static void
an_object_of_another_block_size_is_an_error (void)
{
  for (unsigned i = 0; codec_algorithms[i]; i++) {
    struct codec *small = codec_new (codec_algorithms[i], 4096, NULL);
    struct codec *large = codec_new (codec_algorithms[i], 8192, NULL);
    int size;

    check (small && large);
    memcpy (block, dict, 8192);
    memset (block, 'x', 2048);
    size = compress (small, 4096);
    check (size > 0 && decompress (small, size) == 0);
    check (decompress (large, size) == -1);
    size = compress (large, 8192);
    check (size > 0 && decompress (large, size) == 0);
    check (decompress (small, size) == -1);
    codec_delete (small);
    codec_delete (large);
  }
}

static void
check_dict_helps (struct codec *codec)
{
  struct codec *plain = codec_new (codec->ops, codec->block_bytes, NULL);
  int size, plain_size;

  check (plain != NULL);
  for (unsigned i = 0; i < codec->block_bytes; i++)
    block[i] = dict[(i + 1234) % sizeof dict];
  size = compress (codec, codec->block_bytes);
  plain_size = compress (plain, codec->block_bytes);
  check (size > 0 && (plain_size == 0 || size < plain_size));
  check (codec_held_bytes (codec) > codec_held_bytes (plain) + DICT_BYTES / 2);
  codec_delete (plain);
}

static void
a_dictionary_makes_objects_shorter_and_is_accounted_for (void)
{
  for_each_codec (check_dict_helps, false, true);
}

static void
check_denser (const struct codec_ops *ops, int worse_level, int better_level,
              bool with_dict)
{
  struct codec *worse = new_codec (ops, 65536, worse_level, with_dict);
  struct codec *better = new_codec (ops, 65536, better_level, with_dict);
  struct random random = random_seeded (test_seed ());
  int size;

  memcpy (block, dict, sizeof dict);
  for (unsigned at = sizeof dict; at < 65536; at += 16)
    memcpy (block + at, dict + random_below (&random, 4096), 16);
  size = compress (better, 65536);
  check (size > 0 && size < compress (worse, 65536));
  codec_delete (worse);
  codec_delete (better);
}

static void
a_higher_level_is_denser (void)
{
  static const struct { const char *name; int worse, better; } levels[] = {
    { "zstd", -20, 19 }, { "lz4", 20, 1 }, { "lz4hc", 1, 12 },
    { "deflate", 1, 12 },
  };
  const char *why;

  for (unsigned i = 0; i < sizeof levels / sizeof *levels; i++) {
    const struct codec_ops *ops = codec_find (levels[i].name, &why);

    if (!ops)                   /* not compiled in */
      continue;
    check_denser (ops, levels[i].worse, levels[i].better, false);
    if (ops->takes_dict)
      check_denser (ops, levels[i].worse, levels[i].better, true);
  }
}

static void
algorithms_are_found_by_the_names_users_write (void)
{
  const char *why = "";

  for (unsigned i = 0; codec_algorithms[i]; i++) {
    check (codec_find (codec_algorithms[i]->name, &why) ==
           codec_algorithms[i]);
    check (why == NULL);
  }
  check_str_equal (codec_algorithms[0]->name, "zstd");
#ifdef HAVE_LZO
  check (codec_find ("lzo-rle", &why) == codec_find ("lzo", &why));
  check (codec_find ("lzo", &why) != NULL);
#else
  check (!codec_find ("lzo-rle", &why));
  check_str_equal (why, "not compiled in");
#endif
#ifndef HAVE_LIBDEFLATE
  check (!codec_find ("deflate", &why));
  check_str_equal (why, "not compiled in");
#endif
}

static void
other_names_get_a_reason (void)
{
  const char *why = NULL;

  check (!codec_find ("842", &why));
  check_str_equal (why, "842 is not supported, "
                   "it needs special hardware to be fast");
  check (!codec_find ("zstd ", &why));
  check_str_equal (why, "no such algorithm");
  check (!codec_find ("", &why));
  check_str_equal (why, "no such algorithm");
}

static void
check_params (const struct codec_ops *ops, int level, bool with_dict,
              const char *expected)
{
  const struct codec_params params = {
    .level = level, .dict = with_dict ? dict : NULL, .dict_bytes = sizeof dict,
  };
  const char *wrong = codec_check_params (ops, &params);

  check_str_equal (wrong ? wrong : "", expected);
  if (!wrong)
    return;
  errno = 0;
  check (codec_new (ops, 4096, &params) == NULL);
  check (errno == EINVAL);
  check_reported (expected);
}

static void
parameters_that_do_not_suit_get_a_message (void)
{
  static const char range[] = "the level is out of this algorithm's range";
  static const char none[] = "this algorithm takes no level";

  for (unsigned i = 0; codec_algorithms[i]; i++) {
    const struct codec_ops *ops = codec_algorithms[i];
    const bool levels = ops->level_min != ops->level_max;

    check_params (ops, CODEC_LEVEL_DEFAULT, false, "");
    check_params (ops, CODEC_LEVEL_DEFAULT, true, ops->takes_dict ? "" :
                  "this algorithm takes no dictionary");
    check_params (ops, ops->level_min, false, levels ? "" : none);
    check_params (ops, ops->level_max, false, levels ? "" : none);
    check_params (ops, ops->level_min - 1, false, levels ? range : none);
    check_params (ops, ops->level_max + 1, false, levels ? range : none);
  }
}

/* It has the number that trained dictionaries begin with, and no more. */
static void
a_broken_trained_dictionary_gets_a_message (void)
{
  static const uint8_t broken[1000] = { 0x37, 0xa4, 0x30, 0xec };
  const struct codec_params params = {
    .level = CODEC_LEVEL_DEFAULT, .dict = broken, .dict_bytes = sizeof broken,
  };

  check (codec_new (codec_algorithms[0], 4096, &params) == NULL);
  check_reported ("zstd: cannot use this dictionary");
}

static void
what_is_held_grows_with_the_block_size (void)
{
  for (unsigned i = 0; codec_algorithms[i]; i++) {
    struct codec *small = codec_new (codec_algorithms[i], 4096, NULL);
    struct codec *large = codec_new (codec_algorithms[i], 65536, NULL);

    check (codec_held_bytes (small) >= 4096);
    check (codec_held_bytes (large) >= codec_held_bytes (small) + 61440);
    codec_delete (small);
    codec_delete (large);
  }
}

int
main (void)
{
  struct random random = random_seeded (test_seed ());

  capture_reports ();
  object_end = make_end ();
  block_end = make_end ();
  for (unsigned i = 0; i < sizeof dict; i++)
    dict[i] = "etaoin shrdlu\n_0123"[random_below (&random, 19)];
  test (every_algorithm_gives_back_what_it_was_given);
  test (so_it_does_with_a_dictionary);
  test (an_object_that_is_longer_than_allowed_is_not_made);
  test (a_truncated_object_is_an_error);
  test (a_damaged_object_writes_nothing_outside_the_block);
  test (an_object_of_another_block_size_is_an_error);
  test (a_dictionary_makes_objects_shorter_and_is_accounted_for);
  test (a_higher_level_is_denser);
  test (algorithms_are_found_by_the_names_users_write);
  test (other_names_get_a_reason);
  test (parameters_that_do_not_suit_get_a_message);
  test (a_broken_trained_dictionary_gets_a_message);
  test (what_is_held_grows_with_the_block_size);
  return 0;
}

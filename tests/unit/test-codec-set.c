/* SPDX-License-Identifier: BSD-3-Clause */
/* The codecs of a device: a number stays readable as long as objects name it,
 * and what reads the same takes no new one.
 */
#include <config.h>

#include "check.h"
#include "codec_set.h"

#define BLOCK_BYTES 4096u

static struct codec_set set;
static const char dict[] = "a dictionary of few words, but it is one";

static struct codec *
make (const char *name, int level, bool with_dict)
{
  const struct codec_params params = {
    .level = level, .dict = with_dict ? dict : NULL,
    .dict_bytes = with_dict ? sizeof dict : 0,
  };
  const char *why;
  struct codec *codec =
    codec_new (codec_find (name, &why), BLOCK_BYTES, &params);

  check (codec != NULL);
  return codec;
}

/* Put a codec in as the device does, and say which number it got. */
static unsigned
use (unsigned priority, struct codec *codec)
{
  const unsigned id = codec_set_number_for (&set, priority, codec);
  struct codec *old;

  check (id < NR_CODECS);
  old = codec_set_put (&set, priority, id, codec);
  if (old)
    codec_delete (old);
  check (codec_set_at (&set, priority) == codec);
  check (codec_set_priority (&set, id) == priority);
  return id;
}

static unsigned
use_plain (unsigned priority, const char *name, int level)
{
  return use (priority, make (name, level, false));
}

static void
an_empty_set_has_no_codec_and_holds_nothing (void)
{
  codec_set_init (&set);
  for (unsigned priority = 0; priority < NR_PRIORITIES; priority++)
    check (codec_set_at (&set, priority) == NULL);
  for (unsigned id = 0; id < NR_CODECS; id++)
    check (codec_set_priority (&set, id) == NR_PRIORITIES);
  check (codec_set_held_bytes (&set) == 0);
  codec_set_destroy (&set);
}

static void
the_same_algorithm_keeps_its_number (void)
{
  unsigned id;

  codec_set_init (&set);
  id = use_plain (0, "zstd", 1);
  check (use_plain (0, "zstd", 19) == id);
  check (use_plain (0, "zstd", -5) == id);
  check (set.codecs[id]->level == -5);
  codec_set_destroy (&set);
}

static void
another_algorithm_gets_a_new_number_and_the_old_one_stays (void)
{
  unsigned id, other;

  codec_set_init (&set);
  id = use_plain (0, "zstd", 1);
  other = use_plain (0, "lz4", 1);
  check (other != id);
  check_str_equal (set.codecs[id]->ops->name, "zstd");
  check (codec_set_priority (&set, id) == NR_PRIORITIES);
  check (use_plain (0, "lz4hc", 9) != other);   /* reads it, but by chance */
  codec_set_destroy (&set);
}

static void
a_dictionary_gets_a_new_number_each_time (void)
{
  unsigned plain, first, second;

  codec_set_init (&set);
  plain = use_plain (0, "zstd", 1);
  first = use (0, make ("zstd", 1, true));
  second = use (0, make ("zstd", 1, true));
  check (first != plain && second != plain && first != second);
  check (use_plain (0, "zstd", 1) != second);
  codec_set_destroy (&set);
}

static void
each_priority_has_a_number_of_its_own (void)
{
  unsigned seen = 0;

  codec_set_init (&set);
  for (unsigned priority = 0; priority < NR_PRIORITIES; priority++)
    seen |= 1u << use_plain (priority, "lz4", 1 + priority);
  check (__builtin_popcount (seen) == NR_PRIORITIES);
  for (unsigned priority = 0; priority < NR_PRIORITIES; priority++)
    check (codec_set_at (&set, priority)->level == (int) (1 + priority));
  codec_set_destroy (&set);
}

/* Until an old codec is dropped, since no object names it any more. */
static void
a_full_set_takes_only_what_reads_the_same (void)
{
  struct codec *codec;
  unsigned id = 0;

  codec_set_init (&set);
  for (unsigned i = 0; i < NR_CODECS; i++)
    id = use_plain (0, i % 2 ? "lz4" : "lz4hc", 1);
  codec = make ("zstd", 1, false);
  check (codec_set_number_for (&set, 0, codec) == CODEC_NONE);
  check (codec_set_number_for (&set, 1, codec) == CODEC_NONE);
  check (use_plain (0, "lz4", 7) == id);
  codec_delete (set.codecs[3]);
  set.codecs[3] = NULL;
  check (use (0, codec) == 3);
  codec_set_destroy (&set);
}

static void
the_set_holds_what_its_codecs_hold (void)
{
  size_t first, second;

  codec_set_init (&set);
  use_plain (0, "zstd", 1);
  first = codec_set_held_bytes (&set);
  check (first == codec_held_bytes (codec_set_at (&set, 0)));
  use_plain (0, "lz4", 1);      /* the old one still counts */
  second = codec_set_held_bytes (&set);
  check (second == first + codec_held_bytes (codec_set_at (&set, 0)));
  codec_set_destroy (&set);
}

/* What reads_the_same of codec_set.c relies on. */
static void
each_level_reads_what_another_level_wrote (void)
{
  static uint8_t block[BLOCK_BYTES], object[BLOCK_BYTES], copy[BLOCK_BYTES];

  for (unsigned i = 0; i < BLOCK_BYTES; i++)
    block[i] = i / 32;
  for (unsigned i = 0; codec_algorithms[i]; i++) {
    const struct codec_ops *ops = codec_algorithms[i];
    const struct codec_params dense = {
      .level = ops->level_min == ops->level_max ? CODEC_LEVEL_DEFAULT :
        ops->level_max,
    };
    struct codec *writer = codec_new (ops, BLOCK_BYTES, NULL);
    struct codec *reader = codec_new (ops, BLOCK_BYTES, &dense);
    struct stream *stream = stream_get (&writer->streams);
    const int size = codec_compress (writer, stream, block, BLOCK_BYTES);

    check (size > 0);
    memcpy (object, stream->object, size);
    stream_put (stream);
    check (codec_decompress (reader, object, size, copy) == 0);
    check (memcmp (block, copy, BLOCK_BYTES) == 0);
    codec_delete (writer);
    codec_delete (reader);
  }
}

int
main (void)
{
  test (an_empty_set_has_no_codec_and_holds_nothing);
  test (the_same_algorithm_keeps_its_number);
  test (another_algorithm_gets_a_new_number_and_the_old_one_stays);
  test (a_dictionary_gets_a_new_number_each_time);
  test (each_priority_has_a_number_of_its_own);
  test (a_full_set_takes_only_what_reads_the_same);
  test (the_set_holds_what_its_codecs_hold);
  test (each_level_reads_what_another_level_wrote);
  return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Recompression: a block gets the other algorithm's object if that takes less
 * memory, and nothing else about it changes.
 */
#include <config.h>

#include "blocks.h"
#include "idle.h"
#include "model.h"
#include "recompress.h"

static struct device *device;
static struct postproc_result result;

static const struct codec_ops *
find (const char *name)
{
  const char *why;

  return codec_find (name, &why);
}

/* zstd's default would leave nibbles as they are. */
static void
set_codec (unsigned priority, const char *name)
{
  const struct codec_params params = {
    .level = strcmp (name, "zstd") == 0 ? 12 : CODEC_LEVEL_DEFAULT,
  };

  check (live_set_codec (device, priority, find (name), &params) == 0);
}

/* lz4, and zstd to recompress with. */
static void
start (uint64_t nr_blocks)
{
  const struct device_params params = {
    .name = "model", .size_bytes = nr_blocks * 4096, .block_bytes = 4096,
    .algorithm = find ("lz4"),
  };

  device = device_create (&params);
  check (device != NULL);
  set_codec (1, "zstd");
}

static void
stop (void)
{
  check_and_destroy (device);
  check_nothing_reported ();
}

/* Half of each byte is noise, so zstd needs half the length, and lz4 finds
 * nothing to do; behind so many bytes come zeroes. */
static void
make_nibbles (uint8_t *data, uint64_t number, uint32_t bytes)
{
  struct random random = random_seeded (number);

  memset (data, 0, 4096);
  for (uint32_t i = 0; i < bytes; i++)
    data[i] = 'a' + random_below (&random, 16);
}

static void
put_nibbles (uint64_t block, uint32_t bytes)
{
  uint8_t data[4096];

  make_nibbles (data, block, bytes);
  check (device_write (device, data, 4096, block * 4096) == 0);
}

static void
check_nibbles (uint64_t block, uint32_t bytes)
{
  uint8_t data[4096], copy[4096];

  make_nibbles (data, block, bytes);
  check (device_read (device, copy, 4096, block * 4096) == 0);
  check (memcmp (copy, data, 4096) == 0);
}

static void
recompress (unsigned priority)
{
  const struct recompress_params params = { .priority = priority };

  check (recompress_device (device, &params, &result) == 0);
}

/* Which priority's codec wrote the object. */
static unsigned
priority_of (uint64_t block)
{
  const slot_t slot = block_slot (device, block);

  check (slot_kind (slot) == SLOT_PACKED);
  return codec_set_priority (&device->codecs, slot_codec (slot));
}

static unsigned
class_of (uint32_t size_bytes)
{
  return sizeclass_index (&device->arena.geometry, size_bytes);
}

static bool
is_incompressible (uint64_t block)
{
  return slot_has_flag (block_slot (device, block), SLOT_INCOMPRESSIBLE);
}

/* What is done. */

static void
packed_and_huge_blocks_get_smaller (void)
{
  int64_t before;

  start (20);
  for (uint64_t block = 0; block < 20; block++)
    put_nibbles (block, block < 10 ? 3000 : 4096);
  check (device_stat (device, STAT_HUGE_BLOCKS) == 10);
  before = device_stat (device, STAT_OBJECT_BYTES);
  recompress (1);
  check (result.nr_tried == 20 && result.nr_done == 20);
  check (device_stat (device, STAT_HUGE_BLOCKS) == 0);
  check (before - device_stat (device, STAT_OBJECT_BYTES) ==
         result.freed_bytes);
  check (result.freed_bytes > 20 * 1000);
  for (uint64_t block = 0; block < 20; block++) {
    check (priority_of (block) == 1);
    check_nibbles (block, block < 10 ? 3000 : 4096);
  }
  recompress (1);
  check (result.nr_tried == 0 && result.freed_bytes == 0);
  stop ();
}

/* How long an object would be with the algorithm of priority 1; the block's
 * length if it is huge. */
static uint32_t
expected_bytes (const uint8_t *data)
{
  struct codec *codec = codec_set_at (&device->codecs, 1);
  struct stream *stream = stream_get (&codec->streams);
  const int size = codec_compress (codec, stream, data,
                                   device->packed_bytes_max);

  stream_put (stream);
  return size > 0 ? (uint32_t) size : device->block_bytes;
}

struct tried {
  uint8_t data[4096];
  slot_t slot;
};

static void
check_tried (uint64_t block, const struct tried *tried, uint32_t threshold)
{
  const slot_t slot = block_slot (device, block);
  const uint32_t size = expected_bytes (tried->data);
  uint8_t copy[4096];

  if (slot_owns_object (tried->slot) && slot_kind (slot) != SLOT_WIDE) {
    const uint32_t before = slot_size_bytes (tried->slot);

    if (before >= threshold && (threshold == 0 || size < threshold) &&
        class_of (size) < class_of (before))
      check (priority_of (block) == 1 && slot_size_bytes (slot) == size);
    else
      check (slot_without_flag (slot, SLOT_INCOMPRESSIBLE) == tried->slot);
  }
  else
    check (slot == tried->slot);
  check (device_read (device, copy, 4096, block * 4096) == 0);
  check (memcmp (copy, tried->data, 4096) == 0);
}

/* All that memory has, and what lies near a border: a few bytes less are no
 * success if they lie in the same class. */
static void
try_random_blocks (uint32_t threshold)
{
  struct random random = random_seeded (test_seed () + threshold);
  const struct recompress_params params = {
    .priority = 1, .filter.threshold_bytes = threshold,
  };
  struct tried *tried = malloc (400 * sizeof *tried);

  start (400);
  for (uint64_t block = 0; block < 400; block++) {
    if (block % 2)
      model_fill (&random, tried[block].data, 4096);
    else
      make_nibbles (tried[block].data, block, random_below (&random, 300));
    check (device_write (device, tried[block].data, 4096, block * 4096) == 0);
    tried[block].slot = block_slot (device, block);
  }
  check (recompress_device (device, &params, &result) == 0);
  check (result.nr_done > 20 && result.nr_done < result.nr_tried);
  for (uint64_t block = 0; block < 400; block++)
    check_tried (block, &tried[block], threshold);
  free (tried);
  stop ();
}

static void
only_a_smaller_class_is_a_success (void)
{
  try_random_blocks (0);
}

static void
only_an_object_below_the_threshold_is_a_success (void)
{
  try_random_blocks (100);
}

/* Which blocks. */

static void
blocks_below_the_threshold_are_not_tried (void)
{
  const struct recompress_params params = {
    .priority = 1, .filter.threshold_bytes = 2500,
  };

  start (20);
  for (uint64_t block = 0; block < 20; block++)
    put_nibbles (block, block < 10 ? 1000 : 3000);
  check (recompress_device (device, &params, &result) == 0);
  check (result.nr_tried == 10 && result.nr_done == 10);
  check (priority_of (9) == 0 && priority_of (10) == 1);
  stop ();
}

static void
no_more_than_max_blocks_are_tried (void)
{
  struct recompress_params params = { .priority = 1, .max_blocks = 7 };

  start (40);
  for (uint64_t block = 0; block < 20; block++)
    put_nibbles (block, 3000);
  for (uint64_t block = 20; block < 40; block++)
    block_put (device, block, block, 4096);
  for (unsigned i = 0; i < 5; i++) {
    check (recompress_device (device, &params, &result) == 0);
    check (result.nr_tried == 7);
  }
  check (recompress_device (device, &params, &result) == 0);
  check (result.nr_tried == 5);
  for (uint64_t block = 0; block < 40; block++)
    check (!slot_has_flag (block_slot (device, block), SLOT_CHOSEN));
  stop ();
}

/* The bits of a block's number say which types it has. */
static void
only_blocks_of_the_types_are_tried (void)
{
  for (unsigned types = 0; types < 4; types++) {
    const struct recompress_params params = {
      .priority = 1, .filter.types = types,
    };

    start (4);
    for (unsigned block = 0; block < 4; block++)
      put_nibbles (block, block & POSTPROC_HUGE ? 4096 : 3000);
    idle_mark_all (device);
    block_set_age (device, 0, 0);
    block_set_age (device, 1, 0);
    check (recompress_device (device, &params, &result) == 0);
    for (unsigned block = 0; block < 4; block++)
      check ((slot_kind (block_slot (device, block)) == SLOT_PACKED &&
              priority_of (block) == 1) == ((block & types) == types));
    stop ();
  }
}

static void
backed_blocks_stay_where_they_are (void)
{
  start (2);
  attach_backing (device, "test-recompress.file", 1 << 20, false);
  put_nibbles (0, 3000);
  put_nibbles (1, 4096);
  check (write_back (device) == 0);
  recompress (1);
  check (result.nr_tried == 0);
  check_nibbles (0, 3000);
  check_nibbles (1, 4096);
  stop ();
  check (unlink ("test-recompress.file") == 0);
}

static void
a_lower_priority_does_not_touch_what_a_higher_one_did (void)
{
  start (4);
  set_codec (2, "zstd");
  put_nibbles (0, 3000);
  recompress (2);
  check (priority_of (0) == 2);
  recompress (1);
  check (result.nr_tried == 0 && priority_of (0) == 2);
  stop ();
}

/* Incompressible. */

static void
what_the_highest_priority_cannot_shorten_is_incompressible (void)
{
  start (2);
  block_put (device, 0, 1, 4096);
  put_nibbles (1, 4096);
  recompress (1);
  check (result.nr_tried == 2 && result.nr_done == 1);
  check (is_incompressible (0) && !is_incompressible (1));
  recompress (1);
  check (result.nr_tried == 0);
  check (block_is (device, 0, 1, 4096) && is_incompressible (0));
  stop ();
}

static void
another_priority_leaves_that_open (void)
{
  start (1);
  set_codec (2, "zstd");
  block_put (device, 0, 1, 4096);
  recompress (1);
  check (result.nr_tried == 1 && !is_incompressible (0));
  recompress (2);
  check (result.nr_tried == 1 && is_incompressible (0));
  recompress (1);
  check (result.nr_tried == 0);
  stop ();
}

static void
a_write_makes_it_possible_again (void)
{
  start (1);
  block_put (device, 0, 1, 4096);
  recompress (1);
  check (is_incompressible (0));
  block_put (device, 0, 2, 4096);
  check (!is_incompressible (0));
  recompress (1);
  check (result.nr_tried == 1);
  check (is_incompressible (0));
  check (device_write (device, "x", 1, 5) == 0);
  check (!is_incompressible (0));
  stop ();
}

static void
without_memory_nothing_is_incompressible (void)
{
  start (200);
  for (uint64_t block = 0; block < 200; block++)
    put_nibbles (block, 4096);
  live_set_mem_limit (device, 1);
  recompress (1);
  check (result.nr_tried == 200 && result.nr_done == 0);
  for (uint64_t block = 0; block < 200; block++)
    check (slot_kind (block_slot (device, block)) == SLOT_HUGE &&
           slot_flags (block_slot (device, block)) == 0);
  live_set_mem_limit (device, 0);
  recompress (1);
  check (result.nr_done == 200);
  stop ();
}

/* Priority 0. */

/* Even if they get longer. */
static void
priority_0_brings_objects_of_old_algorithms_over (void)
{
  start (30);
  set_codec (0, "zstd");
  for (uint64_t block = 0; block < 20; block++)
    put_nibbles (block, block < 10 ? 3000 : 4096);
  set_codec (0, "lz4");
  for (uint64_t block = 20; block < 30; block++)
    put_nibbles (block, 3000);
  check (priority_of (0) == NR_PRIORITIES && priority_of (20) == 0);
  recompress (0);
  check (result.nr_tried == 20 && result.nr_done == 20);
  check (result.freed_bytes < 0);
  for (uint64_t block = 0; block < 30; block++)
    check_nibbles (block, block < 10 || block >= 20 ? 3000 : 4096);
  check (priority_of (0) == 0);
  check (slot_kind (block_slot (device, 10)) == SLOT_HUGE);
  recompress (0);
  check (result.nr_tried == 0);
  stop ();
}

static void
priority_0_leaves_secondary_objects_alone (void)
{
  start (1);
  put_nibbles (0, 3000);
  recompress (1);
  recompress (0);
  check (result.nr_tried == 0 && priority_of (0) == 1);
  stop ();
}

static unsigned
nr_codecs (void)
{
  unsigned nr = 0;

  for (unsigned id = 0; id < NR_CODECS; id++)
    nr += device->codecs.codecs[id] != NULL;
  return nr;
}

static void
an_old_codec_goes_with_its_last_object (void)
{
  start (10);
  for (uint64_t block = 0; block < 10; block++)
    put_nibbles (block, 3000);
  set_codec (0, "lz4hc");
  check (nr_codecs () == 3);
  recompress (0);
  check (result.nr_done == 10);
  set_codec (2, "zstd");         /* a change looks for them */
  check (nr_codecs () == 3);
  stop ();
}

/* What is refused. */

static void
refuse (const struct recompress_params *params, const char *why)
{
  errno = 0;
  check (recompress_device (device, params, &result) == -1);
  check (errno == EINVAL);
  check (result.nr_tried == 0);
  check_reported (why);
}

static void
wrong_parameters_are_refused (void)
{
  const uint32_t most = 4096 - 4096 / 64;

  start (1);
  put_nibbles (0, 3000);
  refuse (&(struct recompress_params) { .priority = 2 }, "no algorithm");
  refuse (&(struct recompress_params) { .priority = 4 }, "no algorithm");
  refuse (&(struct recompress_params) {
      .priority = 1, .filter.threshold_bytes = most + 1 }, "threshold");
  check (recompress_device (device, &(struct recompress_params) {
      .priority = 1, .filter.threshold_bytes = most }, &result) == 0);
  stop ();
}

/* What stays. */

static void
ages_stay_and_idle_marks_go (void)
{
  age_t ages[30];

  start (30);
  for (uint64_t block = 0; block < 30; block++)
    if (block < 20)
      put_nibbles (block, block < 10 ? 3000 : 4096);
    else
      block_put (device, block, block, 4096);
  idle_mark_all (device);
  for (uint64_t block = 0; block < 30; block += 2)
    block_set_age (device, block, 500);
  for (uint64_t block = 0; block < 30; block++)
    ages[block] = block_age (device, block);
  recompress (1);
  check (result.nr_done == 20);
  for (uint64_t block = 0; block < 30; block++)
    check (block_age (device, block) == (ages[block] & ~AGE_IDLE));
  stop ();
}

static void
every_block_size_keeps_its_content (void)
{
  for (uint32_t bytes = BLOCK_BYTES_MIN; bytes <= BLOCK_BYTES_MAX; bytes *= 2) {
    device = model_device (1, bytes, 12 * bytes);
    set_codec (3, "zstd");
    for (uint64_t block = 0; block < 12; block++)
      block_put (device, block, block, bytes >> block % 4);
    recompress (3);
    check (result.nr_tried == 12);
    for (uint64_t block = 0; block < 12; block++)
      check (block_is (device, block, block, bytes >> block % 4));
    stop ();
  }
}

int
main (void)
{
  capture_reports ();
  test (packed_and_huge_blocks_get_smaller);
  test (only_a_smaller_class_is_a_success);
  test (only_an_object_below_the_threshold_is_a_success);
  test (blocks_below_the_threshold_are_not_tried);
  test (no_more_than_max_blocks_are_tried);
  test (only_blocks_of_the_types_are_tried);
  if (has_backing_files ())
    test (backed_blocks_stay_where_they_are);
  test (a_lower_priority_does_not_touch_what_a_higher_one_did);
  test (another_priority_leaves_that_open);
  test (an_old_codec_goes_with_its_last_object);
  test (what_the_highest_priority_cannot_shorten_is_incompressible);
  test (a_write_makes_it_possible_again);
  test (without_memory_nothing_is_incompressible);
  test (priority_0_brings_objects_of_old_algorithms_over);
  test (priority_0_leaves_secondary_objects_alone);
  test (wrong_parameters_are_refused);
  test (ages_stay_and_idle_marks_go);
  test (every_block_size_keeps_its_content);
  return 0;
}

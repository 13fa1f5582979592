/* SPDX-License-Identifier: BSD-3-Clause */
/* Post-processing: who is chosen, in which order, and that nobody is lost or
 * comes twice.
 */
#include <config.h>

#include <pthread.h>

#include "blocks.h"
#include "model.h"

static struct device *device;
static struct postproc *postproc;

static void
start (uint64_t nr_blocks)
{
  device = model_device (1, 4096, nr_blocks * 4096);
}

static void
stop (void)
{
  check_and_destroy (device);
}

static void
begin (const struct postproc_filter *filter)
{
  pthread_mutex_lock (&device->state_lock);
  postproc = postproc_begin (device, filter, NULL, NULL);
  check (postproc != NULL);
}

static void
begin_with_all (void)
{
  begin (&(struct postproc_filter) { .types = 0 });
}

static void
end (void)
{
  postproc_end (postproc);
  pthread_mutex_unlock (&device->state_lock);
}

static bool
is_chosen (uint64_t block)
{
  return slot_has_flag (block_slot (device, block), SLOT_CHOSEN);
}

static unsigned
count_chosen (void)
{
  unsigned nr = 0;

  for (uint64_t block = 0; block < device->nr_blocks; block++)
    nr += is_chosen (block);
  return nr;
}

static void
an_empty_device_has_none (void)
{
  uint64_t block;

  start (10);
  begin_with_all ();
  check (!postproc_next (postproc, &block));
  check (device->progress.total == 0);
  end ();
  stop ();
}

static void
the_largest_come_first (void)
{
  uint32_t before = BLOCK_BYTES_MAX;
  unsigned nr = 0;
  uint64_t block;

  start (500);
  for (block = 0; block < 500; block++)
    block_put (device, block, block, 64 + block * 11 % 500 * 8);
  begin_with_all ();
  for (; postproc_next (postproc, &block); nr++) {
    const uint32_t size = slot_size_bytes (block_slot (device, block));

    check (is_chosen (block));
    check (size < before + 64); /* they may be sorted no finer than that */
    before = size;
  }
  check (nr == 500);
  end ();
  stop ();
}

/* More than fit into one list. */
static void
each_of_very_many_comes_once (void)
{
  const uint64_t nr_blocks = 300000;
  uint8_t *seen = calloc (nr_blocks, 1);
  uint64_t block, nr = 0;

  start (nr_blocks);
  for (block = 0; block < nr_blocks; block++)
    block_put (device, block, block, 8 + block % 2 * 100);
  begin_with_all ();
  check (device->progress.total == nr_blocks);
  for (; postproc_next (postproc, &block); nr++) {
    check (!seen[block]++ && is_chosen (block));
    check (nr >= nr_blocks / 2 || block % 2 == 1);
    postproc_let_go (device, block);
    check (device->progress.done == nr + 1);
  }
  check (nr == nr_blocks);
  end ();
  check (count_chosen () == 0);
  free (seen);
  stop ();
}

static void
a_block_that_is_used_is_not_chosen_any_more (void)
{
  uint64_t block;
  uint8_t byte;

  start (10);
  for (block = 0; block < 5; block++)
    block_put (device, block, block, 500);
  begin_with_all ();
  check (postproc_next (postproc, &block));
  check (count_chosen () == 5);
  check (device_read (device, &byte, 1, 2 * 4096) == 0);
  check (!is_chosen (2));
  block_put (device, 3, 3, 500);
  check (!is_chosen (3));
  block_trim (device, 4);
  check (!is_chosen (4));
  check (count_chosen () == 2);
  end ();
  stop ();
}

static void
those_without_a_turn_are_let_go (void)
{
  uint64_t block;

  start (10);
  for (block = 0; block < 5; block++)
    block_put (device, block, block, 500);
  begin_with_all ();
  check (postproc_next (postproc, &block));
  check (count_chosen () == 5);
  end ();
  check (count_chosen () == 1 && is_chosen (block));
  postproc_let_go (device, block);
  check (count_chosen () == 0);
  check (device->progress.total == 0);
  stop ();
}

static bool
wants_even_size (const struct device *of, slot_t slot, const void *opaque)
{
  check (of == device && opaque == &device);
  return slot_size_bytes (slot) % 2 == 0;
}

static void
the_callers_condition_holds_too (void)
{
  const struct postproc_filter filter = { .types = 0 };
  unsigned expected = 0, nr = 0;
  uint64_t block;

  start (50);
  for (block = 0; block < 50; block++) {
    block_put (device, block, block, 500 + block);
    expected += slot_size_bytes (block_slot (device, block)) % 2 == 0;
  }
  pthread_mutex_lock (&device->state_lock);
  postproc = postproc_begin (device, &filter, wants_even_size, &device);
  for (; postproc_next (postproc, &block); nr++)
    check (slot_size_bytes (block_slot (device, block)) % 2 == 0);
  check (nr == expected && nr > 0 && nr < 50);
  end ();
  stop ();
}

/* Two threads take them. */

#define NR_SHARED 2000u

static _Atomic uint8_t taken[NR_SHARED];

static void *
taker (void *opaque)
{
  uint64_t block;

  while (postproc_next (postproc, &block)) {
    check (taken[block]++ == 0);
    postproc_let_go (device, block);
  }
  return NULL;
}

static void
two_threads_share_them (void)
{
  pthread_t threads[2];

  start (NR_SHARED);
  for (uint64_t block = 0; block < NR_SHARED; block++)
    block_put (device, block, block, 100);
  begin_with_all ();
  for (unsigned i = 0; i < 2; i++)
    check (pthread_create (&threads[i], NULL, taker, NULL) == 0);
  for (unsigned i = 0; i < 2; i++)
    pthread_join (threads[i], NULL);
  for (unsigned block = 0; block < NR_SHARED; block++)
    check (taken[block] == 1);
  end ();
  stop ();
}

int
main (void)
{
  test (an_empty_device_has_none);
  test (the_largest_come_first);
  test_alone (each_of_very_many_comes_once);
  test (a_block_that_is_used_is_not_chosen_any_more);
  test (those_without_a_turn_are_let_go);
  test (the_callers_condition_holds_too);
  test (two_threads_share_them);
  return 0;
}

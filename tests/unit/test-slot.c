/* SPDX-License-Identifier: BSD-3-Clause */
/* The slot: what is packed into 8 bytes comes out again.  Invariant 3 of
 * table.h rests on slot_owns_object.
 */
#include <config.h>

#include "check.h"
#include "slot.h"

#define RANDOM_WORDS 200000
#define PLACE_END (UINT64_C (1) << SLOT_PLACE_BITS)

static const enum slot_kind kinds_with_place[] = {
  SLOT_WIDE, SLOT_PACKED, SLOT_HUGE, SLOT_BACKED,
};

/* Every kind with a place, every codec number, sizes and places at and beside
 * their bounds. */
static void
for_each_object_slot (void (*visit) (slot_t slot, enum slot_kind kind,
                                     unsigned codec, unsigned size_bytes,
                                     uint64_t place))
{
  static const unsigned sizes[] = {
    1, 2, 8, 255, 256, 257, 4096, 65535, 65536,
  };
  static const uint64_t places[] = { 0, 1, PLACE_END / 2, PLACE_END - 1 };

  for (unsigned k = 0; k < sizeof kinds_with_place / sizeof (int); k++)
    for (unsigned codec = 0; codec < 8; codec++)
      for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (unsigned p = 0; p < sizeof places / sizeof *places; p++)
          visit (slot_of_object (kinds_with_place[k], codec, sizes[s],
                                 places[p]),
                 kinds_with_place[k], codec, sizes[s], places[p]);
}

static void
an_untouched_slot_is_empty_and_owns_nothing (void)
{
  check (slot_kind (0) == SLOT_EMPTY);
  check (!slot_owns_object (0));
  check (!slot_has_flag (0, SLOT_CHOSEN));
  check (!slot_is_compressed (0, 4096));
}

static void
check_parts (slot_t slot, enum slot_kind kind, unsigned codec,
             unsigned size_bytes, uint64_t place)
{
  check (slot_kind (slot) == kind);
  check (slot_codec (slot) == codec);
  check (slot_size_bytes (slot) == size_bytes);
  check (slot_place (slot) == place);
  check (slot_flags (slot) == 0);
  check (slot_owns_object (slot) == (kind != SLOT_BACKED));
}

static void
a_slot_gives_back_what_it_was_made_of (void)
{
  for_each_object_slot (check_parts);
}

static void
check_flags (slot_t slot, enum slot_kind kind, unsigned codec,
             unsigned size_bytes, uint64_t place)
{
  const slot_t chosen = slot_with_flag (slot, SLOT_CHOSEN);
  const slot_t both = slot_with_flag (chosen, SLOT_INCOMPRESSIBLE);

  check (slot_has_flag (chosen, SLOT_CHOSEN));
  check (!slot_has_flag (chosen, SLOT_INCOMPRESSIBLE));
  check (slot_has_flag (both, SLOT_CHOSEN));
  check (slot_has_flag (both, SLOT_INCOMPRESSIBLE));
  check (slot_with_flag (both, SLOT_CHOSEN) == both);
  check (slot_without_flag (both, SLOT_INCOMPRESSIBLE) == chosen);
  check (slot_without_flag (chosen, SLOT_CHOSEN) == slot);
  check_parts (slot_without_flag (slot_without_flag (both, SLOT_CHOSEN),
                                  SLOT_INCOMPRESSIBLE),
               kind, codec, size_bytes, place);
}

static void
flags_combine_and_leave_the_rest_alone (void)
{
  for_each_object_slot (check_flags);
}

static void
check_move (slot_t slot, enum slot_kind kind, unsigned codec,
            unsigned size_bytes, uint64_t place)
{
  const slot_t flagged = slot_with_flag (slot, SLOT_INCOMPRESSIBLE);
  const slot_t moved = slot_at_place (flagged, PLACE_END - 1 - place);

  check (slot_has_flag (moved, SLOT_INCOMPRESSIBLE));
  check_parts (slot_without_flag (moved, SLOT_INCOMPRESSIBLE), kind, codec,
               size_bytes, PLACE_END - 1 - place);
  check (slot_at_place (moved, place) == flagged);
}

static void
a_move_changes_the_place_alone (void)
{
  for_each_object_slot (check_move);
}

static void
only_what_a_codec_wrote_is_compressed (void)
{
  check (slot_is_compressed (slot_of_object (SLOT_PACKED, 1, 100, 7), 4096));
  check (slot_is_compressed (slot_of_object (SLOT_BACKED, 1, 4095, 7), 4096));
  check (!slot_is_compressed (slot_of_object (SLOT_BACKED, 0, 4096, 7), 4096));
  check (!slot_is_compressed (slot_of_object (SLOT_HUGE, 0, 4096, 7), 4096));
  check (!slot_is_compressed (slot_of_object (SLOT_WIDE, 0, 8, 7), 4096));
}

/* Into a slot and out again, or refused; fits says which one is expected. */
static void
check_word (uint64_t word, bool fits)
{
  slot_t slot = 1;

  check (slot_of_word (word, &slot) == fits);
  if (!fits) {
    check (slot == 0);
    return;
  }
  check (slot_kind (slot) == SLOT_SAME);
  check (slot_word (slot) == word);
  check (!slot_owns_object (slot));
  check (!slot_has_flag (slot, SLOT_CHOSEN));
  check (!slot_has_flag (slot, SLOT_INCOMPRESSIBLE));
}

static void
small_numbers_of_either_sign_fit (void)
{
  const uint64_t most = (UINT64_C (1) << 58) - 1;

  for (uint64_t n = 0; n < 1000; n++) {
    check_word (n, true);
    check_word (-n, true);
  }
  check_word (most, true);
  check_word (-most - 1, true);
  check_word (-most - 2, false);
  check_word (most + 2, false);
  check_word (UINT64_C (0xffff888012345678), true);     /* a kernel address */
}

static void
words_of_equal_halves_fit (void)
{
  for (uint64_t byte = 0; byte < 256; byte++)
    check_word (byte * UINT64_C (0x0101010101010101), true);
  check_word (UINT64_C (0xdeadbeefdeadbeef), true);
  check_word (UINT64_C (0x8000000180000001), true);
  check_word (UINT64_C (0xdeadbeefdeadbeed), false);
}

static void
words_with_low_bits_zero_fit (void)
{
  check_word (UINT64_C (0x8000000000000000), true);
  check_word (UINT64_C (0x4059000000000000), true);     /* 100.0 */
  check_word (UINT64_C (0x7fffdeadbeef0020), true);
  check_word (UINT64_C (0x7fffdeadbeef0010), false);
  check_word (UINT64_C (0x7fffdeadbeef0001), false);
}

/* Narrow and shifted ones too, so that every mode has its share. */
static void
random_words_come_back_or_are_refused (void)
{
  struct random random = random_seeded (test_seed ());
  unsigned nr_fit = 0;

  for (unsigned i = 0; i < RANDOM_WORDS; i++) {
    const unsigned shift = random_below (&random, 64);
    uint64_t word = random_next (&random);
    slot_t slot;

    switch (random_below (&random, 4)) {
    case 0: word >>= shift; break;
    case 1: word <<= shift; break;
    case 2: word = (uint32_t) word * UINT64_C (0x100000001); break;
    }
    check_word (word, slot_of_word (word, &slot));
    nr_fit += slot != 0;
  }
  check (nr_fit > RANDOM_WORDS / 2 && nr_fit < RANDOM_WORDS);
}

int
main (void)
{
  test (an_untouched_slot_is_empty_and_owns_nothing);
  test (a_slot_gives_back_what_it_was_made_of);
  test (flags_combine_and_leave_the_rest_alone);
  test (a_move_changes_the_place_alone);
  test (only_what_a_codec_wrote_is_compressed);
  test (small_numbers_of_either_sign_fit);
  test (words_of_equal_halves_fit);
  test (words_with_low_bits_zero_fit);
  test (random_words_come_back_or_are_refused);
  return 0;
}

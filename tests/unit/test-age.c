/* SPDX-License-Identifier: BSD-3-Clause */
/* The age: seconds for hours, minutes for days, and the idle bit, whatever the
 * clock shows and however often it wraps round.
 */
#include <config.h>

#include "age.h"
#include "check.h"

#define DAY_S UINT64_C (86400)
#define COARSE_UNIT_S (1u << AGE_COARSE_SHIFT)

/* Clocks to begin at: new machines, old ones, and right before each wrap. */
static const uint64_t starts[] = {
  0, 1, AGE_TIME, AGE_TIME + 1, (uint64_t) AGE_TIME << AGE_COARSE_SHIFT,
  ((uint64_t) (AGE_TIME + 1) << AGE_COARSE_SHIFT) - 1,
  UINT32_MAX - 5000, 400 * DAY_S,
};
#define NR_STARTS (sizeof starts / sizeof *starts)

static void
for_each_start (void (*visit) (uint64_t start_s))
{
  for (unsigned i = 0; i < NR_STARTS; i++)
    visit (starts[i]);
}

/* Age a stamp with a sweep each hour, and say what became of it. */
static age_t
aged (age_t age, uint64_t start_s, uint64_t seconds)
{
  uint64_t passed = 0;

  while (seconds - passed > AGE_SWEEP_S) {
    passed += AGE_SWEEP_S;
    age = age_swept (age, start_s + passed);
  }
  return age;
}

static void
check_fine (uint64_t start_s)
{
  const age_t age = age_stamp (start_s);

  check (!age_is_idle (age));
  check (!(age & AGE_COARSE));
  for (uint32_t s = 0; s <= AGE_FINE_MAX_S + AGE_SWEEP_S; s++)
    check (age_seconds (age, start_s + s) == s);
}

/* Long enough to meet the next sweep after AGE_FINE_MAX_S. */
static void
a_fine_age_counts_each_second (void)
{
  for_each_start (check_fine);
}

static void
check_not_swept (uint64_t start_s)
{
  const age_t age = age_stamp (start_s);

  for (uint32_t s = 0; s <= AGE_FINE_MAX_S; s++)
    check (age_swept (age, start_s + s) == age);
  check (age_swept (age, start_s + AGE_FINE_MAX_S + 1) & AGE_COARSE);
}

static void
a_sweep_leaves_two_hours_alone_and_makes_more_coarse (void)
{
  for_each_start (check_not_swept);
}

static void
check_days (uint64_t start_s)
{
  const uint64_t step = 1800 + 7;

  for (uint64_t s = step; s < 20 * DAY_S; s += s < DAY_S ? step : 11 * step) {
    const age_t age = aged (age_stamp (start_s), start_s, s);
    const uint32_t seconds = age_seconds (age, start_s + s);
    const uint64_t expected =
      s <= AGE_COARSE_MAX_S ? s : (uint64_t) AGE_COARSE_MAX_S;

    check (seconds + COARSE_UNIT_S > expected);
    if (s <= AGE_COARSE_MAX_S)
      check (seconds < s + COARSE_UNIT_S);
    else                        /* and the hour since the last sweep */
      check (seconds < AGE_COARSE_MAX_S + AGE_SWEEP_S + 2 * COARSE_UNIT_S);
  }
}

static void
a_coarse_age_is_right_to_a_unit_up_to_six_days_and_stays_there (void)
{
  for_each_start (check_days);
}

static void
an_age_never_seems_new_again_while_it_is_swept (void)
{
  uint64_t now_s = 12345;
  age_t age = age_stamp (now_s);
  uint32_t before = 0;

  for (unsigned hour = 0; hour < 24 * 60; hour++) {
    now_s += AGE_SWEEP_S;
    age = age_swept (age, now_s);
    check (age_seconds (age, now_s) >= before ||
           before - age_seconds (age, now_s) <= COARSE_UNIT_S);
    check (age_seconds (age, now_s) + COARSE_UNIT_S > before);
    before = age_seconds (age, now_s);
  }
  check (before + COARSE_UNIT_S > AGE_COARSE_MAX_S);
}

static void
check_idle (uint64_t start_s)
{
  const age_t idle = age_stamp (start_s) | AGE_IDLE;

  check (age_is_idle (idle));
  check (age_seconds (idle, start_s + 77) == 77);
  for (uint64_t s = 0; s < 10 * DAY_S; s += DAY_S / 3) {
    const age_t age = aged (age_stamp (start_s), start_s, s);
    const age_t marked = aged (idle, start_s, s);

    check (age_is_idle (marked) && !age_is_idle (age));
    check (marked == (age | AGE_IDLE));
  }
}

static void
the_idle_bit_survives_sweeps_and_does_not_touch_the_time (void)
{
  for_each_start (check_idle);
}

static void
the_clock_goes_forward (void)
{
  const uint64_t before = age_now_s ();

  check (age_now_s () >= before);
  check (age_seconds (age_stamp (before), age_now_s ()) < AGE_FINE_MAX_S);
}

int
main (void)
{
  test (a_fine_age_counts_each_second);
  test (a_sweep_leaves_two_hours_alone_and_makes_more_coarse);
  test (a_coarse_age_is_right_to_a_unit_up_to_six_days_and_stays_there);
  test (an_age_never_seems_new_again_while_it_is_swept);
  test (the_idle_bit_survives_sweeps_and_does_not_touch_the_time);
  test (the_clock_goes_forward);
  return 0;
}

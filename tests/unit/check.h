/* SPDX-License-Identifier: BSD-3-Clause */
/* What every unit test needs: checks that end the test, the reports that were
 * given, random numbers that come again, and how long to go on.
 *
 * A test is a program; main calls test (SENTENCE) for each function that tests
 * one behaviour.  One file of a program captures reports and asks for the seed:
 * what is remembered here is remembered for each file.
 */
#ifndef ZRAM_TEST_CHECK_H
#define ZRAM_TEST_CHECK_H

#undef NDEBUG

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report.h"

/* Checks. */

#define check(expression)                                                     \
  ((expression) ? (void) 0 : check_failed (__FILE__, __LINE__, #expression))

#define check_str_equal(text, expected)                                       \
  check_str_equal_at (__FILE__, __LINE__, #text, text, expected)

/* The message was given since reports were captured or checked last. */
#define check_reported(part)                                                  \
  check_reported_at (__FILE__, __LINE__, part)
#define check_nothing_reported()                                              \
  check_str_equal (captured_reports, "")

#define test(sentence)                                                        \
  (printf ("%s\n", #sentence), fflush (stdout), sentence ())

/* One thread alone races with nobody.  What is long there the thread sanitizer
 * has nothing to find in, and the other builds have it. */
#ifdef __SANITIZE_THREAD__
#define test_alone(sentence) ((void) sentence)
#define steps_alone(steps) ((steps) / 6)
#else
#define test_alone(sentence) test (sentence)
#define steps_alone(steps) (steps)
#endif

_Noreturn static inline void
check_failed (const char *file, int line, const char *expression)
{
  fflush (stdout);
  fprintf (stderr, "%s:%d: check failed: %s\n", file, line, expression);
  exit (1);
}

static inline void
check_str_equal_at (const char *file, int line, const char *what,
                    const char *text, const char *expected)
{
  if (strcmp (text, expected) == 0)
    return;
  fprintf (stderr, "got:      %s\nexpected: %s\n", text, expected);
  check_failed (file, line, what);
}

/* The rest of the tests of this program makes no sense here. */
_Noreturn static inline void
skip_test (const char *why)
{
  printf ("skipped: %s\n", why);
  exit (77);
}

/* Reports: given to stderr unless captured or ignored. */

static char captured_reports[4096];

__attribute__ ((format (printf, 1, 0))) static inline void
capture_report (const char *fmt, va_list ap)
{
  const size_t used = strlen (captured_reports);
  const size_t room = sizeof captured_reports - used;

  vsnprintf (captured_reports + used, room, fmt, ap);
}

__attribute__ ((format (printf, 1, 0))) static inline void
ignore_report (const char *fmt, va_list ap)
{
}

static inline void
capture_reports (void)
{
  captured_reports[0] = '\0';
  report_set_sink (capture_report);
}

static inline void
ignore_reports (void)
{
  report_set_sink (ignore_report);
}

static inline void
check_reported_at (const char *file, int line, const char *part)
{
  if (!strstr (captured_reports, part)) {
    fprintf (stderr, "got:      %s\nexpected: %s\n", captured_reports, part);
    check_failed (file, line, "a report");
  }
  captured_reports[0] = '\0';
}

/* Random numbers: splitmix64.  The same seed gives the same numbers. */

struct random {
  uint64_t state;
};

static inline struct random
random_seeded (uint64_t seed)
{
  return (struct random) { .state = seed };
}

static inline uint64_t
random_next (struct random *random)
{
  uint64_t z = random->state += UINT64_C (0x9e3779b97f4a7c15);

  z = (z ^ z >> 30) * UINT64_C (0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C (0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* 0..end - 1, end is at least 1.  The bias of the remainder is no matter. */
static inline uint64_t
random_below (struct random *random, uint64_t end)
{
  return random_next (random) % end;
}

static inline void
random_fill (struct random *random, void *data, size_t bytes)
{
  for (size_t i = 0; i < bytes; i++)
    ((uint8_t *) data)[i] = random_next (random) >> 32;
}

/* How long, and from where. */

/* TEST_SEED; else 1, so that make check does the same each time; in a soak,
 * with TEST_SECONDS, a new one each time.  Printed once.  Thread-safe. */
static inline uint64_t
test_seed (void)
{
  static _Atomic uint64_t chosen;
  const char *text = getenv ("TEST_SEED");
  uint64_t seed = text ? strtoull (text, NULL, 0) :
    getenv ("TEST_SECONDS") ? (uint64_t) time (NULL) : 1;
  uint64_t none = 0;

  if (seed == 0)
    seed = 1;
  if (!atomic_compare_exchange_strong (&chosen, &none, seed))
    return none;
  printf ("TEST_SEED=%llu\n", (unsigned long long) seed);
  fflush (stdout);
  return seed;
}

static inline double
seconds_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

/* Go on for another round?  For TEST_SECONDS after the first call; without it,
 * one round is enough. */
static inline bool
test_time_left (void)
{
  static double start;
  const char *text = getenv ("TEST_SECONDS");

  if (start == 0)
    start = seconds_now ();
  return text && seconds_now () - start < strtod (text, NULL);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Quantities as users write them: the kernel's grammar, and nothing else. */
#include <config.h>

#include <limits.h>

#include "check.h"
#include "units.h"

static void
sizes_are_decimal_hexadecimal_or_octal_with_a_suffix (void)
{
  static const struct { const char *text; uint64_t bytes; } sizes[] = {
    { "0", 0 }, { "1", 1 }, { "4096", 4096 }, { "007", 7 }, { "010", 8 },
    { "0x10", 16 }, { "0XfF", 255 }, { "1k", 1024 }, { "1K", 1024 },
    { "256K", 262144 }, { "3m", 3 << 20 }, { "2G", UINT64_C (2) << 30 },
    { "2g", UINT64_C (2) << 30 }, { "5T", UINT64_C (5) << 40 },
    { "7P", UINT64_C (7) << 50 }, { "15E", UINT64_C (15) << 60 },
    { "0x10K", 16384 }, { "010K", 8192 }, { "0xE", 14 }, { "0K", 0 },
    { "18446744073709551615", UINT64_MAX },
    { "18014398509481983K", UINT64_MAX - 1023 },
  };

  for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    uint64_t bytes = 99;

    printf ("  '%s'\n", sizes[i].text);
    check (units_parse_size (sizes[i].text, &bytes));
    check (bytes == sizes[i].bytes);
  }
}

static void
what_is_no_size_is_refused (void)
{
  static const char *const texts[] = {
    "", " ", "K", "k1", "-1", "+1", " 1", "1 ", "1 K", "1KB", "1KK", "1Ki",
    "1.5G", "1,5G", "08", "0x", "0xK", "0xg", "1e3", "one", "1B", "1s", "1Y",
    "18446744073709551616", "18014398509481984K", "16E", "99999999999G",
    "0x10000000000000000",
  };

  for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
    uint64_t bytes = 99;

    printf ("  '%s'\n", texts[i]);
    check (!units_parse_size (texts[i], &bytes));
    check (bytes == 0);
  }
}

static void
numbers_are_decimal_with_a_sign (void)
{
  static const struct { const char *text; int value; } numbers[] = {
    { "0", 0 }, { "1", 1 }, { "+1", 1 }, { "-1", -1 }, { "-0", 0 },
    { "010", 10 }, { "22", 22 }, { "-131072", -131072 },
    { "2147483647", INT_MAX }, { "-2147483648", INT_MIN },
  };

  for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    int value = 99;

    printf ("  '%s'\n", numbers[i].text);
    check (units_parse_int (numbers[i].text, &value));
    check (value == numbers[i].value);
  }
}

static void
what_is_no_number_is_refused (void)
{
  static const char *const texts[] = {
    "", " ", "-", "+", "--1", "+-1", " 1", "1 ", "- 1", "0x10", "1.5", "1K",
    "one", "2147483648", "-2147483649", "99999999999999999999",
  };

  for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
    int value = 99;

    printf ("  '%s'\n", texts[i]);
    check (!units_parse_int (texts[i], &value));
    check (value == 0);
  }
}

int
main (void)
{
  test (sizes_are_decimal_hexadecimal_or_octal_with_a_suffix);
  test (what_is_no_size_is_refused);
  test (numbers_are_decimal_with_a_sign);
  test (what_is_no_number_is_refused);
  return 0;
}

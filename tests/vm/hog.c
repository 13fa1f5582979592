/* SPDX-License-Identifier: BSD-3-Clause */
/* A program that needs more memory than the machine has: hog MIB [PASS…].
 *
 * It fills MIB MiB and then goes over them, once for each PASS:
 *   rewrite   every sixteenth page is checked and written anew, in an order that
 *             no read-ahead guesses
 *   ahead     all are checked in order, each MiB asked for before
 *   ordered   all are checked in order
 *   shuffled  all are checked in the order of rewrite
 * Without PASS it is "rewrite ahead".  What a page holds is computed from its
 * number and from how often it was written, so one that comes back as another
 * page, or as it was before, is found as well as one with a wrong bit:
 *
 *   | 7 random words | 25 times the mark | 7 random words | 25 times the mark | …
 *
 * The mark is a random word too, the same all over the page.  lz4 and zstd make
 * that four times smaller.  Linked statically: a guest has no libraries for it.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define WORDS_IN_PAGE (4096 / sizeof (uint64_t))
#define PAGES_IN_MIB 256
#define PERIOD 32
#define RANDOM_OF_PERIOD 7

/* Page numbers are 32 bits of a seed. */
#define MIB_MAX (1 << 20)

/* A prime far larger than what is read ahead: i * STRIDE modulo the number of
 * pages names each of them once.
 */
#define STRIDE UINT64_C (1000000007)
#define REWRITTEN_OF 16

struct hog {
  uint32_t nr_pages;
  uint64_t *words;
  uint8_t *generations;         /* how often each page was written anew */
};

/* splitmix64: every state gives a good number, and its successor another. */
static uint64_t
next_random (uint64_t *state)
{
  uint64_t z = *state += UINT64_C (0x9e3779b97f4a7c15);

  z = (z ^ z >> 30) * UINT64_C (0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C (0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* Write the page, or say whether it holds what was written. */
static bool
visit_page (const struct hog *hog, uint32_t page, bool write)
{
  uint64_t *words = hog->words + (size_t) page * WORDS_IN_PAGE;
  uint64_t state = (uint64_t) page << 32 | hog->generations[page];
  const uint64_t mark = next_random (&state);

  for (size_t i = 0; i < WORDS_IN_PAGE; i++) {
    const uint64_t expected =
      i % PERIOD < RANDOM_OF_PERIOD ? next_random (&state) : mark;

    if (write)
      words[i] = expected;
    else if (words[i] != expected) {
      printf ("hog: page %" PRIu32 ", word %zu: %016" PRIx64
              " instead of %016" PRIx64 "\n", page, i, words[i], expected);
      return false;
    }
  }
  return true;
}

static bool
fill (const struct hog *hog)
{
  for (uint32_t page = 0; page < hog->nr_pages; page++)
    visit_page (hog, page, true);
  return true;
}

static bool
rewrite_some (const struct hog *hog)
{
  for (uint32_t i = 0; i < hog->nr_pages / REWRITTEN_OF; i++) {
    const uint32_t page = i * STRIDE % hog->nr_pages;

    if (!visit_page (hog, page, false))
      return false;
    hog->generations[page]++;
    visit_page (hog, page, true);
  }
  return true;
}

/* One page at a time would take three times as long.  Advice may be ignored. */
static bool
check_ahead (const struct hog *hog)
{
  for (uint32_t page = 0; page < hog->nr_pages; page++) {
    if (page % PAGES_IN_MIB == 0)
      madvise (hog->words + (size_t) page * WORDS_IN_PAGE, 1 << 20,
               MADV_WILLNEED);
    if (!visit_page (hog, page, false))
      return false;
  }
  return true;
}

static bool
check_ordered (const struct hog *hog)
{
  for (uint32_t page = 0; page < hog->nr_pages; page++)
    if (!visit_page (hog, page, false))
      return false;
  return true;
}

static bool
check_shuffled (const struct hog *hog)
{
  for (uint32_t i = 0; i < hog->nr_pages; i++)
    if (!visit_page (hog, i * STRIDE % hog->nr_pages, false))
      return false;
  return true;
}

struct pass {
  const char *name;
  bool (*run) (const struct hog *hog);
};

static const struct pass filling = { "filled", fill };
static const struct pass passes[] = {
  { "rewrite", rewrite_some },
  { "ahead", check_ahead },
  { "ordered", check_ordered },
  { "shuffled", check_shuffled },
};

static const struct pass *
find_pass (const char *name)
{
  for (size_t i = 0; i < sizeof passes / sizeof passes[0]; i++)
    if (strcmp (passes[i].name, name) == 0)
      return &passes[i];
  return NULL;
}

static double
get_seconds (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

/* Seconds are shown for whoever wonders where they went, no more. */
static bool
run_pass (const struct pass *pass, const struct hog *hog)
{
  const double begin = get_seconds ();

  if (!pass->run (hog))
    return false;
  printf ("hog: %s: %.1f s\n", pass->name, get_seconds () - begin);
  return true;
}

static bool
run (const struct hog *hog, const char *const names[])
{
  const double begin = get_seconds ();

  if (!run_pass (&filling, hog))
    return false;
  for (; *names; names++)
    if (!run_pass (find_pass (*names), hog))
      return false;
  printf ("hog: every page is right: %.1f s\n", get_seconds () - begin);
  return true;
}

static bool
parse (struct hog *hog, int argc, const char *const argv[])
{
  const long mib = argc > 1 ? atol (argv[1]) : 0;

  if (mib <= 0 || mib > MIB_MAX)
    return false;
  for (int i = 2; i < argc; i++)
    if (!find_pass (argv[i]))
      return false;
  hog->nr_pages = mib * PAGES_IN_MIB;
  return true;
}

int
main (int argc, char *argv[])
{
  static const char *const usual[] = { "rewrite", "ahead", NULL };
  const char *const *args = (const char *const *) argv;
  struct hog hog;

  if (!parse (&hog, argc, args)) {
    fprintf (stderr, "usage: hog MIB [rewrite|ahead|ordered|shuffled…]\n");
    return 2;
  }
  setvbuf (stdout, NULL, _IOLBF, 0);
  hog.generations = calloc (hog.nr_pages, 1);
  hog.words = mmap (NULL, (size_t) hog.nr_pages * 4096,
                    PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (!hog.generations || hog.words == MAP_FAILED) {
    perror ("hog");
    return 1;
  }
  return run (&hog, argc > 2 ? args + 2 : usual) ? 0 : 1;
}

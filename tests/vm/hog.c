/* SPDX-License-Identifier: BSD-3-Clause */
/* A program that needs more memory than the machine has: hog MIB.
 *
 * It fills MIB MiB, writes every sixteenth page anew in an order that no
 * read-ahead guesses, and then checks all.  What a page holds is computed from
 * its number and from how often it was written, so one that comes back as
 * another page, or as it was before, is found as well as one with a wrong bit:
 *
 *   | random word | mark | mark | mark | random word | mark | …
 *
 * The mark is a random word too, the same all over the page.  lz4 stores 11 of
 * 32 bytes.  Linked statically, since a guest has no libraries for it.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define WORDS_IN_PAGE (4096 / sizeof (uint64_t))
#define PAGES_IN_MIB 256

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
    const uint64_t expected = i % 4 == 0 ? next_random (&state) : mark;

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

static void
fill (const struct hog *hog)
{
  for (uint32_t page = 0; page < hog->nr_pages; page++)
    visit_page (hog, page, true);
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

/* Each MiB is asked for before it is looked at: one page at a time would take
 * three times as long.  Advice may be ignored.
 */
static bool
check_all (const struct hog *hog)
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

/* Seconds are shown for whoever wonders where they went, no more. */
static void
say_done (const char *what)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  printf ("hog: %s (%ld s)\n", what, (long) now.tv_sec);
}

static bool
run (const struct hog *hog)
{
  fill (hog);
  say_done ("filled");
  if (!rewrite_some (hog))
    return false;
  say_done ("some pages written anew");
  if (!check_all (hog))
    return false;
  say_done ("every page is right");
  return true;
}

int
main (int argc, char *argv[])
{
  struct hog hog;
  const long mib = argc == 2 ? atol (argv[1]) : 0;

  if (mib <= 0 || mib > MIB_MAX) {
    fprintf (stderr, "usage: hog MIB\n");
    return 2;
  }
  setvbuf (stdout, NULL, _IOLBF, 0);
  hog.nr_pages = mib * PAGES_IN_MIB;
  hog.generations = calloc (hog.nr_pages, 1);
  hog.words = mmap (NULL, (size_t) mib << 20, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (!hog.generations || hog.words == MAP_FAILED) {
    perror ("hog");
    return 1;
  }
  return run (&hog) ? 0 : 1;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Collects anonymous memory of running processes: real pages for the benches.
 *
 * What a compressed RAM disk holds as swap is anonymous memory: private
 * writable mappings without a file (heap, stack, anonymous).  For each process
 * this reads
 *
 *   /proc/PID/maps      which mappings those are,
 *   /proc/PID/pagemap   which of their pages are present, so that none is
 *                       faulted in by the reading,
 *   /proc/PID/mem       the pages.
 *
 * Nothing is stopped meanwhile: a page may be torn by a write of its process,
 * which is as good for a bench.  A process that ends meanwhile is no error, and
 * its pages so far stay in the corpus.
 */

#include <config.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PAGE_BYTES 4096
#define PAGEMAP_PRESENT (UINT64_C (1) << 63)

/* Pages looked up and read in one go, and what a process gives in its turn.  At
 * 256 KiB the system calls are a small part of the time, and a prefix of a few
 * MiB is a mix already.
 */
#define RUN_PAGES 64

struct range {
  uint64_t start, end;          /* addresses in the process, page aligned */
};

struct process {
  pid_t pid;
  char name[32];
  int mem_fd, pagemap_fd;
  struct range *ranges;
  size_t nr_ranges, range;      /* range: the one being read */
  uint64_t next;                /* address of the next page in it */
  uint64_t nr_runs, taken_pages;
};

struct processes {
  struct process *list;
  size_t nr;
};

static const char *output_name;
static FILE *output;
static uint64_t left_pages = UINT64_MAX / PAGE_BYTES;
static uint64_t every = 1;      /* of so many runs one is taken */
static bool keep_same, interleave;

static void
die (const char *what, const char *name)
{
  fprintf (stderr, "make-corpus: %s: %s: %s\n", name, what, strerror (errno));
  exit (EXIT_FAILURE);
}

static void *
grow (void *array, size_t nr, size_t member_bytes)
{
  /* Powers of two: reallocate only when nr reaches one. */
  if ((nr & (nr - 1)) == 0) {
    array = reallocarray (array, nr ? 2 * nr : 1, member_bytes);
    if (array == NULL)
      die ("out of memory", "list");
  }
  return array;
}

/* --- The mappings of a process --- */

static bool
is_anonymous (const char *mode, unsigned long inode, const char *name)
{
  if (strncmp (mode, "rw", 2) != 0 || mode[3] != 'p' || inode != 0)
    return false;
  return name[0] == '\0' || strncmp (name, "[heap]", 6) == 0 ||
    strncmp (name, "[stack", 6) == 0 || strncmp (name, "[anon", 5) == 0;
}

static void
add_mapping (struct process *p, const char *line)
{
  struct range r;
  char mode[5], name[16] = "";
  unsigned long inode;

  if (sscanf (line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*s %lu %15s",
              &r.start, &r.end, mode, &inode, name) < 4)
    return;
  if (!is_anonymous (mode, inode, name))
    return;
  p->ranges = grow (p->ranges, p->nr_ranges, sizeof r);
  p->ranges[p->nr_ranges++] = r;
}

static bool
read_mappings (struct process *p)
{
  char path[64], *line = NULL;
  size_t line_bytes = 0;
  FILE *fp;

  snprintf (path, sizeof path, "/proc/%d/maps", (int) p->pid);
  fp = fopen (path, "re");
  if (fp == NULL)
    return false;
  while (getline (&line, &line_bytes, fp) >= 0)
    add_mapping (p, line);
  free (line);
  fclose (fp);
  if (p->nr_ranges > 0)
    p->next = p->ranges[0].start;
  return true;
}

/* --- Opening processes --- */

static int
open_proc (pid_t pid, const char *file)
{
  char path[64];

  snprintf (path, sizeof path, "/proc/%d/%s", (int) pid, file);
  return open (path, O_RDONLY | O_CLOEXEC);
}

static void
read_name (struct process *p)
{
  int fd = open_proc (p->pid, "comm");
  ssize_t n = fd >= 0 ? read (fd, p->name, sizeof p->name - 1) : 0;

  p->name[n > 0 ? n : 0] = '\0';
  p->name[strcspn (p->name, "\n")] = '\0';
  if (fd >= 0)
    close (fd);
}

static void
process_close (struct process *p)
{
  if (p->mem_fd >= 0)
    close (p->mem_fd);
  if (p->pagemap_fd >= 0)
    close (p->pagemap_fd);
  free (p->ranges);
}

static bool
process_open (struct process *p, pid_t pid)
{
  *p = (struct process) { .pid = pid };
  read_name (p);
  p->mem_fd = open_proc (pid, "mem");
  p->pagemap_fd = open_proc (pid, "pagemap");
  return p->mem_fd >= 0 && p->pagemap_fd >= 0 && read_mappings (p);
}

/* Returns false, with errno, if the process could not be opened. */
static bool
add_process (struct processes *all, pid_t pid)
{
  struct process p;
  int err;

  if (!process_open (&p, pid)) {
    err = errno;
    process_close (&p);
    errno = err;
    return false;
  }
  all->list = grow (all->list, all->nr, sizeof p);
  all->list[all->nr++] = p;
  return true;
}

static uint64_t
parse_count (const char *option, const char *arg)
{
  char *end;
  long n = strtol (arg, &end, 10);

  if (end == arg || *end != '\0' || n <= 0 || n > INT32_MAX) {
    fprintf (stderr, "make-corpus: %s: not a positive number: '%s'\n",
             option, arg);
    exit (2);
  }
  return n;
}

/* Processes named with --pid: one that is gone is skipped, one that may not be
 * read is an error.
 */
static void
add_named_process (struct processes *all, const char *arg)
{
  if (add_process (all, parse_count ("--pid", arg)))
    return;
  if (errno != ENOENT && errno != ESRCH)
    die ("cannot read this process", arg);
  fprintf (stderr, "make-corpus: %s: no such process, skipped\n", arg);
}

/* Processes by default: whatever may be read, but this one. */
static void
add_every_process (struct processes *all)
{
  DIR *dir = opendir ("/proc");
  struct dirent *d;
  pid_t pid;

  if (dir == NULL)
    die ("cannot list processes", "/proc");
  while ((d = readdir (dir)) != NULL) {
    pid = isdigit ((unsigned char) d->d_name[0]) ? atoi (d->d_name) : 0;
    if (pid > 0 && pid != getpid ())
      add_process (all, pid);
  }
  closedir (dir);
}

/* --- Taking pages --- */

static bool
is_same_filled (const char *page)
{
  return memcmp (page, page + 8, PAGE_BYTES - 8) == 0;
}

static void
take_page (struct process *p, const char *page)
{
  if (left_pages == 0 || (!keep_same && is_same_filled (page)))
    return;
  if (fwrite (page, PAGE_BYTES, 1, output) != 1)
    die ("cannot write", output_name);
  left_pages--;
  p->taken_pages++;
}

/* Reads present pages one by one only if they could not be read together. */
static void
take_pages (struct process *p, uint64_t address, size_t nr_pages)
{
  static char buffer[RUN_PAGES * PAGE_BYTES];
  ssize_t n = pread (p->mem_fd, buffer, nr_pages * PAGE_BYTES, (off_t) address);
  size_t i, whole = n > 0 ? n / PAGE_BYTES : 0;

  for (i = 0; i < whole; ++i)
    take_page (p, buffer + i * PAGE_BYTES);
  if (whole == 0 && nr_pages > 1)
    for (i = 0; i < nr_pages; ++i)
      take_pages (p, address + i * PAGE_BYTES, 1);
}

/* Takes what is present of up to RUN_PAGES pages at p->next, in stretches
 * without a gap.
 */
static void
take_present (struct process *p, size_t nr_pages)
{
  uint64_t entries[RUN_PAGES];
  ssize_t n = pread (p->pagemap_fd, entries, nr_pages * sizeof entries[0],
                     (off_t) (p->next / PAGE_BYTES * sizeof entries[0]));
  size_t i, start, nr = n > 0 ? n / sizeof entries[0] : 0;

  for (i = 0; i < nr; ++i) {
    for (start = i; i < nr && (entries[i] & PAGEMAP_PRESENT); ++i)
      ;
    if (i > start)
      take_pages (p, p->next + start * PAGE_BYTES, i - start);
  }
}

/* Steps over the next run of pages.  False at the end of the process. */
static bool
next_run (struct process *p)
{
  const struct range *r = &p->ranges[p->range];
  uint64_t nr_pages;

  if (p->range == p->nr_ranges)
    return false;
  nr_pages = (r->end - p->next) / PAGE_BYTES;
  if (nr_pages > RUN_PAGES)
    nr_pages = RUN_PAGES;
  if (p->nr_runs++ % every == 0)
    take_present (p, nr_pages);
  p->next += nr_pages * PAGE_BYTES;
  if (p->next >= r->end && ++p->range < p->nr_ranges)
    p->next = p->ranges[p->range].start;
  return true;
}

/* One turn: a run's worth of pages, however many absent ones lie between.
 * False at the end.
 */
static bool
take_turn (struct process *p)
{
  uint64_t before = p->taken_pages;

  while (left_pages > 0 && p->taken_pages - before < RUN_PAGES)
    if (!next_run (p))
      return false;
  return left_pages > 0;
}

static void
collect (struct processes *all)
{
  bool more = true;
  size_t i;

  while (more) {
    more = false;
    for (i = 0; i < all->nr; ++i)
      while (take_turn (&all->list[i])) {
        more = true;
        if (interleave)
          break;
      }
  }
}

/* --- Reporting and options --- */

static void
report (const struct processes *all)
{
  uint64_t total = 0;
  size_t i;

  for (i = 0; i < all->nr; ++i) {
    total += all->list[i].taken_pages;
    if (all->list[i].taken_pages > 0)
      fprintf (stderr, "%8d %-16s %10" PRIu64 " pages\n",
               (int) all->list[i].pid, all->list[i].name,
               all->list[i].taken_pages);
  }
  fprintf (stderr, "%8s %-16s %10" PRIu64 " pages, %.1f MiB\n", "total", "",
           total, total * (double) PAGE_BYTES / (1 << 20));
}

static uint64_t
parse_size (const char *arg)
{
  static const char suffixes[] = "KMGT";
  char *end;
  uint64_t size_bytes = strtoull (arg, &end, 10);
  int letter = toupper ((unsigned char) *end);
  const char *suffix = letter ? strchr (suffixes, letter) : NULL;
  unsigned shift = suffix ? 10 * (suffix - suffixes + 1) : 0;

  if (!isdigit ((unsigned char) arg[0]) || end[suffix != NULL] != '\0' ||
      size_bytes > (uint64_t) INT64_MAX >> shift ||
      size_bytes << shift < PAGE_BYTES) {
    fprintf (stderr,
             "make-corpus: --size: not a size of at least a page: '%s'\n", arg);
    exit (2);
  }
  return size_bytes << shift;
}

static void
usage (FILE *to)
{
  fprintf (to,
           "usage: make-corpus -o FILE [OPTION]...\n"
           "Writes the anonymous memory pages of running processes to FILE.\n"
           "  -o, --output FILE  where the pages go\n"
           "  -s, --size SIZE    stop at SIZE bytes (suffixes K M G T)\n"
           "  -p, --pid PID      this process only; may be repeated\n"
           "                     (default: every one that may be read)\n"
           "  -i, --interleave   a run of %d pages from each process in turn\n"
           "  -e, --every N      one of N runs: a small sample of large heaps\n"
           "  -k, --keep-same    same-filled pages, too (a word repeated)\n"
           "  -h, --help         this text\n", RUN_PAGES);
}

static const struct option options[] = {
  { "output", required_argument, NULL, 'o' },
  { "size", required_argument, NULL, 's' },
  { "pid", required_argument, NULL, 'p' },
  { "interleave", no_argument, NULL, 'i' },
  { "every", required_argument, NULL, 'e' },
  { "keep-same", no_argument, NULL, 'k' },
  { "help", no_argument, NULL, 'h' },
  { NULL, 0, NULL, 0 },
};

static void
parse_option (int c, struct processes *all)
{
  switch (c) {
  case 'o': output_name = optarg; break;
  case 's': left_pages = parse_size (optarg) / PAGE_BYTES; break;
  case 'p': add_named_process (all, optarg); break;
  case 'i': interleave = true; break;
  case 'e': every = parse_count ("--every", optarg); break;
  case 'k': keep_same = true; break;
  case 'h': usage (stdout); exit (EXIT_SUCCESS);
  default: usage (stderr); exit (2);
  }
}

/* Returns whether processes were named. */
static bool
parse_options (int argc, char *argv[], struct processes *all)
{
  bool named = false;
  int c;

  while ((c = getopt_long (argc, argv, "o:s:p:ie:kh", options, NULL)) != -1) {
    parse_option (c, all);
    named |= c == 'p';
  }
  if (optind < argc || output_name == NULL) {
    fprintf (stderr, "make-corpus: %s\n",
             output_name ? "too many arguments" : "-o FILE is missing");
    exit (2);
  }
  return named;
}

/* Two descriptors stay open for each process: allow as many as the system
 * lets us.
 */
static void
raise_file_limit (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit (RLIMIT_NOFILE, &limit);
  }
}

static void
open_output (void)
{
  /* Memory of other processes may hold secrets: for the owner only. */
  int fd = open (output_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

  output = fd >= 0 ? fdopen (fd, "w") : NULL;
  if (output == NULL)
    die ("cannot write", output_name);
}

int
main (int argc, char *argv[])
{
  struct processes all = { NULL, 0 };
  size_t i;

  raise_file_limit ();
  if (!parse_options (argc, argv, &all))
    add_every_process (&all);
  open_output ();
  collect (&all);
  if (fclose (output) != 0)
    die ("cannot write", output_name);
  report (&all);
  for (i = 0; i < all.nr; ++i)
    process_close (&all.list[i]);
  free (all.list);
  return EXIT_SUCCESS;
}

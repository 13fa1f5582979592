/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's statistics files; see stats.h. */
#include <config.h>

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <stdlib.h>

#include "stats.h"

/* Numbers with blanks between them; more may follow, as kernels add columns. */
static bool
parse_numbers (const char *text, uint64_t *const values[], unsigned nr)
{
  char *end;

  for (unsigned i = 0; i < nr; i++, text = end) {
    while (isblank ((unsigned char) *text))
      text++;
    if (!isdigit ((unsigned char) *text))
      return false;
    errno = 0;
    *values[i] = strtoull (text, &end, 10);
    if (errno != 0)
      return false;
  }
  return true;
}

static int
get_numbers (struct client *client, const char *device, const char *attribute,
             uint64_t *const values[], unsigned nr)
{
  char *text = client_show (client, device, attribute);
  bool good;

  if (!text)
    return -1;
  good = parse_numbers (text, values, nr);
  if (!good)
    warnx ("%s: %s: not %u numbers: '%.60s'", device, attribute, nr, text);
  free (text);
  return good ? 0 : -1;
}

#define NR(array) (sizeof array / sizeof *array)

int
stats_get_mm (struct client *client, const char *device, struct mm_stat *stat)
{
  uint64_t *const values[] = {
    &stat->orig_data_bytes, &stat->compr_data_bytes, &stat->mem_used_bytes,
    &stat->mem_limit_bytes, &stat->mem_max_bytes, &stat->nr_same,
    &stat->nr_compacted, &stat->nr_huge, &stat->nr_huge_since,
  };

  return get_numbers (client, device, "mm_stat", values, NR (values));
}

int
stats_get_bd (struct client *client, const char *device, struct bd_stat *stat)
{
  uint64_t *const values[] = { &stat->count, &stat->reads, &stat->writes };

  return get_numbers (client, device, "bd_stat", values, NR (values));
}

int
stats_get_number (struct client *client, const char *device,
                  const char *attribute, uint64_t *value)
{
  uint64_t *const values[] = { value };

  return get_numbers (client, device, attribute, values, NR (values));
}

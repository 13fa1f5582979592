/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs of requests on a device against a plain array of bytes, while the
 * limit changes and commits fail on demand.  program.h says how one looks.
 * Attacks invariants 1 to 7 of table.h; unlike the model test, which knows what
 * is likely, the engine looks for what is not.
 *
 * A request that fails must be a prefix: blocks before the failed one are new,
 * that one and those behind it are old.  What is held exceeds the limit only as
 * far as it did when the limit was set.
 */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "check.h"
#include "compact.h"
#include "device.h"
#include "fuzz.h"
#include "pages.h"
#include "program.h"
#include "recount.h"
#include "sizeclass.h"

/* Two pages of the table with blocks of 4 KiB, and about the same number of
 * bytes with the longest blocks; the last one comes to it. */
#define NR_BLOCKS_4K (SLOTS_IN_PAGE + 3)
#define NR_BLOCKS_LONGER 24
#define DISK_BYTES_MAX (NR_BLOCKS_4K * BLOCK_BYTES_MIN + BLOCK_BYTES_MAX)
/* A block of it from any of 256 places. */
#define NOISE_BYTES (BLOCK_BYTES_MAX + 8 * 255)

struct range { uint64_t offset, bytes; };

static struct device *device;
static uint8_t model[DISK_BYTES_MAX];           /* what the device reads as */
static uint8_t before[DISK_BYTES_MAX];          /* the same before a request */
static uint8_t buffer[DISK_BYTES_MAX];
static uint8_t noise[NOISE_BYTES], few_values[NOISE_BYTES];
static bool failures_expected = true, commits_fail;

/* Requests fail by order, but what the recount says matters. */
__attribute__ ((format (printf, 1, 0))) static void
report_unexpected (const char *fmt, va_list ap)
{
  if (failures_expected)
    return;
  vfprintf (stderr, fmt, ap);
  fputc ('\n', stderr);
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  struct random random = random_seeded (1);

  random_fill (&random, noise, sizeof noise);
  for (size_t i = 0; i < sizeof noise; i++)
    few_values[i] = noise[i] & 3;
  report_set_sink (report_unexpected);
  return 0;
}

/* Arguments. */

static struct range
take_range (struct input *input)
{
  const uint32_t block_bytes = device->block_bytes;
  const enum shape shape = input_u8 (input) % NR_SHAPES;
  const uint64_t block = input_u16 (input) % device->nr_blocks;
  const uint32_t skew = input_u16 (input) % block_bytes;
  const uint32_t length = input_u16 (input);
  struct range range = { block * block_bytes, (length % 8 + 1) * block_bytes };
  uint64_t room;

  if (shape == SHAPE_BYTES && range.offset + skew < device->size_bytes) {
    range.offset += skew;
    range.bytes = length + 1;
  }
  room = device->size_bytes - range.offset;
  if (shape == SHAPE_REST || range.bytes > room)
    range.bytes = room;
  return range;
}

/* Copied and not made each time, or the engine would spend its time here. */
static void
fill_noise (uint8_t *data, size_t bytes, const uint8_t *from, uint8_t number)
{
  memcpy (data, from + 8 * number, bytes);
}

static void
fill_word (uint8_t *data, size_t bytes, uint64_t word)
{
  size_t done = bytes < sizeof word ? bytes : sizeof word;

  memcpy (data, &word, done);
  for (size_t more; done < bytes; done += more) {
    more = done < bytes - done ? done : bytes - done;
    memcpy (data + done, data, more);
  }
}

static void
fill (uint8_t *data, size_t bytes, enum fill kind, uint8_t number)
{
  switch (kind) {
  case FILL_SMALL_WORD: fill_word (data, bytes, number); break;
  case FILL_WIDE_WORD:
    fill_word (data, bytes, number + UINT64_C (0x0123456789abcd01));
    break;
  case FILL_NOISE: fill_noise (data, bytes, noise, number); break;
  case FILL_HALF_NOISE:
    memset (data, number, bytes);
    fill_noise (data, bytes / 2, noise, number);
    break;
  case FILL_FEW_VALUES: fill_noise (data, bytes, few_values, number); break;
  case FILL_ALMOST_ZEROES:
    memset (data, 0, bytes);
    data[number * (bytes - 1) / 255] = number | 1;
    break;
  case FILL_ZEROES:
  default: memset (data, 0, bytes);
  }
}

/* Checks. */

static void
recount (void)
{
  failures_expected = false;
  check (recount_device (device));
  failures_expected = true;
}

static void
check_equal (struct range range)
{
  memset (buffer, 0xee, range.bytes);
  check (device_read (device, buffer, range.bytes, range.offset) == 0);
  check (memcmp (buffer, model + range.offset, range.bytes) == 0);
}

static uint64_t
block_end (uint64_t offset)
{
  return (offset / device->block_bytes + 1) * device->block_bytes;
}

/* Take over what was done of a request that failed; the model is new. */
static void
accept_prefix (struct range range)
{
  const uint64_t end = range.offset + range.bytes;
  uint64_t at = range.offset, next;

  check (errno == ENOSPC || errno == ENOMEM);
  check (device_read (device, buffer, range.bytes, range.offset) == 0);
  for (; at < end; at = next) {
    next = block_end (at) < end ? block_end (at) : end;
    if (memcmp (buffer + at - range.offset, model + at, next - at) != 0)
      break;
  }
  memcpy (model + at, before + at, end - at);
}

/* r is what the device said. */
static void
check_done (struct range range, int r)
{
  if (r == -1)
    accept_prefix (range);
  check_equal (range);
}

/* Operations. */

static void
remember (struct range range)
{
  memcpy (before + range.offset, model + range.offset, range.bytes);
}

static void
do_write (struct input *input)
{
  const struct range range = take_range (input);
  const enum fill kind = input_u8 (input) % NR_FILLS;
  const uint8_t number = input_u8 (input);
  const uint64_t end = range.offset + range.bytes;
  uint64_t at, next;

  remember (range);
  for (at = range.offset; at < end; at = next) {
    next = block_end (at) < end ? block_end (at) : end;
    fill (model + at, next - at, kind, number + at / device->block_bytes);
  }
  check_done (range, device_write (device, model + range.offset, range.bytes,
                                   range.offset));
}

static void
zero (struct input *input, bool may_trim)
{
  const struct range range = take_range (input);

  remember (range);
  memset (model + range.offset, 0, range.bytes);
  check_done (range, device_zero (device, range.bytes, range.offset, may_trim));
}

/* Whole blocks are zeroes then, parts of blocks are what they were. */
static void
do_trim (struct input *input)
{
  const struct range range = take_range (input);
  const uint64_t block_bytes = device->block_bytes;
  const uint64_t end = range.offset + range.bytes;
  const uint64_t first = (range.offset + block_bytes - 1) / block_bytes;
  const uint64_t last = end == device->size_bytes ?
    end : end / block_bytes * block_bytes;

  device_trim (device, range.bytes, range.offset);
  if (first * block_bytes < last)
    memset (model + first * block_bytes, 0, last - first * block_bytes);
  check_equal (range);
}

struct extents {
  uint64_t next;
};

static int
check_extent (void *opaque, uint64_t offset, uint64_t bytes,
              enum extent_kind kind)
{
  struct extents *extents = opaque;

  check (offset == extents->next && bytes > 0);
  check (bytes <= device->size_bytes - offset);
  if (kind != EXTENT_DATA)
    check (model[offset] == 0 &&
           memcmp (model + offset, model + offset + 1, bytes - 1) == 0);
  extents->next += bytes;
  return 0;
}

static void
do_extents (struct input *input)
{
  const struct range range = take_range (input);
  struct extents extents = { range.offset };

  check (device_extents (device, range.bytes, range.offset, check_extent,
                         &extents) == 0);
  check (extents.next == range.offset + range.bytes);
}

/* One that runs out of memory half-way may have taken a page for an object
 * whose old page is still in use. */
static void
do_compact (void)
{
  const uint64_t used = atomic_load (&device->budget.used_bytes);
  const bool memory_is_short =
    commits_fail || atomic_load (&device->budget.limit_bytes) != 0;

  check (compact_device (device) <= used >> PAGE_SHIFT);
  check (memory_is_short ||
         atomic_load (&device->budget.used_bytes) <= used);
}

/* Around what is held; an empty device holds more than 32768 bytes. */
static void
do_limit (struct input *input)
{
  const uint64_t used = atomic_load (&device->budget.used_bytes);

  check (used > 32768);
  atomic_store (&device->budget.limit_bytes,
                used - 32768 + 4 * input_u16 (input));
}

/* Negative: they succeed again. */
static void
fail_commit (long after)
{
  zram_debug_fail_commit (after);
  commits_fail = after >= 0;
}

static void
do_op (struct input *input)
{
  switch ((enum op) (input_u8 (input) % NR_OPS)) {
  case OP_WRITE: do_write (input); break;
  case OP_READ: check_equal (take_range (input)); break;
  case OP_TRIM: do_trim (input); break;
  case OP_ZERO: zero (input, false); break;
  case OP_ZERO_AS_HOLES: zero (input, true); break;
  case OP_EXTENTS: do_extents (input); break;
  case OP_COMPACT: do_compact (); break;
  case OP_LIMIT: do_limit (input); break;
  case OP_NO_LIMIT: atomic_store (&device->budget.limit_bytes, 0); break;
  case OP_FAIL_COMMIT: fail_commit (input_u16 (input) % 16); break;
  case OP_NO_FAILURES: fail_commit (-1); break;
  case OP_RECOUNT: recount (); break;
  case NR_OPS: break;
  }
}

static void
run_program (struct input *input)
{
  for (unsigned i = 0; i < OPS_MAX && input->bytes > 0; i++) {
    const uint64_t used = atomic_load (&device->budget.used_bytes);
    uint64_t limit, allowed;

    do_op (input);
    limit = atomic_load (&device->budget.limit_bytes);
    allowed = limit > used ? limit : used;
    check (limit == 0 || atomic_load (&device->budget.used_bytes) <= allowed);
  }
}

/* The device. */

/* The quick ones: what the store sees of an algorithm is how long objects get.
 * lz4 stands in for one that is not compiled in. */
static const struct codec_ops *
pick_algorithm (uint8_t number)
{
  static const char *const names[] = { "zstd", "lz4", "lzo" };
  const char *why;
  const struct codec_ops *ops = codec_find (names[number % 3], &why);

  return ops ? ops : codec_find ("lz4", &why);
}

static struct device *
create_device (struct input *input)
{
  const struct codec_ops *algorithm = pick_algorithm (input_u8 (input));
  const unsigned size = input_u8 (input) % 8, shift = size < 5 ? size : 0;
  const uint32_t block_bytes = BLOCK_BYTES_MIN << shift;
  const uint64_t nr_blocks = shift == 0 ? NR_BLOCKS_4K : NR_BLOCKS_LONGER;
  const struct device_params params = {
    .name = "fuzz", .block_bytes = block_bytes, .algorithm = algorithm,
    .size_bytes = nr_blocks * block_bytes + input_u16 (input) % block_bytes,
  };

  return device_create (&params);
}

/* Emptied, it holds what an empty device holds. */
static void
check_emptied (void)
{
  device_trim (device, device->size_bytes, 0);
  recount ();
  check (atomic_load (&device->budget.used_bytes) == device->fixed_bytes);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t bytes)
{
  struct input input = { data, bytes };

  if (bytes <= PROGRAM_HEAD_BYTES)
    return 0;
  memset (model, 0, sizeof model);
  device = create_device (&input);
  check (device != NULL);
  run_program (&input);
  fail_commit (-1);
  recount ();
  check_equal ((struct range) { 0, device->size_bytes });
  check_emptied ();
  device_destroy (device);
  return 0;
}

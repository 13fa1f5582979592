/* SPDX-License-Identifier: BSD-3-Clause */
/* Objects that no codec wrote, or that were damaged: decompressing them is a
 * block or EIO, and reads and writes nothing outside.  objects.h says how the
 * input looks.
 *
 * The codecs' libraries are not compiled with sanitizers, so the object and the
 * block lie in mappings with inaccessible pages before and behind.  Each object
 * is tried at either end of its mapping; both times the result has to be the
 * same, whatever lay in the block before and behind the object: no byte of a
 * block comes from anything but the object (invariant 1 of table.h).
 * Afterwards the codec has to be as good as before.
 */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "fuzz.h"
#include "objects.h"
#include "sizeclass.h"

#define GUARD_BYTES 65536u
#define OBJECT_BYTES_MAX 65536u

/* What lies behind an object (codec.h) may be read, but must not matter. */
#define AREA_BYTES (OBJECT_BYTES_MAX + GUARD_BYTES)

static uint8_t *object_area;    /* AREA_BYTES */
static uint8_t *blocks[NR_BLOCK_SIZES];         /* each as long as the block */
static uint8_t text[BLOCK_BYTES_MAX], copy[BLOCK_BYTES_MAX];

/* How far each algorithm came, in sixteenths of the block: libFuzzer
 * looks here for progress, as it sees nothing of what the libraries do. */
#define NR_STEPS 16u
static uint8_t progress[NR_OBJECTS_ALGORITHMS][2][NR_STEPS + 1]
  __attribute__ ((section ("__libfuzzer_extra_counters"), used));

/* Memory with nothing on either side. */
static uint8_t *
guarded (size_t bytes)
{
  uint8_t *start = mmap (NULL, bytes + 2 * GUARD_BYTES, PROT_NONE,
                         MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);

  check (start != MAP_FAILED);
  check (mprotect (start + GUARD_BYTES, bytes, PROT_READ|PROT_WRITE) == 0);
  return start + GUARD_BYTES;
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  object_area = guarded (AREA_BYTES);
  for (unsigned i = 0; i < NR_BLOCK_SIZES; i++)
    blocks[i] = guarded (BLOCK_BYTES_MIN << i);
  objects_fill_text (text, sizeof text);
  return 0;
}

static uint8_t *
block_of (const struct codec *codec)
{
  return blocks[__builtin_ctz (codec->block_bytes / BLOCK_BYTES_MIN)];
}

static unsigned
looks_behind_bytes (const struct codec *codec)
{
  return strcmp (codec->ops->name, "zstd") == 0 ? CODEC_BEHIND_BYTES : 0;
}

/* Into a block full of junk. */
static bool
decompress (struct codec *codec, const struct input *input, uint8_t *object,
            uint8_t junk)
{
  int r;

  memcpy (object, input->data, input->bytes);
  memset (object + input->bytes, junk, looks_behind_bytes (codec));
  memset (block_of (codec), junk, codec->block_bytes);
  errno = 0;
  r = codec_decompress (codec, object, input->bytes, block_of (codec));
  check (r == 0 || (r == -1 && errno == EIO));
  check (memcmp (object, input->data, input->bytes) == 0);
  return r == 0;
}

/* Up to the last byte that is no junk. */
static unsigned
written_steps (const struct codec *codec, uint8_t junk)
{
  const uint8_t *block = block_of (codec);
  uint32_t bytes = codec->block_bytes;

  while (bytes > 0 && block[bytes - 1] == junk)
    bytes--;
  return bytes * NR_STEPS / codec->block_bytes;
}

static bool
decompress_at_both_ends (struct codec *codec, const struct input *input)
{
  uint8_t *last = object_area + AREA_BYTES - input->bytes -
    looks_behind_bytes (codec);
  const bool good = decompress (codec, input, last, 0xee);

  memcpy (copy, block_of (codec), codec->block_bytes);
  check (decompress (codec, input, object_area, 0x11) == good);
  if (good)
    check (memcmp (block_of (codec), copy, codec->block_bytes) == 0);
  return good;
}

static void
check_codec_still_works (struct codec *codec)
{
  struct stream *stream = stream_get (&codec->streams);
  const int bytes = codec_compress (codec, stream, text, codec->block_bytes);

  check (bytes > 0 && bytes < (int) codec->block_bytes / 2);
  memcpy (object_area, stream->object, bytes);
  stream_put (stream);
  memset (block_of (codec), 0xee, codec->block_bytes);
  check (codec_decompress (codec, object_area, bytes, block_of (codec)) == 0);
  check (memcmp (block_of (codec), text, codec->block_bytes) == 0);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t bytes)
{
  struct input input = { data, bytes };
  const uint8_t byte0 = input_u8 (&input), byte1 = input_u8 (&input);
  struct codec *codec = objects_codec (byte0, byte1);
  unsigned steps;
  bool good;

  /* A slot says 1 byte at least. */
  if (!codec || input.bytes == 0 || input.bytes > OBJECT_BYTES_MAX)
    return 0;
  good = decompress_at_both_ends (codec, &input);
  steps = written_steps (codec, 0x11);
  progress[byte0 % NR_OBJECTS_ALGORITHMS][good][steps] = 1;
  check_codec_still_works (codec);
  return 0;
}

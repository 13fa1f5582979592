/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes the seeds that are not text: fuzz-seeds DIRECTORY, which is seeds/ of
 * the source tree.  Run by hand when a format of theirs changes (objects.h,
 * program.h); what it writes depends on the versions of the codecs' libraries,
 * so it is not run by the build.
 */
#include <config.h>

#include "check.h"
#include "objects.h"
#include "program.h"

static const char *directory;

static void
write_seed (const char *fuzzer, const char *name, const uint8_t *data,
            size_t bytes)
{
  char *path;
  FILE *file;

  check (asprintf (&path, "%s/%s/%s", directory, fuzzer, name) > 0);
  file = fopen (path, "we");
  check (file != NULL);
  check (fwrite (data, 1, bytes, file) == bytes);
  check (fclose (file) == 0);
  free (path);
}

/* Objects: sound ones, which the engine damages. */

static void
fill_block (uint8_t *block, size_t bytes, bool noisy)
{
  struct random random = random_seeded (7);

  objects_fill_text (block, bytes);
  if (noisy)                    /* so that there are literals too */
    random_fill (&random, block + bytes / 4, 256);
}

static void
write_object (unsigned algorithm, unsigned head, bool noisy)
{
  static uint8_t block[65536], seed[OBJECTS_HEAD_BYTES + sizeof block];
  struct codec *codec = objects_codec (algorithm, head);
  struct stream *stream;
  char *name;
  int bytes;

  if (!codec)
    return;
  fill_block (block, codec->block_bytes, noisy);
  stream = stream_get (&codec->streams);
  bytes = codec_compress (codec, stream, block, codec->block_bytes);
  check (bytes > 0);
  seed[0] = algorithm;
  seed[1] = head;
  memcpy (seed + OBJECTS_HEAD_BYTES, stream->object, bytes);
  stream_put (stream);
  check (asprintf (&name, "%s-%u%s%s", codec->ops->name, codec->block_bytes,
                   codec->dict_bytes ? "-dict" : "",
                   noisy ? "-noisy" : "") > 0);
  write_seed ("fuzz-decompress", name, seed, OBJECTS_HEAD_BYTES + bytes);
  free (name);
}

static void
write_objects (void)
{
  for (unsigned algorithm = 0; algorithm < NR_OBJECTS_ALGORITHMS; algorithm++) {
    write_object (algorithm, 0, false);
    write_object (algorithm, 0, true);
    write_object (algorithm, OBJECTS_DICT, false);
    write_object (algorithm, OBJECTS_DICT, true);
    write_object (algorithm, 1, true);
  }
}

/* Programs. */

struct program {
  uint8_t data[4096];
  size_t bytes;
};

static void
add (struct program *program, unsigned byte)
{
  check (program->bytes < sizeof program->data);
  program->data[program->bytes++] = byte;
}

static void
add_number (struct program *program, unsigned number)
{
  add (program, number & 0xff);
  add (program, number >> 8);
}

static void
add_range (struct program *program, enum op op, enum shape shape,
           unsigned block, unsigned skew, unsigned length)
{
  add (program, op);
  add (program, shape);
  add_number (program, block);
  add_number (program, skew);
  add_number (program, length);
}

/* Eight whole blocks. */
static void
add_write (struct program *program, unsigned block, enum fill kind)
{
  add_range (program, OP_WRITE, SHAPE_WHOLE, block, 0, 7);
  add (program, kind);
  add (program, block);
}

static void
write_each_kind (struct program *program)
{
  for (unsigned kind = 0; kind < NR_FILLS; kind++)
    add_write (program, kind * 8, kind);
  add_range (program, OP_EXTENTS, SHAPE_REST, 0, 0, 0);
  add_range (program, OP_READ, SHAPE_BYTES, 3, 100, 30000);
}

static void
overwrite_and_compact (struct program *program)
{
  for (unsigned i = 0; i < 6; i++)
    add_write (program, i * 8, FILL_FEW_VALUES);
  for (unsigned block = 0; block < 48; block += 3)
    add_range (program, OP_TRIM, SHAPE_WHOLE, block, 0, 0);
  add (program, OP_COMPACT);
  add (program, OP_RECOUNT);
  add_write (program, 4, FILL_NOISE);
  add_range (program, OP_TRIM, SHAPE_REST, 0, 0, 0);
  add (program, OP_COMPACT);
}

static void
write_parts (struct program *program)
{
  for (unsigned i = 0; i < 12; i++) {
    add_range (program, OP_WRITE, SHAPE_BYTES, i * 5 % 16, 1000 * i,
               1 << (i + 2));
    add (program, i % NR_FILLS);
    add (program, i);
    add_range (program, i % 2 ? OP_ZERO : OP_ZERO_AS_HOLES, SHAPE_BYTES, i,
               500 * i, 3000);
  }
  add_range (program, OP_TRIM, SHAPE_BYTES, 1, 10, 20000);
  add_range (program, OP_EXTENTS, SHAPE_BYTES, 0, 5, 60000);
}

static void
reach_the_limit (struct program *program)
{
  add_write (program, 0, FILL_FEW_VALUES);
  add (program, OP_LIMIT);
  add_number (program, 16384);
  for (unsigned i = 0; i < 4; i++)
    add_write (program, i * 4, i % 2 ? FILL_NOISE : FILL_HALF_NOISE);
  add_range (program, OP_ZERO, SHAPE_REST, 0, 0, 0);
  add (program, OP_COMPACT);
  add (program, OP_NO_LIMIT);
  add_write (program, 600, FILL_NOISE);
}

static void
run_out_of_memory (struct program *program)
{
  for (unsigned i = 0; i < 8; i++) {
    add (program, OP_FAIL_COMMIT);
    add_number (program, i);
    add_write (program, i * 70, FILL_HALF_NOISE);
    add_range (program, OP_ZERO, SHAPE_BYTES, i * 70, 100, 9000);
    add (program, OP_COMPACT);
    add (program, i % 2 ? OP_NO_FAILURES : OP_RECOUNT);
  }
}

static void
write_program (const char *name, void (*body) (struct program *),
               unsigned algorithm, unsigned size)
{
  struct program program = { .bytes = 0 };
  char *numbered;

  add (&program, algorithm);
  add (&program, size);
  add_number (&program, 1000 * size);
  body (&program);
  check (asprintf (&numbered, "%s-%u-%u", name, algorithm, 4096 << size) > 0);
  write_seed ("fuzz-device", numbered, program.data, program.bytes);
  free (numbered);
}

static void
write_programs (void)
{
  for (unsigned i = 0; i < 5; i++) {    /* each block size once */
    write_program ("write-each-kind", write_each_kind, i % 3, i);
    write_program ("overwrite-and-compact", overwrite_and_compact, i % 3,
                   (i + 1) % 5);
    write_program ("write-parts", write_parts, i % 3, (i + 2) % 5);
    write_program ("reach-the-limit", reach_the_limit, i % 3, (i + 3) % 5);
    write_program ("run-out-of-memory", run_out_of_memory, i % 3,
                   (i + 4) % 5);
  }
}

int
main (int argc, char **argv)
{
  if (argc != 2) {
    fprintf (stderr, "usage: fuzz-seeds DIRECTORY\n");
    return 2;
  }
  directory = argv[1];
  write_objects ();
  write_programs ();
  return 0;
}

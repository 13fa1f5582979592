/* SPDX-License-Identifier: BSD-3-Clause */
/* Writeback; see writeback.h.
 *
 * A few writers share one selection.  Each fills an extent with objects, writes
 * it with no lock held, and then moves those blocks over that nobody touched
 * meanwhile.  So several extents are in flight.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../store/block.h"
#include "../store/crash.h"
#include "../store/device.h"
#include "../store/pages.h"
#include "../store/report.h"
#include "allowance.h"
#include "pace.h"
#include "writeback.h"

/* More writers than the device has processors for would only wait. */
#define NR_WRITERS_MAX 4u

#define UNITS_IN_PAGE (PAGE_BYTES >> SLOT_PLACE_UNIT_SHIFT)

/* An object that shares no page with another still takes one. */
#define OBJECTS_MAX (EXTENT_PAGES * PAGE_BYTES / 32)

struct pass {
  struct device *device;
  struct postproc *postproc;
  pthread_mutex_t fill_lock;    /* outermost: one writer takes and fills */
  pthread_mutex_t lock;         /* guards what follows */
  struct postproc_result *result;
  uint64_t pages_left;          /* of this pass */
  int errnum;                   /* why it stops, or what failed last; 0: none */
  unsigned nr_failed;           /* extents that could not be written */
  bool stopped;
};

struct member {
  uint64_t block;
  slot_t slot;
  uint32_t offset;              /* in the extent, of its header */
};

struct writer {
  struct pass *pass;
  bool has_block;               /* one that did not fit into the last extent */
  uint64_t block;
  struct extent extent;
  uint32_t used_bytes;
  unsigned nr_members;
  struct member members[OBJECTS_MAX];
  _Alignas (4096) uint8_t pages[EXTENT_PAGES * PAGE_BYTES];
};

/* There are no more pages to be had. */
static void
note_end (struct pass *pass, int errnum)
{
  pthread_mutex_lock (&pass->lock);
  pass->errnum = errnum;
  pass->stopped = true;
  pthread_mutex_unlock (&pass->lock);
}

/* Errors of one extent do not stop the others, a full file does. */
static void
note_failure (struct pass *pass, int errnum)
{
  pthread_mutex_lock (&pass->lock);
  pass->errnum = errnum;
  pass->nr_failed++;
  pass->stopped |= errnum == ENOSPC;
  pthread_mutex_unlock (&pass->lock);
}

/* Filling. */

/* Copy the object behind where its header will be.  False: it does not fit.
 * The block is locked. */
static bool
add_member (struct writer *writer, uint64_t block, slot_t slot)
{
  const uint32_t size_bytes = slot_size_bytes (slot);
  uint8_t *header = writer->pages + writer->used_bytes;

  if (writer->used_bytes + backing_room (size_bytes) >
      writer->extent.nr_pages * PAGE_BYTES)
    return false;
  memcpy (header + 16, arena_load (&writer->pass->device->arena,
                                   slot_place (slot)), size_bytes);
  writer->members[writer->nr_members++] = (struct member) {
    .block = block, .slot = slot, .offset = writer->used_bytes,
  };
  writer->used_bytes += backing_room (size_bytes);
  return true;
}

/* False: the extent is full. */
static bool
add_block (struct writer *writer, uint64_t block)
{
  struct device *device = writer->pass->device;
  bool fits = true;
  slot_t slot;

  device_lock_block (device, block);
  slot = table_peek (&device->table, block);
  if (slot_has_flag (slot, SLOT_CHOSEN) && slot_owns_object (slot) &&
      block_object_is_intact (device, slot))
    fits = add_member (writer, block, slot);
  device_unlock_block (device, block);
  return fits;
}

/* Is there a block that waits for an extent? */
static bool
has_next (struct writer *writer)
{
  if (!writer->has_block)
    writer->has_block = postproc_next (writer->pass->postproc, &writer->block);
  return writer->has_block;
}

static void
fill (struct writer *writer)
{
  writer->nr_members = 0;
  writer->used_bytes = 0;
  while (has_next (writer)) {
    writer->has_block = !add_block (writer, writer->block);
    if (writer->has_block)
      break;
  }
}

/* Writing. */

static struct backed_object
backed_object (const struct writer *writer, const struct member *member)
{
  return (struct backed_object) {
    .place = writer->extent.first_page * UNITS_IN_PAGE +
      (member->offset >> SLOT_PLACE_UNIT_SHIFT),
    .block = member->block, .size_bytes = slot_size_bytes (member->slot),
    .codec = slot_codec (member->slot),
  };
}

/* What the buffer held before does not get into the file. */
static void
seal (struct writer *writer)
{
  for (unsigned i = 0; i < writer->nr_members; i++) {
    const struct member *member = &writer->members[i];
    const struct backed_object object = backed_object (writer, member);

    backing_seal (writer->pass->device->backing, &object,
                  writer->pages + member->offset);
  }
  memset (writer->pages + writer->used_bytes, 0,
          writer->extent.nr_pages * PAGE_BYTES - writer->used_bytes);
}

/* Move the block over if nobody touched it. */
static bool
move (struct writer *writer, const struct member *member)
{
  struct device *device = writer->pass->device;
  bool same;

  device_lock_block (device, member->block);
  same = table_peek (&device->table, member->block) == member->slot;
  if (same)
    block_back (device, member->block, backed_object (writer, member).place);
  device_unlock_block (device, member->block);
  return same;
}

static void
move_members (struct writer *writer)
{
  struct postproc_result done = { .nr_tried = writer->nr_members };
  struct pass *pass = writer->pass;

  for (unsigned i = 0; i < writer->nr_members; i++)
    if (move (writer, &writer->members[i])) {
      done.nr_done++;
      done.freed_bytes += slot_size_bytes (writer->members[i].slot);
    }
  pthread_mutex_lock (&pass->lock);
  pass->result->nr_tried += done.nr_tried;
  pass->result->nr_done += done.nr_done;
  pass->result->freed_bytes += done.freed_bytes;
  pthread_mutex_unlock (&pass->lock);
}

static void
let_members_go (struct writer *writer)
{
  for (unsigned i = 0; i < writer->nr_members; i++)
    postproc_let_go (writer->pass->device, writer->members[i].block);
}

/* False: the members stay in memory. */
static bool
write_extent (struct writer *writer)
{
  seal (writer);
  if (backing_write (writer->pass->device->backing, &writer->extent,
                     writer->pages) == 0) {
    crash_point ("written");
    move_members (writer);
    return true;
  }
  note_failure (writer->pass, errno);
  let_members_go (writer);
  return false;
}

/* What the object of the next block needs in one run. */
static unsigned
min_pages (const struct writer *writer)
{
  const slot_t slot = table_peek (&writer->pass->device->table, writer->block);

  return slot_owns_object (slot) ?
    pages_for_bytes (backing_room (slot_size_bytes (slot))) : 1;
}

/* This pass may write so many pages at once now. */
static unsigned
take_from_pass (struct pass *pass, unsigned least)
{
  unsigned take = 0;

  pthread_mutex_lock (&pass->lock);
  if (!pass->stopped && pass->pages_left >= least)
    take = pass->pages_left < EXTENT_PAGES ? pass->pages_left : EXTENT_PAGES;
  pass->pages_left -= take;
  pthread_mutex_unlock (&pass->lock);
  return take;
}

static void
give_to_pass (struct pass *pass, unsigned nr_pages)
{
  pthread_mutex_lock (&pass->lock);
  pass->pages_left += nr_pages;
  pthread_mutex_unlock (&pass->lock);
}

/* Take pages of the file, as many as the limits allow; what is not needed goes
 * back.  False: stop. */
static bool
take (struct writer *writer)
{
  struct device *device = writer->pass->device;
  const unsigned least = min_pages (writer);
  const unsigned wanted = take_from_pass (writer->pass, least);
  const unsigned allowed =
    wanted > 0 ? allowance_take (device, least, wanted) : 0;

  if (wanted == 0)
    return false;
  writer->extent.nr_pages = 0;
  if (allowed == 0)
    note_end (writer->pass, EIO);
  else if (backing_take (device->backing, least, allowed,
                         &writer->extent) == -1)
    note_end (writer->pass, ENOSPC);
  give_to_pass (writer->pass, wanted - writer->extent.nr_pages);
  allowance_give (device, allowed - writer->extent.nr_pages);
  return writer->extent.nr_pages > 0;
}

static void
give_back (struct writer *writer, unsigned nr_pages)
{
  allowance_give (writer->pass->device, nr_pages);
  give_to_pass (writer->pass, nr_pages);
}

/* What the writer did not need, before another one looks for pages. */
static void
give_rest (struct writer *writer)
{
  const unsigned nr_used = pages_for_bytes (writer->used_bytes);
  const struct extent rest = {
    .first_page = writer->extent.first_page + nr_used,
    .nr_pages = writer->extent.nr_pages - nr_used,
  };

  backing_give (writer->pass->device->backing, &rest);
  give_back (writer, rest.nr_pages);
  writer->extent.nr_pages = nr_used;
}

/* False: there are no more blocks or no more pages. */
static bool
prepare (struct writer *writer)
{
  bool ready;

  pthread_mutex_lock (&writer->pass->fill_lock);
  ready = has_next (writer) && take (writer);
  if (ready) {
    fill (writer);
    give_rest (writer);
  }
  pthread_mutex_unlock (&writer->pass->fill_lock);
  return ready;
}

static void *
write_loop (void *opaque)
{
  struct writer *writer = opaque;
  struct device *device = writer->pass->device;

  while (prepare (writer)) {
    if (writer->nr_members > 0 && !write_extent (writer))
      give_back (writer, writer->extent.nr_pages);
    backing_give (device->backing, &writer->extent);
  }
  if (writer->has_block)
    postproc_let_go (device, writer->block);
  free (writer);
  return NULL;
}

/* Running. */

static struct writer *
new_writer (struct pass *pass)
{
  struct writer *writer = aligned_alloc (_Alignof (struct writer),
                                         sizeof *writer);

  if (!writer)
    return NULL;
  writer->pass = pass;
  writer->has_block = false;
  return writer;
}

/* The calling thread is a writer too, so one thread less cannot stop a pass. */
static int
run_writers (struct pass *pass, unsigned nr_writers)
{
  struct writer *own = new_writer (pass), *other;
  pthread_t threads[NR_WRITERS_MAX];
  unsigned nr_threads = 0;

  if (!own)
    return -1;
  while (nr_threads < nr_writers - 1 && (other = new_writer (pass))) {
    if (pthread_create (&threads[nr_threads], NULL, write_loop, other) != 0) {
      free (other);
      break;
    }
    nr_threads++;
  }
  write_loop (own);
  while (nr_threads > 0)
    pthread_join (threads[--nr_threads], NULL);
  return 0;
}

/* The worker does it alone, at its pace. */
static unsigned
nr_writers (const struct device *device)
{
  const uint32_t batch = pace_is_kept () ? 1 : device->writeback_batch_size;

  return batch < NR_WRITERS_MAX ? batch : NR_WRITERS_MAX;
}

/* One message, from the thread that somebody waits for. */
static int
conclude (const struct pass *pass)
{
  if (pass->errnum == 0)
    return 0;
  errno = pass->errnum;
  if (pass->nr_failed > 0)
    report_error ("%s: cannot write to %s: %m; the blocks of %u extents stay "
                  "in memory", pass->device->name,
                  backing_path (pass->device->backing), pass->nr_failed);
  errno = pass->errnum;
  return -1;
}

static int
run (struct device *device, const struct postproc_filter *filter,
     uint64_t max_pages, struct postproc_result *result)
{
  struct pass pass = {
    .device = device, .result = result, .pages_left = max_pages,
  };
  int r;

  pass.postproc = postproc_begin (device, filter, NULL, NULL);
  if (!pass.postproc)
    return -1;
  pthread_mutex_init (&pass.fill_lock, NULL);
  pthread_mutex_init (&pass.lock, NULL);
  r = run_writers (&pass, nr_writers (device));
  pthread_mutex_destroy (&pass.lock);
  pthread_mutex_destroy (&pass.fill_lock);
  postproc_end (pass.postproc);
  return r == 0 ? conclude (&pass) : -1;
}

static int
writeback_locked (struct device *device, const struct postproc_filter *filter,
                  uint64_t max_pages, struct postproc_result *result)
{
  if (device->backing)
    return run (device, filter, max_pages, result);
  report_error ("%s: it has no backing file", device->name);
  errno = ENODEV;
  return -1;
}

int
writeback_some (struct device *device, const struct postproc_filter *filter,
                uint64_t max_pages, struct postproc_result *result)
{
  int r;

  *result = (struct postproc_result) { .nr_tried = 0 };
  device_lock (device);
  r = writeback_locked (device, filter, max_pages, result);
  device_unlock (device);
  return r;
}

int
writeback_device (struct device *device, const struct postproc_filter *filter,
                  struct postproc_result *result)
{
  return writeback_some (device, filter, UINT64_MAX, result);
}

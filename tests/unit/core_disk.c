#include "core_disk.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct storage_message *disk_find(struct disk *disk, int64_t number)
{
  for (size_t i = 0; i < disk->count; i++)
    if (disk->rows[i].number == number)
      return &disk->rows[i];
  return NULL;
}

static void disk_keep(struct disk *disk, const struct storage_message *message)
{
  struct storage_message *row = disk_find(disk, message->number);
  assert_non_null(message->body);
  if (!row) {
    /* Ascending over the life of a journal, but for what was left. */
    assert_true(message->number > disk->last_number || disk->left);
    assert_true(disk->count < DISK_MAX);
    if (message->number > disk->last_number)
      disk->last_number = message->number;
    row = &disk->rows[disk->count++];
    *row = (struct storage_message){0};
  }
  free(row->body);
  *row = *message;
  row->endpoint = strcmp(message->endpoint, "E1") == 0   ? "E1" /* the core's goes with it */
                  : strcmp(message->endpoint, "E2") == 0 ? "E2"
                                                         : "E3";
  row->body = memory_copied(message->body, message->body_bytes);
  disk->kept++;
}

static void disk_remove(struct disk *disk, struct storage_message *row)
{
  free(row->body);
  memmove(row, row + 1, (size_t)(disk->rows + disk->count - row - 1) * sizeof *row);
  disk->count--;
}

/* There is no room for it: nothing is under its number then. */
static void disk_leave(struct disk *disk, const struct storage_message *message)
{
  struct storage_message *row = disk_find(disk, message->number);
  if (row)
    disk_remove(disk, row);
  disk->left++;
}

static void disk_release(struct disk *disk, const struct storage_message *message)
{
  struct storage_message *row = disk_find(disk, message->number);
  assert_null(message->body);
  if (!row && disk->left)
    return; /* it went while it was left */
  assert_non_null(row); /* only what is there */
  assert_int_equal(row->is_metadata, message->is_metadata);
  assert_string_equal(row->endpoint, message->endpoint);
  disk_remove(disk, row);
  disk->released++;
}

void disk_stores(void *user, const struct change *changes, size_t count)
{
  struct disk *disk = user;
  size_t about = 0;
  for (size_t i = 0; i < count; i++) {
    if (changes[i].kind == CHANGE_KEEP && changes[i].is_left)
      disk_leave(disk, &changes[i].message);
    else if (changes[i].kind == CHANGE_KEEP)
      disk_keep(disk, &changes[i].message);
    if (changes[i].kind == CHANGE_RELEASE)
      disk_release(disk, &changes[i].message);
    about += changes[i].kind == CHANGE_KEEP || changes[i].kind == CHANGE_RELEASE;
  }
  if (!about)
    return;
  if (disk->writings++ && disk->f->now_ms - disk->wrote_ms < disk->gap_ms)
    disk->gap_ms = disk->f->now_ms - disk->wrote_ms;
  disk->wrote_ms = disk->f->now_ms;
}

void disk_attach(struct disk *disk, struct fixture *f)
{
  disk->f = f;
  disk->writings = 0;
  disk->gap_ms = INT64_MAX;
  f->stores = disk_stores;
  f->user = disk;
  f->wall_ms = DISK_WALL_MS;
}

void disk_clear(struct disk *disk)
{
  for (size_t i = 0; i < disk->count; i++)
    free(disk->rows[i].body);
  *disk = (struct disk){0};
}

void disk_restore(struct disk *disk, struct core *core)
{
  for (size_t i = 0; i < disk->count; i++)
    assert_int_equal(core_restore_message(core, &disk->rows[i]), 0);
}

const char *disk_text(struct disk *disk)
{
  static char text[1000]; /* tests have one thread */
  size_t used = 0;
  *text = 0;
  for (size_t i = 0; i < disk->count && used < sizeof text; i++)
    used += (size_t)snprintf(text + used, sizeof text - used, "%lld %s ",
                             (long long)disk->rows[i].number, disk->rows[i].body);
  return text;
}

void disk_open(struct fixture *f, struct disk *disk, const struct core_options *options)
{
  fixture_open(f, options);
  disk_attach(disk, f);
}

void disk_reopen(struct fixture *f, struct disk *disk, const struct core_options *options)
{
  struct core_options all = *options;
  all.last_message = disk->last_number;
  fixture_open_bare(f, &all);
  disk_attach(disk, f);
  core_add_endpoint(f->core, "E1");
  core_add_endpoint(f->core, "E2");
  disk_restore(disk, f->core);
}

void disk_close(struct fixture *f, struct disk *disk)
{
  fixture_close(f);
  disk_clear(disk);
}

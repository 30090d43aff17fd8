#include "handlers/source_directory.h"

#include "base/memory.h"
#include "handlers/source_listing.h"
#include "handlers/source_reader.h"
#include "io/watch.h"
#include "kp/name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

enum { HELD_MS = 10000 }; /* an upload that takes longer is worth a line */

void source_directory_init(struct source_directory *directory, const char *path, int number)
{
  size_t size = strlen(path);
  while (size > 1 && path[size - 1] == '/')
    size--;
  *directory = (struct source_directory){.path = memory_copied(path, size), .number = number};
}

static void destroy_entry(struct source_entry *entry)
{
  free(entry->file.name);
  free(entry->file.path);
  free(entry->file.text);
  free(entry->file.fault);
  free(entry->file.shadows);
  free(entry->held);
  free(entry);
}

void source_directory_clear(struct source_directory *directory)
{
  for (size_t i = 0; i < directory->count; i++)
    destroy_entry(directory->entries[i]);
  free(directory->entries);
  free(directory->path);
  free(directory->fault);
}

/* What is wrong with the name of a handler; returns owned, or NULL. */
static char *name_fault(const char *name)
{
  size_t type_bytes = strlen(name) - 4;
  if (strchr(name, '/'))
    return NULL; /* a library */
  if (!name_is_type(name, type_bytes))
    return memory_format("\"%.*s\" is no command type: 1 to 64 of A-Z a-z 0-9 _ -, not all "
                         "digits, not status or error", (int)type_bytes, name);
  if (!strncmp(name, "kaalua-", 7))
    return memory_text("types that begin with kaalua- are the agent's own");
  return NULL;
}

/* The place of a name in the sorted entries, or where it would be. */
static size_t place_of(const struct source_directory *directory, const char *name)
{
  size_t low = 0, high = directory->count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (strcmp(directory->entries[middle]->file.name, name) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* NULL where there is none. */
static struct source_entry *find_entry(const struct source_directory *directory, const char *name)
{
  size_t place = place_of(directory, name);
  bool is_there =
      place < directory->count && !strcmp(directory->entries[place]->file.name, name);
  return is_there ? directory->entries[place] : NULL;
}

static struct source_entry *need_entry(struct source_directory *directory, const char *name)
{
  struct source_entry *entry = find_entry(directory, name);
  if (entry)
    return entry;
  directory->entries =
      memory_resized(directory->entries, (directory->count + 1) * sizeof *directory->entries);
  size_t place = place_of(directory, name);
  struct source_entry **slot = &directory->entries[place];
  memmove(slot + 1, slot, (directory->count++ - place) * sizeof *slot);
  *slot = memory_zeroed(1, sizeof **slot);
  (*slot)->file.name = memory_text(name);
  (*slot)->file.path = memory_format("%s/%s", directory->path, name);
  (*slot)->file.directory = directory->number;
  char *fault = name_fault(name);
  (*slot)->arrival.is_slow = fault != NULL; /* somebody's temporary name, most often */
  free(fault);
  return *slot;
}

/* A directory with a fault takes in no names: whoever may write it could make any number. */
void source_directory_hint(struct source_directory *directory, const char *name, unsigned what)
{
  const char *slash = strrchr(name, '/');
  if (!source_listing_is_source(slash ? slash + 1 : name))
    return;
  struct source_entry *entry =
      directory->fault ? find_entry(directory, name) : need_entry(directory, name);
  if (entry)
    arrival_hint(&entry->arrival, what);
}

void source_directory_hint_lost(struct source_directory *directory)
{
  for (size_t i = 0; i < directory->count; i++)
    arrival_hint_lost(&directory->entries[i]->arrival);
}

/* What was read of an entry takes the place of what was there. Takes both texts. Returns
 * whether that is another content. */
static bool replace(struct source_file *file, char *text, size_t text_bytes, char *fault)
{
  bool is_same = fault ? file->fault && !strcmp(fault, file->fault)
                       : file->text && file->text_bytes == text_bytes &&
                             !memcmp(file->text, text, text_bytes);
  if (is_same) {
    free(text);
    free(fault);
    return false;
  }
  free(file->text);
  free(file->fault);
  file->text = text;
  file->text_bytes = text ? text_bytes : 0;
  file->fault = fault;
  file->hashed_with = 0;
  return true;
}

static bool take_fault(struct source_entry *entry, const struct file_stamp *stamp, char *fault,
                       int64_t now_ms)
{
  bool is_first = !entry->arrival.is_taken;
  arrival_took(&entry->arrival, stamp, now_ms);
  return replace(&entry->file, NULL, 0, fault) || is_first;
}

/* Who asks for a look is told at once. */
static void hold(struct source_entry *entry, bool is_held, const struct arrival_look *look)
{
  if (!is_held) {
    entry->held_since_ms = 0;
    free(entry->held);
    entry->held = NULL;
    return;
  }
  if (!entry->held_since_ms)
    entry->held_since_ms = look->now_ms;
  bool is_to_be_said =
      look->haste == ARRIVAL_AT_ONCE || look->now_ms - entry->held_since_ms >= HELD_MS;
  if (!entry->held && is_to_be_said)
    entry->held = memory_format("%s: a program has it open for writing; taken once it is closed",
                                entry->file.path);
}

/* The file is open. Returns whether its content is another one. */
static bool take_open(struct source_entry *entry, struct source_reader *reader,
                      const struct arrival_look *look, const struct sources_ports *ports)
{
  struct file_stamp stamp = file_stamp_of(&reader->status);
  bool may_take = arrival_allows(&entry->arrival, &stamp, reader->writer, look);
  hold(entry, !may_take && (reader->writer == ARRIVAL_WRITER ||
                            entry->arrival.hints & WATCH_WRITTEN), look);
  if (!may_take)
    return false;
  char *fault = source_reader_refusal(reader, entry->file.path);
  if (fault)
    return take_fault(entry, &stamp, fault, look->now_ms);
  size_t size = 0;
  int error = 0;
  char *text = source_reader_text(reader, &size, &error);
  if (error)
    return take_fault(entry, &stamp, memory_text(strerror(-error)), look->now_ms);
  if (!text)
    return false; /* it changed while it was read */
  if (reader->writer == ARRIVAL_WRITER_UNKNOWN && ports && ports->is_written &&
      ports->is_written(ports->context, entry->file.path)) {
    free(text);
    return false;
  }
  bool is_first = !entry->arrival.is_taken;
  arrival_took(&entry->arrival, &stamp, look->now_ms);
  return replace(&entry->file, text, size, NULL) || is_first;
}

static bool look_at_entry(struct source_entry *entry, const struct file_stamp *stamp,
                          const struct arrival_look *look, const struct sources_ports *ports)
{
  if (!arrival_wants_reading(&entry->arrival, stamp, look))
    return false;
  char *fault = name_fault(entry->file.name);
  if (fault)
    return take_fault(entry, stamp, fault, look->now_ms);
  if (stamp->error)
    return take_fault(entry, stamp, memory_text(strerror(stamp->error)), look->now_ms);
  struct source_reader reader;
  int rc = source_reader_open(&reader, entry->file.path);
  if (rc == -ENOENT)
    return false; /* gone since it was listed */
  if (rc < 0)
    return take_fault(entry, stamp, memory_text(strerror(-rc)), look->now_ms);
  bool changed = take_open(entry, &reader, look, ports);
  source_reader_close(&reader);
  return changed;
}

static struct source_place find_place(const char *path)
{
  struct statx status;
  if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &status) < 0)
    return (struct source_place){0};
  return (struct source_place){
      .mount = status.stx_mask & STATX_MNT_ID ? status.stx_mnt_id : 0,
      .device = makedev(status.stx_dev_major, status.stx_dev_minor),
  };
}

/* Returns whether what was listed is to be taken. */
static bool accept(struct source_directory *directory, const struct source_listing *listing,
                   const struct arrival_look *look, int64_t *due_ms)
{
  struct source_place place = find_place(directory->path);
  bool has_moved = place.mount != directory->place.mount || place.device != directory->place.device;
  char *fault = memory_text(listing->fault);
  if (!fault && has_moved && directory->count && !listing->count && look->haste == ARRIVAL_CAREFUL)
    fault = memory_format("%s: empty, and another file system than before: what it held stays in "
                          "service until it is mounted again, or kaalua reload", directory->path);
  free(directory->fault);
  directory->fault = NULL;
  if (!fault) {
    directory->fault_since_ms = 0;
    directory->place = place;
    directory->was_read = true;
    return true;
  }
  if (!directory->fault_since_ms)
    directory->fault_since_ms = look->now_ms;
  int64_t told_ms = directory->fault_since_ms + ARRIVAL_SETTLE_MS;
  if (look->haste != ARRIVAL_CAREFUL || look->now_ms >= told_ms) {
    directory->fault = fault;
    return false;
  }
  free(fault); /* a directory that is replaced is missing for a moment */
  *due_ms = told_ms < *due_ms ? told_ms : *due_ms;
  return false;
}

/* Drops the entries whose files are away for good. Returns whether one of them counted. */
static bool drop_gone(struct source_directory *directory, const struct arrival_look *look)
{
  bool changed = false;
  size_t count = 0;
  for (size_t i = 0; i < directory->count; i++) {
    struct source_entry *entry = directory->entries[i];
    if (!entry->is_there && arrival_is_gone(&entry->arrival, look)) {
      changed |= entry->arrival.is_taken;
      destroy_entry(entry);
    } else {
      directory->entries[count++] = entry;
    }
  }
  directory->count = count;
  return changed;
}

bool source_directory_look(struct source_directory *directory, const struct arrival_look *look,
                           const struct sources_ports *ports, int64_t *due_ms)
{
  struct source_listing listing;
  source_listing_read(&listing, directory->path, ports);
  bool changed = false;
  if (accept(directory, &listing, look, due_ms)) {
    for (size_t i = 0; i < directory->count; i++)
      directory->entries[i]->is_there = false;
    for (size_t i = 0; i < listing.count; i++) {
      struct source_entry *entry = need_entry(directory, listing.files[i].name);
      entry->is_there = true;
      if (directory->has_appeared)
        arrival_hint(&entry->arrival, WATCH_APPEARED);
      changed |= look_at_entry(entry, &listing.files[i].stamp, look, ports);
    }
    changed |= drop_gone(directory, look);
    directory->has_appeared = false;
  }
  for (size_t i = 0; i < directory->count; i++) {
    int64_t due = arrival_due_ms(&directory->entries[i]->arrival, look->now_ms);
    *due_ms = due < *due_ms ? due : *due_ms;
  }
  source_listing_clear(&listing);
  return changed;
}

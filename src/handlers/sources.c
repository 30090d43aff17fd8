#include "handlers/sources.h"

#include "base/clock.h"
#include "base/memory.h"
#include "handlers/source_directory.h"
#include "io/watch.h"
#include "supervision/requires.h"

#include <stdlib.h>
#include <string.h>

static const char library_folder[] = "lib/";

struct sources {
  struct source_directory *directories;
  size_t count;
  struct source_file **files; /* those that count, sorted by name */
  size_t file_count;
  struct library *library;
  unsigned library_number; /* counts the changes of it, from 1 */
  bool has_looked;
};

struct sources *sources_create(const char *const *directories, size_t count)
{
  struct sources *sources = memory_zeroed(1, sizeof *sources);
  sources->directories = memory_zeroed(count + 1, sizeof *sources->directories);
  sources->count = count;
  for (size_t i = 0; i < count; i++)
    source_directory_init(&sources->directories[i], directories[i], (int)i);
  sources->library = library_create();
  sources->library_number = 1;
  return sources;
}

void sources_destroy(struct sources *sources)
{
  if (!sources)
    return;
  for (size_t i = 0; i < sources->count; i++)
    source_directory_clear(&sources->directories[i]);
  free(sources->directories);
  free(sources->files);
  library_drop(sources->library);
  free(sources);
}

/* By name; of one name the later directory's first. */
static int compare_files(const void *a, const void *b)
{
  const struct source_file *left = *(const struct source_file *const *)a;
  const struct source_file *right = *(const struct source_file *const *)b;
  int order = strcmp(left->name, right->name);
  return order ? order : right->directory - left->directory;
}

/* All that was taken, sorted; returns how many. */
static size_t list_files(struct sources *sources)
{
  size_t total = 0, count = 0;
  for (size_t i = 0; i < sources->count; i++)
    total += sources->directories[i].count;
  sources->files = memory_resized(sources->files, (total + 1) * sizeof *sources->files);
  for (size_t i = 0; i < sources->count; i++)
    for (size_t j = 0; j < sources->directories[i].count; j++)
      if (sources->directories[i].entries[j]->arrival.is_taken)
        sources->files[count++] = &sources->directories[i].entries[j]->file;
  if (count)
    qsort(sources->files, count, sizeof *sources->files, compare_files);
  return count;
}

/* `files` are of one name, the one that wins first. */
static void set_shadows(struct source_file **files, size_t count)
{
  free(files[0]->shadows);
  files[0]->shadows = NULL;
  if (count < 2)
    return;
  files[0]->shadows = memory_zeroed(count, sizeof *files[0]->shadows);
  for (size_t i = 1; i < count; i++)
    files[0]->shadows[i - 1] = files[i]->path;
}

/* Keeps one file of each name. */
static void choose_files(struct sources *sources)
{
  size_t all = list_files(sources), same;
  sources->file_count = 0;
  for (size_t i = 0; i < all; i += same) {
    same = 1;
    while (i + same < all && !strcmp(sources->files[i]->name, sources->files[i + same]->name))
      same++;
    set_shadows(&sources->files[i], same);
    sources->files[sources->file_count++] = sources->files[i];
  }
}

bool source_file_is_library(const struct source_file *file)
{
  return !strncmp(file->name, library_folder, sizeof library_folder - 1);
}

/* "lib/drivers/valve.lua" → "drivers.valve"; returns owned. */
static char *module_of(const char *name)
{
  const char *start = name + sizeof library_folder - 1;
  char *module = memory_copied(start, strlen(start) - 4);
  for (char *c = module; *c; c++)
    if (*c == '/')
      *c = '.';
  return module;
}

static void gather_library(struct sources *sources)
{
  struct library *library = library_create();
  for (size_t i = 0; i < sources->file_count; i++) {
    const struct source_file *file = sources->files[i];
    if (!source_file_is_library(file) || file->fault)
      continue;
    char *module = module_of(file->name);
    library_add(library, module, file->name, file->text, file->text_bytes);
    free(module);
  }
  if (library->hash == sources->library->hash && library->count == sources->library->count) {
    library_drop(library); /* running versions share the old one */
    return;
  }
  library_drop(sources->library);
  sources->library = library;
  sources->library_number++;
}

/* What is as it was is not read again: one change among a thousand handlers is taken in time. */
static void hash_handlers(struct sources *sources)
{
  for (size_t i = 0; i < sources->file_count; i++) {
    struct source_file *file = sources->files[i];
    if (source_file_is_library(file) || file->hashed_with == sources->library_number)
      continue;
    file->hash = file->fault ? source_hash(1, file->fault, strlen(file->fault))
                             : requires_hash(file->text, file->text_bytes, sources->library);
    file->hashed_with = sources->library_number;
  }
}

int64_t sources_look(struct sources *sources, enum arrival_haste haste,
                     const struct sources_ports *ports)
{
  const struct arrival_look look = {
      .now_ms = clock_monotonic_ms(),
      .wall_ms = clock_wall_ms(),
      .haste = sources->has_looked || haste != ARRIVAL_CAREFUL ? haste : ARRIVAL_FIRST,
  };
  int64_t due_ms = INT64_MAX;
  bool changed = !sources->has_looked;
  for (size_t i = 0; i < sources->count; i++)
    changed |= source_directory_look(&sources->directories[i], &look, ports, &due_ms);
  sources->has_looked = true;
  if (changed) {
    choose_files(sources);
    gather_library(sources);
    hash_handlers(sources);
  }
  return due_ms;
}

void sources_scan(struct sources *sources)
{
  sources_look(sources, ARRIVAL_REGARDLESS, NULL);
}

bool sources_are_settling(const struct sources *sources)
{
  int64_t now_ms = clock_monotonic_ms();
  for (size_t i = 0; i < sources->count; i++)
    for (size_t j = 0; j < sources->directories[i].count; j++) {
      const struct source_entry *entry = sources->directories[i].entries[j];
      if (!entry->arrival.is_taken && !entry->held_since_ms &&
          arrival_due_ms(&entry->arrival, now_ms) != INT64_MAX)
        return true;
    }
  return false;
}

/* Where the folder is this directory, or in it: its path in it ("" or "lib/…"), else NULL. */
static const char *path_in(const struct source_directory *directory, const char *folder)
{
  size_t size = strlen(directory->path);
  if (strncmp(directory->path, folder, size) != 0)
    return NULL;
  if (size && directory->path[size - 1] == '/')
    return folder + size;
  return folder[size] == '/' ? folder + size + 1 : folder[size] ? NULL : folder + size;
}

void sources_hint(struct sources *sources, const char *folder, const char *name, unsigned what)
{
  bool is_for_all = what & (WATCH_FOLDER | WATCH_LOST);
  for (size_t i = 0; i < sources->count && !is_for_all; i++) {
    const char *inner = path_in(&sources->directories[i], folder);
    if (!inner)
      continue;
    char *full = memory_format("%s%s%s", inner, *inner ? "/" : "", name);
    source_directory_hint(&sources->directories[i], full, what);
    free(full);
    return;
  }
  for (size_t i = 0; i < sources->count; i++) {
    sources->directories[i].has_appeared = true;
    if (what & WATCH_LOST)
      source_directory_hint_lost(&sources->directories[i]);
  }
}

const char *sources_directory(const struct sources *sources, size_t n)
{
  return n < sources->count ? sources->directories[n].path : NULL;
}

const struct source_file *sources_at(const struct sources *sources, size_t n)
{
  return n < sources->file_count ? sources->files[n] : NULL;
}

static int compare_name(const void *name, const void *file)
{
  return strcmp(name, (*(const struct source_file *const *)file)->name);
}

const struct source_file *sources_find(const struct sources *sources, const char *type)
{
  if (!sources->file_count)
    return NULL;
  char *name = memory_format("%s.lua", type);
  struct source_file **found = bsearch(name, sources->files, sources->file_count,
                                       sizeof *sources->files, compare_name);
  free(name);
  return found ? *found : NULL;
}

char *sources_type_of(const struct source_file *file)
{
  return memory_copied(file->name, strlen(file->name) - 4);
}

struct library *sources_library(const struct sources *sources)
{
  return sources->library;
}

int sources_directory_of(const struct sources *sources, const char *path)
{
  const char *slash = strrchr(path, '/');
  for (size_t i = sources->count; slash && i-- > 0;) {
    const char *directory = sources->directories[i].path;
    size_t size = strlen(directory);
    if (path + size == slash && !strncmp(directory, path, size))
      return (int)i;
  }
  return -1;
}

bool sources_directory_was_read(const struct sources *sources, int directory)
{
  return sources->directories[directory].was_read;
}

const char *sources_directory_fault(const struct sources *sources, int directory)
{
  return sources->directories[directory].fault;
}

static const char *held_fault(const struct source_directory *directory, size_t *n)
{
  for (size_t i = 0; i < directory->count; i++)
    if (directory->entries[i]->held && (*n)-- == 0)
      return directory->entries[i]->held;
  return NULL;
}

const char *sources_fault(const struct sources *sources, size_t n)
{
  for (size_t i = 0; i < sources->count; i++) {
    const struct source_directory *directory = &sources->directories[i];
    if (directory->fault && n-- == 0)
      return directory->fault;
    const char *held = held_fault(directory, &n);
    if (held)
      return held;
  }
  return NULL;
}

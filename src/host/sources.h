/* The handler directories as files: which handler each type has, and the
 * libraries. A scan reads what changed and keeps the rest.
 *
 * In a directory `<type>.lua` is a handler; lib/ holds what require() finds
 * (lib/valve.lua is "valve", lib/drivers/valve.lua is "drivers.valve"); other
 * folders, dot files and names that do not end in .lua are ignored. Of several
 * directories a later one wins, type by type and module by module. */
#ifndef KAALUA_HOST_SOURCES_H
#define KAALUA_HOST_SOURCES_H

#include "host/version.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SOURCE_MAX_BYTES = 256 * 1024 };

struct source_file {
  char *name;  /* relative to its directory: "park.lua", "lib/valve.lua" */
  char *path;
  char *text;  /* NULL where `fault` is set */
  size_t text_bytes;
  char *fault; /* why it is refused, with what mends it; or NULL */
  int directory; /* its number, from 0 */
  struct source_stamp *stamp;
};

struct sources;

/* Copies the paths. Returns owned. */
struct sources *sources_create(const char *const *directories, size_t count);
void sources_destroy(struct sources *sources);

/* Looks at the directories anew. A directory that is missing or unreadable
 * keeps what it had, and is a fault. */
void sources_scan(struct sources *sources);

/* The file that serves a type, or the n-th of all that count, libraries among
 * them, sorted by name (NULL past the last). Borrowed until the next scan. */
const struct source_file *sources_find(const struct sources *sources, const char *type);
const struct source_file *sources_at(const struct sources *sources, size_t n);

bool source_file_is_library(const struct source_file *file);

/* The type that a file serves: its name without ".lua"; returns owned. */
char *sources_type_of(const struct source_file *file);

/* The path of the n-th file of the same name in earlier directories, the nearest first; NULL
 * past the last. Borrowed until the next scan. */
const char *sources_shadowed(const struct sources *sources, const struct source_file *file,
                             size_t n);

/* The libraries of the last scan; borrowed. */
struct library *sources_library(const struct sources *sources);

/* The number of the directory that holds the handler's file `path`, -1 where none is. */
int sources_directory_of(const struct sources *sources, const char *path);

/* Whether a directory could be read at any scan, and what is wrong with it ("path: what", NULL:
 * nothing); borrowed until the next scan. */
bool sources_directory_was_read(const struct sources *sources, int directory);
const char *sources_directory_fault(const struct sources *sources, int directory);

/* The n-th fault of the directories themselves, as "path: what"; NULL past the
 * last. Borrowed until the next scan. */
const char *sources_fault(const struct sources *sources, size_t n);

#endif

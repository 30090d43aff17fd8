/* The handler directories as files: which handler each type has, and the
 * libraries. A look reads what has arrived (handlers/arrival.h says when) and keeps the rest.
 *
 * In a directory `<type>.lua` is a handler; lib/ holds what require() finds
 * (lib/valve.lua is "valve", lib/drivers/valve.lua is "drivers.valve"); other
 * folders, and the temporary names of editors and uploads (handlers/source_listing.h) are
 * ignored. Of several directories a later one wins, type by type and module by module;
 * what it shadows is back once its file has been away for 2 s. A file that is refused
 * shadows all the same: what served the type stays in service, and no other comes back.
 *
 * A directory that is missing or unreadable, or has nothing where another file system was
 * (an unmounted card leaves an empty folder), is a fault after 2 s, and keeps what it had:
 * until it is there again, or in the last case until somebody asks for a look.
 *
 *   sources_create → sources_look at start, after a hint and periodically → sources_destroy */
#ifndef KAALUA_HANDLERS_SOURCES_H
#define KAALUA_HANDLERS_SOURCES_H

#include "handlers/arrival.h"
#include "supervision/version.h"

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
  uint64_t hash; /* of a handler: the text with the libraries that it requires, or the fault */
  unsigned hashed_with; /* the number of the libraries that the hash is with; 0: not this text's */
  const char **shadows; /* paths of the files of this name in earlier directories, the nearest
                           first, NULL-terminated; NULL: none */
};

struct sources;

struct sources_ports {
  void *context;
  /* A folder is listed next: the time to watch it. */
  void (*folder)(void *context, const char *path);
  /* A file was read that somebody may have begun to write to, as the kernel does not say:
   * whether an event that sources_hint() was not given yet tells so. May be NULL. */
  bool (*is_written)(void *context, const char *path);
};

/* Copies the paths. Returns owned. */
struct sources *sources_create(const char *const *directories, size_t count);
void sources_destroy(struct sources *sources);

/* Takes all as it is at this moment: for those who look once. */
void sources_scan(struct sources *sources);

/* Looks at the directories and takes what has arrived; the first time ARRIVAL_FIRST counts
 * whatever `haste` says. `ports` may be NULL. Returns when to look again at the latest for
 * what waits (clock_monotonic_ms()), INT64_MAX: nothing waits for a time. */
int64_t sources_look(struct sources *sources, enum arrival_haste haste,
                     const struct sources_ports *ports);

/* Whether a file that was there at the first look is not taken yet only because it is so new. */
bool sources_are_settling(const struct sources *sources);

/* An event told of a name in a folder, as ports->folder() named it; `what` of enum
 * watch_event. Of a folder, or in another folder: anything may be new; WATCH_LOST: and
 * unnoticed. */
void sources_hint(struct sources *sources, const char *folder, const char *name, unsigned what);

/* The path of the n-th directory, NULL past the last; borrowed. */
const char *sources_directory(const struct sources *sources, size_t n);

/* The file that serves a type, or the n-th of all that count, libraries among
 * them, sorted by name (NULL past the last). Borrowed until the next look. */
const struct source_file *sources_find(const struct sources *sources, const char *type);
const struct source_file *sources_at(const struct sources *sources, size_t n);

bool source_file_is_library(const struct source_file *file);

/* The type that a file serves: its name without ".lua"; returns owned. */
char *sources_type_of(const struct source_file *file);

/* The libraries of the last look; borrowed. */
struct library *sources_library(const struct sources *sources);

/* The number of the directory that holds the handler's file `path`, -1 where none is. */
int sources_directory_of(const struct sources *sources, const char *path);

/* Whether a directory could be read at any look, and what is wrong with it ("path: what", NULL:
 * nothing); borrowed until the next look. */
bool sources_directory_was_read(const struct sources *sources, int directory);
const char *sources_directory_fault(const struct sources *sources, int directory);

/* The n-th fault of the directories themselves, or of a file that is not taken for long, or
 * when somebody asked for a look, because a program has it open for writing, as "path: what";
 * NULL past the last. Borrowed until the next look. */
const char *sources_fault(const struct sources *sources, size_t n);

#endif

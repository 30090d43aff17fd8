/* One handler directory: the files in it that count, each as it was taken last. */
#ifndef KAALUA_HANDLERS_SOURCE_DIRECTORY_H
#define KAALUA_HANDLERS_SOURCE_DIRECTORY_H

#include "handlers/arrival.h"
#include "handlers/sources.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source_entry {
  struct source_file file;
  struct arrival arrival;
  int64_t held_since_ms; /* somebody has it open for writing; 0: nobody */
  char *held;            /* said once that has lasted: why it is not taken */
  bool is_there;
};

/* The file system that a directory lies on: what was unmounted leaves another one. */
struct source_place {
  uint64_t mount;
  dev_t device;
};

struct source_directory {
  char *path;
  int number;
  struct source_entry **entries; /* sorted by name */
  size_t count;
  struct source_place place; /* of what was taken last */
  char *fault;               /* of the directory itself, or NULL */
  int64_t fault_since_ms;    /* 0: none */
  bool was_read;
  bool has_appeared;         /* a folder of it is another one: what is in there is new */
};

void source_directory_init(struct source_directory *directory, const char *path, int number);
void source_directory_clear(struct source_directory *directory);

/* Looks at it anew. Calls ports->folder (or NULL) for each folder before it is listed. Lowers
 * *due_ms to when it is to be looked at again. Returns whether anything has changed. */
bool source_directory_look(struct source_directory *directory, const struct arrival_look *look,
                           const struct sources_ports *ports, int64_t *due_ms);

/* An event told of a file, by its name relative to the directory. */
void source_directory_hint(struct source_directory *directory, const char *name, unsigned what);

/* Events were lost. */
void source_directory_hint_lost(struct source_directory *directory);

#endif

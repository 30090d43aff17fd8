/* The names in a handler directory that may be handlers and libraries, with what stat()
 * tells of each: `<type>.lua`, and all `.lua` in lib/ and the folders below it.
 *
 * What editors and uploads leave for a while is none: names that begin with a dot, `#` or
 * `~`, and all that do not end in `.lua` (x.lua~, x.lua.swp, x.lua.part, 4913 …). */
#ifndef KAALUA_HANDLERS_SOURCE_LISTING_H
#define KAALUA_HANDLERS_SOURCE_LISTING_H

#include "handlers/arrival.h"

#include <stdbool.h>
#include <stddef.h>

struct sources_ports;

struct source_listed {
  char *name; /* relative to the directory */
  struct file_stamp stamp;
};

struct source_listing {
  struct source_listed *files;
  size_t count;
  char *fault; /* why it cannot be listed whole, beginning with the folder's path; or NULL */
};

/* Calls ports->folder (or NULL) for each folder before it is read. */
void source_listing_read(struct source_listing *listing, const char *directory,
                         const struct sources_ports *ports);
void source_listing_clear(struct source_listing *listing);

/* Whether a name counts at all. */
bool source_listing_is_source(const char *name);

#endif

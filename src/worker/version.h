/* What the host sent to be loaded: a handler, or a configuration, with the
 * libraries it can require. Owned by the worker, read once, never changed. */
#ifndef KAALUA_WORKER_VERSION_H
#define KAALUA_WORKER_VERSION_H

#include "base/frame.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* A Lua file: its name in messages ("park.lua", "lib/valve.lua") and its text. */
struct source_file {
  char *module; /* what require() is given; "" for the handler itself */
  char *chunk;
  char *text; /* NUL-terminated */
  size_t size_bytes;
};

struct version {
  bool is_config;
  char *name; /* the command type */
  struct source_file *files; /* the first is the handler or configuration */
  size_t file_count;
  json_t *options; /* an object */
};

/* Reads a WORKER_VERSION frame; copies. Returns 0, or -EPROTO. */
int version_read(struct version *version, struct frame *frame);

/* The library that require() finds under `module`, or NULL; borrowed. */
const struct source_file *version_library(const struct version *version, const char *module);

/* The file with this name in messages, or NULL; borrowed. */
const struct source_file *version_file(const struct version *version, const char *chunk);

/* Splits "park.lua:3: message": returns the file, or NULL where `message` does
 * not begin with the place of one; `*rest` is the text behind the place. Lua
 * shortens names over 59 bytes to their end; those are recognised too. */
const struct source_file *version_place(const struct version *version, const char *message,
                                        int *line, const char **rest);

/* The text of a line (from 1) without its end; returns its length, 0 where there
 * is no such line. */
size_t version_line(const struct source_file *file, int line, const char **text);

/* The strings of the array `key` of the options, one after the other: starts
 * with `*index` 0; returns NULL after the last. Borrowed. */
const char *version_option_text(const struct version *version, const char *key, size_t *index);

#endif

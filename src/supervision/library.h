/* The texts that versions are made of: a handler's own, and all libraries of the handler
 * directories, shared by reference count. */
#ifndef KAALUA_SUPERVISION_LIBRARY_H
#define KAALUA_SUPERVISION_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

/* A text file that is part of a version. */
struct source {
  char *module; /* of a library: what require() is given; NULL for the handler */
  char *chunk;  /* its name in messages: "park.lua", "lib/valve.lua" */
  char *text;
  size_t text_bytes;
};

void source_clear(struct source *source);

/* All libraries of the handler directories, as of one scan. */
struct library {
  int references;
  uint64_t hash;
  struct source *sources;
  size_t count;
};

struct library *library_create(void); /* with one reference */
struct library *library_keep(struct library *library);
void library_drop(struct library *library);

/* Appends a copy. */
void library_add(struct library *library, const char *module, const char *chunk, const char *text,
                 size_t text_bytes);

/* FNV-1a of 64 bits; for telling versions apart, not for trust. */
uint64_t source_hash(uint64_t seed, const void *bytes, size_t size);

#endif

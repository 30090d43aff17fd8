/* The memory of one Lua state, with a limit. What is refused is an ordinary
 * memory error inside Lua; the place where it happened is kept for the answer. */
#ifndef KAALUA_WORKER_HEAP_H
#define KAALUA_WORKER_HEAP_H

#include "worker/place.h"

#include <stdbool.h>
#include <stddef.h>

struct worker;

struct heap {
  struct worker *worker; /* borrowed; for the place */
  size_t used_bytes;
  size_t limit_bytes;
  bool refused; /* since heap_watch() */
  char place[PLACE_BYTES];
};

void heap_init(struct heap *heap, struct worker *worker, size_t limit_mib);

/* lua_Alloc; `data` is the struct heap. */
void *heap_allocate(void *data, void *block, size_t old_bytes, size_t new_bytes);

/* Begins to watch for refusals: forgets the last one. */
void heap_watch(struct heap *heap);

#endif

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
  size_t refused_bytes;            /* the last growth, where it was refused; else 0 */
  char refused_place[PLACE_BYTES]; /* where that was */
  bool is_exhausted;               /* a refusal became a memory error */
  bool is_json_refused;
  char place[PLACE_BYTES];         /* where the last one did; "" in none of the handler's lines */
};

void heap_init(struct heap *heap, struct worker *worker, size_t limit_mib);

/* lua_Alloc; `data` is the struct heap. */
void *heap_allocate(void *data, void *block, size_t old_bytes, size_t new_bytes);

/* From here on what jansson allocates counts against this heap: a JSON text is
 * parsed into a tree many times its size. What was allocated before must not be
 * freed after. */
void heap_charge_json(struct heap *heap);

/* Returns whether jansson was refused memory since the last call: what it made of
 * its text is of no use. While that is so, nothing more is granted. */
bool heap_take_json_refusal(struct heap *heap);

/* Begins to watch: forgets memory errors of before. */
void heap_watch(struct heap *heap);

/* Whether there was a memory error since heap_watch(), caught or not. */
bool heap_is_exhausted(struct heap *heap);

#endif

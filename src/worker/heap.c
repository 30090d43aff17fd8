#include "worker/heap.h"

#include "worker/worker.h"

#include <stdlib.h>

void heap_init(struct heap *heap, struct worker *worker, size_t limit_mib)
{
  *heap = (struct heap){.worker = worker, .limit_bytes = limit_mib * 1024 * 1024};
}

void heap_watch(struct heap *heap)
{
  heap->refused = false;
  *heap->place = '\0';
}

/* Asks only for what Lua knows without allocating. */
static void *refuse(struct heap *heap)
{
  heap->refused = true;
  if (heap->worker->lua)
    place_find(heap->worker, heap->place);
  return NULL;
}

void *heap_allocate(void *data, void *block, size_t old_bytes, size_t new_bytes)
{
  struct heap *heap = data;
  size_t before = block ? old_bytes : 0; /* without a block, old_bytes is a kind */
  if (!new_bytes) {
    free(block);
    heap->used_bytes -= before;
    return NULL;
  }
  if (new_bytes > before && new_bytes - before > heap->limit_bytes - heap->used_bytes)
    return refuse(heap);
  void *moved = realloc(block, new_bytes);
  if (!moved)
    return new_bytes <= before ? block : refuse(heap);
  heap->used_bytes += new_bytes - before;
  return moved;
}

#include "worker/heap.h"

#include "worker/worker.h"

#include <stdlib.h>
#include <string.h>

void heap_init(struct heap *heap, struct worker *worker, size_t limit_mib)
{
  *heap = (struct heap){.worker = worker, .limit_bytes = limit_mib * 1024 * 1024};
}

void heap_watch(struct heap *heap)
{
  heap->refused_bytes = 0;
  heap->is_exhausted = false;
  *heap->place = '\0';
}

/* The refused growth was not granted after all. */
static void confirm_refusal(struct heap *heap)
{
  heap->is_exhausted = true;
  heap->refused_bytes = 0;
  memcpy(heap->place, heap->refused_place, sizeof heap->place);
}

bool heap_is_exhausted(struct heap *heap)
{
  if (heap->refused_bytes)
    confirm_refusal(heap);
  return heap->is_exhausted;
}

/* After a refusal Lua collects garbage and mostly asks for the same again; only
 * the next growth shows whether the refusal became a memory error. */
static void note_growth(struct heap *heap, size_t new_bytes, bool is_granted)
{
  if (heap->refused_bytes && (!is_granted || heap->refused_bytes != new_bytes))
    confirm_refusal(heap);
  heap->refused_bytes = is_granted ? 0 : new_bytes;
  if (!is_granted && heap->worker->lua)
    place_find(heap->worker, heap->refused_place); /* allocates nothing */
}

static void *refuse(struct heap *heap, size_t new_bytes)
{
  note_growth(heap, new_bytes, false);
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
  bool grows = new_bytes > before;
  if (grows && (heap->used_bytes > heap->limit_bytes ||
                new_bytes - before > heap->limit_bytes - heap->used_bytes))
    return refuse(heap, new_bytes);
  void *moved = realloc(block, new_bytes);
  if (!moved)
    return grows ? refuse(heap, new_bytes) : block;
  heap->used_bytes += new_bytes - before;
  if (grows && heap->refused_bytes)
    note_growth(heap, new_bytes, true);
  return moved;
}

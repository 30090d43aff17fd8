#include "worker/heap.h"

#include "worker/worker.h"

#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* In front of each block of jansson's, whose functions are told no size. */
union json_block {
  size_t size_bytes;
  max_align_t aligned;
};

/* They have no argument of ours either: the one heap of this process. */
static struct heap *charged;

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

/* Once refused, always refused: jansson goes on after some failures and would
 * leave bytes out of a text. */
static void *allocate_json(size_t size)
{
  struct heap *heap = charged;
  size_t whole = size + sizeof(union json_block);
  bool has_room = !heap->is_json_refused && heap->used_bytes <= heap->limit_bytes &&
                  whole <= heap->limit_bytes - heap->used_bytes;
  union json_block *block = has_room ? malloc(whole) : NULL;
  if (!block) {
    heap->is_json_refused = true;
    return NULL;
  }
  block->size_bytes = whole;
  heap->used_bytes += whole;
  return block + 1;
}

static void free_json(void *data)
{
  if (!data)
    return;
  union json_block *block = (union json_block *)data - 1;
  charged->used_bytes -= block->size_bytes;
  free(block);
}

void heap_charge_json(struct heap *heap)
{
  charged = heap;
  json_set_alloc_funcs(allocate_json, free_json);
}

bool heap_take_json_refusal(struct heap *heap)
{
  bool is_refused = heap->is_json_refused;
  heap->is_json_refused = false;
  return is_refused;
}

#include "core/deadline.h"

#include "base/memory.h"

#include <stdlib.h>

static void put(struct deadlines *all, size_t place, struct deadline *deadline)
{
  all->heap[place - 1] = deadline;
  deadline->place = place;
}

static int64_t due_at(const struct deadlines *all, size_t place)
{
  return all->heap[place - 1]->due_ms;
}

static void rise(struct deadlines *all, struct deadline *deadline)
{
  size_t place = deadline->place;
  while (place > 1 && due_at(all, place / 2) > deadline->due_ms) {
    put(all, place, all->heap[place / 2 - 1]);
    place /= 2;
  }
  put(all, place, deadline);
}

static void sink(struct deadlines *all, struct deadline *deadline)
{
  size_t place = deadline->place;
  for (size_t child; (child = place * 2) <= all->count; place = child) {
    if (child < all->count && due_at(all, child + 1) < due_at(all, child))
      child++;
    if (due_at(all, child) >= deadline->due_ms)
      break;
    put(all, place, all->heap[child - 1]);
  }
  put(all, place, deadline);
}

void deadline_arm(struct deadlines *all, struct deadline *deadline, int64_t due_ms,
                  void (*expire)(struct core *core, struct deadline *deadline))
{
  deadline->due_ms = due_ms;
  deadline->expire = expire;
  if (!deadline->place) {
    if (all->count == all->capacity) {
      all->capacity = all->capacity ? all->capacity * 2 : 16;
      all->heap = memory_resized(all->heap, all->capacity * sizeof(struct deadline *));
    }
    put(all, ++all->count, deadline);
  }
  rise(all, deadline);
  sink(all, deadline);
}

void deadline_disarm(struct deadlines *all, struct deadline *deadline)
{
  size_t place = deadline->place;
  if (!place)
    return;
  struct deadline *last = all->heap[--all->count];
  deadline->place = 0;
  if (last == deadline)
    return;
  put(all, place, last);
  rise(all, last);
  sink(all, last);
}

void deadline_wake(struct core *core, struct deadline *deadline)
{
  (void)core;
  (void)deadline;
}

bool deadline_is_armed(const struct deadline *deadline)
{
  return deadline->place != 0;
}

int64_t deadline_next_ms(const struct deadlines *all)
{
  return all->count ? due_at(all, 1) : INT64_MAX;
}

struct deadline *deadline_take(struct deadlines *all, int64_t now_ms)
{
  if (deadline_next_ms(all) > now_ms || !all->count)
    return NULL;
  struct deadline *next = all->heap[0];
  deadline_disarm(all, next);
  return next;
}

void deadlines_clear(struct deadlines *all)
{
  free(all->heap);
  *all = (struct deadlines){0};
}

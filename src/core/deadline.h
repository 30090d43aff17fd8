/* What is due when: a heap of embedded deadlines, the next one first. Arming
 * and disarming cost O(log n); nothing is allocated for a single one. */
#ifndef KAALUA_CORE_DEADLINE_H
#define KAALUA_CORE_DEADLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core;

/* Embedded and zeroed: an unarmed one. It must be disarmed before its memory
 * goes. */
struct deadline {
  int64_t due_ms;
  size_t place; /* in the heap, from 1; 0: not armed */
  void (*expire)(struct core *core, struct deadline *deadline);
};

struct deadlines {
  struct deadline **heap;
  size_t count;
  size_t capacity;
};

/* Arms it, or moves it where it is armed. `expire` is called by whoever takes
 * it with deadline_take(). */
void deadline_arm(struct deadlines *all, struct deadline *deadline, int64_t due_ms,
                  void (*expire)(struct core *core, struct deadline *deadline));
void deadline_disarm(struct deadlines *all, struct deadline *deadline);

/* An `expire` for what is looked at after every deadline anyway: does nothing. */
void deadline_wake(struct core *core, struct deadline *deadline);

bool deadline_is_armed(const struct deadline *deadline);

/* The time of the next one, INT64_MAX where there is none. */
int64_t deadline_next_ms(const struct deadlines *all);

/* Takes the next one that is due at `now_ms`, disarmed; NULL where none is. */
struct deadline *deadline_take(struct deadlines *all, int64_t now_ms);

void deadlines_clear(struct deadlines *all);

#endif

/* A round of command requests: all endpoints for all types with a handler file,
 * one type after the other, evenly over a time. A cursor, whatever the number
 * of pairs. Private to src/core. */
#ifndef KAALUA_CORE_ROUND_H
#define KAALUA_CORE_ROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct type;

struct round {
  bool is_going;
  size_t type; /* the next to be asked for: indexes */
  size_t endpoint;
  size_t asked;
  size_t total;
  int64_t start_ms;
  int64_t spread_ms;
  double phase; /* 0 … 1 of a slot, so that a fleet does not ask in one moment */
};

/* `spread_ms` 0: everything is due at once. */
void round_begin(struct round *round, size_t total, int64_t now_ms, int64_t spread_ms,
                 double phase);

/* The types change: it goes on from where it is. */
void round_change_types(struct round *round, struct type *const *old, size_t old_count,
                        struct type *const *types, size_t count);

/* Whether nothing is left of it. */
bool round_is_over(struct round *round, size_t endpoint_count, size_t type_count);

/* When its next request is due. */
int64_t round_slot_ms(const struct round *round);

#endif

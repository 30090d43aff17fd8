/* Pairs of endpoint and type whose commands were left with the platform for
 * want of room; they are asked for again when half of the room is free, of all or
 * of the type's own part, a type at most once a second. Private to src/core. */
#ifndef KAALUA_CORE_LEFT_H
#define KAALUA_CORE_LEFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum {
  LEFT_MAX = 256, /* pairs; beyond, a whole round is asked for instead */
  LEFT_GAP_MS = 1000,
  LEFT_ROUND_GAP_MS = 10 * 1000, /* between such rounds */
};

struct core;
struct endpoint;
struct type;
struct left;
TAILQ_HEAD(left_list, left);

struct ask_pair {
  struct endpoint *endpoint;
  struct type *type;
};

struct lefts {
  struct left_list list;
  size_t count;
  bool has_more; /* than can be remembered */
  int64_t round_ms; /* when a round last began because of them */
  bool is_told;  /* the burst was noted */
};

void left_init(struct lefts *lefts);
void left_clear(struct lefts *lefts);

void left_add(struct core *core, struct endpoint *endpoint, struct type *type);

/* Whether a round is due because there are more than can be remembered; says so
 * once. */
bool left_take_round(struct core *core);

/* Takes a pair that is due and for which there is room; returns false where none is. */
bool left_take(struct core *core, struct ask_pair *pair);

/* When the next pair or round will be due; INT64_MAX where there is none, or no room. */
int64_t left_next_ms(const struct core *core);

#endif

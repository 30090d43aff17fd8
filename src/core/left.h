/* Pairs of endpoint and type whose commands were left with the platform for
 * want of room; they are asked for again when half of the room is free, of all or
 * of the type's own part, a type at most once a second; where the storage has no room,
 * more and more slowly. Private to src/core. */
#ifndef KAALUA_CORE_LEFT_H
#define KAALUA_CORE_LEFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct command_life;

enum {
  LEFT_MAX = 256, /* pairs; beyond, a whole round is asked for instead */
  LEFT_GAP_MS = 1000,
  LEFT_ROUND_GAP_MS = 10 * 1000, /* between such rounds */
  LEFT_STORAGE_MS = 5 * 1000,    /* after the storage had no room, doubling while it has none */
  LEFT_STORAGE_MAX_MS = 60 * 1000,
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

/* Orders pairs in a tree of structs that begin with one. */
int ask_pair_compare(const void *a, const void *b);

struct lefts {
  struct left_list list;
  size_t count;
  bool has_more; /* than can be remembered */
  int64_t round_ms; /* when a round last began because of them */
  bool is_told;  /* the burst was noted */
  int64_t storage_until_ms; /* nothing is asked for until then: the storage had no room */
  unsigned storage_failures; /* since it took something */
};

void left_init(struct lefts *lefts);
void left_clear(struct lefts *lefts);

/* A command is left with the platform, which has it still: for want of room in the queue, or in
 * the storage (ends the life). Counts, notes, and has it asked for again. */
void left_for_room(struct core *core, struct endpoint *endpoint, struct type *type, int64_t id);
void left_by_storage(struct core *core, struct command_life *life);

/* The storage has room. */
void left_storage_took(struct core *core);

/* Has the pair asked for. */
void left_add(struct core *core, struct endpoint *endpoint, struct type *type);

/* Whether a round is due because there are more than can be remembered; says so
 * once. */
bool left_take_round(struct core *core);

/* Takes a pair that is due and for which there is room; returns false where none is. */
bool left_take(struct core *core, struct ask_pair *pair);

/* When the next pair or round will be due; INT64_MAX where there is none, or no room. */
int64_t left_next_ms(const struct core *core);

#endif

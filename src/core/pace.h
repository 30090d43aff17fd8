/* The pace of polling, over a transport that cannot push (HTTP; core_options.polls).
 * Each pair of endpoint and type has its own: at once after a connect, at the
 * type's interval while it is idle, each second for a minute after a command, at
 * once where an answer held a command that was not seen before, and backing off
 * while its polls fail. A type whose file went is polled for a day.
 *
 * Idle pairs cost nothing: a cursor a type goes round the endpoints, once in an
 * interval. Only a pair that is busy or fails has a record. Private to src/core. */
#ifndef KAALUA_CORE_PACE_H
#define KAALUA_CORE_PACE_H

#include "core/deadline.h"
#include "core/left.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum {
  PACE_BUSY_MS = 1000,
  PACE_BUSY_FOR_MS = 60 * 1000,
  PACE_RETRY_MS = 5000,          /* after a failure, doubling up to 300 s */
  PACE_GONE_MS = 24 * 3600 * 1000,
  PACE_MAX_POLLS = 6,            /* under way; leaves room for results */
  PACE_MAX_PAIRS = 4096,         /* busy or failing; beyond, a pair keeps its idle pace */
};

struct core;
struct type;
struct pace_pair;
TAILQ_HEAD(pace_pair_list, pace_pair);

/* Of a type: its cursor. */
struct pace_type {
  int64_t interval_ms; /* 0: core_options.poll_interval_ms */
  double due_ms;       /* of the next poll */
  double first_step_ms; /* between the first ones */
  size_t first;        /* polls of the first way round that are left */
  size_t endpoint;     /* the next: an index */
  int64_t until_ms;    /* it is polled; INT64_MAX while it has a file */
  bool is_polled;
  bool is_steady; /* never polled more often than at its interval */
};

struct pace_poll {
  struct ask_pair pair;
  uint32_t request_id;
  int64_t wait_ms; /* the platform asks for it; 0: it does not */
};

struct paces {
  void *pairs; /* a tree of struct pace_pair, by endpoint and type */
  size_t pair_count;
  struct pace_pair_list due;
  struct pace_poll polls[PACE_MAX_POLLS]; /* under way */
  size_t poll_count;
  bool is_idle_turn; /* they take turns, so that busy pairs do not starve idle ones */
  struct deadline gone; /* a removed type's day is over */
};

void pace_init(struct paces *paces);
void pace_clear(struct core *core);

/* Types are to be polled from now on; others are for a day. Takes `types`, sorted; returns what
 * is polled, sorted, owned. */
struct type **pace_set_types(struct core *core, struct type **types, size_t *count);

/* All pairs are due: at once, or within `spread_ms`. */
void pace_connected(struct core *core, int64_t spread_ms);
void pace_disconnected(struct core *core);

/* Takes a pair that is due; returns false where there is none, or too many
 * polls are under way. */
bool pace_take(struct core *core, struct ask_pair *pair);

/* Whether one more poll may be sent. */
bool pace_has_room(const struct core *core);
bool pace_is_under_way(const struct core *core, const struct ask_pair *pair);

/* Whether the platform asked to wait, and the time is not over. */
bool pace_is_held(const struct core *core, const struct ask_pair *pair);

/* Whether each pair has had its first poll of this connection, or its record. */
bool pace_first_way_is_over(const struct core *core);

/* When the next pair will be due, were there room; INT64_MAX where none is. A
 * pair that needed a record has a deadline of its own. */
int64_t pace_next_ms(const struct core *core);

void pace_sent(struct core *core, const struct ask_pair *pair, uint32_t request_id);

/* The pair of this poll waits at least so long, if an error is what it is answered with. */
void pace_hold(struct core *core, uint32_t request_id, int64_t wait_ms);

/* The platform answered the poll; `status` 0: with commands. */
void pace_answered(struct core *core, uint32_t request_id, int status);

/* A command that was not known came for this pair. */
void pace_saw_command(struct core *core, struct endpoint *endpoint, struct type *type);

#endif

/* Command requests: what is outstanding is asked for after each connect, for
 * each new type, at an interval, after errors, and where commands were left
 * for want of room. Where the transport cannot push, they are polls, and
 * core/pace.h says when. At most 500 a second. No memory per pair of endpoint and
 * type, but for the few that were left. Private to src/core. */
#ifndef KAALUA_CORE_ASK_H
#define KAALUA_CORE_ASK_H

#include "core/deadline.h"
#include "core/left.h"
#include "core/pace.h"
#include "core/round.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum {
  ASK_PER_SECOND = 500,
  ASK_SPREAD_MS = 10 * 1000,
  ASK_RETRY_MS = 10 * 1000, /* after an error, doubling */
  ASK_SILENCE_MS = 10 * 1000,
};

struct core;
struct endpoint;
struct type;

TAILQ_HEAD(again_list, endpoint);
TAILQ_HEAD(fresh_list, type);

enum ask_answer { ASK_NONE, ASK_SUCCESS, ASK_ERROR };

/* Of an endpoint; holds for one connection, but for what was told. */
struct ask_endpoint {
  struct deadline retry;
  TAILQ_ENTRY(endpoint) again;
  size_t next_type; /* while in asks.again */
  int64_t asked_ms; /* the first request on this connection; -1: none yet */
  int64_t retried_ms;
  uint32_t connection; /* what stands here is of this one */
  uint8_t answer;      /* enum ask_answer: the last one */
  uint8_t failures;
  bool is_again;
  bool is_malformed_told; /* since the last success, where requests are polls */
};

/* Of a type. */
struct ask_type {
  TAILQ_ENTRY(type) fresh;
  size_t next_endpoint; /* while in asks.fresh */
  int64_t left_asked_ms;
  bool is_fresh;
};

struct asks {
  struct endpoint **endpoints;
  size_t endpoint_count;
  size_t endpoint_capacity;
  struct type **types; /* with a handler file, sorted */
  size_t type_count;
  struct round round;
  struct ask_pair held; /* taken from a list and not sent: the transport had no room */
  struct lefts lefts;
  struct paces paces;
  struct again_list again;
  struct fresh_list fresh;
  struct deadline next_slot;
  struct deadline next_round;
  bool is_first_round_over; /* of this connection; of polls the first way round */
  int64_t next_round_ms; /* not before the one that is going has ended */
  int64_t sent_ms[ASK_PER_SECOND]; /* of the last ones, a ring */
  size_t sent_at;
};

void ask_init(struct asks *asks);
void ask_type_init(struct ask_type *type);
void ask_clear(struct core *core);

void ask_add_endpoint(struct core *core, struct endpoint *endpoint);

/* Takes the array. */
void ask_set_types(struct core *core, struct type **types, size_t count);

void ask_connected(struct core *core);
void ask_disconnected(struct core *core);

/* A request of this endpoint ended. `status` 0: with commands; below 0: without an
 * answer; 2xx: with what is no list of commands, which is no success and, as the
 * platform does answer, no reason to poll more slowly. */
void ask_answered(struct core *core, struct endpoint *endpoint, const char *type,
                  uint32_t request_id, int status, const char *reason);

/* A message for this endpoint was no list of commands. Returns whether to tell of
 * it: where requests are polls once until one succeeds, as a page in the platform's
 * place answers all of them. */
bool ask_is_malformed_news(struct core *core, struct endpoint *endpoint);

/* Whether command requests of this endpoint succeed, as far as this connection
 * tells; silence counts as success. */
bool ask_has_success(struct core *core, struct endpoint *endpoint);

/* Sends what is due. */
void ask_send(struct core *core);

#endif

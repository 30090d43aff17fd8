#include "core/ask.h"

#include "base/memory.h"
#include "core/queue.h"
#include "core/stale.h"
#include "core/state.h"
#include "kp/cep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NEVER_ASKED = -1 };

void ask_init(struct asks *asks)
{
  left_init(&asks->lefts);
  pace_init(&asks->paces);
  TAILQ_INIT(&asks->again);
  TAILQ_INIT(&asks->fresh);
}

void ask_type_init(struct ask_type *type)
{
  type->left_asked_ms = INT64_MIN / 2;
}

static void forget_lists(struct asks *asks)
{
  left_clear(&asks->lefts);
  for (struct endpoint *endpoint; (endpoint = TAILQ_FIRST(&asks->again));) {
    TAILQ_REMOVE(&asks->again, endpoint, ask.again);
    endpoint->ask.is_again = false;
  }
  for (struct type *type; (type = TAILQ_FIRST(&asks->fresh));) {
    TAILQ_REMOVE(&asks->fresh, type, ask.fresh);
    type->ask.is_fresh = false;
  }
  asks->held = (struct ask_pair){0};
}

void ask_clear(struct core *core)
{
  struct asks *asks = &core->asks;
  forget_lists(asks);
  pace_clear(core);
  free(asks->endpoints);
  free(asks->types);
}

void ask_add_endpoint(struct core *core, struct endpoint *endpoint)
{
  struct asks *asks = &core->asks;
  if (asks->endpoint_count == asks->endpoint_capacity) {
    asks->endpoint_capacity = asks->endpoint_capacity ? asks->endpoint_capacity * 2 : 4;
    asks->endpoints =
        memory_resized(asks->endpoints, asks->endpoint_capacity * sizeof(struct endpoint *));
  }
  asks->endpoints[asks->endpoint_count++] = endpoint;
}

/* What an endpoint was answered holds for one connection: an older state is
 * wiped when it is next looked at. */
static struct ask_endpoint *current(struct core *core, struct endpoint *endpoint)
{
  struct ask_endpoint *ask = &endpoint->ask;
  if (ask->connection != core->connection) {
    deadline_disarm(&core->deadlines, &ask->retry);
    ask->connection = core->connection;
    ask->asked_ms = NEVER_ASKED;
    ask->answer = ASK_NONE;
    ask->failures = 0;
    ask->retried_ms = 0;
  }
  return ask;
}

static void begin_round(struct core *core, int64_t spread_ms)
{
  struct asks *asks = &core->asks;
  deadline_disarm(&core->deadlines, &asks->next_round);
  round_begin(&asks->round, asks->endpoint_count * asks->type_count, core->now_ms, spread_ms,
              state_random(core));
  asks->next_round_ms = core->now_ms + state_jitter(core, core->options.ask_interval_ms);
  stale_ask(core);
}

static void next_round(struct core *core, struct deadline *deadline)
{
  (void)deadline;
  if (core->is_connected)
    begin_round(core, ASK_SPREAD_MS);
}

void ask_connected(struct core *core)
{
  struct asks *asks = &core->asks;
  forget_lists(asks);
  asks->is_first_round_over = false;
  for (size_t i = 0; i < ASK_PER_SECOND; i++)
    asks->sent_ms[i] = INT64_MIN / 2;
  int64_t spread_ms = core->connection == 1 ? 0 : ASK_SPREAD_MS;
  if (core->options.polls) {
    pace_connected(core, spread_ms);
    stale_ask(core);
  } else {
    begin_round(core, spread_ms);
  }
}

void ask_disconnected(struct core *core)
{
  forget_lists(&core->asks);
  pace_disconnected(core);
  core->asks.round.is_going = false;
  deadline_disarm(&core->deadlines, &core->asks.next_round);
  deadline_disarm(&core->deadlines, &core->asks.next_slot);
}

static bool has_type(const struct asks *asks, const struct type *type)
{
  for (size_t i = 0; i < asks->type_count; i++)
    if (asks->types[i] == type)
      return true;
  return false;
}

/* Types that are new are asked for at once, those without a file no more. */
static void list_fresh(struct asks *asks, struct type *const *types, size_t count)
{
  for (struct type *type = TAILQ_FIRST(&asks->fresh), *next; type; type = next) {
    next = TAILQ_NEXT(type, ask.fresh);
    if (!type->has_handler) {
      TAILQ_REMOVE(&asks->fresh, type, ask.fresh);
      type->ask.is_fresh = false;
    }
  }
  for (size_t i = 0; i < count; i++) {
    if (types[i]->ask.is_fresh || has_type(asks, types[i]))
      continue;
    types[i]->ask.is_fresh = true;
    types[i]->ask.next_endpoint = 0;
    TAILQ_INSERT_TAIL(&asks->fresh, types[i], ask.fresh);
  }
}

void ask_set_types(struct core *core, struct type **types, size_t count)
{
  struct asks *asks = &core->asks;
  round_change_types(&asks->round, asks->types, asks->type_count, types, count);
  for (size_t i = 0; i < asks->type_count; i++)
    asks->types[i]->has_handler = false;
  for (size_t i = 0; i < count; i++)
    types[i]->has_handler = true;
  if (core->options.polls)
    types = pace_set_types(core, types, &count);
  else if (core->is_connected)
    list_fresh(asks, types, count);
  free(asks->types);
  asks->types = types;
  asks->type_count = count;
}

static void retry(struct core *core, struct deadline *deadline)
{
  struct endpoint *endpoint = (void *)((char *)deadline - offsetof(struct endpoint, ask.retry));
  struct ask_endpoint *ask = current(core, endpoint);
  if (!core->is_connected || ask->is_again)
    return;
  ask->is_again = true;
  ask->next_type = 0;
  ask->retried_ms = core->now_ms;
  TAILQ_INSERT_TAIL(&core->asks.again, endpoint, ask.again);
}

static void arm_retry(struct core *core, struct ask_endpoint *ask)
{
  if (!core->is_connected || ask->is_again || deadline_is_armed(&ask->retry))
    return; /* errors of one round count once */
  int64_t last_ms = state_back_off_ms(ASK_RETRY_MS, ask->failures);
  if (core->now_ms - ask->retried_ms > 2 * last_ms)
    ask->failures = 0; /* the last retry went well */
  int64_t delay_ms = state_back_off_ms(ASK_RETRY_MS, ask->failures);
  if (ask->failures < UINT8_MAX)
    ask->failures++;
  deadline_arm(&core->deadlines, &ask->retry, core->now_ms + state_jitter(core, delay_ms), retry);
}

static void note_failure(struct core *core, const struct endpoint *endpoint, const char *type,
                         int status, const char *reason)
{
  char code[16] = "";
  if (status > 0)
    snprintf(code, sizeof code, *reason ? "%d " : "%d", status);
  notes_add(core, CORE_NOTE_REQUEST_ERROR, endpoint->token, type, 0, "%s%s", code, reason);
}

void ask_answered(struct core *core, struct endpoint *endpoint, const char *type,
                  uint32_t request_id, int status, const char *reason)
{
  struct ask_endpoint *ask = current(core, endpoint);
  bool is_malformed = core->options.polls && status >= 200 && status < 300;
  pace_answered(core, request_id, is_malformed ? 0 : status);
  if (!status) {
    ask->answer = ASK_SUCCESS;
    ask->is_malformed_told = false;
    return;
  }
  if (ask->answer != ASK_ERROR && !is_malformed)
    note_failure(core, endpoint, type, status, reason);
  ask->answer = ASK_ERROR;
  if (!core->options.polls)
    arm_retry(core, ask);
}

bool ask_is_malformed_news(struct core *core, struct endpoint *endpoint)
{
  bool was_told = core->options.polls && endpoint->ask.is_malformed_told;
  endpoint->ask.is_malformed_told = true;
  return !was_told;
}

bool ask_has_success(struct core *core, struct endpoint *endpoint)
{
  struct ask_endpoint *ask = current(core, endpoint);
  if (ask->answer != ASK_NONE)
    return ask->answer == ASK_SUCCESS;
  if (ask->asked_ms != NEVER_ASKED)
    return core->now_ms - ask->asked_ms >= ASK_SILENCE_MS;
  /* Without a type there is nothing that could be asked. */
  return !core->asks.type_count && core->now_ms - core->connected_ms >= ASK_SILENCE_MS;
}

static bool take_left(struct core *core, struct ask_pair *pair)
{
  struct asks *asks = &core->asks;
  if (queue_is_half_empty(core))
    asks->lefts.is_told = false;
  if (left_take_round(core))
    begin_round(core, 0);
  return left_take(core, pair);
}

static bool take_fresh(struct asks *asks, struct ask_pair *pair)
{
  for (struct type *type; (type = TAILQ_FIRST(&asks->fresh));) {
    if (type->ask.next_endpoint < asks->endpoint_count) {
      *pair = (struct ask_pair){asks->endpoints[type->ask.next_endpoint++], type};
      return true;
    }
    TAILQ_REMOVE(&asks->fresh, type, ask.fresh);
    type->ask.is_fresh = false;
  }
  return false;
}

static bool take_again(struct asks *asks, struct ask_pair *pair)
{
  for (struct endpoint *endpoint; (endpoint = TAILQ_FIRST(&asks->again));) {
    if (endpoint->ask.next_type < asks->type_count) {
      *pair = (struct ask_pair){endpoint, asks->types[endpoint->ask.next_type++]};
      return true;
    }
    TAILQ_REMOVE(&asks->again, endpoint, ask.again);
    endpoint->ask.is_again = false;
  }
  return false;
}

static bool take_round(struct core *core, struct ask_pair *pair)
{
  struct asks *asks = &core->asks;
  struct round *round = &asks->round;
  if (!round->is_going)
    return false;
  if (round_is_over(round, asks->endpoint_count, asks->type_count)) {
    round->is_going = false;
    asks->is_first_round_over = true;
    bool is_empty = !asks->endpoint_count || !asks->type_count;
    if (is_empty || core->now_ms < asks->next_round_ms) {
      deadline_arm(&core->deadlines, &asks->next_round, asks->next_round_ms, next_round);
      return false;
    }
    begin_round(core, ASK_SPREAD_MS); /* it took longer than the interval */
  }
  if (core->now_ms < round_slot_ms(round))
    return false;
  round->asked++;
  *pair = (struct ask_pair){asks->endpoints[round->endpoint++], asks->types[round->type]};
  return true;
}

/* What was left is listed again by the poll that is under way, or by the one that
 * the platform wants later. */
static bool take_poll(struct core *core, struct ask_pair *pair)
{
  if (pace_first_way_is_over(core))
    core->asks.is_first_round_over = true;
  if (!pace_has_room(core))
    return false;
  while (take_left(core, pair))
    if (!pace_is_under_way(core, pair) && !pace_is_held(core, pair))
      return true;
  return pace_take(core, pair);
}

static bool take(struct core *core, struct ask_pair *pair)
{
  struct asks *asks = &core->asks;
  *pair = asks->held;
  asks->held = (struct ask_pair){0};
  if (core->options.polls)
    return pair->endpoint || take_poll(core, pair);
  return pair->endpoint || take_left(core, pair) || take_fresh(asks, pair) ||
         take_again(asks, pair) || take_round(core, pair);
}

static int64_t earlier(int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/* When something will be due that no other call brings about. */
static void arm_slot(struct core *core)
{
  struct asks *asks = &core->asks;
  int64_t at_ms = INT64_MAX;
  if (asks->round.is_going)
    at_ms = round_slot_ms(&asks->round);
  if (core->options.polls && !pace_has_room(core)) { /* an answer makes room */
    deadline_disarm(&core->deadlines, &asks->next_slot);
    return;
  }
  if (core->options.polls)
    at_ms = pace_next_ms(core);
  at_ms = earlier(at_ms, left_next_ms(core));
  if (at_ms == INT64_MAX)
    deadline_disarm(&core->deadlines, &asks->next_slot);
  else
    deadline_arm(&core->deadlines, &asks->next_slot, at_ms, deadline_wake);
}

static int ask(struct core *core, const struct ask_pair *pair)
{
  struct asks *asks = &core->asks;
  struct ask_endpoint *endpoint = current(core, pair->endpoint);
  const char *body = core->options.polls ? CEP_POLL : CEP_OBSERVE;
  uint32_t request_id = state_next_request_id(core);
  stale_asked(core, pair, request_id);
  int rc = state_send(core, CORE_REQUEST, pair->endpoint, pair->type, request_id, body,
                      strlen(body));
  if (rc)
    return rc;
  if (core->options.polls)
    pace_sent(core, pair, request_id);
  if (endpoint->asked_ms == NEVER_ASKED)
    endpoint->asked_ms = core->now_ms;
  asks->sent_ms[asks->sent_at] = core->now_ms;
  asks->sent_at = (asks->sent_at + 1) % ASK_PER_SECOND;
  return 0;
}

void ask_send(struct core *core)
{
  struct asks *asks = &core->asks;
  while (core->is_connected && !core->is_blocked) {
    int64_t free_ms = asks->sent_ms[asks->sent_at] + 1000;
    if (core->now_ms < free_ms) {
      deadline_arm(&core->deadlines, &asks->next_slot, free_ms, deadline_wake);
      return;
    }
    struct ask_pair pair;
    if (!take(core, &pair)) {
      arm_slot(core);
      return;
    }
    if (ask(core, &pair))
      asks->held = pair;
  }
}

#include "core/pace.h"

#include "base/memory.h"
#include "core/state.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

enum { CATCH_UP_MS = 1000 }; /* what a late cursor makes good */

struct pace_pair {
  struct ask_pair pair; /* first: the tree compares through it */
  struct deadline next;
  TAILQ_ENTRY(pace_pair) due;
  int64_t busy_until_ms;
  int64_t held_until_ms; /* the platform asked for it */
  uint8_t failures;
  bool is_due; /* in paces.due */
};

void pace_init(struct paces *paces)
{
  TAILQ_INIT(&paces->due);
}

static struct pace_pair *find(const struct core *core, const struct ask_pair *pair)
{
  struct pace_pair **node = tfind(pair, &core->asks.paces.pairs, ask_pair_compare);
  return node ? *node : NULL;
}

static void leave_due(struct paces *paces, struct pace_pair *pair)
{
  if (pair->is_due)
    TAILQ_REMOVE(&paces->due, pair, due);
  pair->is_due = false;
}

static void forget(struct core *core, struct pace_pair *pair)
{
  struct paces *paces = &core->asks.paces;
  leave_due(paces, pair);
  deadline_disarm(&core->deadlines, &pair->next);
  tdelete(pair, &paces->pairs, ask_pair_compare);
  paces->pair_count--;
  free(pair);
}

/* Returns NULL where too many have a record. */
static struct pace_pair *intern(struct core *core, const struct ask_pair *wanted)
{
  struct paces *paces = &core->asks.paces;
  struct pace_pair *pair = find(core, wanted);
  if (pair || paces->pair_count == PACE_MAX_PAIRS)
    return pair;
  pair = memory_zeroed(1, sizeof *pair);
  pair->pair = *wanted;
  pair->busy_until_ms = INT64_MIN;
  tsearch(pair, &paces->pairs, ask_pair_compare);
  paces->pair_count++;
  return pair;
}

static void forget_all(struct core *core)
{
  struct paces *paces = &core->asks.paces;
  while (paces->pairs)
    forget(core, *(struct pace_pair **)paces->pairs);
  paces->poll_count = 0;
}

void pace_clear(struct core *core)
{
  forget_all(core);
}

static int64_t interval_ms(const struct core *core, const struct type *type)
{
  return type->pace.interval_ms ? type->pace.interval_ms : core->options.poll_interval_ms;
}

/* The cursor begins anew. */
static void begin(struct core *core, struct pace_type *pace, int64_t spread_ms)
{
  size_t endpoints = core->asks.endpoint_count;
  pace->first = endpoints;
  pace->first_step_ms = endpoints ? (double)spread_ms / (double)endpoints : 0;
  pace->endpoint = 0;
  /* A fleet that comes back together does not ask in one moment. */
  pace->due_ms = (double)core->now_ms + pace->first_step_ms * state_random(core);
}

static void enter_due(struct core *core, struct pace_pair *pair)
{
  if (pair->is_due)
    return;
  deadline_disarm(&core->deadlines, &pair->next);
  TAILQ_INSERT_TAIL(&core->asks.paces.due, pair, due);
  pair->is_due = true;
}

static void become_due(struct core *core, struct deadline *deadline)
{
  enter_due(core, (void *)((char *)deadline - offsetof(struct pace_pair, next)));
}

static void arm(struct core *core, struct pace_pair *pair, int64_t delay_ms)
{
  leave_due(&core->asks.paces, pair);
  deadline_arm(&core->deadlines, &pair->next, core->now_ms + delay_ms, become_due);
}

/* ---- types ---- */

/* The day of a removed type is over. */
static void end_of_day(struct core *core, struct deadline *deadline)
{
  (void)deadline;
  struct asks *asks = &core->asks;
  struct type **types = memory_zeroed(asks->type_count, sizeof *types);
  size_t count = 0;
  for (size_t i = 0; i < asks->type_count; i++)
    if (asks->types[i]->has_handler)
      types[count++] = asks->types[i];
  ask_set_types(core, types, count);
}

static int compare_names(const void *a, const void *b)
{
  struct type *const *left = a, *const *right = b;
  return strcmp((*left)->name, (*right)->name);
}

static void welcome(struct core *core, struct type *type)
{
  bool is_new = !type->pace.is_polled || type->pace.until_ms != INT64_MAX;
  type->pace.is_polled = true;
  type->pace.until_ms = INT64_MAX;
  if (is_new && core->is_connected)
    begin(core, &type->pace, 0);
}

/* Whether a type without a file is polled still. */
static bool lingers(struct core *core, struct pace_type *pace)
{
  if (pace->until_ms == INT64_MAX)
    pace->until_ms = core->now_ms + PACE_GONE_MS;
  pace->is_polled = core->now_ms < pace->until_ms;
  return pace->is_polled;
}

struct type **pace_set_types(struct core *core, struct type **types, size_t *count)
{
  struct asks *asks = &core->asks;
  int64_t next_ms = INT64_MAX;
  for (size_t i = 0; i < *count; i++)
    welcome(core, types[i]);
  types = memory_resized(types, (*count + asks->type_count + 1) * sizeof *types);
  for (size_t i = 0; i < asks->type_count; i++) {
    struct type *type = asks->types[i];
    if (type->has_handler || !lingers(core, &type->pace))
      continue;
    types[(*count)++] = type;
    if (type->pace.until_ms < next_ms)
      next_ms = type->pace.until_ms;
  }
  qsort(types, *count, sizeof *types, compare_names);
  if (next_ms == INT64_MAX)
    deadline_disarm(&core->deadlines, &asks->paces.gone);
  else
    deadline_arm(&core->deadlines, &asks->paces.gone, next_ms, end_of_day);
  return types;
}

void core_set_poll_interval(struct core *core, const char *name, int64_t ms)
{
  struct type *type = state_find_type(core, name);
  if (!type || type->pace.interval_ms == ms)
    return;
  type->pace.interval_ms = ms;
  size_t endpoints = core->asks.endpoint_count;
  double latest_ms = (double)core->now_ms +
                     (endpoints ? (double)interval_ms(core, type) / (double)endpoints : 0);
  if (type->pace.due_ms > latest_ms)
    type->pace.due_ms = latest_ms;
}

void core_set_poll_steady(struct core *core, const char *name)
{
  struct type *type = state_find_type(core, name);
  if (type)
    type->pace.is_steady = true;
}

/* ---- the connection ---- */

void pace_connected(struct core *core, int64_t spread_ms)
{
  for (size_t i = 0; i < core->asks.type_count; i++)
    begin(core, &core->asks.types[i]->pace, spread_ms);
}

void pace_disconnected(struct core *core)
{
  forget_all(core);
}

/* ---- what is due ---- */

bool pace_has_room(const struct core *core)
{
  return core->asks.paces.poll_count < PACE_MAX_POLLS;
}

bool pace_is_under_way(const struct core *core, const struct ask_pair *pair)
{
  const struct paces *paces = &core->asks.paces;
  for (size_t i = 0; i < paces->poll_count; i++)
    if (!ask_pair_compare(&paces->polls[i].pair, pair))
      return true;
  return false;
}

bool pace_is_held(const struct core *core, const struct ask_pair *pair)
{
  const struct pace_pair *known = find(core, pair);
  return known && core->now_ms < known->held_until_ms;
}

/* The type whose cursor is due first; NULL where there is nothing to poll. */
static struct type *first_type(const struct core *core)
{
  const struct asks *asks = &core->asks;
  struct type *first = NULL;
  for (size_t i = 0; asks->endpoint_count && i < asks->type_count; i++)
    if (!first || asks->types[i]->pace.due_ms < first->pace.due_ms)
      first = asks->types[i];
  return first;
}

/* The pair at the type's cursor, which goes on: an interval, ± 20 %, for a way
 * round; what it is late it makes good a little. */
static struct ask_pair advance(struct core *core, struct type *type)
{
  struct pace_type *pace = &type->pace;
  const struct asks *asks = &core->asks;
  if (pace->endpoint >= asks->endpoint_count)
    pace->endpoint = 0;
  struct ask_pair pair = {asks->endpoints[pace->endpoint++], type};
  if (pace->due_ms < (double)(core->now_ms - CATCH_UP_MS))
    pace->due_ms = (double)(core->now_ms - CATCH_UP_MS);
  if (pace->first && --pace->first)
    pace->due_ms += pace->first_step_ms;
  else
    pace->due_ms += (double)interval_ms(core, type) / (double)asks->endpoint_count *
                    (0.8 + 0.4 * state_random(core));
  return pair;
}

static bool take_idle(struct core *core, struct ask_pair *pair)
{
  struct type *type;
  while ((type = first_type(core)) && type->pace.due_ms <= (double)core->now_ms) {
    *pair = advance(core, type);
    if (!find(core, pair) && !pace_is_under_way(core, pair))
      return true;
  }
  return false;
}

static bool take_due(struct core *core, struct ask_pair *pair)
{
  struct paces *paces = &core->asks.paces;
  struct pace_pair *due;
  while ((due = TAILQ_FIRST(&paces->due))) {
    *pair = due->pair;
    leave_due(paces, due);
    if (!pair->type->pace.is_polled)
      forget(core, due);
    else if (!pace_is_under_way(core, pair)) /* else its answer arms it again */
      return true;
  }
  return false;
}

bool pace_take(struct core *core, struct ask_pair *pair)
{
  struct paces *paces = &core->asks.paces;
  if (!pace_has_room(core))
    return false;
  paces->is_idle_turn = !paces->is_idle_turn;
  if (paces->is_idle_turn)
    return take_idle(core, pair) || take_due(core, pair);
  return take_due(core, pair) || take_idle(core, pair);
}

bool pace_first_way_is_over(const struct core *core)
{
  const struct asks *asks = &core->asks;
  for (size_t i = 0; i < asks->type_count; i++)
    if (asks->types[i]->pace.first)
      return false;
  return true;
}

int64_t pace_next_ms(const struct core *core)
{
  const struct type *type = first_type(core);
  if (!type)
    return INT64_MAX;
  int64_t at_ms = (int64_t)type->pace.due_ms;
  return (double)at_ms < type->pace.due_ms ? at_ms + 1 : at_ms;
}

/* ---- polls ---- */

void pace_sent(struct core *core, const struct ask_pair *pair, uint32_t request_id)
{
  struct paces *paces = &core->asks.paces;
  if (pace_has_room(core))
    paces->polls[paces->poll_count++] = (struct pace_poll){*pair, request_id, 0};
}

static struct pace_poll *find_poll(struct paces *paces, uint32_t request_id)
{
  for (size_t i = 0; i < paces->poll_count; i++)
    if (paces->polls[i].request_id == request_id)
      return &paces->polls[i];
  return NULL;
}

void pace_hold(struct core *core, uint32_t request_id, int64_t wait_ms)
{
  struct pace_poll *poll = find_poll(&core->asks.paces, request_id);
  if (poll)
    poll->wait_ms = wait_ms;
}

static int64_t busy_ms(struct core *core, const struct type *type)
{
  int64_t idle_ms = interval_ms(core, type);
  return state_jitter(core, idle_ms < PACE_BUSY_MS ? idle_ms : PACE_BUSY_MS);
}

static void back_off(struct core *core, struct pace_pair *pair, int64_t wait_ms)
{
  int64_t delay_ms = state_jitter(core, state_back_off_ms(PACE_RETRY_MS, pair->failures));
  if (pair->failures < UINT8_MAX)
    pair->failures++;
  if (wait_ms)
    pair->held_until_ms = core->now_ms + wait_ms;
  arm(core, pair, delay_ms < wait_ms ? wait_ms : delay_ms);
}

void pace_answered(struct core *core, uint32_t request_id, int status)
{
  struct paces *paces = &core->asks.paces;
  struct pace_poll *poll = find_poll(paces, request_id);
  if (!poll)
    return;
  struct pace_poll asked = *poll;
  *poll = paces->polls[--paces->poll_count];
  struct pace_pair *pair = status ? intern(core, &asked.pair) : find(core, &asked.pair);
  if (!pair)
    return;
  if (status) {
    back_off(core, pair, asked.wait_ms);
  } else if (core->now_ms < pair->busy_until_ms) {
    pair->failures = 0;
    arm(core, pair, busy_ms(core, asked.pair.type));
  } else {
    forget(core, pair);
  }
}

/* A poll that is under way left after the last answer: it is the one at once. */
void pace_saw_command(struct core *core, struct endpoint *endpoint, struct type *type)
{
  const struct ask_pair wanted = {endpoint, type};
  if (!core->is_connected || !type->pace.is_polled || type->pace.is_steady)
    return;
  struct pace_pair *pair = intern(core, &wanted);
  if (!pair)
    return;
  pair->busy_until_ms = core->now_ms + PACE_BUSY_FOR_MS;
  if (!pace_is_under_way(core, &wanted) && core->now_ms >= pair->held_until_ms)
    enter_due(core, pair);
}

#include "core/left.h"

#include "base/memory.h"
#include "core/queue.h"
#include "core/state.h"

#include <stdlib.h>

int ask_pair_compare(const void *a, const void *b)
{
  const struct ask_pair *left = a, *right = b;
  if (left->endpoint != right->endpoint)
    return (uintptr_t)left->endpoint < (uintptr_t)right->endpoint ? -1 : 1;
  if (left->type != right->type)
    return (uintptr_t)left->type < (uintptr_t)right->type ? -1 : 1;
  return 0;
}

struct left {
  TAILQ_ENTRY(left) place;
  struct ask_pair pair;
  bool is_due; /* its type had its pause: it goes with this burst */
};

void left_init(struct lefts *lefts)
{
  TAILQ_INIT(&lefts->list);
  lefts->round_ms = INT64_MIN / 2;
  lefts->storage_until_ms = INT64_MIN / 2;
}

static void drop(struct lefts *lefts, struct left *left)
{
  TAILQ_REMOVE(&lefts->list, left, place);
  lefts->count--;
  free(left);
}

void left_clear(struct lefts *lefts)
{
  for (struct left *left; (left = TAILQ_FIRST(&lefts->list));)
    drop(lefts, left);
  lefts->has_more = false;
  lefts->is_told = false;
}

void left_add(struct core *core, struct endpoint *endpoint, struct type *type)
{
  struct lefts *lefts = &core->asks.lefts;
  struct left *left;
  TAILQ_FOREACH_REVERSE(left, &lefts->list, left_list, place)
    if (left->pair.endpoint == endpoint && left->pair.type == type)
      return;
  if (lefts->count >= LEFT_MAX) {
    lefts->has_more = true;
    return;
  }
  left = memory_zeroed(1, sizeof *left);
  left->pair = (struct ask_pair){endpoint, type};
  TAILQ_INSERT_TAIL(&lefts->list, left, place);
  lefts->count++;
}

void left_for_room(struct core *core, struct endpoint *endpoint, struct type *type, int64_t id)
{
  core->counts.left++;
  if (!core->asks.lefts.is_told)
    notes_add(core, CORE_NOTE_LEFT, endpoint->token, type->name, id,
              "no room: %zu commands wait, %zu results are not confirmed; asked for again later",
              core->lives.counts[COMMAND_RECEIVED] + core->lives.counts[COMMAND_QUEUED],
              core->lives.counts[COMMAND_DONE]);
  core->asks.lefts.is_told = true;
  left_add(core, endpoint, type);
}

/* What is left meanwhile counts once. */
static void back_off(struct core *core, const struct command_key *key)
{
  struct lefts *lefts = &core->asks.lefts;
  if (core->now_ms < lefts->storage_until_ms)
    return;
  int64_t delay_ms = state_back_off_ms(LEFT_STORAGE_MS, lefts->storage_failures);
  if (delay_ms > LEFT_STORAGE_MAX_MS)
    delay_ms = LEFT_STORAGE_MAX_MS;
  lefts->storage_until_ms = core->now_ms + delay_ms;
  if (!lefts->storage_failures++)
    notes_add(core, CORE_NOTE_LEFT, key->endpoint, key->type, key->id,
              "the storage has no room; asked for again later");
}

void left_by_storage(struct core *core, struct command_life *life)
{
  core->counts.left++;
  back_off(core, &life->command.key);
  left_add(core, life->lane->endpoint, life->lane->type);
  if (life->is_lost)
    stale_lost_left(core, life);
  life_destroy(core, life);
}

void left_storage_took(struct core *core)
{
  core->asks.lefts.storage_failures = 0;
}

static bool is_backing_off(const struct core *core)
{
  return core->now_ms < core->asks.lefts.storage_until_ms;
}

/* All pairs of a type that were left so far go in one burst; those that are left
 * again while it lasts wait for the next, a second later. */
static struct left *next(struct core *core)
{
  struct left *left, *other;
  if (is_backing_off(core))
    return NULL;
  TAILQ_FOREACH(left, &core->asks.lefts.list, place) {
    struct type *type = left->pair.type;
    if (left->is_due && queue_has_room_again(core, type))
      return left;
    if (core->now_ms - type->ask.left_asked_ms < LEFT_GAP_MS || !queue_has_room_again(core, type))
      continue;
    type->ask.left_asked_ms = core->now_ms;
    TAILQ_FOREACH(other, &core->asks.lefts.list, place)
      if (other->pair.type == type)
        other->is_due = true;
    return left;
  }
  return NULL;
}

/* Polls come round by themselves. */
static bool wants_round(const struct core *core)
{
  return !core->options.polls && core->asks.lefts.has_more && !core->asks.round.is_going &&
         queue_is_half_empty(core);
}

bool left_take_round(struct core *core)
{
  struct lefts *lefts = &core->asks.lefts;
  if (!wants_round(core) || is_backing_off(core) ||
      core->now_ms - lefts->round_ms < LEFT_ROUND_GAP_MS)
    return false;
  lefts->has_more = false;
  lefts->round_ms = core->now_ms;
  return true;
}

bool left_take(struct core *core, struct ask_pair *pair)
{
  struct left *left = next(core);
  if (!left)
    return false;
  *pair = left->pair;
  drop(&core->asks.lefts, left);
  return true;
}

int64_t left_next_ms(const struct core *core)
{
  int64_t next_ms = wants_round(core) ? core->asks.lefts.round_ms + LEFT_ROUND_GAP_MS : INT64_MAX;
  const struct left *left;
  TAILQ_FOREACH(left, &core->asks.lefts.list, place) {
    const struct type *type = left->pair.type;
    int64_t at_ms = type->ask.left_asked_ms + LEFT_GAP_MS;
    if (at_ms < next_ms && queue_has_room_again(core, type))
      next_ms = at_ms;
  }
  if (next_ms != INT64_MAX && is_backing_off(core) && next_ms < core->asks.lefts.storage_until_ms)
    next_ms = core->asks.lefts.storage_until_ms;
  return next_ms;
}

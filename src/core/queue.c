#include "core/queue.h"

#include "base/memory.h"
#include "core/cancel.h"
#include "core/left.h"
#include "core/pace.h"
#include "core/stale.h"
#include "core/state.h"

#include <search.h>
#include <stddef.h>

/* Bytes of elements that have not ended, and of results not yet confirmed: a count
 * alone would let 1,000 commands of 256 kB each in. */
enum { MAX_BYTES = 16 * 1024 * 1024 };

enum { OWN_PART = 32 }; /* what each type may have waiting in any case: a 32nd of the room */

static size_t waiting(const struct core *core)
{
  return core->lives.counts[COMMAND_RECEIVED] + core->lives.counts[COMMAND_QUEUED] -
         core->stales.held;
}

static size_t element_bytes(const struct core *core)
{
  return core->lives.element_bytes - core->stales.held_bytes;
}

bool queue_is_full(const struct core *core, const struct type *type)
{
  size_t max = core->options.max_queued;
  if (type->backlog < max / OWN_PART)
    max *= 2;
  return waiting(core) >= max || element_bytes(core) >= MAX_BYTES ||
         core->lives.result_bytes >= MAX_BYTES;
}

static bool is_half_empty(const struct core *core, size_t max)
{
  return waiting(core) <= max / 2 && element_bytes(core) <= MAX_BYTES / 2 &&
         core->lives.result_bytes <= MAX_BYTES / 2;
}

bool queue_is_half_empty(const struct core *core)
{
  return is_half_empty(core, core->options.max_queued);
}

bool queue_has_room_again(const struct core *core, const struct type *type)
{
  size_t max = core->options.max_queued;
  size_t own = max / OWN_PART;
  return is_half_empty(core, max) ||
         (own && type->backlog <= own / 2 && is_half_empty(core, 3 * max));
}

/* Each command that runs adds a result to those in memory. */
static bool has_room_for_results(struct core *core)
{
  if (core->lives.result_bytes >= MAX_BYTES)
    core->holds_work = true;
  return !core->holds_work;
}

void queue_accept(struct core *core, struct command_life *life, enum change_kind kind)
{
  struct type *type = life->lane->type;
  batch_add(core, kind, life);
  if (life->is_refusal) {
    batch_add(core, CHANGE_DONE, life);
    return;
  }
  /* Nobody is overtaken: only where none of the type waits. */
  life->is_coming = type->coming < type->ahead && !type->waiting && TAILQ_EMPTY(&type->queue) &&
                    has_room_for_results(core);
  if (life->is_coming) {
    type->coming++;
    batch_add(core, CHANGE_RUN, life);
  } else {
    type->waiting++;
  }
}

static void grow(struct core *core, struct type *type)
{
  if (type->has_grown)
    return;
  type->has_grown = true;
  TAILQ_INSERT_TAIL(&core->grown, type, grown);
}

/* What arrives goes last and what is put back goes near the front, so both ends are
 * tried before the way through. */
static void insert(struct life_list *list, struct command_life *life)
{
  struct command_life *last = TAILQ_LAST(list, life_list);
  if (!last || last->command.sequence < life->command.sequence) {
    TAILQ_INSERT_TAIL(list, life, place);
    return;
  }
  struct command_life *next = TAILQ_FIRST(list);
  while (next->command.sequence < life->command.sequence)
    next = TAILQ_NEXT(next, place);
  TAILQ_INSERT_BEFORE(next, life, place);
}

void queue_enter(struct core *core, struct command_life *life)
{
  struct type *type = life->lane->type;
  insert(&type->queue, life);
  life_set_state(core, life, COMMAND_QUEUED);
  grow(core, type);
}

static void set_handed_out(struct core *core, struct command_life *life)
{
  life_set_state(core, life, COMMAND_RUNNING);
  insert(&life->lane->type->handed, life);
}

void queue_leave(struct command_life *life)
{
  TAILQ_REMOVE(&life->lane->type->queue, life, place);
}

void queue_accepted(struct core *core, struct command_life *life)
{
  core->counts.accepted++;
  left_storage_took(core);
  if (life->is_lost)
    stale_lost_accepted(core, life);
  pace_saw_command(core, life->lane->endpoint, life->lane->type);
  if (life->is_refusal)
    return;
  if (life->is_coming) {
    set_handed_out(core, life);
  } else {
    life->lane->type->waiting--;
    queue_enter(core, life);
    cancel_look(core, life);
  }
}

void queue_not_accepted(struct command_life *life)
{
  if (life->is_coming)
    life->lane->type->coming--;
  else if (!life->is_refusal)
    life->lane->type->waiting--;
  life->is_coming = false;
}

/* Whether the list has one that the life may not overtake. */
static bool has_older(const struct life_list *list, const struct command_life *life)
{
  enum core_order order = life->lane->type->order;
  const struct command_life *one;
  TAILQ_FOREACH(one, list, place) {
    if (order == CORE_ORDER_NONE || one->command.sequence >= life->command.sequence)
      return false;
    if (order == CORE_ORDER_TYPE || one->lane == life->lane)
      return true;
  }
  return false;
}

static void tell_withdrawn(struct core *core, const struct command_life *life, bool is_counted)
{
  if (is_counted && core->ports.withdrawn)
    core->ports.withdrawn(core->ports.context, life->lane->type->name,
                          life->lane->endpoint->token);
}

/* What was put back since it was handed out goes first. */
static void withdraw(struct core *core, struct command_life *life, bool is_counted)
{
  life->takes_back = true;
  batch_add(core, CHANGE_REQUEUE, life);
  queue_enter(core, life);
  tell_withdrawn(core, life, is_counted);
}

void queue_run(struct core *core, struct command_life *life)
{
  struct type *type = life->lane->type;
  bool is_counted = !life->is_coming;
  if (life->is_coming) {
    life->is_coming = false;
    type->coming--;
    if (type->ahead)
      type->ahead--;
  }
  TAILQ_REMOVE(&type->handed, life, place);
  if (cancel_take(core, life)) {
    tell_withdrawn(core, life, is_counted);
    grow(core, type); /* what waits behind it may have the room */
    return;
  }
  if (has_older(&type->queue, life) || has_older(&type->handed, life)) {
    withdraw(core, life, is_counted);
    return;
  }
  life->has_begun = true;
  core->ports.run(core->ports.context, &life->command);
}

/* What a resume runs for is used up with it: were it killed, too, it would wait for a
 * restart that has been. */
static void gather_run(struct core *core, struct command_life *life)
{
  const struct command_saved *saved = &life->command.saved;
  batch_add(core, CHANGE_RUN, life);
  if (saved->restart == COMMAND_NO_RESTART)
    return;
  struct change *change = batch_add(core, CHANGE_SAVE, life);
  change->saved = *saved;
  change->saved.restart = COMMAND_NO_RESTART;
  if (saved->text)
    change->saved.text = memory_copied(saved->text, saved->text_bytes);
}

static void grow_type(const void *node, VISIT visit, void *core)
{
  struct type *type = (void *)(*(char *const *)node - offsetof(struct type, name));
  if ((visit == postorder || visit == leaf) && !TAILQ_EMPTY(&type->queue))
    grow(core, type);
}

void queue_settled(struct core *core)
{
  if (!core->holds_work || core->lives.result_bytes > MAX_BYTES / 2)
    return;
  core->holds_work = false;
  twalk_r(core->type_names, grow_type, core);
}

void queue_announce(struct core *core)
{
  for (struct type *type; (type = TAILQ_FIRST(&core->grown));) {
    TAILQ_REMOVE(&core->grown, type, grown);
    type->has_grown = false;
    if (!TAILQ_EMPTY(&type->queue))
      core->ports.queued(core->ports.context, type->name);
  }
}

static enum core_answer take_all(void *context, const char *endpoint)
{
  (void)context;
  (void)endpoint;
  return CORE_TAKE;
}

size_t core_hand_out(struct core *core, const char *name, size_t max)
{
  return core_hand_out_to(core, name, max, take_all, NULL);
}

static enum core_answer ask(const struct core *core, struct lane *lane, core_offer *offer,
                            void *context)
{
  if (lane->passed_in == core->hand_outs)
    return CORE_PASS;
  enum core_answer answer = offer(context, lane->endpoint->token);
  if (answer == CORE_PASS && lane->type->order == CORE_ORDER_TYPE)
    return CORE_STOP;
  if (answer == CORE_PASS)
    lane->passed_in = core->hand_outs;
  return answer;
}

size_t core_hand_out_to(struct core *core, const char *name, size_t max, core_offer *offer,
                        void *context)
{
  struct type *type = state_find_type(core, name);
  if (!type || !has_room_for_results(core))
    return 0;
  max = max > type->coming ? max - type->coming : 0;
  core->hand_outs++;
  size_t count = 0;
  for (struct command_life *life = TAILQ_FIRST(&type->queue), *next; life && count < max;
       life = next) {
    next = TAILQ_NEXT(life, place);
    enum core_answer answer = ask(core, life->lane, offer, context);
    if (answer == CORE_STOP)
      break;
    if (answer == CORE_PASS)
      continue;
    queue_leave(life);
    set_handed_out(core, life);
    gather_run(core, life);
    count++;
  }
  return count;
}

void core_hand_out_ahead(struct core *core, const char *name, size_t max)
{
  struct type *type = state_find_type(core, name);
  if (type)
    type->ahead = max;
}

void core_finish(struct core *core, struct command *command, struct command_result *result)
{
  struct command_life *life = command->life;
  if (command->state != COMMAND_RUNNING || !life->has_begun) {
    command_result_clear(result);
    return;
  }
  life_set_result(core, life, result);
  life_set_state(core, life, COMMAND_DONE);
  life->is_ending = life->has_begun;
  batch_add(core, CHANGE_DONE, life);
}

void core_put_back(struct core *core, struct command *command)
{
  struct command_life *life = command->life;
  if (command->state != COMMAND_RUNNING || !life->has_begun)
    return;
  life->has_begun = false;
  life->is_ending = true;
  life->takes_back = true;
  life->restart = COMMAND_NO_RESTART;
  life->lane->type->ahead = 0; /* the worker that had room is gone */
  batch_add(core, CHANGE_REQUEUE, life);
  queue_enter(core, life);
}

#include "core/queue.h"

#include "core/pace.h"
#include "core/state.h"

/* Bytes of elements that have not ended, and of results not yet confirmed: a count
 * alone would let 1,000 commands of 256 kB each in. */
enum { MAX_BYTES = 16 * 1024 * 1024 };

enum { OWN_PART = 32 }; /* what each type may have waiting in any case: a 32nd of the room */

static size_t waiting(const struct core *core)
{
  return core->lives.counts[COMMAND_RECEIVED] + core->lives.counts[COMMAND_QUEUED];
}

bool queue_is_full(const struct core *core, const struct type *type)
{
  size_t max = core->options.max_queued;
  if (type->backlog < max / OWN_PART)
    max *= 2;
  return waiting(core) >= max || core->lives.element_bytes >= MAX_BYTES ||
         core->lives.result_bytes >= MAX_BYTES;
}

static bool is_half_empty(const struct core *core, size_t max)
{
  return waiting(core) <= max / 2 && core->lives.element_bytes <= MAX_BYTES / 2 &&
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

void queue_accept(struct core *core, struct command_life *life, enum change_kind kind)
{
  struct type *type = life->lane->type;
  batch_add(core, kind, life);
  if (life->is_refusal) {
    batch_add(core, CHANGE_DONE, life);
    return;
  }
  /* Nobody is overtaken: only where none of the type waits. */
  life->is_coming = type->coming < type->ahead && !type->waiting && TAILQ_EMPTY(&type->queue);
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

/* In the order of arrival. What arrives goes last and what is put back goes
 * near the front, so both ends are tried before the way through. */
static void enqueue(struct core *core, struct command_life *life)
{
  struct type *type = life->lane->type;
  struct command_life *last = TAILQ_LAST(&type->queue, life_list);
  if (!last || last->order < life->order) {
    TAILQ_INSERT_TAIL(&type->queue, life, place);
  } else {
    struct command_life *next = TAILQ_FIRST(&type->queue);
    while (next->order < life->order)
      next = TAILQ_NEXT(next, place);
    TAILQ_INSERT_BEFORE(next, life, place);
  }
  life_set_state(core, life, COMMAND_QUEUED);
  grow(core, type);
}

void queue_accepted(struct core *core, struct command_life *life)
{
  core->counts.accepted++;
  pace_saw_command(core, life->lane->endpoint, life->lane->type);
  if (life->is_refusal)
    return;
  if (life->is_coming) {
    life_set_state(core, life, COMMAND_RUNNING);
  } else {
    life->lane->type->waiting--;
    enqueue(core, life);
  }
}

void queue_not_accepted(struct core *core, struct command_life *life)
{
  (void)core;
  if (life->is_coming)
    life->lane->type->coming--;
  else if (!life->is_refusal)
    life->lane->type->waiting--;
  life->is_coming = false;
}

void queue_run(struct core *core, struct command_life *life)
{
  struct type *type = life->lane->type;
  if (life->is_coming) {
    life->is_coming = false;
    type->coming--;
    if (type->ahead)
      type->ahead--;
  }
  life->has_begun = true;
  core->ports.run(core->ports.context, &life->command);
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

size_t core_hand_out(struct core *core, const char *name, size_t max)
{
  struct type *type = state_find_type(core, name);
  if (!type)
    return 0;
  max = max > type->coming ? max - type->coming : 0;
  size_t count = 0;
  for (struct command_life *life; count < max && (life = TAILQ_FIRST(&type->queue)); count++) {
    TAILQ_REMOVE(&type->queue, life, place);
    life_set_state(core, life, COMMAND_RUNNING);
    batch_add(core, CHANGE_RUN, life);
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
  batch_add(core, CHANGE_DONE, life);
}

void core_put_back(struct core *core, struct command *command)
{
  struct command_life *life = command->life;
  if (command->state != COMMAND_RUNNING || !life->has_begun)
    return;
  life->has_begun = false;
  life->lane->type->ahead = 0; /* the worker that had room is gone */
  batch_add(core, CHANGE_REQUEUE, life);
  enqueue(core, life);
}

#include "core/batch.h"

#include "base/memory.h"
#include "core/cancel.h"
#include "core/intake.h"
#include "core/left.h"
#include "core/queue.h"
#include "core/resume.h"
#include "core/stale.h"
#include "core/state.h"

#include <stdlib.h>

enum { KEPT_CAPACITY = 256 }; /* a larger array is given back once it was used */

struct change *batch_append(struct core *core, enum change_kind kind)
{
  struct batch *batch = &core->batches.gathering;
  if (batch->count == batch->capacity) {
    batch->capacity = batch->capacity ? batch->capacity * 2 : 16;
    batch->changes = memory_resized(batch->changes, batch->capacity * sizeof *batch->changes);
  }
  struct change *change = &batch->changes[batch->count++];
  *change = (struct change){.kind = kind};
  return change;
}

struct change *batch_add(struct core *core, enum change_kind kind, struct command_life *life)
{
  struct change *change = batch_append(core, kind);
  change->command = &life->command;
  life->changes++;
  return change;
}

/* What a storage may read while a batch is with it changes only here, where none is. */
static void stamp(struct change *change)
{
  struct command *command = change->command;
  if (change->kind == CHANGE_RUN) {
    command->policy = command->life->lane->type->policy;
    command->attempts++;
  } else if (change->kind == CHANGE_REQUEUE && command->life->takes_back) {
    command->attempts--;
    command->life->takes_back = false;
  }
}

void batch_submit(struct core *core)
{
  struct batches *batches = &core->batches;
  if (batches->is_submitted || !batches->gathering.count)
    return;
  struct batch empty = batches->submitted;
  batches->submitted = batches->gathering;
  batches->gathering = empty;
  batches->is_submitted = true;
  for (size_t i = 0; i < batches->submitted.count; i++)
    stamp(&batches->submitted.changes[i]);
  core->storage.submit(core->storage.context, batches->submitted.changes,
                       batches->submitted.count);
}

/* RUN or DONE that stand behind an ACCEPT which was not carried out say nothing. */
static void void_next(struct batch *batch, size_t i)
{
  if (i + 1 >= batch->count || batch->changes[i + 1].command != batch->changes[i].command)
    return;
  struct command *command = batch->changes[i].command;
  batch->changes[i + 1].command = NULL;
  command->attempts -= batch->changes[i + 1].kind == CHANGE_RUN;
  command->life->changes--;
}

static void settled(struct core *core, struct command_life *life)
{
  const struct intake again = {
      .endpoint = life->lane->endpoint,
      .type = life->lane->type,
      .text = life->again,
      .size_bytes = life->again_bytes,
      .received_wall_ms = life->again_wall_ms,
      .received_boot_ms = life->again_boot_ms,
  };
  life->again = NULL;
  life_destroy(core, life);
  queue_settled(core);
  if (again.text)
    intake_again(core, &again);
  free((char *)again.text);
  if (!core->lives.counts[COMMAND_DONE])
    report_forget_silent(core);
}

static void accepted(struct core *core, struct batch *batch, size_t i)
{
  struct change *change = &batch->changes[i];
  struct command_life *life = change->command->life;
  if (!change->found && !change->is_left) {
    queue_accepted(core, life);
    return;
  }
  void_next(batch, i);
  queue_not_accepted(life);
  if (change->found)
    repeat_found(core, life, change->found);
  else
    left_by_storage(core, life);
  change->found = NULL;
}

/* The port may call back, also about this command: it goes last. */
static void ended(struct core *core, struct command_life *life)
{
  if (!life->is_ending)
    return;
  life->is_ending = false;
  if (core->ports.ended)
    core->ports.ended(core->ports.context, &life->command);
  life->command.owner = NULL;
}

static void apply_to_life(struct core *core, struct batch *batch, size_t i)
{
  struct change *change = &batch->changes[i];
  struct command_life *life = change->command->life;
  life->changes--;
  switch (change->kind) {
  case CHANGE_ACCEPT:
  case CHANGE_REPLACE: accepted(core, batch, i); break;
  case CHANGE_SAVE:
    resume_saved(core, life, &change->saved);
    cancel_look(core, life);
    break;
  case CHANGE_REQUEUE:
    ended(core, life);
    cancel_look(core, life);
    break;
  case CHANGE_WAIT:
    resume_waits(core, life);
    ended(core, life);
    cancel_look(core, life);
    break;
  case CHANGE_WAKE: cancel_look(core, life); break;
  case CHANGE_DONE:
    command_saved_clear(&life->command.saved);
    life->command.has_saved = false;
    report_done(core, life);
    ended(core, life);
    break;
  case CHANGE_CONFIRM:
    core->counts.confirmed++;
    settled(core, life);
    break;
  case CHANGE_REFUSE:
    core->counts.refused++;
    settled(core, life);
    break;
  case CHANGE_DROP:
    core->counts.dropped++;
    settled(core, life);
    break;
  default: break; /* RUN: when all others were carried out */
  }
}

static void apply(struct core *core, struct batch *batch, size_t i)
{
  struct change *change = &batch->changes[i];
  switch (change->kind) {
  case CHANGE_LISTED: stale_listed(core, &change->pair); break;
  case CHANGE_ANSWERED: break;
  case CHANGE_KEEP:
  case CHANGE_RELEASE: outbox_keep_stored(core, change); break;
  default:
    if (change->command) /* else it was void */
      apply_to_life(core, batch, i);
    break;
  }
}

void batch_stored(struct core *core)
{
  struct batches *batches = &core->batches;
  if (!batches->is_submitted)
    return;
  struct batch batch = batches->submitted;
  batches->submitted = (struct batch){0};
  batches->is_submitted = false;
  for (size_t i = 0; i < batch.count; i++)
    apply(core, &batch, i);
  for (size_t i = 0; i < batch.count; i++)
    if (batch.changes[i].kind == CHANGE_RUN && batch.changes[i].command)
      queue_run(core, batch.changes[i].command->life);
  if (batch.capacity > KEPT_CAPACITY || batches->submitted.changes) {
    free(batch.changes);
  } else {
    batch.count = 0;
    batches->submitted = batch;
  }
}

static void clear(struct batch *batch)
{
  for (size_t i = 0; i < batch->count; i++) {
    storage_record_destroy(batch->changes[i].found);
    command_saved_clear(&batch->changes[i].saved);
    free(batch->changes[i].message.body);
  }
  free(batch->changes);
  *batch = (struct batch){0};
}

void batch_clear(struct batches *batches)
{
  clear(&batches->gathering);
  clear(&batches->submitted);
  batches->is_submitted = false;
}

#include "core/batch.h"

#include "base/memory.h"
#include "core/intake.h"
#include "core/queue.h"
#include "core/state.h"

#include <stdlib.h>

enum { KEPT_CAPACITY = 256 }; /* a larger array is given back once it was used */

void batch_add(struct core *core, enum change_kind kind, struct command_life *life)
{
  struct batch *batch = &core->batches.gathering;
  if (batch->count == batch->capacity) {
    batch->capacity = batch->capacity ? batch->capacity * 2 : 16;
    batch->changes = memory_resized(batch->changes, batch->capacity * sizeof *batch->changes);
  }
  batch->changes[batch->count++] = (struct change){.kind = kind, .command = &life->command};
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
  core->storage.submit(core->storage.context, batches->submitted.changes,
                       batches->submitted.count);
}

/* RUN or DONE that stand behind an ACCEPT which found something say nothing. */
static void void_next(struct batch *batch, size_t i)
{
  if (i + 1 < batch->count && batch->changes[i + 1].command == batch->changes[i].command)
    batch->changes[i + 1].command = NULL;
}

static void settled(struct core *core, struct command_life *life)
{
  const struct intake again = {
      .endpoint = life->lane->endpoint,
      .type = life->lane->type,
      .text = life->again,
      .size_bytes = life->again_bytes,
      .received_wall_ms = life->again_wall_ms,
  };
  life->again = NULL;
  life_destroy(core, life);
  if (again.text)
    intake_again(core, &again);
  free((char *)again.text);
  if (!core->lives.counts[COMMAND_DONE])
    report_forget_silent(core);
}

static void apply(struct core *core, struct batch *batch, size_t i)
{
  struct change *change = &batch->changes[i];
  if (!change->command)
    return;
  struct command_life *life = change->command->life;
  switch (change->kind) {
  case CHANGE_ACCEPT:
  case CHANGE_REPLACE:
    if (change->found) {
      void_next(batch, i);
      queue_not_accepted(core, life);
      repeat_found(core, life, change->found);
      change->found = NULL;
    } else {
      queue_accepted(core, life);
    }
    break;
  case CHANGE_RUN:
  case CHANGE_REQUEUE: break;
  case CHANGE_DONE: report_done(core, life); break;
  case CHANGE_CONFIRM:
    core->counts.confirmed++;
    settled(core, life);
    break;
  case CHANGE_REFUSE:
    core->counts.refused++;
    settled(core, life);
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
  for (size_t i = 0; i < batch->count; i++)
    storage_record_destroy(batch->changes[i].found);
  free(batch->changes);
  *batch = (struct batch){0};
}

void batch_clear(struct batches *batches)
{
  clear(&batches->gathering);
  clear(&batches->submitted);
  batches->is_submitted = false;
}

#include "power_batch.h"

#include "base/memory.h"
#include "crash_disk.h"

#include <stdlib.h>
#include <string.h>

char *power_letters(uint64_t *seed, size_t *size)
{
  uint64_t lot = crash_random(seed, 50);
  *size = (size_t)crash_random(seed, lot == 0 ? 20000 : lot < 10 ? 3000 : 80);
  char *text = memory_zeroed(1, *size + 1);
  uint64_t letters = 1 + crash_random(seed, UINT64_C(1) << 40);
  for (size_t i = 0; i < *size; i++) {
    letters = letters * UINT64_C(6364136223846793005) + 1;
    text[i] = (char)('a' + (letters >> 33) % 26);
  }
  return text;
}

static struct change *add(struct power_batch *batch, enum change_kind kind, struct command *command)
{
  struct change *change = &batch->changes[batch->count++];
  *change = (struct change){.kind = kind, .command = command};
  return change;
}

static struct command *use(struct power_batch *batch, const struct power_command *at, int place)
{
  struct command *command = &batch->commands[place];
  if (batch->is_used[place])
    return command;
  batch->is_used[place] = true;
  int pair = place / POWER_IDS;
  *command = (struct command){
      .key = {power_endpoint(pair), power_type(pair), place % POWER_IDS + 1},
      .sequence = at->sequence,
      .policy = (enum command_policy)at->policy,
      .attempts = (int)at->attempts,
      .resumes = at->resumes != 0,
  };
  return command;
}

static void set_result(struct command *command, uint64_t *seed)
{
  size_t size;
  command_result_clear(&command->result);
  command->result.status = (int)(200 + crash_random(seed, 300));
  command->result.reason =
      memory_format("reason %d", (int)crash_random(seed, 1000000));
  command->result.payload = crash_random(seed, 4) ? power_letters(seed, &size) : NULL;
  command->result.payload_bytes = command->result.payload ? size : 0;
}

static void start_run(struct power_batch *batch, struct command *command, uint64_t *seed)
{
  command->policy = (enum command_policy)crash_random(seed, 3);
  command->attempts++;
  add(batch, CHANGE_RUN, command);
}

static void end_run(struct power_batch *batch, struct command *command, uint64_t *seed)
{
  set_result(command, seed);
  add(batch, CHANGE_DONE, command);
}

static void accept(struct power_batch *batch, const struct power_state *state, int place,
                   int64_t *sequence, uint64_t *seed)
{
  if (batch->is_used[place]) /* its command is that of the one before */
    return;
  struct command *command = use(batch, &state->commands[place], place);
  command->sequence = ++*sequence;
  command->attempts = 0;
  command->resumes = false;
  command->element = power_letters(seed, &command->element_bytes);
  command->received_wall_ms = (int64_t)(1 + crash_random(seed, INT64_C(1) << 40));
  command->received_boot_ms = (int64_t)crash_random(seed, 1000000);
  memset(command->digest, (int)crash_random(seed, 256), sizeof command->digest);
  add(batch, crash_random(seed, 2) ? CHANGE_ACCEPT : CHANGE_REPLACE, command);
  uint64_t lot = crash_random(seed, 4);
  if (lot < 2)
    start_run(batch, command, seed);
  else if (lot == 2)
    end_run(batch, command, seed);
}

static void save(struct power_batch *batch, struct command *command, uint64_t *seed)
{
  struct change *change = add(batch, CHANGE_SAVE, command);
  change->saved.restart = (enum command_restart)crash_random(seed, 3);
  change->saved.within_ms = (int64_t)crash_random(seed, 1000000);
  change->saved.wall_ms = (int64_t)crash_random(seed, INT64_C(1) << 40);
  change->saved.boot_ms = (int64_t)crash_random(seed, 1000000);
  if (crash_random(seed, 4))
    change->saved.text = power_letters(seed, &change->saved.text_bytes);
}

static void from_running(struct power_batch *batch, const struct power_command *at,
                         struct command *command, uint64_t *seed)
{
  switch (crash_random(seed, 5)) {
  case 0:
    command->attempts -= (int)crash_random(seed, 2);
    command->resumes = crash_random(seed, 2) != 0;
    add(batch, CHANGE_REQUEUE, command);
    break;
  case 1: save(batch, command, seed); break;
  case 2:
    if (at->has_saved && at->restart != COMMAND_NO_RESTART)
      add(batch, CHANGE_WAIT, command);
    break;
  default: end_run(batch, command, seed); break;
  }
}

static void add_for_command(struct power_batch *batch, const struct power_state *state,
                            int64_t *sequence, uint64_t *seed)
{
  int place = (int)crash_random(seed, POWER_COMMANDS);
  const struct power_command *at = &state->commands[place];
  if (!at->sequence || at->is_past || at->state >= COMMAND_CONFIRMED) {
    accept(batch, state, place, sequence, seed);
    return;
  }
  struct command *command = use(batch, at, place);
  switch (at->state) {
  case COMMAND_QUEUED:
    if (crash_random(seed, 4))
      start_run(batch, command, seed);
    else if (crash_random(seed, 2))
      end_run(batch, command, seed);
    else
      add(batch, CHANGE_DROP, command);
    break;
  case COMMAND_RUNNING: from_running(batch, at, command, seed); break;
  case COMMAND_WAITING:
    if (crash_random(seed, 3)) {
      command->resumes = true;
      add(batch, CHANGE_WAKE, command);
    } else {
      end_run(batch, command, seed);
    }
    break;
  default:
    add(batch, crash_random(seed, 4) ? CHANGE_CONFIRM
               : crash_random(seed, 2) ? CHANGE_REFUSE : CHANGE_DROP, command);
  }
}

static void add_for_message(struct power_batch *batch, const struct power_state *state,
                            uint64_t *seed)
{
  int64_t number = state->message + 1;
  if (!crash_random(seed, 3)) /* an older one, with another body, or gone */
    number = state->messages[crash_random(seed, POWER_MESSAGES)].number;
  const struct power_message *at = &state->messages[number % POWER_MESSAGES];
  if (!number)
    return;
  bool goes = at->number && (at->number != number || crash_random(seed, 2));
  struct change *change = add(batch, goes ? CHANGE_RELEASE : CHANGE_KEEP, NULL);
  change->message = (struct storage_message){
      .number = goes ? at->number : number,
      .endpoint = POWER_ENDPOINTS[crash_random(seed, 2)],
      .is_metadata = crash_random(seed, 2) != 0,
      .wall_ms = (int64_t)crash_random(seed, INT64_C(1) << 40),
  };
  if (!goes)
    change->message.body = power_letters(seed, &change->message.body_bytes);
}

static void add_one(struct power_batch *batch, const struct power_state *state, int64_t *sequence,
                    uint64_t *seed)
{
  uint64_t lot = crash_random(seed, 40);
  if (lot >= 10) {
    add_for_command(batch, state, sequence, seed);
  } else if (lot >= 1) {
    add_for_message(batch, state, seed);
  } else if (crash_random(seed, 2)) {
    int pair = (int)crash_random(seed, POWER_PAIRS);
    add(batch, CHANGE_LISTED, NULL)->pair =
        (struct command_key){power_endpoint(pair), power_type(pair), 0};
  } else {
    add(batch, CHANGE_ANSWERED, NULL);
  }
}

/* Carries out what comes from `from` on; RUN and DONE behind what was found are void. */
static void apply(struct power_batch *batch, size_t from, struct power_state *state)
{
  for (size_t i = from; i < batch->count; i++) {
    batch->finds[i] = power_state_apply(state, &batch->changes[i]);
    if (batch->finds[i] && i + 1 < batch->count &&
        batch->changes[i + 1].command == batch->changes[i].command)
      i++;
  }
}

struct power_batch *power_batch_make(struct power_state *state, int64_t *sequence, uint64_t *seed)
{
  struct power_batch *batch = memory_zeroed(1, sizeof *batch);
  struct power_state now = *state;
  size_t wanted = 1 + crash_random(seed, crash_random(seed, 3) ? 8 : POWER_CHANGES);
  for (size_t applied = 0; batch->count < wanted; applied = batch->count) {
    add_one(batch, &now, sequence, seed);
    apply(batch, applied, &now);
  }
  apply(batch, 0, state); /* a command's fields are what they are when it is submitted */
  power_state_prune(state);
  return batch;
}

void power_batch_destroy(struct power_batch *batch)
{
  for (size_t i = 0; batch && i < batch->count; i++) {
    free(batch->changes[i].message.body);
    free(batch->changes[i].saved.text);
    storage_record_destroy(batch->changes[i].found);
  }
  for (int i = 0; batch && i < POWER_COMMANDS; i++) {
    free(batch->commands[i].element);
    command_result_clear(&batch->commands[i].result);
  }
  free(batch);
}

#include "power_state.h"

#include <stdio.h>
#include <string.h>

const char *const POWER_ENDPOINTS[2] = {"E1", "E2"};
const char *const POWER_TYPES[2] = {"door", "lamp"};

const char *power_endpoint(int pair)
{
  return POWER_ENDPOINTS[pair / 2];
}

const char *power_type(int pair)
{
  return POWER_TYPES[pair % 2];
}

int power_pair(const char *endpoint, const char *type)
{
  for (int pair = 0; pair < POWER_PAIRS; pair++)
    if (!strcmp(endpoint, power_endpoint(pair)) && !strcmp(type, power_type(pair)))
      return pair;
  return -1;
}

int power_place(const struct command_key *key)
{
  int pair = power_pair(key->endpoint, key->type);
  if (pair < 0 || key->id < 1 || key->id > POWER_IDS)
    return -1;
  return pair * POWER_IDS + (int)key->id - 1;
}

const char *power_owner(int place)
{
  return place < POWER_KEYS ? NULL : POWER_TYPES[place / POWER_KEYS - 1];
}

struct power_text power_text_of(const char *text, size_t size)
{
  struct power_text out = {0};
  if (!text)
    return out;
  out.hash = UINT64_C(14695981039346656037);
  for (size_t i = 0; i < size; i++)
    out.hash = (out.hash ^ (uint8_t)text[i]) * UINT64_C(1099511628211);
  out.size = size;
  return out;
}

static void forget_saved(struct power_command *command)
{
  command->has_saved = command->restart = command->within = command->saved_at = 0;
  command->saved = (struct power_text){0};
}

static bool has_never_run(const struct power_command *command)
{
  return command->state == COMMAND_DROPPED && !command->status;
}

static bool accept(struct power_state *state, struct power_command *at, const struct change *change)
{
  const struct command *command = change->command;
  if (change->kind == CHANGE_ACCEPT && at->sequence && !has_never_run(at))
    return true;
  *at = (struct power_command){
      .sequence = command->sequence,
      .state = COMMAND_QUEUED,
      .received = command->received_wall_ms,
      .digest = command->digest[0],
      .element = power_text_of(command->element, command->element_bytes),
  };
  if (command->sequence > state->sequence)
    state->sequence = command->sequence;
  return false;
}

static void save(struct power_command *at, const struct command_saved *saved)
{
  at->has_saved = true;
  at->restart = saved->restart;
  at->within = saved->within_ms;
  at->saved_at = saved->wall_ms;
  at->saved = power_text_of(saved->text, saved->text_bytes);
}

static void finish(struct power_command *at, const struct command_result *result)
{
  at->state = COMMAND_DONE;
  at->status = result->status;
  at->reason = power_text_of(result->reason, strlen(result->reason));
  at->payload = power_text_of(result->payload, result->payload_bytes);
  forget_saved(at);
}

static void change_life(struct power_command *at, const struct change *change)
{
  switch (change->kind) {
  case CHANGE_RUN:
    at->state = COMMAND_RUNNING;
    at->policy = change->command->policy;
    at->attempts = change->command->attempts;
    at->resumes = change->command->resumes;
    break;
  case CHANGE_REQUEUE:
  case CHANGE_WAKE:
    at->state = COMMAND_QUEUED;
    at->attempts = change->command->attempts;
    at->resumes = change->command->resumes;
    break;
  case CHANGE_WAIT: at->state = COMMAND_WAITING; break;
  case CHANGE_SAVE: save(at, &change->saved); break;
  case CHANGE_DONE: finish(at, &change->command->result); break;
  case CHANGE_CONFIRM: at->state = COMMAND_CONFIRMED; break;
  case CHANGE_REFUSE: at->state = COMMAND_REFUSED; break;
  default: at->state = COMMAND_DROPPED; break;
  }
}

bool power_state_apply(struct power_state *state, const struct change *change)
{
  const struct storage_message *message = &change->message;
  switch (change->kind) {
  case CHANGE_ACCEPT:
  case CHANGE_REPLACE:
    return accept(state, &state->commands[power_place(&change->command->key)], change);
  case CHANGE_LISTED:
    state->is_listed[power_pair(change->pair.endpoint, change->pair.type)] = true;
    break;
  case CHANGE_ANSWERED: state->was_answered = true; break;
  case CHANGE_KEEP:
    state->messages[message->number % POWER_MESSAGES] = (struct power_message){
        message->number, message->is_metadata, !strcmp(message->endpoint, POWER_ENDPOINTS[1]),
        message->wall_ms, power_text_of(message->body, message->body_bytes)};
    if (message->number > state->message)
      state->message = message->number;
    break;
  case CHANGE_RELEASE:
    state->messages[message->number % POWER_MESSAGES] = (struct power_message){0};
    break;
  default: change_life(&state->commands[power_place(&change->command->key)], change); break;
  }
  return false;
}

static bool is_over(const struct power_command *command)
{
  return command->sequence && !command->is_past && command->state >= COMMAND_CONFIRMED;
}

static bool is_past(const struct power_command *command)
{
  return command->sequence && command->is_past;
}

/* The oldest for which `is_one` holds; `*count` of them. */
static struct power_command *oldest(struct power_state *state,
                                    bool (*is_one)(const struct power_command *command), int *count)
{
  struct power_command *found = NULL;
  *count = 0;
  for (int i = 0; i < POWER_COMMANDS; i++) {
    struct power_command *command = &state->commands[i];
    if (!is_one(command))
      continue;
    ++*count;
    if (!found || command->sequence < found->sequence)
      found = command;
  }
  return found;
}

void power_state_prune(struct power_state *state)
{
  int count;
  struct power_command *command;
  while ((command = oldest(state, is_over, &count)) && count > POWER_HISTORY) {
    if (has_never_run(command))
      *command = (struct power_command){0};
    command->is_past = command->sequence != 0;
  }
  while ((command = oldest(state, is_past, &count)) && count > POWER_PAST)
    *command = (struct power_command){0};
}

void power_state_hide(struct power_command *command)
{
  struct power_command all = *command;
  if (!all.sequence) {
    *command = (struct power_command){0};
  } else if (all.is_past) {
    *command = (struct power_command){.sequence = all.sequence,
                                      .state = all.state,
                                      .is_past = true,
                                      .status = all.status,
                                      .reason = all.reason};
  } else if (all.state >= COMMAND_CONFIRMED) {
    command->policy = command->resumes = command->digest = 0;
    forget_saved(command);
  }
}

static bool differs(const char *what, int at, const void *a, const void *b, size_t size,
                    char text[300])
{
  if (!memcmp(a, b, size))
    return false;
  const int64_t *x = a, *y = b;
  size_t i = 0;
  while (x[i] == y[i])
    i++;
  snprintf(text, 300, "%s %d, field %zu: %lld and %lld (%lld and %lld)", what, at, i,
           (long long)x[i], (long long)y[i], (long long)x[0], (long long)y[0]);
  return true;
}

bool power_state_differs(const struct power_state *a, const struct power_state *b, char text[300])
{
  for (int i = 0; i < POWER_COMMANDS; i++) {
    struct power_command x = a->commands[i], y = b->commands[i];
    power_state_hide(&x);
    power_state_hide(&y);
    if (differs("command", i, &x, &y, sizeof x, text))
      return true;
  }
  for (int i = 0; i < POWER_MESSAGES; i++)
    if (differs("message", i, &a->messages[i], &b->messages[i], sizeof a->messages[i], text))
      return true;
  for (int i = 0; i < POWER_STORED; i++)
    if (differs("stored", i, &a->stored[i], &b->stored[i], sizeof a->stored[i], text))
      return true;
  for (int i = 0; i < POWER_PAIRS; i++)
    if (differs("listed", i, &a->is_listed[i], &b->is_listed[i], sizeof a->is_listed[i], text))
      return true;
  const int64_t x[] = {a->was_answered, a->sequence, a->message};
  const int64_t y[] = {b->was_answered, b->sequence, b->message};
  return differs("facts", 0, x, y, sizeof x, text);
}

#include "power_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void on_command(void *context, const struct storage_row *row)
{
  struct power_state *state = context;
  int place = power_place(&(struct command_key){row->endpoint, row->type, row->id});
  assert_true(place >= 0);
  struct power_command *command = &state->commands[place];
  assert_int_equal(command->sequence, 0); /* one row of each */
  *command = (struct power_command){
      .sequence = row->sequence,
      .state = row->state,
      .received = row->received_wall_ms,
      .policy = row->policy,
      .attempts = row->attempts,
      .resumes = row->resumes,
      .digest = row->digest[0],
      .element = power_text_of(row->element, row->element_bytes),
      .has_saved = row->has_saved,
  };
  if (row->has_saved) {
    command->restart = row->saved.restart;
    command->within = row->saved.within_ms;
    command->saved_at = row->saved.wall_ms;
    command->saved = power_text_of(row->saved.text, row->saved.text_bytes);
  }
  if (row->state == COMMAND_DONE) {
    command->status = row->result.status;
    command->reason = power_text_of(row->result.reason, strlen(row->result.reason));
    command->payload = power_text_of(row->result.payload, row->result.payload_bytes);
  }
}

static void on_message(void *context, const struct storage_message *message)
{
  struct power_state *state = context;
  struct power_message *at = &state->messages[message->number % POWER_MESSAGES];
  assert_int_equal(at->number, 0);
  *at = (struct power_message){
      message->number, message->is_metadata, !strcmp(message->endpoint, POWER_ENDPOINTS[1]),
      message->wall_ms, power_text_of(message->body, message->body_bytes)};
}

static void on_listed(void *context, const char *endpoint, const char *type)
{
  struct power_state *state = context;
  int pair = power_pair(endpoint, type);
  assert_true(pair >= 0);
  state->is_listed[pair] = true;
}

void power_read_start(struct scene *scene, struct power_state *state)
{
  *state = (struct power_state){
      .was_answered = scene->found.was_answered,
      .sequence = scene->found.last_sequence,
      .message = scene->found.last_message,
  };
  journal_each_command(scene->journal, on_command, state);
  journal_each_message(scene->journal, on_message, state);
  journal_each_listed(scene->journal, on_listed, state);
}

static int64_t integer_of(const json_t *object, const char *key)
{
  return json_integer_value(json_object_get(object, key));
}

static struct power_text text_of(const json_t *object, const char *key)
{
  const json_t *text = json_object_get(object, key);
  return power_text_of(json_string_value(text), json_string_length(text));
}

static int64_t state_of(const json_t *object)
{
  const char *name = json_string_value(json_object_get(object, "state"));
  for (int state = 0; state < COMMAND_STATES; state++)
    if (!strcmp(name, command_state_name((enum command_state)state)))
      return state;
  fail_msg("a state named %s", name);
  return -1;
}

static void read_over(struct power_state *state, const json_t *object)
{
  struct command_key key = {json_string_value(json_object_get(object, "endpoint")),
                            json_string_value(json_object_get(object, "type")),
                            integer_of(object, "id")};
  int place = power_place(&key);
  assert_true(place >= 0);
  struct power_command *command = &state->commands[place];
  if (state_of(object) < COMMAND_CONFIRMED && command->sequence != POWER_TWICE) {
    assert_int_equal(command->sequence, integer_of(object, "sequence"));
    command->element = text_of(object, "command"); /* of one that is done, only here */
    return;
  }
  if (command->sequence) {
    *command = (struct power_command){.sequence = POWER_TWICE};
    return;
  }
  *command = (struct power_command){
      .sequence = integer_of(object, "sequence"),
      .state = state_of(object),
      .is_past = !json_object_get(object, "received"),
      .received = integer_of(object, "received"),
      .attempts = integer_of(object, "attempts"),
      .status = integer_of(object, "status"),
      .element = text_of(object, "command"),
      .reason = text_of(object, "reason"),
      .payload = text_of(object, "payload"),
  };
}

void power_read_rest(struct scene *scene, struct power_state *state)
{
  for (int64_t id = 1; id <= POWER_IDS; id++) {
    struct journal_query query = {.id = id, .has_id = true, .is_whole = true};
    struct scene_answer answer = scene_query(scene, &query);
    assert_string_equal(answer.failure, "");
    for (size_t i = 0; i < json_array_size(answer.rows); i++)
      read_over(state, json_array_get(answer.rows, i));
    json_decref(answer.rows);
  }
  for (int i = 0; i < POWER_STORED; i++) {
    char key[16];
    snprintf(key, sizeof key, "k%d", i % POWER_KEYS);
    struct scene_answer answer = scene_store(scene, JOURNAL_GET, power_owner(i), key, NULL);
    assert_string_equal(answer.failure, "");
    state->stored[i] = power_text_of(answer.value, answer.value_bytes);
    free(answer.value);
  }
}

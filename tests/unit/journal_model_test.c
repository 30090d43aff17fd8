/* Random lives beside a model in memory, with a restart between every two
 * transactions: what is alive, on its way and over is the same in both. So are the rows that
 * the core's own tests believe a journal to hold. */
#include "base/memory.h"
#include "core_rows.h"
#include "journal_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TRANSACTIONS = 400, LIVES = 60, CHANGES = 8, MESSAGES = 20, SEED = 4711 };

struct model_life {
  struct command command; /* key.id 0: none */
  enum command_state state; /* RECEIVED: there is none */
  bool has_saved;
  struct command_saved saved; /* text owned */
  bool is_touched; /* in this transaction */
};

struct model {
  struct scene scene;
  struct core_rows *twin;
  struct model_life lives[LIVES];
  bool kept[MESSAGES];
  int bodies[MESSAGES]; /* version under the number */
  int64_t sequence, message;
  unsigned seed;
  struct change changes[2 * CHANGES];
  size_t count;
  size_t found_wanted[2 * CHANGES]; /* index of the life + 1, where a record is to be found */
};

static unsigned chance(struct model *model, unsigned among)
{
  model->seed = model->seed * 1103515245u + 12345u;
  return (model->seed >> 8) % among;
}

static struct change *add(struct model *model, enum change_kind kind, struct model_life *life)
{
  struct change *change = &model->changes[model->count++];
  *change = (struct change){.kind = kind, .command = &life->command};
  return change;
}

static void run(struct model *model, struct model_life *life)
{
  life->command.policy = (enum command_policy)chance(model, 3);
  life->command.attempts++;
  life->command.resumes = life->has_saved;
  life->state = COMMAND_RUNNING;
  add(model, CHANGE_RUN, life);
}

/* It had not begun, or is to run or to be resumed again. */
static void requeue(struct model *model, struct model_life *life)
{
  life->command.attempts -= (int)chance(model, 2);
  life->command.resumes = chance(model, 2);
  life->state = COMMAND_QUEUED;
  add(model, CHANGE_REQUEUE, life);
}

static void wake(struct model *model, struct model_life *life)
{
  life->command.resumes = true;
  life->state = COMMAND_QUEUED;
  add(model, CHANGE_WAKE, life);
}

static void save(struct model *model, struct model_life *life)
{
  free(life->saved.text);
  char *text = chance(model, 3) ? memory_format("[%u]", chance(model, 1000)) : NULL;
  life->has_saved = true;
  life->saved = (struct command_saved){.restart = (enum command_restart)chance(model, 3),
                                       .within_ms = chance(model, 1000),
                                       .wall_ms = chance(model, 1000),
                                       .boot_ms = chance(model, 1000),
                                       .text = text,
                                       .text_bytes = text ? strlen(text) : 0};
  add(model, CHANGE_SAVE, life)->saved = life->saved;
}

static void done(struct model *model, struct model_life *life)
{
  char reason[64], payload[64];
  snprintf(reason, sizeof reason, "reason %u", chance(model, 1000));
  snprintf(payload, sizeof payload, "[%u]", chance(model, 1000));
  scene_command_done(&life->command, 200 + (int)chance(model, 300), reason,
                     chance(model, 2) ? payload : NULL);
  free(life->command.element);
  life->command.element = NULL;
  life->command.element_bytes = 0;
  free(life->saved.text);
  life->saved = (struct command_saved){0};
  life->has_saved = false;
  life->state = COMMAND_DONE;
  add(model, CHANGE_DONE, life);
}

static void begin(struct model *model, struct model_life *life, int64_t id, enum change_kind kind)
{
  scene_command_clear(&life->command);
  free(life->saved.text);
  *life = (struct model_life){.state = COMMAND_QUEUED, .is_touched = true};
  life->command = scene_command(id % 2 ? "odd" : "even", id, ++model->sequence);
  life->command.digest[3] = (uint8_t)chance(model, 256);
  add(model, kind, life);
  if (chance(model, 3) == 0)
    run(model, life);
  else if (chance(model, 5) == 0)
    done(model, life);
}

/* Delivered again: the record is to be found, with its digest. */
static void repeat(struct model *model, struct model_life *life, struct command *again)
{
  *again = scene_command(life->command.key.type, life->command.key.id, ++model->sequence);
  model->found_wanted[model->count] = (size_t)(life - model->lives) + 1;
  model->changes[model->count++] = (struct change){.kind = CHANGE_ACCEPT, .command = again};
  if (chance(model, 2)) /* void */
    model->changes[model->count++] = (struct change){.kind = CHANGE_RUN, .command = again};
}

static void step(struct model *model, struct command *again)
{
  size_t i = chance(model, LIVES);
  struct model_life *life = &model->lives[i];
  if (life->is_touched)
    return;
  life->is_touched = true;
  unsigned pick = chance(model, 8);
  switch (life->state) {
  case COMMAND_RECEIVED: begin(model, life, (int64_t)i + 1, CHANGE_ACCEPT); break;
  case COMMAND_QUEUED:
    if (pick)
      run(model, life);
    else
      life->state = COMMAND_DROPPED, add(model, CHANGE_DROP, life);
    break;
  case COMMAND_RUNNING:
    if (pick < 2)
      requeue(model, life);
    else if (pick < 4)
      save(model, life);
    else if (pick == 4 && life->saved.restart != COMMAND_NO_RESTART)
      life->state = COMMAND_WAITING, add(model, CHANGE_WAIT, life);
    else
      done(model, life);
    break;
  case COMMAND_WAITING:
    if (pick < 4)
      wake(model, life);
    else
      done(model, life);
    break;
  case COMMAND_DONE:
    life->state = pick < 5   ? COMMAND_CONFIRMED
                  : pick < 7 ? COMMAND_REFUSED
                             : COMMAND_DROPPED;
    add(model,
        pick < 5   ? CHANGE_CONFIRM
        : pick < 7 ? CHANGE_REFUSE
                   : CHANGE_DROP,
        life);
    break;
  case COMMAND_DROPPED:
    if (!life->command.result.status) { /* it has never run */
      begin(model, life, (int64_t)i + 1, CHANGE_ACCEPT);
      break;
    }
    /* fallthrough */
  case COMMAND_CONFIRMED:
  case COMMAND_REFUSED:
    if (pick < 5)
      repeat(model, life, again);
    else
      begin(model, life, (int64_t)i + 1, CHANGE_REPLACE);
    break;
  }
}

static void keep(struct model *model, char body[32])
{
  int i = (int)chance(model, MESSAGES);
  struct storage_message message = {.number = i + 1, .endpoint = "E2", .wall_ms = 7, .body = body};
  enum change_kind kind = chance(model, 3) ? CHANGE_KEEP : CHANGE_RELEASE;
  model->kept[i] = kind == CHANGE_KEEP;
  model->bodies[i]++;
  snprintf(body, 32, "[%d]", model->bodies[i]);
  message.body_bytes = strlen(body);
  if (kind == CHANGE_RELEASE)
    message.body = NULL, message.body_bytes = 0;
  else if (i + 1 > model->message)
    model->message = i + 1;
  model->changes[model->count++] = (struct change){.kind = kind, .message = message};
}

static void check_found(struct model *model)
{
  for (size_t i = 0; i < model->count; i++) {
    struct storage_record *record = model->changes[i].found;
    assert_false(model->changes[i].is_left);
    assert_true((record != NULL) == (model->found_wanted[i] != 0));
    if (!record)
      continue;
    const struct model_life *life = &model->lives[model->found_wanted[i] - 1];
    assert_int_equal(record->state, life->state);
    assert_memory_equal(record->digest, life->command.digest, sizeof record->digest);
    assert_int_equal(record->result.status, life->command.result.status);
    assert_string_equal(record->result.reason, life->command.result.reason);
    if (record->result.payload)
      assert_string_equal(record->result.payload, life->command.result.payload);
    storage_record_destroy(record);
  }
}

struct seen {
  struct model *model;
  int rows, messages;
  int64_t last;
};

static void assert_same_text(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
  assert_int_equal(a != NULL, b != NULL);
  assert_int_equal(a_bytes, b_bytes);
  if (a)
    assert_memory_equal(a, b, a_bytes);
}

static void assert_same(const struct storage_row *a, const struct storage_row *b)
{
  assert_non_null(b);
  assert_string_equal(a->endpoint, b->endpoint);
  assert_string_equal(a->type, b->type);
  assert_int_equal(a->id, b->id);
  assert_int_equal(a->sequence, b->sequence);
  assert_int_equal(a->state, b->state);
  assert_memory_equal(a->digest, b->digest, sizeof a->digest);
  assert_same_text(a->element, a->element_bytes, b->element, b->element_bytes);
  assert_int_equal(a->received_wall_ms, b->received_wall_ms);
  assert_int_equal(a->received_boot_ms, b->received_boot_ms);
  assert_int_equal(a->policy, b->policy);
  assert_int_equal(a->attempts, b->attempts);
  assert_int_equal(a->resumes, b->resumes);
  assert_int_equal(a->has_saved, b->has_saved);
  assert_int_equal(a->saved.restart, b->saved.restart);
  assert_int_equal(a->saved.within_ms, b->saved.within_ms);
  assert_int_equal(a->saved.wall_ms, b->saved.wall_ms);
  assert_int_equal(a->saved.boot_ms, b->saved.boot_ms);
  assert_same_text(a->saved.text, a->saved.text_bytes, b->saved.text, b->saved.text_bytes);
  assert_int_equal(a->result.status, b->result.status);
  assert_same_text(a->result.payload, a->result.payload_bytes, b->result.payload,
                   b->result.payload_bytes);
  if (a->state == COMMAND_DONE)
    assert_string_equal(a->result.reason, b->result.reason);
}

static void on_row(void *context, const struct storage_row *row)
{
  struct seen *seen = context;
  assert_same(row, core_rows_at(seen->model->twin, (size_t)seen->rows));
  assert_true(row->sequence > seen->last);
  seen->last = row->sequence;
  seen->rows++;
  assert_in_range(row->id, 1, LIVES);
  const struct model_life *life = &seen->model->lives[row->id - 1];
  const struct command *command = &life->command;
  assert_int_equal(row->sequence, command->sequence);
  assert_int_equal(row->state, life->state);
  assert_string_equal(row->type, command->key.type);
  assert_memory_equal(row->digest, command->digest, sizeof row->digest);
  assert_int_equal(row->attempts, command->attempts);
  assert_int_equal(row->policy, command->policy);
  assert_int_equal(row->resumes, command->resumes);
  assert_int_equal(row->received_boot_ms, command->received_boot_ms);
  assert_int_equal(row->element_bytes, command->element_bytes);
  if (command->element)
    assert_memory_equal(row->element, command->element, command->element_bytes);
  assert_int_equal(row->has_saved, life->has_saved);
  assert_int_equal(row->saved.restart, life->saved.restart);
  assert_int_equal(row->saved.within_ms, life->saved.within_ms);
  assert_int_equal(row->saved.boot_ms, life->saved.boot_ms);
  assert_int_equal(row->saved.text != NULL, life->saved.text != NULL);
  if (life->saved.text)
    assert_memory_equal(row->saved.text, life->saved.text, life->saved.text_bytes);
  if (row->state != COMMAND_DONE)
    return;
  assert_int_equal(row->result.status, command->result.status);
  assert_string_equal(row->result.reason, command->result.reason);
  assert_int_equal(row->result.payload_bytes, command->result.payload_bytes);
}

static void on_message(void *context, const struct storage_message *message)
{
  struct seen *seen = context;
  char body[32];
  seen->messages++;
  assert_in_range(message->number, 1, MESSAGES);
  assert_true(seen->model->kept[message->number - 1]);
  snprintf(body, sizeof body, "[%d]", seen->model->bodies[message->number - 1]);
  assert_int_equal(message->body_bytes, strlen(body));
  assert_memory_equal(message->body, body, strlen(body));
}

static void restart_and_compare(struct model *model)
{
  struct scene *scene = &model->scene;
  struct seen seen = {.model = model};
  int alive = 0, kept = 0;
  scene_close(scene);
  if (scene_try(scene))
    fail_msg("%s", scene->error.text);
  assert_false(scene->found.is_lost);
  assert_int_equal(scene->found.last_message, model->message);
  assert_true(scene->found.last_sequence <= model->sequence);
  journal_each_command(scene->journal, on_row, &seen);
  journal_each_message(scene->journal, on_message, &seen);
  for (int i = 0; i < LIVES; i++)
    alive += model->lives[i].state >= COMMAND_QUEUED && model->lives[i].state <= COMMAND_DONE;
  for (int i = 0; i < MESSAGES; i++)
    kept += model->kept[i];
  assert_int_equal(seen.rows, alive);
  assert_null(core_rows_at(model->twin, (size_t)alive));
  assert_int_equal(seen.messages, kept);
  assert_int_equal(journal_start(scene->journal, &scene->error), 0);
}

static void transaction(struct model *model)
{
  struct command again[CHANGES] = {0};
  char bodies[CHANGES][32];
  model->count = 0;
  memset(model->found_wanted, 0, sizeof model->found_wanted);
  for (int i = 0; i < LIVES; i++)
    model->lives[i].is_touched = false;
  for (unsigned i = 0, most = 1 + chance(model, CHANGES - 1); i < most; i++)
    if (chance(model, 5))
      step(model, &again[i]);
    else
      keep(model, bodies[i]);
  if (model->count)
    scene_submit(&model->scene, model->changes, model->count);
  core_rows_submit(model->twin, model->changes, model->count);
  check_found(model);
  for (int i = 0; i < CHANGES; i++)
    scene_command_clear(&again[i]);
}

static void a_restart_between_every_two_transactions_changes_nothing(void **unused)
{
  (void)unused;
  static struct model model;
  model = (struct model){.seed = SEED, .twin = core_rows_create()};
  scene_init(&model.scene, NULL);
  model.scene.options.max_history = 10; /* what is over is soon pruned to its id */
  model.scene.options.is_normal = true;
  scene_open(&model.scene);
  for (int i = 0; i < TRANSACTIONS; i++) {
    transaction(&model);
    restart_and_compare(&model);
  }
  assert_true(scene_number(&model.scene, "ids") > 5);
  for (int i = 0; i < LIVES; i++) {
    scene_command_clear(&model.lives[i].command);
    free(model.lives[i].saved.text);
  }
  core_rows_destroy(model.twin);
  scene_clear(&model.scene);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_restart_between_every_two_transactions_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

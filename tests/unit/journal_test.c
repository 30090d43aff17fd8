/* The journal's good days, with the real SQLite: each change and what of it is there
 * after reopening. */
#include "base/clock.h"
#include "base/memory.h"
#include "journal/journal_database.h"
#include "journal/journal_schema.h"
#include "journal_scene.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* What journal_each_command() gave, the last row kept whole. */
struct rows {
  int count;
  struct storage_row last;
  char endpoint[64], type[64], element[200], saved[200], reason[300], payload[300];
  int64_t sequences[8];
};

static void copy(char *to, size_t size, const char *from, size_t bytes)
{
  snprintf(to, size, "%.*s", from ? (int)bytes : 0, from ? from : "");
}

static void on_row(void *context, const struct storage_row *row)
{
  struct rows *rows = context;
  if (rows->count < 8)
    rows->sequences[rows->count] = row->sequence;
  rows->count++;
  rows->last = *row;
  copy(rows->endpoint, sizeof rows->endpoint, row->endpoint, strlen(row->endpoint));
  copy(rows->type, sizeof rows->type, row->type, strlen(row->type));
  copy(rows->element, sizeof rows->element, row->element, row->element_bytes);
  copy(rows->saved, sizeof rows->saved, row->saved.text, row->saved.text_bytes);
  copy(rows->payload, sizeof rows->payload, row->result.payload, row->result.payload_bytes);
  copy(rows->reason, sizeof rows->reason, row->result.reason,
       row->result.reason ? strlen(row->result.reason) : 0);
}

/* Closes, opens, and reads what is alive. */
static struct rows reopened(struct scene *scene)
{
  struct rows rows = {0};
  scene_close(scene);
  if (scene_try(scene))
    fail_msg("%s", scene->error.text);
  assert_false(scene->found.is_lost);
  journal_each_command(scene->journal, on_row, &rows);
  assert_int_equal(journal_start(scene->journal, &scene->error), 0);
  return rows;
}

static void a_new_journal_is_empty_and_private(void **unused)
{
  (void)unused;
  struct scene scene;
  struct stat status;
  char path[300];
  scene_init(&scene, NULL);
  assert_int_equal(scene_try(&scene), 0);
  assert_false(scene.found.is_lost);
  assert_false(scene.found.is_new_boot);
  assert_false(scene.found.was_answered);
  assert_int_equal(scene.found.last_sequence, 0);
  assert_int_equal(scene.found.last_message, 0);
  assert_string_equal(scene.found.set_aside, "");
  assert_int_equal(journal_condition(scene.journal), JOURNAL_GOOD);
  struct rows rows = {0};
  journal_each_command(scene.journal, on_row, &rows);
  assert_int_equal(rows.count, 0);
  const char *const names[] = {"journal.db", "journal.mark", "journal.ballast"};
  for (int i = 0; i < 3; i++) {
    assert_int_equal(stat(scene_path(&scene, names[i], path), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
  }
  assert_int_equal(status.st_size, 2 * 1024 * 1024);
  assert_false(scene_finds(&scene, "journal.db.new", NULL));
  scene_clear(&scene);
}

static void each_state_is_there_after_reopening(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  scene_open(&scene);
  struct command command = scene_command("door", 7, 41);
  assert_null(scene_accept(&scene, &command));
  struct rows rows = reopened(&scene);
  assert_int_equal(rows.count, 1);
  assert_string_equal(rows.endpoint, "E1");
  assert_string_equal(rows.type, "door");
  assert_int_equal(rows.last.id, 7);
  assert_int_equal(rows.last.sequence, 41);
  assert_int_equal(rows.last.state, COMMAND_QUEUED);
  assert_memory_equal(rows.last.digest, command.digest, sizeof command.digest);
  assert_string_equal(rows.element, "{\"id\":7}");
  assert_int_equal(rows.last.received_wall_ms, 1700000000041);
  assert_int_equal(rows.last.received_boot_ms, 5041);
  assert_false(rows.last.has_saved);
  assert_int_equal(scene.found.last_sequence, 41);

  command.policy = COMMAND_RETRY;
  command.attempts = 2;
  command.resumes = true;
  scene_change(&scene, CHANGE_RUN, &command);
  rows = reopened(&scene);
  assert_int_equal(rows.last.state, COMMAND_RUNNING);
  assert_int_equal(rows.last.policy, COMMAND_RETRY);
  assert_int_equal(rows.last.attempts, 2);
  assert_true(rows.last.resumes);

  command.attempts = 1; /* the second was none */
  command.resumes = false;
  scene_change(&scene, CHANGE_REQUEUE, &command);
  rows = reopened(&scene);
  assert_int_equal(rows.last.state, COMMAND_QUEUED);
  assert_string_equal(rows.element, "{\"id\":7}");
  assert_int_equal(rows.last.attempts, 1);
  assert_false(rows.last.resumes);

  command.policy = COMMAND_RESUME;
  scene_change(&scene, CHANGE_RUN, &command);
  struct change save = {.kind = CHANGE_SAVE,
                        .command = &command,
                        .saved = {COMMAND_REBOOT, 900000, 1234, 777, memory_text("{\"a\":1}"), 7}};
  scene_submit(&scene, &save, 1);
  scene_change(&scene, CHANGE_WAIT, &command);
  rows = reopened(&scene);
  assert_int_equal(rows.last.state, COMMAND_WAITING);
  assert_int_equal(rows.last.policy, COMMAND_RESUME);
  assert_true(rows.last.has_saved);
  assert_int_equal(rows.last.saved.restart, COMMAND_REBOOT);
  assert_int_equal(rows.last.saved.within_ms, 900000);
  assert_int_equal(rows.last.saved.wall_ms, 1234);
  assert_int_equal(rows.last.saved.boot_ms, 777);
  assert_string_equal(rows.saved, "{\"a\":1}");

  command.resumes = true;
  scene_change(&scene, CHANGE_WAKE, &command);
  rows = reopened(&scene);
  assert_int_equal(rows.last.state, COMMAND_QUEUED);
  assert_true(rows.last.has_saved);
  assert_true(rows.last.resumes);
  assert_int_equal(rows.last.attempts, 1);

  scene_command_done(&command, 404, "Not here", "[1]");
  scene_change(&scene, CHANGE_DONE, &command);
  rows = reopened(&scene);
  assert_int_equal(rows.last.state, COMMAND_DONE);
  assert_int_equal(rows.last.result.status, 404);
  assert_string_equal(rows.reason, "Not here");
  assert_string_equal(rows.payload, "[1]");
  assert_false(rows.last.has_saved);
  assert_null(rows.last.element);

  scene_change(&scene, CHANGE_CONFIRM, &command);
  rows = reopened(&scene);
  assert_int_equal(rows.count, 0);
  struct command again = scene_command("door", 7, 42);
  struct storage_record *record = scene_accept(&scene, &again);
  assert_non_null(record);
  assert_int_equal(record->state, COMMAND_CONFIRMED);
  assert_memory_equal(record->digest, command.digest, sizeof command.digest);
  assert_int_equal(record->result.status, 404);
  assert_string_equal(record->result.reason, "Not here");
  assert_string_equal(record->result.payload, "[1]");
  assert_true(record->done_wall_ms > 1700000000000);
  storage_record_destroy(record);
  free(save.saved.text);
  scene_command_clear(&again);
  scene_command_clear(&command);
  scene_clear(&scene);
}

static void run_and_done_behind_accept_are_one_row(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  scene_open(&scene);
  struct command runs = scene_command("a", 1, 1), refused = scene_command("a", 2, 2);
  runs.attempts = 1;
  scene_command_done(&refused, 400, "No", NULL);
  struct change changes[] = {{.kind = CHANGE_ACCEPT, .command = &runs},
                             {.kind = CHANGE_RUN, .command = &runs},
                             {.kind = CHANGE_ACCEPT, .command = &refused},
                             {.kind = CHANGE_DONE, .command = &refused}};
  scene_submit(&scene, changes, 4);
  struct rows rows = reopened(&scene);
  assert_int_equal(rows.count, 2);
  assert_int_equal(rows.last.state, COMMAND_DONE);
  assert_int_equal(rows.last.result.status, 400);
  assert_int_equal(rows.sequences[0], 1);
  /* Over, then delivered again: what stands behind the ACCEPT is void. */
  scene_change(&scene, CHANGE_REFUSE, &refused);
  struct command again = scene_command("a", 2, 3);
  scene_command_done(&again, 200, "OK", NULL);
  struct change repeat[] = {{.kind = CHANGE_ACCEPT, .command = &again},
                            {.kind = CHANGE_DONE, .command = &again}};
  scene_submit(&scene, repeat, 2);
  assert_non_null(repeat[0].found);
  assert_int_equal(repeat[0].found->state, COMMAND_REFUSED);
  assert_int_equal(repeat[0].found->result.status, 400);
  storage_record_destroy(repeat[0].found);
  rows = reopened(&scene);
  assert_int_equal(rows.count, 1);
  assert_int_equal(rows.last.state, COMMAND_RUNNING);
  /* Another payload: the core replaces it. */
  scene_change(&scene, CHANGE_REPLACE, &again);
  rows = reopened(&scene);
  assert_int_equal(rows.count, 2);
  assert_int_equal(rows.last.sequence, 3);
  assert_int_equal(rows.last.state, COMMAND_QUEUED);
  scene_command_clear(&runs);
  scene_command_clear(&refused);
  scene_command_clear(&again);
  scene_clear(&scene);
}

static void what_is_dropped_may_run_again(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  scene_open(&scene);
  struct command command = scene_command("a", 1, 1), again = scene_command("a", 1, 2);
  assert_null(scene_accept(&scene, &command));
  scene_change(&scene, CHANGE_DROP, &command);
  assert_int_equal(reopened(&scene).count, 0);
  assert_null(scene_accept(&scene, &again));
  struct rows rows = reopened(&scene);
  assert_int_equal(rows.count, 1);
  assert_int_equal(rows.last.sequence, 2);
  scene_command_clear(&command);
  scene_command_clear(&again);
  scene_clear(&scene);
}

/* What is known of a command that was forgotten while its result was not confirmed. */
static void expect_dropped(struct scene *scene, int64_t sequence, const char *payload)
{
  struct command again = scene_command("a", 1, sequence);
  struct storage_record *record = scene_accept(scene, &again);
  assert_non_null(record);
  assert_int_equal(record->state, COMMAND_DROPPED);
  assert_int_equal(record->result.status, 200);
  assert_string_equal(record->result.reason, "OK");
  assert_memory_equal(record->digest, again.digest, sizeof again.digest);
  if (payload)
    assert_string_equal(record->result.payload, payload);
  else
    assert_null(record->result.payload);
  storage_record_destroy(record);
  scene_command_clear(&again);
}

static void what_is_dropped_with_a_result_does_not_run_again(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  scene.options.max_history = 1;
  scene_open(&scene);
  struct command ran = scene_command("a", 1, 1), never = scene_command("a", 2, 2);
  scene_command_done(&ran, 200, "OK", "[1]");
  struct change changes[] = {{.kind = CHANGE_ACCEPT, .command = &ran},
                             {.kind = CHANGE_DONE, .command = &ran},
                             {.kind = CHANGE_DROP, .command = &ran}};
  scene_submit(&scene, changes, 3);
  expect_dropped(&scene, 10, "[1]");
  assert_int_equal(reopened(&scene).count, 0);
  expect_dropped(&scene, 11, "[1]");
  assert_null(scene_accept(&scene, &never));
  scene_change(&scene, CHANGE_DROP, &never); /* the history holds one: the first goes to its id */
  assert_int_equal(scene_number(&scene, "ids"), 1);
  expect_dropped(&scene, 12, NULL);
  scene_reopen(&scene);
  expect_dropped(&scene, 13, NULL);
  assert_true(scene_forget(&scene, "a", 1).was_found); /* once more */
  struct command again = scene_command("a", 1, 14);
  assert_null(scene_accept(&scene, &again));
  scene_command_clear(&ran);
  scene_command_clear(&never);
  scene_command_clear(&again);
  scene_clear(&scene);
}

static void what_had_begun_unknown_to_the_core_is_not_run_again(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  scene_open(&scene);
  struct command ran = scene_command("a", 1, 1), queued = scene_command("a", 2, 2);
  assert_null(scene_accept(&scene, &ran));
  scene_change(&scene, CHANGE_RUN, &ran);
  assert_null(scene_accept(&scene, &queued));
  scene_reopen(&scene); /* and the core is not told */
  struct command again = scene_command("a", 1, 3), other = scene_command("a", 2, 4);
  memset(again.digest, 99, sizeof again.digest);
  struct storage_record *record = scene_accept(&scene, &again);
  assert_non_null(record);
  assert_int_equal(record->result.status, 500);
  assert_string_equal(record->result.reason, "Interrupted: the outcome is unknown");
  assert_memory_equal(record->digest, again.digest, sizeof again.digest);
  storage_record_destroy(record);
  assert_null(scene_accept(&scene, &other)); /* it has never run */
  struct rows rows = reopened(&scene);
  assert_int_equal(rows.count, 2);
  assert_int_equal(rows.last.sequence, 4);
  scene_command_clear(&ran);
  scene_command_clear(&queued);
  scene_command_clear(&again);
  scene_command_clear(&other);
  scene_clear(&scene);
}

static void another_boot_is_told(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  scene_open(&scene);
  struct command command = scene_command("a", 1, 1);
  assert_null(scene_accept(&scene, &command));
  scene_change(&scene, CHANGE_RUN, &command);
  struct change save = {.kind = CHANGE_SAVE, .command = &command, .saved = {.boot_ms = 5}};
  scene_submit(&scene, &save, 1);
  assert_false((reopened(&scene), scene.found.is_new_boot));
  scene.options.boot_id = "boot-2";
  struct rows rows = reopened(&scene);
  assert_true(scene.found.is_new_boot);
  assert_int_equal(rows.last.received_boot_ms, -1);
  assert_true(rows.last.has_saved);
  assert_int_equal(rows.last.saved.restart, COMMAND_NO_RESTART);
  assert_int_equal(rows.last.saved.boot_ms, -1);
  struct command second = scene_command("a", 2, 2);
  assert_null(scene_accept(&scene, &second));
  rows = reopened(&scene);
  assert_false(scene.found.is_new_boot);
  assert_int_equal(rows.last.received_boot_ms, 5002);
  scene_command_clear(&command);
  scene_command_clear(&second);
  scene_clear(&scene);
}

static void on_message(void *context, const struct storage_message *message)
{
  char *text = context;
  sprintf(text + strlen(text), "%lld%s %s %lld %.*s;", (long long)message->number,
          message->is_metadata ? "m" : "", message->endpoint, (long long)message->wall_ms,
          (int)message->body_bytes, message->body);
}

static void on_listed(void *context, const char *endpoint, const char *type)
{
  char *text = context;
  sprintf(text + strlen(text), "%s/%s;", endpoint, type);
}

static void messages_and_facts_are_there_after_reopening(void **unused)
{
  (void)unused;
  struct scene scene;
  char text[500] = "";
  scene_init(&scene, NULL);
  scene_open(&scene);
  char one[] = "[1]", two[] = "{\"a\":2}", three[] = "{\"a\":3}";
  struct change changes[] = {
      {.kind = CHANGE_KEEP, .message = {1, false, "E1", 10, one, 3}},
      {.kind = CHANGE_KEEP, .message = {2, true, "E2", 20, two, 7}},
      {.kind = CHANGE_KEEP, .message = {3, false, "E1", 30, one, 3}},
      {.kind = CHANGE_KEEP, .message = {2, true, "E2", 21, three, 7}},
      {.kind = CHANGE_RELEASE, .message = {.number = 3, .endpoint = "E1"}},
      {.kind = CHANGE_LISTED, .pair = {"E1", "door", 0}},
      {.kind = CHANGE_LISTED, .pair = {"E1", "door", 0}},
      {.kind = CHANGE_ANSWERED},
  };
  scene_submit(&scene, changes, sizeof changes / sizeof *changes);
  assert_int_equal(scene_number(&scene, "messages"), 2);
  scene_close(&scene);
  assert_int_equal(scene_try(&scene), 0);
  journal_each_message(scene.journal, on_message, text);
  assert_string_equal(text, "1 E1 10 [1];2m E2 21 {\"a\":3};");
  text[0] = '\0';
  journal_each_listed(scene.journal, on_listed, text);
  assert_string_equal(text, "E1/door;");
  assert_true(scene.found.was_answered);
  assert_int_equal(scene.found.last_message, 3); /* a number is never used again */
  assert_int_equal(scene_number(&scene, "messages"), 2);
  scene_clear(&scene);
}

static void an_old_body_goes_where_the_new_one_has_no_room(void **unused)
{
  (void)unused;
  struct scene scene;
  char text[200] = "", path[300], old[] = "{\"a\":1}", new[] = "{\"a\":2}", more[] = "[1]";
  scene_init(&scene, NULL);
  scene_open(&scene);
  struct change changes[] = {{.kind = CHANGE_KEEP, .message = {1, true, "E1", 10, old, 7}},
                             {.kind = CHANGE_KEEP, .message = {2, false, "E1", 11, more, 3}}};
  scene_submit(&scene, changes, 2);
  assert_false(changes[0].is_left);
  scene_close(&scene);
  assert_int_equal(unlink(scene_path(&scene, "journal.ballast", path)), 0);
  scene.options.ballast_bytes = (size_t)1 << 50; /* there is no such room */
  scene_open(&scene);
  assert_int_equal(journal_condition(scene.journal), JOURNAL_FULL);
  struct change full[] = {{.kind = CHANGE_KEEP, .message = {1, true, "E1", 12, new, 7}},
                          {.kind = CHANGE_KEEP, .message = {3, false, "E1", 13, more, 3}}};
  scene_submit(&scene, full, 2);
  assert_true(full[0].is_left);
  assert_true(full[1].is_left);
  assert_int_equal(scene_number(&scene, "messages"), 1);
  scene_close(&scene);
  scene.options.ballast_bytes = 0;
  assert_int_equal(scene_try(&scene), 0);
  journal_each_message(scene.journal, on_message, text);
  assert_string_equal(text, "2 E1 11 [1];");
  scene_clear(&scene);
}

/* A whole life up to confirmed. */
static void live(struct scene *scene, const char *type, int64_t id, int64_t sequence,
                 const char *payload)
{
  struct command command = scene_command(type, id, sequence);
  scene_command_done(&command, 200, "OK", payload);
  struct change changes[] = {{.kind = CHANGE_ACCEPT, .command = &command},
                             {.kind = CHANGE_RUN, .command = &command},
                             {.kind = CHANGE_DONE, .command = &command},
                             {.kind = CHANGE_CONFIRM, .command = &command}};
  scene_submit(scene, changes, 4);
  assert_null(changes[0].found);
  scene_command_clear(&command);
}

/* 'w' whole, 'p' without payload, '-' unknown (it is accepted then). */
static char known(struct scene *scene, const char *type, int64_t id, int64_t sequence)
{
  struct command command = scene_command(type, id, sequence);
  struct storage_record *record = scene_accept(scene, &command);
  char sign = !record ? '-' : record->result.payload ? 'w' : 'p';
  if (record) {
    assert_int_equal(record->result.status, 200);
    assert_string_equal(record->result.reason, "OK");
    assert_memory_equal(record->digest, command.digest, sizeof command.digest);
  }
  storage_record_destroy(record);
  scene_command_clear(&command);
  return sign;
}

static void history_is_pruned_to_ids_and_then_forgotten(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  scene.options.max_history = 3;
  scene.options.max_ids = 4;
  scene_open(&scene);
  for (int64_t id = 1; id <= 10; id++)
    live(&scene, "a", id, id, "[1]");
  assert_int_equal(scene_number(&scene, "commands"), 3);
  assert_int_equal(scene_number(&scene, "ids"), 4);
  scene_reopen(&scene);
  assert_false(scene.found.is_lost);
  assert_int_equal(scene_number(&scene, "commands"), 3);
  assert_int_equal(scene_number(&scene, "ids"), 4);
  for (int64_t id = 4; id <= 10; id++)
    assert_int_equal(known(&scene, "a", id, 100 + id), id <= 7 ? 'p' : 'w');
  assert_int_equal(known(&scene, "a", 3, 200), '-');
  assert_int_equal(known(&scene, "a", 1, 201), '-');
  scene_clear(&scene);
}

static void history_is_pruned_by_age(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  scene.options.max_history_ms = 1;
  scene_open(&scene);
  live(&scene, "a", 1, 1, "[1]");
  int64_t until = clock_wall_ms() + 5;
  while (clock_wall_ms() < until) {
  }
  live(&scene, "a", 2, 2, "[2]");
  assert_int_equal(known(&scene, "a", 1, 3), 'p');
  scene_clear(&scene);
}

static void history_is_pruned_by_size(void **unused)
{
  (void)unused;
  struct scene scene;
  char payload[401];
  memset(payload, '1', 400);
  payload[400] = '\0';
  scene_init(&scene, NULL);
  scene.options.max_history_bytes = 1000; /* two of them */
  scene_open(&scene);
  for (int64_t id = 1; id <= 4; id++)
    live(&scene, "a", id, id, payload);
  assert_int_equal(scene_number(&scene, "commands"), 2);
  assert_int_equal(scene_number(&scene, "ids"), 2);
  scene_reopen(&scene);
  live(&scene, "a", 5, 5, payload);
  assert_int_equal(scene_number(&scene, "commands"), 2);
  assert_true(scene_forget(&scene, "a", 5).was_found);
  live(&scene, "a", 6, 6, payload); /* in its room */
  live(&scene, "a", 7, 7, NULL);
  assert_int_equal(scene_number(&scene, "commands"), 3);
  for (int64_t id = 1; id <= 6; id++)
    if (id != 5)
      assert_int_equal(known(&scene, "a", id, 100 + id), id <= 3 ? 'p' : 'w');
  scene_clear(&scene);
}

static void replacing_and_forgetting_reach_what_was_pruned(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  scene.options.max_history = 1;
  scene_open(&scene);
  for (int64_t id = 1; id <= 4; id++)
    live(&scene, "a", id, id, "[1]");
  struct command command = scene_command("a", 1, 10);
  scene_change(&scene, CHANGE_REPLACE, &command);
  assert_int_equal(scene_number(&scene, "ids"), 2);
  assert_true(scene_forget(&scene, "a", 2).was_found);
  assert_true(scene_forget(&scene, "a", 4).was_found);
  assert_false(scene_forget(&scene, "a", 4).was_found);
  assert_false(scene_forget(&scene, "a", 1).was_found); /* it is alive */
  assert_false(scene_forget(&scene, "b", 3).was_found);
  assert_int_equal(known(&scene, "a", 2, 11), '-');
  assert_int_equal(known(&scene, "a", 3, 12), 'p');
  assert_int_equal(known(&scene, "a", 4, 13), '-');
  scene_reopen(&scene);
  assert_int_equal(scene_number(&scene, "ids"), 1);
  scene_command_clear(&command);
  scene_clear(&scene);
}

static void expect(struct scene_answer answer, const char *failure, const char *value)
{
  assert_string_equal(answer.failure, failure);
  if (value)
    assert_string_equal(answer.value, value);
  else
    assert_false(answer.has_value);
  free(answer.value);
}

static void handlers_store_by_owner(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  scene_open(&scene);
  expect(scene_store(&scene, JOURNAL_GET, "a", "k", NULL), "", NULL);
  expect(scene_store(&scene, JOURNAL_SET, "a", "k", "1"), "", NULL);
  expect(scene_store(&scene, JOURNAL_SET, NULL, "k", "2"), "", NULL);
  expect(scene_store(&scene, JOURNAL_SET, "a", "k", "[3]"), "", NULL);
  expect(scene_store(&scene, JOURNAL_SET, "a", "gone", "4"), "", NULL);
  expect(scene_store(&scene, JOURNAL_DELETE, "a", "gone", NULL), "", NULL);
  expect(scene_store(&scene, JOURNAL_DELETE, "b", "gone", NULL), "", NULL);
  scene_reopen(&scene);
  expect(scene_store(&scene, JOURNAL_GET, "a", "k", NULL), "", "[3]");
  expect(scene_store(&scene, JOURNAL_GET, NULL, "k", NULL), "", "2");
  expect(scene_store(&scene, JOURNAL_GET, "b", "k", NULL), "", NULL);
  expect(scene_store(&scene, JOURNAL_GET, "a", "gone", NULL), "", NULL);
  assert_int_equal(scene_number(&scene, "stored_keys"), 2);
  scene_clear(&scene);
}

static void the_store_has_limits_and_says_them(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  scene.options.is_normal = true;
  scene_open(&scene);
  char key[300], *big = memory_zeroed(1, 65538);
  memset(big, '7', 65537);
  memset(key, 'k', sizeof key);
  key[257] = '\0';
  expect(scene_store(&scene, JOURNAL_SET, "a", key, "1"), "a key of the store has 1 to 256 bytes",
         NULL);
  expect(scene_store(&scene, JOURNAL_SET, "a", "", "1"), "a key of the store has 1 to 256 bytes",
         NULL);
  key[256] = '\0';
  expect(scene_store(&scene, JOURNAL_SET, "a", key, "1"), "", NULL);
  expect(scene_store(&scene, JOURNAL_SET, "a", "k", big),
         "a value of the store has at most 65536 bytes", NULL);
  big[65536] = '\0';
  int most = 1024 * 1024 / (65536 + 2);
  for (int i = 0; i < most; i++) {
    snprintf(key, sizeof key, "%02d", i);
    expect(scene_store(&scene, JOURNAL_SET, "full", key, big), "", NULL);
  }
  expect(scene_store(&scene, JOURNAL_SET, "full", "more", big),
         "the store is full: at most 1048576 bytes in all", NULL);
  expect(scene_store(&scene, JOURNAL_SET, "full", "00", big), "", NULL); /* in its place */
  for (int i = 0; i < 1000; i++) {
    snprintf(key, sizeof key, "%d", i);
    expect(scene_store(&scene, JOURNAL_SET, "many", key, "1"), "", NULL);
  }
  expect(scene_store(&scene, JOURNAL_SET, "many", "one more", "1"),
         "the store is full: at most 1000 keys", NULL);
  expect(scene_store(&scene, JOURNAL_SET, "many", "999", "2"), "", NULL);
  expect(scene_store(&scene, JOURNAL_SET, "other", "one more", "1"), "", NULL);
  free(big);
  scene_clear(&scene);
}

static void people_ask_for_commands(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  scene.options.max_history = 2;
  scene_open(&scene);
  for (int64_t id = 1; id <= 4; id++)
    live(&scene, id % 2 ? "odd" : "even", id, id, "{\"p\":1}");
  struct command command = scene_command("odd", 5, 5);
  assert_null(scene_accept(&scene, &command));
  struct scene_answer answer = scene_query(&scene, &(struct journal_query){0});
  assert_string_equal(answer.failure, "");
  assert_int_equal(json_array_size(answer.rows), 3);
  const json_t *row = json_array_get(answer.rows, 0);
  assert_string_equal(json_string_value(json_object_get(row, "state")), "queued");
  assert_int_equal(json_integer_value(json_object_get(row, "sequence")), 5);
  assert_int_equal(json_integer_value(json_object_get(row, "received")), 1700000000005);
  assert_null(json_object_get(row, "status"));
  assert_null(json_object_get(row, "began"));
  row = json_array_get(answer.rows, 1);
  assert_string_equal(json_string_value(json_object_get(row, "endpoint")), "E1");
  assert_string_equal(json_string_value(json_object_get(row, "type")), "even");
  assert_string_equal(json_string_value(json_object_get(row, "state")), "confirmed");
  assert_int_equal(json_integer_value(json_object_get(row, "status")), 200);
  assert_null(json_object_get(row, "payload"));
  json_decref(answer.rows);

  answer = scene_query(&scene, &(struct journal_query){.type = "odd", .limit = 1, .is_whole = true,
                                                       .before = 5});
  assert_int_equal(json_array_size(answer.rows), 1);
  row = json_array_get(answer.rows, 0);
  assert_int_equal(json_integer_value(json_object_get(row, "id")), 3);
  assert_string_equal(json_string_value(json_object_get(row, "payload")), "{\"p\":1}");
  assert_string_equal(json_string_value(json_object_get(row, "command")), "{\"id\":3}");
  json_decref(answer.rows);

  answer = scene_query(&scene, &(struct journal_query){.has_id = true, .id = 1});
  assert_int_equal(json_array_size(answer.rows), 1); /* it was pruned to its status */
  row = json_array_get(answer.rows, 0);
  assert_string_equal(json_string_value(json_object_get(row, "reason")), "OK");
  json_decref(answer.rows);

  answer = scene_query(&scene, &(struct journal_query){.endpoint = "E9"});
  assert_int_equal(json_array_size(answer.rows), 0);
  json_decref(answer.rows);
  scene_command_clear(&command);
  scene_clear(&scene);
}

struct pile {
  struct scene *scene;
  int answered, busy;
};

static void on_pile(void *context, const json_t *answer, const char *failure)
{
  struct pile *pile = context;
  pile->answered++;
  pile->busy += !answer && failure && !strcmp(failure, "busy");
  if (pile->answered == 40)
    loop_stop(pile->scene->loop);
}

static void too_many_queries_are_told_so(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  scene_open(&scene);
  struct pile pile = {.scene = &scene};
  for (int i = 0; i < 40; i++) /* none is taken back before the loop runs */
    journal_query(scene.journal, &(struct journal_query){0}, on_pile, &pile);
  while (pile.answered < 40) {
    int was = pile.answered;
    scene_await(&scene, &pile.answered, was);
  }
  assert_int_equal(pile.busy, 24);
  scene_clear(&scene);
}

static void run_sql(const struct scene *scene, const char *sql)
{
  char path[300];
  sqlite3 *handle;
  assert_int_equal(sqlite3_open(scene_path(scene, "journal.db", path), &handle), SQLITE_OK);
  if (sqlite3_exec(handle, sql, NULL, NULL, NULL))
    fail_msg("%s", sqlite3_errmsg(handle));
  sqlite3_close(handle);
}

static void a_newer_schema_is_refused_with_the_version_that_reads_it(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  scene_open(&scene);
  scene_close(&scene);
  struct journal_database database;
  char path[300];
  assert_int_equal(journal_database_open(&database, scene_path(&scene, "journal.db", path), false),
                   0);
  assert_int_equal(journal_schema_migrate(&database, 2, 2, "9.8.7"), 0);
  journal_database_close(&database);
  scene_open(&scene); /* the same schema: whoever wrote it last */
  scene_close(&scene);
  run_sql(&scene, "PRAGMA user_version=3");
  assert_int_equal(scene_try(&scene), 0); /* the number alone: damage */
  assert_true(scene.found.is_lost);
  scene_close(&scene);
  assert_int_equal(journal_database_open(&database, scene_path(&scene, "journal.db", path), false),
                   0);
  /* What a later version does: its number goes into meta as well. */
  assert_int_equal(journal_schema_migrate(&database, 3, 3, "9.8.7"), 0);
  journal_database_close(&database);
  assert_int_equal(scene_try(&scene), -EPROTONOSUPPORT);
  assert_null(scene.journal);
  assert_non_null(strstr(scene.error.text, "version 9.8.7 can read it"));
  scene_clear(&scene);
}

static void a_journal_of_the_first_version_is_migrated(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  scene_open(&scene);
  struct command command = scene_command("a", 1, 1);
  assert_null(scene_accept(&scene, &command));
  scene_close(&scene);
  run_sql(&scene, "DROP TABLE message; DROP TABLE listed; DROP TABLE stored");
  struct journal_database database;
  char path[300];
  assert_int_equal(journal_database_open(&database, scene_path(&scene, "journal.db", path), false),
                   0);
  assert_int_equal(journal_schema_migrate(&database, 1, 1, "0.0.1"), 0);
  journal_database_close(&database);
  scene_open(&scene);
  assert_false(scene.found.is_lost);
  expect(scene_store(&scene, JOURNAL_SET, "a", "k", "1"), "", NULL);
  struct rows rows = reopened(&scene);
  assert_int_equal(rows.count, 1);
  scene_command_clear(&command);
  scene_clear(&scene);
}

static void the_numbers_tell_how_it_is(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  scene_open(&scene);
  int64_t before = scene_number(&scene, "transactions");
  live(&scene, "a", 1, 1, NULL);
  live(&scene, "a", 2, 2, NULL);
  assert_int_equal(scene_number(&scene, "transactions"), before + 2);
  assert_int_equal(scene_number(&scene, "commands"), 2);
  assert_true(scene_number(&scene, "file_bytes") > 4096);
  assert_true(scene_number(&scene, "wal_bytes") > 4096);
  assert_true(scene_number(&scene, "free_bytes") > 0);
  assert_true(scene_number(&scene, "last_commit_us") > 0);
  assert_true(scene_number(&scene, "mean_commit_us") > 0);
  json_t *numbers = journal_numbers(scene.journal);
  assert_string_equal(json_string_value(json_object_get(numbers, "condition")), "good");
  json_decref(numbers);
  scene_clear(&scene);
}

static void closing_waits_for_what_was_submitted(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  scene_open(&scene);
  struct command command = scene_command("a", 1, 1);
  struct change change = {.kind = CHANGE_ACCEPT, .command = &command};
  journal_submit(scene.journal, &change, 1);
  scene_close(&scene);
  assert_int_equal(scene.stored, 1);
  scene_open(&scene);
  assert_int_equal(scene.found.last_sequence, 1);
  journal_close(NULL);
  scene_command_clear(&command);
  scene_clear(&scene);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_new_journal_is_empty_and_private),
      cmocka_unit_test(each_state_is_there_after_reopening),
      cmocka_unit_test(run_and_done_behind_accept_are_one_row),
      cmocka_unit_test(what_is_dropped_may_run_again),
      cmocka_unit_test(what_is_dropped_with_a_result_does_not_run_again),
      cmocka_unit_test(what_had_begun_unknown_to_the_core_is_not_run_again),
      cmocka_unit_test(another_boot_is_told),
      cmocka_unit_test(messages_and_facts_are_there_after_reopening),
      cmocka_unit_test(an_old_body_goes_where_the_new_one_has_no_room),
      cmocka_unit_test(history_is_pruned_to_ids_and_then_forgotten),
      cmocka_unit_test(history_is_pruned_by_age),
      cmocka_unit_test(history_is_pruned_by_size),
      cmocka_unit_test(replacing_and_forgetting_reach_what_was_pruned),
      cmocka_unit_test(handlers_store_by_owner),
      cmocka_unit_test(the_store_has_limits_and_says_them),
      cmocka_unit_test(people_ask_for_commands),
      cmocka_unit_test(too_many_queries_are_told_so),
      cmocka_unit_test(a_newer_schema_is_refused_with_the_version_that_reads_it),
      cmocka_unit_test(a_journal_of_the_first_version_is_migrated),
      cmocka_unit_test(the_numbers_tell_how_it_is),
      cmocka_unit_test(closing_waits_for_what_was_submitted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A command's life: every state meets every event; batches, hand-out, order. */
#include "core_fixture.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SAME "[{\"id\":7,\"payload\":{\"n\":1}}]"
#define OTHER "[{\"id\":7,\"payload\":{\"n\":2}}]"

/* Every state of a command, those of a result on its way told apart. */
enum state { RECEIVED, QUEUED, RUNNING, STORING, SENT, RESTING, BACKING_OFF, SETTLING, CONFIRMED,
             REFUSED, STATES };

static const char *const state_names[] = {"received", "queued", "running", "storing its result",
                                          "sent", "without a connection", "backing off",
                                          "settling", "confirmed", "refused"};

/* Of endpoint E1 and type "a", with id 7; NULL where a worker never had it. */
static struct command *command_of(struct fixture *f)
{
  return f->running[0];
}

static void bring_to(struct fixture *f, enum state state)
{
  f->slow = state == RECEIVED;
  fixture_push(f, "E1", "a", SAME);
  if (state <= QUEUED)
    return;
  assert_int_equal(core_hand_out(f->core, "a", 1), 1);
  fixture_turn(f);
  if (state == RUNNING)
    return;
  f->slow = state == STORING;
  fixture_finish(f); /* fixture.running[0] is left behind: late events name it */
  if (state == STORING || state == SENT)
    return;
  if (state == RESTING) {
    fixture_disconnect(f);
  } else if (state == BACKING_OFF) {
    fixture_answer(f, fixture_last(f, CORE_RESULT), 503);
  } else if (state == SETTLING || state == CONFIRMED) {
    f->slow = state == SETTLING;
    fixture_answer(f, fixture_last(f, CORE_RESULT), 0);
  } else {
    core_answered(f->core, CORE_REQUEST, "E1", "a", 1, 0, "", f->now_ms);
    fixture_answer(f, fixture_last(f, CORE_RESULT), 404);
  }
}

enum event { REPEATED, CHANGED, HANDED_OUT, STORED, FINISHED, PUT_BACK, ANSWERED, PUBLISHED,
             DISCONNECTED, EVENTS };

static const char *const event_names[] = {"is repeated", "is delivered with another payload",
                                          "is handed out", "is stored", "finishes", "is put back",
                                          "is answered for", "is published",
                                          "loses its connection"};

static void happen(struct fixture *f, enum event event)
{
  struct command_result result = {.status = 200, .reason = memory_text("OK")};
  struct command *command = command_of(f);
  switch (event) {
  case REPEATED: fixture_push(f, "E1", "a", SAME); break;
  case CHANGED: fixture_push(f, "E1", "a", OTHER); break;
  case HANDED_OUT: core_hand_out(f->core, "a", 1); break;
  case STORED: fixture_store(f); break;
  case FINISHED:
    if (command)
      core_finish(f->core, command, &result);
    break;
  case PUT_BACK:
    if (command)
      core_put_back(f->core, command);
    break;
  case ANSWERED: {
    const struct sent *sent = fixture_last(f, CORE_RESULT);
    core_answered(f->core, CORE_RESULT, "E1", "a", sent ? sent->request_id : 99, 0, "", f->now_ms);
    break;
  }
  case PUBLISHED: {
    const struct sent *sent = fixture_last(f, CORE_RESULT);
    core_published(f->core, sent ? sent->request_id : 99, f->now_ms);
    break;
  }
  case DISCONNECTED: fixture_disconnect(f); break;
  case EVENTS: break;
  }
  command_result_clear(&result);
  f->slow = false;
  fixture_turn(f);
  fixture_store(f);
}

/* What stands after the event and the turns that follow it: r(eceived),
 * q(ueued), R(unning), d(one), - (over); then how often it has run and how many
 * result arrays went out, in all. */
struct outcome {
  char state;
  unsigned runs;
  unsigned sent;
};

static const struct outcome expected[STATES][EVENTS] = {
    /* in the order of enum event */
    [RECEIVED] = {{'q', 0, 0}, {'q', 0, 0}, {'q', 0, 0}, {'q', 0, 0}, {'q', 0, 0}, {'q', 0, 0},
                  {'q', 0, 0}, {'q', 0, 0}, {'q', 0, 0}},
    [QUEUED] = {{'q', 0, 0}, {'q', 0, 0}, {'R', 1, 0}, {'q', 0, 0}, {'q', 0, 0}, {'q', 0, 0},
                {'q', 0, 0}, {'q', 0, 0}, {'q', 0, 0}},
    [RUNNING] = {{'R', 1, 0}, {'R', 1, 0}, {'R', 1, 0}, {'R', 1, 0}, {'d', 1, 1}, {'q', 1, 0},
                 {'R', 1, 0}, {'R', 1, 0}, {'R', 1, 0}},
    [STORING] = {{'d', 1, 1}, {'d', 1, 1}, {'d', 1, 1}, {'d', 1, 1}, {'d', 1, 1}, {'d', 1, 1},
                 {'d', 1, 1}, {'d', 1, 1}, {'d', 1, 0}},
    [SENT] = {{'d', 1, 1}, {'d', 1, 1}, {'d', 1, 1}, {'d', 1, 1}, {'d', 1, 1}, {'d', 1, 1},
              {'-', 1, 1}, {'d', 1, 1}, {'d', 1, 1}},
    [RESTING] = {{'d', 1, 1}, {'d', 1, 1}, {'d', 1, 1}, {'d', 1, 1}, {'d', 1, 1}, {'d', 1, 1},
                 {'-', 1, 1}, {'d', 1, 1}, {'d', 1, 1}},
    [BACKING_OFF] = {{'d', 1, 1}, {'d', 1, 1}, {'d', 1, 1}, {'d', 1, 1}, {'d', 1, 1}, {'d', 1, 1},
                     {'d', 1, 1}, {'d', 1, 1}, {'d', 1, 1}},
    /* a delivery meanwhile is judged once the storage knows: as one that comes after */
    [SETTLING] = {{'-', 1, 2}, {'q', 1, 1}, {'-', 1, 1}, {'-', 1, 1}, {'-', 1, 1}, {'-', 1, 1},
                  {'-', 1, 1}, {'-', 1, 1}, {'-', 1, 1}},
    /* over: the same is answered from what is stored, another is a new command; what
     * concerns a worker cannot come */
    [CONFIRMED] = {{'-', 1, 2}, {'q', 1, 1}, {'-', 1, 1}, {'-', 1, 1}, {0}, {0}, {'-', 1, 1},
                   {'-', 1, 1}, {'-', 1, 1}},
    [REFUSED] = {{'-', 1, 2}, {'q', 1, 1}, {'-', 1, 1}, {'-', 1, 1}, {0}, {0}, {'-', 1, 1},
                 {'-', 1, 1}, {'-', 1, 1}},
};

static char state_letter(const struct fixture *f)
{
  struct core_counts counts = fixture_counts(f);
  assert_true(counts.received + counts.queued + counts.running + counts.done <= 1);
  return counts.received ? 'r' : counts.queued ? 'q' : counts.running ? 'R' : counts.done ? 'd'
                                                                                          : '-';
}

static void every_state_meets_every_event(void **unused)
{
  (void)unused;
  for (enum state state = 0; state < STATES; state++)
    for (enum event event = 0; event < EVENTS; event++) {
      const struct outcome *wanted = &expected[state][event];
      if (!wanted->state)
        continue;
      struct fixture f;
      fixture_open(&f, &(struct core_options){.seed = 1});
      bring_to(&f, state);
      happen(&f, event);
      char got = state_letter(&f);
      size_t sent = fixture_count(&f, CORE_RESULT);
      if (got != wanted->state || f.runs != wanted->runs || sent != wanted->sent)
        fail_msg("a command that is %s %s: got %c, %zu runs, %zu sent; wanted %c, %u, %u",
                 state_names[state], event_names[event], got, f.runs, sent, wanted->state,
                 wanted->runs, wanted->sent);
      fixture_close(&f);
    }
}

static void a_command_runs_only_after_running_is_durable(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  fixture_push(&f, "E1", "a", SAME);
  f.slow = true;
  assert_int_equal(core_hand_out(f.core, "a", 5), 1);
  fixture_turn(&f);
  assert_int_equal(f.submitted_count, 1);
  assert_int_equal(f.submitted[0].kind, CHANGE_RUN);
  assert_int_equal(f.runs, 0);
  fixture_store(&f);
  assert_int_equal(f.runs, 1);
  fixture_close(&f);
}

static void a_result_is_sent_only_after_it_is_durable(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  f.greedy = true;
  fixture_push(&f, "E1", "a", SAME);
  f.slow = true;
  fixture_finish(&f);
  assert_int_equal(f.submitted[0].kind, CHANGE_DONE);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 0);
  fixture_store(&f);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  fixture_close(&f);
}

static void at_most_one_batch_is_with_the_storage(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  f.slow = true;
  fixture_push(&f, "E1", "a", "[{\"id\":1}]");
  fixture_push(&f, "E1", "a", "[{\"id\":2}]");
  fixture_push(&f, "E2", "b", "[{\"id\":3}]");
  assert_int_equal(f.batches, 1);
  assert_int_equal(f.submitted_count, 1);
  fixture_store(&f);
  assert_int_equal(f.batches, 2);
  assert_int_equal(f.submitted_count, 2);
  assert_int_equal(fixture_counts(&f).queued, 1);
  fixture_store(&f);
  assert_int_equal(fixture_counts(&f).queued, 3);
  core_stored(f.core, f.now_ms); /* nothing is submitted: no effect */
  fixture_close(&f);
}

static void a_tick_alone_submits_and_sends_nothing(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  core_commands(f.core, "E1", "a", 0, SAME, strlen(SAME), f.wall_ms, f.now_ms, f.now_ms);
  core_telemetry(f.core, "E1", "[1]", 3, f.wall_ms, f.now_ms);
  core_tick(f.core, f.now_ms + 400000); /* a round is due, too */
  assert_int_equal(f.batches, 0);
  assert_int_equal(f.sent_count, 0);
  assert_int_equal(f.told_count, 0);
  fixture_turn(&f);
  assert_int_equal(f.batches, 1);
  assert_int_equal(fixture_counts(&f).queued, 1);
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 1);
  fixture_close(&f);
}

static void room_ahead_accepts_and_runs_in_one_batch(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  core_hand_out_ahead(f.core, "a", 2);
  f.slow = true;
  fixture_push(&f, "E1", "a", "[{\"id\":1},{\"id\":2},{\"id\":3}]");
  assert_int_equal(f.submitted_count, 5);
  assert_int_equal(f.submitted[0].kind, CHANGE_ACCEPT);
  assert_int_equal(f.submitted[1].kind, CHANGE_RUN);
  assert_int_equal(f.submitted[4].kind, CHANGE_ACCEPT);
  assert_int_equal(core_hand_out(f.core, "a", 2), 0); /* both rooms are taken */
  fixture_store(&f);
  assert_int_equal(f.runs, 2);
  assert_int_equal(fixture_counts(&f).queued, 1);
  fixture_push(&f, "E1", "a", "[{\"id\":4}]"); /* none is overtaken */
  core_hand_out_ahead(f.core, "a", 2);
  fixture_push(&f, "E1", "a", "[{\"id\":5}]");
  fixture_store(&f);
  fixture_store(&f);
  assert_int_equal(fixture_counts(&f).queued, 3);
  assert_int_equal(core_hand_out(f.core, "a", 9), 3);
  f.slow = false;
  fixture_store(&f);
  assert_int_equal(f.runs, 5);
  for (size_t i = 0; i < 5; i++)
    assert_int_equal(f.running[i]->key.id, (int64_t)i + 1);
  fixture_close(&f);
}

static void room_ahead_is_not_used_up_by_a_repeat(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  core_hand_out_ahead(f.core, "a", 2);
  fixture_push(&f, "E1", "a", SAME);
  fixture_finish(&f);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  fixture_push(&f, "E1", "a", SAME); /* its RUN is void */
  assert_int_equal(f.runs, 1);
  fixture_push(&f, "E1", "a", OTHER); /* its RUN follows its REPLACE */
  assert_int_equal(f.runs, 2);
  fixture_push(&f, "E1", "a", "[{\"id\":8}]");
  assert_int_equal(f.runs, 2);
  assert_int_equal(fixture_counts(&f).queued, 1);
  fixture_close(&f);
}

static void putting_back_keeps_the_old_place(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  fixture_push(&f, "E1", "a", "[{\"id\":1},{\"id\":2},{\"id\":3},{\"id\":4},{\"id\":5}]");
  core_hand_out(f.core, "a", 3);
  fixture_turn(&f);
  assert_int_equal(f.running_count, 3);
  size_t calls = f.queued_calls;
  core_put_back(f.core, f.running[2]);
  core_put_back(f.core, f.running[0]);
  core_put_back(f.core, f.running[1]);
  core_put_back(f.core, f.running[1]); /* twice is once */
  f.running_count = 0;
  fixture_turn(&f);
  assert_int_equal(f.queued_calls, calls + 1);
  assert_int_equal(fixture_counts(&f).queued, 5);
  core_hand_out(f.core, "a", 5);
  fixture_turn(&f);
  for (size_t i = 0; i < 5; i++)
    assert_int_equal(f.running[i]->key.id, (int64_t)i + 1);
  fixture_close(&f);
}

static void putting_back_withdraws_room_ahead(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  core_hand_out_ahead(f.core, "a", 3);
  fixture_push(&f, "E1", "a", "[{\"id\":1}]");
  core_put_back(f.core, f.running[0]);
  f.running_count = 0;
  core_hand_out(f.core, "a", 1);
  fixture_turn(&f);
  fixture_push(&f, "E1", "a", "[{\"id\":2}]");
  assert_int_equal(f.running_count, 1);
  assert_int_equal(fixture_counts(&f).queued, 1);
  core_hand_out_ahead(f.core, "never-seen", 3);
  fixture_close(&f);
}

static void what_does_not_run_cannot_end(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  f.greedy = true;
  fixture_push(&f, "E1", "a", SAME);
  struct command *command = f.running[0];
  fixture_finish(&f);
  struct command_result again = {.status = 500, .reason = memory_text("twice")};
  core_finish(f.core, command, &again);
  assert_null(again.reason);
  core_put_back(f.core, command);
  fixture_turn(&f);
  assert_int_equal(fixture_counts(&f).done, 1);
  assert_int_equal(fixture_counts(&f).answered, 1);
  fixture_close(&f);
}

static void putting_back_and_handing_out_in_one_turn_is_in_order(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  f.greedy = true;
  fixture_push(&f, "E1", "a", SAME);
  f.greedy = false;
  core_put_back(f.core, f.running[0]);
  f.running_count = 0;
  assert_int_equal(core_hand_out(f.core, "a", 1), 1);
  f.slow = true;
  fixture_turn(&f);
  assert_int_equal(f.submitted_count, 2);
  assert_int_equal(f.submitted[0].kind, CHANGE_REQUEUE);
  assert_int_equal(f.submitted[1].kind, CHANGE_RUN);
  fixture_store(&f);
  assert_int_equal(f.running_count, 1);
  fixture_close(&f);
}

static void commands_with_one_id_differ_by_endpoint_and_type(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  f.greedy = true;
  fixture_push(&f, "E1", "a", SAME);
  fixture_push(&f, "E1", "b", SAME);
  fixture_push(&f, "E2", "a", SAME);
  fixture_push(&f, "E2", "b", SAME);
  assert_int_equal(f.runs, 4);
  assert_string_equal(f.running[0]->element, "{\"id\":7,\"payload\":{\"n\":1}}");
  fixture_close(&f);
}

static void a_type_without_a_handler_is_queued_too(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  fixture_push(&f, "E1", "unknown", SAME);
  assert_int_equal(f.queued_calls, 1);
  assert_int_equal(core_hand_out(f.core, "unknown", 1), 1);
  assert_int_equal(core_hand_out(f.core, "never-seen", 1), 0);
  fixture_turn(&f);
  fixture_finish_with(&f, 0, 501, NULL);
  assert_non_null(strstr(fixture_last(&f, CORE_RESULT)->body, "501"));
  fixture_close(&f);
}

static void names_without_a_handler_are_bounded(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  for (int i = 0; i < 1500; i++) {
    char type[16];
    snprintf(type, sizeof type, "t-%d", i);
    fixture_push(&f, "E1", type, "[]");
  }
  assert_int_equal(fixture_counts(&f).malformed, 500);
  core_set_types(f.core, (const char *const[]){"a", "b", "late"}, 3);
  fixture_push(&f, "E1", "late", SAME);
  assert_int_equal(fixture_counts(&f).queued, 1);
  fixture_close(&f);
}

static void malformed_messages_run_nothing(void **unused)
{
  (void)unused;
  static const char *const texts[] = {"", "{}", "[{\"id\":1}", "[{\"id\":1}]x", "[{\"id\":1},]",
                                      "null", "[[]", "[{\"id\":1}][{\"id\":2}]"};
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    fixture_push(&f, "E1", "a", texts[i]);
    assert_int_equal(fixture_counts(&f).malformed, i + 1);
  }
  fixture_push(&f, "E9", "a", SAME);
  fixture_push(&f, "E1", "42", SAME);
  fixture_push(&f, "E1", "status", SAME);
  assert_int_equal(fixture_counts(&f).malformed, sizeof texts / sizeof *texts + 3);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_MALFORMED), sizeof texts / sizeof *texts + 3);
  assert_int_equal(f.batches, 0);
  fixture_close(&f);
}

static void a_bad_element_does_not_block_its_array(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  f.greedy = true;
  fixture_push(&f, "E1", "a",
               "[{\"id\":1},{\"id\":2,\"payload\":{\"k\":1,\"k\":2}},17,{\"id\":3}]");
  assert_int_equal(f.runs, 2);
  assert_int_equal(fixture_counts(&f).malformed, 1);
  assert_int_equal(fixture_counts(&f).done, 1);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_REFUSED_ELEMENT), 1);
  const struct sent *sent = fixture_last(&f, CORE_RESULT);
  assert_non_null(strstr(sent->body, "{\"id\":2,\"statusCode\":400"));
  fixture_answer(&f, sent, 0);
  assert_int_equal(fixture_counts(&f).done, 0);
  fixture_close(&f);
}

static void an_oversized_element_is_answered_413_and_not_kept(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  f.greedy = true;
  size_t size = 300 * 1024;
  char *text = memory_zeroed(1, size + 64);
  int n = snprintf(text, 64, "[{\"id\":5,\"payload\":\"");
  memset(text + n, 'x', size);
  memcpy(text + (size_t)n + size, "\"}]", 3);
  fixture_push(&f, "E1", "a", text);
  free(text);
  assert_int_equal(f.runs, 0);
  assert_non_null(strstr(fixture_last(&f, CORE_RESULT)->body, "{\"id\":5,\"statusCode\":413"));
  fixture_close(&f);
}

static void a_thousand_commands_in_one_array_are_one_batch(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  f.greedy = true;
  struct buffer text = {0};
  for (int i = 0; i < 1000; i++)
    buffer_format(&text, "%s{\"id\":%d,\"payload\":{\"n\":%d}}", i ? "," : "[", i, i);
  buffer_append_text(&text, "]");
  fixture_push(&f, "E1", "a", buffer_text(&text));
  assert_int_equal(f.batches, 2);
  assert_int_equal(f.runs, 1000);
  while (f.running_count) {
    struct command_result result = {.status = 200, .reason = memory_text("OK")};
    core_finish(f.core, f.running[--f.running_count], &result);
  }
  fixture_turn(&f);
  assert_int_equal(f.batches, 3);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  assert_int_equal(f.batches, 4);
  assert_int_equal(fixture_counts(&f).confirmed, 1000);
  assert_true(core_is_settled(f.core));
  buffer_clear(&text);
  fixture_close(&f);
}

static void it_is_destroyed_in_the_middle_of_everything(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.max_queued = 4});
  fixture_push(&f, "E1", "a", SAME);
  core_hand_out(f.core, "a", 1);
  fixture_turn(&f);
  fixture_finish(&f);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  fixture_push(&f, "E1", "b",
               "[{\"id\":1},{\"id\":2},{\"id\":3},{\"id\":4},{\"id\":5},{\"id\":6}]");
  core_hand_out(f.core, "b", 3);
  fixture_turn(&f);
  fixture_finish(&f);
  core_telemetry(f.core, "E1", "[1]", 3, f.wall_ms, f.now_ms);
  f.slow = true;
  fixture_push(&f, "E1", "a", SAME); /* the storage will have found it */
  memory_storage_submit(f.memory, f.submitted, f.submitted_count);
  core_commands(f.core, "E1", "a", 0, "x", 1, 0, f.now_ms, f.now_ms); /* a note that is not told */
  core_put_back(f.core, f.running[0]);
  core_answered(f.core, CORE_REQUEST, "E2", "a", 3, 404, "Not Found", f.now_ms);
  fixture_close(&f);
}

/* 80 results of 250 kB are more than the memory has room for. */
static void nothing_is_handed_out_while_too_many_results_are_not_confirmed(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  fixture_disconnect(&f);
  char *payload = memory_zeroed(1, 250 * 1000 + 1);
  memset(payload, '1', 250 * 1000);
  for (int id = 1; id <= 80; id++) {
    char text[40];
    snprintf(text, sizeof text, "[{\"id\":%d}]", id);
    fixture_push(&f, "E1", "a", text);
  }
  size_t ran = 0;
  for (; core_hand_out(f.core, "a", 1); ran++) {
    fixture_turn(&f);
    fixture_finish_with(&f, 0, 200, payload);
  }
  assert_in_range(ran, 16 * 4, 16 * 4 + 6);
  assert_int_equal(fixture_counts(&f).queued, 80 - ran);
  assert_int_equal(fixture_counts(&f).done, ran);
  fixture_connect(&f);
  const struct sent *sent;
  f.queued_calls = 0;
  while ((sent = fixture_last(&f, CORE_RESULT)) && !f.queued_calls) {
    size_t done = fixture_counts(&f).done;
    assert_true(done > 16 * 2 - 4); /* not before half of it is confirmed */
    struct sent answered = *sent;
    fixture_forget(&f);
    fixture_answer(&f, &answered, 0);
    assert_true(fixture_counts(&f).done < done);
  }
  assert_true(f.queued_calls > 0);
  assert_int_equal(core_hand_out(f.core, "a", 1), 1);
  free(payload);
  fixture_close(&f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_state_meets_every_event),
      cmocka_unit_test(a_command_runs_only_after_running_is_durable),
      cmocka_unit_test(a_result_is_sent_only_after_it_is_durable),
      cmocka_unit_test(at_most_one_batch_is_with_the_storage),
      cmocka_unit_test(a_tick_alone_submits_and_sends_nothing),
      cmocka_unit_test(room_ahead_accepts_and_runs_in_one_batch),
      cmocka_unit_test(room_ahead_is_not_used_up_by_a_repeat),
      cmocka_unit_test(putting_back_keeps_the_old_place),
      cmocka_unit_test(putting_back_withdraws_room_ahead),
      cmocka_unit_test(what_does_not_run_cannot_end),
      cmocka_unit_test(putting_back_and_handing_out_in_one_turn_is_in_order),
      cmocka_unit_test(commands_with_one_id_differ_by_endpoint_and_type),
      cmocka_unit_test(a_type_without_a_handler_is_queued_too),
      cmocka_unit_test(names_without_a_handler_are_bounded),
      cmocka_unit_test(malformed_messages_run_nothing),
      cmocka_unit_test(a_bad_element_does_not_block_its_array),
      cmocka_unit_test(an_oversized_element_is_answered_413_and_not_kept),
      cmocka_unit_test(a_thousand_commands_in_one_array_are_one_batch),
      cmocka_unit_test(it_is_destroyed_in_the_middle_of_everything),
      cmocka_unit_test(nothing_is_handed_out_while_too_many_results_are_not_confirmed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* core_cancel(): whatever a command that is not at work is doing, it is answered 499 and not
 * run from then on. */
#include "core_fixture.h"

#include "base/memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEVEN "[{\"id\":7}]"

static const struct core_options defaults = {.seed = 1};

static int cancel(struct fixture *f, int64_t id, struct core_cancelling *found)
{
  return core_cancel(f->core, "E1", "a", id, found);
}

/* In progress, or at once. */
static void expect_taken(struct fixture *f, enum command_state was)
{
  struct core_cancelling found;
  assert_int_equal(cancel(f, 7, &found), 0);
  assert_int_equal(found.state, was);
}

static void expect_answer(struct fixture *f)
{
  struct core_cancelling found;
  assert_int_equal(cancel(f, 7, &found), -EALREADY);
  assert_int_equal(found.status, 499);
  assert_string_equal(found.reason, "Cancelled");
  fixture_turn(f);
  const struct sent *sent = fixture_last(f, CORE_RESULT);
  assert_non_null(sent);
  assert_string_equal(sent->body,
                      "[{\"id\":7,\"statusCode\":499,\"reasonPhrase\":\"Cancelled\"}]");
}

static void expect_never_run(struct fixture *f)
{
  size_t runs = f->runs;
  core_hand_out(f->core, "a", 9);
  fixture_turn(f);
  assert_int_equal(f->runs, runs);
  fixture_push(f, "E1", "a", SEVEN); /* a repeat */
  core_hand_out(f->core, "a", 9);
  fixture_turn(f);
  assert_int_equal(f->runs, runs);
}

static void a_queued_command_is_answered_at_once(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &defaults);
  fixture_push(&f, "E1", "a", "[{\"id\":6},{\"id\":7},{\"id\":8}]");
  expect_taken(&f, COMMAND_QUEUED);
  expect_answer(&f);
  assert_int_equal(core_hand_out(f.core, "a", 9), 2);
  fixture_turn(&f);
  assert_string_equal(f.events, "run 6 run 8");
  expect_never_run(&f);
  fixture_close(&f);
}

static void one_that_is_being_accepted_is_answered_when_it_is(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &defaults);
  f.slow = true;
  fixture_push(&f, "E1", "a", SEVEN);
  expect_taken(&f, COMMAND_RECEIVED);
  expect_taken(&f, COMMAND_RECEIVED); /* again, and nothing more */
  assert_null(fixture_last(&f, CORE_RESULT));
  f.slow = false;
  fixture_store(&f);
  expect_answer(&f);
  expect_never_run(&f);
  fixture_close(&f);
}

static void one_that_is_just_handed_out_does_not_run(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &defaults);
  fixture_push(&f, "E1", "a", SEVEN);
  f.slow = true;
  assert_int_equal(core_hand_out(f.core, "a", 1), 1);
  fixture_turn(&f);
  expect_taken(&f, COMMAND_RUNNING);
  f.slow = false;
  fixture_store(&f);
  expect_answer(&f);
  assert_int_equal(f.withdrawn, 1); /* the room that it took is free */
  expect_never_run(&f);
  fixture_close(&f);
}

/* Nothing else may come that has what waits handed out. */
static void what_waits_behind_one_that_does_not_run_has_its_room(void **unused)
{
  (void)unused;
  for (int ahead = 0; ahead < 2; ahead++) {
    struct fixture f;
    fixture_open(&f, &defaults);
    core_hand_out_ahead(f.core, "a", (size_t)ahead);
    f.slow = true;
    fixture_push(&f, "E1", "a", "[{\"id\":7},{\"id\":8}]");
    if (!ahead) {
      fixture_store(&f);
      assert_int_equal(core_hand_out(f.core, "a", 1), 1);
      fixture_turn(&f);
    }
    expect_taken(&f, ahead ? COMMAND_RECEIVED : COMMAND_RUNNING);
    size_t calls = f.queued_calls;
    f.slow = false;
    f.greedy = true;
    fixture_store(&f);
    assert_true(f.queued_calls > calls);
    assert_string_equal(f.events, "run 8");
    fixture_close(&f);
  }
}

static void one_that_comes_to_announced_room_does_not_run(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &defaults);
  core_hand_out_ahead(f.core, "a", 1);
  f.slow = true;
  fixture_push(&f, "E1", "a", SEVEN);
  expect_taken(&f, COMMAND_RECEIVED);
  f.slow = false;
  fixture_store(&f);
  expect_answer(&f);
  assert_int_equal(f.withdrawn, 0);
  expect_never_run(&f);
  fixture_close(&f);
}

static void one_at_work_is_its_runners_to_end(void **unused)
{
  (void)unused;
  struct fixture f;
  struct core_cancelling found;
  fixture_open(&f, &defaults);
  f.greedy = true;
  fixture_push(&f, "E1", "a", SEVEN);
  assert_int_equal(cancel(&f, 7, &found), -EBUSY);
  fixture_finish(&f);
  assert_int_equal(cancel(&f, 7, &found), -EALREADY);
  assert_int_equal(found.status, 200);
  assert_string_equal(found.reason, "OK");
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  assert_int_equal(cancel(&f, 7, &found), -ENOENT);
  assert_int_equal(cancel(&f, 99, &found), -ENOENT);
  assert_int_equal(core_cancel(f.core, "E2", "a", 7, &found), -ENOENT);
  assert_int_equal(core_cancel(f.core, "E9", "zz", 7, &found), -ENOENT);
  fixture_close(&f);
}

static struct command *run_and_keep(struct fixture *f)
{
  struct command_saved saved = {.restart = COMMAND_AGENT_RESTART, .within_ms = 60000,
                                .text = memory_text("1"), .text_bytes = 1};
  f->greedy = true;
  fixture_push(f, "E1", "a", SEVEN);
  core_save(f->core, f->running[0], &saved);
  fixture_turn(f);
  f->running_count = 0;
  return f->running[0];
}

static void one_that_waits_for_a_restart_is_answered(void **unused)
{
  (void)unused;
  for (int slow = 0; slow < 2; slow++) { /* the storage has it as waiting, or is being told */
    struct fixture f;
    fixture_open(&f, &defaults);
    struct command *command = run_and_keep(&f);
    f.slow = slow;
    core_wait(f.core, command);
    fixture_turn(&f);
    expect_taken(&f, COMMAND_WAITING);
    assert_int_equal(fixture_count(&f, CORE_RESULT), 0);
    f.slow = false;
    fixture_store(&f);
    expect_answer(&f);
    fixture_pass(&f, 120000); /* the time of the restart is over, and that is nothing */
    assert_int_equal(fixture_counts(&f).waiting, 0);
    fixture_close(&f);
  }
}

static void one_that_is_put_back_is_answered(void **unused)
{
  (void)unused;
  for (int again = 0; again < 2; again++) { /* or was handed out again meanwhile */
    struct fixture f;
    fixture_open(&f, &defaults);
    fixture_push(&f, "E1", "a", SEVEN);
    core_hand_out(f.core, "a", 1);
    fixture_turn(&f);
    f.slow = true;
    core_put_back(f.core, f.running[0]);
    f.running_count = 0;
    fixture_turn(&f);
    if (again)
      assert_int_equal(core_hand_out(f.core, "a", 1), 1);
    expect_taken(&f, again ? COMMAND_RUNNING : COMMAND_QUEUED);
    f.slow = false;
    fixture_store(&f);
    expect_answer(&f);
    expect_never_run(&f);
    fixture_close(&f);
  }
}

static enum core_evidence not_begun(void *user, const struct storage_row *row,
                                    struct command_result *result)
{
  (void)user;
  (void)row;
  (void)result;
  return CORE_NOT_BEGUN;
}

static void a_stale_one_that_is_held_is_answered(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &defaults);
  fixture_push(&f, "E1", "a", SEVEN);
  fixture_pass(&f, 2 * CORE_FRESH_MS);
  fixture_kill(&f, true);
  fixture_restart(&f, &defaults, false, not_begun, NULL);
  assert_int_equal(fixture_counts(&f).held, 1);
  fixture_connect(&f);
  expect_taken(&f, COMMAND_QUEUED);
  assert_int_equal(fixture_counts(&f).held, 0);
  expect_answer(&f);
  expect_never_run(&f);
  fixture_close(&f);
}

static void it_is_durable_by_its_result(void **unused)
{
  (void)unused;
  for (int stored = 0; stored < 2; stored++) {
    struct fixture f;
    fixture_open(&f, &defaults);
    fixture_push(&f, "E1", "a", SEVEN);
    f.slow = true;
    expect_taken(&f, COMMAND_QUEUED);
    fixture_turn(&f);
    fixture_kill(&f, stored);
    f.slow = false;
    fixture_restart(&f, &defaults, false, not_begun, NULL);
    assert_int_equal(fixture_row(&f, 7)->state, stored ? COMMAND_DONE : COMMAND_QUEUED);
    f.greedy = true;
    fixture_connect(&f);
    fixture_push(&f, "E1", "a", SEVEN);
    assert_int_equal(f.running_count, !stored);
    fixture_close(&f);
  }
}

/* ---- at any moment ---- */

enum { IDS = 12, STEPS = 400, GAMES = 300 };

struct game {
  struct fixture f;
  unsigned random;
  bool is_cancelled[IDS];
};

static unsigned pick(struct game *game, unsigned count)
{
  game->random = game->random * 1103515245 + 12345;
  return (game->random >> 16) % count;
}

static void expect_not_cancelled(void *user, struct command *command)
{
  const struct game *game = user;
  assert_false(game->is_cancelled[command->key.id]);
}

static void cancel_one(struct game *game)
{
  struct core_cancelling found;
  int64_t id = pick(game, IDS);
  int rc = cancel(&game->f, id, &found);
  if (rc == 0)
    game->is_cancelled[id] = true;
  if (rc == -EBUSY)
    assert_false(game->is_cancelled[id]);
  if (rc == -EALREADY)
    assert_int_equal(found.status, game->is_cancelled[id] ? 499 : 200);
  fixture_turn(&game->f);
}

static void put_one_back(struct game *game)
{
  struct fixture *f = &game->f;
  size_t n = pick(game, (unsigned)f->running_count);
  struct command *command = f->running[n];
  memmove(f->running + n, f->running + n + 1, (--f->running_count - n) * sizeof *f->running);
  core_put_back(f->core, command);
  fixture_turn(f);
}

static void step(struct game *game)
{
  struct fixture *f = &game->f;
  char text[64];
  snprintf(text, sizeof text, "[{\"id\":%u}]", pick(game, IDS));
  f->slow = pick(game, 3) > 0;
  switch (pick(game, 8)) {
  case 0: fixture_push(f, "E1", "a", text); break;
  case 1:
    core_hand_out(f->core, "a", 1 + pick(game, 3));
    fixture_turn(f);
    break;
  case 2: core_hand_out_ahead(f->core, "a", pick(game, 3)); break;
  case 3:
    if (f->running_count)
      fixture_finish_with(f, pick(game, (unsigned)f->running_count), 200, NULL);
    break;
  case 4:
    if (f->running_count)
      put_one_back(game);
    break;
  case 5: fixture_store(f); break;
  default: cancel_one(game); break;
  }
  f->events[0] = '\0';
}

static void expect_results(struct game *game)
{
  struct fixture *f = &game->f;
  for (int64_t id = 0; id < IDS; id++) {
    const struct storage_row *row = fixture_row(f, id);
    if (!row)
      continue;
    assert_int_equal(row->state, COMMAND_DONE);
    assert_int_equal(row->result.status, game->is_cancelled[id] ? 499 : 200);
  }
}

static void whenever_it_comes_a_cancelled_command_does_not_run(void **unused)
{
  (void)unused;
  size_t cancelled = 0, runs = 0;
  for (unsigned seed = 1; seed <= GAMES; seed++) {
    struct game game = {.random = seed};
    fixture_open(&game.f, &defaults);
    game.f.ran = expect_not_cancelled;
    game.f.user = &game;
    for (int i = 0; i < STEPS; i++)
      step(&game);
    game.f.slow = false;
    game.f.greedy = true;
    fixture_store(&game.f);
    core_hand_out(game.f.core, "a", 99);
    fixture_turn(&game.f);
    while (game.f.running_count)
      fixture_finish(&game.f);
    expect_results(&game);
    for (int id = 0; id < IDS; id++)
      cancelled += game.is_cancelled[id];
    runs += game.f.runs;
    fixture_close(&game.f);
  }
  print_message("%zu cancelled, %zu runs\n", cancelled, runs);
  assert_true(cancelled > GAMES && runs > GAMES);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_queued_command_is_answered_at_once),
      cmocka_unit_test(one_that_is_being_accepted_is_answered_when_it_is),
      cmocka_unit_test(one_that_is_just_handed_out_does_not_run),
      cmocka_unit_test(what_waits_behind_one_that_does_not_run_has_its_room),
      cmocka_unit_test(one_that_comes_to_announced_room_does_not_run),
      cmocka_unit_test(one_at_work_is_its_runners_to_end),
      cmocka_unit_test(one_that_waits_for_a_restart_is_answered),
      cmocka_unit_test(one_that_is_put_back_is_answered),
      cmocka_unit_test(a_stale_one_that_is_held_is_answered),
      cmocka_unit_test(it_is_durable_by_its_result),
      cmocka_unit_test(whenever_it_comes_a_cancelled_command_does_not_run),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

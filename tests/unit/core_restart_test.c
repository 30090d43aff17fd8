/* What becomes of commands when the host is killed and started again, perhaps with the
 * machine: policies, restarts that are waited for, stale commands, what is left. */
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

#define SEVEN "[{\"id\":7,\"payload\":{\"n\":1}}]"
#define SEVEN_EQUAL "[ {\"payload\":{\"n\":1.0}, \"id\":7} ]"
#define SEVEN_OTHER "[{\"id\":7,\"payload\":{\"n\":2}}]"

static const struct core_options plain = {.seed = 1};

static void open_greedy(struct fixture *f)
{
  fixture_open(f, &plain);
  f->greedy = true;
}

/* The handler's on_interrupt is known before anything is handed out. */
static void restart_under(struct fixture *f, enum command_policy policy, bool is_reboot)
{
  fixture_kill(f, true);
  fixture_restart(f, &plain, is_reboot, NULL, NULL);
  core_set_policy(f->core, "a", policy);
  fixture_turn(f);
}

static void kill_and_restart(struct fixture *f)
{
  fixture_kill(f, true);
  fixture_restart(f, &plain, false, NULL, NULL);
  fixture_turn(f);
}

static enum core_evidence had_not_begun(void *user, const struct storage_row *row,
                                        struct command_result *result)
{
  (void)user;
  (void)row;
  (void)result;
  return CORE_NOT_BEGUN;
}

static enum core_evidence had_finished(void *user, const struct storage_row *row,
                                       struct command_result *result)
{
  (void)user;
  (void)row;
  *result = (struct command_result){.status = 201, .reason = memory_text("Found")};
  return CORE_FINISHED;
}

/* The first running command keeps something: a checkpoint, or a restart within `within_ms`. */
static void keep(struct fixture *f, enum command_restart restart, int64_t within_ms)
{
  struct command_saved saved = {.restart = restart,
                                .within_ms = within_ms,
                                .wall_ms = f->wall_ms,
                                .boot_ms = f->now_ms - f->booted_ms,
                                .text = memory_text("{\"at\":1}"),
                                .text_bytes = 8};
  core_save(f->core, f->running[0], &saved);
  assert_null(saved.text);
  fixture_turn(f);
}

/* It ends without a result, and waits for the restart that it kept. */
static void wait_for_restart(struct fixture *f)
{
  struct command *command = f->running[0];
  memmove(f->running, f->running + 1, --f->running_count * sizeof *f->running);
  core_wait(f->core, command);
  fixture_turn(f);
}

/* The one result of command 7 that was sent says this. */
static void assert_answered(struct fixture *f, int status, const char *reason)
{
  char text[200];
  snprintf(text, sizeof text, "[{\"id\":7,\"statusCode\":%d,\"reasonPhrase\":\"%s\"}]", status,
           reason);
  assert_int_equal(fixture_count(f, CORE_RESULT), 1);
  assert_string_equal(fixture_last(f, CORE_RESULT)->body, text);
}

/* ---- sequences, attempts, policies ---- */

static void sequences_ascend_over_the_life_of_a_journal(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", "[{\"id\":1},{\"id\":2}]");
  assert_int_equal(fixture_row(&f, 1)->sequence, 1);
  assert_int_equal(fixture_row(&f, 2)->sequence, 2);
  kill_and_restart(&f);
  fixture_push(&f, "E1", "a", "[{\"id\":3}]");
  assert_int_equal(fixture_row(&f, 3)->sequence, 3);
  assert_int_equal(fixture_row(&f, 2)->sequence, 2);
  fixture_close(&f);
}

static void sequences_are_never_those_of_what_was_restored(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &plain);
  const struct storage_row row = {
      .endpoint = "E2", .type = "a", .id = 1, .sequence = 41, .state = COMMAND_DONE};
  assert_int_equal(core_restore(f.core, &row, CORE_BEGUN, NULL, false, 0, f.now_ms), 0);
  fixture_push(&f, "E1", "a", SEVEN);
  assert_int_equal(fixture_row(&f, 7)->sequence, 42);
  fixture_close(&f);
}

static void a_command_is_run_under_the_policy_of_that_moment(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &plain);
  core_set_policy(f.core, "a", COMMAND_RETRY);
  fixture_push(&f, "E1", "a", "[{\"id\":1},{\"id\":2}]");
  core_hand_out(f.core, "a", 1);
  fixture_turn(&f);
  core_set_policy(f.core, "a", COMMAND_RESUME);
  core_hand_out(f.core, "a", 1);
  fixture_turn(&f);
  assert_int_equal(fixture_row(&f, 1)->policy, COMMAND_RETRY);
  assert_int_equal(fixture_row(&f, 2)->policy, COMMAND_RESUME);
  assert_int_equal(fixture_row(&f, 2)->attempts, 1);
  fixture_close(&f);
}

static void what_is_put_back_was_no_attempt(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  for (int i = 0; i < 5; i++) {
    core_put_back(f.core, f.running[0]);
    f.running_count = 0;
    fixture_turn(&f);
    assert_int_equal(f.running_count, 1);
    assert_int_equal(fixture_row(&f, 7)->attempts, 1);
  }
  f.greedy = false;
  core_put_back(f.core, f.running[0]);
  fixture_turn(&f);
  assert_int_equal(fixture_row(&f, 7)->attempts, 0);
  fixture_close(&f);
}

static void a_run_that_is_void_was_no_attempt(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  fixture_finish(&f);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  f.greedy = false;
  core_hand_out_ahead(f.core, "a", 1);
  fixture_push(&f, "E1", "a", SEVEN_OTHER); /* ACCEPT and RUN, found; REPLACE and RUN */
  assert_int_equal(f.running_count, 1);
  assert_int_equal(fixture_row(&f, 7)->attempts, 1);
  fixture_close(&f);
}

/* ---- the ends of commands ---- */

static void the_end_of_a_run_is_told_when_it_is_durable_and_before_the_next_run(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  f.slow = true;
  core_put_back(f.core, f.running[0]);
  f.running_count = 0;
  fixture_turn(&f); /* handed out again behind the REQUEUE that is with the storage, or with it */
  assert_string_equal(f.events, "run 7");
  fixture_store(&f);
  fixture_store(&f);
  assert_string_equal(f.events, "run 7 ended 7 run 7");
  fixture_finish(&f);
  assert_string_equal(f.events, "run 7 ended 7 run 7");
  fixture_store(&f);
  assert_string_equal(f.events, "run 7 ended 7 run 7 ended 7");
  fixture_close(&f);
}

static void put_back_and_run_in_one_batch_are_told_in_order(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  core_put_back(f.core, f.running[0]);
  f.running_count = 0;
  core_hand_out(f.core, "a", 1);
  size_t batches = f.batches;
  fixture_turn(&f);
  assert_int_equal(f.batches, batches + 1);
  assert_string_equal(f.events, "run 7 ended 7 run 7");
  assert_int_equal(fixture_row(&f, 7)->attempts, 1);
  fixture_close(&f);
}

/* Three were handed out: 1 runs, 2 has not begun, 3 is with the storage as the worker ends. */
static void open_with_one_behind(struct fixture *f)
{
  fixture_open(f, &plain);
  fixture_push(f, "E1", "a", "[{\"id\":1},{\"id\":2},{\"id\":3}]");
  core_hand_out(f->core, "a", 2);
  fixture_turn(f);
  f->slow = true;
  core_hand_out(f->core, "a", 1);
  fixture_turn(f);
  assert_string_equal(f->events, "run 1 run 2");
  core_put_back(f->core, f->running[1]);
  f->running_count = 1;
}

static void what_is_put_back_runs_before_what_was_handed_out_behind_it(void **unused)
{
  (void)unused;
  struct fixture f;
  open_with_one_behind(&f);
  fixture_store(&f);
  f.slow = false;
  fixture_store(&f);
  assert_string_equal(f.events, "run 1 run 2 ended 2");
  assert_int_equal(f.withdrawn, 1);
  assert_int_equal(fixture_counts(&f).queued, 2);
  assert_int_equal(fixture_row(&f, 3)->state, COMMAND_QUEUED);
  assert_int_equal(fixture_row(&f, 3)->attempts, 0);
  core_hand_out(f.core, "a", 2);
  fixture_turn(&f);
  assert_string_equal(f.events, "run 1 run 2 ended 2 run 2 run 3");
  assert_int_equal(fixture_row(&f, 3)->attempts, 1);
  fixture_close(&f);
}

static void what_is_put_back_and_handed_out_at_once_still_runs_first(void **unused)
{
  (void)unused;
  struct fixture f;
  open_with_one_behind(&f);
  core_hand_out(f.core, "a", 1); /* 2, behind the RUN of 3 that is with the storage */
  f.greedy = true;
  f.slow = false;
  fixture_store(&f);
  assert_string_equal(f.events, "run 1 run 2 ended 2 run 2 run 3");
  assert_int_equal(f.withdrawn, 1);
  fixture_close(&f);
}

static void what_came_with_its_run_waits_for_what_was_put_back(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &plain);
  fixture_push(&f, "E1", "a", "[{\"id\":1}]");
  core_hand_out(f.core, "a", 1);
  fixture_turn(&f);
  core_hand_out_ahead(f.core, "a", 2);
  f.slow = true;
  fixture_push(&f, "E1", "a", "[{\"id\":2}]"); /* ACCEPT and RUN */
  core_put_back(f.core, f.running[0]);
  f.running_count = 0;
  fixture_store(&f);
  f.slow = false;
  fixture_store(&f);
  assert_string_equal(f.events, "run 1 ended 1");
  assert_int_equal(f.withdrawn, 0); /* it was not handed out by core_hand_out() */
  core_hand_out(f.core, "a", 2);
  fixture_turn(&f);
  assert_string_equal(f.events, "run 1 ended 1 run 1 run 2");
  fixture_close(&f);
}

static void what_never_ran_has_no_end(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", "[{\"id\":7,\"payload\":{\"k\":1,\"k\":2}}]");
  assert_int_equal(fixture_counts(&f).done, 1);
  assert_string_equal(f.events, "");
  fixture_close(&f);
}

/* ---- what is kept for resume ---- */

static void what_is_kept_is_told_when_it_is_durable(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  f.slow = true;
  keep(&f, COMMAND_NO_RESTART, 0);
  assert_false(f.running[0]->has_saved);
  assert_string_equal(f.events, "run 7");
  fixture_store(&f);
  assert_string_equal(f.events, "run 7 saved 7");
  assert_memory_equal(f.running[0]->saved.text, "{\"at\":1}", 8);
  assert_memory_equal(fixture_row(&f, 7)->saved.text, "{\"at\":1}", 8);
  f.slow = false;
  keep(&f, COMMAND_REBOOT, 1000); /* a later one replaces it */
  assert_int_equal(f.running[0]->saved.restart, COMMAND_REBOOT);
  fixture_close(&f);
}

static void what_is_kept_while_the_command_ends_is_told_to_nobody(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  f.slow = true;
  keep(&f, COMMAND_NO_RESTART, 0); /* with the storage */
  keep(&f, COMMAND_NO_RESTART, 0); /* gathered */
  struct command *command = f.running[0];
  fixture_finish(&f);
  struct command_saved late = {.text = memory_text("1"), .text_bytes = 1};
  core_save(f.core, command, &late);
  assert_null(late.text);
  for (int i = 0; i < 4; i++)
    fixture_store(&f);
  assert_string_equal(f.events, "run 7 ended 7");
  assert_false(fixture_row(&f, 7)->has_saved);
  assert_false(command->has_saved);
  assert_null(command->saved.text);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  fixture_store(&f);
  assert_null(fixture_row(&f, 7));
  fixture_close(&f);
}

static void what_is_kept_by_a_command_that_is_put_back_is_told_to_nobody(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  f.slow = true;
  keep(&f, COMMAND_NO_RESTART, 0);
  core_put_back(f.core, f.running[0]);
  f.running_count = 0;
  fixture_turn(&f); /* handed out again */
  for (int i = 0; i < 4; i++)
    fixture_store(&f);
  assert_string_equal(f.events, "run 7 ended 7 run 7");
  fixture_close(&f);
}

/* ---- waiting ---- */

static void a_restart_that_does_not_come_in_time_is_answered_504(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  keep(&f, COMMAND_REBOOT, 1500);
  fixture_pass(&f, 1000);
  wait_for_restart(&f);
  assert_string_equal(f.events, "run 7 saved 7 ended 7");
  assert_int_equal(fixture_counts(&f).waiting, 1);
  fixture_push(&f, "E1", "a", SEVEN);
  assert_int_equal(fixture_counts(&f).repeats, 1);
  fixture_pass(&f, 499);
  assert_int_equal(fixture_counts(&f).waiting, 1);
  fixture_pass(&f, 1); /* from when it was kept */
  assert_answered(&f, 504, "Did not restart within 1.5 s");
  assert_string_equal(f.events, "run 7 saved 7 ended 7");
  fixture_close(&f);
}

static void time_runs_out_also_while_the_storage_is_slow(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  keep(&f, COMMAND_REBOOT, 1000);
  f.slow = true;
  wait_for_restart(&f);
  fixture_pass(&f, 2000);
  assert_int_equal(fixture_counts(&f).waiting, 1);
  fixture_store(&f);
  fixture_pass(&f, 0);
  fixture_store(&f);
  assert_answered(&f, 504, "Did not restart within 1 s");
  fixture_close(&f);
}

static void waiting_without_a_kept_restart_is_interrupted(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  keep(&f, COMMAND_REBOOT, 1000);
  keep(&f, COMMAND_NO_RESTART, 0);
  wait_for_restart(&f);
  assert_answered(&f, 500, "Interrupted: the outcome is unknown");
  fixture_close(&f);
}

static void a_reboot_resumes_what_waited_for_it(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  keep(&f, COMMAND_REBOOT, 1000);
  wait_for_restart(&f);
  fixture_kill(&f, true);
  f.now_ms += 3600 * 1000; /* however long it took */
  fixture_restart(&f, &plain, true, NULL, NULL);
  fixture_turn(&f);
  assert_string_equal(f.events, "resume 7");
  const struct command *command = f.running[0];
  assert_true(command->has_saved);
  assert_memory_equal(command->saved.text, "{\"at\":1}", 8);
  assert_non_null(strstr(command->element, "\"n\":1"));
  assert_int_equal(fixture_row(&f, 7)->attempts, 2);
  assert_true(fixture_row(&f, 7)->resumes);
  fixture_finish(&f);
  fixture_connect(&f);
  assert_answered(&f, 200, "OK");
  fixture_close(&f);
}

static void a_restart_of_the_agent_is_no_reboot(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  keep(&f, COMMAND_REBOOT, 10000);
  wait_for_restart(&f);
  fixture_pass(&f, 4000);
  kill_and_restart(&f);
  fixture_connect(&f);
  assert_string_equal(f.events, "");
  fixture_pass(&f, 5999); /* its time counts from when it was kept */
  assert_int_equal(fixture_counts(&f).waiting, 1);
  fixture_pass(&f, 1);
  assert_answered(&f, 504, "Did not restart within 10 s");
  fixture_close(&f);
}

static void a_restart_of_the_agent_resumes_what_waited_for_that(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  keep(&f, COMMAND_AGENT_RESTART, 10000);
  wait_for_restart(&f);
  kill_and_restart(&f);
  assert_string_equal(f.events, "resume 7");
  fixture_close(&f);
}

static void what_is_killed_by_the_restart_that_it_asked_for_is_resumed(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  keep(&f, COMMAND_REBOOT, 10000);
  fixture_kill(&f, true); /* before it returned */
  fixture_restart(&f, &plain, true, NULL, NULL);
  fixture_turn(&f);
  assert_string_equal(f.events, "resume 7");
  fixture_close(&f);
}

static void what_is_killed_while_it_waits_for_a_reboot_waits_on(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  keep(&f, COMMAND_REBOOT, 10000);
  kill_and_restart(&f);
  assert_int_equal(fixture_counts(&f).waiting, 1);
  assert_int_equal(fixture_row(&f, 7)->state, COMMAND_WAITING);
  fixture_close(&f);
}

static void a_restart_that_has_been_is_not_waited_for_again(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  keep(&f, COMMAND_REBOOT, 10000);
  wait_for_restart(&f);
  restart_under(&f, COMMAND_RESUME, true);
  assert_string_equal(f.events, "resume 7");
  restart_under(&f, COMMAND_RESUME, false); /* in the middle of resume */
  assert_string_equal(f.events, "resume 7");
  assert_int_equal(fixture_row(&f, 7)->attempts, 3);
  assert_memory_equal(f.running[0]->saved.text, "{\"at\":1}", 8);
  kill_and_restart(&f);
  fixture_connect(&f);
  assert_answered(&f, 500, "Interrupted: the outcome is unknown, after 3 attempts");
  fixture_close(&f);
}

/* on_interrupt = "report" with a resume that answers after a restart: what that has done is
 * not done again. */
static void a_resume_that_may_not_run_again_is_interrupted(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  keep(&f, COMMAND_REBOOT, 10000);
  wait_for_restart(&f);
  restart_under(&f, COMMAND_REPORT, true);
  assert_string_equal(f.events, "resume 7");
  kill_and_restart(&f);
  assert_string_equal(f.events, "");
  fixture_connect(&f);
  assert_answered(&f, 500, "Interrupted: the outcome is unknown");
  fixture_close(&f);
}

static void a_resume_that_had_not_begun_is_resumed_whatever_the_policy(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  keep(&f, COMMAND_REBOOT, 10000);
  wait_for_restart(&f);
  restart_under(&f, COMMAND_REPORT, true);
  fixture_kill(&f, true);
  fixture_restart(&f, &plain, false, had_not_begun, NULL);
  fixture_turn(&f);
  assert_string_equal(f.events, "resume 7");
  assert_int_equal(fixture_row(&f, 7)->attempts, 2);
  fixture_close(&f);
}

static void resume_may_wait_for_another_restart(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  keep(&f, COMMAND_REBOOT, 10000);
  wait_for_restart(&f);
  fixture_kill(&f, true);
  fixture_restart(&f, &plain, true, NULL, NULL);
  fixture_turn(&f);
  keep(&f, COMMAND_REBOOT, 20000);
  kill_and_restart(&f);
  assert_int_equal(fixture_counts(&f).waiting, 1);
  fixture_kill(&f, true);
  fixture_restart(&f, &plain, true, NULL, NULL);
  fixture_turn(&f);
  assert_string_equal(f.events, "resume 7");
  fixture_close(&f);
}

/* The host passes a row as waiting that the storage has as running. */
static void marks_that_say_it_waits_are_believed(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  keep(&f, COMMAND_AGENT_RESTART, 10000);
  struct storage_row row = *fixture_row(&f, 7);
  row.state = COMMAND_WAITING;
  struct fixture next;
  fixture_open_bare(&next, &plain);
  next.greedy = true;
  core_rows_destroy(next.rows);
  next.rows = f.rows;
  core_add_endpoint(next.core, "E1");
  core_restore(next.core, &row, CORE_FINISHED, NULL, false, next.now_ms, next.now_ms);
  fixture_turn(&next);
  assert_string_equal(next.events, "resume 7");
  f.rows = core_rows_create();
  fixture_close(&next);
  fixture_close(&f);
}

/* ---- what was running ---- */

static void what_had_begun_is_reported_as_interrupted(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  kill_and_restart(&f);
  assert_int_equal(f.running_count, 0);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_RESTORED), 1);
  fixture_connect(&f);
  assert_answered(&f, 500, "Interrupted: the outcome is unknown");
  assert_string_equal(f.events, "");
  fixture_close(&f);
}

static void what_had_not_begun_is_queued_again(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  fixture_kill(&f, true);
  f.greedy = false;
  fixture_restart(&f, &plain, false, had_not_begun, NULL);
  fixture_turn(&f);
  assert_int_equal(fixture_counts(&f).queued, 1);
  assert_int_equal(fixture_counts(&f).held, 0);
  assert_int_equal(fixture_row(&f, 7)->state, COMMAND_QUEUED);
  assert_int_equal(fixture_row(&f, 7)->attempts, 0);
  fixture_close(&f);
}

static void what_had_not_begun_may_be_stale(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  fixture_kill(&f, true);
  f.now_ms += 60000;
  fixture_restart(&f, &plain, false, had_not_begun, NULL);
  fixture_turn(&f);
  assert_int_equal(fixture_counts(&f).held, 1);
  assert_int_equal(fixture_row(&f, 7)->state, COMMAND_QUEUED);
  fixture_close(&f);
}

static void a_result_that_was_found_is_reported(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  fixture_kill(&f, true);
  fixture_restart(&f, &plain, false, had_finished, NULL);
  fixture_turn(&f);
  assert_int_equal(fixture_row(&f, 7)->state, COMMAND_DONE);
  fixture_connect(&f);
  assert_answered(&f, 201, "Found");
  assert_int_equal(fixture_counts(&f).answered, 1);
  fixture_close(&f);
}

static void a_result_that_is_stored_is_reported_until_it_is_confirmed(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  fixture_finish_with(&f, 0, 200, "{\"x\":[1]}");
  for (int i = 0; i < 3; i++) {
    fixture_forget(&f);
    kill_and_restart(&f);
    assert_int_equal(fixture_counts(&f).done, 1);
    fixture_connect(&f);
    assert_string_equal(fixture_last(&f, CORE_RESULT)->body,
                        "[{\"id\":7,\"statusCode\":200,\"reasonPhrase\":\"OK\","
                        "\"payload\":{\"x\":[1]}}]");
  }
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  fixture_forget(&f);
  kill_and_restart(&f);
  fixture_connect(&f);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 0);
  fixture_close(&f);
}

static void retry_runs_again_three_times_in_all(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  core_set_policy(f.core, "a", COMMAND_RETRY);
  fixture_push(&f, "E1", "a", SEVEN);
  for (int attempt = 2; attempt <= 3; attempt++) {
    fixture_kill(&f, true);
    f.now_ms += 3600 * 1000; /* it is not stale: it had begun */
    fixture_restart(&f, &plain, attempt == 3, NULL, NULL);
    core_set_policy(f.core, "a", COMMAND_RETRY);
    fixture_turn(&f);
    assert_string_equal(f.events, "run 7");
    assert_int_equal(fixture_row(&f, 7)->attempts, attempt);
  }
  kill_and_restart(&f);
  fixture_connect(&f);
  assert_answered(&f, 500, "Interrupted: the outcome is unknown, after 3 attempts");
  fixture_close(&f);
}

static void what_is_to_be_retried_is_so_after_another_kill(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  core_set_policy(f.core, "a", COMMAND_RETRY);
  fixture_push(&f, "E1", "a", SEVEN);
  f.greedy = false;
  kill_and_restart(&f); /* requeued, and not handed out */
  fixture_kill(&f, true);
  f.now_ms += 3600 * 1000;
  f.greedy = true;
  fixture_restart(&f, &plain, true, NULL, NULL);
  fixture_turn(&f);
  assert_string_equal(f.events, "run 7");
  assert_int_equal(fixture_row(&f, 7)->attempts, 2);
  fixture_close(&f);
}

static void resume_goes_on_from_the_checkpoint(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  core_set_policy(f.core, "a", COMMAND_RESUME);
  fixture_push(&f, "E1", "a", SEVEN);
  keep(&f, COMMAND_NO_RESTART, 0);
  restart_under(&f, COMMAND_RESUME, false);
  assert_string_equal(f.events, "resume 7");
  assert_memory_equal(f.running[0]->saved.text, "{\"at\":1}", 8);
  restart_under(&f, COMMAND_RESUME, false);
  assert_string_equal(f.events, "resume 7");
  kill_and_restart(&f);
  fixture_connect(&f);
  assert_answered(&f, 500, "Interrupted: the outcome is unknown, after 3 attempts");
  fixture_close(&f);
}

static void resume_without_a_checkpoint_reports(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  core_set_policy(f.core, "a", COMMAND_RESUME);
  fixture_push(&f, "E1", "a", SEVEN);
  kill_and_restart(&f);
  fixture_connect(&f);
  assert_answered(&f, 500, "Interrupted: the outcome is unknown");
  fixture_close(&f);
}

static void a_checkpoint_that_was_not_durable_is_none(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  core_set_policy(f.core, "a", COMMAND_RESUME);
  fixture_push(&f, "E1", "a", SEVEN);
  f.slow = true;
  keep(&f, COMMAND_NO_RESTART, 0);
  fixture_kill(&f, false);
  f.slow = false;
  fixture_restart(&f, &plain, false, NULL, NULL);
  fixture_turn(&f);
  fixture_connect(&f);
  assert_answered(&f, 500, "Interrupted: the outcome is unknown");
  fixture_close(&f);
}

static void order_is_kept_across_a_restart(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &plain);
  fixture_push(&f, "E1", "a", "[{\"id\":9},{\"id\":8},{\"id\":7},{\"id\":6}]");
  core_hand_out(f.core, "a", 2);
  fixture_turn(&f);
  fixture_kill(&f, true);
  fixture_restart(&f, &plain, false, had_not_begun, NULL);
  core_hand_out_ahead(f.core, "a", 4);
  fixture_push(&f, "E1", "a", "[{\"id\":5}]");
  core_hand_out(f.core, "a", 9);
  fixture_turn(&f);
  assert_string_equal(f.events, "run 9 run 8 run 7 run 6 run 5");
  fixture_close(&f);
}

static void commands_of_an_endpoint_that_is_gone_are_left_alone(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  struct storage_row row = *fixture_row(&f, 7);
  struct command_result result = {.status = 200, .reason = memory_text("OK")};
  assert_int_equal(core_restore(f.core, &row, CORE_FINISHED, &result, false, 0, f.now_ms),
                   -EEXIST);
  assert_null(result.reason);
  row.endpoint = "E9";
  assert_int_equal(core_restore(f.core, &row, CORE_BEGUN, NULL, false, 0, f.now_ms), -ENOENT);
  assert_int_equal(fixture_counts(&f).running, 1);
  fixture_close(&f);
}

/* ---- stale commands ---- */

/* 7, and 8 of "b", are queued when the host is killed, and 60 s old when it is started. */
static void open_stale(struct fixture *f)
{
  fixture_open(f, &plain);
  fixture_push(f, "E1", "a", SEVEN);
  fixture_push(f, "E1", "b", "[{\"id\":8}]");
  fixture_kill(f, true);
  f->now_ms += CORE_FRESH_MS;
  fixture_restart(f, &plain, false, NULL, NULL);
  f->greedy = true;
  fixture_turn(f);
  assert_int_equal(fixture_counts(f).held, 2);
  assert_int_equal(fixture_counts(f).queued, 2);
  assert_string_equal(f->events, "");
}

static void what_is_younger_than_a_minute_of_running_time_runs(void **unused)
{
  (void)unused;
  for (int reboots = 0; reboots < 2; reboots++) {
    struct fixture f;
    fixture_open(&f, &plain);
    fixture_push(&f, "E1", "a", SEVEN);
    fixture_kill(&f, true);
    f.now_ms += CORE_FRESH_MS - 1;
    f.greedy = true;
    fixture_restart(&f, &plain, reboots, NULL, NULL);
    fixture_turn(&f);
    assert_string_equal(f.events, reboots ? "" : "run 7"); /* power-off time is unknown */
    assert_int_equal(fixture_counts(&f).held, reboots);
    fixture_close(&f);
  }
}

static void a_stale_command_runs_when_it_is_delivered_again(void **unused)
{
  (void)unused;
  struct fixture f;
  open_stale(&f);
  int64_t received_wall_ms = fixture_row(&f, 7)->received_wall_ms;
  fixture_push(&f, "E1", "a", SEVEN_EQUAL);
  assert_string_equal(f.events, "run 7");
  assert_int_equal(f.running[0]->received_wall_ms, received_wall_ms); /* the first receipt */
  assert_non_null(strstr(f.running[0]->element, "{\"n\":1}"));
  assert_int_equal(fixture_row(&f, 7)->sequence, 1);
  assert_int_equal(fixture_counts(&f).held, 1);
  fixture_connect(&f);
  fixture_reply(&f, "E1", "a", "[]"); /* it is no stale one any more */
  assert_int_equal(fixture_counts(&f).running, 1);
  fixture_close(&f);
}

static void a_stale_command_that_is_not_listed_is_dropped(void **unused)
{
  (void)unused;
  struct fixture f;
  open_stale(&f);
  fixture_connect(&f);
  fixture_reply(&f, "E1", "a", "[{\"id\":9}]");
  assert_string_equal(f.events, "run 9");
  assert_int_equal(fixture_counts(&f).dropped, 1);
  assert_int_equal(fixture_counts(&f).held, 1); /* 8 is another pair's */
  assert_int_equal(fixture_notes(&f, CORE_NOTE_DROPPED), 1);
  assert_null(fixture_row(&f, 7));
  fixture_reply(&f, "E1", "b", "[{\"id\":8}]");
  assert_string_equal(f.events, "run 9 run 8");
  assert_int_equal(fixture_count(&f, CORE_RESULT), 0);
  fixture_close(&f);
}

static void only_the_reply_to_a_request_of_this_connection_drops(void **unused)
{
  (void)unused;
  struct fixture f;
  open_stale(&f);
  fixture_push(&f, "E1", "a", "[]"); /* a push */
  fixture_connect(&f);
  uint32_t first = fixture_sent(&f, CORE_REQUEST, 0)->request_id;
  assert_string_equal(fixture_sent(&f, CORE_REQUEST, 0)->endpoint, "E1");
  assert_string_equal(fixture_sent(&f, CORE_REQUEST, 0)->type, "a");
  fixture_disconnect(&f);
  core_commands(f.core, "E1", "a", first, "[]", 2, 0, 0, f.now_ms);
  fixture_connect(&f);
  core_commands(f.core, "E1", "a", first, "[]", 2, 0, 0, f.now_ms);
  core_commands(f.core, "E1", "a", 12345, "[]", 2, 0, 0, f.now_ms); /* another process's */
  fixture_turn(&f);
  assert_int_equal(fixture_counts(&f).held, 2);
  fixture_pass(&f, 10000); /* asked for again, spread over 10 s */
  fixture_reply(&f, "E1", "a", "[]");
  assert_int_equal(fixture_counts(&f).held, 1);
  fixture_close(&f);
}

static void a_message_that_is_no_array_drops_nothing(void **unused)
{
  (void)unused;
  struct fixture f;
  open_stale(&f);
  fixture_connect(&f);
  fixture_reply(&f, "E1", "a", "[] []");
  fixture_reply(&f, "E1", "a", "{}");
  fixture_answer(&f, fixture_sent(&f, CORE_REQUEST, 0), 404);
  assert_int_equal(fixture_counts(&f).held, 2);
  fixture_reply(&f, "E1", "a", "[]");
  assert_int_equal(fixture_counts(&f).dropped, 1);
  fixture_close(&f);
}

static void stale_commands_are_released_where_the_rest_has_no_room(void **unused)
{
  (void)unused;
  const struct core_options small = {.seed = 1, .max_queued = 1};
  struct fixture f;
  fixture_open(&f, &small);
  fixture_push(&f, "E1", "a", SEVEN);
  fixture_kill(&f, true);
  f.now_ms += CORE_FRESH_MS;
  fixture_restart(&f, &small, false, NULL, NULL);
  fixture_connect(&f);
  fixture_push(&f, "E1", "b", "[{\"id\":1}]"); /* held ones take no room */
  assert_int_equal(fixture_counts(&f).queued, 2);
  fixture_reply(&f, "E1", "a", "[{\"id\":5},{\"id\":7,\"payload\":{\"n\":1}},{\"id\":6}]");
  assert_int_equal(fixture_counts(&f).left, 2);
  assert_int_equal(fixture_counts(&f).held, 0);
  assert_int_equal(fixture_counts(&f).queued, 2);
  assert_int_equal(fixture_counts(&f).dropped, 0);
  fixture_close(&f);
}

static void another_payload_takes_the_place_of_a_stale_command(void **unused)
{
  (void)unused;
  struct fixture f;
  open_stale(&f);
  fixture_push(&f, "E1", "a", SEVEN_OTHER);
  assert_string_equal(f.events, "run 7");
  assert_non_null(strstr(f.running[0]->element, "\"n\":2"));
  assert_int_equal(fixture_counts(&f).dropped, 1);
  assert_int_equal(fixture_counts(&f).held, 1);
  fixture_finish(&f);
  fixture_connect(&f);
  assert_answered(&f, 200, "OK");
  fixture_close(&f);
}

static void what_was_dropped_and_never_run_runs_when_it_comes_after_all(void **unused)
{
  (void)unused;
  struct fixture f;
  open_stale(&f);
  fixture_connect(&f);
  fixture_reply(&f, "E1", "a", "[]");
  assert_int_equal(fixture_counts(&f).dropped, 1);
  fixture_push(&f, "E1", "a", SEVEN);
  assert_string_equal(f.events, "run 7");
  fixture_close(&f);
}

static void stale_commands_of_a_type_without_a_file_are_asked_for(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &plain);
  fixture_push(&f, "E2", "gone", SEVEN);
  fixture_kill(&f, true);
  f.now_ms += CORE_FRESH_MS;
  fixture_restart(&f, &plain, false, NULL, NULL);
  fixture_connect(&f);
  fixture_reply(&f, "E2", "gone", SEVEN);
  assert_int_equal(fixture_counts(&f).held, 0);
  assert_int_equal(fixture_counts(&f).queued, 1);
  fixture_close(&f);
}

static void stale_commands_are_polled_for(void **unused)
{
  (void)unused;
  const struct core_options polls = {.seed = 1, .polls = true};
  struct fixture f;
  fixture_open(&f, &polls);
  fixture_push(&f, "E2", "gone", SEVEN);
  fixture_push(&f, "E2", "b", "[{\"id\":8}]");
  fixture_kill(&f, true);
  f.now_ms += CORE_FRESH_MS;
  fixture_restart(&f, &polls, false, NULL, NULL);
  fixture_forget(&f);
  fixture_connect(&f);
  for (int i = 0; i < 20; i++) {
    fixture_pass(&f, 100);
    size_t requests = fixture_count(&f, CORE_REQUEST);
    for (size_t n = 0; n < requests; n++) {
      const struct sent *sent = fixture_sent(&f, CORE_REQUEST, n);
      fixture_reply(&f, sent->endpoint, sent->type, sent->type[0] == 'g' ? SEVEN : "[]");
    }
  }
  assert_int_equal(fixture_counts(&f).held, 0);
  assert_int_equal(fixture_counts(&f).queued, 1);
  assert_int_equal(fixture_counts(&f).dropped, 1);
  fixture_close(&f);
}

/* ---- forgotten by hand ---- */

static void a_command_is_forgotten_whatever_it_waits_for(void **unused)
{
  (void)unused;
  struct fixture f;
  open_stale(&f);
  f.greedy = false;
  assert_int_equal(core_forget(f.core, "E1", "a", 7), 0); /* held */
  fixture_push(&f, "E2", "a", "[{\"id\":1},{\"id\":2},{\"id\":3}]");
  assert_int_equal(core_forget(f.core, "E2", "a", 1), 0); /* queued */
  f.greedy = true;
  core_hand_out(f.core, "a", 9);
  fixture_turn(&f);
  assert_string_equal(f.events, "run 2 run 3");
  assert_int_equal(core_forget(f.core, "E2", "a", 2), -EBUSY); /* running */
  fixture_finish(&f);
  fixture_connect(&f);
  fixture_pass(&f, 10000);
  assert_int_equal(core_forget(f.core, "E2", "a", 2), 0); /* done and sent */
  assert_int_equal(core_forget(f.core, "E2", "a", 2), -EBUSY);
  keep(&f, COMMAND_REBOOT, 900000);
  wait_for_restart(&f);
  assert_int_equal(core_forget(f.core, "E2", "a", 3), 0); /* waiting */
  fixture_turn(&f);
  assert_int_equal(core_forget(f.core, "E2", "a", 3), -ENOENT);
  assert_int_equal(core_forget(f.core, "E9", "a", 3), -ENOENT);
  assert_int_equal(fixture_counts(&f).dropped, 4);
  assert_true(core_is_settled(f.core));
  size_t results = fixture_count(&f, CORE_RESULT);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0); /* late */
  fixture_disconnect(&f);
  fixture_connect(&f);
  fixture_pass(&f, 2000000);
  assert_int_equal(fixture_count(&f, CORE_RESULT), results);
  assert_int_equal(fixture_counts(&f).confirmed, 0);
  fixture_close(&f);
}

static void what_has_run_and_is_forgotten_does_not_run_again(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", "[{\"id\":1},{\"id\":2}]");
  fixture_finish(&f);
  keep(&f, COMMAND_REBOOT, 900000);
  wait_for_restart(&f);
  assert_int_equal(core_forget(f.core, "E1", "a", 1), 0);
  assert_int_equal(core_forget(f.core, "E1", "a", 2), 0);
  fixture_turn(&f);
  fixture_forget(&f);
  fixture_push(&f, "E1", "a", "[{\"id\":1},{\"id\":2}]");
  assert_int_equal(f.runs, 2);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1); /* both from what is stored */
  assert_non_null(strstr(fixture_last(&f, CORE_RESULT)->body, "{\"id\":1,\"statusCode\":200"));
  assert_non_null(strstr(fixture_last(&f, CORE_RESULT)->body, "{\"id\":2,\"statusCode\":500"));
  fixture_close(&f);
}

static void what_is_to_run_again_and_is_forgotten_does_not(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  core_set_policy(f.core, "a", COMMAND_RETRY);
  fixture_push(&f, "E1", "a", SEVEN);
  f.greedy = false;
  kill_and_restart(&f);
  assert_int_equal(fixture_counts(&f).queued, 1);
  assert_int_equal(core_forget(f.core, "E1", "a", 7), 0);
  f.greedy = true;
  fixture_connect(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  assert_int_equal(f.runs, 1);
  assert_int_equal(fixture_counts(&f).dropped, 1);
  assert_answered(&f, 500, "Interrupted: the outcome is unknown");
  fixture_close(&f);
}

static void what_is_with_the_storage_is_not_forgotten(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  f.slow = true;
  fixture_push(&f, "E1", "a", SEVEN);
  assert_int_equal(core_forget(f.core, "E1", "a", 7), -EBUSY); /* received */
  f.greedy = false;
  fixture_store(&f);
  core_hand_out(f.core, "a", 1);
  fixture_store(&f);
  fixture_store(&f);
  fixture_finish(&f);
  assert_int_equal(core_forget(f.core, "E1", "a", 7), -EBUSY); /* its result is not stored */
  fixture_store(&f);
  assert_int_equal(core_forget(f.core, "E1", "a", 7), 0);
  fixture_push(&f, "E1", "a", SEVEN_OTHER); /* meanwhile */
  fixture_store(&f);
  fixture_store(&f);
  fixture_store(&f);
  assert_int_equal(fixture_counts(&f).queued, 1);
  fixture_close(&f);
}

/* ---- a storage without room ---- */

static void what_the_storage_has_no_room_for_is_asked_for_more_and_more_slowly(void **unused)
{
  (void)unused;
  static const int64_t expected_s[] = {5, 15, 35, 75, 135, 195};
  struct fixture f;
  open_greedy(&f);
  f.leaves = true;
  core_hand_out_ahead(f.core, "a", 4);
  int64_t start_ms = f.now_ms;
  fixture_push(&f, "E1", "a", "[{\"id\":1},{\"id\":2},{\"id\":3,\"payload\":{\"k\":1,\"k\":2}}]");
  assert_int_equal(fixture_counts(&f).left, 3);
  assert_int_equal(fixture_counts(&f).received, 0);
  for (size_t i = 0; i < sizeof expected_s / sizeof *expected_s; i++) {
    fixture_pass(&f, start_ms + expected_s[i] * 1000 - 1 - f.now_ms);
    assert_int_equal(fixture_count(&f, CORE_REQUEST), i);
    fixture_pass(&f, 1);
    assert_int_equal(fixture_count(&f, CORE_REQUEST), i + 1);
    fixture_reply(&f, "E1", "a", SEVEN);
  }
  assert_int_equal(f.runs, 0);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_LEFT), 1);
  assert_non_null(strstr(f.told[f.told_count - 1].detail, "the storage has no room"));
  f.leaves = false;
  fixture_pass(&f, 60000);
  fixture_reply(&f, "E1", "a", SEVEN);
  assert_int_equal(f.runs, 1);
  size_t requests = fixture_count(&f, CORE_REQUEST);
  fixture_pass(&f, 30000);
  assert_int_equal(fixture_count(&f, CORE_REQUEST), requests);
  f.leaves = true; /* it begins anew */
  fixture_push(&f, "E1", "a", "[{\"id\":9}]");
  fixture_pass(&f, 5000);
  assert_int_equal(fixture_count(&f, CORE_REQUEST), requests + 1);
  fixture_close(&f);
}

static void an_old_command_is_known_where_its_replacement_is_left(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  fixture_finish(&f);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  f.leaves = true;
  fixture_push(&f, "E1", "a", SEVEN_OTHER);
  assert_int_equal(f.runs, 1);
  assert_int_equal(fixture_counts(&f).left, 1);
  fixture_forget(&f);
  fixture_push(&f, "E1", "a", SEVEN);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  fixture_close(&f);
}

static void the_first_answer_to_a_result_is_stored_once(void **unused)
{
  (void)unused;
  struct fixture f;
  open_greedy(&f);
  for (int i = 1; i <= 3; i++) {
    char text[32];
    snprintf(text, sizeof text, "[{\"id\":%d}]", i);
    fixture_push(&f, "E1", "a", text);
    fixture_finish(&f);
    fixture_answer(&f, fixture_last(&f, CORE_RESULT), i == 1 ? 503 : 0);
    assert_int_equal(core_rows_answered(f.rows), i > 1);
    if (i == 2) {
      kill_and_restart(&f);
      fixture_connect(&f);
    }
  }
  fixture_close(&f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sequences_ascend_over_the_life_of_a_journal),
      cmocka_unit_test(sequences_are_never_those_of_what_was_restored),
      cmocka_unit_test(a_command_is_run_under_the_policy_of_that_moment),
      cmocka_unit_test(what_is_put_back_was_no_attempt),
      cmocka_unit_test(a_run_that_is_void_was_no_attempt),
      cmocka_unit_test(the_end_of_a_run_is_told_when_it_is_durable_and_before_the_next_run),
      cmocka_unit_test(put_back_and_run_in_one_batch_are_told_in_order),
      cmocka_unit_test(what_is_put_back_runs_before_what_was_handed_out_behind_it),
      cmocka_unit_test(what_is_put_back_and_handed_out_at_once_still_runs_first),
      cmocka_unit_test(what_came_with_its_run_waits_for_what_was_put_back),
      cmocka_unit_test(what_never_ran_has_no_end),
      cmocka_unit_test(what_is_kept_is_told_when_it_is_durable),
      cmocka_unit_test(what_is_kept_while_the_command_ends_is_told_to_nobody),
      cmocka_unit_test(what_is_kept_by_a_command_that_is_put_back_is_told_to_nobody),
      cmocka_unit_test(a_restart_that_does_not_come_in_time_is_answered_504),
      cmocka_unit_test(time_runs_out_also_while_the_storage_is_slow),
      cmocka_unit_test(waiting_without_a_kept_restart_is_interrupted),
      cmocka_unit_test(a_reboot_resumes_what_waited_for_it),
      cmocka_unit_test(a_restart_of_the_agent_is_no_reboot),
      cmocka_unit_test(a_restart_of_the_agent_resumes_what_waited_for_that),
      cmocka_unit_test(what_is_killed_by_the_restart_that_it_asked_for_is_resumed),
      cmocka_unit_test(what_is_killed_while_it_waits_for_a_reboot_waits_on),
      cmocka_unit_test(a_restart_that_has_been_is_not_waited_for_again),
      cmocka_unit_test(a_resume_that_may_not_run_again_is_interrupted),
      cmocka_unit_test(a_resume_that_had_not_begun_is_resumed_whatever_the_policy),
      cmocka_unit_test(resume_may_wait_for_another_restart),
      cmocka_unit_test(marks_that_say_it_waits_are_believed),
      cmocka_unit_test(what_had_begun_is_reported_as_interrupted),
      cmocka_unit_test(what_had_not_begun_is_queued_again),
      cmocka_unit_test(what_had_not_begun_may_be_stale),
      cmocka_unit_test(a_result_that_was_found_is_reported),
      cmocka_unit_test(a_result_that_is_stored_is_reported_until_it_is_confirmed),
      cmocka_unit_test(retry_runs_again_three_times_in_all),
      cmocka_unit_test(what_is_to_be_retried_is_so_after_another_kill),
      cmocka_unit_test(resume_goes_on_from_the_checkpoint),
      cmocka_unit_test(resume_without_a_checkpoint_reports),
      cmocka_unit_test(a_checkpoint_that_was_not_durable_is_none),
      cmocka_unit_test(order_is_kept_across_a_restart),
      cmocka_unit_test(commands_of_an_endpoint_that_is_gone_are_left_alone),
      cmocka_unit_test(what_is_younger_than_a_minute_of_running_time_runs),
      cmocka_unit_test(a_stale_command_runs_when_it_is_delivered_again),
      cmocka_unit_test(a_stale_command_that_is_not_listed_is_dropped),
      cmocka_unit_test(only_the_reply_to_a_request_of_this_connection_drops),
      cmocka_unit_test(a_message_that_is_no_array_drops_nothing),
      cmocka_unit_test(stale_commands_are_released_where_the_rest_has_no_room),
      cmocka_unit_test(another_payload_takes_the_place_of_a_stale_command),
      cmocka_unit_test(what_was_dropped_and_never_run_runs_when_it_comes_after_all),
      cmocka_unit_test(stale_commands_of_a_type_without_a_file_are_asked_for),
      cmocka_unit_test(stale_commands_are_polled_for),
      cmocka_unit_test(a_command_is_forgotten_whatever_it_waits_for),
      cmocka_unit_test(what_has_run_and_is_forgotten_does_not_run_again),
      cmocka_unit_test(what_is_to_run_again_and_is_forgotten_does_not),
      cmocka_unit_test(what_is_with_the_storage_is_not_forgotten),
      cmocka_unit_test(what_the_storage_has_no_room_for_is_asked_for_more_and_more_slowly),
      cmocka_unit_test(an_old_command_is_known_where_its_replacement_is_left),
      cmocka_unit_test(the_first_answer_to_a_result_is_stored_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Results: arrays, confirmation, refusal, silence, back-off, the broker's word. */
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

/* Ends `count` commands of E1 and "a", ids from `first`, in one turn. */
static void finish_many(struct fixture *f, int first, int count, size_t payload_bytes)
{
  f->greedy = true;
  struct buffer text = {0};
  for (int i = 0; i < count; i++)
    buffer_format(&text, "%s{\"id\":%d}", i ? "," : "[", first + i);
  buffer_append_text(&text, "]");
  fixture_push(f, "E1", "a", buffer_text(&text));
  buffer_clear(&text);
  assert_int_equal(f->running_count, count);
  for (int i = 0; i < count; i++) {
    struct command_result result = {.status = 200, .reason = memory_text("OK")};
    if (payload_bytes) {
      result.payload = memory_zeroed(1, payload_bytes + 1);
      memset(result.payload, '1', payload_bytes);
      result.payload_bytes = payload_bytes;
    }
    core_finish(f->core, f->running[i], &result);
  }
  f->running_count = 0;
  fixture_turn(f);
}

static size_t results_in(const struct sent *sent)
{
  size_t count = 0;
  for (const char *at = sent->body; (at = strstr(at, "\"statusCode\"")); at++)
    count++;
  return count;
}

/* The platform answers a command request of E1 with success. */
static void requests_succeed(struct fixture *f)
{
  core_commands(f->core, "E1", "a", 5, "[]", 2, f->wall_ms, f->now_ms, f->now_ms);
}

static void results_of_one_turn_go_out_as_one_array(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  finish_many(&f, 1, 5, 0);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  assert_int_equal(results_in(fixture_last(&f, CORE_RESULT)), 5);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  assert_int_equal(fixture_counts(&f).confirmed, 5);
  assert_true(core_is_settled(f.core));
  fixture_close(&f);
}

static void an_array_holds_at_most_256_kb(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  finish_many(&f, 1, 10, 100 * 1024);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 5);
  for (size_t i = 0; i < 5; i++) {
    const struct sent *sent = fixture_sent(&f, CORE_RESULT, i);
    assert_true(sent->body_bytes <= 256 * 1024);
    assert_int_equal(results_in(sent), 2);
    assert_int_equal(sent->body[sent->body_bytes - 1], ']');
    assert_null(strstr(sent->body, ",]"));
  }
  fixture_close(&f);
}

static void at_most_eight_arrays_of_a_lane_are_outstanding(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  for (int i = 0; i < 12; i++)
    finish_many(&f, i, 1, 0);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 8);
  fixture_answer(&f, fixture_sent(&f, CORE_RESULT, 3), 0);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 9); /* the rest gathered into one */
  assert_int_equal(results_in(fixture_last(&f, CORE_RESULT)), 4);
  fixture_close(&f);
}

static void request_ids_start_anywhere_and_are_positive(void **unused)
{
  (void)unused;
  uint32_t first[2] = {0, 0};
  for (uint64_t seed = 1; seed <= 2; seed++) {
    struct fixture f;
    fixture_open(&f, &(struct core_options){.seed = seed});
    finish_many(&f, 1, 1, 0);
    first[seed - 1] = fixture_last(&f, CORE_RESULT)->request_id;
    fixture_close(&f);
  }
  assert_int_not_equal(first[0], first[1]);
}

static void an_answer_for_another_pair_or_id_confirms_nothing(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  finish_many(&f, 1, 1, 0);
  uint32_t id = fixture_last(&f, CORE_RESULT)->request_id;
  core_answered(f.core, CORE_RESULT, "E2", "a", id, 0, "", f.now_ms);
  core_answered(f.core, CORE_RESULT, "E1", "b", id, 0, "", f.now_ms);
  core_answered(f.core, CORE_RESULT, "E1", "a", id + 1, 0, "", f.now_ms);
  core_answered(f.core, CORE_RESULT, "E1", "a", 0, 0, "", f.now_ms);
  core_answered(f.core, CORE_REQUEST, "E1", "a", id, 0, "", f.now_ms);
  core_answered(f.core, CORE_TELEMETRY, "E1", NULL, id, 0, "", f.now_ms);
  core_answered(f.core, CORE_RESULT, "E9", "a", id, 0, NULL, f.now_ms);
  core_answered(f.core, CORE_RESULT, "E1", NULL, id, 400, NULL, f.now_ms);
  fixture_turn(&f);
  assert_int_equal(fixture_counts(&f).done, 1);
  core_answered(f.core, CORE_RESULT, "E1", "a", 0, 400, "Bad Request", f.now_ms);
  fixture_turn(&f);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_RESULT_RETRY), 2);
  assert_int_equal(fixture_counts(&f).done, 1);
  fixture_close(&f);
}

static void an_array_refused_with_4xx_goes_one_by_one(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  requests_succeed(&f);
  finish_many(&f, 1, 10, 0);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 400);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 9); /* eight at a time */
  for (size_t i = 1; i <= 10; i++) {
    const struct sent *sent = fixture_sent(&f, CORE_RESULT, i);
    char id[32];
    snprintf(id, sizeof id, "{\"id\":%zu,", i);
    assert_int_equal(results_in(sent), 1);
    assert_non_null(strstr(sent->body, id));
    fixture_answer(&f, sent, i == 4 ? 422 : 0);
  }
  assert_int_equal(fixture_counts(&f).confirmed, 9);
  assert_int_equal(fixture_counts(&f).refused, 1);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_RESULT_REFUSED), 1);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 11);
  fixture_close(&f);
}

static void results_that_are_to_wait_do_so_whole_and_alone(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  requests_succeed(&f);
  finish_many(&f, 1, 3, 0);
  const struct sent held = *fixture_last(&f, CORE_RESULT);
  core_hold(f.core, CORE_RESULT, held.request_id, 100000);
  fixture_answer(&f, &held, 429);
  fixture_pass(&f, 50000);
  fixture_push(&f, "E1", "a", "[{\"id\":2}]"); /* a repeat does not bring it forward */
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  finish_many(&f, 4, 1, 0);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 2);
  assert_int_equal(results_in(fixture_last(&f, CORE_RESULT)), 1);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  fixture_pass(&f, 49990);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 2);
  fixture_pass(&f, 10);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 3);
  assert_int_equal(results_in(fixture_last(&f, CORE_RESULT)), 3);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  assert_int_equal(fixture_counts(&f).confirmed, 4);
  fixture_close(&f);
}

static void five_answers_to_a_single_result_are_final(void **unused)
{
  (void)unused;
  static const struct {
    int status;
    bool is_final;
  } cases[] = {{400, true},  {401, false}, {403, false}, {404, true},  {408, false}, {409, true},
               {410, true},  {413, false}, {422, true},  {429, false}, {500, false}, {503, false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct fixture f;
    fixture_open(&f, &(struct core_options){0});
    requests_succeed(&f);
    finish_many(&f, 1, 1, 0);
    fixture_answer(&f, fixture_last(&f, CORE_RESULT), cases[i].status);
    assert_int_equal(fixture_counts(&f).refused, cases[i].is_final);
    assert_int_equal(fixture_counts(&f).done, !cases[i].is_final);
    fixture_close(&f);
  }
}

static void a_refusal_is_final_only_while_requests_succeed(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  finish_many(&f, 1, 1, 0);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 404); /* the request is under way */
  assert_int_equal(fixture_counts(&f).refused, 0);
  core_answered(f.core, CORE_REQUEST, "E1", "a", 7, 404, "Not Found", f.now_ms);
  fixture_pass(&f, 12000);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 404); /* it was refused, too */
  assert_int_equal(fixture_counts(&f).refused, 0);
  requests_succeed(&f);
  fixture_pass(&f, 13000);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 404);
  assert_int_equal(fixture_counts(&f).refused, 1);
  fixture_close(&f);
}

static void a_refusal_is_final_where_requests_are_not_answered(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  fixture_pass(&f, 9000);
  finish_many(&f, 1, 1, 0);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 409);
  assert_int_equal(fixture_counts(&f).refused, 0);
  fixture_pass(&f, 6000);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 409);
  assert_int_equal(fixture_counts(&f).refused, 1);
  fixture_close(&f);
}

static void success_holds_for_one_connection(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  requests_succeed(&f);
  fixture_disconnect(&f);
  fixture_connect(&f);
  finish_many(&f, 1, 1, 0);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 404);
  assert_int_equal(fixture_counts(&f).refused, 0);
  fixture_close(&f);
}

static void a_refusal_is_final_where_nothing_can_be_asked(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open_bare(&f, &(struct core_options){0});
  core_add_endpoint(f.core, "E1");
  fixture_connect(&f);
  fixture_pass(&f, 10000);
  finish_many(&f, 1, 1, 0);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 404);
  assert_int_equal(fixture_counts(&f).refused, 1);
  fixture_close(&f);
}

static void errors_are_retried_with_a_growing_pause(void **unused)
{
  (void)unused;
  static const int64_t pauses_s[] = {5, 10, 20, 40, 80, 160, 300, 300};
  struct fixture f;
  fixture_open(&f, &(struct core_options){.seed = 3});
  finish_many(&f, 1, 1, 0);
  for (size_t i = 0; i < sizeof pauses_s / sizeof *pauses_s; i++) {
    const struct sent *sent = fixture_last(&f, CORE_RESULT);
    size_t before = fixture_count(&f, CORE_RESULT);
    fixture_answer(&f, sent, 500);
    int64_t start_ms = f.now_ms;
    while (fixture_count(&f, CORE_RESULT) == before)
      fixture_pass(&f, 100);
    int64_t took_ms = fixture_last(&f, CORE_RESULT)->at_ms - start_ms;
    assert_in_range(took_ms, pauses_s[i] * 800, pauses_s[i] * 1200);
  }
  fixture_close(&f);
}

static void silence_is_retried_and_a_late_answer_still_confirms(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.seed = 4});
  finish_many(&f, 1, 3, 0);
  fixture_pass(&f, 9999);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_RESULT_RETRY), 0);
  fixture_pass(&f, 1);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_RESULT_RETRY), 1);
  fixture_pass(&f, 6000);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 2); /* together again */
  assert_int_equal(results_in(fixture_last(&f, CORE_RESULT)), 3);
  fixture_answer(&f, fixture_sent(&f, CORE_RESULT, 0), 0);
  assert_int_equal(fixture_counts(&f).confirmed, 3);
  fixture_pass(&f, 400000);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 2);
  fixture_close(&f);
}

static void a_late_error_changes_nothing(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.seed = 4});
  requests_succeed(&f);
  finish_many(&f, 1, 1, 0);
  fixture_pass(&f, 16000);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 2);
  fixture_answer(&f, fixture_sent(&f, CORE_RESULT, 0), 404);
  assert_int_equal(fixture_counts(&f).done, 1);
  fixture_answer(&f, fixture_sent(&f, CORE_RESULT, 1), 0);
  assert_int_equal(fixture_counts(&f).confirmed, 1);
  fixture_close(&f);
}

static void an_answer_after_a_new_connection_still_confirms(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  finish_many(&f, 1, 2, 0);
  fixture_disconnect(&f);
  fixture_connect(&f);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 2);
  fixture_answer(&f, fixture_sent(&f, CORE_RESULT, 0), 0);
  assert_int_equal(fixture_counts(&f).confirmed, 2);
  fixture_answer(&f, fixture_sent(&f, CORE_RESULT, 1), 0); /* says it again */
  assert_int_equal(fixture_counts(&f).confirmed, 2);
  fixture_close(&f);
}

static void a_new_connection_sends_everything_at_once(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  finish_many(&f, 1, 1, 0);
  for (int i = 0; i < 6; i++) {
    fixture_answer(&f, fixture_last(&f, CORE_RESULT), 503);
    fixture_pass(&f, 400000);
  }
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 503); /* 300 s */
  finish_many(&f, 2, 1, 0);
  fixture_disconnect(&f);
  finish_many(&f, 3, 1, 0);
  fixture_forget(&f);
  fixture_pass(&f, 1000000);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 0);
  fixture_connect(&f);
  const struct sent *sent = fixture_last(&f, CORE_RESULT);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  assert_int_equal(results_in(sent), 3); /* the oldest first */
  assert_true(strstr(sent->body, "\"id\":1,") < strstr(sent->body, "\"id\":2,"));
  assert_true(strstr(sent->body, "\"id\":2,") < strstr(sent->body, "\"id\":3,"));
  fixture_answer(&f, sent, 503);
  fixture_pass(&f, 6000); /* back-off began anew */
  assert_int_equal(fixture_count(&f, CORE_RESULT), 2);
  assert_int_equal(results_in(fixture_last(&f, CORE_RESULT)), 3);
  fixture_close(&f);
}

static void the_transport_without_room_is_tried_again(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  f.room = 1;
  finish_many(&f, 1, 10, 60 * 1024); /* three arrays */
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  f.room = 1;
  fixture_turn(&f); /* nothing is tried before it says so */
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  core_writable(f.core);
  fixture_turn(&f);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 2);
  f.room = SIZE_MAX;
  fixture_pass(&f, 1000); /* or by itself after a second */
  assert_int_equal(fixture_count(&f, CORE_RESULT), 3);
  assert_non_null(strstr(fixture_sent(&f, CORE_RESULT, 1)->body, "\"id\":5,"));
  for (size_t i = 0; i < 3; i++)
    fixture_answer(&f, fixture_sent(&f, CORE_RESULT, i), 0);
  assert_int_equal(fixture_counts(&f).confirmed, 10);
  fixture_close(&f);
}

static void the_platform_may_answer_within_the_port(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  f.answers = true;
  for (int i = 0; i < 20; i++)
    finish_many(&f, 10 * i, 10, 0);
  assert_int_equal(fixture_counts(&f).confirmed, 200);
  fixture_close(&f);
}

/* The connection is lost `times` times with what is sent on it; it stands again. */
static void lose_connection(struct fixture *f, int times)
{
  for (int i = 0; i < times; i++) {
    fixture_disconnect(f);
    fixture_forget(f);
    fixture_connect(f);
  }
}

/* Waits for a result to be sent; returns after how long. */
static int64_t wait_for_result(struct fixture *f, int64_t step_ms)
{
  int64_t start_ms = f->now_ms;
  size_t before = fixture_count(f, CORE_RESULT);
  for (int i = 0; i < 100000 && fixture_count(f, CORE_RESULT) == before; i++)
    fixture_pass(f, step_ms);
  assert_int_equal(fixture_count(f, CORE_RESULT), before + 1);
  return f->now_ms - start_ms;
}

/* The silence of 10 s and the pauses lie between the tries. */
static void go_through_tries(struct fixture *f, bool is_published, size_t tries)
{
  for (int i = 0; i < 40 && fixture_count(f, CORE_RESULT) < tries; i++) {
    const struct sent *sent = fixture_last(f, CORE_RESULT);
    if (is_published)
      core_published(f->core, sent->request_id, f->now_ms);
    size_t before = fixture_count(f, CORE_RESULT);
    for (int s = 0; s < 500 && fixture_count(f, CORE_RESULT) == before; s++)
      fixture_pass(f, 1000);
  }
}

static void a_platform_that_never_answers_is_taken_at_the_brokers_word(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.seed = 5});
  finish_many(&f, 1, 2, 0);
  int64_t start_ms = f.now_ms;
  go_through_tries(&f, true, 50);
  assert_int_equal(fixture_counts(&f).confirmed, 2);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_TRUSTED), 2);
  assert_true(fixture_count(&f, CORE_RESULT) >= 5);
  assert_true(fixture_last(&f, CORE_RESULT)->at_ms - start_ms >= 590 * 1000);
  fixture_close(&f);
}

static void an_error_does_not_forbid_the_brokers_word(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.seed = 5});
  finish_many(&f, 1, 1, 0);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 503);
  int64_t start_ms = f.now_ms;
  wait_for_result(&f, 1000);
  go_through_tries(&f, true, 50);
  assert_int_equal(fixture_counts(&f).confirmed, 1);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_TRUSTED), 1);
  assert_true(fixture_last(&f, CORE_RESULT)->at_ms - start_ms >= 590 * 1000);
  fixture_close(&f);
}

static void errors_alone_are_not_taken_for_silence(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.seed = 5});
  finish_many(&f, 1, 1, 0);
  for (int i = 0; i < 12; i++) {
    core_published(f.core, fixture_last(&f, CORE_RESULT)->request_id, f.now_ms);
    fixture_answer(&f, fixture_last(&f, CORE_RESULT), 503);
    wait_for_result(&f, 1000);
  }
  core_published(f.core, fixture_last(&f, CORE_RESULT)->request_id, f.now_ms);
  fixture_pass(&f, 10000); /* once, after twelve errors and half an hour */
  assert_int_equal(fixture_counts(&f).done, 1);
  fixture_close(&f);
}

static void without_puback_nothing_is_trusted(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.seed = 5});
  finish_many(&f, 1, 1, 0);
  go_through_tries(&f, false, 15);
  assert_int_equal(fixture_counts(&f).done, 1);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 15);
  fixture_close(&f);
}

static void a_platform_that_answered_once_is_waited_for(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.seed = 5});
  finish_many(&f, 1, 1, 0);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  finish_many(&f, 2, 1, 0);
  go_through_tries(&f, true, 15);
  assert_int_equal(fixture_counts(&f).done, 1);
  fixture_close(&f);
}

static void a_result_that_precedes_three_disconnections_goes_alone_last(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  finish_many(&f, 1, 1, 0);
  lose_connection(&f, 2);
  fixture_disconnect(&f);
  finish_many(&f, 2, 2, 0);
  fixture_forget(&f);
  fixture_connect(&f);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  assert_null(strstr(fixture_last(&f, CORE_RESULT)->body, "\"id\":1,"));
  assert_int_equal(results_in(fixture_last(&f, CORE_RESULT)), 2);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  fixture_pass(&f, 59999);
  assert_int_equal(fixture_count(&f, CORE_REQUEST), 4); /* commands are asked for before it goes */
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  fixture_pass(&f, 1);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 2);
  assert_non_null(strstr(fixture_last(&f, CORE_RESULT)->body, "[{\"id\":1,"));
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  assert_true(core_is_settled(f.core));
  fixture_close(&f);
}

static void what_cuts_the_connection_goes_ever_more_seldom(void **unused)
{
  (void)unused;
  static const int64_t waits_s[] = {60, 120, 240, 480, 960, 1920, 3600, 3600};
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  finish_many(&f, 1, 1, 0);
  lose_connection(&f, 2);
  for (size_t i = 0; i < sizeof waits_s / sizeof *waits_s; i++) {
    lose_connection(&f, 1);
    assert_int_equal(wait_for_result(&f, 1000), waits_s[i] * 1000);
  }
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  assert_true(core_is_settled(f.core));
  fixture_close(&f);
}

static void a_suspect_waits_for_the_round_of_requests(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  for (int i = 0; i < 400; i++) {
    char token[16];
    snprintf(token, sizeof token, "T%d", i);
    core_add_endpoint(f.core, token);
  }
  char names[100][8];
  const char *types[100];
  for (int i = 0; i < 100; i++) {
    snprintf(names[i], sizeof names[i], "a%02d", i);
    types[i] = names[i];
  }
  core_set_types(f.core, types, 100);
  finish_many(&f, 1, 1, 0);
  lose_connection(&f, 3);
  size_t requests = 0, results = 0;
  for (int i = 0; i < 80; i++) { /* 402 × 100 at 500 a second */
    fixture_pass(&f, 1000);
    requests += fixture_count(&f, CORE_REQUEST);
    results += fixture_count(&f, CORE_RESULT);
    fixture_forget(&f);
  }
  assert_in_range(requests, 35000, 40199);
  assert_int_equal(results, 0);
  fixture_pass(&f, 3000);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  fixture_close(&f);
}

static void a_suspect_does_not_wait_for_ever(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  finish_many(&f, 1, 2, 0);
  lose_connection(&f, 3);
  finish_many(&f, 50, 1, 0);
  bool seen[2] = {false, false};
  for (int i = 0; i < 70; i++) { /* others are always under way */
    const struct sent *last = fixture_last(&f, CORE_RESULT);
    seen[0] = seen[0] || strstr(last->body, "[{\"id\":1,");
    seen[1] = seen[1] || strstr(last->body, "[{\"id\":2,");
    fixture_answer(&f, last, 0);
    if (!strstr(fixture_last(&f, CORE_RESULT)->body, "[{\"id\":2,"))
      finish_many(&f, 100 + i, 1, 0);
    fixture_pass(&f, 1000);
  }
  assert_true(seen[0] && seen[1]);
  fixture_close(&f);
}

static void while_a_suspect_is_under_way_no_other_is_suspected(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.silence_ms = 3600 * 1000});
  finish_many(&f, 1, 1, 0);
  lose_connection(&f, 3);
  for (int i = 0; i < 4; i++) {
    const struct sent *last;
    while (!(last = fixture_last(&f, CORE_RESULT)) || !strstr(last->body, "[{\"id\":1,"))
      fixture_pass(&f, 1000);
    finish_many(&f, 2 + i, 1, 0);
    lose_connection(&f, 1); /* it takes others with it */
  }
  const struct sent *sent = fixture_last(&f, CORE_RESULT);
  assert_int_equal(results_in(sent), 4); /* none of them had to wait */
  assert_null(strstr(sent->body, "{\"id\":1,"));
  fixture_close(&f);
}

static void a_suspect_that_the_connection_outlives_is_none_any_more(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  finish_many(&f, 1, 5, 0);
  lose_connection(&f, 3);
  fixture_pass(&f, 60000);
  for (int i = 0; i < 60; i++) { /* one after the other goes alone, and is not answered */
    core_published(f.core, fixture_last(&f, CORE_RESULT)->request_id, f.now_ms);
    fixture_pass(&f, 1000);
  }
  lose_connection(&f, 1);
  assert_int_equal(results_in(fixture_sent(&f, CORE_RESULT, 0)), 5); /* at once, and together */
  fixture_close(&f);
}

static void a_suspect_without_puback_stays_one(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  finish_many(&f, 1, 1, 0);
  lose_connection(&f, 3);
  fixture_pass(&f, 200000);
  assert_true(fixture_count(&f, CORE_RESULT) > 1);
  lose_connection(&f, 1);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 0);
  fixture_close(&f);
}

static void a_suspect_that_was_answered_is_none_any_more(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  finish_many(&f, 1, 1, 0);
  lose_connection(&f, 3);
  fixture_pass(&f, 60000);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 503);
  lose_connection(&f, 1);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  fixture_close(&f);
}

static void results_are_bounded_by_the_memory_they_take(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  fixture_disconnect(&f);
  for (int i = 0; i < 80 && !fixture_counts(&f).left; i++) {
    f.greedy = true;
    struct buffer text = {0};
    for (int k = 0; k < 1000; k++)
      buffer_format(&text, "%s{\"id\":%d}", k ? "," : "[", 1000 * i + k);
    buffer_append_text(&text, "]");
    fixture_push(&f, "E1", "a", buffer_text(&text));
    buffer_clear(&text);
    while (f.running_count) {
      struct command_result result = {.status = 200, .reason = memory_text("OK")};
      core_finish(f.core, f.running[--f.running_count], &result);
    }
    fixture_turn(&f);
  }
  assert_true(fixture_counts(&f).left > 0);
  assert_in_range(fixture_counts(&f).done, 10000, 50000);
  fixture_close(&f);
}

static void what_may_still_be_answered_late_is_bounded(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.seed = 6});
  finish_many(&f, 1, 900, 0);
  fixture_pass(&f, 3600 * 1000); /* a dozen tries */
  assert_true(fixture_count(&f, CORE_RESULT) > 10);
  fixture_answer(&f, fixture_sent(&f, CORE_RESULT, 0), 0); /* too old */
  assert_int_equal(fixture_counts(&f).confirmed, 0);
  size_t recent = fixture_count(&f, CORE_RESULT) - 3;
  fixture_answer(&f, fixture_sent(&f, CORE_RESULT, recent), 0);
  assert_int_equal(fixture_counts(&f).confirmed, 900);
  fixture_close(&f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(results_of_one_turn_go_out_as_one_array),
      cmocka_unit_test(an_array_holds_at_most_256_kb),
      cmocka_unit_test(at_most_eight_arrays_of_a_lane_are_outstanding),
      cmocka_unit_test(request_ids_start_anywhere_and_are_positive),
      cmocka_unit_test(an_answer_for_another_pair_or_id_confirms_nothing),
      cmocka_unit_test(an_array_refused_with_4xx_goes_one_by_one),
      cmocka_unit_test(results_that_are_to_wait_do_so_whole_and_alone),
      cmocka_unit_test(five_answers_to_a_single_result_are_final),
      cmocka_unit_test(a_refusal_is_final_only_while_requests_succeed),
      cmocka_unit_test(a_refusal_is_final_where_requests_are_not_answered),
      cmocka_unit_test(success_holds_for_one_connection),
      cmocka_unit_test(a_refusal_is_final_where_nothing_can_be_asked),
      cmocka_unit_test(errors_are_retried_with_a_growing_pause),
      cmocka_unit_test(silence_is_retried_and_a_late_answer_still_confirms),
      cmocka_unit_test(a_late_error_changes_nothing),
      cmocka_unit_test(an_answer_after_a_new_connection_still_confirms),
      cmocka_unit_test(a_new_connection_sends_everything_at_once),
      cmocka_unit_test(the_transport_without_room_is_tried_again),
      cmocka_unit_test(the_platform_may_answer_within_the_port),
      cmocka_unit_test(a_platform_that_never_answers_is_taken_at_the_brokers_word),
      cmocka_unit_test(an_error_does_not_forbid_the_brokers_word),
      cmocka_unit_test(errors_alone_are_not_taken_for_silence),
      cmocka_unit_test(without_puback_nothing_is_trusted),
      cmocka_unit_test(a_platform_that_answered_once_is_waited_for),
      cmocka_unit_test(a_result_that_precedes_three_disconnections_goes_alone_last),
      cmocka_unit_test(what_cuts_the_connection_goes_ever_more_seldom),
      cmocka_unit_test(a_suspect_waits_for_the_round_of_requests),
      cmocka_unit_test(a_suspect_does_not_wait_for_ever),
      cmocka_unit_test(while_a_suspect_is_under_way_no_other_is_suspected),
      cmocka_unit_test(a_suspect_that_the_connection_outlives_is_none_any_more),
      cmocka_unit_test(a_suspect_without_puback_stays_one),
      cmocka_unit_test(a_suspect_that_was_answered_is_none_any_more),
      cmocka_unit_test(results_are_bounded_by_the_memory_they_take),
      cmocka_unit_test(what_may_still_be_answered_late_is_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

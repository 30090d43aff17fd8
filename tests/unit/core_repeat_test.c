/* Repeats: of what is alive, of what is over, and when an answer is resent;
 * commands that are left for want of room. */
#include "core_fixture.h"

#include "base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SAME "[{\"id\":7,\"payload\":{\"a\":1,\"b\":2}}]"
#define EQUAL "[ {\"payload\":{\"b\":2.0,\"a\":1.0}, \"id\":7} ]"
#define OTHER "[{\"id\":7,\"payload\":{\"a\":2}}]"

/* A core in which command 7 of E1 and "a" is over: answered and confirmed. */
static void open_confirmed(struct fixture *f, const struct core_options *options)
{
  fixture_open(f, options);
  f->greedy = true;
  fixture_push(f, "E1", "a", SAME);
  fixture_finish_with(f, 0, 200, "{\"r\":1}");
  fixture_answer(f, fixture_last(f, CORE_RESULT), 0);
  assert_int_equal(fixture_counts(f).confirmed, 1);
  fixture_forget(f);
}

static void an_equal_payload_is_answered_from_what_is_stored(void **unused)
{
  (void)unused;
  struct fixture f;
  open_confirmed(&f, &(struct core_options){0});
  fixture_pass(&f, 3 * 3600 * 1000);
  fixture_forget(&f);
  fixture_push(&f, "E1", "a", EQUAL);
  assert_int_equal(f.runs, 1);
  assert_int_equal(fixture_counts(&f).repeats, 1);
  assert_string_equal(
      fixture_last(&f, CORE_RESULT)->body,
      "[{\"id\":7,\"statusCode\":200,\"reasonPhrase\":\"OK\",\"payload\":{\"r\":1}}]");
  assert_int_equal(fixture_notes(&f, CORE_NOTE_REPEAT), 1);
  assert_non_null(strstr(f.told[0].detail, "3 hours old"));
  assert_true(core_is_settled(f.core));
  fixture_close(&f);
}

static void another_payload_is_a_new_command(void **unused)
{
  (void)unused;
  struct fixture f;
  open_confirmed(&f, &(struct core_options){0});
  fixture_push(&f, "E1", "a", OTHER);
  assert_int_equal(f.runs, 2);
  fixture_finish_with(&f, 0, 409, NULL);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  fixture_forget(&f);
  fixture_push(&f, "E1", "a", OTHER); /* what is stored now is the new one's */
  assert_int_equal(f.runs, 2);
  assert_non_null(strstr(fixture_last(&f, CORE_RESULT)->body, "409"));
  fixture_close(&f);
}

static void another_payload_is_a_repeat_where_ids_are_never_used_again(void **unused)
{
  (void)unused;
  struct fixture f;
  open_confirmed(&f, &(struct core_options){.id_reuse_never = true});
  fixture_push(&f, "E1", "a", OTHER);
  assert_int_equal(f.runs, 1);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  fixture_close(&f);
}

static void another_payload_is_new_while_an_answer_is_on_its_way(void **unused)
{
  (void)unused;
  struct fixture f;
  open_confirmed(&f, &(struct core_options){0});
  fixture_push(&f, "E1", "a", SAME);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  fixture_push(&f, "E1", "a", OTHER);
  assert_int_equal(f.runs, 2);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0); /* confirms the old one only */
  assert_int_equal(fixture_counts(&f).running, 1);
  fixture_close(&f);
}

static void a_late_answer_to_an_old_life_does_not_confirm_the_new_one(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  f.greedy = true;
  fixture_push(&f, "E1", "a", SAME);
  fixture_push(&f, "E1", "a", "[{\"id\":8}]");
  fixture_finish(&f);
  struct sent first = *fixture_last(&f, CORE_RESULT);
  fixture_finish(&f); /* 8 stays unconfirmed, so that late answers are kept for */
  fixture_pass(&f, 30000);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  fixture_push(&f, "E1", "a", OTHER);
  if (f.running_count) { /* 7 was confirmed and is new now */
    fixture_finish(&f);
    uint64_t confirmed = fixture_counts(&f).confirmed;
    fixture_answer(&f, &first, 0);
    assert_int_equal(fixture_counts(&f).confirmed, confirmed);
  }
  assert_true(f.runs == 3);
  fixture_close(&f);
}

static void answers_are_resent_at_most_once_in_5_s_doubling(void **unused)
{
  (void)unused;
  struct fixture f;
  open_confirmed(&f, &(struct core_options){0});
  int64_t start_ms = f.now_ms;
  int64_t at_s[16];
  size_t count = 0;
  for (int i = 0; i < 600; i++) { /* repeated ten times a second for a minute */
    size_t before = fixture_count(&f, CORE_RESULT);
    fixture_push(&f, "E1", "a", SAME);
    const struct sent *sent = fixture_last(&f, CORE_RESULT);
    if (fixture_count(&f, CORE_RESULT) > before) {
      assert_true(count < 16);
      at_s[count++] = (f.now_ms - start_ms) / 1000;
      fixture_answer(&f, sent, 0);
    }
    fixture_pass(&f, 100);
  }
  assert_int_equal(count, 4);
  assert_int_equal(at_s[0], 0);
  assert_int_equal(at_s[1], 5);
  assert_int_equal(at_s[2], 15);
  assert_int_equal(at_s[3], 35);
  assert_int_equal(fixture_counts(&f).repeats, 600);
  size_t batches = f.batches;
  fixture_push(&f, "E1", "a", SAME); /* too soon: not even looked for */
  assert_int_equal(f.batches, batches);
  fixture_disconnect(&f); /* the limit begins anew with a connection */
  fixture_connect(&f);
  size_t before = fixture_count(&f, CORE_RESULT);
  fixture_push(&f, "E1", "a", SAME);
  assert_int_equal(fixture_count(&f, CORE_RESULT), before + 1);
  fixture_close(&f);
}

static void an_answer_that_is_not_answered_is_forgotten(void **unused)
{
  (void)unused;
  struct fixture f;
  open_confirmed(&f, &(struct core_options){0});
  fixture_push(&f, "E1", "a", SAME);
  fixture_pass(&f, 60000);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_RESULT_RETRY), 0);
  fixture_push(&f, "E1", "a", SAME);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 2);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 404);
  fixture_pass(&f, 60000);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 2);
  assert_int_equal(fixture_counts(&f).refused, 0);
  fixture_close(&f);
}

static void the_limit_on_resending_is_bounded(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.max_queued = 5000});
  f.greedy = true;
  f.answers = true;
  struct buffer text = {0};
  for (int i = 0; i < 4097; i++)
    buffer_format(&text, "%s{\"id\":%d}", i ? "," : "[", i);
  buffer_append_text(&text, "]");
  fixture_push(&f, "E1", "a", buffer_text(&text));
  while (f.running_count)
    fixture_finish_with(&f, f.running_count - 1, 200, NULL);
  fixture_forget(&f);
  fixture_push(&f, "E1", "a", buffer_text(&text)); /* one more than are remembered */
  assert_int_equal(fixture_counts(&f).repeats, 4097);
  assert_int_equal(fixture_counts(&f).left, 0);
  fixture_forget(&f);
  for (int i = 0; i < 3; i++)
    fixture_push(&f, "E1", "a", buffer_text(&text));
  assert_int_equal(fixture_count(&f, CORE_RESULT), 0); /* no limit is lost */
  fixture_pass(&f, 5000);
  fixture_push(&f, "E1", "a", "[{\"id\":4096}]"); /* for one whose pause is over */
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  fixture_push(&f, "E1", "a", "[{\"id\":4096}]");
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  buffer_clear(&text);
  fixture_close(&f);
}

static void an_age_is_not_told_where_the_clock_went_back(void **unused)
{
  (void)unused;
  struct fixture f;
  open_confirmed(&f, &(struct core_options){0});
  core_commands(f.core, "E1", "a", 0, SAME, strlen(SAME), 0, f.now_ms, f.now_ms);
  fixture_turn(&f);
  assert_non_null(strstr(f.told[0].detail, "the clock went back"));
  fixture_close(&f);
}

/* One array holds a result and an answer that is stored: the answer is not sent again. */
static void of_a_silent_array_the_results_alone_are_told(void **unused)
{
  (void)unused;
  struct fixture f;
  open_confirmed(&f, &(struct core_options){0});
  f.room = 0;
  fixture_push(&f, "E1", "a", SAME);
  fixture_push(&f, "E1", "a", "[{\"id\":8}]");
  fixture_finish(&f);
  f.room = SIZE_MAX;
  core_writable(f.core);
  fixture_turn(&f);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  assert_non_null(strstr(fixture_last(&f, CORE_RESULT)->body, "\"id\":7"));
  assert_non_null(strstr(fixture_last(&f, CORE_RESULT)->body, "\"id\":8"));
  f.told_count = 0;
  fixture_pass(&f, 10000);
  assert_int_equal(f.told_count, 1);
  assert_int_equal(f.told[0].id, 8);
  assert_string_equal(f.told[0].detail, "1 result not answered in 10 s; sent again later");
  fixture_close(&f);
}

static void a_repeat_without_a_connection_is_not_answered(void **unused)
{
  (void)unused;
  struct fixture f;
  open_confirmed(&f, &(struct core_options){0});
  fixture_disconnect(&f);
  fixture_push(&f, "E1", "a", SAME);
  fixture_connect(&f);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 0);
  fixture_close(&f);
}

static void a_repeat_of_what_is_alive_is_ignored_whatever_its_payload(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  fixture_push(&f, "E1", "a",
               "[{\"id\":7,\"payload\":{\"a\":1,\"b\":2}},{\"id\":7},{\"id\":7,\"payload\":[}]");
  assert_int_equal(fixture_counts(&f).malformed, 1); /* not one array */
  fixture_push(&f, "E1", "a",
               "[{\"id\":7},{\"id\":7,\"payload\":1},{\"id\":7,\"payload\":{\"k\":1,\"k\":1}}]");
  assert_int_equal(fixture_counts(&f).queued, 1);
  assert_int_equal(fixture_counts(&f).repeats, 2);
  fixture_close(&f);
}

static void a_repeat_brings_the_resend_forward_once_in_5_s_doubling(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  f.greedy = true;
  fixture_push(&f, "E1", "a", SAME);
  fixture_finish(&f);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 503);
  fixture_push(&f, "E1", "a", SAME); /* sent just now */
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  fixture_pass(&f, 7000); /* it has been retried by itself */
  assert_int_equal(fixture_count(&f, CORE_RESULT), 2);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 503); /* the next is due in 8 s or more */
  int64_t sent_ms = fixture_last(&f, CORE_RESULT)->at_ms;
  fixture_pass(&f, sent_ms + 4900 - f.now_ms);
  fixture_push(&f, "E1", "a", SAME);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 2);
  fixture_pass(&f, sent_ms + 5000 - f.now_ms);
  fixture_push(&f, "E1", "a", SAME);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 3);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 503); /* in 16 s or more */
  fixture_pass(&f, 9900);
  fixture_push(&f, "E1", "a", SAME);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 3);
  fixture_pass(&f, 100);
  fixture_push(&f, "E1", "a", SAME);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 4);
  fixture_push(&f, "E1", "a", SAME); /* outstanding: nothing to bring forward */
  assert_int_equal(fixture_count(&f, CORE_RESULT), 4);
  fixture_close(&f);
}

static void a_refused_element_is_answered_once_and_repeated_like_others(void **unused)
{
  (void)unused;
  static const char bad[] = "[{\"id\":9,\"payload\":{\"k\":1,\"k\":2}}]";
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  f.greedy = true;
  fixture_push(&f, "E1", "a", bad);
  fixture_push(&f, "E1", "a", bad);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_REFUSED_ELEMENT), 1);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  fixture_push(&f, "E1", "a", bad);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 2);
  assert_non_null(strstr(fixture_last(&f, CORE_RESULT)->body, "{\"id\":9,\"statusCode\":400"));
  assert_int_equal(fixture_notes(&f, CORE_NOTE_REPEAT), 1);
  fixture_push(&f, "E1", "a", "[{\"id\":9,\"payload\":{\"k\":1}}]"); /* now it is sound */
  assert_int_equal(f.runs, 1);
  fixture_finish(&f);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  fixture_push(&f, "E1", "a", bad); /* and now it is not: a new one */
  assert_non_null(strstr(fixture_last(&f, CORE_RESULT)->body, "{\"id\":9,\"statusCode\":400"));
  fixture_close(&f);
}

static void what_the_queue_has_no_room_for_is_asked_for_again(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.max_queued = 10});
  struct buffer text = {0};
  for (int i = 0; i < 15; i++)
    buffer_format(&text, "%s{\"id\":%d}", i ? "," : "[", i);
  buffer_append_text(&text, "]");
  fixture_push(&f, "E1", "a", buffer_text(&text));
  fixture_push(&f, "E2", "b", "[{\"id\":1}]");
  assert_int_equal(fixture_counts(&f).queued, 10);
  assert_int_equal(fixture_counts(&f).left, 6);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_LEFT), 1);
  fixture_push(&f, "E1", "a", "[{\"id\":3}]"); /* a repeat needs no room */
  assert_int_equal(fixture_counts(&f).repeats, 1);
  core_hand_out(f.core, "a", 4);
  fixture_turn(&f);
  assert_int_equal(fixture_count(&f, CORE_REQUEST), 0);
  core_hand_out(f.core, "a", 1);
  fixture_turn(&f);
  assert_int_equal(fixture_count(&f, CORE_REQUEST), 2);
  assert_string_equal(fixture_sent(&f, CORE_REQUEST, 0)->endpoint, "E1");
  assert_string_equal(fixture_sent(&f, CORE_REQUEST, 1)->endpoint, "E2");
  assert_string_equal(fixture_sent(&f, CORE_REQUEST, 1)->type, "b");
  fixture_push(&f, "E1", "a", buffer_text(&text));
  assert_int_equal(fixture_counts(&f).queued, 10);
  buffer_clear(&text);
  fixture_close(&f);
}

/* Pushes commands `first` … `first` + `count` - 1. */
static void push_many(struct fixture *f, const char *type, int first, int count)
{
  struct buffer text = {0};
  for (int i = 0; i < count; i++)
    buffer_format(&text, "%s{\"id\":%d}", i ? "," : "[", first + i);
  buffer_append_text(&text, "]");
  fixture_push(f, "E1", type, buffer_text(&text));
  buffer_clear(&text);
}

static void a_slow_type_does_not_keep_the_others_out(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  push_many(&f, "a", 1, 1500);
  assert_int_equal(fixture_counts(&f).queued, 1000);
  push_many(&f, "b", 1, 40);
  assert_int_equal(fixture_counts(&f).queued, 1031);
  assert_int_equal(fixture_counts(&f).left, 500 + 9);
  fixture_pass(&f, 2000);
  assert_int_equal(fixture_count(&f, CORE_REQUEST), 0);
  core_hand_out(f.core, "b", 31);
  fixture_turn(&f);
  assert_int_equal(fixture_count(&f, CORE_REQUEST), 1); /* b only: there is none for a */
  assert_string_equal(fixture_last(&f, CORE_REQUEST)->type, "b");
  push_many(&f, "b", 1, 40);
  assert_int_equal(fixture_counts(&f).queued, 1009);
  fixture_close(&f);
}

static void the_parts_of_all_types_are_bounded_together(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  push_many(&f, "a", 1, 1000);
  for (int i = 0; i < 40; i++) {
    char type[16];
    snprintf(type, sizeof type, "t-%d", i);
    push_many(&f, type, 1, 40);
  }
  assert_int_equal(fixture_counts(&f).queued, 2000);
  assert_int_equal(fixture_counts(&f).left, 40 * 40 - 1000);
  fixture_close(&f);
}

static void elements_are_bounded_by_the_memory_they_take(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.max_queued = 1000000});
  for (int i = 0; i < 80; i++)
    push_many(&f, "a", 1000 * i, 1000);
  assert_in_range(fixture_counts(&f).queued, 10000, 50000);
  fixture_close(&f);
}

static void what_comes_while_its_result_settles_needs_room_too(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.max_queued = 1});
  f.greedy = true;
  fixture_push(&f, "E1", "a", SAME);
  fixture_finish(&f);
  f.greedy = false;
  fixture_push(&f, "E1", "b", "[{\"id\":1}]");
  f.slow = true;
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  fixture_push(&f, "E1", "a", OTHER);
  assert_int_equal(fixture_counts(&f).left, 1);
  fixture_store(&f);
  assert_int_equal(fixture_counts(&f).queued, 1);
  fixture_close(&f);
}

static void what_is_left_is_asked_for_at_most_once_a_second(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.max_queued = 1});
  f.greedy = true;
  for (int i = 0; i < 50; i++) { /* five seconds of an array that never fits */
    char text[64];
    snprintf(text, sizeof text, "[{\"id\":%d},{\"id\":%d}]", 2 * i, 2 * i + 1);
    fixture_push(&f, "E1", "a", text);
    fixture_pass(&f, 100);
  }
  assert_in_range(fixture_count(&f, CORE_REQUEST), 5, 6);
  assert_true(fixture_notes(&f, CORE_NOTE_LEFT) <= 50);
  fixture_close(&f);
}

/* 400 endpoints deliver a command each; there is room for one. */
static void overflow_pairs(struct fixture *f, int id)
{
  f->slow = true;
  for (int i = 0; i < 400; i++) {
    char token[16], text[32];
    snprintf(token, sizeof token, "E%d", i);
    snprintf(text, sizeof text, "[{\"id\":%d}]", id);
    fixture_push(f, token, "a", text);
  }
  f->slow = false;
  fixture_store(f);
  core_hand_out(f->core, "a", 1);
  fixture_turn(f);
}

static void open_400(struct fixture *f)
{
  fixture_open_bare(f, &(struct core_options){.max_queued = 1});
  for (int i = 0; i < 400; i++) {
    char token[16];
    snprintf(token, sizeof token, "E%d", i);
    core_add_endpoint(f->core, token);
  }
  core_set_types(f->core, (const char *const[]){"a"}, 1);
  fixture_connect(f);
  assert_int_equal(fixture_count(f, CORE_REQUEST), 400);
  fixture_pass(f, 1000);
  fixture_forget(f);
}

static void more_pairs_than_can_be_remembered_begin_a_round(void **unused)
{
  (void)unused;
  struct fixture f;
  open_400(&f);
  overflow_pairs(&f, 1);
  assert_int_equal(fixture_counts(&f).left, 399);
  fixture_pass(&f, 5000);
  assert_in_range(fixture_count(&f, CORE_REQUEST), 400 + 256, 400 + 256);
  fixture_close(&f);
}

static void such_rounds_begin_at_most_once_in_10_s(void **unused)
{
  (void)unused;
  struct fixture f;
  open_400(&f);
  for (int i = 0; i < 30; i++) { /* a minute of it */
    overflow_pairs(&f, 1 + i);
    fixture_pass(&f, 2000);
  }
  size_t pairs = 30 * 256;
  assert_in_range(fixture_count(&f, CORE_REQUEST), pairs + 5 * 400, pairs + 7 * 400);
  fixture_pass(&f, 12000); /* the last one comes by itself */
  assert_in_range(fixture_count(&f, CORE_REQUEST), pairs + 6 * 400, pairs + 7 * 400);
  fixture_close(&f);
}

static void large_elements_and_results_are_bounded_too(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  f.greedy = true;
  struct buffer text = {0};
  for (int i = 0; i < 100; i++) {
    buffer_reset(&text);
    buffer_format(&text, "[{\"id\":%d,\"payload\":\"", i);
    size_t size = 200 * 1024;
    memset(buffer_room(&text, size), 'x', size);
    text.size_bytes += size;
    buffer_append_text(&text, "\"}]");
    fixture_push(&f, "E1", "a", buffer_text(&text));
  }
  assert_in_range(f.runs, 80, 85); /* 16 MB */
  assert_int_equal(fixture_counts(&f).left, 100 - f.runs);
  buffer_clear(&text);
  fixture_close(&f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_equal_payload_is_answered_from_what_is_stored),
      cmocka_unit_test(another_payload_is_a_new_command),
      cmocka_unit_test(another_payload_is_a_repeat_where_ids_are_never_used_again),
      cmocka_unit_test(another_payload_is_new_while_an_answer_is_on_its_way),
      cmocka_unit_test(a_late_answer_to_an_old_life_does_not_confirm_the_new_one),
      cmocka_unit_test(answers_are_resent_at_most_once_in_5_s_doubling),
      cmocka_unit_test(an_answer_that_is_not_answered_is_forgotten),
      cmocka_unit_test(the_limit_on_resending_is_bounded),
      cmocka_unit_test(an_age_is_not_told_where_the_clock_went_back),
      cmocka_unit_test(of_a_silent_array_the_results_alone_are_told),
      cmocka_unit_test(a_repeat_without_a_connection_is_not_answered),
      cmocka_unit_test(a_repeat_of_what_is_alive_is_ignored_whatever_its_payload),
      cmocka_unit_test(a_repeat_brings_the_resend_forward_once_in_5_s_doubling),
      cmocka_unit_test(a_refused_element_is_answered_once_and_repeated_like_others),
      cmocka_unit_test(what_the_queue_has_no_room_for_is_asked_for_again),
      cmocka_unit_test(a_slow_type_does_not_keep_the_others_out),
      cmocka_unit_test(the_parts_of_all_types_are_bounded_together),
      cmocka_unit_test(elements_are_bounded_by_the_memory_they_take),
      cmocka_unit_test(what_comes_while_its_result_settles_needs_room_too),
      cmocka_unit_test(what_is_left_is_asked_for_at_most_once_a_second),
      cmocka_unit_test(more_pairs_than_can_be_remembered_begin_a_round),
      cmocka_unit_test(such_rounds_begin_at_most_once_in_10_s),
      cmocka_unit_test(large_elements_and_results_are_bounded_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Telemetry and metadata on their way. */
#include "core_fixture.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add(struct fixture *f, const char *text)
{
  core_telemetry(f->core, "E1", text, strlen(text), f->wall_ms, f->now_ms);
}

static void samples_go_out_with_a_request_id(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  add(&f, "[{\"t\":1}]");
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 0);
  fixture_turn(&f);
  const struct sent *sent = fixture_last(&f, CORE_TELEMETRY);
  assert_string_equal(sent->body, "[{\"t\":1}]");
  assert_string_equal(sent->endpoint, "E1");
  assert_string_equal(sent->type, "");
  assert_true(sent->request_id > 0);
  assert_false(core_is_settled(f.core));
  fixture_close(&f);
}

static void the_broker_or_the_platform_confirms(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  add(&f, "[1]");
  add(&f, "[2]");
  fixture_turn(&f);
  core_published(f.core, fixture_sent(&f, CORE_TELEMETRY, 1)->request_id, f.now_ms);
  core_published(f.core, fixture_sent(&f, CORE_TELEMETRY, 1)->request_id, f.now_ms);
  assert_int_equal(fixture_counts(&f).telemetry_waiting, 1);
  uint32_t id = fixture_sent(&f, CORE_TELEMETRY, 0)->request_id;
  core_answered(f.core, CORE_TELEMETRY, "E2", NULL, id, 0, "", f.now_ms); /* of another */
  assert_int_equal(fixture_counts(&f).telemetry_waiting, 1);
  fixture_answer(&f, fixture_sent(&f, CORE_TELEMETRY, 0), 0);
  assert_true(core_is_settled(f.core));
  assert_int_equal(fixture_counts(&f).telemetry_dropped, 0);
  fixture_close(&f);
}

static void refused_samples_are_dropped_and_told(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  add(&f, "[1]");
  fixture_turn(&f);
  fixture_answer(&f, fixture_last(&f, CORE_TELEMETRY), 400);
  assert_true(core_is_settled(f.core));
  assert_int_equal(fixture_notes(&f, CORE_NOTE_TELEMETRY_DROPPED), 1);
  assert_int_equal(fixture_counts(&f).telemetry_dropped, 1);
  fixture_answer(&f, fixture_last(&f, CORE_TELEMETRY), 400); /* after the broker had them */
  assert_int_equal(fixture_notes(&f, CORE_NOTE_TELEMETRY_DROPPED), 2);
  fixture_close(&f);
}

static void at_most_32_messages_are_under_way(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  for (int i = 0; i < 100; i++) {
    char text[16];
    snprintf(text, sizeof text, "[%d]", i);
    add(&f, text);
  }
  fixture_turn(&f);
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 32);
  for (size_t i = 0; i < 100; i++) {
    const struct sent *sent = fixture_sent(&f, CORE_TELEMETRY, i);
    char text[16];
    snprintf(text, sizeof text, "[%zu]", i);
    assert_non_null(sent);
    assert_string_equal(sent->body, text);
    core_published(f.core, sent->request_id, f.now_ms);
    fixture_turn(&f);
  }
  assert_true(core_is_settled(f.core));
  fixture_close(&f);
}

static void what_is_not_confirmed_is_sent_again_on_a_new_connection(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  add(&f, "[1]");
  add(&f, "[2]");
  fixture_turn(&f);
  core_published(f.core, fixture_sent(&f, CORE_TELEMETRY, 0)->request_id, f.now_ms);
  fixture_disconnect(&f);
  add(&f, "[3]");
  fixture_forget(&f);
  fixture_connect(&f);
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 2);
  assert_string_equal(fixture_sent(&f, CORE_TELEMETRY, 0)->body, "[2]");
  assert_string_equal(fixture_sent(&f, CORE_TELEMETRY, 1)->body, "[3]");
  fixture_close(&f);
}

static void the_oldest_go_where_there_is_no_room(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.max_telemetry_bytes = 30 + 2 * 128});
  fixture_disconnect(&f);
  for (int i = 0; i < 5; i++) {
    char text[32];
    snprintf(text, sizeof text, "[10000000%d]", i);
    add(&f, text);
  }
  char long_text[400];
  snprintf(long_text, sizeof long_text, "[\"%300s\"]", "longer than all the room there is");
  add(&f, long_text); /* goes itself */
  fixture_turn(&f);
  assert_int_equal(fixture_counts(&f).telemetry_dropped, 3 + 1);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_TELEMETRY_DROPPED), 1);
  fixture_connect(&f);
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 2);
  assert_string_equal(fixture_sent(&f, CORE_TELEMETRY, 0)->body, "[100000003]");
  fixture_close(&f);
}

static void drops_are_told_once_a_minute_and_summed(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.max_telemetry_bytes = 128 + 8});
  fixture_disconnect(&f);
  for (int i = 0; i < 30; i++) {
    add(&f, "[1]");
    fixture_turn(&f);
    fixture_pass(&f, 1000);
  }
  assert_int_equal(fixture_notes(&f, CORE_NOTE_TELEMETRY_DROPPED), 1);
  fixture_pass(&f, 60000); /* nothing else wakes it */
  assert_int_equal(fixture_notes(&f, CORE_NOTE_TELEMETRY_DROPPED), 2);
  assert_int_equal(fixture_counts(&f).telemetry_dropped, 29);
  fixture_close(&f);
}

static void samples_under_way_may_be_dropped(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.max_telemetry_bytes = 8 + 2 * 128});
  add(&f, "[1]");
  add(&f, "[2]");
  fixture_turn(&f);
  uint32_t id = fixture_sent(&f, CORE_TELEMETRY, 0)->request_id;
  add(&f, "[3]");
  core_published(f.core, id, f.now_ms);
  fixture_turn(&f);
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 3);
  for (size_t i = 1; i < 3; i++)
    core_published(f.core, fixture_sent(&f, CORE_TELEMETRY, i)->request_id, f.now_ms);
  assert_true(core_is_settled(f.core));
  fixture_close(&f);
}

static void a_full_transport_keeps_the_order(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  f.room = 1;
  add(&f, "[1]");
  add(&f, "[2]");
  fixture_turn(&f);
  add(&f, "[3]");
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 1);
  f.room = SIZE_MAX;
  core_writable(f.core);
  fixture_turn(&f);
  assert_string_equal(fixture_sent(&f, CORE_TELEMETRY, 1)->body, "[2]");
  assert_string_equal(fixture_sent(&f, CORE_TELEMETRY, 2)->body, "[3]");
  fixture_close(&f);
}

/* The platform has said once that it has samples; nothing is under way. */
static void open_answering(struct fixture *f)
{
  fixture_open(f, &(struct core_options){0});
  add(f, "[0]");
  fixture_turn(f);
  core_published(f->core, fixture_last(f, CORE_TELEMETRY)->request_id, f->now_ms);
  assert_true(core_is_settled(f->core)); /* until then the broker's word is enough */
  fixture_answer(f, fixture_last(f, CORE_TELEMETRY), 0);
  fixture_forget(f);
}

static void publish_last(struct fixture *f)
{
  core_published(f->core, fixture_last(f, CORE_TELEMETRY)->request_id, f->now_ms);
  fixture_turn(f);
}

static void a_platform_that_answers_is_waited_for(void **unused)
{
  (void)unused;
  struct fixture f;
  open_answering(&f);
  add(&f, "[1]");
  fixture_turn(&f);
  publish_last(&f);
  assert_int_equal(fixture_counts(&f).telemetry_waiting, 1);
  fixture_pass(&f, 9999);
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 1);
  fixture_pass(&f, 1);
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 2);
  fixture_answer(&f, fixture_sent(&f, CORE_TELEMETRY, 0), 0); /* late, and good for both */
  assert_true(core_is_settled(f.core));
  fixture_pass(&f, 200000);
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 2);
  fixture_close(&f);
}

static void what_it_does_not_answer_is_not_sent_for_ever(void **unused)
{
  (void)unused;
  struct fixture f;
  open_answering(&f);
  add(&f, "[1]");
  fixture_turn(&f);
  for (int i = 0; i < 10; i++) {
    publish_last(&f);
    fixture_pass(&f, 10000);
  }
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 5);
  assert_true(core_is_settled(f.core));
  assert_int_equal(fixture_counts(&f).telemetry_dropped, 0);
  fixture_close(&f);
}

static void anothers_answer_says_nothing_of_the_platform(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  core_answered(f.core, CORE_TELEMETRY, "E1", NULL, 4711, 0, "", f.now_ms);
  core_answered(f.core, CORE_TELEMETRY, "E1", NULL, 0, 0, "", f.now_ms);
  add(&f, "[1]");
  fixture_turn(&f);
  publish_last(&f);
  assert_true(core_is_settled(f.core));
  fixture_close(&f);
}

static void a_missing_puback_does_not_stall_the_window(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  for (int i = 0; i < 40; i++) {
    char text[16];
    snprintf(text, sizeof text, "[%d]", i);
    add(&f, text);
  }
  fixture_turn(&f);
  core_published(f.core, fixture_sent(&f, CORE_TELEMETRY, 5)->request_id, f.now_ms);
  fixture_turn(&f);
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 33);
  fixture_pass(&f, 59999);
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 33);
  fixture_forget(&f);
  fixture_pass(&f, 1);
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 32); /* the oldest again */
  assert_string_equal(fixture_sent(&f, CORE_TELEMETRY, 0)->body, "[0]");
  assert_string_equal(fixture_sent(&f, CORE_TELEMETRY, 5)->body, "[6]");
  for (size_t i = 0; i < 39; i++) {
    core_published(f.core, fixture_sent(&f, CORE_TELEMETRY, i)->request_id, f.now_ms);
    fixture_turn(&f);
  }
  assert_true(core_is_settled(f.core));
  fixture_close(&f);
}

static void small_messages_are_bounded_by_the_memory_they_take(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  fixture_disconnect(&f);
  for (int i = 0; i < 200000; i++)
    add(&f, "[1]");
  assert_in_range(fixture_counts(&f).telemetry_waiting, 100000, 131072); /* in 16 MB */
  fixture_close(&f);
}

static void samples_of_an_unknown_endpoint_are_none(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  core_telemetry(f.core, "E9", "[1]", 3, f.wall_ms, f.now_ms);
  core_published(f.core, 17, f.now_ms);
  fixture_turn(&f);
  assert_true(core_is_settled(f.core));
  fixture_close(&f);
}

static void set(struct fixture *f, const char *endpoint, const char *keys)
{
  core_metadata(f->core, endpoint, keys, strlen(keys), f->wall_ms, f->now_ms);
}

static void metadata_goes_out_and_is_confirmed(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  set(&f, "E1", "{\"light\":\"on\"}");
  set(&f, "E2", "{\"light\":\"off\"}");
  set(&f, "E9", "{\"light\":\"off\"}"); /* of no endpoint */
  fixture_turn(&f);
  assert_int_equal(fixture_count(&f, CORE_METADATA), 2);
  const struct sent *sent = fixture_sent(&f, CORE_METADATA, 0);
  assert_string_equal(sent->body, "{\"light\":\"on\"}");
  assert_string_equal(sent->endpoint, "E1");
  assert_string_equal(sent->type, "");
  assert_true(sent->request_id > 0);
  assert_int_equal(fixture_counts(&f).metadata_waiting, 2);
  core_answered(f.core, CORE_TELEMETRY, "E1", NULL, sent->request_id, 0, "", f.now_ms);
  assert_int_equal(fixture_counts(&f).metadata_waiting, 2);
  fixture_answer(&f, sent, 0);
  assert_false(core_is_settled(f.core));
  core_published(f.core, fixture_sent(&f, CORE_METADATA, 1)->request_id, f.now_ms);
  assert_true(core_is_settled(f.core));
  fixture_close(&f);
}

static void metadata_that_waits_is_merged(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  fixture_disconnect(&f);
  set(&f, "E1", "{\"a\":1,\"b\":[]}");
  set(&f, "E2", "{\"a\":7}");
  set(&f, "E1", "{\"c\":1.0,\"a\":null}");
  assert_int_equal(fixture_counts(&f).metadata_waiting, 2);
  fixture_connect(&f);
  assert_int_equal(fixture_count(&f, CORE_METADATA), 2);
  json_t *body = json_loads(fixture_sent(&f, CORE_METADATA, 0)->body, 0, NULL);
  json_t *expected = json_pack("{s:n,s:[],s:f}", "a", "b", "c", 1.0);
  assert_true(json_equal(body, expected));
  json_decref(body);
  json_decref(expected);
  assert_string_equal(fixture_sent(&f, CORE_METADATA, 1)->body, "{\"a\":7}");
  fixture_close(&f);
}

/* What is under way keeps its body; what comes after a lost connection goes behind
 * it, so that the later value stands in the end. */
static void metadata_under_way_is_not_changed(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  set(&f, "E1", "{\"a\":1}");
  fixture_turn(&f);
  set(&f, "E1", "{\"a\":2}");
  fixture_disconnect(&f);
  set(&f, "E1", "{\"a\":3}");
  fixture_forget(&f);
  fixture_connect(&f);
  assert_int_equal(fixture_count(&f, CORE_METADATA), 2);
  assert_string_equal(fixture_sent(&f, CORE_METADATA, 0)->body, "{\"a\":1}");
  assert_string_equal(fixture_sent(&f, CORE_METADATA, 1)->body, "{\"a\":3}");
  fixture_answer(&f, fixture_sent(&f, CORE_METADATA, 1), 0);
  set(&f, "E1", "{\"a\":4}"); /* after the last one of this endpoint was confirmed */
  fixture_turn(&f);
  assert_string_equal(fixture_last(&f, CORE_METADATA)->body, "{\"a\":4}");
  fixture_close(&f);
}

static void refused_metadata_is_dropped_and_told(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  set(&f, "E1", "{\"a\":1}");
  fixture_turn(&f);
  fixture_answer(&f, fixture_last(&f, CORE_METADATA), 403);
  assert_true(core_is_settled(f.core));
  assert_int_equal(fixture_notes(&f, CORE_NOTE_METADATA_DROPPED), 1);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_TELEMETRY_DROPPED), 0);
  assert_int_equal(fixture_counts(&f).metadata_dropped, 1);
  fixture_close(&f);
}

static void samples_do_not_push_metadata_out(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.max_telemetry_bytes = 20 + 128});
  fixture_disconnect(&f);
  set(&f, "E1", "{\"a\":1}");
  for (int i = 0; i < 20; i++)
    add(&f, "[\"ten bytes\"]");
  set(&f, "E1", "{\"b\":2}");
  set(&f, "E1", "{\"long_enough\":22}"); /* does not fit with the others: they go */
  assert_int_equal(fixture_counts(&f).metadata_waiting, 1);
  assert_int_equal(fixture_counts(&f).metadata_dropped, 1);
  fixture_connect(&f);
  assert_string_equal(fixture_last(&f, CORE_METADATA)->body, "{\"long_enough\":22}");
  fixture_close(&f);
}

/* Sent again later it could overtake a newer value. */
static void of_metadata_the_brokers_word_is_enough(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  set(&f, "E1", "{\"a\":1}");
  fixture_turn(&f);
  fixture_answer(&f, fixture_last(&f, CORE_METADATA), 0);
  set(&f, "E1", "{\"a\":2}");
  fixture_turn(&f);
  core_published(f.core, fixture_last(&f, CORE_METADATA)->request_id, f.now_ms);
  assert_true(core_is_settled(f.core));
  fixture_close(&f);
}

/* What was sent may come to be another message while it waits: what is said of the
 * first is not said of the second. */
static void metadata_that_waits_to_be_sent_again_is_merged(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  set(&f, "E1", "{\"a\":1}");
  fixture_turn(&f);
  const struct sent first = *fixture_last(&f, CORE_METADATA);
  fixture_disconnect(&f);
  set(&f, "E1", "{\"a\":2}");
  fixture_connect(&f);
  assert_int_equal(fixture_count(&f, CORE_METADATA), 2);
  assert_string_equal(fixture_last(&f, CORE_METADATA)->body, "{\"a\":2}");
  core_answered(f.core, CORE_METADATA, "E1", NULL, first.request_id, 0, "", f.now_ms);
  assert_int_equal(fixture_counts(&f).metadata_waiting, 1);
  fixture_answer(&f, fixture_last(&f, CORE_METADATA), 0);
  assert_true(core_is_settled(f.core));
  fixture_close(&f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(samples_go_out_with_a_request_id),
      cmocka_unit_test(the_broker_or_the_platform_confirms),
      cmocka_unit_test(refused_samples_are_dropped_and_told),
      cmocka_unit_test(at_most_32_messages_are_under_way),
      cmocka_unit_test(what_is_not_confirmed_is_sent_again_on_a_new_connection),
      cmocka_unit_test(the_oldest_go_where_there_is_no_room),
      cmocka_unit_test(drops_are_told_once_a_minute_and_summed),
      cmocka_unit_test(samples_under_way_may_be_dropped),
      cmocka_unit_test(a_full_transport_keeps_the_order),
      cmocka_unit_test(a_platform_that_answers_is_waited_for),
      cmocka_unit_test(what_it_does_not_answer_is_not_sent_for_ever),
      cmocka_unit_test(anothers_answer_says_nothing_of_the_platform),
      cmocka_unit_test(a_missing_puback_does_not_stall_the_window),
      cmocka_unit_test(small_messages_are_bounded_by_the_memory_they_take),
      cmocka_unit_test(samples_of_an_unknown_endpoint_are_none),
      cmocka_unit_test(metadata_goes_out_and_is_confirmed),
      cmocka_unit_test(metadata_that_waits_is_merged),
      cmocka_unit_test(metadata_under_way_is_not_changed),
      cmocka_unit_test(refused_metadata_is_dropped_and_told),
      cmocka_unit_test(samples_do_not_push_metadata_out),
      cmocka_unit_test(of_metadata_the_brokers_word_is_enough),
      cmocka_unit_test(metadata_that_waits_to_be_sent_again_is_merged),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Telemetry on its way. */
#include "core_fixture.h"

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
  core_telemetry(f->core, "E1", text, strlen(text));
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
  fixture_open(&f, &(struct core_options){.max_telemetry_bytes = 30});
  fixture_disconnect(&f);
  for (int i = 0; i < 5; i++) {
    char text[32];
    snprintf(text, sizeof text, "[10000000%d]", i);
    add(&f, text);
  }
  add(&f, "[\"longer than all the room there is, so that it goes itself\"]");
  fixture_turn(&f);
  assert_int_equal(fixture_counts(&f).telemetry_dropped, 3 + 1);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_TELEMETRY_DROPPED), 1);
  fixture_connect(&f);
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 2);
  assert_string_equal(fixture_sent(&f, CORE_TELEMETRY, 0)->body, "[100000003]");
  fixture_close(&f);
}

static void samples_under_way_may_be_dropped(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.max_telemetry_bytes = 8});
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

static void samples_of_an_unknown_endpoint_are_none(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  core_telemetry(f.core, "E9", "[1]", 3);
  core_published(f.core, 17, f.now_ms);
  fixture_turn(&f);
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
      cmocka_unit_test(samples_under_way_may_be_dropped),
      cmocka_unit_test(a_full_transport_keeps_the_order),
      cmocka_unit_test(samples_of_an_unknown_endpoint_are_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

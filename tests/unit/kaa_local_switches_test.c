/* The switches by text and by JSON: what is taken, and what would have been right. */
#include "switches.h"

#include "base/jsontext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void are_set_by_text(void **state)
{
  (void)state;
  const char *const texts[] = {"confirm_results=false", "delay_ms=250", "unknown_result=silent",
                               "silent", "http_success=204", "refuse=503",
                               "credentials=alice:se:cret", "push_qos=0"};
  struct switches switches;
  switches_init(&switches);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    assert_int_equal(switches_set_text(&switches, texts[i], NULL), 0);
  assert_false(switches.confirm_results);
  assert_int_equal(switches.delay_ms, 250);
  assert_int_equal(switches.unknown_result, UNKNOWN_SILENT);
  assert_true(switches.silent);
  assert_int_equal(switches.http_success, 204);
  assert_int_equal(switches.refuse, 503);
  assert_string_equal(switches.credentials, "alice:se:cret");
  assert_int_equal(switches.push_qos, 0);
}

static void say_what_would_have_been_right(void **state)
{
  (void)state;
  const struct {
    const char *text, *said;
  } cases[] = {
      {"colour=red", "there is no switch colour"},
      {"", "there is no switch "},
      {"silent=yes", "silent is true or false"},
      {"delay_ms", "delay_ms is a whole number from 0 to 600000"},
      {"delay_ms=", "delay_ms is a whole number from 0 to 600000"},
      {"delay_ms=1s", "delay_ms is a whole number from 0 to 600000"},
      {"refuse=200", "refuse is a whole number from 0 to 599"},
      {"http_success=201", "http_success is 200 or 204"},
      {"unknown_result=1", "unknown_result is ok, 404, 409 or silent"},
      {"credentials=:x", "credentials is a text like user:password, or empty"},
  };
  struct switches switches, untouched;
  switches_init(&switches);
  switches_init(&untouched);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct error error = {0};
    assert_true(switches_set_text(&switches, cases[i].text, &error) < 0);
    assert_string_equal(error.text, cases[i].said);
  }
  assert_memory_equal(&switches, &untouched, sizeof switches);
}

static void come_back_as_they_were_written(void **state)
{
  (void)state;
  struct switches switches, again;
  switches_init(&switches);
  switches_init(&again);
  assert_int_equal(switches_set_text(&switches, "unknown_result=409", NULL), 0);
  assert_int_equal(switches_set_text(&switches, "credentials=a:\"b\"", NULL), 0);
  struct buffer text = {0};
  switches_write(&switches, &text);
  json_t *value = jsontext_parse(text.data, text.size_bytes, NULL);
  assert_int_equal(switches_set_json(&again, value, NULL), 0);
  assert_int_equal(again.unknown_result, UNKNOWN_409);
  assert_string_equal(again.credentials, "a:\"b\"");
  json_decref(value);
  buffer_clear(&text);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(are_set_by_text),
      cmocka_unit_test(say_what_would_have_been_right),
      cmocka_unit_test(come_back_as_they_were_written),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

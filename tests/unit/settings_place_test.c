/* supervision/settings_place.c: the innermost place of the configuration that is known. */
#include "supervision/settings_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static json_t *places(void)
{
  return json_pack("{s:s,s:{s:{s:i,s:i},s:{s:i,s:i,s:s},s:{s:i}}}", "file", "/etc/k.lua", "lines",
                   "settings.light", "line", 2, "column", 5, "settings.light.pin", "line", 3,
                   "column", 7, "source", "  pin = 3", "settings.light.taken[1]", "line", 4);
}

/* The fault of a setting, once it is placed; owned. */
static json_t *placed(const char *setting)
{
  json_t *report = json_pack("{s:[{s:s,s:i,s:i,s:s,s:s}]}", "faults", "file", "light.lua", "line", 9,
                             "column", 9, "source", "x", "message", "m");
  json_t *fault = json_incref(json_array_get(json_object_get(report, "faults"), 0));
  json_t *known = places();
  if (setting)
    json_object_set_new(fault, "setting", json_string(setting));
  settings_place(report, known);
  json_decref(known);
  json_decref(report);
  return fault;
}

static void expect_line(const char *setting, json_int_t line, json_int_t column)
{
  json_t *fault = placed(setting);
  assert_string_equal(json_string_value(json_object_get(fault, "file")), "/etc/k.lua");
  assert_null(json_object_get(fault, "setting"));
  assert_int_equal(json_integer_value(json_object_get(fault, "line")), line);
  assert_int_equal(json_integer_value(json_object_get(fault, "column")), column);
  json_decref(fault);
}

static void the_innermost_place_counts(void **state)
{
  (void)state;
  expect_line("settings.light", 2, 5);
  expect_line("settings.light.pin", 3, 7);
  expect_line("settings.light.pins", 2, 5);
  expect_line("settings.light.pin.a.b", 3, 7);
  expect_line("settings.light.taken[1]", 4, 0);
  expect_line("settings.light.taken[12]", 2, 5);
  expect_line("settings.lights", 0, 0);
}

static void the_source_is_the_configurations(void **state)
{
  (void)state;
  json_t *fault = placed("settings.light.pin");
  assert_string_equal(json_string_value(json_object_get(fault, "source")), "  pin = 3");
  json_decref(fault);
  fault = placed("settings.light");
  assert_null(json_object_get(fault, "source"));
  json_decref(fault);
}

static void other_faults_stay_as_they_are(void **state)
{
  (void)state;
  json_t *fault = placed(NULL);
  assert_string_equal(json_string_value(json_object_get(fault, "file")), "light.lua");
  assert_int_equal(json_integer_value(json_object_get(fault, "line")), 9);
  json_decref(fault);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_innermost_place_counts),
      cmocka_unit_test(the_source_is_the_configurations),
      cmocka_unit_test(other_faults_stay_as_they_are),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

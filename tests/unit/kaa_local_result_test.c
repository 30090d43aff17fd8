/* A device's result message: all of it is as the schema says, or none is taken. */
#include "result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int read_text(struct results *results, const char *text, struct error *error)
{
  return results_read(results, text, strlen(text), error);
}

static void reads_all_members(void **state)
{
  (void)state;
  struct results results;
  assert_int_equal(read_text(&results,
                             "[{\"payload\":{\"a\":3.0},\"reasonPhrase\":\"OK\",\"statusCode\":200,"
                             "\"id\":9223372036854775807},{\"id\":-1,\"statusCode\":0}]",
                             NULL), 0);
  assert_int_equal(results.count, 2);
  assert_true(results.list[0].id == INT64_MAX);
  assert_int_equal(results.list[0].status_code, 200);
  assert_string_equal(results.list[0].reason, "OK");
  assert_string_equal(results.list[0].payload, "{\"a\":3.0}");
  assert_int_equal(results.list[1].id, -1);
  assert_null(results.list[1].reason);
  assert_null(results.list[1].payload);
  results_clear(&results);
}

static void tells_no_payload_from_null(void **state)
{
  (void)state;
  struct results results;
  const char *text = "[{\"id\":1,\"statusCode\":200,\"payload\":null}]";
  assert_int_equal(read_text(&results, text, NULL), 0);
  assert_string_equal(results.list[0].payload, "null");
  results_clear(&results);
}

static void takes_an_empty_array(void **state)
{
  (void)state;
  struct results results;
  assert_int_equal(read_text(&results, " [ ] ", NULL), 0);
  assert_int_equal(results.count, 0);
  results_clear(&results);
}

static void names_the_element_that_is_wrong(void **state)
{
  (void)state;
  const struct {
    const char *element, *said;
  } cases[] = {
      {"7", "Result 2 is not an object"},
      {"{\"statusCode\":200}", "Result 2: id is missing"},
      {"{\"id\":1}", "Result 2: statusCode is missing"},
      {"{\"id\":1.0,\"statusCode\":200}", "Result 2: id is not an integer"},
      {"{\"id\":1,\"statusCode\":\"200\"}", "Result 2: statusCode is not an integer"},
      {"{\"id\":1,\"statusCode\":200,\"reasonPhrase\":1}",
       "Result 2: reasonPhrase is not a string"},
      {"{\"id\":1,\"statusCode\":200,\"reasonPhrase\":\"a\\u0000b\"}",
       "Result 2: reasonPhrase has a character U+0000"},
      {"{\"id\":1,\"statusCode\":200,\"reason\":\"x\"}", "Result 2: there is no member reason"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[200];
    struct results results;
    struct error error = {0};
    snprintf(text, sizeof text, "[{\"id\":1,\"statusCode\":200,\"payload\":1},%s]",
             cases[i].element);
    assert_true(read_text(&results, text, &error) < 0);
    assert_string_equal(error.text, cases[i].said);
    results_clear(&results);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_all_members),
      cmocka_unit_test(tells_no_payload_from_null),
      cmocka_unit_test(takes_an_empty_array),
      cmocka_unit_test(names_the_element_that_is_wrong),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

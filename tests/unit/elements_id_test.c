#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json_case.h"
#include "kp/elements.h"
#include "random_value.h"

#include <stdlib.h>
#include <string.h>

enum { RANDOM_OBJECTS = 3000, RANDOM_DEPTH = 4 };

static void the_id_is_found_in_text_that_does_not_parse(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    int64_t id;
  } rows[] = {
      {"{\"id\":7,\"payload\":0123}", 7},
      {"{\"payload\":0123,\"id\":7}", 7},
      {"{ \"id\" : -7 , \"payload\" : nope }", -7},
      {"{\"id\":0,}", 0},
      {"{\"id\":9223372036854775807,x}", INT64_MAX},
      {"{\"id\":-9223372036854775808,x}", INT64_MIN},
      {"{\"payload\":{\"id\":1,\"a\":[{\"id\":2}]},\"id\":3,}", 3},
      {"{\"payload\":\"\\\"id\\\":5\",\"id\":3,}", 3},
      {"{\"payload\":\"id\",\"id\":3,}", 3},
      {"{\"id\":4,\"payload\":[1,2}}", 4},
      {"{\"\\u0069d\":5,\"x\":+1}", 5},
      {"{\"i\\u0064\":5,\"x\":+1}", 5},
      {"{\"ID\":1,\"idx\":2,\"i\":3,\"id\":4,\"\":5,}", 4},
      {"{\"id\":6,\"a\":1,\"a\":2}", 6},
      {"{\"id\":6,\"a\":\"\xff\n\"}", 6},
      {"{\"id\":6}", 6},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    int64_t id = 99;
    char *text = json_case_exact(rows[i].text, strlen(rows[i].text));
    bool found = elements_find_id(text, strlen(rows[i].text), &id);
    if (!found || id != rows[i].id)
      fail_msg("%s: %s, %lld", rows[i].text, found ? "found" : "not found", (long long)id);
    free(text);
  }
}

static void an_id_in_doubt_is_not_found(void **state)
{
  (void)state;
  static const char *const texts[] = {
      "{\"id\":7,\"a\":1",
      "",
      "{",
      "{}",
      "[]",
      "7",
      "\"id\"",
      "\"id\":7",
      "[\"id\":7]",
      "[{\"id\":7}]",
      "{\"id\"}",
      "{\"id\":}",
      "{\"id\":\"7\"}",
      "{\"id\":7.0}",
      "{\"id\":7e0}",
      "{\"id\":07}",
      "{\"id\":+7}",
      "{\"id\":-}",
      "{\"id\":null}",
      "{\"id\":[7]}",
      "{\"id\":{\"id\":7}}",
      "{\"id\":7 8}",
      "{\"id\":7",
      "{\"id\":7]",
      "{\"id\":7x}",
      "{\"id\" 7}",
      "{id:7}",
      "{'id':7}",
      "{\"id\":9223372036854775808}",
      "{\"id\":-9223372036854775809}",
      "{\"id\":99999999999999999999999}",
      "{\"id\":7,\"id\":7}",
      "{\"id\":7,\"\\u0069\\u0064\":8}",
      "{\"id\":7,\"a\":1 \"id\":8}",
      "{\"a\":1 \"id\":8}",
      "{\"a\":{\"id\":7}}",
      "{\"a\":[{\"id\":7}}",
      "{\"id\":7}{\"id\":8}",
      "{\"id\":7} x",
      "x{\"id\":7}",
      "{\"payload\":[1,2}},\"id\":4,\"a\":[[}",
      "{\"id\":7,\"a\":\"}",
      "{\"id\":7,\"a\":\"\\",
      "{\"a\":\"\\\\\\\",\"id\":7}",
      "\"a\"{\"id\":7}",
      "{\"a\":{},\"b\":{\"id\":7}",
      "}{\"id\":7}",
      "{\"x\\u0069d\":7}",
      "{\"\\u0069\":7}",
      "{\"\\u006\":7}",
      "{\"\\u0069\\u006\":7}",
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    int64_t id;
    char *text = json_case_exact(texts[i], strlen(texts[i]));
    if (elements_find_id(text, strlen(texts[i]), &id))
      fail_msg("%s: found %lld", texts[i], (long long)id);
    free(text);
  }
}

static void the_found_id_is_the_one_that_parsing_gives(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= RANDOM_OBJECTS; seed++) {
    struct random random = {seed};
    json_t *value = json_object();
    int64_t expected = (int64_t)random_bits(&random) >> random_below(&random, 64);
    if (random_below(&random, 2))
      json_object_set_new(value, "payload", random_value(&random, RANDOM_DEPTH));
    bool has_id = random_below(&random, 4);
    if (has_id)
      json_object_set_new(value, "id", json_integer(expected));
    json_object_set_new(value, "more", random_value(&random, RANDOM_DEPTH));
    struct buffer out = {0};
    jsontext_write(&out, value);
    int64_t id = 0;
    bool found = elements_find_id(out.data, out.size_bytes, &id);
    if (found != has_id || (has_id && id != expected))
      fail_msg("seed %llu: %s", (unsigned long long)seed, buffer_text(&out));
    buffer_clear(&out);
    json_decref(value);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_id_is_found_in_text_that_does_not_parse),
      cmocka_unit_test(an_id_in_doubt_is_not_found),
      cmocka_unit_test(the_found_id_is_the_one_that_parsing_gives),
  };
  return cmocka_run_group_tests_name("elements_id", tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "json_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *parse(const char *text)
{
  struct json_fault fault;
  json_t *value = jsontext_parse(text, strlen(text), &fault);
  if (!value)
    fail_msg("%s: %s", text, fault.text);
  return value;
}

static void assert_written(const char *text, const char *expected)
{
  json_t *value = parse(text);
  char *got = json_case_written(value);
  assert_string_equal(got, expected);
  free(got);
  json_decref(value);
}

#define ROW(text, position, says) {text, sizeof text - 1, position, says}

/* Design, section 3, "JSON is exact": what is refused, and where. The position is
 * at the fault where bytes or nesting are at fault, else behind the token. */
static const struct {
  const char *text;
  size_t size;
  size_t position;
  const char *says;
} refusals[] = {
    /* not one value */
    ROW("", 0, "end of file"),
    ROW("  ", 2, "end of file"),
    ROW("1 2", 3, "end of file expected"),
    ROW("{} x", 4, "end of file expected"),
    ROW("[1}", 3, "']' expected"),
    ROW("]", 1, "unexpected token"),
    /* unterminated */
    ROW("[1", 2, "']' expected"),
    ROW("{\"a\":1", 6, "'}' expected"),
    ROW("\"abc", 4, "premature end"),
    ROW("[\"abc]", 6, "premature end"),
    ROW("{\"a\"", 4, "':' expected"),
    ROW("\"\\", 2, "invalid escape"),
    /* commas and colons */
    ROW("[1,]", 4, "unexpected token"),
    ROW("{\"a\":1,}", 8, "'}' expected"),
    ROW("[,1]", 2, "unexpected token"),
    ROW("[1,,2]", 4, "unexpected token"),
    ROW("{,}", 2, "'}' expected"),
    ROW("{\"a\" 1}", 6, "':' expected"),
    ROW("[1 2]", 4, "']' expected"),
    ROW("{\"a\":1 \"b\":2}", 10, "'}' expected"),
    /* numbers that are none */
    ROW("0123", 1, "invalid token"),
    ROW("-01", 2, "invalid token"),
    ROW("1.", 2, "invalid token"),
    ROW(".5", 1, "invalid token"),
    ROW("+1", 1, "invalid token"),
    ROW("1e", 2, "invalid token"),
    ROW("1e+", 3, "invalid token"),
    ROW("-", 1, "invalid token"),
    ROW("--1", 1, "invalid token"),
    ROW("0x10", 2, "end of file expected"),
    ROW("NaN", 3, "invalid token"),
    ROW("Infinity", 8, "invalid token"),
    ROW("-Infinity", 1, "invalid token"),
    /* numbers that do not fit */
    ROW("9223372036854775808", 19, "too big integer"),
    ROW("-9223372036854775809", 20, "too big negative integer"),
    ROW("[1,99999999999999999999]", 23, "too big integer"),
    ROW("1e400", 5, "real number overflow"),
    ROW("-1e400", 6, "real number overflow"),
    ROW("[1e309]", 6, "real number overflow"),
    ROW("1e-400", 6, "real number underflow"),
    ROW("-0.01E-323", 10, "real number underflow"),
    ROW("{\"1e-400\":\"\\\"1e-400\",\"b\":[0e-400,2e-324]}", 39, "real number underflow"),
    /* duplicate keys */
    ROW("{\"a\":1,\"a\":2}", 10, "duplicate object key"),
    ROW("{\"a\":1,\"\\u0061\":2}", 15, "duplicate object key"),
    ROW("{\"x\":{\"b\":1,\"c\":2,\"b\":3}}", 21, "duplicate object key"),
    /* bad UTF-8: stray, overlong, surrogate, too large, cut, never valid */
    ROW("\"\x80\"", 1, "not valid UTF-8"),
    ROW("\"a\xc0\xaf\"", 2, "not valid UTF-8"),
    ROW("\"\xe0\x80\xaf\"", 1, "not valid UTF-8"),
    ROW("\"\xf0\x80\x80\xaf\"", 1, "not valid UTF-8"),
    ROW("\"é\xed\xa0\x80\"", 3, "not valid UTF-8"),
    ROW("\"\xf4\x90\x80\x80\"", 1, "not valid UTF-8"),
    ROW("[\"\xe2\x82\"]", 2, "not valid UTF-8"),
    ROW("\"\xff\"", 1, "not valid UTF-8"),
    ROW("{\"\xfe\":1}", 2, "not valid UTF-8"),
    ROW("[1]\xc3", 3, "not valid UTF-8"),
    /* raw control characters and NUL */
    ROW("\"a\nb\"", 2, "unexpected newline"),
    ROW("\"a\x01\"", 2, "control character"),
    ROW("[\"a\tb\"]", 3, "control character"),
    ROW("\"a\x1f\"", 2, "control character"),
    ROW("\v1", 1, "invalid token"),
    ROW("\"a\0b\"", 2, "a NUL byte"),
    ROW("[1]\0", 3, "a NUL byte"),
    ROW("\0", 0, "a NUL byte"),
    ROW("{\"\\u0000\":1}", 9, "NUL byte in object key"),
    /* escapes, lone surrogates */
    ROW("\"\\ud800\"", 8, "invalid Unicode"),
    ROW("\"\\udc00\"", 8, "invalid Unicode"),
    ROW("\"\\ud800x\"", 9, "invalid Unicode"),
    ROW("\"\\ud800\\u0041\"", 14, "invalid Unicode"),
    ROW("\"\\udc00\\ud800\"", 14, "invalid Unicode"),
    ROW("\"\\x41\"", 3, "invalid escape"),
    ROW("\"\\u12\"", 6, "invalid escape"),
    ROW("\"\\u12g4\"", 6, "invalid escape"),
    /* other languages' words */
    ROW("nul", 3, "invalid token"),
    ROW("True", 4, "invalid token"),
    ROW("'a'", 1, "invalid token"),
    ROW("{a:1}", 2, "'}' expected"),
    ROW("{1:2}", 2, "'}' expected"),
    ROW("/**/1", 1, "invalid token"),
    ROW("1//c", 2, "end of file expected"),
    ROW("\xef\xbb\xbf[]", 3, "invalid token"),
    ROW("[\"café\", nope]", 14, "invalid token"),
};

static void what_is_not_exact_is_refused_with_its_position(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    struct json_fault fault = {0};
    if (json_case_parse(refusals[i].text, refusals[i].size, &fault))
      fail_msg("%s was taken", refusals[i].text);
    char start[40];
    snprintf(start, sizeof start, "position %zu: ", refusals[i].position);
    if (fault.position != refusals[i].position || strncmp(fault.text, start, strlen(start)) ||
        !strstr(fault.text, refusals[i].says))
      fail_msg("%s: '%s', expected '%s…%s'", refusals[i].text, fault.text, start, refusals[i].says);
    assert_null(json_case_parse(refusals[i].text, refusals[i].size, NULL));
  }
}

static void a_number_of_many_digits_underflows_too(void **state)
{
  (void)state;
  for (size_t zeros = 320; zeros <= 330; zeros += 10) {
    struct buffer out = {0};
    buffer_append_text(&out, "0.");
    for (size_t i = 0; i < zeros; i++)
      buffer_append_char(&out, '0');
    buffer_append_char(&out, '1');
    json_t *value = json_case_parse(out.data, out.size_bytes, NULL);
    assert_int_equal(value != NULL, zeros == 320);
    json_decref(value);
    buffer_clear(&out);
  }
}

static void depth_is_64_and_no_more(void **state)
{
  (void)state;
  char text[400];
  for (int kind = 0; kind < 2; kind++)
    for (size_t depth = 64; depth <= 65; depth++) {
      struct buffer out = {0};
      for (size_t i = 0; i < depth; i++)
        buffer_append_text(&out, kind ? "{\"[\":" : "[");
      buffer_append_text(&out, kind ? "0" : "");
      for (size_t i = 0; i < depth; i++)
        buffer_append_char(&out, kind ? '}' : ']');
      struct json_fault fault;
      json_t *value = json_case_parse(out.data, out.size_bytes, &fault);
      assert_int_equal(value != NULL, depth == 64);
      if (!value) {
        assert_int_equal(fault.position, kind ? 64 * 5 : 64);
        snprintf(text, sizeof text, "position %zu: nested deeper than 64", fault.position);
        assert_string_equal(fault.text, text);
      }
      json_decref(value);
      buffer_clear(&out);
    }
}

static void brackets_in_strings_and_side_by_side_are_no_depth(void **state)
{
  (void)state;
  struct buffer out = {0};
  buffer_append_text(&out, "[\"\\\"");
  for (int i = 0; i < 200; i++)
    buffer_append_text(&out, "[{");
  buffer_append_text(&out, "\"");
  for (int i = 0; i < 200; i++)
    buffer_append_text(&out, ",[{}]");
  buffer_append_text(&out, "]");
  assert_written(buffer_text(&out), buffer_text(&out));
  buffer_clear(&out);
}

static void a_fault_shows_external_text_as_one_plain_line(void **state)
{
  (void)state;
  static const char *const texts[] = {
      "[\n\x1b[31m", "\x7f", "{\"\\u001b\":1,\"\\u001b\":2}", "[\xc2\x9b]",
      "\"€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€\n"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct json_fault fault;
    assert_null(json_case_parse(texts[i], strlen(texts[i]), &fault));
    size_t size = strlen(fault.text);
    for (size_t at = 0; at < size;) {
      size_t n = utf8_printable_length(fault.text + at, size - at);
      assert_true(n > 0);
      at += n;
    }
  }
}

static void what_comes_in_goes_out(void **state)
{
  (void)state;
  static const char *const same[] = {
      "0",
      "-1",
      "9223372036854775807",
      "-9223372036854775808",
      "9007199254740993",
      "false",
      "true",
      "null",
      "\"\"",
      "[]",
      "{}",
      "3.0",
      "-0.0",
      "0.1",
      "1.5",
      "1e+300",
      "5e-324",
      "1e+23",
      "4.35",
      "1.7976931348623157e+308",
      "0.3333333333333333",
      "1.2345678901234568e+17",
      "[null,{},[],\"\",0,false]",
      "{\"b\":1,\"a\":2}",
      "\"\\u0000\\u0001\\u001f\\\"\\\\\\n\\r\\t/\x7f\"",
      "\"Zürich→😀\"",
      "[{\"id\":9007199254740993,\"p\":{\"n\":1732290000123456,\"e\":[],\"o\":{},\"z\":null}}]",
  };
  for (size_t i = 0; i < sizeof same / sizeof *same; i++)
    assert_written(same[i], same[i]);
  assert_written(" \t\r\n[ 1 , { \"a\" : 2 } ] \n", "[1,{\"a\":2}]");
  assert_written("\"\\u00e9\\ud83d\\ude00\\/\\b\\f\"", "\"é😀/\\u0008\\u000c\"");
  assert_written("1E2", "100.0");
  assert_written("-0", "0");
  assert_written("[0e-400,-0.0E-999,\"1e-400\"]", "[0.0,-0.0,\"1e-400\"]");
}

static void equal_values_have_equal_digests(void **state)
{
  (void)state;
  json_t *null = json_null();
  assert_true(json_case_same_digest(NULL, null));
  static const char *const equal[][2] = {
      {"1", "1.0"},
      {"0", "-0.0"},
      {"1e2", "100"},
      {"9007199254740992", "9007199254740992.0"},
      {"[1.0]", "[1]"},
      {"\"\\u0041\"", "\"A\""},
      {"{\"a\":null}", "{}"},
      {" [ ] ", "[]"},
      {"{\"a\":{\"x\":1,\"y\":[2]},\"b\":null}", "{\"b\":null,\"a\":{\"y\":[2.0],\"x\":1.0}}"},
  };
  for (size_t i = 0; i < sizeof equal / sizeof *equal; i++) {
    json_t *a = parse(equal[i][0]), *b = parse(equal[i][1]);
    if (!json_case_same_digest(a, b))
      fail_msg("%s and %s differ", equal[i][0], equal[i][1]);
    json_decref(a);
    json_decref(b);
  }
}

static void different_values_have_different_digests(void **state)
{
  (void)state;
  static const char *const values[] = {
      "null",
      "true",
      "false",
      "0",
      "1",
      "-1",
      "0.5",
      "\"\"",
      "\"0\"",
      "\"null\"",
      "[]",
      "{}",
      "[null]",
      "[[]]",
      "[{}]",
      "[0]",
      "[1]",
      "[1,2]",
      "[2,1]",
      "[[1],2]",
      "[[1,2]]",
      "[12]",
      "{\"a\":1}",
      "{\"a\":2}",
      "{\"b\":1}",
      "{\"a\":1,\"b\":2}",
      "{\"a\":2,\"b\":1}",
      "{\"a\":{\"b\":1}}",
      "{\"a\":[1]}",
      "{\"\":1}",
      "\"a\"",
      "\"a\\u0000\"",
      "\"\\u0000a\"",
      "\"ab\"",
      "[\"a\",\"b\"]",
      "[\"ab\",\"\"]",
      "9223372036854775807",
      "9223372036854775808.0",
      "9007199254740993",
      "9007199254740992",
      "-9223372036854775808",
      "1e300",
      "1e-300",
      "{\"a\":1,\"b\":{\"c\":1}}",
      "{\"a\":{\"c\":1},\"b\":1}",
  };
  enum { VALUES = sizeof values / sizeof *values };
  for (size_t i = 0; i < VALUES; i++)
    for (size_t j = 0; j < VALUES; j++) {
      json_t *a = parse(values[i]), *b = parse(values[j]);
      if (json_case_same_digest(a, b) != (i == j))
        fail_msg("%s and %s", values[i], values[j]);
      json_decref(a);
      json_decref(b);
    }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_not_exact_is_refused_with_its_position),
      cmocka_unit_test(a_number_of_many_digits_underflows_too),
      cmocka_unit_test(depth_is_64_and_no_more),
      cmocka_unit_test(brackets_in_strings_and_side_by_side_are_no_depth),
      cmocka_unit_test(a_fault_shows_external_text_as_one_plain_line),
      cmocka_unit_test(what_comes_in_goes_out),
      cmocka_unit_test(equal_values_have_equal_digests),
      cmocka_unit_test(different_values_have_different_digests),
  };
  return cmocka_run_group_tests_name("jsontext", tests, NULL, NULL);
}

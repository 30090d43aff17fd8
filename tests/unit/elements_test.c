#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json_case.h"
#include "kp/elements.h"
#include "random_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANDOM_ARRAYS = 3000, RANDOM_DEPTH = 4 };

#define ROW(text, position, says) {text, sizeof text - 1, position, says}

static void what_is_not_one_array_is_refused_with_its_position(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    size_t size;
    size_t position;
    const char *says;
  } rows[] = {
      ROW("", 0, "an empty message"),
      ROW(" \t\r\n", 4, "an empty message"),
      ROW("\xef\xbb\xbf[]", 0, "a byte order mark"),
      ROW("\v[]", 0, "not a JSON array"),
      ROW("{}", 0, "not a JSON array"),
      ROW("  null", 2, "not a JSON array"),
      ROW("\"[]\"", 0, "not a JSON array"),
      ROW("]", 0, "not a JSON array"),
      ROW("\0[]", 0, "not a JSON array"),
      ROW("[", 1, "the closing bracket is missing"),
      ROW("[1", 2, "the closing bracket is missing"),
      ROW("[1,", 3, "the closing bracket is missing"),
      ROW("[{\"id\":1}", 9, "the closing bracket is missing"),
      ROW("[[1]", 4, "the closing bracket is missing"),
      ROW("[{\"id\":1]", 9, "the closing bracket is missing"),
      ROW("[1,]", 3, "a trailing comma"),
      ROW("[1, ]", 4, "a trailing comma"),
      ROW("[,]", 1, "an empty element"),
      ROW("[,1]", 1, "an empty element"),
      ROW("[1,,2]", 3, "an empty element"),
      ROW("[1 , , 2]", 5, "an empty element"),
      ROW("[1}", 2, "'}' closes nothing"),
      ROW("[}]", 1, "'}' closes nothing"),
      ROW("[{\"id\":2]},3]", 9, "'}' closes nothing"),
      ROW("[1] x", 4, "text after the array"),
      ROW("[1],", 3, "text after the array"),
      ROW("[][]", 2, "text after the array"),
      ROW("[]]", 2, "text after the array"),
      ROW("[]\0", 2, "text after the array"),
      ROW("[]\v", 2, "text after the array"),
      ROW("[\"a]", 1, "an unterminated string"),
      ROW("[1,{\"a\":\"b\\\"}]", 8, "an unterminated string"),
      ROW("[\"\\", 1, "an unterminated string"),
      ROW("[\"a\\\\\\\"]", 1, "an unterminated string"),
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct elements elements;
    struct element element;
    struct json_fault fault = {0};
    char *text = json_case_exact(rows[i].text, rows[i].size);
    char expected[200];
    snprintf(expected, sizeof expected, "position %zu: %s", rows[i].position, rows[i].says);
    if (elements_open(&elements, text, rows[i].size, &fault) != -EINVAL)
      fail_msg("%s was taken", rows[i].text);
    if (strcmp(fault.text, expected) || fault.position != rows[i].position)
      fail_msg("%s: '%s', expected '%s'", rows[i].text, fault.text, expected);
    assert_int_equal(elements_open(&elements, text, rows[i].size, NULL), -EINVAL);
    assert_false(elements_next(&elements, &element));
    free(text);
  }
}

static void assert_cut(const char *text, const char *const *expected)
{
  struct elements elements;
  struct element element;
  struct json_fault fault;
  if (elements_open(&elements, text, strlen(text), &fault))
    fail_msg("%s: %s", text, fault.text);
  for (; *expected; expected++) {
    assert_true(elements_next(&elements, &element));
    assert_ptr_equal(element.text, text + element.position);
    assert_int_equal(element.size_bytes, strlen(*expected));
    assert_memory_equal(element.text, *expected, element.size_bytes);
  }
  assert_false(elements_next(&elements, &element));
  assert_false(elements_next(&elements, &element));
}

#define assert_elements(text, ...) assert_cut(text, (const char *const[]){__VA_ARGS__, NULL})

static void an_array_is_cut_at_its_own_commas_only(void **state)
{
  (void)state;
  assert_cut("[]", (const char *const[]){NULL});
  assert_cut(" \n[ \t]\r ", (const char *const[]){NULL});
  assert_elements("[1]", "1");
  assert_elements("[1,2]", "1", "2");
  assert_elements(" [ 1 ,\t2\r\n] ", "1", "2");
  assert_elements("[[],{},[[]],\"\"]", "[]", "{}", "[[]]", "\"\"");
  assert_elements("[[1,2],{\"a\":1,\"b\":[2,3]}]", "[1,2]", "{\"a\":1,\"b\":[2,3]}");
  assert_elements("[\"],[\",\"a\\\"],[\",\"\\\\\"]", "\"],[\"", "\"a\\\"],[\"", "\"\\\\\"");
}

static void bad_elements_are_handed_on_as_they_are(void **state)
{
  (void)state;
  assert_elements("[1,0123,nope,+1,2]", "1", "0123", "nope", "+1", "2");
  assert_elements("[{\"a\":1,},2]", "{\"a\":1,}", "2");
  assert_elements("[1 2,{}{}]", "1 2", "{}{}");
  assert_elements("[{\"id\":1],2]", "{\"id\":1]", "2");
  assert_elements("[{\"id\":1,\"p\":[1,2}},2]", "{\"id\":1,\"p\":[1,2}}", "2");
  assert_elements("[\"a\nb\",\"\xff\",\\,2]", "\"a\nb\"", "\"\xff\"", "\\", "2");
}

static void append_space(struct random *random, struct buffer *out)
{
  for (unsigned n = random_below(random, 4); n; n--)
    buffer_append_char(out, " \t\r\n"[random_below(random, 4)]);
}

enum { MOST_ELEMENTS = 8 };

/* An array with white space anywhere around its elements, which are compact or
 * spread over lines; `values` takes their texts. Returns how many. */
static unsigned write_array(struct random *random, struct buffer *out, char *values[MOST_ELEMENTS])
{
  unsigned count = random_below(random, MOST_ELEMENTS + 1);
  append_space(random, out);
  buffer_append_char(out, '[');
  append_space(random, out);
  for (unsigned i = 0; i < count; i++) {
    json_t *value = random_value(random, RANDOM_DEPTH);
    if (random_below(random, 2)) {
      values[i] = json_dumps(value, JSON_ENCODE_ANY | JSON_INDENT(3) | JSON_REAL_PRECISION(17));
    } else {
      struct buffer text = {0};
      jsontext_write(&text, value);
      values[i] = buffer_take(&text);
    }
    json_decref(value);
    if (i) {
      buffer_append_char(out, ',');
      append_space(random, out);
    }
    buffer_append_text(out, values[i]);
    append_space(random, out);
  }
  buffer_append_char(out, ']');
  append_space(random, out);
  return count;
}

static void elements_of_random_arrays_are_what_was_put_in(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= RANDOM_ARRAYS; seed++) {
    struct random random = {seed};
    struct buffer out = {0};
    char *values[MOST_ELEMENTS];
    unsigned count = write_array(&random, &out, values);
    char *text = json_case_exact(out.data, out.size_bytes);
    struct elements elements;
    struct element element;
    struct json_fault fault;
    if (elements_open(&elements, text, out.size_bytes, &fault))
      fail_msg("seed %llu: %s", (unsigned long long)seed, fault.text);
    for (unsigned i = 0; i < count; i++) {
      if (!elements_next(&elements, &element) || element.size_bytes != strlen(values[i]) ||
          memcmp(element.text, values[i], element.size_bytes) ||
          element.text != text + element.position)
        fail_msg("seed %llu: element %u is not %s", (unsigned long long)seed, i, values[i]);
      json_t *value = jsontext_parse(element.text, element.size_bytes, &fault);
      if (!value)
        fail_msg("seed %llu: element %u: %s", (unsigned long long)seed, i, fault.text);
      json_decref(value);
      free(values[i]);
    }
    if (elements_next(&elements, &element))
      fail_msg("seed %llu: more than %u elements", (unsigned long long)seed, count);
    free(text);
    buffer_clear(&out);
  }
}

static bool is_space(char c)
{
  return memchr(" \t\r\n", c, 4) != NULL;
}

/* What any text at all may give: elements in order, inside the text, not empty,
 * without white space around them. */
static void assert_elements_inside(uint64_t seed, const char *text, size_t size)
{
  struct elements elements;
  struct element element;
  struct json_fault fault = {.position = SIZE_MAX};
  int64_t id;
  if (elements_open(&elements, text, size, &fault)) {
    if (fault.position > size)
      fail_msg("seed %llu: %s", (unsigned long long)seed, fault.text);
    assert_false(elements_next(&elements, &element));
  }
  size_t end = 0; /* of the element before */
  while (elements_next(&elements, &element)) {
    size_t start = element.position;
    if (start <= end || !element.size_bytes || start + element.size_bytes >= size ||
        element.text != text + start || is_space(text[start]) ||
        is_space(text[start + element.size_bytes - 1]))
      fail_msg("seed %llu: element at %zu, %zu bytes", (unsigned long long)seed, start,
               element.size_bytes);
    end = start + element.size_bytes;
    char *alone = json_case_exact(element.text, element.size_bytes);
    elements_find_id(alone, element.size_bytes, &id);
    json_decref(jsontext_parse(alone, element.size_bytes, NULL));
    free(alone);
  }
  elements_find_id(text, size, &id);
}

static void mutated_arrays_never_give_an_element_outside_the_text(void **state)
{
  (void)state;
  static const char biting[] = "[]{}\",\\:\x00 \n0\xff\xef";
  for (uint64_t seed = 1; seed <= RANDOM_ARRAYS; seed++) {
    struct random random = {seed};
    struct buffer out = {0};
    char *values[MOST_ELEMENTS];
    unsigned count = write_array(&random, &out, values);
    for (unsigned i = 0; i < count; i++)
      free(values[i]);
    for (unsigned n = 1 + random_below(&random, 6); n; n--)
      out.data[random_below(&random, (unsigned)out.size_bytes)] =
          biting[random_below(&random, sizeof biting - 1)];
    size_t size =
        random_below(&random, 4) ? out.size_bytes : random_below(&random, (unsigned)out.size_bytes);
    char *text = json_case_exact(out.data, size);
    assert_elements_inside(seed, text, size);
    free(text);
    buffer_clear(&out);
  }
}

static void noise_of_structural_bytes_never_crashes(void **state)
{
  (void)state;
  static const char noise[] = "[[]]{}\",,\\:i d1\"id\":";
  for (uint64_t seed = 1; seed <= 20000; seed++) {
    struct random random = {seed};
    size_t size = 2 + random_below(&random, 24);
    char *text = malloc(size);
    text[0] = '[';
    for (size_t i = 1; i + 1 < size; i++)
      text[i] = noise[random_below(&random, sizeof noise - 1)];
    text[size - 1] = ']';
    assert_elements_inside(seed, text, size);
    free(text);
  }
}

static void depth_and_number_cost_no_memory(void **state)
{
  (void)state;
  enum { DEEP = 1000000 };
  struct elements elements;
  struct element element;
  char *text = malloc(2 * DEEP + 2);
  memset(text, '[', DEEP);
  memset(text + DEEP, ']', DEEP);
  assert_int_equal(elements_open(&elements, text, 2 * DEEP, NULL), 0);
  assert_true(elements_next(&elements, &element));
  assert_int_equal(element.size_bytes, 2 * DEEP - 2);
  assert_false(elements_next(&elements, &element));

  for (size_t i = 0; i < DEEP; i++)
    memcpy(text + 2 * i, i ? ",7" : "[7", 2);
  text[2 * DEEP] = ']';
  assert_int_equal(elements_open(&elements, text, 2 * DEEP + 1, NULL), 0);
  int count = 0;
  while (elements_next(&elements, &element))
    count++;
  assert_int_equal(count, DEEP);
  free(text);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_not_one_array_is_refused_with_its_position),
      cmocka_unit_test(an_array_is_cut_at_its_own_commas_only),
      cmocka_unit_test(bad_elements_are_handed_on_as_they_are),
      cmocka_unit_test(elements_of_random_arrays_are_what_was_put_in),
      cmocka_unit_test(mutated_arrays_never_give_an_element_outside_the_text),
      cmocka_unit_test(noise_of_structural_bytes_never_crashes),
      cmocka_unit_test(depth_and_number_cost_no_memory),
  };
  return cmocka_run_group_tests_name("elements", tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json_case.h"
#include "random_value.h"

#include <stdlib.h>
#include <string.h>

/* Each value is made from a seed that a failure names. */
enum { RANDOM_VALUES = 5000, RANDOM_DEPTH = 5 };

static void a_real_reads_back_as_the_same_number(void **state)
{
  (void)state;
  uint64_t seed = 20261122;
  struct random random = {seed};
  for (int i = 0; i < 100000; i++) {
    double number;
    uint64_t bits = random_bits(&random);
    if (i % 4 == 0)
      bits &= 0x800fffffffffffffu; /* subnormal */
    memcpy(&number, &bits, sizeof number);
    if (!(number - number == 0)) /* infinite or not a number */
      continue;
    struct buffer out = {0};
    jsontext_write_real(&out, number);
    double back = strtod(buffer_text(&out), NULL);
    if (memcmp(&back, &number, sizeof number) || !strpbrk(out.data, ".e"))
      fail_msg("seed %llu, case %d: %a became %s", (unsigned long long)seed, i, number, out.data);
    buffer_clear(&out);
  }
}

static void random_values_survive_writing_and_parsing(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= RANDOM_VALUES; seed++) {
    struct random random = {seed};
    json_t *value = random_value(&random, RANDOM_DEPTH);
    char *text = json_case_written(value);
    struct json_fault fault;
    json_t *back = json_case_parse(text, strlen(text), &fault);
    if (!back)
      fail_msg("seed %llu: %s: %s", (unsigned long long)seed, fault.text, text);
    char *again = json_case_written(back);
    if (strcmp(text, again) || !json_equal(value, back) || !json_case_same_digest(value, back))
      fail_msg("seed %llu: %s became %s", (unsigned long long)seed, text, again);
    free(text);
    free(again);
    json_decref(value);
    json_decref(back);
  }
}

/* The same value written differently: members in reverse, integers as reals where
 * a double holds them. */
static json_t *rephrased(const json_t *value)
{
  if (json_is_integer(value)) {
    json_int_t number = json_integer_value(value);
    bool is_exact = number > -(1LL << 53) && number < 1LL << 53;
    return is_exact ? json_real((double)number) : json_integer(number);
  }
  if (json_is_array(value)) {
    json_t *array = json_array();
    for (size_t i = 0; i < json_array_size(value); i++)
      json_array_append_new(array, rephrased(json_array_get(value, i)));
    return array;
  }
  if (json_is_object(value)) {
    const char *keys[16];
    size_t n = 0;
    const char *key;
    json_t *member;
    json_object_foreach ((json_t *)value, key, member)
      keys[n++] = key;
    json_t *object = json_object();
    while (n--)
      json_object_set_new(object, keys[n], rephrased(json_object_get(value, keys[n])));
    return object;
  }
  return json_deep_copy(value);
}

static void a_rephrased_value_has_the_same_digest(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= RANDOM_VALUES; seed++) {
    struct random random = {seed};
    json_t *value = random_value(&random, RANDOM_DEPTH);
    json_t *other = rephrased(value);
    if (!json_case_same_digest(value, other))
      fail_msg("seed %llu: %s and %s differ", (unsigned long long)seed, json_case_written(value),
               json_case_written(other));
    json_decref(value);
    json_decref(other);
  }
}

/* Changes one place of the value, chosen at random. */
static json_t *changed(struct random *random, const json_t *value)
{
  json_t *copy = json_deep_copy(value);
  size_t size = json_is_array(copy) ? json_array_size(copy) : json_object_size(copy);
  unsigned chosen = size ? random_below(random, (unsigned)size + 1) : 0;
  if (json_is_array(copy) && chosen < size) {
    json_array_set_new(copy, chosen, changed(random, json_array_get(value, chosen)));
  } else if (json_is_array(copy)) {
    json_array_append_new(copy, json_null());
  } else if (json_is_object(copy) && chosen < size) {
    void *at = json_object_iter(copy);
    while (chosen--)
      at = json_object_iter_next(copy, at);
    json_object_iter_set_new(copy, at, changed(random, json_object_iter_value(at)));
  } else if (json_is_object(copy)) {
    json_object_set_new(copy, "one more member", json_true());
  } else if (json_is_integer(copy)) {
    json_integer_set(copy, json_integer_value(copy) ^ 1);
  } else if (json_is_string(copy)) {
    size_t bytes = json_string_length(copy);
    char *text = calloc(1, bytes + 1);
    memcpy(text, json_string_value(copy), bytes);
    json_string_setn(copy, text, bytes + 1); /* one NUL more */
    free(text);
  } else {
    bool is_true = json_is_true(copy);
    json_decref(copy); /* null, a boolean, a real */
    return is_true ? json_false() : json_true();
  }
  return copy;
}

static void a_changed_value_has_another_digest(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= RANDOM_VALUES; seed++) {
    struct random random = {seed};
    json_t *value = random_value(&random, RANDOM_DEPTH);
    json_t *other = changed(&random, value);
    if (json_case_same_digest(value, other))
      fail_msg("seed %llu: %s and %s", (unsigned long long)seed, json_case_written(value),
               json_case_written(other));
    json_decref(value);
    json_decref(other);
  }
}

static void mutated_bytes_never_crash_and_what_is_taken_is_exact(void **state)
{
  (void)state;
  static const char biting[] = "{}[]\",:\\u0+-.eE123456789abcdef\x00\x1f\x80\xc3\xff\n ";
  int taken = 0, refused = 0;
  for (uint64_t seed = 1; seed <= RANDOM_VALUES; seed++) {
    struct random random = {seed};
    json_t *value = random_value(&random, RANDOM_DEPTH);
    char *text = json_case_written(value);
    size_t size = strlen(text);
    json_decref(value);
    for (unsigned n = 1 + random_below(&random, 3); n; n--)
      text[random_below(&random, (unsigned)size)] =
          biting[random_below(&random, sizeof biting - 1)];
    struct json_fault fault = {.position = SIZE_MAX};
    json_t *back = json_case_parse(text, size, &fault);
    if (!back) {
      refused++;
      if (fault.position > size)
        fail_msg("seed %llu: %s", (unsigned long long)seed, fault.text);
    } else {
      taken++;
      char *first = json_case_written(back);
      json_t *again = json_case_parse(first, strlen(first), &fault);
      char *second = again ? json_case_written(again) : NULL;
      if (!second || strcmp(first, second))
        fail_msg("seed %llu: %s became %s", (unsigned long long)seed, first, second);
      free(first);
      free(second);
      json_decref(again);
      json_decref(back);
    }
    free(text);
  }
  assert_true(taken > 100 && refused > 1000); /* both ways were tried */
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_real_reads_back_as_the_same_number),
      cmocka_unit_test(random_values_survive_writing_and_parsing),
      cmocka_unit_test(a_rephrased_value_has_the_same_digest),
      cmocka_unit_test(a_changed_value_has_another_digest),
      cmocka_unit_test(mutated_bytes_never_crash_and_what_is_taken_is_exact),
  };
  return cmocka_run_group_tests_name("jsontext_random", tests, NULL, NULL);
}

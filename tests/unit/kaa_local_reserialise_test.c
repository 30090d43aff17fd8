/* Another text of the same value: what changes, and that the value does not. */
#include "reserialise.h"

#include "base/jsontext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *text, const char *wanted)
{
  json_t *value = jsontext_parse(text, strlen(text), NULL);
  struct buffer out = {0};
  reserialise(&out, value);
  assert_string_equal(buffer_text(&out), wanted);
  json_t *again = jsontext_parse(out.data, out.size_bytes, NULL);
  uint8_t before[JSONTEXT_DIGEST_BYTES], after[JSONTEXT_DIGEST_BYTES];
  jsontext_digest(value, before);
  jsontext_digest(again, after);
  assert_memory_equal(before, after, sizeof before);
  json_decref(value);
  json_decref(again);
  buffer_clear(&out);
}

static void reverses_members_at_every_depth(void **state)
{
  (void)state;
  check("{\"a\":{\"b\":true,\"c\":null},\"d\":[{\"e\":\"x\",\"f\":[]}]}",
        "{\"d\":[{\"f\":[],\"e\":\"x\"}],\"a\":{\"c\":null,\"b\":true}}");
  check("{}", "{}");
}

static void keeps_the_order_of_arrays(void **state)
{
  (void)state;
  check("[\"a\",[],{},\"b\"]", "[\"a\",[],{},\"b\"]");
}

static void turns_integers_and_whole_reals_around(void **state)
{
  (void)state;
  check("[0,1,-7]", "[0.0,1.0,-7.0]");
  check("[1.0,-7.0,1e3]", "[1,-7,1000]");
}

static void leaves_numbers_alone_that_would_change(void **state)
{
  (void)state;
  check("[9223372036854775807,-9223372036854775808,9007199254740993,0.5,1e300]",
        "[9223372036854775807,-9223372036854775808,9007199254740993,0.5,1e+300]");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reverses_members_at_every_depth),
      cmocka_unit_test(keeps_the_order_of_arrays),
      cmocka_unit_test(turns_integers_and_whole_reals_around),
      cmocka_unit_test(leaves_numbers_alone_that_would_change),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* host/faults.c: where the caret points to, and what is left of a long line. */
#include "host/faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *drawn(const char *message, const char *source, size_t columns)
{
  struct buffer out = {0};
  json_t *fault = json_pack("{s:s,s:i,s:s,s:s*}", "file", "x.lua", "line", 1, "message", message,
                            "source", source);
  assert_non_null(fault);
  faults_draw(fault, 2, columns, &out);
  json_decref(fault);
  return buffer_take(&out);
}

static void check(const char *message, const char *source, const char *expected)
{
  char *picture = drawn(message, source, 80);
  assert_string_equal(picture, expected);
  free(picture);
}

static void points_to_what_the_compiler_stumbled_over(void **state)
{
  (void)state;
  check("unexpected symbol near ')'", "  f(a, ) -- )", "    f(a, ) -- )\n              ^\n");
  check("'end' expected near <eof>", "return function(", "  return function(\n                  ^\n");
  check("unexpected symbol near 'x'", "prefix x", "  prefix x\n         ^\n");
}

static void points_to_the_key_that_is_faulty(void **state)
{
  (void)state;
  check("timeout: unknown key, did you mean \"timeout_s\"?", "  timeout = 2,",
        "    timeout = 2,\n    ^\n");
  check("params.slot.min: expected a number, got \"1\"", "slot = { type = 'integer', min = '1' },",
        "  slot = { type = 'integer', min = '1' },\n                             ^\n");
}

static void points_to_what_the_message_quotes(void **state)
{
  (void)state;
  check("attempt to call a nil value (global 'foo')", "\tlocal a = foo()",
        "   local a = foo()\n             ^\n");
  check("attempt to index a nil value (field 'b')", "return a.b.c", "  return a.b.c\n           ^\n");
}

static void points_to_the_beginning_where_it_knows_no_better(void **state)
{
  (void)state;
  check("out of luck", "  f()", "    f()\n    ^\n");
  check("about 'something else'", "f()", "  f()\n  ^\n");
  check("it's unbalanced", "f()", "  f()\n  ^\n");
  check("", "", "  \n  ^\n");
}

static void draws_nothing_without_a_source_line(void **state)
{
  (void)state;
  check("unknown key", NULL, "");
}

static void prints_what_steers_a_terminal_as_question_marks(void **state)
{
  (void)state;
  check("no: good", "a\x1b[2Jb", "  a?[2Jb\n  ^\n");
}

static void counts_characters_and_not_bytes(void **state)
{
  (void)state;
  check("unexpected symbol near '?'", "\"\xc3\xa4\xc3\xb6\" ?", "  \"\xc3\xa4\xc3\xb6\" ?\n       ^\n");
}

static size_t width(const char *line, size_t size)
{
  size_t count = 0;
  for (size_t i = 0; i < size; i++)
    count += ((unsigned char)line[i] & 0xc0) != 0x80;
  return count;
}

/* Wherever the caret is in a line of any length: neither line is too long, and the caret is below
 * the letter. */
static void cuts_a_long_line_around_the_caret(void **state)
{
  enum { COLUMNS = 30, LONGEST = 90 };
  (void)state;
  for (size_t size = 1; size <= LONGEST; size++)
    for (size_t at = 0; at <= size; at++) {
      char source[LONGEST + 1];
      memset(source, '.', size);
      source[size] = '\0';
      if (at < size)
        source[at] = 'x';
      char *picture = drawn(at < size ? "it is near 'x'" : "it is near <eof>", source, COLUMNS);
      const char *second = strchr(picture, '\n') + 1;
      size_t line = width(picture, (size_t)(second - picture) - 1);
      size_t caret = strcspn(second, "^");
      assert_in_range(line, 3, COLUMNS);
      assert_in_range(caret, 2, COLUMNS - 1);
      const char *x = at < size ? strchr(picture, 'x') : second - 1;
      assert_non_null(x);
      assert_int_equal(width(picture, (size_t)(x - picture)), caret);
      free(picture);
    }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(points_to_what_the_compiler_stumbled_over),
      cmocka_unit_test(points_to_the_key_that_is_faulty),
      cmocka_unit_test(points_to_what_the_message_quotes),
      cmocka_unit_test(points_to_the_beginning_where_it_knows_no_better),
      cmocka_unit_test(draws_nothing_without_a_source_line),
      cmocka_unit_test(prints_what_steers_a_terminal_as_question_marks),
      cmocka_unit_test(counts_characters_and_not_bytes),
      cmocka_unit_test(cuts_a_long_line_around_the_caret),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

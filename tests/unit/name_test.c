#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kp/name.h"

#include <string.h>

static bool is_type(const char *text)
{
  return name_is_type(text, strlen(text));
}

static bool is_level(const char *text)
{
  return name_is_level(text, strlen(text));
}

static void types_in_real_use_are_types(void **state)
{
  (void)state;
  static const char *const types[] = {"reboot", "close-door", "turn_off", "OUTPUT_SWITCH", "a",
                                      "_",      "-",          "4g",       "1-2",           "0x1",
                                      "STATUS", "Error",      "status_",  "statuserror"};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (!is_type(types[i]))
      fail_msg("'%s' should be a type", types[i]);
}

static void other_texts_are_no_types(void **state)
{
  (void)state;
  static const char *const texts[] = {"",   "42",    "0",   "status", "error", "a b", "a/b",
                                      "a+", "#",     "a.b", "..",     "é",     "a\n", "\x7f",
                                      "$a", "a\xff", "a:b", "@",      "[",     "`",   "{"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    if (is_type(texts[i]))
      fail_msg("'%s' should be no type", texts[i]);
  assert_false(name_is_type("a\0b", 3));
  assert_true(name_is_type("statusx", 7));
  assert_false(name_is_type("statusx", 6)); /* the size ends it, not a NUL */
}

static void a_type_has_at_most_64_bytes(void **state)
{
  (void)state;
  char text[66];
  memset(text, 'a', sizeof text);
  assert_true(name_is_type(text, 64));
  assert_false(name_is_type(text, 65));
}

static void levels_of_a_path_are_levels(void **state)
{
  (void)state;
  static const char *const levels[] = {"JTjdbENzHh", "demo-v1", "cex", "a b", "$x",
                                       "a.b",        "Zürich",  "😀",   "42"};
  for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
    if (!is_level(levels[i]))
      fail_msg("'%s' should be a level", levels[i]);
}

static void what_would_change_a_path_is_no_level(void **state)
{
  (void)state;
  static const char *const texts[] = {
      "",       "/",    "a/b",       "a/",   "+",    "a+",           "#",       "a#b", "a\n", "\t",
      "\x1b[m", "\x7f", "a\xc2\x85", "\xff", "\xc3", "\xed\xa0\x80", "\xc0\xaf"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    if (is_level(texts[i]))
      fail_msg("'%s' should be no level", texts[i]);
  assert_false(name_is_level("a\0", 2));
}

static void a_level_has_at_most_128_bytes(void **state)
{
  (void)state;
  char text[129];
  memset(text, 'a', sizeof text);
  assert_true(name_is_level(text, 128));
  assert_false(name_is_level(text, 129));
}

static void keys_of_metadata_have_letters_digits_and_underscores(void **state)
{
  (void)state;
  static const char *const bad[] = {"", "a-b", "a b", "a.b", "\xc3\xa9", "a\n"};
  assert_true(name_is_metadata_key("aZ_09", 5));
  assert_true(name_is_metadata_key("7", 1));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (name_is_metadata_key(bad[i], strlen(bad[i])))
      fail_msg("'%s' should be no key", bad[i]);
  assert_false(name_is_metadata_key("a\0", 2));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(types_in_real_use_are_types),
      cmocka_unit_test(other_texts_are_no_types),
      cmocka_unit_test(a_type_has_at_most_64_bytes),
      cmocka_unit_test(levels_of_a_path_are_levels),
      cmocka_unit_test(what_would_change_a_path_is_no_level),
      cmocka_unit_test(a_level_has_at_most_128_bytes),
      cmocka_unit_test(keys_of_metadata_have_letters_digits_and_underscores),
  };
  return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}

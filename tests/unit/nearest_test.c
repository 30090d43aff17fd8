/* base/nearest.c: as kaa.suggest in Lua (tests/spec/suggest_spec.lua). */
#include "base/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"summary", "needs",      "settings", "params",
                                    "timeout_s", "memory_mib", "run"};

static const char *nearest(const char *word)
{
  return nearest_name(word, names, sizeof names / sizeof *names);
}

static void finds_the_nearest_name(void **state)
{
  static const char *const cases[][2] = {
      {"sumary", "summary"},     {"settngs", "settings"},    {"param", "params"},
      {"parmas", "params"},      {"timeout", "timeout_s"},   {"memory", "memory_mib"},
      {"memory_mb", "memory_mib"}, {"rnu", "run"},           {"Run", "run"},
      {"TIMEOUT_S", "timeout_s"}, {"nees", "needs"},         {"run", "run"},
      {"timeout_seconds", "timeout_s"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_non_null(nearest(cases[i][0]));
    assert_string_equal(nearest(cases[i][0]), cases[i][1]);
  }
}

static void stays_silent_where_nothing_is_near(void **state)
{
  static const char *const words[] = {"colour", "x", "", "id", "handler", "ti"};
  char longest[1001];
  (void)state;
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    assert_null(nearest(words[i]));
  memset(longest, 's', sizeof longest - 1);
  longest[sizeof longest - 1] = '\0';
  assert_null(nearest(longest));
  assert_null(nearest_name("run", NULL, 0));
  assert_null(nearest_name("summary", (const char *const[]){longest}, 1));
}

static void prefers_fewer_slips_then_the_first(void **state)
{
  const char *const near[] = {"token", "taken"}, *const tokens[] = {"token_file", "tokens"};
  (void)state;
  assert_string_equal(nearest_name("taken", near, 2), "taken");
  assert_string_equal(nearest_name("tken", near, 2), "token");
  assert_string_equal(nearest_name("tokns", tokens, 2), "tokens");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_the_nearest_name),
      cmocka_unit_test(stays_silent_where_nothing_is_near),
      cmocka_unit_test(prefers_fewer_slips_then_the_first),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

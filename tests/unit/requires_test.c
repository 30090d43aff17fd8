/* Which change of a library changes a handler: by what its source requires. */
#include "supervision/requires.h"

#include "supervision/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The hash of a source beside libraries given as module, text, …, NULL. */
static uint64_t hash_of(const char *source, ...)
{
  struct library *library = library_create();
  va_list all;
  va_start(all, source);
  for (const char *module; (module = va_arg(all, const char *));) {
    const char *text = va_arg(all, const char *);
    library_add(library, module, module, text, strlen(text));
  }
  va_end(all);
  uint64_t hash = requires_hash(source, strlen(source), library);
  library_drop(library);
  return hash;
}

static bool is_touched_by_valve(const char *source)
{
  return hash_of(source, "lamp", "a", "valve", "b", NULL) !=
         hash_of(source, "lamp", "a", "valve", "c", NULL);
}

static void a_name_behind_require_is_a_dependency(void **unused)
{
  (void)unused;
  static const char *const sources[] = {
      "local v = require 'valve'",
      "local v = require \"valve\"",
      "local v = require('valve').new()",
      "local v = require (  \"valve\" )",
      "local v = require[[valve]]",
      "local v = require [==[valve]==]",
      "local v = require -- which\n 'valve'",
      "local v = require --[[ a\n comment ]] ( --[==[ ]] ]==] 'valve')",
      "return function() return require'valve'end",
      "x = a--b\n require 'valve'",
      "local s = \"\\\"\" local v = require 'valve'",
      "local s = 'it\\'s' local v = require 'valve'",
  };
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
    if (!is_touched_by_valve(sources[i]))
      fail_msg("not touched: %s", sources[i]);
}

static void a_source_that_does_not_require_it_is_not_touched(void **unused)
{
  (void)unused;
  static const char *const sources[] = {
      "return function() end",
      "local l = require 'lamp'",
      "-- require 'valve'\nreturn 1",
      "--[[ require 'valve' ]] return 1",
      "--[==[ require 'valve' ]] require 'valve' ]==] return 1",
      "local required, requires = 'valve', \"valve\"",
      "local my_require = 1",
      "return 400, 'valve: this field is required'",
      "local t = a[b[1]] return 'valve'",
      "local l = require 'lamp' .. 'valve'",
      "",
  };
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
    if (is_touched_by_valve(sources[i]))
      fail_msg("touched: %s", sources[i]);
}

static void what_cannot_be_told_depends_on_all(void **unused)
{
  (void)unused;
  static const char *const sources[] = {
      "local r = require",
      "local v = require(name)",
      "local v = require('val' .. 've')",
      "local v = require 'val\\118e'",
      "local ok, v = pcall(require, 'valve')",
      "local v = _G['req' .. 'uire']('valve')",
      "local v = _ENV[x]('valve')",
      "local v = load(text)()",
      "local v = t['require'] 'valve'",
      "local s = [[return require 'valve']]",
      "local v = require",
      "local v = require(",
  };
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
    if (!is_touched_by_valve(sources[i]))
      fail_msg("not touched: %s", sources[i]);
}

static void what_a_library_requires_counts_for_those_that_require_it(void **unused)
{
  (void)unused;
  const char *source = "require 'a'";
  uint64_t before = hash_of(source, "a", "require 'b'", "b", "require 'c'", "c", "1", "d", "1",
                            NULL);
  assert_true(before != hash_of(source, "a", "require 'b'", "b", "require 'c'", "c", "2", "d", "1",
                                NULL));
  assert_true(before == hash_of(source, "a", "require 'b'", "b", "require 'c'", "c", "1", "d", "2",
                                NULL));
}

static void libraries_that_require_each_other_are_read_once(void **unused)
{
  (void)unused;
  uint64_t before = hash_of("require 'a'", "a", "require 'b'", "b", "require 'a'", NULL);
  assert_true(before != hash_of("require 'a'", "a", "require 'b'", "b", "require 'a' ", NULL));
  assert_true(before == hash_of("require 'a'", "a", "require 'b'", "b", "require 'a'", NULL));
}

static void a_named_library_that_is_new_or_gone_counts(void **unused)
{
  (void)unused;
  uint64_t without = hash_of("require 'valve'", "lamp", "1", NULL);
  assert_true(without != hash_of("require 'valve'", "lamp", "1", "valve", "", NULL));
  assert_true(without == hash_of("require 'valve'", "lamp", "2", NULL));
  assert_true(without == hash_of("require 'valve'", "other", "1", NULL));
}

static void the_source_itself_counts(void **unused)
{
  (void)unused;
  assert_true(hash_of("return 1", NULL) != hash_of("return 2", NULL));
  assert_true(hash_of("return 1", NULL) == hash_of("return 1", NULL));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_name_behind_require_is_a_dependency),
      cmocka_unit_test(a_source_that_does_not_require_it_is_not_touched),
      cmocka_unit_test(what_cannot_be_told_depends_on_all),
      cmocka_unit_test(what_a_library_requires_counts_for_those_that_require_it),
      cmocka_unit_test(libraries_that_require_each_other_are_read_once),
      cmocka_unit_test(a_named_library_that_is_new_or_gone_counts),
      cmocka_unit_test(the_source_itself_counts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

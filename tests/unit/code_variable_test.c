/* Variables that make a program run other code than its own. */
#include "base/code_variable.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void variables_that_load_code_are_known_with_and_without_a_value(void **state)
{
  (void)state;
  static const char *const names[] = {
      "LD_PRELOAD", "LD_LIBRARY_PATH=/tmp", "PATH", "PATH=", "BASH_ENV=/tmp/x", "ENV",
      "BASH_FUNC_echo%%=() { :; }", "GCONV_PATH=.", "PYTHONPATH", "PERL5OPT=-Mx", "LUA_INIT_5_4",
      "SYSTEMD_PAGER=/tmp/x",
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!code_variable_is(names[i]))
      fail_msg("%s is not known", names[i]);
}

static void others_are_left_alone(void **state)
{
  (void)state;
  static const char *const names[] = {
      "LANG=C", "LC_ALL", "TZ=UTC", "HOME=/", "LD", "PATHS=LD_PRELOAD", "MANPATH", "ENVIRONMENT",
      "X=PATH", "", "=LD_PRELOAD", "LDAP=1", "EDITORS",
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (code_variable_is(names[i]))
      fail_msg("%s is refused", names[i]);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(variables_that_load_code_are_known_with_and_without_a_value),
      cmocka_unit_test(others_are_left_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A device's path: what is cut out of it, and what is refused. */
#include "device_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *text, const char *resource, uint32_t request_id)
{
  struct device_path path;
  struct error error;
  assert_int_equal(device_path_read(&path, text, &error), 0);
  assert_string_equal(path.app_version, "app-v1");
  assert_string_equal(path.extension, "cex");
  assert_string_equal(path.token, "T");
  assert_string_equal(path.resource, resource);
  assert_int_equal(path.request_id, request_id);
  device_path_clear(&path);
}

static void is_cut_into_its_levels(void **state)
{
  (void)state;
  check("kp1/app-v1/cex/T/command/reboot", "command/reboot", 0);
  check("kp1/app-v1/cex/T/command/reboot/1", "command/reboot", 1);
  check("kp1/app-v1/cex/T/command/reboot/2147483647", "command/reboot", INT32_MAX);
  check("kp1/app-v1/cex/T/command/42", "command", 42);
  check("kp1/app-v1/cex/T/42", "", 42);
  check("kp1/app-v1/cex/T/command/4a", "command/4a", 0);
}

static void tells_a_topic_of_answers(void **state)
{
  (void)state;
  const struct {
    const char *text;
    bool is_response;
  } cases[] = {{"kp1/a/cex/T/command/x/status", true},
               {"kp1/a/cex/T/command/x/1/error", true},
               {"kp1/a/cex/T/command/statuses", false}};
  for (size_t i = 0; i < 3; i++) {
    struct device_path path;
    assert_int_equal(device_path_read(&path, cases[i].text, NULL), 0);
    assert_int_equal(path.is_response, cases[i].is_response);
    device_path_clear(&path);
  }
}

static void refuses_what_is_no_path(void **state)
{
  (void)state;
  const char *const wrong[] = {
      "", "kp1", "kp1/a/cex/T", "kp1/a/cex/T/", "kp2/a/cex/T/x", "/kp1/a/cex/T/x", "kp1//cex/T/x",
      "kp1/a//T/x", "kp1/a/cex//x", "kp1/a/cex/T+/x", "kp1/a/cex/#/x", "kp1/a/cex/\x01/x",
      "kp1/a/cex/T/x/0", "kp1/a/cex/T/x/2147483648", "kp1/a/cex/T/x/99999999999999999999"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    struct device_path path;
    struct error error = {0};
    assert_true(device_path_read(&path, wrong[i], &error) < 0);
    assert_true(error.text[0]);
    device_path_clear(&path);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(is_cut_into_its_levels),
      cmocka_unit_test(tells_a_topic_of_answers),
      cmocka_unit_test(refuses_what_is_no_path),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

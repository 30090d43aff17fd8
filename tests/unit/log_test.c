#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Standard error goes into a pipe between capture() and captured(). */
struct capture {
  int saved;
  int pipe[2];
  char text[8192];
};

static void capture(struct capture *c)
{
  assert_int_equal(pipe2(c->pipe, O_CLOEXEC | O_NONBLOCK), 0);
  c->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  assert_true(c->saved >= 0);
  assert_int_equal(dup2(c->pipe[1], STDERR_FILENO), STDERR_FILENO);
}

static const char *captured(struct capture *c)
{
  assert_int_equal(dup2(c->saved, STDERR_FILENO), STDERR_FILENO);
  close(c->saved);
  close(c->pipe[1]);
  ssize_t n = read(c->pipe[0], c->text, sizeof c->text - 1);
  close(c->pipe[0]);
  assert_true(n >= 0);
  c->text[n] = '\0';
  return c->text;
}

/* What follows the stamp, which is checked to be one: 2026-11-22T18:02:52.123Z. */
static const char *behind_stamp(const char *line)
{
  static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
  for (size_t i = 0; i < sizeof shape - 1; i++) {
    if (shape[i] == 'd')
      assert_in_range(line[i], '0', '9');
    else
      assert_int_equal(line[i], shape[i]);
  }
  return line + sizeof shape - 1;
}

#define assert_line(expected, ...)                                                                 \
  do {                                                                                             \
    struct capture c_;                                                                             \
    capture(&c_);                                                                                  \
    log_info(__VA_ARGS__);                                                                         \
    assert_string_equal(behind_stamp(captured(&c_)), expected);                                    \
  } while (0)

static void a_line_is_stamp_level_tag_event_and_pairs(void **state)
{
  (void)state;
  assert_line("info  mqtt    connected url=mqtt://127.0.0.1:1883 n=-5\n", "mqtt", "connected",
              "url", "mqtt://127.0.0.1:1883", "n", LOG_NUMBER(-5));
  assert_line("info  core    started\n", "core", "started");
  assert_line("info  core    started b=2\n", "core", "started", "a", "", "b", "2");
}

static void external_text_cannot_break_a_line_or_steer_a_terminal(void **state)
{
  (void)state;
  assert_line("info  t       e k=a\\nb\n", "t", "e", "k", "a\nb");
  assert_line("info  t       e k=\\x1b[31mred\\x07\n", "t", "e", "k", "\x1b[31mred\a");
  assert_line("info  t       e k=\\x7f\\x0d\\x09\n", "t", "e", "k", "\x7f\r\t");
  assert_line("info  t       e k=\\xc2\\x9b31m\n", "t", "e", "k",
              "\xc2\x9b"
              "31m"); /* CSI */
  assert_line("info  t       e k=\\xff\\xc3\n", "t", "e", "k", "\xff\xc3");
  assert_line("info  t       e k=Zürich→😀\n", "t", "e", "k", "Zürich→😀");
  assert_line("info  t       two\\nlines\n", "t", "two\nlines");
}

static void a_value_cannot_pass_for_another_pair(void **state)
{
  (void)state;
  assert_line("info  t       e k=\"a b\"\n", "t", "e", "k", "a b");
  assert_line("info  t       e k=\"a=b\"\n", "t", "e", "k", "a=b");
  assert_line("info  t       e k=\"a\\\" x=1\"\n", "t", "e", "k", "a\" x=1");
  assert_line("info  t       e k=\"\\\\n\"\n", "t", "e", "k", "\\n");
}

static void a_long_value_is_cut_at_a_character(void **state)
{
  (void)state;
  char value[301];
  memset(value, 'a', sizeof value - 1);
  value[300] = '\0';
  char expected[400];
  snprintf(expected, sizeof expected, "info  t       e k=\"%.256s… (300 bytes)\"\n", value);
  assert_line(expected, "t", "e", "k", value);

  memcpy(value + 254, "😀", 4); /* bytes 254 to 257 */
  snprintf(expected, sizeof expected, "info  t       e k=\"%.254s… (300 bytes)\"\n", value);
  assert_line(expected, "t", "e", "k", value);
}

static void a_token_shows_its_first_four_characters(void **state)
{
  (void)state;
  static const char *const tokens[][2] = {
      {"JTjdbENzHh", "JTjd…"},
      {"123456789", "1234…"},
      {"12345678", "1234…"},
      {"device-1", "devi…"},
      {"1234", "12…"},
      {"abc", "a…"},
      {"a", "…"},
      {"", "…"},
      {"äöüäöüäöü", "äö…"},
      {"aöüäöüäöü", "aö…"},
  };
  for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
    assert_string_equal(LOG_TOKEN(tokens[i][0]), tokens[i][1]);
  assert_line("info  t       e token=JTjd…\n", "t", "e", "token", LOG_TOKEN("JTjdbENzHh"));
}

static void what_is_below_the_level_is_not_written(void **state)
{
  (void)state;
  struct capture c;
  capture(&c);
  log_set_level(LOG_LEVEL_WARN);
  log_debug("t", "no");
  log_info("t", "no");
  log_warn("t", "yes");
  log_error("t", "yes");
  log_set_level(LOG_LEVEL_INFO);
  const char *text = captured(&c);
  const char *second = strchr(text, '\n') + 1;
  assert_memory_equal(behind_stamp(text), "warn  t       yes\n", 18);
  assert_string_equal(behind_stamp(second), "error t       yes\n");
}

static void a_level_has_a_name(void **state)
{
  (void)state;
  static const char *const names[] = {"debug", "info", "warn", "error"};
  for (int i = 0; i < 4; i++) {
    enum log_level level = LOG_LEVEL_DEBUG;
    assert_int_equal(log_parse_level(names[i], &level), 0);
    assert_int_equal(level, i);
  }
  enum log_level level;
  assert_int_equal(log_parse_level("loud", &level), -EINVAL);
  assert_int_equal(log_parse_level("", &level), -EINVAL);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_line_is_stamp_level_tag_event_and_pairs),
      cmocka_unit_test(external_text_cannot_break_a_line_or_steer_a_terminal),
      cmocka_unit_test(a_value_cannot_pass_for_another_pair),
      cmocka_unit_test(a_long_value_is_cut_at_a_character),
      cmocka_unit_test(a_token_shows_its_first_four_characters),
      cmocka_unit_test(what_is_below_the_level_is_not_written),
      cmocka_unit_test(a_level_has_a_name),
  };
  return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}

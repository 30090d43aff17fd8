#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kp/topic.h"

#include <stdio.h>
#include <string.h>

static const struct topic_scheme scheme = {"demo-v1", "cex", "dcx", "epmx"};

static void requests_are_written_as_topics(void **state)
{
  (void)state;
  static const struct {
    enum topic_kind kind;
    const char *type;
    uint32_t request_id;
    const char *topic;
  } rows[] = {
      {TOPIC_COMMAND, "reboot", 0, "kp1/demo-v1/cex/T1/command/reboot"},
      {TOPIC_COMMAND, "reboot", 42, "kp1/demo-v1/cex/T1/command/reboot/42"},
      {TOPIC_RESULT, "turn_off", 2147483647, "kp1/demo-v1/cex/T1/result/turn_off/2147483647"},
      {TOPIC_TELEMETRY, NULL, 7, "kp1/demo-v1/dcx/T1/json/7"},
      {TOPIC_TELEMETRY, NULL, 0, "kp1/demo-v1/dcx/T1/json"},
      {TOPIC_METADATA, NULL, 7, "kp1/demo-v1/epmx/T1/update/keys/7"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct buffer out = {0};
    topic_write(&out, &scheme, rows[i].kind, "T1", rows[i].type, rows[i].request_id);
    assert_string_equal(buffer_text(&out), rows[i].topic);
    struct topic_response response; /* a request echoed by a plain broker is no response */
    assert_false(topic_read(&scheme, buffer_text(&out), &response));
    buffer_clear(&out);
  }
}

static void responses_and_pushes_are_read(void **state)
{
  (void)state;
  static const struct {
    const char *topic;
    enum topic_kind kind;
    const char *token;
    const char *type;
    uint32_t request_id;
    bool is_error;
  } rows[] = {
      {"kp1/demo-v1/cex/T1/command/reboot/status", TOPIC_COMMAND, "T1", "reboot", 0, false},
      {"kp1/demo-v1/cex/T1/command/reboot/error", TOPIC_COMMAND, "T1", "reboot", 0, true},
      {"kp1/demo-v1/cex/T1/command/reboot/1/status", TOPIC_COMMAND, "T1", "reboot", 1, false},
      {"kp1/demo-v1/cex/T1/command/reboot/1/error", TOPIC_COMMAND, "T1", "reboot", 1, true},
      {"kp1/demo-v1/cex/T1/command/RESET_ALL/status", TOPIC_COMMAND, "T1", "RESET_ALL", 0, false},
      {"kp1/demo-v1/cex/T1/command/status_/2147483647/status", TOPIC_COMMAND, "T1", "status_",
       2147483647, false},
      {"kp1/demo-v1/cex/T1/command/a/0/status", TOPIC_COMMAND, "T1", "a", 0, false},
      {"kp1/demo-v1/cex/T1/command/a/00000000000017/status", TOPIC_COMMAND, "T1", "a", 17, false},
      {"kp1/demo-v1/cex/command/command/result/status", TOPIC_COMMAND, "command", "result", 0,
       false},
      {"kp1/demo-v1/cex/Zürich 2/result/a/9/status", TOPIC_RESULT, "Zürich 2", "a", 9, false},
      {"kp1/demo-v1/cex/T1/result/a/status", TOPIC_RESULT, "T1", "a", 0, false},
      {"kp1/demo-v1/cex/T1/result/a/9/error", TOPIC_RESULT, "T1", "a", 9, true},
      {"kp1/demo-v1/cex/T1/result/a/error", TOPIC_RESULT, "T1", "a", 0, true},
      {"kp1/demo-v1/dcx/T1/json/status", TOPIC_TELEMETRY, "T1", NULL, 0, false},
      {"kp1/demo-v1/dcx/T1/json/3/status", TOPIC_TELEMETRY, "T1", NULL, 3, false},
      {"kp1/demo-v1/dcx/T1/json/3/error", TOPIC_TELEMETRY, "T1", NULL, 3, true},
      {"kp1/demo-v1/dcx/T1/json/error", TOPIC_TELEMETRY, "T1", NULL, 0, true},
      {"kp1/demo-v1/epmx/T1/update/keys/5/status", TOPIC_METADATA, "T1", NULL, 5, false},
      {"kp1/demo-v1/epmx/T1/update/keys/5/error", TOPIC_METADATA, "T1", NULL, 5, true},
      {"kp1/demo-v1/epmx/T1/update/keys/error", TOPIC_METADATA, "T1", NULL, 0, true},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct topic_response r;
    if (!topic_read(&scheme, rows[i].topic, &r))
      fail_msg("%s was not read", rows[i].topic);
    assert_int_equal(r.kind, rows[i].kind);
    assert_int_equal(r.token_bytes, strlen(rows[i].token));
    assert_memory_equal(r.token, rows[i].token, r.token_bytes);
    assert_int_equal(r.type_bytes, rows[i].type ? strlen(rows[i].type) : 0);
    if (rows[i].type)
      assert_memory_equal(r.type, rows[i].type, r.type_bytes);
    else
      assert_null(r.type);
    assert_int_equal(r.request_id, rows[i].request_id);
    assert_int_equal(r.is_error, rows[i].is_error);
  }
}

static void other_topics_are_not_ours(void **state)
{
  (void)state;
  static const char *const topics[] = {
      "",
      "/",
      "kp1",
      "kp1/",
      "kp1/demo-v1",
      "kp1/demo-v1/",
      "kp1/demo-v1/cex",
      "kp1/demo-v1/cex/T1",
      "kp1/demo-v1/cex/T1/command",
      "kp1/demo-v1/cex/T1/command/",
      "kp1/demo-v1/cex/T1/command/a",
      "kp1/demo-v1/cex/T1/command/a/",
      "kp1/demo-v1/cex/T1/command/a/1",
      "kp1/demo-v1/cex/T1/command/status",
      "kp1/demo-v1/cex/T1/command/error",
      "kp1/demo-v1/cex/T1/command/status/status",
      "kp1/demo-v1/cex/T1/command/error/1/status",
      "kp1/demo-v1/cex/T1/command/42/status",
      "kp1/demo-v1/cex/T1/command/42/43/status",
      "kp1/demo-v1/cex/T1/command//status",
      "kp1/demo-v1/cex/T1/command/a b/status",
      "kp1/demo-v1/cex/T1/command/a/status/",
      "kp1/demo-v1/cex/T1/command/a/status/x",
      "kp1/demo-v1/cex/T1/command/a/status/status",
      "kp1/demo-v1/cex/T1/command/a/1/2/status",
      "kp1/demo-v1/cex/T1/command/a/-1/status",
      "kp1/demo-v1/cex/T1/command/a/+1/status",
      "kp1/demo-v1/cex/T1/command/a/1x/status",
      "kp1/demo-v1/cex/T1/command/a//status",
      "kp1/demo-v1/cex/T1/command/a/2147483648/status",
      "kp1/demo-v1/cex/T1/command/a/4294967297/status",
      "kp1/demo-v1/cex/T1/command/a/18446744073709551617/status",
      "kp1/demo-v1/cex/T1/command/a/STATUS",
      "kp1/demo-v1/cex/T1/command/a/statusx",
      "kp1/demo-v1/cex/T1/command/a/stat",
      "kp1/demo-v1/cex/T1/commands/a/status",
      "kp1/demo-v1/cex//command/a/status",
      "kp1/demo-v1/cex/T+/command/a/status",
      "kp1/demo-v1/cex/T\x01/command/a/status",
      "kp1/demo-v1/cex/T\xff/command/a/status",
      "kp1/demo-v1/cex/T1/json/status",
      "kp1/demo-v1/cex/T1/update/keys/1/status",
      "kp1/demo-v1/dcx/T1/command/a/status",
      "kp1/demo-v1/dcx/T1/result/a/1/status",
      "kp1/demo-v1/dcx/T1/json",
      "kp1/demo-v1/dcx/T1/json/",
      "kp1/demo-v1/dcx/T1/json/a/status",
      "kp1/demo-v1/dcx/T1/json/1/2/status",
      "kp1/demo-v1/dcx/T1/plain/status",
      "kp1/demo-v1/epmx/T1/update/status",
      "kp1/demo-v1/epmx/T1/update/1/status",
      "kp1/demo-v1/epmx/T1/get/keys/1/status",
      "kp1/demo-v1/cmx/T1/config/json/status",
      "kp1/demo-v10/cex/T1/command/a/status",
      "kp1/demo-v/cex/T1/command/a/status",
      "kp1/demo-v2/cex/T1/command/a/status",
      "kp1/demo-v1/cex2/T1/command/a/status",
      "kp1/demo-v1/ce/T1/command/a/status",
      "kp2/demo-v1/cex/T1/command/a/status",
      "/kp1/demo-v1/cex/T1/command/a/status",
      "KP1/demo-v1/cex/T1/command/a/status",
      "kp1xdemo-v1/cex/T1/command/a/status",
      "kp1/demo-v1/cex/T1/commandxa/status",
  };
  for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
    struct topic_response response;
    if (topic_read(&scheme, topics[i], &response))
      fail_msg("%s was read", topics[i]);
  }
}

static void instance_names_are_configuration(void **state)
{
  (void)state;
  static const struct topic_scheme own = {"app.v2", "commands", "data", "meta"};
  struct buffer out = {0};
  topic_write(&out, &own, TOPIC_METADATA, "T", NULL, 0);
  assert_string_equal(buffer_text(&out), "kp1/app.v2/meta/T/update/keys");
  buffer_clear(&out);
  struct topic_response response;
  assert_true(topic_read(&own, "kp1/app.v2/commands/T/command/a/status", &response));
  assert_true(topic_read(&own, "kp1/app.v2/data/T/json/1/status", &response));
  assert_false(topic_read(&own, "kp1/app.v2/cex/T/command/a/status", &response));
}

static void the_filters_are_these_twelve(void **state)
{
  (void)state;
  static const char *const expected[TOPIC_FILTERS] = {
      "kp1/demo-v1/cex/T1/command/+/status",      "kp1/demo-v1/cex/T1/command/+/+/status",
      "kp1/demo-v1/cex/T1/command/+/error",       "kp1/demo-v1/cex/T1/command/+/+/error",
      "kp1/demo-v1/cex/T1/result/+/status",       "kp1/demo-v1/cex/T1/result/+/+/status",
      "kp1/demo-v1/cex/T1/result/+/error",        "kp1/demo-v1/cex/T1/result/+/+/error",
      "kp1/demo-v1/dcx/T1/json/+/status",         "kp1/demo-v1/dcx/T1/json/+/error",
      "kp1/demo-v1/epmx/T1/update/keys/+/status", "kp1/demo-v1/epmx/T1/update/keys/+/error",
  };
  for (int n = 0; n < TOPIC_FILTERS; n++) {
    struct buffer out = {0};
    topic_filter(&out, &scheme, "T1", n);
    assert_string_equal(buffer_text(&out), expected[n]);
    buffer_clear(&out);
  }
}

/* MQTT 3.1.1, 4.7.1: '+' stands for one whole level. */
static bool matches(const char *filter, const char *topic)
{
  for (; *filter; filter++) {
    if (*filter == '+') {
      topic += strcspn(topic, "/");
    } else if (*filter != *topic++) {
      return false;
    }
  }
  return !*topic;
}

static void every_response_to_a_request_passes_exactly_one_filter(void **state)
{
  (void)state;
  for (int kind = TOPIC_COMMAND; kind <= TOPIC_METADATA; kind++)
    for (int is_error = 0; is_error < 2; is_error++) {
      struct buffer topic = {0};
      const char *type = kind <= TOPIC_RESULT ? "reboot" : NULL;
      topic_write(&topic, &scheme, (enum topic_kind)kind, "T1", type, 12345);
      buffer_append_text(&topic, is_error ? "/error" : "/status");
      struct topic_response response;
      assert_true(topic_read(&scheme, buffer_text(&topic), &response));
      assert_int_equal(response.kind, kind);
      assert_int_equal(response.request_id, 12345);
      assert_int_equal(response.is_error, is_error);
      int passed = 0;
      for (int n = 0; n < TOPIC_FILTERS; n++) {
        struct buffer filter = {0};
        topic_filter(&filter, &scheme, "T1", n);
        passed += matches(buffer_text(&filter), buffer_text(&topic));
        buffer_clear(&filter);
      }
      assert_int_equal(passed, 1);
      buffer_clear(&topic);
    }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_are_written_as_topics),
      cmocka_unit_test(responses_and_pushes_are_read),
      cmocka_unit_test(other_topics_are_not_ours),
      cmocka_unit_test(instance_names_are_configuration),
      cmocka_unit_test(the_filters_are_these_twelve),
      cmocka_unit_test(every_response_to_a_request_passes_exactly_one_filter),
  };
  return cmocka_run_group_tests_name("topic", tests, NULL, NULL);
}

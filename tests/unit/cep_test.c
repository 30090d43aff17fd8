#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "kp/cep.h"
#include "random_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void a_command_has_its_id_and_the_digest_of_its_payload(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    int64_t id;
    bool has_payload;
    const char *payload;
  } rows[] = {
      {"{\"id\":1}", 1, false, NULL},
      {"{\"id\":9007199254740993,\"payload\":{\"a\":[1,2]}}", 9007199254740993, true,
       "{\"a\":[1,2]}"},
      {" { \"payload\" : 1.0 , \"id\" : -5 } ", -5, true, "1"},
      {"{\"id\":0,\"payload\":null}", 0, true, NULL},
      {"{\"id\":9223372036854775807,\"payload\":\"\"}", INT64_MAX, true, "\"\""},
      {"{\"id\":2,\"payload\":false,\"type\":\"x\",\"more\":{}}", 2, true, "false"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct cep_command command;
    struct cep_refusal refusal;
    if (cep_read_command(rows[i].text, strlen(rows[i].text), &command, &refusal))
      fail_msg("%s: %s", rows[i].text, refusal.reason);
    assert_true(command.id == rows[i].id);
    assert_int_equal(command.has_payload, rows[i].has_payload);
    json_t *payload =
        rows[i].payload ? jsontext_parse(rows[i].payload, strlen(rows[i].payload), NULL) : NULL;
    uint8_t digest[JSONTEXT_DIGEST_BYTES];
    jsontext_digest(payload, digest);
    assert_memory_equal(command.digest, digest, sizeof digest);
    json_decref(payload);
  }
}

static void a_refused_element_is_answered_where_its_id_is_readable(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    bool has_id;
    int64_t id;
    const char *reason;
  } rows[] = {
      {"{\"id\":7,\"payload\":0123}", true, 7,
       "Malformed command: position 19: invalid token near '0'"},
      {"{\"id\":7,\"payload\":+1}", true, 7,
       "Malformed command: position 19: invalid token near '+'"},
      {"{\"payload\":1e400,\"id\":7}", true, 7,
       "Malformed command: position 16: real number overflow near '1e400'"},
      {"{\"id\":7,\"payload\":99999999999999999999}", true, 7,
       "Malformed command: position 38: too big integer near '99999999999999999999'"},
      {"{\"id\":7,\"payload\":{\"a\":1,\"a\":2}}", true, 7,
       "Malformed command: position 28: duplicate object key near '\"a\"'"},
      {"{\"id\":7,\"payload\":\"\xff\"}", true, 7,
       "Malformed command: position 19: not valid UTF-8"},
      {"{\"id\":7,\"payload\":[1}}", true, 7,
       "Malformed command: position 21: ']' expected near '}'"},
      {"{\"id\":7,\"id\":8}", false, 0,
       "Malformed command: position 12: duplicate object key near '\"id\"'"},
      {"{\"id\":99999999999999999999}", false, 0,
       "Malformed command: position 26: too big integer near '99999999999999999999'"},
      {"nope", false, 0, "Malformed command: position 4: invalid token near 'nope'"},
      {"7", false, 0, "Malformed command: not an object"},
      {"[{\"id\":7}]", false, 0, "Malformed command: not an object"},
      {"null", false, 0, "Malformed command: not an object"},
      {"{}", false, 0, "Malformed command: no id"},
      {"{\"ID\":7}", false, 0, "Malformed command: no id"},
      {"{\"payload\":{\"id\":7}}", false, 0, "Malformed command: no id"},
      {"{\"id\":\"7\"}", false, 0, "Malformed command: id is not an integer"},
      {"{\"id\":7.0}", false, 0, "Malformed command: id is not an integer"},
      {"{\"id\":null}", false, 0, "Malformed command: id is not an integer"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct cep_command command;
    struct cep_refusal refusal;
    assert_int_equal(cep_read_command(rows[i].text, strlen(rows[i].text), &command, &refusal),
                     -EINVAL);
    assert_string_equal(refusal.reason, rows[i].reason);
    assert_int_equal(refusal.status, 400);
    assert_int_equal(refusal.has_id, rows[i].has_id);
    if (rows[i].has_id)
      assert_true(refusal.id == rows[i].id);
  }
}

static void depth_is_counted_with_the_command_around_the_payload(void **state)
{
  (void)state;
  for (size_t depth = 63; depth <= 64; depth++) {
    struct buffer text = {0};
    buffer_append_text(&text, "{\"id\":7,\"payload\":");
    for (size_t i = 0; i < depth; i++)
      buffer_append_char(&text, '[');
    for (size_t i = 0; i < depth; i++)
      buffer_append_char(&text, ']');
    buffer_append_char(&text, '}');
    struct cep_command command;
    struct cep_refusal refusal;
    int rc = cep_read_command(text.data, text.size_bytes, &command, &refusal);
    assert_int_equal(rc, depth == 63 ? 0 : -EINVAL);
    if (rc) {
      assert_string_equal(refusal.reason, "Malformed command: position 81: nested deeper than 64");
      assert_true(refusal.has_id && refusal.id == 7);
    }
    buffer_clear(&text);
  }
}

static void a_command_over_256_kb_is_413(void **state)
{
  (void)state;
  static const char head[] = "{\"id\":7,\"payload\":\"";
  for (size_t more = 0; more < 2; more++) {
    size_t size = JSONTEXT_MAX_BYTES + more;
    char *text = malloc(size);
    memset(text, 'x', size);
    memcpy(text, head, sizeof head - 1);
    memcpy(text + size - 2, "\"}", 2);
    struct cep_command command;
    struct cep_refusal refusal;
    int rc = cep_read_command(text, size, &command, &refusal);
    assert_int_equal(rc, more ? -EINVAL : 0);
    if (more) {
      assert_int_equal(refusal.status, 413);
      assert_string_equal(refusal.reason, "Command too large: 262145 bytes, limit 262144");
      assert_true(refusal.has_id && refusal.id == 7);
      memset(text + 2, 'I', 2); /* no id to be found */
      assert_int_equal(cep_read_command(text, size, &command, &refusal), -EINVAL);
      assert_int_equal(refusal.status, 413);
      assert_false(refusal.has_id);
    } else {
      assert_true(command.id == 7);
    }
    free(text);
  }
}

static void mutated_commands_never_crash_and_a_reason_is_plain(void **state)
{
  (void)state;
  static const char biting[] = "{}[]\",:\\di01-.e\x00\x1b\x80\xc2\x9b\xff";
  int refused = 0;
  for (uint64_t seed = 1; seed <= 5000; seed++) {
    struct random random = {seed};
    json_t *element = json_object();
    json_object_set_new(element, "id", json_integer((json_int_t)seed));
    json_object_set_new(element, "payload", random_value(&random, 3));
    struct buffer out = {0};
    jsontext_write(&out, element);
    json_decref(element);
    for (unsigned n = 1 + random_below(&random, 3); n; n--)
      out.data[random_below(&random, (unsigned)out.size_bytes)] =
          biting[random_below(&random, sizeof biting - 1)];
    char *text = malloc(out.size_bytes);
    memcpy(text, out.data, out.size_bytes);
    struct cep_command command;
    struct cep_refusal refusal;
    if (cep_read_command(text, out.size_bytes, &command, &refusal)) {
      refused++;
      char plain[sizeof refusal.reason];
      memcpy(plain, refusal.reason, sizeof plain);
      utf8_make_plain(plain, strlen(plain));
      if (refusal.status != 400 || strcmp(plain, refusal.reason) || !*plain)
        fail_msg("seed %llu: %d %s", (unsigned long long)seed, refusal.status, refusal.reason);
    }
    free(text);
    buffer_clear(&out);
  }
  assert_true(refused > 500);
}

static void assert_result(const char *expected, int64_t id, int status, const char *reason,
                          const char *payload)
{
  struct buffer out = {0};
  buffer_append_char(&out, '[');
  cep_write_result(&out, id, status, reason, payload, payload ? strlen(payload) : 0);
  assert_string_equal(buffer_text(&out) + 1, expected);
  json_t *value = jsontext_parse(out.data + 1, out.size_bytes - 1, NULL);
  assert_true(json_is_object(value));
  assert_string_equal(json_string_value(json_object_get(value, "reasonPhrase")), reason);
  json_decref(value);
  buffer_clear(&out);
}

static void a_result_is_one_object_behind_what_was_there(void **state)
{
  (void)state;
  assert_result("{\"id\":9007199254740993,\"statusCode\":200,\"reasonPhrase\":\"OK\","
                "\"payload\":{\"e\":[],\"o\":{},\"z\":null}}",
                9007199254740993, 200, "OK", "{\"e\":[],\"o\":{},\"z\":null}");
  assert_result("{\"id\":-9223372036854775808,\"statusCode\":409,\"reasonPhrase\":\"Slot taken\"}",
                INT64_MIN, 409, "Slot taken", NULL);
  assert_result("{\"id\":1,\"statusCode\":200,\"reasonPhrase\":\"OK\",\"payload\":null}", 1, 200,
                "OK", "null");
  assert_result("{\"id\":1,\"statusCode\":500,\"reasonPhrase\":\"\\\"a\\\\b\\u001b é😀\\n\"}", 1,
                500, "\"a\\b\x1b é😀\n", NULL);
  assert_result("{\"id\":1,\"statusCode\":500,\"reasonPhrase\":\"\"}", 1, 500, "", NULL);
}

static void an_error_object_gives_status_and_reason(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    int status;
    const char *reason;
  } rows[] = {
      {"{\"statusCode\":404,\"reasonPhrase\":\"Not Found\"}", 404, "Not Found"},
      {" {\"reasonPhrase\":\"é\",\"statusCode\":503,\"more\":1} ", 503, "é"},
      {"{\"statusCode\":400}", 400, ""},
      {"{\"statusCode\":400,\"reasonPhrase\":7}", 400, ""},
      {"{\"statusCode\":400,\"reasonPhrase\":\"two\\nlines\\u0000\\u001b[m\"}", 400,
       "two?lines??[m"},
      {"", 0, ""},
      {"gone", 0, "gone"},
      {"<html>\r\n\x1b[31m\xff\xc2\x9b", 0, "<html>???[31m???"},
      {"a\0b", 0, "a"},
      {"{}", 0, "{}"},
      {"[404]", 0, "[404]"},
      {"404", 0, "404"},
      {"{\"statusCode\":\"404\"}", 0, "{\"statusCode\":\"404\"}"},
      {"{\"statusCode\":404.0}", 0, "{\"statusCode\":404.0}"},
      {"{\"statusCode\":99}", 0, "{\"statusCode\":99}"},
      {"{\"statusCode\":600}", 0, "{\"statusCode\":600}"},
      {"{\"statusCode\":4294967696}", 0, "{\"statusCode\":4294967696}"},
      {"{\"statusCode\":404,\"statusCode\":500}", 0, "{\"statusCode\":404,\"statusCode\":500}"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    int status = -1;
    char reason[256];
    cep_read_error(rows[i].text, strlen(rows[i].text), &status, reason);
    assert_int_equal(status, rows[i].status);
    assert_string_equal(reason, rows[i].reason);
  }
  int status = -1;
  char reason[256] = "x";
  cep_read_error(NULL, 0, &status, reason); /* an empty MQTT payload */
  assert_int_equal(status, 0);
  assert_string_equal(reason, "");
}

static void a_long_reason_is_cut_at_a_character(void **state)
{
  (void)state;
  enum { LONG = 300 * 1024 };
  char *text = malloc(LONG + 64);
  char reason[256];
  int status;
  strcpy(text, "{\"statusCode\":400,\"reasonPhrase\":\"");
  for (int i = 0; i < 100; i++)
    strcat(text, "€€");
  strcat(text, "\"}");
  cep_read_error(text, strlen(text), &status, reason);
  assert_int_equal(status, 400);
  assert_int_equal(strlen(reason), 255); /* 85 of three bytes */
  assert_true(utf8_is_valid(reason, 255, NULL));

  text[0] = 'x';
  cep_read_error(text, strlen(text), &status, reason);
  assert_int_equal(status, 0);
  assert_int_equal(strlen(reason), 253); /* 34 bytes and 73 of three */
  memset(text, ' ', LONG);               /* a large one is not parsed */
  strcpy(text + LONG, "{\"statusCode\":400}");
  cep_read_error(text, strlen(text), &status, reason);
  assert_int_equal(status, 0);
  free(text);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_command_has_its_id_and_the_digest_of_its_payload),
      cmocka_unit_test(a_refused_element_is_answered_where_its_id_is_readable),
      cmocka_unit_test(depth_is_counted_with_the_command_around_the_payload),
      cmocka_unit_test(a_command_over_256_kb_is_413),
      cmocka_unit_test(mutated_commands_never_crash_and_a_reason_is_plain),
      cmocka_unit_test(a_result_is_one_object_behind_what_was_there),
      cmocka_unit_test(an_error_object_gives_status_and_reason),
      cmocka_unit_test(a_long_reason_is_cut_at_a_character),
  };
  return cmocka_run_group_tests_name("cep", tests, NULL, NULL);
}

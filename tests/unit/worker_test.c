/* A handler in the real worker: what is loaded, what is a fault, what each form
 * of return and of failure becomes, and that JSON passes through unchanged. */
#include "base/clock.h"
#include "worker_peer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXACT "{\"n\":1732290000123456,\"e\":[],\"o\":{},\"z\":null}"
/* 63 arrays: with the element around them as deep as it may be. */
#define DEEP ("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[0" \
  "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]")

static void a_contract_is_reported(void **state)
{
  (void)state;
  struct peer peer;
  peer_start(&peer);
  peer_send_version(&peer, "handler", "park.lua",
                    "return { summary = \"Parks\", needs = { exec = { \"/bin/x\" } }, timeout_s "
                    "= 2,\n"
                    "  memory_mib = 8, run = function() end, resume = print }", "{}");
  json_t *loaded = peer_expect_loaded(&peer);
  json_t *expected = json_pack("{s:[],s:{s:s,s:i,s:i,s:{s:[s]},s:i,s:b,s:s,s:b}}", "faults", "contract",
                               "summary", "Parks", "timeout_s", 2, "memory_mib", 8, "needs", "exec",
                               "/bin/x", "needs_line", 1, "run", 1, "on_interrupt", "resume", "resume", 1);
  assert_true(json_equal(loaded, expected));
  json_decref(expected);
  json_decref(loaded);
  peer_stop(&peer);
}

static void a_fault_has_its_line(void **state)
{
  (void)state;
  peer_expect_fault("local x = 1\nreturn { run = function() end, timeot_s = 3 }", "{}", 2,
                    "timeot_s: unknown key, did you mean \"timeout_s\"?");
  peer_expect_fault("local x\nx = = 1", "{}", 2, "unexpected symbol near '='");
  peer_expect_fault("\nerror('no luck')", "{}", 2, "no luck");
  peer_expect_fault("error({})", "{}", 0, "raised an error object that is no text");
  peer_expect_fault("\x1bLua", "{}", 0,
                    "attempt to load a binary chunk (mode is 't')");
  peer_expect_fault("\n\nx = 1\nreturn function() end", "{}", 3,
                    "assignment to the global 'x': write local x");
  peer_expect_fault("\nfunction park() end\nreturn park", "{}", 2,
                    "assignment to the global 'park': write local function park");
}

static void a_fault_shows_its_source_line(void **state)
{
  (void)state;
  struct peer peer;
  peer_start(&peer);
  peer_send_version(&peer, "handler", "park.lua", "#!/usr/bin/lua\n\nlocal s = \xff + nil\r\n",
      "{}");
  json_t *loaded = peer_expect_loaded(&peer);
  json_t *fault = json_array_get(json_object_get(loaded, "faults"), 0);
  assert_string_equal(json_string_value(json_object_get(fault, "file")), "park.lua");
  assert_int_equal(json_integer_value(json_object_get(fault, "line")), 3);
  assert_string_equal(json_string_value(json_object_get(fault, "source")),
                      "local s = \xef\xbf\xbd + nil");
  json_decref(loaded);
  peer_stop(&peer);
}

static void a_fault_has_its_column(void **state)
{
  static const struct {
    const char *source;
    int column; /* 0: it has none */
  } cases[] = {
      {"return { run = print, timeot_s = 3 }", 23},
      {"local x = = 1", 0},
      {"error 'plain'", 0},
      {"return { run = print, needs = { 'exec', 'wirte' } }", 41},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct peer peer;
    peer_start(&peer);
    peer_send_version(&peer, "handler", "park.lua", cases[i].source, "{}");
    json_t *loaded = peer_expect_loaded(&peer);
    const json_t *fault = json_array_get(json_object_get(loaded, "faults"), 0);
    assert_int_equal(json_integer_value(json_object_get(fault, "column")), cases[i].column);
    json_decref(loaded);
    peer_stop(&peer);
  }
}

static void a_setting_that_does_not_fit_is_named(void **state)
{
  (void)state;
  struct peer peer;
  peer_start(&peer);
  peer_send_version(&peer, "handler", "park.lua",
                    "return { settings = { pin = { type = \"integer\" } }, run = print }",
                    "{\"settings\":{\"pin\":\"x\"},\"is_placed\":true}");
  json_t *loaded = peer_expect_loaded(&peer);
  const json_t *fault = json_array_get(json_object_get(loaded, "faults"), 0);
  assert_string_equal(json_string_value(json_object_get(fault, "setting")), "settings.park.pin");
  assert_string_equal(json_string_value(json_object_get(fault, "message")),
                      "settings.park.pin: expected integer, got \"x\"");
  json_decref(loaded);
  peer_stop(&peer);
}

static void needs_stay_below_the_ceiling(void **state)
{
  static const char source[] = "return { needs = { exec = { '/bin/x' } }, run = print }";
  (void)state;
  peer_expect_fault(source, "{\"ceiling\":{}}", 1,
                    "needs.exec: \"exec\" is more than the configuration allows (nothing)");
  peer_expect_fault(source, "{\"ceiling\":{\"exec\":[\"/bin/y\"]}}", 1,
                    "needs.exec[1]: \"/bin/x\" is more than the configuration allows "
                    "(exec = { \"/bin/y\" })");
}

static void all_faults_come_together(void **state)
{
  (void)state;
  struct peer peer;
  peer_start(&peer);
  peer_send_version(&peer, "handler", "park.lua", "return { sumary = 'x', timeout_s = 'y' }", "{}");
  json_t *loaded = peer_expect_loaded(&peer);
  assert_int_equal(json_array_size(json_object_get(loaded, "faults")), 3);
  assert_null(json_object_get(loaded, "contract"));
  json_decref(loaded);
  peer_stop(&peer);
}

static void loading_does_not_act(void **state)
{
  (void)state;
  static const char *const calls[] = {"kaa.exec", "kaa.sleep", "kaa.telemetry", "kaa.metadata",
      "os.exit", "os.execute"};
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    char source[200], message[200];
    snprintf(source, sizeof source, "\n%s({ '/bin/true' })\nreturn function() end", calls[i]);
    snprintf(message, sizeof message, "%s acts: call it in run, not while the file loads",
        calls[i]);
    if (!strcmp(calls[i], "os.execute"))
      snprintf(source, sizeof source, "\nos.execute('true')\nreturn function() end");
    peer_expect_fault(source, "{}", 2, message);
  }
  peer_expect_fault("\nlocal s = kaa.settings", "{}", 2,
                    "kaa.settings has its defaults once the file is loaded: read it in run");
}

static void settings_have_their_defaults(void **state)
{
  (void)state;
  peer_expect_result("return { settings = { taken = { type = 'array', default = { 3 } },\n"
                     "  name = { type = 'string' } },\n"
                     "  run = function() return 200, 'OK', { kaa.settings.taken, "
                     "kaa.settings.name } end }",
                     "{\"settings\":{\"name\":\"north\"}}", NULL, 200, "OK",
                     "[[3],\"north\"]");
}

static void each_return_form_has_its_result(void **state)
{
  (void)state;
  static const struct {
    const char *statement;
    int64_t status;
    const char *reason;
    const char *payload;
  } cases[] = {
      {"", 200, "OK", NULL},
      {"return", 200, "OK", NULL},
      {"return nil", 200, "OK", NULL},
      {"return true", 200, "OK", NULL},
      {"return 200", 200, "OK", NULL},
      {"return 200.0, 'Fine'", 200, "Fine", NULL},
      {"return 409, 'Slot taken'", 409, "Slot taken", NULL},
      {"return 404", 404, "Not Found", NULL},
      {"return 409, ''", 409, "Conflict", NULL},
      {"return 409, ' \\u{85}\\r\\n '", 409, "Conflict", NULL},
      {"error('\\n', 0)", 500, "Internal Server Error", NULL},
      {"return 409, 'a\\u{2028}b\\u{2029}c\\u{85}d'", 409, "a b c d", NULL},
      {"error('a\\u{2028}b\\u{85}c', 0)", 500, "a b c", NULL},
      {"kaa.array('x')", 500, "park.lua:1: kaa.array takes a table, got a string; write: "
                              "kaa.array { … }", NULL},
      {"kaa.fail(409, 'x', 0/0)", 500, "park.lua:1: payload: NaN has no JSON form", NULL},
      {"return 200, 'OK', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11", 500,
       "park.lua:1: returned 13 values, a result has three; write: return 200, \"OK\", (payload)",
       NULL},
      {"return 200, nil, 'text'", 200, "OK", "\"text\""},
      {"return 200, 'OK', 0", 200, "OK", "0"},
      {"return 200, 'OK', false", 200, "OK", "false"},
      {"return 200, 'OK', ''", 200, "OK", "\"\""},
      {"return 200, 'OK', kaa.null", 200, "OK", "null"},
      {"return 200, 'OK', require('cjson').null", 200, "OK", "null"},
      {"return 200, 'OK', kaa.array {}", 200, "OK", "[]"},
      {"return 200, 'OK', {}", 200, "OK", "{}"},
      {"return 200, 'OK', { 1, 2.0, 'x' }", 200, "OK", "[1,2.0,\"x\"]"},
      {"return 200, 'a\\nb\\255', nil", 200, "a b\xef\xbf\xbd", NULL},
      {"return nil, 'no such pin'", 500, "no such pin", NULL},
      {"return false, 'no such pin', 3", 500, "no such pin", NULL},
      {"kaa.fail(409, 'Slot taken', { slot = 3 })", 409, "Slot taken", "{\"slot\":3}"},
      {"error { status = 403, reason = 'No' }", 403, "No", NULL},
      {"local x = nil + 1", 500, "park.lua:1: attempt to perform arithmetic on a nil value", NULL},
      {"error('plain', 0)", 500, "plain", NULL},
      {"error(17)", 500, "17", NULL},
      {"error(setmetatable({}, { __tostring = function() return 'shown' end }))", 500, "shown",
          NULL},
      {"coroutine.wrap(function() error('deep') end)()", 500, "park.lua:1: park.lua:1: deep", NULL},
      {"return 200, 'OK', { list = { 1, { x = print } } }", 500,
       "park.lua:1: payload.list[2].x: a function has no JSON form", NULL},
      {"return 200, 'OK', { 1, nil, 3 }", 500,
       "park.lua:1: payload: a list without element 2 (kaa.null keeps its place)", NULL},
      {"return 200, 'OK', { 1, a = 2 }", 500,
       "park.lua:1: payload: has names and list elements: JSON has "
       "either", NULL},
      {"return 200, 'OK', { ['a b'] = 0/0 }", 500,
       "park.lua:1: payload[\"a b\"]: NaN has no JSON form", NULL},
      {"return 200, 'OK', 1/0", 500,
       "park.lua:1: payload: an infinite number has no JSON form", NULL},
      {"return 200, 'OK', '\\255'", 500, "park.lua:1: payload: not valid UTF-8 at byte 1", NULL},
      {"return 200, 'OK', { [true] = 1 }", 500,
       "park.lua:1: payload: a key is a boolean: JSON has names, "
       "or a list from 1", NULL},
      {"return 200, 'OK', { [0] = 1 }", 500,
       "park.lua:1: payload: a key is an index below 1: JSON has "
       "names, or a list from 1", NULL},
      {"return 200, 'OK', ('x'):rep(262142)", 200, "OK", (const char *)-1},
      {"return 200, 'OK', ('x'):rep(262143)", 500, "Result too large: 262145 bytes, limit "
                                                   "262144", NULL},
      {"local t = {} for i = 1, 1e5 do t[i] = 1000 end return 200, 'OK', t", 500,
       "Result too large: 500001 bytes, limit 262144", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char source[400];
    snprintf(source, sizeof source, "return function(command) %s end", cases[i].statement);
    struct peer peer;
    peer_load(&peer, source, "{}");
    struct finished finished = peer_run(&peer, NULL);
    if (finished.status != cases[i].status || strcmp(finished.reason, cases[i].reason))
      fail_msg("%s: got %d %s", cases[i].statement, (int)finished.status, finished.reason);
    if (cases[i].payload == (const char *)-1)
      assert_int_equal(strlen(finished.payload), 262144);
    else if (!cases[i].payload != !finished.payload ||
             (finished.payload && strcmp(cases[i].payload, finished.payload)))
      fail_msg("%s: got payload %s", cases[i].statement, finished.payload);
    assert_false(finished.is_spent);
    finished_clear(&finished);
    peer_stop(&peer);
  }
}

static void what_is_no_result_names_the_line_to_write(void **state)
{
  (void)state;
  peer_expect_result("\nreturn function() return 'done' end", "{}", NULL, 500,
                     "park.lua:2: returned a string; write: return 200, \"OK\", \"…\"", NULL);
}

static void many_values_are_refused_at_once(void **state)
{
  (void)state;
  int64_t began_ms = clock_monotonic_ms();
  peer_expect_result("local t = {} for i = 1, 200000 do t[i] = i end\n"
                     "return function() return 200, 'OK', table.unpack(t) end", "{}", NULL, 500,
                     "park.lua:2: returned 200002 values, a result has three; write: "
                     "return 200, \"OK\", (payload)", NULL);
  assert_true(clock_monotonic_ms() - began_ms < 2000);
}

static void a_cycle_is_a_fault(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, "return function() local t = {} t.t = t return 200, 'OK', t end", "{}");
  struct finished finished = peer_run(&peer, NULL);
  assert_int_equal(finished.status, 500);
  assert_non_null(strstr(finished.reason, "payload.t.t.t"));
  finished_clear(&finished);
  peer_stop(&peer);
}

static void a_shared_table_does_not_grow_without_end(void **state)
{
  (void)state;
  peer_expect_result("return function() local t = { 'xxxxxxxx' }\n"
                     "for i = 1, 50 do t = { t, t } end return 200, 'OK', t end", "{}", NULL, 500,
                     "Result too large: over 67108864 bytes, limit 262144", NULL);
}

static void an_error_has_a_traceback(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, "local function deep() error('oh') end\nreturn function() deep() end", "{}");
  struct finished finished = peer_run(&peer, NULL);
  assert_string_equal(finished.reason, "park.lua:1: oh");
  assert_non_null(strstr(finished.trace, "park.lua:2: in function"));
  finished_clear(&finished);
  peer_stop(&peer);
}

/* Members come back in another order; the value is the same. */
static void expect_echo(struct peer *peer, const char *payload)
{
  struct finished finished = peer_run(peer, payload);
  assert_int_equal(finished.status, 200);
  json_t *sent = json_loads(payload, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
  json_t *back = json_loads(finished.payload, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
  assert_non_null(sent);
  if (!json_equal(sent, back))
    fail_msg("sent %s, got %s", payload, finished.payload);
  json_decref(sent);
  json_decref(back);
  finished_clear(&finished);
}

static void an_echo_is_exact(void **state)
{
  (void)state;
  static const char *const payloads[] = {
      EXACT, "0", "-1", "false", "true", "\"\"", "null", "[]", "{}", "3.0", "0.1", "-0.0", "1e300",
      "9223372036854775807", "-9223372036854775808", "9007199254740993",
          "[[],{},[null],{\"a\":[]}]",
      "\"\\u0000\\u001f\\u20ac\\ud83d\\ude00\\\"\\\\/\"",
          "{\"\":1,\"1\":2,\"a.b\":[0.30000000000000004]}",
      DEEP};
  struct peer peer;
  peer_load(&peer, "return function(c) return 200, 'OK', c.payload end", "{}");
  for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++)
    expect_echo(&peer, payloads[i]);
  struct finished finished = peer_run(&peer, NULL);
  assert_null(finished.payload);
  finished_clear(&finished);
  peer_stop(&peer);
}

static void random_values_survive(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, "return function(c) return 200, 'OK', c.payload end", "{}");
  unsigned seed = 20241122;
  for (int i = 0; i < 500; i++) {
    json_t *list = json_array();
    for (int j = 0; j < 8; j++) {
      seed = seed * 1103515245 + 12345;
      json_int_t number = (json_int_t)((uint64_t)seed << (seed % 33));
      json_array_append_new(list, j % 3 == 0 ? json_integer(j & 1 ? -number : number)
                                  : j % 3 == 1 ? json_real((double)number / 3)
                                               : json_pack("{s:[],s:I}", "e", "n", number));
    }
    char *text = json_dumps(list, JSON_REAL_PRECISION(17));
    expect_echo(&peer, text);
    free(text);
    json_decref(list);
  }
  peer_stop(&peer);
}

static void json_of_the_module_is_the_same(void **state)
{
  (void)state;
  peer_expect_result("return function(c) return 200, 'OK', "
                     "kaa.json.decode(kaa.json.encode(c.payload)) end",
                     "{}", "[1,2.0,[],null,9007199254740993]", 200, "OK",
                     "[1,2.0,[],null,9007199254740993]");
  peer_expect_result("return function(c) local v, why = kaa.json.decode('{\"a\":1,}') return "
                     "200, 'OK', { v == nil, why } end",
                     "{}", NULL, 200, "OK", "[true,\"position 8: string or '}' expected near "
                                            "'}'\"]");
  peer_expect_result("return function(c) return 200, kaa.json.encode { a = print } end", "{}",
      NULL, 500,
                     "park.lua:1: kaa.json.encode: value.a: a function has no JSON form", NULL);
}

static void a_command_has_its_fields(void **state)
{
  (void)state;
  peer_expect_result("return function(c) return 200, 'OK', { c.id, c.type, c.endpoint, "
                     "c.received_at,\n"
                     "c.payload == nil, kaa.endpoint, kaa.null == require('cjson').null } end",
                     "{}", NULL, 200, "OK",
                     "[7,\"park\",\"device-1\",1732290000.123,true,\"device-1\",true]");
}

static void a_payload_is_checked(void **state)
{
  (void)state;
  const char *source = "return { params = { slot = { type = 'integer', required = true, min = 1 "
                       "} },\n"
                       "  run = function(c) return 200, 'OK', c.payload.slot end }";
  peer_expect_result(source, "{}", "{\"slot\":2.0}", 200, "OK", "2");
  struct peer peer;
  peer_load(&peer, source, "{}");
  struct finished finished = peer_run(&peer, "{\"slot\":\"x\"}");
  assert_int_equal(finished.status, 400);
  assert_non_null(strstr(finished.reason, "slot: expected integer"));
  finished_clear(&finished);
  finished = peer_run(&peer, NULL);
  assert_int_equal(finished.status, 400);
  finished_clear(&finished);
  peer_stop(&peer);
}

static void commands_of_one_write_run_in_order(void **state)
{
  (void)state;
  enum { COMMANDS = 2000 };
  struct peer peer;
  struct buffer out = {0};
  peer_load(&peer, "local n = 0\nreturn function(c) n = n + 1 return 200, 'OK', { n, c.id } end",
            "{}");
  for (int i = 1; i <= COMMANDS; i++)
    peer_put_command(&out, i, "{\"id\":1}");
  peer_send(&peer, &out);
  buffer_clear(&out);
  for (int i = 1; i <= COMMANDS; i++) {
    char expected[40];
    struct finished finished = peer_expect_finished(&peer);
    snprintf(expected, sizeof expected, "[%d,%d]", i, i);
    assert_string_equal(finished.payload, expected);
    assert_int_equal(finished.job, i);
    assert_int_equal(peer.marks, i);
    finished_clear(&finished);
  }
  peer_stop(&peer);
}

static void libraries_are_found(void **state)
{
  (void)state;
  static const char *const libraries[] = {
      "valve", "local pump = require 'drivers.pump'\nreturn { open = function() return "
               "pump.on() end }",
      "drivers.pump", "local M = {}\nfunction M.on() return 'on' end\nreturn M",
      "broken", "local x\nx.y = 1", NULL};
  static const char source[] =
      "local valve = require 'valve'\n"
      "return function(c) local ok, why = pcall(require, 'valv')\n"
      "  local _, broken = pcall(require, 'broken')\n"
      "  return 200, 'OK', { valve.open(), why, broken, require 'kaa' == kaa, require 'valve' "
      "== valve } end";
  struct peer peer;
  peer_start(&peer);
  peer_send_libraries(&peer, source, libraries);
  json_decref(peer_expect_loaded(&peer));
  struct finished finished = peer_run(&peer, NULL);
  assert_string_equal(finished.payload,
                      "[\"on\",\"no library \\\"valv\\\" in lib/; a C module needs "
                      "\\\"native\\\", did you mean "
                      "\\\"valve\\\"?\",\"lib/broken.lua:2: attempt to index a nil value (local "
                      "'x')\",true,true]");
  finished_clear(&finished);
  peer_stop(&peer);
}

static void a_configuration_is_evaluated(void **state)
{
  (void)state;
  struct peer peer;
  peer_start(&peer);
  peer_send_version(&peer, "config", "/etc/kaalua/kaalua.lua",
                    "return { url = 'mqtt://127.0.0.1:1883', app_version = 'demo-v1', token = "
                    "'T1',\n"
                    "  handlers = '/h', settings = { park = { taken = { 3 } } } }", "{}");
  json_t *loaded = peer_expect_loaded(&peer);
  assert_int_equal(json_array_size(json_object_get(loaded, "faults")), 0);
  json_t *value = json_object_get(loaded, "value");
  assert_string_equal(json_string_value(json_object_get(value, "token")), "T1");
  assert_true(json_is_array(json_object_get(value, "handlers")));
  json_decref(loaded);
  peer_stop(&peer);
}

static void a_configuration_sees_nothing(void **state)
{
  (void)state;
  struct peer peer;
  peer_start(&peer);
  peer_send_version(&peer, "config",
      "/etc/kaalua/a-rather-long-name-of-a-directory-that-lua-shortens/kaalua.lua",
                    "\nreturn { url = os.getenv 'HOME' }", "{}");
  json_t *loaded = peer_expect_loaded(&peer);
  json_t *fault = json_array_get(json_object_get(loaded, "faults"), 0);
  assert_string_equal(json_string_value(json_object_get(fault, "message")),
                      "attempt to index a nil value (global 'os')");
  assert_int_equal(json_integer_value(json_object_get(fault, "line")), 2);
  json_decref(loaded);
  peer_stop(&peer);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_contract_is_reported),
      cmocka_unit_test(a_fault_has_its_line),
      cmocka_unit_test(a_fault_shows_its_source_line),
      cmocka_unit_test(a_fault_has_its_column),
      cmocka_unit_test(a_setting_that_does_not_fit_is_named),
      cmocka_unit_test(needs_stay_below_the_ceiling),
      cmocka_unit_test(all_faults_come_together),
      cmocka_unit_test(loading_does_not_act),
      cmocka_unit_test(settings_have_their_defaults),
      cmocka_unit_test(each_return_form_has_its_result),
      cmocka_unit_test(what_is_no_result_names_the_line_to_write),
      cmocka_unit_test(many_values_are_refused_at_once),
      cmocka_unit_test(a_cycle_is_a_fault),
      cmocka_unit_test(a_shared_table_does_not_grow_without_end),
      cmocka_unit_test(an_error_has_a_traceback),
      cmocka_unit_test(an_echo_is_exact),
      cmocka_unit_test(random_values_survive),
      cmocka_unit_test(json_of_the_module_is_the_same),
      cmocka_unit_test(a_command_has_its_fields),
      cmocka_unit_test(a_payload_is_checked),
      cmocka_unit_test(commands_of_one_write_run_in_order),
      cmocka_unit_test(libraries_are_found),
      cmocka_unit_test(a_configuration_is_evaluated),
      cmocka_unit_test(a_configuration_sees_nothing),
  };
  int rc = peer_find_program(argc, argv);
  return rc ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}

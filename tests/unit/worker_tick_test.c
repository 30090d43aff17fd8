/* Ticks and metadata in the real worker: what a tick is given, what its end
 * becomes, its limits, and its turn among the commands. */
#include "worker_peer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static struct finished tick(struct peer *peer, int64_t job, const char *endpoint)
{
  struct buffer out = {0};
  peer_put_tick(&out, job, endpoint);
  peer_send(peer, &out);
  buffer_clear(&out);
  return peer_expect_finished(peer);
}

static void the_contract_tells_of_the_tick(void **state)
{
  (void)state;
  struct peer peer;
  peer_start(&peer);
  peer_send_version(&peer, "handler", "park.lua",
                    "return { every_s = 0.5, per = 'agent', tick = function() end }", "{}");
  json_t *loaded = peer_expect_loaded(&peer);
  json_t *expected =
      json_pack("{s:[],s:{s:i,s:i,s:{},s:b,s:f,s:s,s:s,s:b}}", "faults", "contract", "timeout_s", 30,
                "memory_mib", 32, "needs", "run", 0, "every_s", 0.5, "per", "agent", "on_interrupt",
                "report", "resume", 0);
  assert_true(json_equal(loaded, expected));
  json_decref(expected);
  json_decref(loaded);
  peer_stop(&peer);
}

static void a_tick_is_of_its_endpoint(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer,
            "return { every_s = 1, tick = function(e)\n"
            "  print(e == kaa.endpoint, e)\n"
            "  kaa.telemetry { t = 1 } kaa.metadata { k = e } end }",
            "{}");
  struct finished finished = tick(&peer, 17, "device-2");
  assert_int_equal(finished.job, 17);
  assert_int_equal(finished.status, 200);
  assert_string_equal(finished.reason, "OK");
  assert_null(finished.payload);
  assert_int_equal(peer.marks, 1);
  assert_string_equal(buffer_text(&peer.telemetry), "device-2 [{\"t\":1}]\n");
  assert_string_equal(buffer_text(&peer.metadata), "device-2 {\"k\":\"device-2\"}\n");
  assert_string_equal(buffer_text(&peer.log), "1 true device-2\n");
  finished_clear(&finished);
  peer_stop(&peer);
}

static void a_tick_of_the_agent_has_no_endpoint(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer,
            "return { every_s = 1, per = 'agent', tick = function(e)\n"
            "  assert(e == nil and kaa.endpoint == nil)\n  kaa.metadata { a = 1 } end }",
            "{}");
  struct finished finished = tick(&peer, 1, "");
  assert_int_equal(finished.status, 500);
  assert_string_equal(finished.reason, "park.lua:3: kaa.metadata is for one endpoint, and this "
                                       "tick is for all; write: per = \"endpoint\"");
  finished_clear(&finished);
  peer_stop(&peer);
}

static void each_end_of_a_tick_has_its_status(void **state)
{
  (void)state;
  static const struct {
    const char *body;
    int64_t status;
    const char *reason;
    bool has_trace;
  } cases[] = {
      {"", 200, "OK", false},
      {"return 3, {}", 200, "OK", false},
      {"return nil", 200, "OK", false},
      {"return nil, 'no sensor'", 500, "no sensor", false},
      {"return io.open '/nowhere'", 500, "/nowhere: No such file or directory", false},
      {"error 'boom'", 500, "park.lua:2: boom", true},
      {"kaa.fail(503, 'no link', { 1 })", 503, "no link", false},
      {"local x = nil + 1", 500, "park.lua:2: attempt to perform arithmetic on a nil value", true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct peer peer;
    char source[200];
    snprintf(source, sizeof source, "return { every_s = 1, tick = function()\n%s end }",
             cases[i].body);
    peer_load(&peer, source, "{}");
    struct finished finished = tick(&peer, 1, "device-1");
    assert_string_equal(finished.reason, cases[i].reason);
    assert_int_equal(finished.status, cases[i].status);
    assert_int_equal(*finished.trace != '\0', cases[i].has_trace);
    assert_false(finished.is_spent);
    finished_clear(&finished);
    peer_stop(&peer);
  }
}

static void a_tick_has_the_memory_limit(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer,
            "return { every_s = 1, memory_mib = 4, tick = function()\n"
            " return ('x'):rep(1 << 26) end }",
            "{}");
  struct finished finished = tick(&peer, 1, "device-1");
  assert_int_equal(finished.status, 500);
  assert_string_equal(finished.reason, "Out of memory (limit 4 MiB) at park.lua:2");
  assert_true(finished.is_spent);
  finished_clear(&finished);
  peer_stop(&peer);
}

static void a_tick_is_stopped_when_asked(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer,
            "return { every_s = 1, timeout_s = 0.1, tick = function()\n"
            " kaa.sleep(0.1) print 'half' while true do end end }",
            "{}");
  struct buffer out = {0};
  peer_put_tick(&out, 1, "device-1");
  peer_send(&peer, &out);
  buffer_clear(&out);
  peer_expect(&peer, WORKER_LOG);
  peer_ask(&peer);
  struct finished finished = peer_expect_finished(&peer);
  assert_int_equal(finished.status, 504);
  assert_string_equal(finished.reason, "Timed out after 0.1 s at park.lua:2");
  assert_true(finished.is_spent);
  finished_clear(&finished);
  peer_stop(&peer);
}

static void ticks_and_commands_run_in_the_order_they_came(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer,
            "local order = {}\n"
            "return { every_s = 1, tick = function(e) order[#order + 1] = e end,\n"
            "  run = function(c) order[#order + 1] = c.id return 200, 'OK', order end }",
            "{}");
  struct buffer out = {0};
  peer_put_command(&out, 1, "{\"id\":1}");
  peer_put_tick(&out, 2, "a");
  peer_put_tick(&out, 3, "b");
  peer_put_command(&out, 4, "{\"id\":4}");
  peer_send(&peer, &out);
  buffer_clear(&out);
  struct finished finished;
  for (int64_t job = 1; job <= 3; job++) {
    finished = peer_expect_finished(&peer);
    assert_int_equal(finished.job, job);
    finished_clear(&finished);
  }
  finished = peer_expect_finished(&peer);
  assert_string_equal(finished.payload, "[1,\"a\",\"b\",4]");
  finished_clear(&finished);
  peer_stop(&peer);
}

/* A tick that comes while a program is awaited is not lost. */
static void a_tick_waits_for_a_program(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer,
            "return { every_s = 1, needs = { 'exec' }, tick = function() print 'ticked' end,\n"
            "  run = function() return 200, kaa.exec { '/bin/x' }.stdout end }",
            "{}");
  struct buffer out = {0};
  peer_put_command(&out, 1, "{\"id\":1}");
  peer_send(&peer, &out);
  struct frame frame = peer_expect(&peer, WORKER_EXEC);
  uint32_t call = frame_get_u32(&frame);
  buffer_reset(&out);
  peer_put_tick(&out, 2, "device-1");
  size_t at = frame_begin(&out, WORKER_EXECUTED);
  frame_put_u32(&out, call);
  frame_put_text(&out, "");
  for (int i = 0; i < 2; i++)
    frame_put_i64(&out, 0);
  frame_put_u8(&out, 0);
  for (int i = 0; i < 2; i++)
    frame_put_i64(&out, 0);
  frame_put_text(&out, "done");
  frame_put_text(&out, "");
  frame_end(&out, at);
  peer_send(&peer, &out);
  buffer_clear(&out);
  struct finished finished = peer_expect_finished(&peer);
  assert_string_equal(finished.reason, "done");
  finished_clear(&finished);
  finished = peer_expect_finished(&peer);
  assert_int_equal(finished.job, 2);
  assert_int_equal(finished.status, 200);
  assert_string_equal(buffer_text(&peer.log), "1 ticked\n");
  finished_clear(&finished);
  peer_stop(&peer);
}

static void metadata_is_exact(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer,
            "return function() kaa.metadata { a = { 1, 2.0, kaa.null, kaa.array {} } }\n"
            "  kaa.metadata { _0Z = 9007199254740993 } end",
            "{}");
  struct finished finished = peer_run(&peer, NULL);
  assert_int_equal(finished.status, 200);
  assert_string_equal(buffer_text(&peer.metadata),
                      "device-1 {\"a\":[1,2.0,null,[]]}\ndevice-1 {\"_0Z\":9007199254740993}\n");
  finished_clear(&finished);
  peer_stop(&peer);
}

static void misused_metadata_names_the_right_call(void **state)
{
  (void)state;
  static const char write[] = "write: kaa.metadata { light = \"on\" }";
  static const struct {
    const char *call;
    const char *message;
    bool teaches;
  } cases[] = {
      {"()", " takes a table of names and values, got a no value; ", true},
      {"('x')", " takes a table of names and values, got a string; ", true},
      {"{ 1, 2 }", " takes a table of names and values, got a list; ", true},
      {"(kaa.array {})", " takes a table of names and values, got a list; ", true},
      {"{}", ": the table is empty; ", true},
      {"{ ['a-b'] = 1 }", ": \"a-b\" is no key: letters, digits and _ only; ", true},
      {"{ [''] = 1 }", ": \"\" is no key: letters, digits and _ only; ", true},
      {"{ f = print }", ": metadata.f: a function has no JSON form", false},
      {"{ s = ('x'):rep(300000) }", ": 300008 bytes at once, limit 262144", false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char source[200], reason[300];
    snprintf(source, sizeof source, "return function()\nkaa.metadata%s end", cases[i].call);
    snprintf(reason, sizeof reason, "park.lua:2: kaa.metadata%s%s", cases[i].message,
             cases[i].teaches ? write : "");
    peer_expect_result(source, "{}", NULL, 500, reason, NULL);
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_contract_tells_of_the_tick),
      cmocka_unit_test(a_tick_is_of_its_endpoint),
      cmocka_unit_test(a_tick_of_the_agent_has_no_endpoint),
      cmocka_unit_test(each_end_of_a_tick_has_its_status),
      cmocka_unit_test(a_tick_has_the_memory_limit),
      cmocka_unit_test(a_tick_is_stopped_when_asked),
      cmocka_unit_test(ticks_and_commands_run_in_the_order_they_came),
      cmocka_unit_test(a_tick_waits_for_a_program),
      cmocka_unit_test(metadata_is_exact),
      cmocka_unit_test(misused_metadata_names_the_right_call),
  };
  int rc = peer_find_program(argc, argv);
  return rc ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}

/* kaa.store, kaa.shared and kaa.checkpoint in the real program: the frames of each call,
 * what it gives, and what else happens while it waits. */
#include "worker_peer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void expect_answer(struct peer *peer, int64_t job, int64_t status, const char *reason,
                          const char *payload)
{
  struct finished finished = peer_expect_finished(peer);
  assert_string_equal(finished.reason, reason);
  assert_int_equal(finished.status, status);
  assert_int_equal(finished.job, job);
  assert_string_equal(finished.payload ? finished.payload : "(none)",
                      payload ? payload : "(none)");
  assert_false(finished.waits);
  finished_clear(&finished);
}

static void answer(struct peer *peer, uint32_t call, const char *failure, const char *value)
{
  struct buffer out = {0};
  peer_put_kept(&out, call, failure, value);
  peer_send(peer, &out);
  buffer_clear(&out);
}

/* Expects a KEEP and answers it. */
static void keeps(struct peer *peer, const char *what, const char *scope, const char *key,
                  const char *value, const char *failure, const char *found)
{
  struct keep keep = peer_expect_keep(peer);
  assert_string_equal(keep.what, what);
  assert_string_equal(keep.scope, scope);
  assert_string_equal(keep.key, key);
  assert_string_equal(keep.value ? keep.value : "(none)", value ? value : "(none)");
  assert_int_equal(keep.within_ms, 0);
  assert_int_equal(keep.job, 7);
  answer(peer, keep.call, failure, found);
  keep_clear(&keep);
}

static void each_call_asks_the_host_and_gives_what_it_says(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer,
            "return function()\n"
            "  local t = table.pack\n"
            "  local results = { t(kaa.store.set('a', { 1, kaa.array {} })),\n"
            "    t(kaa.store.get 'a'), t(kaa.store.get 'b'), t(kaa.store.delete 'a'),\n"
            "    t(kaa.shared.set('é', 3.0)), t(kaa.shared.get 'é'), t(kaa.shared.delete 'é'),\n"
            "    t(kaa.checkpoint { step = 2 }), t(kaa.checkpoint()) }\n"
            "  for i, r in ipairs(results) do\n"
            "    results[i] = { r.n, r[1] == nil and 'nil' or r[1] } end\n"
            "  return 200, nil, results end",
            "{}");
  peer_send_command(&peer, 7, "{\"id\":7}");
  keeps(&peer, "set", "handler", "a", "[1,[]]", "", NULL);
  keeps(&peer, "get", "handler", "a", NULL, "", "{\"n\":1}");
  keeps(&peer, "get", "handler", "b", NULL, "", NULL);
  keeps(&peer, "delete", "handler", "a", NULL, "", NULL);
  keeps(&peer, "set", "device", "é", "3.0", "", NULL);
  keeps(&peer, "get", "device", "é", NULL, "", "null");
  keeps(&peer, "delete", "device", "é", NULL, "", NULL);
  keeps(&peer, "checkpoint", "", "", "{\"step\":2}", "", NULL);
  keeps(&peer, "checkpoint", "", "", NULL, "", NULL);
  expect_answer(&peer, 7, 200, "OK",
                "[[1,true],[1,{\"n\":1}],[1,\"nil\"],[1,true],[1,true],[1,null],[1,true],"
                "[1,true],[1,true]]");
  peer_stop(&peer);
}

static void what_the_host_could_not_is_nil_and_a_message(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer,
            "return function()\n"
            "  local seen = {}\n"
            "  for _, call in ipairs { function() return kaa.store.set('a', 1) end,\n"
            "    function() return kaa.shared.get 'a' end, function() return kaa.store.delete 'a'\n"
            "    end, function() return kaa.checkpoint(1) end } do\n"
            "    local done, message = call()\n"
            "    seen[#seen + 1] = done == nil and message end\n"
            "  return 200, nil, seen end",
            "{}");
  peer_send_command(&peer, 7, "{\"id\":7}");
  keeps(&peer, "set", "handler", "a", "1", "no room", NULL);
  keeps(&peer, "get", "device", "a", NULL, "disk", "1");
  keeps(&peer, "delete", "handler", "a", NULL, "gone", NULL);
  keeps(&peer, "checkpoint", "", "", "1", "full", NULL);
  expect_answer(&peer, 7, 200, "OK", "[\"no room\",\"disk\",\"gone\",\"full\"]");
  peer_stop(&peer);
}

/* A command, a tick and a resume come first: each has its turn, in the order it came. */
static void commands_that_come_meanwhile_are_kept_for_their_turn(void **state)
{
  (void)state;
  struct peer peer;
  struct buffer out = {0};
  peer_load(&peer,
            "return { every_s = 1, tick = function() print 'tick' end,\n"
            "  run = function(c) if c.id == 7 then return 200, nil, kaa.store.get 'a' end\n"
            "    print('run', c.id) end,\n"
            "  resume = function(c) print('resume', c.id) end }",
            "{}");
  peer_send_command(&peer, 7, "{\"id\":7}");
  struct keep keep = peer_expect_keep(&peer);
  peer_put_command(&out, 8, "{\"id\":8}");
  peer_put_tick(&out, 9, "device-1");
  peer_put_resume(&out, 10, "{\"id\":10}", NULL, -1);
  peer_put_kept(&out, keep.call + 1, "", "\"of another call\"");
  peer_put_command(&out, 11, "{\"id\":11}");
  peer_put_kept(&out, keep.call, "", "\"mine\"");
  peer_put_command(&out, 12, "{\"id\":12}");
  peer_send(&peer, &out);
  buffer_clear(&out);
  keep_clear(&keep);
  expect_answer(&peer, 7, 200, "OK", "\"mine\"");
  for (int64_t job = 8; job <= 12; job++)
    expect_answer(&peer, job, 200, "OK", NULL);
  assert_string_equal(buffer_text(&peer.log),
                      "1 run 8\n1 tick\n1 resume 10\n1 run 11\n1 run 12\n");
  peer_stop(&peer);
}

static void the_time_limit_comes_before_an_answer_that_does_not(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer,
            "return { timeout_s = 0.1, run = function()\n"
            "  kaa.sleep(0.06)\n"
            "  while true do pcall(kaa.store.get, 'a') end end }",
            "{}");
  peer_send_command(&peer, 7, "{\"id\":7}");
  struct keep keep = peer_expect_keep(&peer);
  peer_ask(&peer);
  struct finished finished = peer_expect_finished(&peer);
  assert_int_equal(finished.status, 504);
  assert_string_equal(finished.reason, "Timed out after 0.1 s at park.lua:3");
  assert_true(finished.is_spent);
  assert_string_equal(peer.place, "park.lua:3");
  finished_clear(&finished);
  keep_clear(&keep);
  peer_stop(&peer);
}

static void a_tick_has_the_store_and_no_checkpoint(void **state)
{
  (void)state;
  struct peer peer;
  struct buffer out = {0};
  peer_load(&peer,
            "return { every_s = 1, per = 'agent', tick = function()\n"
            "  kaa.shared.set('n', (kaa.shared.get 'n' or 0) + 1)\n"
            "  kaa.checkpoint(1) end }",
            "{}");
  peer_put_tick(&out, 7, "");
  peer_send(&peer, &out);
  buffer_clear(&out);
  keeps(&peer, "get", "device", "n", NULL, "", "41");
  keeps(&peer, "set", "device", "n", "42", "", NULL);
  expect_answer(&peer, 7, 500,
                "park.lua:3: kaa.checkpoint is for a command: call it in run or resume, not in tick",
                NULL);
  peer_stop(&peer);
}

static void the_largest_key_and_value_are_kept(void **state)
{
  (void)state;
  struct peer peer;
  char key[257] = "", value[65537] = "";
  memset(key, 'k', 256);
  memset(value, 'v', 65536);
  value[0] = value[65535] = '"';
  peer_load(&peer,
            "return function() assert(kaa.store.set(('k'):rep(256), ('v'):rep(65534))) end", "{}");
  peer_send_command(&peer, 7, "{\"id\":7}");
  keeps(&peer, "set", "handler", key, value, "", NULL);
  expect_answer(&peer, 7, 200, "OK", NULL);
  peer_stop(&peer);
}

/* Without any frame to the host. */
static void misuse_names_the_right_call(void **state)
{
  (void)state;
  static const char *const cases[][2] = {
      {"kaa.store.set('a')",
       "kaa.store.set: no value; write: kaa.store.delete(\"a\"), or kaa.null as the value"},
      {"kaa.shared.set('a', nil)",
       "kaa.shared.set: no value; write: kaa.shared.delete(\"a\"), or kaa.null as the value"},
      {"kaa.store.set(1, 2)",
       "kaa.store.set takes a key, a text, got a number; write: kaa.store.set(\"count\", 1)"},
      {"kaa.store.get()",
       "kaa.store.get takes a key, a text, got a nil; write: kaa.store.get(\"count\")"},
      {"kaa.store:get 'a'",
       "kaa.store.get takes a key, a text, got a table; write: kaa.store.get(\"count\")"},
      {"kaa.shared.delete(true)",
       "kaa.shared.delete takes a key, a text, got a boolean; write: kaa.shared.delete(\"count\")"},
      {"kaa.store.get('')", "kaa.store.get: a key of 0 bytes; write a text of 1 to 256"},
      {"kaa.store.set(('k'):rep(257), 1)",
       "kaa.store.set: a key of 257 bytes; write a text of 1 to 256"},
      {"kaa.store.get('\\xff')", "kaa.store.get: the key is no text of UTF-8"},
      {"kaa.store.get('a\\0b')", "kaa.store.get: the key is no text of UTF-8"},
      {"kaa.store.set('a', { x = print })",
       "kaa.store.set: value.x: a function has no JSON form"},
      {"kaa.store.set('a', ('v'):rep(65535))", "kaa.store.set: 65537 bytes, limit 65536"},
      {"kaa.checkpoint(print)", "kaa.checkpoint: value: a function has no JSON form"},
      {"kaa.store.gett('a')", "kaa.store has no \"gett\", did you mean \"get\"?"},
      {"kaa.store.count = 1", "kaa.store is not to be changed"},
      {"kaa.shared.sett('a', 1)", "kaa.shared has no \"sett\", did you mean \"set\"?"},
      {"kaa.stor.get 'a'", "kaa has no \"stor\", did you mean \"store\"?"},
      {"kaa.chekpoint()", "kaa has no \"chekpoint\", did you mean \"checkpoint\"?"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct buffer source = {0}, reason = {0};
    buffer_format(&source, "return function() %s end", cases[i][0]);
    buffer_format(&reason, "park.lua:1: %s", cases[i][1]);
    peer_expect_result(buffer_text(&source), "{}", NULL, 500, buffer_text(&reason), NULL);
    buffer_clear(&source);
    buffer_clear(&reason);
  }
}

static void a_loading_file_keeps_nothing(void **state)
{
  (void)state;
  static const char *const calls[][2] = {{"store.get", "'a'"},     {"store.set", "'a', 1"},
                                         {"store.set", "'a'"},     {"store.delete", "'a'"},
                                         {"shared.get", "'a'"},    {"shared.set", "'a', 1"},
                                         {"shared.delete", "'a'"}, {"checkpoint", "1"},
                                         {"resume_after", "'reboot'"}};
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    struct buffer source = {0}, message = {0};
    buffer_format(&source, "local x\nx = kaa.%s(%s)\nreturn print", calls[i][0], calls[i][1]);
    buffer_format(&message, "kaa.%s acts: call it in run, not while the file loads", calls[i][0]);
    peer_expect_fault(buffer_text(&source), "{}", 2, buffer_text(&message));
    buffer_clear(&source);
    buffer_clear(&message);
  }
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_call_asks_the_host_and_gives_what_it_says),
      cmocka_unit_test(what_the_host_could_not_is_nil_and_a_message),
      cmocka_unit_test(commands_that_come_meanwhile_are_kept_for_their_turn),
      cmocka_unit_test(the_time_limit_comes_before_an_answer_that_does_not),
      cmocka_unit_test(a_tick_has_the_store_and_no_checkpoint),
      cmocka_unit_test(the_largest_key_and_value_are_kept),
      cmocka_unit_test(misuse_names_the_right_call),
      cmocka_unit_test(a_loading_file_keeps_nothing),
  };
  int rc = peer_find_program(argc, argv);
  return rc ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}

/* kaa.resume_after and `resume` in the real program. */
#include "worker_peer.h"

#include "base/marks.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A handler that waits, then does `rest`. */
static void load_waiting(struct peer *peer, const char *rest)
{
  struct buffer source = {0};
  buffer_format(&source,
                "return { run = function(c)\n"
                "  assert(kaa.resume_after('reboot', { from = c.id }))\n"
                "  %s end,\n  resume = function() end }",
                rest);
  peer_load(peer, buffer_text(&source), "{}");
  buffer_clear(&source);
}

static void keep(struct peer *peer, const char *restart, const char *saved, int64_t within_ms,
                 const char *failure)
{
  struct buffer out = {0};
  struct keep keep = peer_expect_keep(peer);
  assert_string_equal(keep.what, "resume_after");
  assert_string_equal(keep.scope, restart);
  assert_string_equal(keep.key, "");
  assert_string_equal(keep.value ? keep.value : "(none)", saved ? saved : "(none)");
  assert_int_equal(keep.within_ms, within_ms);
  peer_put_kept(&out, keep.call, failure, NULL);
  peer_send(peer, &out);
  buffer_clear(&out);
  keep_clear(&keep);
}

static void expect_answer(struct peer *peer, int64_t status, const char *reason,
                          const char *payload, bool waits)
{
  struct finished finished = peer_expect_finished(peer);
  assert_string_equal(finished.reason, reason);
  assert_int_equal(finished.status, status);
  assert_string_equal(finished.payload ? finished.payload : "(none)",
                      payload ? payload : "(none)");
  assert_int_equal(finished.waits, waits);
  finished_clear(&finished);
}

static void a_normal_return_leaves_the_command_waiting(void **state)
{
  (void)state;
  static const char *const rests[] = {
      "", "return", "return nil", "return true", "return 200", "return 202, 'Accepted', { a = 1 }",
      "return 299"};
  for (size_t i = 0; i < sizeof rests / sizeof *rests; i++) {
    struct peer peer;
    load_waiting(&peer, rests[i]);
    peer_send_command(&peer, 7, "{\"id\":7}");
    keep(&peer, "reboot", "{\"from\":7}", 900000, "");
    expect_answer(&peer, 200, "OK", NULL, true);
    assert_string_equal(buffer_text(&peer.log), "");
    peer_stop(&peer);
  }
}

static void what_looks_like_an_answer_waits_with_a_warning(void **state)
{
  (void)state;
  static const char *const cases[][2] = {
      {"return 409, 'Slot taken'",
       "2 park.lua:1: returned 409 \"Slot taken\", ignored after kaa.resume_after: the "
       "command waits; write: kaa.fail(409, \"…\")\n"},
      {"return 'abc'",
       "2 park.lua:1: returned a string; write: return 200, \"OK\", \"…\"; ignored after "
       "kaa.resume_after: the command waits; write: kaa.fail(500, \"…\")\n"},
      {"return false",
       "2 park.lua:1: returned false without a reason; write: return nil, \"what went wrong\"; "
       "ignored after kaa.resume_after: the command waits; write: kaa.fail(500, "
       "\"…\")\n"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct peer peer;
    load_waiting(&peer, cases[i][0]);
    peer_send_command(&peer, 7, "{\"id\":7}");
    keep(&peer, "reboot", "{\"from\":7}", 900000, "");
    expect_answer(&peer, 200, "OK", NULL, true);
    assert_string_equal(buffer_text(&peer.log), cases[i][1]);
    peer_stop(&peer);
  }
}

static void a_failure_cancels_the_wait_and_is_the_answer(void **state)
{
  (void)state;
  static const struct {
    const char *rest, *reason, *payload;
    int64_t status;
  } cases[] = {
      {"error 'no power'", "park.lua:3: no power", NULL, 500},
      {"kaa.fail(409, 'Busy', { a = 1 })", "Busy", "{\"a\":1}", 409},
      {"error { status = 422, reason = 'Odd' }", "Odd", NULL, 422},
      {"return nil, 'no such program'", "no such program", NULL, 500},
      {"return false, 'no such program', 2", "no such program", NULL, 500},
      {"return io.open '/nonexistent'", "/nonexistent: No such file or directory", NULL, 500},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct peer peer;
    load_waiting(&peer, cases[i].rest);
    peer_send_command(&peer, 7, "{\"id\":7}");
    keep(&peer, "reboot", "{\"from\":7}", 900000, "");
    expect_answer(&peer, cases[i].status, cases[i].reason, cases[i].payload, false);
    peer_stop(&peer);
  }
}

static void a_limit_cancels_the_wait(void **state)
{
  (void)state;
  struct peer peer;
  load_waiting(&peer, "local t = {} while true do t[#t + 1] = {} end");
  peer_send_command(&peer, 7, "{\"id\":7}");
  keep(&peer, "reboot", "{\"from\":7}", 900000, "");
  expect_answer(&peer, 500, "Out of memory (limit 32 MiB) at park.lua:3", NULL, false);
  peer_stop(&peer);
}

static void what_the_host_refused_does_not_wait(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer,
            "return { resume = print, run = function()\n"
            "  local done, message = kaa.resume_after 'restart'\n"
            "  return 503, tostring(done) .. ' ' .. message end }",
            "{}");
  peer_send_command(&peer, 7, "{\"id\":7}");
  keep(&peer, "restart", NULL, 900000, "no room");
  expect_answer(&peer, 503, "nil no room", NULL, false);
  peer_stop(&peer);
}

static void one_command_that_waits_is_not_the_next(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer,
            "return { resume = print, run = function(c)\n"
            "  if c.id == 1 then kaa.resume_after('restart', nil, { within_s = 1.5 })\n"
            "    kaa.resume_after('reboot', kaa.null, { within_s = 86400 }) end\n"
            "  return 201 end }",
            "{}");
  peer_send_command(&peer, 1, "{\"id\":1}");
  keep(&peer, "restart", NULL, 1500, "");
  keep(&peer, "reboot", "null", 86400000, "");
  expect_answer(&peer, 200, "OK", NULL, true);
  peer_send_command(&peer, 2, "{\"id\":2}");
  expect_answer(&peer, 201, "Created", NULL, false);
  peer_stop(&peer);
}

static void on_finished(void *context, const struct marks_result *result)
{
  struct marks_result *found = context;
  *found = *result;
  found->reason = NULL;
}

static void a_wait_is_in_the_marks(void **state)
{
  (void)state;
  struct peer peer;
  char folder[] = "/tmp/kaalua-resume-XXXXXX", path[64];
  int rc = 0;
  int64_t begun;
  struct marks_result found = {0};
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/marks", folder);
  struct marks *marks = marks_create(path, &rc);
  assert_non_null(marks);
  peer_load_with(&peer, "return { resume = print, run = function() kaa.resume_after 'reboot' end }",
                 "{}", marks_fd(marks));
  peer_send_command(&peer, 7, "{\"id\":7}");
  keep(&peer, "reboot", NULL, 900000, "");
  expect_answer(&peer, 200, "OK", NULL, true);
  assert_int_equal(marks_read(path, on_finished, &found, &begun), 0);
  assert_int_equal(begun, 7);
  assert_int_equal(found.sequence, 7);
  assert_true(found.waits);
  assert_null(found.payload);
  peer_stop(&peer);
  marks_destroy(marks);
  rmdir(folder);
}

/* ---- resume ---- */

static void resumed(const char *source, const char *element, const char *saved, int64_t away_ms,
                    int64_t status, const char *reason, const char *payload)
{
  struct peer peer;
  struct buffer out = {0};
  peer_load(&peer, source, "{}");
  peer_put_resume(&out, 7, element, saved, away_ms);
  peer_send(&peer, &out);
  buffer_clear(&out);
  expect_answer(&peer, status, reason, payload, false);
  assert_int_equal(peer.marks, 1);
  peer_stop(&peer);
}

static const char result[] =
    "return { run = print, resume = function(c, saved, away)\n"
    "  return 200, nil, { c.payload, c.id, c.type, c.endpoint, c.received_at,\n"
    "    saved == nil and 'nil' or saved, away } end,\n"
    "  params = { n = { type = 'integer', default = 5 } } }";

static void resume_is_given_command_saved_and_away(void **state)
{
  (void)state;
  resumed(result, "{\"id\":7,\"payload\":{}}", "{\"step\":[1,2.0]}", 12345, 200, "OK",
          "[{\"n\":5},7,\"park\",\"device-1\",1732290000.123,{\"step\":[1,2.0]},{\"s\":12.345}]");
  resumed(result, "{\"id\":7}", NULL, -1, 200, "OK",
          "[{\"n\":5},7,\"park\",\"device-1\",1732290000.123,\"nil\",{}]");
}

static void a_payload_that_fits_no_longer_is_passed_as_it_is(void **state)
{
  (void)state;
  resumed("return { run = print, params = { n = { type = 'integer' } },\n"
          "  resume = function(c) return 200, nil, c.payload end }",
          "{\"id\":7,\"payload\":{\"n\":\"x\"}}", NULL, 0, 200, "OK",
          "{\"n\":\"x\"}");
  resumed("return { run = print, params = { n = { type = 'integer', required = true } },\n"
          "  resume = function(c) return 200, nil, { c.payload == nil } end }",
          "{\"id\":7}", NULL, 0, 200, "OK", "[true]");
}

static void the_result_of_resume_is_judged_as_that_of_run(void **state)
{
  (void)state;
  resumed("return { run = print, resume = function() end }", "{\"id\":7}", "1", 0, 200, "OK", NULL);
  resumed("return { run = print,\n resume = function() return 'x' end }", "{\"id\":7}", "1", 0, 500,
          "park.lua:2: returned a string; write: return 200, \"OK\", \"…\"", NULL);
  resumed("return { run = print, resume = function() kaa.fail(409, 'Old') end }", "{\"id\":7}", "1",
          0, 409, "Old", NULL);
  resumed("return { run = print,\n resume = function() error 'no' end }", "{\"id\":7}", "1", 0, 500,
          "park.lua:2: no", NULL);
  resumed("return function() end", "{\"id\":7}", "1", 0, 500,
          "park.lua:1: the file has no resume function any more", NULL);
}

static void resume_may_wait_again(void **state)
{
  (void)state;
  struct peer peer;
  struct buffer out = {0};
  peer_load(&peer,
            "return { run = print, resume = function(c, saved)\n"
            "  assert(kaa.resume_after('restart', saved + 1)) return 200 end }",
            "{}");
  peer_put_resume(&out, 7, "{\"id\":7}", "41", 1);
  peer_send(&peer, &out);
  buffer_clear(&out);
  keep(&peer, "restart", "42", 900000, "");
  expect_answer(&peer, 200, "OK", NULL, true);
  peer_stop(&peer);
}

static void misuse_names_the_right_call(void **state)
{
  (void)state;
  static const char right[] = "; write: kaa.resume_after(\"reboot\", saved, { within_s = 900 })";
  static const char *const cases[][2] = {
      {"kaa.resume_after()", "kaa.resume_after takes \"reboot\" or \"restart\", got a nil"},
      {"kaa.resume_after({})", "kaa.resume_after takes \"reboot\" or \"restart\", got a table"},
      {"kaa.resume_after('reboot', 1, 60)", "kaa.resume_after: the options are a table, got a "
                                            "number"},
      {"kaa.resume_after('reboot', 1, { within_s = 0.5 })",
       "kaa.resume_after: within_s: expected seconds from 1 to 86400"},
      {"kaa.resume_after('reboot', 1, { within_s = 86401 })",
       "kaa.resume_after: within_s: expected seconds from 1 to 86400"},
      {"kaa.resume_after('reboot', 1, { within_s = '60' })",
       "kaa.resume_after: within_s: expected seconds from 1 to 86400"},
      {"kaa.resume_after('reboot', 1, { within_s = 0/0 })",
       "kaa.resume_after: within_s: expected seconds from 1 to 86400"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct buffer source = {0}, reason = {0};
    buffer_format(&source, "return { resume = print, run = function() %s end }", cases[i][0]);
    buffer_format(&reason, "park.lua:1: %s%s", cases[i][1], right);
    peer_expect_result(buffer_text(&source), "{}", NULL, 500, buffer_text(&reason), NULL);
    buffer_clear(&source);
    buffer_clear(&reason);
  }
  peer_expect_result("return { resume = print, run = function() kaa.resume_after 'rebot' end }",
                     "{}", NULL, 500,
                     "park.lua:1: kaa.resume_after takes \"reboot\" or \"restart\", got \"rebot\", "
                     "did you mean \"reboot\"?", NULL);
  peer_expect_result("return { resume = print, run = function()\n"
                     "  kaa.resume_after('reboot', 1, { within = 3 }) end }", "{}", NULL, 500,
                     "park.lua:2: kaa.resume_after has no option \"within\", did you mean "
                     "\"within_s\"?", NULL);
  peer_expect_result("return function() kaa.resume_after 'reboot' end", "{}", NULL, 500,
                     "park.lua:1: kaa.resume_after needs a resume function: return { run = …, "
                     "resume = function(command, saved, away) return 200, \"OK\" end }", NULL);
}

static void it_is_not_for_ticks(void **state)
{
  (void)state;
  struct peer peer;
  struct buffer out = {0};
  peer_load(&peer, "return { every_s = 1, run = print, resume = print,\n"
                   "  tick = function() kaa.resume_after 'reboot' end }", "{}");
  peer_put_tick(&out, 7, "device-1");
  peer_send(&peer, &out);
  buffer_clear(&out);
  expect_answer(&peer, 500, "park.lua:2: kaa.resume_after is for a command: call it in run or "
                            "resume, not in tick", NULL, false);
  peer_stop(&peer);
}

static void a_checkpoint_after_it_would_replace_it(void **state)
{
  (void)state;
  struct peer peer;
  load_waiting(&peer, "kaa.checkpoint(1)");
  peer_send_command(&peer, 7, "{\"id\":7}");
  keep(&peer, "reboot", "{\"from\":7}", 900000, "");
  expect_answer(&peer, 500,
                "park.lua:3: kaa.checkpoint after kaa.resume_after, which has its own saved: write: "
                "kaa.resume_after(\"reboot\", saved, { within_s = 900 })", NULL, false);
  peer_stop(&peer);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_normal_return_leaves_the_command_waiting),
      cmocka_unit_test(what_looks_like_an_answer_waits_with_a_warning),
      cmocka_unit_test(a_failure_cancels_the_wait_and_is_the_answer),
      cmocka_unit_test(a_limit_cancels_the_wait),
      cmocka_unit_test(what_the_host_refused_does_not_wait),
      cmocka_unit_test(one_command_that_waits_is_not_the_next),
      cmocka_unit_test(a_wait_is_in_the_marks),
      cmocka_unit_test(resume_is_given_command_saved_and_away),
      cmocka_unit_test(a_payload_that_fits_no_longer_is_passed_as_it_is),
      cmocka_unit_test(the_result_of_resume_is_judged_as_that_of_run),
      cmocka_unit_test(resume_may_wait_again),
      cmocka_unit_test(misuse_names_the_right_call),
      cmocka_unit_test(it_is_not_for_ticks),
      cmocka_unit_test(a_checkpoint_after_it_would_replace_it),
  };
  int rc = peer_find_program(argc, argv);
  return rc ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}

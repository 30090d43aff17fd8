/* The limits of the real worker: whatever a handler does with its time or its
 * memory, its command is answered, or the process can be ended. */
#include "worker_peer.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HANDLER(body) "return { timeout_s = 0.2, run = function(command)\n" body "\nend }"

/* Asks once the command's time is over, as the host does: from the mark on. */
static struct finished run_and_ask(struct peer *peer, int64_t timeout_ms)
{
  peer_send_command(peer, 7, "{\"id\":7}");
  peer_expect(peer, WORKER_MARK);
  poll(&(struct pollfd){.fd = peer->frames, .events = 0}, 1, (int)timeout_ms);
  peer_ask(peer);
  return peer_expect_finished(peer);
}

static void expect_stopped(const char *source, const char *reason)
{
  struct peer peer;
  peer_load(&peer, source, "{}");
  struct finished finished = run_and_ask(&peer, 200);
  assert_string_equal(finished.reason, reason);
  assert_int_equal(finished.status, 504);
  assert_true(finished.is_spent);
  assert_null(finished.payload);
  if (strstr(reason, " at "))
    assert_string_equal(peer.place, strstr(reason, " at ") + 4);
  finished_clear(&finished);
  peer_stop(&peer);
}

#define STOPPED "Timed out after 0.2 s at park.lua:"

static void a_loop_is_stopped(void **state)
{
  (void)state;
  expect_stopped(HANDLER("while true do end"), STOPPED "2");
}

static void a_pcall_loop_is_stopped(void **state)
{
  (void)state;
  expect_stopped(HANDLER("while true do pcall(function()\nwhile true do end end) end"),
      STOPPED "3");
  expect_stopped(HANDLER("local function f() pcall(f)\nwhile true do end end f()"), STOPPED "3");
  expect_stopped(HANDLER("while true do pcall(error) end"), STOPPED "2");
}

static void an_xpcall_loop_is_stopped(void **state)
{
  (void)state;
  expect_stopped(HANDLER("while true do xpcall(function() error('x') end, function()\nwhile "
                         "true do end\n"
                         "end) end"), STOPPED "3");
  expect_stopped(HANDLER("while true do xpcall(function()\nwhile true do end end, function()\n"
                         "while true do end end) end"), STOPPED "3");
}

static void a_coroutine_made_earlier_is_stopped(void **state)
{
  (void)state;
  expect_stopped("local made = coroutine.create(function()\nwhile true do end end)\n"
                 "return { timeout_s = 0.2, run = function() coroutine.resume(made) end }",
                     STOPPED "2");
  expect_stopped("local made = coroutine.wrap(function()\nwhile true do end end)\n"
                 "return { timeout_s = 0.2, run = function() while true do pcall(made) end end }",
                 STOPPED "2");
}

static void a_coroutine_resumed_after_the_ask_is_stopped(void **state)
{
  (void)state;
  expect_stopped("local other = coroutine.create(function() coroutine.yield()\nwhile true do "
                 "end end)\n"
                 "coroutine.resume(other)\n"
                 "return { timeout_s = 0.2, run = function()\n"
                 "pcall(function() while true do end end) coroutine.resume(other) end }",
                     STOPPED "5");
}

static void nested_coroutines_are_stopped(void **state)
{
  (void)state;
  expect_stopped(HANDLER("local function nest(n) return coroutine.wrap(function()\n"
                         "if n == 0 then while true do end end\n"
                         "while true do pcall(nest(n - 1)) end end) end\nnest(20)()"), STOPPED "3");
  expect_stopped(HANDLER("local inner = coroutine.wrap(function() while true do "
                         "coroutine.yield() end end)"
                         " while true do inner() end"), STOPPED "2");
}

static void closing_variables_are_stopped(void **state)
{
  (void)state;
  expect_stopped(HANDLER("local c = coroutine.create(function()\n"
                         "local x <close> = setmetatable({}, { __close = function()\nwhile true "
                         "do end end })\n"
                         "coroutine.yield() end) coroutine.resume(c) coroutine.close(c)"),
                             STOPPED "4");
}

static void sorting_is_stopped(void **state)
{
  (void)state;
  expect_stopped(HANDLER("local t = {} for i = 1, 1000 do t[i] = -i end\n"
                         "while true do table.sort(t, function(a, b)\nreturn a < b end) end"),
                 STOPPED "4");
}

static void sleep_is_stopped(void **state)
{
  (void)state;
  expect_stopped(HANDLER("kaa.sleep(100)"), STOPPED "2");
  expect_stopped(HANDLER("while true do\npcall(kaa.sleep, 100) end"), STOPPED "3");
}

static void an_awaited_program_is_stopped(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, "return { timeout_s = 0.2, needs = { 'exec' },\n"
                   "run = function() kaa.exec { '/bin/true' } end }", "{}");
  peer_send_command(&peer, 7, "{\"id\":7}");
  peer_expect(&peer, WORKER_EXEC);
  poll(NULL, 0, 200);
  peer_ask(&peer);
  struct finished finished = peer_expect_finished(&peer);
  assert_string_equal(finished.reason, STOPPED "2");
  finished_clear(&finished);
  peer_stop(&peer);
}

static void an_early_ask_was_for_the_command_before(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, "return { timeout_s = 30, run = function() kaa.sleep(0.1) return 200, 'late' "
                   "end }", "{}");
  struct finished finished = run_and_ask(&peer, 0);
  assert_string_equal(finished.reason, "late");
  assert_false(finished.is_spent);
  finished_clear(&finished);
  peer_ask(&peer); /* nothing runs */
  finished = peer_run(&peer, NULL);
  assert_string_equal(finished.reason, "late");
  finished_clear(&finished);
  peer_stop(&peer);
}

/* One call into the pattern matcher: only SIGKILL ends it. */
static void backtracking_is_ended(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, HANDLER("return 200, ('a'):rep(100):find(('a*'):rep(50) .. 'b')"), "{}");
  peer_send_command(&peer, 7, "{\"id\":7}");
  peer_expect(&peer, WORKER_MARK);
  poll(NULL, 0, 200);
  peer_ask(&peer);
  int64_t asked_ms = clock_monotonic_ms();
  struct pollfd frames = {.fd = peer.frames, .events = POLLIN};
  assert_int_equal(poll(&frames, 1, 100), 0);
  peer_stop(&peer);
  assert_true(clock_monotonic_ms() - asked_ms < 2000);
}

static void expect_load_fault(const char *purpose, const char *source, int line,
    const char *message)
{
  struct peer peer;
  peer_start(&peer);
  peer_send_version(&peer, purpose, "park.lua", source, "{}");
  poll(NULL, 0, 1500);
  peer_ask(&peer);
  json_t *loaded = peer_expect_loaded(&peer);
  json_t *fault = json_array_get(json_object_get(loaded, "faults"), 0);
  assert_string_equal(json_string_value(json_object_get(fault, "message")), message);
  assert_int_equal(json_integer_value(json_object_get(fault, "line")), line);
  json_decref(loaded);
  peer_stop(&peer);
}

static void loading_is_stopped(void **state)
{
  (void)state;
  expect_load_fault("handler", "\nwhile true do pcall(error) end", 2, "loading took longer than "
                                                                      "2 s");
  expect_load_fault("config", "\n\nwhile true do end", 3, "loading took longer than 2 s");
}

/* ---- memory ---- */

static void expect_no_memory(const char *source, const char *reason)
{
  struct peer peer;
  peer_load(&peer, source, "{}");
  struct finished finished = peer_run(&peer, NULL);
  assert_string_equal(finished.reason, reason);
  assert_int_equal(finished.status, 500);
  assert_true(finished.is_spent);
  finished_clear(&finished);
  peer_stop(&peer);
}

static void a_memory_bomb_is_answered(void **state)
{
  (void)state;
  expect_no_memory("return { memory_mib = 8, run = function()\nlocal t = {}\n"
                   "while true do t[#t + 1] = ('x'):rep(1000) .. #t end end }",
                   "Out of memory (limit 8 MiB) at park.lua:3");
  expect_no_memory("return function()\nreturn 200, ('x'):rep(1 << 30) end",
                   "Out of memory (limit 32 MiB) at park.lua:2");
}

static void a_memory_error_passed_on_is_one(void **state)
{
  (void)state;
  expect_no_memory("return function() local ok, why = pcall(function() local t = {}\n"
                   "while true do t[#t + 1] = {} end end) error(why) end",
                   "Out of memory (limit 32 MiB) at park.lua:2");
  expect_no_memory("return function() coroutine.wrap(function() local t = {}\n"
                   "while true do t[#t + 1] = {} end end)() end",
                   "Out of memory (limit 32 MiB) at park.lua:2");
}

static void a_memory_error_that_is_handled_is_none(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, "return function() local ok, why = pcall(function() local t = {}\n"
                   "while true do t[#t + 1] = {} end end) return 200, why end", "{}");
  struct finished finished = peer_run(&peer, NULL);
  assert_int_equal(finished.status, 200);
  assert_string_equal(finished.reason, "not enough memory");
  assert_false(finished.is_spent);
  finished_clear(&finished);
  peer_stop(&peer);
}

static void a_large_payload_meets_the_limit(void **state)
{
  (void)state;
  struct peer peer;
  struct buffer payload = {0};
  peer_load(&peer, "return { memory_mib = 1, run = function() end }", "{}");
  for (int i = 0; i < 50000; i++)
    buffer_append_text(&payload, i ? ",{}" : "[{}");
  buffer_append_char(&payload, ']');
  struct finished finished = peer_run(&peer, buffer_text(&payload));
  assert_string_equal(finished.reason, "Out of memory (limit 1 MiB)");
  finished_clear(&finished);
  buffer_clear(&payload);
  peer_stop(&peer);
}

static void loading_has_a_memory_limit(void **state)
{
  (void)state;
  peer_expect_fault("local t = {}\nwhile true do t[#t + 1] = {} end", "{}", 2,
                    "out of memory while loading (limit 32 MiB)");
}

/* The stack of Lua meets the memory limit before its own. */
static void deep_recursion_is_an_error(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, "local function f() return 1 + f() end return f", "{}");
  struct finished finished = peer_run(&peer, NULL);
  assert_int_equal(finished.status, 500);
  assert_string_equal(finished.reason, "Out of memory (limit 32 MiB) at park.lua:1");
  finished_clear(&finished);
  peer_stop(&peer);
}

/* ---- a worker that ends ---- */

static struct worker_ending ending_of(const char *source)
{
  struct peer peer;
  peer_load(&peer, source, "{}");
  peer_send_command(&peer, 7, "{\"id\":7}");
  struct worker_ending ending = peer_expect_ending(&peer);
  peer_stop(&peer);
  return ending;
}

static void an_exit_is_reported(void **state)
{
  (void)state;
  int status = ending_of("return function() print('bye') os.exit(3) end").wait_status;
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 3);
  status = ending_of("return function() pcall(os.exit, false) end").wait_status;
  assert_int_equal(WEXITSTATUS(status), 1);
}

static void a_killed_worker_is_reported(void **state)
{
  (void)state;
  static const int signals[] = {SIGSEGV, SIGKILL, SIGABRT};
  for (int i = 0; i < 3; i++) {
    struct peer peer;
    peer_load(&peer, "return function() local pid = io.open('/proc/self/stat'):read('n')\n"
                     "print(pid) kaa.sleep(100) end", "{}");
    peer_send_command(&peer, 7, "{\"id\":7}");
    struct frame frame = peer_expect(&peer, WORKER_LOG);
    frame_get_u8(&frame);
    char *pid = frame_get_text(&frame);
    kill((pid_t)atoi(pid), signals[i]);
    struct worker_ending ending = peer_expect_ending(&peer);
    assert_true(WIFSIGNALED(ending.wait_status));
    assert_int_equal(WTERMSIG(ending.wait_status), signals[i]);
    free(pid);
    peer_stop(&peer);
  }
}

static void closed_frames_end_the_worker(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, "return function() end", "{}");
  close(peer.frames);
  peer.frames = -1;
  struct worker_ending ending = peer_expect_ending(&peer);
  assert_int_equal(ending.wait_status, 0);
  peer_stop(&peer);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_loop_is_stopped),
      cmocka_unit_test(a_pcall_loop_is_stopped),
      cmocka_unit_test(an_xpcall_loop_is_stopped),
      cmocka_unit_test(a_coroutine_made_earlier_is_stopped),
      cmocka_unit_test(a_coroutine_resumed_after_the_ask_is_stopped),
      cmocka_unit_test(nested_coroutines_are_stopped),
      cmocka_unit_test(closing_variables_are_stopped),
      cmocka_unit_test(sorting_is_stopped),
      cmocka_unit_test(sleep_is_stopped),
      cmocka_unit_test(an_awaited_program_is_stopped),
      cmocka_unit_test(an_early_ask_was_for_the_command_before),
      cmocka_unit_test(backtracking_is_ended),
      cmocka_unit_test(loading_is_stopped),
      cmocka_unit_test(a_memory_bomb_is_answered),
      cmocka_unit_test(a_memory_error_passed_on_is_one),
      cmocka_unit_test(a_memory_error_that_is_handled_is_none),
      cmocka_unit_test(a_large_payload_meets_the_limit),
      cmocka_unit_test(loading_has_a_memory_limit),
      cmocka_unit_test(deep_recursion_is_an_error),
      cmocka_unit_test(an_exit_is_reported),
      cmocka_unit_test(a_killed_worker_is_reported),
      cmocka_unit_test(closed_frames_end_the_worker),
  };
  int rc = peer_find_program(argc, argv);
  return rc ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}

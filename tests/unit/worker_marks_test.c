/* The worker's marks in the real program: what the file tells beside the frames, and
 * when; and the age from which a command is not begun. */
#include "worker_peer.h"

#include "base/clock.h"
#include "base/marks.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/kaalua-worker-marks-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
  (void)state;
  if (!mkdtemp(folder))
    return -1;
  snprintf(path, sizeof path, "%s/marks", folder);
  return 0;
}

static int remove_folder(void **state)
{
  (void)state;
  return rmdir(folder);
}

static struct marks *create(void)
{
  int rc = 0;
  struct marks *marks = marks_create(path, &rc);
  assert_int_equal(rc, 0);
  return marks;
}

static void on_finished(void *context, const struct marks_result *result)
{
  struct buffer *found = context;
  buffer_format(found, "%d %d %s ", (int)result->sequence, result->status, result->reason);
  buffer_append(found, result->payload ? result->payload : "-",
                result->payload ? result->payload_bytes : 1);
  buffer_append_text(found, result->waits ? " waits\n" : "\n");
}

static void expect_marks(int64_t begun, const char *results)
{
  struct buffer found = {0};
  int64_t told;
  assert_int_equal(marks_read(path, on_finished, &found, &told), 0);
  assert_string_equal(buffer_text(&found), results);
  assert_int_equal(told, begun);
  buffer_clear(&found);
}

static void expect_status(struct peer *peer, int64_t job, int64_t status)
{
  struct finished finished = peer_expect_finished(peer);
  assert_int_equal(finished.job, job);
  assert_int_equal(finished.status, status);
  finished_clear(&finished);
}

static void send_two(struct peer *peer, const char *first, const char *second)
{
  struct buffer out = {0};
  peer_put_command(&out, 1, first);
  peer_put_command(&out, 2, second);
  peer_send(peer, &out);
  buffer_clear(&out);
}

static void each_command_and_its_result_is_marked(void **state)
{
  (void)state;
  struct peer peer;
  struct marks *marks = create();
  peer_load_with(&peer, "return function(c) return 201, nil, c.payload end", "{}",
                 marks_fd(marks));
  expect_marks(0, "");
  send_two(&peer, "{\"id\":1,\"payload\":[7]}", "{\"id\":2}");
  expect_status(&peer, 1, 201);
  expect_status(&peer, 2, 201);
  expect_marks(2, "1 201 Created [7]\n2 201 Created -\n");
  marks_count_durable(marks);
  marks_count_durable(marks);
  peer_send_command(&peer, 3, "{\"id\":3}");
  expect_status(&peer, 3, 201);
  expect_marks(3, "3 201 Created -\n");
  peer_stop(&peer);
  marks_destroy(marks);
}

/* The handler itself looks at the head of the file: who begins, and how much of results
 * there is (base/marks.c). */
static void a_mark_is_written_before_the_handler_runs(void **state)
{
  (void)state;
  struct peer peer;
  struct marks *marks = create();
  struct buffer source = {0};
  buffer_format(&source,
                "return function(c)\n  local file = assert(io.open(\"%s\", \"rb\"))\n"
                "  local text = file:read \"a\"\n  file:close()\n"
                "  return 200, nil, { (string.unpack(\"<i8\", text, 17)),\n"
                "    string.unpack(\"<I4\", text, 25) > 0 } end",
                path);
  peer_load_with(&peer, buffer_text(&source), "{}", marks_fd(marks));
  buffer_clear(&source);
  send_two(&peer, "{\"id\":1}", "{\"id\":2}");
  struct finished finished = peer_expect_finished(&peer);
  assert_string_equal(finished.payload, "[1,false]");
  finished_clear(&finished);
  finished = peer_expect_finished(&peer);
  assert_string_equal(finished.payload, "[2,true]");
  finished_clear(&finished);
  peer_stop(&peer);
  marks_destroy(marks);
}

static void a_killed_worker_leaves_what_it_had_finished(void **state)
{
  (void)state;
  struct peer peer;
  struct marks *marks = create();
  peer_load_with(&peer, "return function(c) if c.id == 2 then kaa.log.info 'in it' kaa.sleep(60) "
                        "end return 200, 'done' end", "{}", marks_fd(marks));
  send_two(&peer, "{\"id\":1}", "{\"id\":2}");
  expect_status(&peer, 1, 200);
  peer_expect(&peer, WORKER_LOG);
  kill(peer_worker(&peer), SIGKILL);
  assert_int_equal(peer_expect_ending(&peer).wait_status, SIGKILL);
  expect_marks(2, "1 200 done -\n");
  peer_stop(&peer);
  marks_destroy(marks);
}

static void expect_silence(struct peer *peer)
{
  struct pollfd ready = {.fd = peer->frames, .events = POLLIN};
  assert_int_equal(poll(&ready, 1, 150), 0);
}

/* The result of the one that ran comes first, and the file names no other. */
static void a_worker_whose_marks_are_revoked_ends_what_runs_and_stands(void **state)
{
  (void)state;
  struct peer peer;
  struct buffer out = {0};
  struct marks *marks = create();
  peer_load_with(&peer, "return { every_s = 1, tick = function() end, run = function(c)\n"
                        "kaa.log.info 'in it' kaa.sleep(0.3) return 200, 'done' end }", "{}",
                 marks_fd(marks));
  send_two(&peer, "{\"id\":1}", "{\"id\":2}");
  peer_expect(&peer, WORKER_LOG);
  assert_int_equal(marks_revoke(marks), 1);
  expect_status(&peer, 1, 200);
  peer_expect(&peer, WORKER_STANDS);
  assert_int_equal(peer.marks, 1);
  expect_marks(1, "1 200 done -\n");
  peer_put_tick(&out, 5, "device-1");
  peer_send(&peer, &out);
  buffer_clear(&out);
  expect_silence(&peer);
  peer_stop(&peer);
  marks_destroy(marks);
}

static void ticks_leave_no_marks(void **state)
{
  (void)state;
  struct peer peer;
  struct marks *marks = create();
  struct buffer out = {0};
  peer_load_with(&peer, "return { every_s = 1, tick = function() end }", "{}", marks_fd(marks));
  peer_put_tick(&out, 5, "device-1");
  peer_send(&peer, &out);
  buffer_clear(&out);
  expect_status(&peer, 5, 200);
  expect_marks(0, "");
  peer_stop(&peer);
  marks_destroy(marks);
}

static void every_end_is_marked(void **state)
{
  (void)state;
  struct peer peer;
  struct marks *marks = create();
  peer_load_with(&peer, "return { memory_mib = 4, params = { n = { type = 'integer' } },\n"
                        "run = function(c)\n"
                        "  if c.payload.n == 1 then error 'no' end\n"
                        "  if c.payload.n == 2 then kaa.fail(409, 'taken', {}) end\n"
                        "  local t = {} while true do t[#t + 1] = {} end end }", "{}",
                 marks_fd(marks));
  send_two(&peer, "{\"id\":1,\"payload\":{\"n\":1}}", "{\"id\":2,\"payload\":{\"n\":2}}");
  expect_status(&peer, 1, 500);
  expect_status(&peer, 2, 409);
  peer_send_command(&peer, 3, "{\"id\":3,\"payload\":{\"n\":\"x\"}}");
  expect_status(&peer, 3, 400);
  expect_marks(3, "1 500 park.lua:3: no -\n2 409 taken {}\n"
                  "3 400 n: expected integer, got \"x\" -\n");
  peer_send_command(&peer, 4, "{\"id\":4,\"payload\":{}}");
  expect_status(&peer, 4, 500);
  expect_marks(4, "1 500 park.lua:3: no -\n2 409 taken {}\n"
                  "3 400 n: expected integer, got \"x\" -\n"
                  "4 500 Out of memory (limit 4 MiB) at park.lua:5 -\n");
  peer_stop(&peer);
  marks_destroy(marks);
}

/* It is sent at once: else the next would wait for what nobody has. */
static void a_result_too_large_for_the_file_leaves_before_the_next_mark(void **state)
{
  (void)state;
  struct peer peer;
  struct marks *marks = create();
  peer_load_with(&peer, "return function(c) return 200, nil, c.payload and ('x'):rep(100000) end",
                 "{}", marks_fd(marks));
  send_two(&peer, "{\"id\":1,\"payload\":1}", "{\"id\":2}");
  expect_status(&peer, 1, 200);
  expect_silence(&peer);
  expect_marks(1, "");
  assert_int_equal(peer.marks, 1);
  marks_count_durable(marks);
  expect_status(&peer, 2, 200);
  expect_marks(2, "2 200 OK -\n");
  peer_stop(&peer);
  marks_destroy(marks);
}

static void a_full_file_holds_back_the_result(void **state)
{
  (void)state;
  struct peer peer;
  struct marks *marks = create();
  peer_load_with(&peer, "return function(c) return 200, nil, ('x'):rep(40000) end", "{}",
                 marks_fd(marks));
  send_two(&peer, "{\"id\":1}", "{\"id\":2}");
  expect_status(&peer, 1, 200);
  peer_expect(&peer, WORKER_MARK);
  expect_silence(&peer);
  marks_count_durable(marks);
  expect_status(&peer, 2, 200);
  peer_stop(&peer);
  marks_destroy(marks);
}

static void what_is_no_file_of_marks_ends_the_worker(void **state)
{
  (void)state;
  struct peer peer;
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  peer_start_with(&peer, -1, ends[0]);
  struct worker_ending ending = peer_expect_ending(&peer);
  assert_int_not_equal(ending.wait_status, 0);
  close(ends[0]);
  close(ends[1]);
  peer_stop(&peer);
}

static void expect_not_open(pid_t pid, const char *file)
{
  char name[64], target[256];
  for (int fd = 0; fd < 64; fd++) {
    snprintf(name, sizeof name, "/proc/%d/fd/%d", (int)pid, fd);
    ssize_t size = readlink(name, target, sizeof target - 1);
    target[size < 0 ? 0 : size] = '\0';
    assert_string_not_equal(target, file);
  }
}

static void neither_worker_nor_leader_keeps_the_descriptor(void **state)
{
  (void)state;
  struct peer peer;
  struct marks *marks = create();
  peer_load_with(&peer, "return function() end", "{}", marks_fd(marks));
  peer_send_command(&peer, 1, "{\"id\":1}");
  expect_status(&peer, 1, 200);
  expect_not_open(peer_worker(&peer), path);
  expect_not_open(peer.leader, path);
  expect_marks(1, "1 200 OK -\n");
  peer_stop(&peer);
  marks_destroy(marks);
}

/* ---- max_age_s ---- */

static const char patient[] =
    "return { max_age_s = 2.5, run = function() kaa.log.info 'ran' return 200, 'ran' end }";

static void expect_aged(const char *source, int64_t age_ms, int64_t status, const char *reason)
{
  struct peer peer;
  struct marks *marks = create();
  struct buffer out = {0}, line = {0};
  peer_load_with(&peer, source, "{}", marks_fd(marks));
  int64_t now_ms = clock_boot_ms();
  peer_put_command_of(&out, 1, "{\"id\":1}", age_ms < 0 ? -1 : now_ms - age_ms);
  peer_send(&peer, &out);
  struct finished finished = peer_expect_finished(&peer);
  assert_int_equal(finished.status, status);
  if (reason)
    assert_string_equal(finished.reason, reason);
  assert_null(finished.payload);
  assert_false(finished.is_spent);
  assert_int_equal(peer.marks, 1);
  buffer_format(&line, "1 %d %s -\n", (int)status, finished.reason);
  expect_marks(1, buffer_text(&line));
  assert_string_equal(buffer_text(&peer.log), status == 410 ? "" : "1 ran\n");
  finished_clear(&finished);
  buffer_clear(&out);
  buffer_clear(&line);
  peer_stop(&peer);
  marks_destroy(marks);
}

static void a_command_past_its_age_is_answered_and_not_run(void **state)
{
  (void)state;
  expect_aged(patient, 3600000, 410, NULL);
  expect_aged(patient, -1, 410, "Expired: received before the device was started");
}

static void a_younger_command_and_one_without_an_age_run(void **state)
{
  (void)state;
  expect_aged(patient, 0, 200, "ran");
  expect_aged("return function() kaa.log.info 'ran' return 200, 'ran' end", -1, 200, "ran");
  expect_aged("return function() kaa.log.info 'ran' return 200, 'ran' end", 3600000, 200, "ran");
}

/* What it did before nobody knows: it is not run, and not answered as if it never had. */
static void a_retried_command_past_its_age_is_interrupted(void **state)
{
  (void)state;
  struct peer peer;
  struct buffer out = {0};
  peer_load(&peer, patient, "{}");
  peer_put_retried(&out, 1, "{\"id\":1}", clock_boot_ms() - 3600000);
  peer_put_retried(&out, 2, "{\"id\":2}", -1);
  peer_put_retried(&out, 3, "{\"id\":3}", clock_boot_ms());
  peer_send(&peer, &out);
  buffer_clear(&out);
  for (int64_t job = 1; job <= 2; job++) {
    struct finished finished = peer_expect_finished(&peer);
    assert_int_equal(finished.job, job);
    assert_int_equal(finished.status, 500);
    assert_string_equal(finished.reason, "Interrupted: the outcome is unknown");
    finished_clear(&finished);
  }
  expect_status(&peer, 3, 200);
  assert_string_equal(buffer_text(&peer.log), "1 ran\n"); /* at level 1: once */
  peer_stop(&peer);
}

/* The age counts when it is to begin, not when it was handed out. */
static void a_command_grows_old_behind_another(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, "return { max_age_s = 0.3, run = function(c) if c.id == 1 then kaa.sleep(0.6) "
                   "end return 200 end }", "{}");
  send_two(&peer, "{\"id\":1}", "{\"id\":2}");
  expect_status(&peer, 1, 200);
  struct finished finished = peer_expect_finished(&peer);
  double age_s = 0;
  char rest[16] = "";
  assert_int_equal(finished.status, 410);
  assert_int_equal(sscanf(finished.reason, "Expired: %lf s %15s", &age_s, rest), 2);
  assert_string_equal(rest, "old");
  assert_true(age_s >= 0.6 && age_s < 20);
  const char *point = strchr(finished.reason, '.');
  assert_true(!point || point[2] == ' ');
  finished_clear(&finished);
  peer_stop(&peer);
}

static void a_resume_has_no_age(void **state)
{
  (void)state;
  struct peer peer;
  struct buffer out = {0};
  peer_load(&peer, "return { max_age_s = 1, run = function() end, resume = function() return 201 "
                   "end }", "{}");
  peer_put_resume(&out, 1, "{\"id\":1}", NULL, -1);
  peer_send(&peer, &out);
  buffer_clear(&out);
  expect_status(&peer, 1, 201);
  peer_stop(&peer);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_command_and_its_result_is_marked),
      cmocka_unit_test(a_mark_is_written_before_the_handler_runs),
      cmocka_unit_test(a_killed_worker_leaves_what_it_had_finished),
      cmocka_unit_test(a_worker_whose_marks_are_revoked_ends_what_runs_and_stands),
      cmocka_unit_test(ticks_leave_no_marks),
      cmocka_unit_test(every_end_is_marked),
      cmocka_unit_test(a_result_too_large_for_the_file_leaves_before_the_next_mark),
      cmocka_unit_test(a_full_file_holds_back_the_result),
      cmocka_unit_test(what_is_no_file_of_marks_ends_the_worker),
      cmocka_unit_test(neither_worker_nor_leader_keeps_the_descriptor),
      cmocka_unit_test(a_command_past_its_age_is_answered_and_not_run),
      cmocka_unit_test(a_younger_command_and_one_without_an_age_run),
      cmocka_unit_test(a_retried_command_past_its_age_is_interrupted),
      cmocka_unit_test(a_command_grows_old_behind_another),
      cmocka_unit_test(a_resume_has_no_age),
  };
  int rc = peer_find_program(argc, argv);
  return rc ? rc : cmocka_run_group_tests(tests, make_folder, remove_folder);
}

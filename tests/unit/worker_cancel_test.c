/* worker_cancel() with the real kaalua-worker: it never hits another command, however close
 * it comes, and what it returns of the one that it is for is true. */
#include "supervision/worker.h"

#include "base/clock.h"
#include "base/memory.h"
#include "core/core.h"
#include "handlers/sources.h"
#include "supervision/marks_files.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 60000, MOST = 12, ROUNDS = 1000 };

struct one {
  struct command command;
  char element[64];
  int status; /* 0: it has not ended */
  char reason[128];
  char payload[64]; /* "" for none */
  bool never_ran, is_back;
};

struct scene {
  char folder[64];
  struct workplace workplace;
  struct sources *sources;
  struct version *version;
  struct worker *worker;
  struct loop_timer *patience;
  struct one all[MOST];
  int64_t sequence;
  bool is_over;
  int deaths;
  bool (*is_done)(const struct scene *s);
};

static struct one *one_of(struct command *command)
{
  return (struct one *)command; /* its first member */
}

static void look(struct scene *s)
{
  if (s->is_done && s->is_done(s))
    loop_stop(s->workplace.loop);
}

static void on_loaded(void *context, struct worker *worker, const json_t *report)
{
  assert_int_equal(json_array_size(json_object_get(report, "faults")), 0);
  version_set_contract(worker_version(worker), json_object_get(report, "contract"));
  look(context);
}

static void on_finished(void *context, struct worker *worker, struct command *command,
                        struct command_result *result, const struct worker_finish *how)
{
  struct one *one = one_of(command);
  (void)worker;
  assert_int_equal(one->status, 0);
  assert_false(one->is_back);
  assert_false(how->waits);
  one->status = result->status;
  one->never_ran = how->never_ran;
  snprintf(one->reason, sizeof one->reason, "%s", result->reason);
  snprintf(one->payload, sizeof one->payload, "%.*s", (int)result->payload_bytes,
           result->payload ? result->payload : "");
  command_result_clear(result);
  marks_file_ended(command); /* durable at once */
  command->owner = NULL;
  look(context);
}

static void on_put_back(void *context, struct worker *worker, struct command *command)
{
  (void)context;
  (void)worker;
  one_of(command)->is_back = true;
  marks_file_ended(command);
  command->owner = NULL;
}

static void on_over(void *context, struct worker *worker, enum worker_end end, const char *how)
{
  struct scene *s = context;
  (void)worker;
  (void)how;
  s->is_over = true;
  s->deaths += end == WORKER_CRASHED;
  look(s);
}

static void on_patience(void *context)
{
  (void)context;
  fail_msg("nothing happened for %d s", PATIENCE_MS / 1000);
}

static void run_until(struct scene *s, bool (*is_done)(const struct scene *s))
{
  s->is_done = is_done;
  loop_timer_set(s->patience, clock_monotonic_ms() + PATIENCE_MS);
  if (!is_done(s))
    loop_run(s->workplace.loop);
  s->is_done = NULL;
}

static bool is_loaded(const struct scene *s)
{
  return worker_is_loaded(s->worker);
}

static bool have_ended(const struct scene *s)
{
  for (size_t i = 0; i < MOST; i++)
    if (s->all[i].command.sequence && !s->all[i].status && !s->all[i].is_back)
      return false;
  return true;
}

static bool has_begun(const struct scene *s)
{
  struct worker_running running;
  return worker_get_running(s->worker, &running) && running.text;
}

/* kaalua-worker lies one folder up. */
static char *worker_path(void)
{
  char path[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  path[n > 0 ? n : 0] = '\0';
  for (int i = 0; i < 2; i++)
    *strrchr(path, '/') = '\0';
  return memory_format("%s/kaalua-worker", path);
}

static void on_progress(void *context, struct worker *worker, const struct command *command,
                        double percent, const char *text)
{
  (void)worker;
  (void)command;
  (void)percent;
  assert_non_null(text);
  look(context);
}

static void start_worker(struct scene *s)
{
  const struct worker_ports ports = {.context = s,
                                     .loaded = on_loaded,
                                     .finished = on_finished,
                                     .put_back = on_put_back,
                                     .progress = on_progress,
                                     .over = on_over};
  const struct worker_options options = {.purpose = WORKER_HANDLER};
  struct error error = {0};
  s->worker = worker_start(&s->workplace, s->version, &options, &ports, &error);
  assert_non_null(s->worker);
  run_until(s, is_loaded);
}

static void open_scene(struct scene *s, const char *source)
{
  static char *no_environment[] = {NULL};
  struct error error = {0};
  *s = (struct scene){.folder = "/tmp/kaalua-cancel-XXXXXX",
                      .workplace = {.loop = loop_create(),
                                    .program = worker_path(),
                                    .environment = no_environment,
                                    .private_paths = json_array(),
                                    .handler_paths = json_array()}};
  assert_non_null(mkdtemp(s->folder));
  const char *directories[] = {s->folder};
  s->workplace.marks = marks_files_open(s->folder, &error);
  assert_non_null(s->workplace.marks);
  s->sources = sources_create(directories, 1);
  sources_scan(s->sources);
  s->version = version_create("x", "x.lua", "x.lua", source, strlen(source),
                              sources_library(s->sources));
  s->patience = loop_timer_create(s->workplace.loop, on_patience, s);
  start_worker(s);
}

static void close_scene(struct scene *s)
{
  worker_destroy(s->worker);
  version_drop(s->version);
  sources_destroy(s->sources);
  marks_files_close(s->workplace.marks);
  loop_timer_destroy(s->patience);
  loop_destroy(s->workplace.loop);
  json_decref(s->workplace.private_paths);
  json_decref(s->workplace.handler_paths);
  free(s->workplace.program);
  char *marks = memory_format("%s/marks", s->folder);
  assert_int_equal(rmdir(marks), 0); /* no file of marks is left */
  assert_int_equal(rmdir(s->folder), 0);
  free(marks);
}

static struct one *run(struct scene *s, size_t n, const char *payload)
{
  struct one *one = &s->all[n];
  *one = (struct one){.command = {.key = {.endpoint = "E1", .type = "x", .id = (int64_t)n},
                                  .state = COMMAND_RUNNING,
                                  .sequence = ++s->sequence,
                                  .received_boot_ms = clock_boot_ms()}};
  snprintf(one->element, sizeof one->element, "{\"id\":%zu,\"payload\":%s}", n, payload);
  one->command.element = one->element;
  one->command.element_bytes = strlen(one->element);
  worker_run(s->worker, &one->command);
  return one;
}

static bool cancel(struct scene *s, const struct one *one)
{
  bool begun;
  assert_int_equal(worker_cancel(s->worker, &one->command.key, &begun), 0);
  return begun;
}

static const char looping[] =
    "return { timeout_s = 60, run = function(c) kaa.progress(1, 'x')\n"
    "  if c.payload == 'loop' then while true do pcall(error) end end\n"
    "  if c.payload == 'heed' then while not kaa.cancelled() do end end\n"
    "  if c.payload == 'sleep' then return 200, kaa.sleep(50) and 'slept' or 'cut', kaa.cancelled() end\n"
    "  return 200, 'OK', kaa.cancelled() end }";

static void what_waits_is_taken_and_the_rest_goes_on(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, looping);
  struct one *running = run(&s, 0, "\"heed\"");
  for (size_t i = 1; i < MOST; i++)
    run(&s, i, "1");
  run_until(&s, has_begun);
  for (size_t i = 1; i <= MARKS_CANCELLED - 1; i++) {
    assert_false(cancel(&s, &s.all[2 * i]));
    assert_int_equal(s.all[2 * i].status, 499); /* from within */
    assert_true(s.all[2 * i].never_ran);
  }
  assert_true(cancel(&s, running));
  assert_true(cancel(&s, running)); /* again: nothing */
  run_until(&s, have_ended);
  assert_int_equal(running->status, 499);
  assert_string_equal(running->reason, "Cancelled");
  assert_string_equal(running->payload, "true");
  for (size_t i = 1; i < MOST; i++) {
    bool is_taken = i % 2 == 0 && i / 2 < MARKS_CANCELLED;
    assert_int_equal(s.all[i].status, is_taken ? 499 : 200);
    assert_string_equal(s.all[i].payload, is_taken ? "" : "false");
  }
  assert_int_equal(worker_load(s.worker), 0);
  close_scene(&s);
}

static void more_than_the_marks_hold_are_asked_in_their_turn(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, looping);
  run(&s, 0, "\"heed\"");
  for (size_t i = 1; i < MOST; i++)
    run(&s, i, "\"heed\""); /* none ends before it is asked */
  run_until(&s, has_begun);
  for (size_t i = MOST; i-- > 0;)
    cancel(&s, &s.all[i]);
  run_until(&s, have_ended);
  for (size_t i = 0; i < MOST; i++)
    assert_int_equal(s.all[i].status, 499);
  assert_false(s.is_over);
  close_scene(&s);
}

static void one_that_does_not_hear_is_stopped_and_the_next_is_put_back(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, looping);
  struct one *loop = run(&s, 0, "\"loop\""), *next = run(&s, 1, "1");
  run_until(&s, has_begun);
  int64_t began_ms = clock_monotonic_ms();
  assert_true(cancel(&s, loop));
  run_until(&s, have_ended);
  assert_int_equal(loop->status, 499);
  assert_string_equal(loop->payload, "");
  assert_in_range(clock_monotonic_ms() - began_ms, 1900, 30000); /* it had its time */
  assert_true(next->is_back);
  assert_int_equal(s.deaths, 0);
  close_scene(&s);
}

static void a_sleep_is_cut_short(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, looping);
  struct one *one = run(&s, 0, "\"sleep\"");
  run_until(&s, has_begun);
  assert_true(cancel(&s, one));
  run_until(&s, have_ended);
  assert_int_equal(one->status, 499);
  assert_string_equal(one->payload, "true");
  assert_false(s.is_over);
  close_scene(&s);
}

static void a_cancelled_one_is_not_left_for_the_next_start(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, looping);
  struct one *one = run(&s, 0, "\"loop\"");
  run_until(&s, has_begun);
  assert_true(cancel(&s, one));
  worker_leave(s.worker); /* as where its on_interrupt is "retry" */
  assert_int_equal(one->status, 499);
  close_scene(&s);
}

/* ---- close calls ---- */

static const char brief[] =
    "local runs = 0\n"
    "return function(c) runs = runs + 1\n"
    "  for i = 1, c.payload do if kaa.cancelled() then break end end\n"
    "  return 200, 'OK', { kaa.cancelled(), runs } end";

/* Each call is answered in the next turn: it cannot enter its directory. */
static const char asking[] =
    "local function ask() return select(2, kaa.exec({ '/bin/true' }, { cwd = '/nowhere' })) end\n"
    "return { needs = { 'exec' }, run = function(c)\n"
    "  while ask() ~= 'cancelled' do end\n"
    "  return 200, 'OK', ask() end }";

struct race {
  struct scene s;
  struct loop_timer *timer;
  unsigned random;
  unsigned most_us; /* until it is cancelled */
  int victim;
  bool begun;
};

static unsigned pick(struct race *race, unsigned count)
{
  race->random = race->random * 1103515245 + 12345;
  return (race->random >> 16) % count;
}

static int64_t now_us(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void on_cancel(void *context)
{
  struct race *race = context;
  int64_t until_us = now_us() + pick(race, race->most_us);
  while (now_us() < until_us) {
  }
  bool begun = false;
  int rc = worker_cancel(race->s.worker, &race->s.all[race->victim].command.key, &begun);
  assert_true(rc == 0 || rc == -ENOENT); /* it had ended */
  race->begun = begun;
}

static void count(const struct race *race, int *by_kind, int *runs)
{
  for (int i = 0; i < 3; i++) {
    const struct one *one = &race->s.all[i];
    bool is_cancelled = one->status == 499;
    assert_false(one->is_back);
    assert_true(one->status == 200 || (is_cancelled && i == race->victim));
    if (one->status == 200)
      assert_memory_equal(one->payload, "[false,", 7); /* nobody said so to it */
    if (i == race->victim)
      by_kind[!is_cancelled ? 0 : one->never_ran ? 1 : 2]++;
    if (one->never_ran)
      assert_string_equal(one->payload, "");
    else
      assert_int_equal(atoi(strchr(one->payload, ',') + 1), ++*runs); /* in order, each once */
  }
}

static void a_thousand_close_calls_hit_no_other_command(void **unused)
{
  (void)unused;
  static const char *const work[] = {"0", "2000", "40000"};
  struct race race = {.random = 7, .most_us = 3000};
  int by_kind[3] = {0}, runs = 0;
  open_scene(&race.s, brief);
  race.timer = loop_timer_create(race.s.workplace.loop, on_cancel, &race);
  for (int round = 0; round < ROUNDS; round++) {
    for (size_t i = 0; i < 3; i++)
      run(&race.s, i, work[pick(&race, 3)]);
    race.victim = (int)pick(&race, 3);
    loop_timer_set(race.timer, clock_monotonic_ms());
    run_until(&race.s, have_ended);
    count(&race, by_kind, &runs);
    loop_timer_set(race.timer, INT64_MAX);
  }
  print_message("%d had ended, %d had not begun, %d were at work\n", by_kind[0], by_kind[1],
                by_kind[2]);
  assert_true(by_kind[0] && by_kind[1] && by_kind[2]);
  assert_false(race.s.is_over);
  loop_timer_destroy(race.timer);
  close_scene(&race.s);
}

/* The worker does not wait for the answer any more, and may ask again. */
static void what_it_asks_for_just_then_is_given_up(void **unused)
{
  (void)unused;
  struct race race = {.random = 7, .most_us = 60};
  struct one *one = &race.s.all[0];
  open_scene(&race.s, asking);
  race.timer = loop_timer_create(race.s.workplace.loop, on_cancel, &race);
  for (int round = 0; round < ROUNDS; round++) {
    run(&race.s, 0, "1");
    loop_timer_set(race.timer, clock_monotonic_ms() + 1 + pick(&race, 2));
    run_until(&race.s, have_ended);
    assert_int_equal(one->status, 499);
    if (!one->never_ran)
      assert_string_equal(one->payload, "\"/bin/true: its cwd cannot be entered\"");
  }
  assert_false(race.s.is_over);
  loop_timer_destroy(race.timer);
  close_scene(&race.s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_waits_is_taken_and_the_rest_goes_on),
      cmocka_unit_test(more_than_the_marks_hold_are_asked_in_their_turn),
      cmocka_unit_test(one_that_does_not_hear_is_stopped_and_the_next_is_put_back),
      cmocka_unit_test(a_sleep_is_cut_short),
      cmocka_unit_test(a_cancelled_one_is_not_left_for_the_next_start),
      cmocka_unit_test(a_thousand_close_calls_hit_no_other_command),
      cmocka_unit_test(what_it_asks_for_just_then_is_given_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The table of handlers with real workers: which version runs a command, and under which
 * policy. */
#include "handlers/handlers.h"

#include "base/clock.h"
#include "base/memory.h"

#include <dirent.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 30000 };

struct scene {
  char folder[64];
  const char *directories[1];
  struct workplace workplace;
  struct loop_timer *patience;
  struct loop_timer *look;
  struct handlers *handlers;
  bool (*is_over)(const struct scene *s);
  struct command command;
  char events[200]; /* of the ports: "room ended 200" */
};

static void add_event(struct scene *s, const char *event)
{
  size_t used = strlen(s->events);
  snprintf(s->events + used, sizeof s->events - used, "%s%s", used ? " " : "", event);
}

static void on_changed(void *context)
{
  (void)context;
}

static void on_room(void *context, const char *type)
{
  assert_string_equal(type, "x");
  add_event(context, "room");
}

static void on_finished(void *context, struct command *command, struct command_result *result)
{
  struct scene *s = context;
  char text[80];
  snprintf(text, sizeof text, "ended %lld with %d %s", (long long)command->key.id, result->status,
           result->reason);
  command_result_clear(result);
  add_event(s, text);
}

static void on_put_back(void *context, struct command *command)
{
  char text[32];
  snprintf(text, sizeof text, "put back %lld", (long long)command->key.id);
  add_event(context, text);
}

static void on_patience(void *context)
{
  struct scene *s = context;
  fail_msg("nothing happened but: %s", s->events);
}

static void on_look(void *context)
{
  struct scene *s = context;
  if (s->is_over(s))
    loop_stop(s->workplace.loop);
  else
    loop_timer_set(s->look, clock_monotonic_ms() + 5);
}

static void run_until(struct scene *s, bool (*is_over)(const struct scene *s))
{
  s->is_over = is_over;
  loop_timer_set(s->patience, clock_monotonic_ms() + PATIENCE_MS);
  loop_timer_set(s->look, clock_monotonic_ms());
  loop_run(s->workplace.loop);
  loop_timer_set(s->patience, INT64_MAX);
}

static bool is_ready(const struct scene *s)
{
  return handlers_are_ready(s->handlers);
}

static bool has_ended(const struct scene *s)
{
  return strstr(s->events, "ended") != NULL;
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

static void write_file(const struct scene *s, const char *name, const char *text)
{
  char *path = memory_format("%s/%s", s->folder, name);
  char *draft = memory_format("%s/.draft", s->folder);
  FILE *file = fopen(draft, "we");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
  assert_int_equal(rename(draft, path), 0);
  free(draft);
  free(path);
}

static void write_source(const struct scene *s, const char *source)
{
  const char *place = strstr(source, "%s");
  char *text = place ? memory_format("%.*s%s%s", (int)(place - source), source, s->folder, place + 2)
                     : memory_text(source);
  write_file(s, "x.lua", text);
  free(text);
}

/* `%s` in the source is the folder. */
static void open_scene(struct scene *s, const char *source)
{
  static char *no_environment[] = {NULL};
  *s = (struct scene){.folder = "/tmp/kaalua-handlers-XXXXXX",
                      .workplace = {.loop = loop_create(),
                                    .program = worker_path(),
                                    .environment = no_environment,
                                    .private_paths = json_array(),
                                    .handler_paths = json_array()}};
  assert_non_null(mkdtemp(s->folder));
  s->directories[0] = s->folder;
  write_source(s, source);
  s->patience = loop_timer_create(s->workplace.loop, on_patience, s);
  s->look = loop_timer_create(s->workplace.loop, on_look, s);
  const struct handlers_options options = {.directories = s->directories, .directory_count = 1};
  const struct handlers_ports ports = {.context = s,
                                       .changed = on_changed,
                                       .room = on_room,
                                       .finished = on_finished,
                                       .put_back = on_put_back};
  s->handlers = handlers_create(&s->workplace, &options, &ports);
  handlers_start(s->handlers);
  run_until(s, is_ready);
  s->events[0] = '\0';
}

static void close_scene(struct scene *s)
{
  handlers_destroy(s->handlers);
  loop_timer_destroy(s->patience);
  loop_timer_destroy(s->look);
  loop_destroy(s->workplace.loop);
  json_decref(s->workplace.private_paths);
  json_decref(s->workplace.handler_paths);
  free(s->workplace.program);
  DIR *folder = opendir(s->folder);
  for (struct dirent *one; folder && (one = readdir(folder));)
    if (strcmp(one->d_name, ".") != 0 && strcmp(one->d_name, "..") != 0)
      unlinkat(dirfd(folder), one->d_name, 0);
  closedir(folder);
  rmdir(s->folder);
}

static void run_command(struct scene *s, struct command *command, int64_t id,
                        enum command_policy policy)
{
  static char element[] = "{\"id\":1}";
  *command = (struct command){.key = {.endpoint = "E1", .type = "x", .id = id},
                              .state = COMMAND_RUNNING,
                              .element = element,
                              .element_bytes = strlen(element),
                              .policy = policy,
                              .attempts = 1};
  handlers_offer(s->handlers, "x", "E1");
  handlers_run(s->handlers, command);
}

/* ---- the policy that was kept with a command ---- */

static void a_command_of_another_versions_policy_is_put_back(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, "return function() return 200, 'ran' end");
  size_t room = handlers_room(s.handlers, "x");
  assert_true(room > 0);
  run_command(&s, &s.command, 1, COMMAND_RETRY);
  assert_string_equal(s.events, "put back 1 room");
  assert_int_equal(handlers_busy(s.handlers), 0);
  assert_int_equal(handlers_room(s.handlers, "x"), room);
  s.events[0] = '\0';
  run_command(&s, &s.command, 1, handlers_policy(s.handlers, "x"));
  assert_string_equal(s.events, "");
  run_until(&s, has_ended);
  assert_string_equal(s.events, "ended 1 with 200 ran room");
  close_scene(&s);
}

static void what_is_answered_at_once_needs_no_policy(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, "return { every_s = 1000, tick = function() end }");
  run_command(&s, &s.command, 1, COMMAND_RETRY);
  assert_string_equal(s.events, "ended 1 with 501 No handler for x: x.lua only ticks room");
  close_scene(&s);
}

/* ---- a new version whose worker ends while the old one has work ---- */

static const char waits_for_go[] =
    "return function() while true do local f = io.open('%s/go') if f then f:close() "
    "return 200, 'old' end kaa.sleep(0.01) end end";

static bool is_retry(const struct scene *s)
{
  return handlers_policy(s->handlers, "x") == COMMAND_RETRY;
}

/* The process that was started last; `count` of them are there. */
static pid_t newest_child(size_t *count)
{
  char path[64];
  long pid = 0;
  snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  for (*count = 0; fscanf(file, "%ld", &pid) == 1;)
    ++*count;
  fclose(file);
  return (pid_t)pid;
}

static bool is_one_alive(const struct scene *s)
{
  size_t count;
  (void)s;
  newest_child(&count);
  return count == 1;
}

static void a_worker_of_the_version_before_is_given_nothing_new(void **unused)
{
  (void)unused;
  struct scene s;
  struct command second;
  size_t count;
  open_scene(&s, waits_for_go);
  run_command(&s, &s.command, 1, COMMAND_REPORT);
  write_source(&s, "return { on_interrupt = 'retry', run = function() return 200, 'new' end }");
  run_until(&s, is_retry);
  pid_t newest = newest_child(&count);
  assert_int_equal(count, 2);
  kill(newest, SIGKILL);
  run_until(&s, is_one_alive);
  assert_int_equal(handlers_room(s.handlers, "x"), 0);
  s.events[0] = '\0';
  run_command(&s, &second, 2, COMMAND_RETRY); /* it was under way */
  assert_string_equal(s.events, "put back 2"); /* room is told of when the other takes over */
  s.events[0] = '\0';
  write_file(&s, "go", "");
  run_until(&s, has_ended);
  assert_string_equal(s.events, "ended 1 with 200 old room");
  assert_true(handlers_room(s.handlers, "x") > 0);
  s.events[0] = '\0';
  run_command(&s, &second, 2, COMMAND_RETRY);
  run_until(&s, has_ended);
  assert_string_equal(s.events, "ended 2 with 200 new room");
  close_scene(&s);
}

/* ---- a file that comes back ---- */

static void remove_source(struct scene *s)
{
  char *path = memory_format("%s/x.lua", s->folder);
  assert_int_equal(unlink(path), 0);
  free(path);
  assert_int_equal(handlers_reload(s->handlers, NULL, 0), 0);
  assert_false(handlers_have(s->handlers, "x"));
}

static void bring_source(struct scene *s, const char *source)
{
  write_source(s, source);
  assert_int_equal(handlers_reload(s->handlers, NULL, 0), 0);
  s->events[0] = '\0';
}

static bool has_room(const struct scene *s)
{
  return strstr(s->events, "room") != NULL;
}

static void assert_waits_and_runs(struct scene *s, struct command *command, int64_t id)
{
  char *put_back = memory_format("put back %lld", (long long)id);
  char *ended = memory_format("ended %lld with 200 new room", (long long)id);
  handlers_run(s->handlers, command);
  assert_string_equal(s->events, put_back);
  assert_int_equal(handlers_room(s->handlers, "x"), 0);
  s->events[0] = '\0';
  run_until(s, has_room);
  s->events[0] = '\0';
  run_command(s, command, id, COMMAND_REPORT);
  run_until(s, has_ended);
  assert_string_equal(s->events, ended);
  free(put_back);
  free(ended);
}

static void what_was_handed_out_while_there_was_no_file_waits_for_one(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, "return function() return 200, 'old' end");
  remove_source(&s);
  s.events[0] = '\0';
  run_command(&s, &s.command, 1, COMMAND_REPORT);
  assert_string_equal(s.events, "ended 1 with 501 No handler for x room");
  assert_int_equal(handlers_offer(s.handlers, "x", "E1"), CORE_TAKE);
  bring_source(&s, "return function() return 200, 'new' end");
  assert_waits_and_runs(&s, &s.command, 1);
  close_scene(&s);
}

static void a_file_that_comes_back_is_not_quarantined(void **unused)
{
  (void)unused;
  struct scene s;
  struct command others[4];
  open_scene(&s, "return { workers = 2, run = function(c) if c.id > 1 then os.exit(3) end "
                 "while not io.open('%s/go') do kaa.sleep(0.01) end end }");
  run_command(&s, &s.command, 1, COMMAND_REPORT);
  for (int i = 0; i < 3; i++) {
    s.events[0] = '\0';
    run_command(&s, &others[i], i + 2, COMMAND_REPORT);
    run_until(&s, has_ended);
  }
  remove_source(&s); /* one still runs */
  assert_int_equal(handlers_offer(s.handlers, "x", "E1"), CORE_TAKE);
  bring_source(&s, "return function() return 200, 'new' end");
  others[3] = s.command;
  others[3].key.id = 5;
  handlers_run(s.handlers, &others[3]);
  assert_string_equal(s.events, "put back 5");
  write_file(&s, "go", "");
  run_until(&s, has_ended);
  close_scene(&s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_command_of_another_versions_policy_is_put_back),
      cmocka_unit_test(what_is_answered_at_once_needs_no_policy),
      cmocka_unit_test(a_worker_of_the_version_before_is_given_nothing_new),
      cmocka_unit_test(what_was_handed_out_while_there_was_no_file_waits_for_one),
      cmocka_unit_test(a_file_that_comes_back_is_not_quarantined),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

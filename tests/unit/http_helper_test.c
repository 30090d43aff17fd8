/* The host's side of kaalua-http, with the real one, which is stopped in the middle
 * of its work. */
#include "host/http_helper.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
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

enum { PATIENCE_MS = 30000, TOTAL_MS = 1000, GRACE_MS = 1000 };

struct scene {
  struct workplace workplace;
  struct config config;
  struct loop_timer *patience;
  struct http_helper *helper;
  unsigned answers;
  uint32_t answered; /* the number of the last one */
  unsigned losses;
  char why[160];
};

static void on_answered(void *context, const struct http_answer *answer)
{
  struct scene *s = context;
  s->answers++;
  s->answered = answer->number;
  loop_stop(s->workplace.loop);
}

static void on_lost(void *context, const char *why)
{
  struct scene *s = context;
  s->losses++;
  snprintf(s->why, sizeof s->why, "%s", why);
  loop_stop(s->workplace.loop);
}

static void on_patience(void *context)
{
  (void)context;
  fail_msg("nothing happened");
}

static void run(struct scene *s)
{
  loop_timer_set(s->patience, clock_monotonic_ms() + PATIENCE_MS);
  loop_run(s->workplace.loop);
}

/* kaalua-worker lies one folder up. */
static char *worker_path(char path[PATH_MAX])
{
  ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
  path[n > 0 ? n : 0] = '\0';
  for (int i = 0; i < 2; i++)
    *strrchr(path, '/') = '\0';
  return strcat(path, "/kaalua-worker");
}

/* Port 1 answers at once: nobody listens there. */
static void open_scene(struct scene *s, char path[PATH_MAX])
{
  static char *no_environment[] = {NULL};
  *s = (struct scene){
      .workplace = {.loop = loop_create(),
                    .program = worker_path(path),
                    .environment = no_environment},
      .config = {.host = (char *)"127.0.0.1", .port = 1, .base_path = (char *)""},
  };
  const struct http_helper_limits limits = {.connect_ms = 500,
                                            .silence_s = 1,
                                            .total_ms = TOTAL_MS,
                                            .max_body = 1000,
                                            .grace_ms = GRACE_MS};
  const struct http_helper_ports ports = {.context = s, .answered = on_answered, .lost = on_lost};
  struct error error = {0};
  s->patience = loop_timer_create(s->workplace.loop, on_patience, s);
  s->helper = http_helper_create(&s->workplace, &s->config, &limits, &ports);
  assert_int_equal(http_helper_start(s->helper, &error), 0);
}

static void close_scene(struct scene *s)
{
  http_helper_destroy(s->helper);
  loop_timer_destroy(s->patience);
  loop_destroy(s->workplace.loop);
}

static int post(struct scene *s, uint32_t number)
{
  return http_helper_post(s->helper, number, "/path", "{}", 2);
}

/* The parent of a process, and whether it is a kaalua-http; 0: there is no such. */
static pid_t parent_of(pid_t pid, bool *is_helper)
{
  char path[64], name[32] = "", state;
  int parent = 0;
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE *file = fopen(path, "re");
  if (file && fscanf(file, "%*d (%31[^)]) %c %d", name, &state, &parent) != 3)
    parent = 0;
  if (file)
    fclose(file);
  *is_helper = !strcmp(name, "kaalua-http");
  return parent;
}

static bool is_below_us(pid_t pid)
{
  bool unused;
  while (pid > 1 && pid != getpid())
    pid = parent_of(pid, &unused);
  return pid == getpid();
}

/* The kaalua-http that this test runs; 0: none. */
static pid_t find_helper(void)
{
  DIR *folder = opendir("/proc");
  pid_t found = 0;
  bool is_helper;
  for (struct dirent *entry; (entry = readdir(folder));) {
    pid_t pid = atoi(entry->d_name);
    if (pid > 0 && parent_of(pid, &is_helper) && is_helper && is_below_us(pid))
      found = pid;
  }
  closedir(folder);
  return found;
}

static void await_answer(struct scene *s, uint32_t number)
{
  assert_int_equal(post(s, number), 0);
  run(s);
  assert_int_equal(s->answered, number);
}

static void one_that_hangs_is_ended_and_can_be_started_again(void **unused)
{
  (void)unused;
  struct scene s;
  char path[PATH_MAX];
  open_scene(&s, path);
  await_answer(&s, 1);
  pid_t pid = find_helper();
  assert_true(pid > 0);
  assert_int_equal(kill(pid, SIGSTOP), 0);
  int64_t start_ms = clock_monotonic_ms();
  assert_int_equal(post(&s, 2), 0);
  assert_int_equal(post(&s, 3), 0);
  run(&s);
  assert_in_range(clock_monotonic_ms() - start_ms, TOTAL_MS + GRACE_MS, PATIENCE_MS);
  assert_int_equal(s.losses, 1);
  assert_non_null(strstr(s.why, "hangs"));
  assert_int_equal(post(&s, 4), -EAGAIN);
  struct error error = {0};
  assert_int_equal(http_helper_start(s.helper, &error), 0);
  await_answer(&s, 5);
  assert_int_equal(s.answers, 2);
  bool is_helper;
  while (parent_of(pid, &is_helper))
    assert_true(clock_monotonic_ms() - start_ms < PATIENCE_MS);
  close_scene(&s);
}

/* What is answered is not waited for any more, and nothing is held against an idle one. */
static void one_that_answers_is_left_alone(void **unused)
{
  (void)unused;
  struct scene s;
  char path[PATH_MAX];
  open_scene(&s, path);
  int64_t start_ms = clock_monotonic_ms();
  for (uint32_t number = 1; clock_monotonic_ms() - start_ms < TOTAL_MS + 2 * GRACE_MS; number++)
    await_answer(&s, number);
  assert_int_equal(s.losses, 0);
  assert_true(s.answers > HTTP_HELPER_MAX);
  close_scene(&s);
}

static void no_more_than_eight_are_under_way(void **unused)
{
  (void)unused;
  struct scene s;
  char path[PATH_MAX];
  open_scene(&s, path);
  for (uint32_t number = 1; number <= HTTP_HELPER_MAX; number++)
    assert_int_equal(post(&s, number), 0);
  assert_int_equal(post(&s, HTTP_HELPER_MAX + 1), -EAGAIN);
  run(&s);
  assert_int_equal(post(&s, HTTP_HELPER_MAX + 1), 0);
  close_scene(&s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_that_hangs_is_ended_and_can_be_started_again),
      cmocka_unit_test(one_that_answers_is_left_alone),
      cmocka_unit_test(no_more_than_eight_are_under_way),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

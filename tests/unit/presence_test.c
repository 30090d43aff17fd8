/* host/presence.c with real processes that hold the lock as leaders do. */
#include "host/presence.h"

#include "base/clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct scene {
  char directory[64];
  int fd;
  int ready[2];
};

static int set_up(void **state)
{
  struct scene *scene = calloc(1, sizeof *scene);
  assert_non_null(scene);
  snprintf(scene->directory, sizeof scene->directory, "/tmp/presence-XXXXXX");
  assert_non_null(mkdtemp(scene->directory));
  assert_int_equal(pipe2(scene->ready, O_CLOEXEC), 0);
  scene->fd = presence_open(scene->directory);
  assert_true(scene->fd > 0);
  *state = scene;
  return 0;
}

static int tear_down(void **state)
{
  struct scene *scene = *state;
  char path[128];
  close(scene->fd);
  close(scene->ready[0]);
  close(scene->ready[1]);
  snprintf(path, sizeof path, "%s/alive", scene->directory);
  unlink(path);
  rmdir(scene->directory);
  free(scene);
  return 0;
}

/* Starts a process that holds the lock, and ends by itself after `life_ms`, or never. */
static pid_t start_holder(const struct scene *scene, int life_ms)
{
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (!pid) {
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (fcntl(scene->fd, F_SETLK, &lock) < 0 || write(scene->ready[1], "", 1) != 1)
      _exit(1);
    if (life_ms < 0)
      for (;;)
        pause();
    usleep((unsigned)life_ms * 1000);
    _exit(0);
  }
  char byte;
  assert_int_equal(read(scene->ready[0], &byte, 1), 1);
  return pid;
}

static void does_not_wait_where_nobody_is_there(void **state)
{
  struct scene *scene = *state;
  int64_t began = clock_monotonic_ms();
  assert_int_equal(presence_wait_alone(scene->fd, NULL), 0);
  assert_true(clock_monotonic_ms() - began < 1000);
}

static void waits_for_one_that_goes_by_itself(void **state)
{
  struct scene *scene = *state;
  pid_t holder = start_holder(scene, 300);
  int64_t began = clock_monotonic_ms();
  assert_int_equal(presence_wait_alone(scene->fd, NULL), 0);
  assert_true(clock_monotonic_ms() - began < 4000);
  int status;
  assert_int_equal(waitpid(holder, &status, WNOHANG), holder);
  assert_true(WIFEXITED(status));
}

static void ends_all_that_stay(void **state)
{
  struct scene *scene = *state;
  pid_t holders[3];
  for (int i = 0; i < 3; i++)
    holders[i] = start_holder(scene, -1);
  kill(holders[1], SIGSTOP);
  assert_int_equal(presence_wait_alone(scene->fd, NULL), 0);
  for (int i = 0; i < 3; i++) {
    int status;
    assert_int_equal(waitpid(holders[i], &status, 0), holders[i]);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  }
}

static void holds_no_lock_itself(void **state)
{
  struct scene *scene = *state;
  assert_int_equal(presence_wait_alone(scene->fd, NULL), 0);
  kill(start_holder(scene, -1), SIGKILL); /* its F_SETLK does not wait */
  wait(NULL);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(does_not_wait_where_nobody_is_there, set_up, tear_down),
      cmocka_unit_test_setup_teardown(waits_for_one_that_goes_by_itself, set_up, tear_down),
      cmocka_unit_test_setup_teardown(ends_all_that_stay, set_up, tear_down),
      cmocka_unit_test_setup_teardown(holds_no_lock_itself, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The control socket on a real loop, asked by real clients from the test's thread while
 * the loop runs on another: what it answers, whom it cuts off, and what it leaves on the
 * disk. The agent's side is three words: "echo" is answered at once, "later" at the next
 * "now", "flood" with lines until nobody reads. */
#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/unix_address.h"
#include "io/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 20000, PATIENCE_MS = 300, LINE_BYTES = 64 * 1024 };

struct scene {
  char folder[300];
  char path[600];
  struct loop *loop;
  struct loop_wake *end;
  struct control *control;
  struct control_request *later;
  int flood_rc;
  size_t flood_lines;
  pthread_t thread;
  bool is_running;
};

static void flood(struct scene *scene, struct control_request *request)
{
  char *line = memory_zeroed(1, LINE_BYTES);
  memset(line, 'x', LINE_BYTES);
  while ((scene->flood_rc = control_tell(request, line, LINE_BYTES)) == 0)
    scene->flood_lines++;
  free(line);
  control_end(request);
}

static void ask(void *context, struct control_request *request, const char *line, size_t size)
{
  struct scene *scene = context;
  (void)size;
  if (!strcmp(line, "later") && !scene->later) {
    scene->later = request;
  } else if (!strcmp(line, "flood")) {
    flood(scene, request);
  } else {
    if (!strcmp(line, "now") && scene->later) {
      control_answer(scene->later, "at last", 7);
      scene->later = NULL;
    }
    control_answer(request, line, size);
  }
}

static char *refusal(void *context, int status, const char *text)
{
  (void)context;
  return memory_format("%d %s", status, text);
}

static void on_end(void *context)
{
  struct scene *scene = context;
  loop_stop(scene->loop);
}

static void *run(void *context)
{
  struct scene *scene = context;
  loop_run(scene->loop);
  return NULL;
}

static int open_control(struct scene *scene, struct error *error)
{
  const struct control_options options = {
      .path = scene->path,
      .patience_ms = PATIENCE_MS,
      .context = scene,
      .ask = ask,
      .refusal = refusal,
  };
  return control_open(&scene->control, scene->loop, &options, error);
}

static void start(struct scene *scene)
{
  struct error error = {0};
  if (open_control(scene, &error) < 0)
    fail_msg("%s", error.text);
  scene->end = loop_wake_create(scene->loop, on_end, scene);
  assert_int_equal(pthread_create(&scene->thread, NULL, run, scene), 0);
  scene->is_running = true;
}

static void stop(struct scene *scene)
{
  if (!scene->is_running)
    return;
  scene->is_running = false;
  loop_wake(scene->end);
  pthread_join(scene->thread, NULL);
  loop_wake_destroy(scene->end);
  control_close(scene->control);
  if (scene->later)
    control_answer(scene->later, "too late", 8);
  scene->later = NULL;
}

static int set_up(void **state)
{
  struct scene *scene = memory_zeroed(1, sizeof *scene);
  snprintf(scene->folder, sizeof scene->folder, "/tmp/kaalua-control.XXXXXX");
  assert_non_null(mkdtemp(scene->folder));
  snprintf(scene->path, sizeof scene->path, "%s/control", scene->folder);
  scene->loop = loop_create();
  *state = scene;
  return 0;
}

static int tear_down(void **state)
{
  struct scene *scene = *state;
  stop(scene);
  loop_destroy(scene->loop);
  unlink(scene->path);
  int rc = rmdir(scene->folder);
  free(scene);
  return rc;
}

/* ---- clients ---- */

static int call(const struct scene *scene)
{
  struct unix_address address;
  assert_int_equal(unix_address_open(&address, scene->path, NULL), 0);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&address.socket, sizeof address.socket), 0);
  unix_address_close(&address);
  return fd;
}

static void say(int fd, const char *text)
{
  assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* All that comes until the end; the descriptor is closed. */
static char *hear(int fd)
{
  struct buffer heard = {0};
  struct pollfd event = {.fd = fd, .events = POLLIN};
  int64_t ends_ms = clock_monotonic_ms() + DEADLINE_MS;
  ssize_t n = -1;
  while (clock_monotonic_ms() < ends_ms && poll(&event, 1, DEADLINE_MS) > 0) {
    n = recv(fd, buffer_room(&heard, LINE_BYTES), LINE_BYTES, 0);
    if (n <= 0)
      break;
    heard.size_bytes += (size_t)n;
  }
  if (n > 0)
    fail_msg("it never ends: %zu bytes", heard.size_bytes);
  close(fd);
  return buffer_take(&heard);
}

static void expect(int fd, const char *wanted)
{
  char *heard = hear(fd);
  assert_string_equal(heard, wanted);
  free(heard);
}

static void expect_served(const struct scene *scene)
{
  int fd = call(scene);
  say(fd, "echo\n");
  expect(fd, "echo\n");
}

/* Once those that have gone before are dealt with. */
static void expect_served_soon(const struct scene *scene)
{
  int64_t ends_ms = clock_monotonic_ms() + DEADLINE_MS;
  char *heard = NULL;
  do {
    free(heard);
    int fd = call(scene);
    send(fd, "echo\n", 5, MSG_NOSIGNAL);
    heard = hear(fd);
  } while (strcmp(heard, "echo\n") && clock_monotonic_ms() < ends_ms);
  assert_string_equal(heard, "echo\n");
  free(heard);
}

/* ---- tests ---- */

static void a_line_is_answered_with_a_line_and_the_end(void **state)
{
  struct scene *scene = *state;
  start(scene);
  expect_served(scene);
  int fd = call(scene);
  say(fd, "in ");
  say(fd, "pieces");
  say(fd, "\nand more");
  expect(fd, "in pieces\n");
}

static void an_answer_may_come_later(void **state)
{
  struct scene *scene = *state;
  start(scene);
  int waits = call(scene);
  say(waits, "later\n");
  expect_served(scene);
  struct pollfd event = {.fd = waits, .events = POLLIN};
  assert_int_equal(poll(&event, 1, PATIENCE_MS * 2), 0); /* it is not cut off meanwhile */
  int asks = call(scene);
  say(asks, "now\n");
  expect(asks, "now\n");
  expect(waits, "at last\n");
}

static void an_answer_may_come_after_the_client_has_gone(void **state)
{
  struct scene *scene = *state;
  start(scene);
  int waits = call(scene);
  say(waits, "later\n");
  expect_served(scene);
  close(waits);
  expect_served(scene);
  int asks = call(scene);
  say(asks, "now\n");
  expect(asks, "now\n");
}

static void a_client_that_ends_its_half_still_hears_the_answer(void **state)
{
  struct scene *scene = *state;
  start(scene);
  int waits = call(scene);
  say(waits, "later\n");
  shutdown(waits, SHUT_WR);
  expect_served(scene);
  int asks = call(scene);
  say(asks, "now\n");
  expect(asks, "now\n");
  expect(waits, "at last\n");
}

static void an_answer_may_come_after_the_socket_is_closed(void **state)
{
  struct scene *scene = *state;
  start(scene);
  int waits = call(scene);
  say(waits, "later\n");
  expect_served(scene);
  assert_non_null(scene->later);
  stop(scene);
  assert_null(scene->later);
  expect(waits, "");
}

static void half_a_line_is_given_up_after_a_while(void **state)
{
  struct scene *scene = *state;
  start(scene);
  int64_t began_ms = clock_monotonic_ms();
  int fd = call(scene), silent = call(scene);
  say(fd, "{\"ask\"");
  expect(fd, "2 no request came in time: a request is one line of JSON\n");
  expect(silent, "2 no request came in time: a request is one line of JSON\n");
  assert_true(clock_monotonic_ms() - began_ms >= PATIENCE_MS - 50);
}

static void half_a_line_and_the_end_are_no_request(void **state)
{
  struct scene *scene = *state;
  start(scene);
  int fd = call(scene);
  say(fd, "echo");
  shutdown(fd, SHUT_WR);
  expect(fd, "");
}

static void a_long_request_is_refused(void **state)
{
  struct scene *scene = *state;
  start(scene);
  int fd = call(scene);
  char *line = memory_zeroed(1, CONTROL_REQUEST_BYTES + 2);
  memset(line, 'e', CONTROL_REQUEST_BYTES + 1);
  send(fd, line, CONTROL_REQUEST_BYTES + 1, MSG_NOSIGNAL);
  expect(fd, "2 the request is longer than 64 kB\n");
  fd = call(scene);
  line[CONTROL_REQUEST_BYTES - 1] = '\n';
  line[CONTROL_REQUEST_BYTES] = '\0';
  say(fd, line);
  expect(fd, line); /* the longest that is taken */
  free(line);
}

static void a_hundred_connections_are_taken_or_told_to_try_again(void **state)
{
  struct scene *scene = *state;
  start(scene);
  int fds[100];
  size_t served = 0, refused = 0;
  for (size_t i = 0; i < 100; i++)
    fds[i] = call(scene);
  for (size_t i = 0; i < 100; i++)
    send(fds[i], "echo\n", 5, MSG_NOSIGNAL);
  for (size_t i = 0; i < 100; i++) {
    char *heard = hear(fds[i]);
    served += !strcmp(heard, "echo\n");
    refused += !strcmp(heard, "75 too many ask at once, try again\n");
    free(heard);
  }
  assert_int_equal(served + refused, 100);
  assert_true(served >= CONTROL_CONNECTIONS);
  expect_served_soon(scene);
}

static void the_seventeenth_is_told_to_try_again(void **state)
{
  struct scene *scene = *state;
  start(scene);
  int fds[CONTROL_CONNECTIONS];
  for (size_t i = 0; i < CONTROL_CONNECTIONS; i++)
    fds[i] = call(scene);
  expect(call(scene), "75 too many ask at once, try again\n");
  say(fds[0], "echo\n");
  expect(fds[0], "echo\n");
  expect_served(scene);
  for (size_t i = 1; i < CONTROL_CONNECTIONS; i++)
    close(fds[i]);
}

static void a_client_that_does_not_read_is_cut_off_and_keeps_nobody_waiting(void **state)
{
  struct scene *scene = *state;
  start(scene);
  int deaf = call(scene);
  say(deaf, "flood\n");
  expect_served(scene);
  assert_int_equal(scene->flood_rc, -EPIPE);
  assert_true(scene->flood_lines * LINE_BYTES > CONTROL_UNREAD_BYTES / 2);
  assert_true(scene->flood_lines * LINE_BYTES < CONTROL_UNREAD_BYTES + 4 * 1024 * 1024);
  char *heard = hear(deaf); /* what the kernel had taken, and the end */
  assert_true(strlen(heard) < CONTROL_UNREAD_BYTES);
  free(heard);
}

static void an_answer_that_is_not_read_is_given_up(void **state)
{
  struct scene *scene = *state;
  start(scene);
  int fds[CONTROL_CONNECTIONS];
  char *line = memory_zeroed(1, CONTROL_REQUEST_BYTES + 1);
  memset(line, 'e', CONTROL_REQUEST_BYTES - 1);
  line[CONTROL_REQUEST_BYTES - 1] = '\n';
  for (size_t i = 0; i < CONTROL_CONNECTIONS; i++) {
    fds[i] = call(scene);
    int little = 4096;
    setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    say(fds[i], line);
  }
  expect_served_soon(scene); /* they are given up, or had room in the kernel */
  free(line);
  for (size_t i = 0; i < CONTROL_CONNECTIONS; i++)
    close(fds[i]);
}

static void garbage_is_a_line_like_any_other(void **state)
{
  struct scene *scene = *state;
  start(scene);
  unsigned seed = 4711;
  for (int round = 0; round < 300; round++) {
    char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
      bytes[i] = (char)rand_r(&seed);
    int fd = call(scene);
    send(fd, bytes, (size_t)(rand_r(&seed) % (int)sizeof bytes), MSG_NOSIGNAL);
    close(fd);
  }
  expect_served_soon(scene);
}

static mode_t mode_of(const char *path)
{
  struct stat status;
  assert_int_equal(lstat(path, &status), 0);
  return status.st_mode & 07777;
}

static void the_socket_is_for_user_and_group_whatever_the_umask(void **state)
{
  struct scene *scene = *state;
  static const mode_t umasks[] = {0, 022, 077, 0777};
  for (size_t i = 0; i < sizeof umasks / sizeof *umasks; i++) {
    mode_t before = umask(umasks[i]);
    start(scene);
    umask(before);
    assert_int_equal(mode_of(scene->path), 0660);
    stop(scene);
    assert_int_equal(access(scene->path, F_OK), -1);
  }
}

static void leave_stale(const struct scene *scene)
{
  struct unix_address address;
  assert_int_equal(unix_address_open(&address, scene->path, NULL), 0);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&address.socket, sizeof address.socket), 0);
  listen(fd, 1);
  close(fd);
  unix_address_close(&address);
}

static void a_stale_socket_is_replaced(void **state)
{
  struct scene *scene = *state;
  leave_stale(scene);
  start(scene);
  expect_served(scene);
}

static void a_living_one_is_not(void **state)
{
  struct scene *scene = *state;
  struct error error = {0};
  start(scene);
  struct scene other = *scene;
  assert_int_equal(open_control(&other, &error), -EADDRINUSE);
  assert_non_null(strstr(error.text, "another agent answers there"));
  expect_served(scene);
}

static void nor_is_a_file_that_is_no_socket(void **state)
{
  struct scene *scene = *state;
  struct error error = {0};
  close(open(scene->path, O_CREAT | O_WRONLY, 0600));
  assert_int_equal(open_control(scene, &error), -EADDRINUSE);
  assert_non_null(strstr(error.text, "no socket"));
  assert_int_equal(access(scene->path, F_OK), 0);
}

static void a_successors_socket_is_left_alone(void **state)
{
  struct scene *scene = *state;
  start(scene);
  unlink(scene->path);
  leave_stale(scene);
  stop(scene);
  assert_int_equal(access(scene->path, F_OK), 0);
}

static void a_folder_that_is_not_there_is_said(void **state)
{
  struct scene *scene = *state;
  struct error error = {0};
  snprintf(scene->path, sizeof scene->path, "%s/none/control", scene->folder);
  assert_int_equal(open_control(scene, &error), -ENOENT);
  assert_non_null(strstr(error.text, "/none/control: No such file"));
}

static void a_path_of_any_length_will_do(void **state)
{
  struct scene *scene = *state;
  char folder[500];
  for (size_t size = 95; size <= 125; size++) { /* around the 107 that fit */
    snprintf(folder, sizeof folder, "%s/%0*d", scene->folder,
             (int)(size - strlen(scene->folder) - 9), 0);
    snprintf(scene->path, sizeof scene->path, "%s/control", folder);
    assert_int_equal(strlen(scene->path), size);
    assert_int_equal(mkdir(folder, 0700), 0);
    leave_stale(scene);
    start(scene);
    expect_served(scene);
    assert_int_equal(mode_of(scene->path), 0660);
    stop(scene);
    assert_int_equal(access(scene->path, F_OK), -1);
    assert_int_equal(rmdir(folder), 0);
  }
}

int main(void)
{
  signal(SIGPIPE, SIG_IGN); /* as main() does */
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(a_line_is_answered_with_a_line_and_the_end),
      TEST(an_answer_may_come_later),
      TEST(an_answer_may_come_after_the_client_has_gone),
      TEST(a_client_that_ends_its_half_still_hears_the_answer),
      TEST(an_answer_may_come_after_the_socket_is_closed),
      TEST(half_a_line_is_given_up_after_a_while),
      TEST(half_a_line_and_the_end_are_no_request),
      TEST(a_long_request_is_refused),
      TEST(a_hundred_connections_are_taken_or_told_to_try_again),
      TEST(the_seventeenth_is_told_to_try_again),
      TEST(a_client_that_does_not_read_is_cut_off_and_keeps_nobody_waiting),
      TEST(an_answer_that_is_not_read_is_given_up),
      TEST(garbage_is_a_line_like_any_other),
      TEST(the_socket_is_for_user_and_group_whatever_the_umask),
      TEST(a_stale_socket_is_replaced),
      TEST(a_living_one_is_not),
      TEST(nor_is_a_file_that_is_no_socket),
      TEST(a_successors_socket_is_left_alone),
      TEST(a_folder_that_is_not_there_is_said),
      TEST(a_path_of_any_length_will_do),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The real kaalua-http, spoken to in frames, with limits short enough to see them
 * work. A thread of the test plays the server: a request's path says how it is
 * answered. */
#include "base/clock.h"
#include "base/frame.h"
#include "base/http_frames.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 20000, BODY_MAX = 100000, SILENCE_S = 1, TOTAL_MS = 6000 };

/* ---- the server ---- */

static void write_all(int fd, const char *text)
{
  if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0) { /* the client has gone */
  }
}

static void read_request(int fd, char *request, size_t size)
{
  size_t at = 0;
  ssize_t n;
  request[0] = '\0';
  while (!strstr(request, "\r\n\r\n") && (n = recv(fd, request + at, size - at - 1, 0)) > 0) {
    at += (size_t)n;
    request[at] = '\0';
  }
}

static bool is_open(int fd, int ms)
{
  struct pollfd end = {.fd = fd, .events = POLLRDHUP};
  return poll(&end, 1, ms) == 0;
}

/* Sends a piece again and again, until the client hangs up. */
static void repeat(int fd, const char *piece, int pause_ms)
{
  do
    write_all(fd, piece);
  while (is_open(fd, pause_ms));
}

static void *serve_one(void *context)
{
  int fd = (int)(intptr_t)context;
  char request[4096], block[4096];
  read_request(fd, request, sizeof request);
  memset(block, 'x', sizeof block - 1);
  block[sizeof block - 1] = '\0';
  if (strstr(request, "/silent")) {
    while (is_open(fd, 1000)) { /* says nothing */
    }
  } else if (strstr(request, "/drip")) {
    write_all(fd, "HTTP/1.1 200 OK\r\n\r\n");
    repeat(fd, "x", 200);
  } else if (strstr(request, "/endless")) {
    write_all(fd, "HTTP/1.1 200 OK\r\n\r\n");
    repeat(fd, block, 0);
  } else if (strstr(request, "/later")) {
    write_all(fd, "HTTP/1.1 503 No\r\nRetry-After: 17\r\nContent-Length: 0\r\n\r\n");
  } else if (strstr(request, "/cookie")) {
    write_all(fd, strstr(request, "Cookie:")
                      ? "HTTP/1.1 400 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                      : "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n"
                        "Connection: close\r\n\r\n");
  } else {
    write_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]");
  }
  close(fd);
  return NULL;
}

static void *serve(void *context)
{
  int listener = (int)(intptr_t)context, fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd) == 0)
      pthread_detach(thread);
  }
  return NULL;
}

static int listen_on_free_port(int *port)
{
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
  assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
  *port = ntohs(address.sin_port);
  return listener;
}

/* ---- the helper ---- */

struct scene {
  int listener, port;
  pthread_t server;
  int fd; /* the frames */
  pid_t pid;
  struct frame_reader reader;
};

static void become_helper(int frames)
{
  char path[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  path[n > 0 ? n : 0] = '\0';
  for (int i = 0; i < 2; i++) /* it lies one folder up */
    *strrchr(path, '/') = '\0';
  strcat(path, "/kaalua-http");
  if (dup2(frames, HTTP_FRAMES_FD) == HTTP_FRAMES_FD)
    execl(path, path, (char *)NULL);
  _exit(127);
}

static void open_scene(struct scene *s)
{
  *s = (struct scene){0};
  s->listener = listen_on_free_port(&s->port);
  assert_int_equal(listen(s->listener, 64), 0);
  assert_int_equal(pthread_create(&s->server, NULL, serve, (void *)(intptr_t)s->listener), 0);
  int pair[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  s->pid = fork();
  assert_true(s->pid >= 0);
  if (!s->pid)
    become_helper(pair[1]);
  close(pair[1]);
  s->fd = pair[0];
}

static int await_end(struct scene *s)
{
  int status = 0;
  assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
  s->pid = 0;
  return status;
}

/* Closes the frames, which ends the helper. */
static void close_scene(struct scene *s)
{
  close(s->fd);
  if (s->pid) {
    int status = await_end(s);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
  }
  shutdown(s->listener, SHUT_RDWR);
  pthread_join(s->server, NULL);
  close(s->listener);
  frame_reader_clear(&s->reader);
}

static void send_frame(struct scene *s, struct buffer *out)
{
  assert_int_equal(send(s->fd, out->data, out->size_bytes, MSG_NOSIGNAL), out->size_bytes);
  buffer_clear(out);
}

static void set_up(struct scene *s, int port, const char *username, const char *password_file)
{
  struct buffer out = {0};
  size_t at = frame_begin(&out, HTTP_SETUP);
  char base[64];
  snprintf(base, sizeof base, "http://127.0.0.1:%d", port);
  const char *const texts[] = {base, "", "", "", username, password_file};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    frame_put_text(&out, texts[i]);
  const int64_t limits[] = {2000, SILENCE_S, TOTAL_MS, BODY_MAX};
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
    frame_put_i64(&out, limits[i]);
  frame_end(&out, at);
  send_frame(s, &out);
}

static void post(struct scene *s, uint32_t number, const char *path)
{
  struct buffer out = {0};
  size_t at = frame_begin(&out, HTTP_REQUEST);
  frame_put_u32(&out, number);
  frame_put_text(&out, path);
  frame_put_text(&out, "{}");
  frame_end(&out, at);
  send_frame(s, &out);
}

struct answer {
  uint32_t number, status;
  bool unreachable;
  int64_t retry_after_s;
  char note[300];
  size_t body_bytes;
};

static struct answer await_answer(struct scene *s)
{
  struct frame frame;
  while (frame_next(&s->reader, &frame) <= 0) {
    char bytes[65536];
    struct pollfd more = {.fd = s->fd, .events = POLLIN};
    assert_int_equal(poll(&more, 1, PATIENCE_MS), 1);
    ssize_t n = recv(s->fd, bytes, sizeof bytes, 0);
    assert_true(n > 0);
    frame_feed(&s->reader, bytes, (size_t)n);
  }
  assert_int_equal(frame.kind, HTTP_ANSWER);
  struct answer answer = {.number = frame_get_u32(&frame)};
  answer.status = frame_get_u32(&frame);
  answer.unreachable = frame_get_u8(&frame);
  answer.retry_after_s = frame_get_i64(&frame);
  char *note = frame_get_text(&frame);
  snprintf(answer.note, sizeof answer.note, "%s", note);
  free(note);
  frame_get_bytes(&frame, &answer.body_bytes);
  assert_false(frame.bad);
  return answer;
}

/* ---- tests ---- */

static void a_silent_server_is_given_up_and_holds_no_other_up(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  set_up(&s, s.port, "", "");
  int64_t start_ms = clock_monotonic_ms();
  post(&s, 1, "/silent");
  post(&s, 2, "/silent");
  for (uint32_t number = 3; number < 10; number++) {
    post(&s, number, "/quick");
    struct answer answer = await_answer(&s);
    assert_int_equal(answer.number, number);
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.body_bytes, 2);
    assert_string_equal(answer.note, "");
  }
  for (int i = 0; i < 2; i++) {
    struct answer answer = await_answer(&s);
    assert_in_range(answer.number, 1, 2);
    assert_int_equal(answer.status, 0);
    assert_false(answer.unreachable);
    assert_string_not_equal(answer.note, "");
  }
  assert_true(clock_monotonic_ms() - start_ms < TOTAL_MS);
  close_scene(&s);
}

static void a_server_that_drips_is_given_up_after_the_whole_time(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  set_up(&s, s.port, "", "");
  int64_t start_ms = clock_monotonic_ms();
  post(&s, 7, "/drip");
  struct answer answer = await_answer(&s);
  assert_int_equal(answer.number, 7);
  assert_int_equal(answer.status, 0);
  assert_int_equal(answer.body_bytes, 0);
  assert_in_range(clock_monotonic_ms() - start_ms, TOTAL_MS - 500, PATIENCE_MS);
  close_scene(&s);
}

static void an_endless_body_is_cut_off(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  set_up(&s, s.port, "", "");
  post(&s, 1, "/endless");
  struct answer answer = await_answer(&s);
  assert_int_equal(answer.status, 200);
  assert_int_equal(answer.body_bytes, 0);
  assert_non_null(strstr(answer.note, "too large"));
  close_scene(&s);
}

static void retry_after_is_passed_on(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  set_up(&s, s.port, "", "");
  post(&s, 1, "/later");
  struct answer answer = await_answer(&s);
  assert_int_equal(answer.status, 503);
  assert_int_equal(answer.retry_after_s, 17);
  close_scene(&s);
}

static void no_cookie_is_kept(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  set_up(&s, s.port, "", "");
  for (uint32_t number = 1; number < 3; number++) {
    post(&s, number, "/cookie");
    assert_int_equal(await_answer(&s).status, 200);
  }
  close_scene(&s);
}

static void a_port_where_nobody_listens_is_unreachable(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  int port;
  int closed = listen_on_free_port(&port); /* bound, so that nobody else takes it */
  set_up(&s, port, "", "");
  post(&s, 1, "/quick");
  struct answer answer = await_answer(&s);
  assert_int_equal(answer.status, 0);
  assert_true(answer.unreachable);
  assert_string_not_equal(answer.note, "");
  close(closed);
  close_scene(&s);
}

static void a_password_that_cannot_be_read_is_told(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  set_up(&s, s.port, "me", "/nonexistent/password");
  post(&s, 1, "/quick");
  struct answer answer = await_answer(&s);
  assert_int_equal(answer.status, 0);
  assert_non_null(strstr(answer.note, "/nonexistent/password: No such file"));
  close_scene(&s);
}

static void a_password_file_that_would_wait_is_refused(void **unused)
{
  (void)unused;
  char folder[] = "/tmp/http_session_test.XXXXXX", path[64];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/fifo", folder);
  assert_int_equal(mkfifo(path, 0600), 0);
  const char *const files[] = {path, folder, "/dev/zero"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    struct scene s;
    open_scene(&s);
    set_up(&s, s.port, "me", files[i]);
    post(&s, 1, "/quick");
    struct answer answer = await_answer(&s);
    assert_int_equal(answer.status, 0);
    assert_non_null(strstr(answer.note, ": Not a regular file"));
    close_scene(&s);
  }
  unlink(path);
  rmdir(folder);
}

static void it_ends_where_the_other_side_speaks_otherwise(void **unused)
{
  (void)unused;
  for (int i = 0; i < 2; i++) {
    struct scene s;
    open_scene(&s);
    if (i == 0)
      post(&s, 1, "/before/the/setup");
    else
      assert_int_equal(send(s.fd, "\377\377\377\377x", 5, MSG_NOSIGNAL), 5);
    int status = await_end(&s);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    close_scene(&s);
  }
}

static void it_ends_with_its_frames_also_while_it_waits(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  set_up(&s, s.port, "", "");
  post(&s, 1, "/silent");
  post(&s, 2, "/quick");
  assert_int_equal(await_answer(&s).number, 2); /* it is at work */
  close_scene(&s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_silent_server_is_given_up_and_holds_no_other_up),
      cmocka_unit_test(a_server_that_drips_is_given_up_after_the_whole_time),
      cmocka_unit_test(an_endless_body_is_cut_off),
      cmocka_unit_test(retry_after_is_passed_on),
      cmocka_unit_test(no_cookie_is_kept),
      cmocka_unit_test(a_port_where_nobody_listens_is_unreachable),
      cmocka_unit_test(a_password_that_cannot_be_read_is_told),
      cmocka_unit_test(a_password_file_that_would_wait_is_refused),
      cmocka_unit_test(it_ends_where_the_other_side_speaks_otherwise),
      cmocka_unit_test(it_ends_with_its_frames_also_while_it_waits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

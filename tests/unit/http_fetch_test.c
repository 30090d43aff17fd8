/* The real `kaalua-http fetch`, spoken to in frames: what it makes of servers that answer
 * oddly, and of orders that no worker of ours gives. A thread of the test plays the server: a
 * request's path says how it is answered. */
#include "base/clock.h"
#include "base/frame.h"
#include "base/http_frames.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 30000, SILENCE_S = 1 };

/* ---- the server ---- */

static void say(int fd, const char *text)
{
  if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0) { /* the client has gone */
  }
}

static bool is_open(int fd, int ms)
{
  struct pollfd end = {.fd = fd, .events = POLLRDHUP};
  return poll(&end, 1, ms) == 0;
}

static void say_headers(int fd, int count, const char *text)
{
  say(fd, "HTTP/1.1 200 OK\r\n");
  for (int i = 0; i < count; i++) {
    char line[4096];
    snprintf(line, sizeof line, "X-%d: %s\r\n", i, text);
    say(fd, line);
  }
  say(fd, "Content-Length: 0\r\n\r\n");
}

static void say_endlessly(int fd, const char *head)
{
  char block[8192];
  memset(block, 'x', sizeof block - 1);
  block[sizeof block - 1] = '\0';
  say(fd, head);
  while (is_open(fd, 0))
    say(fd, block);
}

static void *serve_one(void *context)
{
  int fd = (int)(intptr_t)context;
  char request[65536] = "", long_value[2048];
  size_t at = 0;
  ssize_t n;
  while (!strstr(request, "\r\n\r\n") &&
         (n = recv(fd, request + at, sizeof request - at - 1, 0)) > 0)
    at += (size_t)n;
  memset(long_value, 'v', sizeof long_value - 1);
  long_value[sizeof long_value - 1] = '\0';
  if (strstr(request, "/twice"))
    say(fd, "HTTP/1.1 100 Continue\r\nX-Old: 1\r\n\r\nHTTP/1.1 200 Fine\x1b[2J\r\nSet-Cookie: a\r\n"
            "set-cookie:  b \r\nX-Empty:\r\nContent-Length: 2\r\n\r\nok");
  else if (strstr(request, "/many"))
    say_headers(fd, 300, "1");
  else if (strstr(request, "/huge"))
    say_headers(fd, 100, long_value);
  else if (strstr(request, "/sorry"))
    say_endlessly(fd, "HTTP/1.1 500\r\n\r\n");
  else if (strstr(request, "/elsewhere"))
    say_endlessly(fd, "HTTP/1.1 302 Found\r\nLocation: /plain\r\n\r\n");
  else if (strstr(request, "/nowhere"))
    say(fd, "HTTP/1.1 302 Found\r\nLocation:\r\nContent-Length: 0\r\n\r\n");
  else if (strstr(request, "/chosen"))
    say(fd, "HTTP/1.1 300 Choose\r\nLocation: /plain\r\nContent-Length: 0\r\n\r\n");
  else if (strstr(request, "/odd"))
    say(fd, "HTTP/1.1 302 Found\r\nLocation: /a b\x01\xc3\xa4\r\nContent-Length: 0\r\n\r\n");
  else if (strstr(request, "/half"))
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  else if (strstr(request, "/vast")) {
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\nx");
    while (is_open(fd, 1000)) { /* and no more */
    }
  } else if (strstr(request, "/none"))
    ;
  else if (strstr(request, "/garbage"))
    say(fd, "SSH-2.0-OpenSSH_9.2\r\n");
  else if (strstr(request, "/silent"))
    while (is_open(fd, 1000)) { /* says nothing */
    }
  else
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n");
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

struct server {
  int listener, port;
  pthread_t thread;
};

static int start_server(void **state)
{
  static struct server server;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(server.listener, (struct sockaddr *)&address, size), 0);
  assert_int_equal(getsockname(server.listener, (struct sockaddr *)&address, &size), 0);
  assert_int_equal(listen(server.listener, 64), 0);
  server.port = ntohs(address.sin_port);
  pthread_create(&server.thread, NULL, serve, (void *)(intptr_t)server.listener);
  *state = &server;
  return 0;
}

static int stop_server(void **state)
{
  struct server *server = *state;
  shutdown(server->listener, SHUT_RDWR);
  pthread_join(server->thread, NULL);
  return close(server->listener);
}

/* ---- the helper ---- */

struct order {
  const char *method, *path, *url, *header, *server, *sha256;
  int64_t max_bytes;
  int file; /* 0: none */
};

struct reply {
  char failure[512], phrase[64], headers[1024]; /* "name=value;" */
  uint32_t status;
  int64_t size_bytes;
  size_t body_bytes;
};

static void become_helper(int frames, int output)
{
  char path[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  path[n > 0 ? n : 0] = '\0';
  for (int i = 0; i < 2; i++) /* it lies one folder up */
    *strrchr(path, '/') = '\0';
  strcat(path, "/kaalua-http");
  setenv("http_proxy", "http://127.0.0.1:1", 1); /* not to be asked */
  setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  if (output)
    dup2(output, STDOUT_FILENO);
  if (dup2(frames, HTTP_FRAMES_FD) == HTTP_FRAMES_FD)
    execl(path, path, "fetch", (char *)NULL);
  _exit(127);
}

static void put_order(const struct server *server, const struct order *order, struct buffer *out)
{
  char url[256];
  snprintf(url, sizeof url, "http://127.0.0.1:%d%s", server->port, order->path ? order->path : "/");
  size_t at = frame_begin(out, HTTP_FETCH);
  frame_put_text(out, order->method ? order->method : "GET");
  frame_put_text(out, order->url ? order->url : url);
  frame_put_u32(out, order->header != NULL);
  if (order->header)
    frame_put_text(out, order->header);
  frame_put_u8(out, 0);
  frame_put_bytes(out, "", 0);
  frame_put_u8(out, order->server != NULL);
  frame_put_u32(out, order->server != NULL);
  if (order->server)
    frame_put_text(out, order->server);
  frame_put_text(out, order->sha256 ? order->sha256 : "");
  frame_put_text(out, "");
  frame_put_i64(out, order->max_bytes ? order->max_bytes : 1000);
  frame_put_u8(out, order->file != 0);
  const int64_t limits[] = {5000, SILENCE_S, 0, 0};
  for (size_t i = 0; i < 4; i++)
    frame_put_i64(out, limits[i]);
  frame_end(out, at);
}

static void read_reply(struct frame *frame, struct reply *reply)
{
  assert_int_equal(frame->kind, HTTP_FETCHED);
  char *failure = frame_get_text(frame), *place = frame_get_text(frame);
  snprintf(reply->failure, sizeof reply->failure, "%s", failure);
  reply->status = frame_get_u32(frame);
  char *phrase = frame_get_text(frame);
  snprintf(reply->phrase, sizeof reply->phrase, "%s", phrase);
  uint32_t count = frame_get_u32(frame);
  for (uint32_t i = 0; i < count; i++) {
    char *name = frame_get_text(frame), *value = frame_get_text(frame);
    size_t used = strlen(reply->headers);
    snprintf(reply->headers + used, sizeof reply->headers - used, "%s=%s;", name, value);
    free(name);
    free(value);
  }
  reply->size_bytes = frame_get_i64(frame);
  frame_get_bytes(frame, &reply->body_bytes);
  assert_false(frame->bad);
  assert_int_equal(frame->at, frame->size_bytes);
  free(failure);
  free(place);
  free(phrase);
}

static struct reply fetch_bytes(const struct buffer *out, int file)
{
  int pair[2], status = 0;
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  pid_t pid = fork();
  if (!pid)
    become_helper(pair[1], file);
  close(pair[1]);
  assert_int_equal(send(pair[0], out->data, out->size_bytes, MSG_NOSIGNAL), out->size_bytes);
  struct frame_reader reader = {0};
  struct frame frame;
  struct reply reply = {0};
  while (frame_next(&reader, &frame) <= 0) {
    char bytes[65536];
    struct pollfd more = {.fd = pair[0], .events = POLLIN};
    assert_int_equal(poll(&more, 1, PATIENCE_MS), 1);
    ssize_t n = recv(pair[0], bytes, sizeof bytes, 0);
    assert_true(n > 0);
    frame_feed(&reader, bytes, (size_t)n);
  }
  read_reply(&frame, &reply);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  close(pair[0]);
  frame_reader_clear(&reader);
  return reply;
}

static struct reply fetch(void **state, struct order order)
{
  struct buffer out = {0};
  put_order(*state, &order, &out);
  struct reply reply = fetch_bytes(&out, order.file);
  buffer_clear(&out);
  return reply;
}

/* ---- tests ---- */

static void joins_headers_and_forgets_interim_ones(void **state)
{
  struct reply reply = fetch(state, (struct order){.path = "/twice"});
  assert_string_equal(reply.failure, "");
  assert_int_equal(reply.status, 200);
  assert_string_equal(reply.phrase, "Fine?[2J");
  assert_string_equal(reply.headers, "set-cookie=a, b;x-empty=;content-length=2;");
  assert_int_equal(reply.body_bytes, 2);
}

static void bounds_headers(void **state)
{
  static const char expected[] = "its headers are more than 200, or 65536 bytes";
  assert_string_equal(fetch(state, (struct order){.path = "/many"}).failure, expected);
  assert_string_equal(fetch(state, (struct order){.path = "/huge"}).failure, expected);
}

static void reads_enough_of_a_complaint_without_end(void **state)
{
  struct reply reply = fetch(state, (struct order){.path = "/sorry"});
  assert_string_equal(reply.failure, "");
  assert_string_equal(reply.phrase, "");
  assert_int_equal(reply.status, 500);
  assert_int_equal(reply.body_bytes, HTTP_COMPLAINT_BYTES);
}

static void follows_a_redirect_whose_body_has_no_end(void **state)
{
  struct reply reply = fetch(state, (struct order){.path = "/elsewhere"});
  assert_int_equal(reply.status, 200);
  assert_int_equal(reply.body_bytes, 6);
}

static void takes_redirects_that_lead_nowhere_for_answers(void **state)
{
  assert_int_equal(fetch(state, (struct order){.path = "/chosen"}).status, 300);
  struct reply reply = fetch(state, (struct order){.path = "/nowhere"});
  assert_int_equal(reply.status, 302);
  reply = fetch(state, (struct order){.path = "/odd"});
  assert_string_equal(reply.failure, "redirects to /a b?\xc3\xa4: a space or another character "
                                     "that has to be percent-encoded");
}

static void waits_for_no_body_that_is_announced_as_too_large(void **state)
{
  assert_string_equal(fetch(state, (struct order){.path = "/vast"}).failure,
                      "its body is larger than 1000 bytes (max_bytes)");
}

static void says_what_came_instead_of_an_answer(void **state)
{
  assert_non_null(strstr(fetch(state, (struct order){.path = "/half"}).failure, "broke off"));
  assert_string_not_equal(fetch(state, (struct order){.path = "/none"}).failure, "");
  assert_string_not_equal(fetch(state, (struct order){.path = "/garbage"}).failure, "");
  assert_string_equal(fetch(state, (struct order){.path = "/silent"}).failure,
                      "nothing came for 1 s, 0 bytes of the body were there");
}

static void refuses_orders_that_no_worker_of_ours_gives(void **state)
{
  static const struct order orders[] = {
      {.method = "get"},
      {.method = "GET / HTTP/1.1\r\nA: b\r\n\r\nGET"},
      {.url = "file:///etc/passwd"},
      {.url = "ftp://127.0.0.1/"},
      {.url = "http://u:p@127.0.0.1/"},
      {.header = "Host: a"},
      {.header = "A"},
      {.header = "A: b\r\nC: d"},
      {.sha256 = "abc"},
      {.server = "example.org"},
      {.server = "127.0.0.1"}, /* not on this port */
  };
  for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
    struct reply reply = fetch(state, orders[i]);
    assert_int_equal(reply.status, 0);
    assert_string_not_equal(reply.failure, "");
  }
}

static void refuses_what_is_no_order(void **state)
{
  struct buffer whole = {0};
  put_order(*state, &(struct order){.header = "A: b"}, &whole);
  for (size_t left_out = 1; left_out + FRAME_HEAD_BYTES < whole.size_bytes; left_out += 7) {
    struct buffer out = {0};
    size_t at = frame_begin(&out, HTTP_FETCH);
    buffer_append(&out, whole.data + FRAME_HEAD_BYTES,
                  whole.size_bytes - FRAME_HEAD_BYTES - left_out);
    frame_end(&out, at);
    assert_string_equal(fetch_bytes(&out, 0).failure, "a frame that is not of this version");
    buffer_clear(&out);
  }
  buffer_clear(&whole);
}

static void writes_to_new_regular_files_only(void **state)
{
  static const char expected[] = "the file is no new regular one";
  int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), pair[2];
  char text[16] = "";
  struct reply reply = fetch(state, (struct order){.file = fd});
  assert_string_equal(reply.failure, "");
  assert_int_equal(reply.size_bytes, 6);
  assert_int_equal(reply.body_bytes, 0);
  assert_int_equal(pread(fd, text, sizeof text, 0), 6);
  assert_string_equal(text, "hello\n");
  assert_string_equal(fetch(state, (struct order){.file = fd}).failure, expected);
  close(fd);
  assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
  assert_string_equal(fetch(state, (struct order){.file = pair[1]}).failure, expected);
  close(pair[0]);
  close(pair[1]);
}

static void puts_no_complaint_into_the_file(void **state)
{
  int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  assert_int_equal(fetch(state, (struct order){.path = "/sorry", .file = fd}).status, 500);
  assert_int_equal(lseek(fd, 0, SEEK_END), 0);
  close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_server, stop_server)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(joins_headers_and_forgets_interim_ones),
      TEST(bounds_headers),
      TEST(reads_enough_of_a_complaint_without_end),
      TEST(follows_a_redirect_whose_body_has_no_end),
      TEST(takes_redirects_that_lead_nowhere_for_answers),
      TEST(waits_for_no_body_that_is_announced_as_too_large),
      TEST(says_what_came_instead_of_an_answer),
      TEST(refuses_orders_that_no_worker_of_ours_gives),
      TEST(refuses_what_is_no_order),
      TEST(writes_to_new_regular_files_only),
      TEST(puts_no_complaint_into_the_file),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

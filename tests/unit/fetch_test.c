/* The host's side of kaa.http against a worker that lies: what it may not ask, descriptors that
 * are none for a body, and frames that make no sense. The processes are the real ones; port 1 of
 * the loopback interface answers at once, as nobody listens there. */
#include "supervision/fetch.h"

#include "base/clock.h"
#include "base/worker_frames.h"
#include "io/process.h"
#include "supervision/fetch_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 30000 };

struct scene {
  struct workplace workplace;
  struct loop_timer *patience;
  struct fetches fetches;
  json_t *needs;
  int sockets[2]; /* ours, the worker's */
  unsigned answers;
  uint32_t call;
  char *failure;
  struct process_witness witness;
  size_t living; /* helpers, at the last answer */
  bool awaits_end;
};

static void on_patience(void *context)
{
  (void)context;
  fail_msg("nothing happened");
}

static void on_answer(void *context, const void *bytes, size_t size)
{
  struct scene *s = context;
  struct frame_reader reader = {0};
  struct frame frame;
  frame_feed(&reader, bytes, size);
  assert_int_equal(frame_next(&reader, &frame), 1);
  assert_int_equal(frame.kind, WORKER_FETCHED);
  s->answers++;
  s->living = s->witness.count;
  s->call = frame_get_u32(&frame);
  free(s->failure);
  s->failure = frame_get_text(&frame);
  frame_reader_clear(&reader);
  loop_stop(s->workplace.loop);
}

static void on_gone(void *context)
{
  struct scene *s = context;
  if (s->awaits_end)
    loop_stop(s->workplace.loop);
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

static int open_scene(void **state)
{
  static char path[PATH_MAX];
  static char *no_environment[] = {NULL};
  struct scene *s = calloc(1, sizeof *s);
  struct loop *loop = loop_create();
  s->workplace = (struct workplace){.loop = loop,
                                    .program = worker_path(path),
                                    .environment = no_environment,
                                    .fetches = fetch_queue_create(loop)};
  s->patience = loop_timer_create(loop, on_patience, s);
  s->needs = json_pack("{s:[s,s]}", "net", "127.0.0.1:1", "*.invalid");
  s->witness = (struct process_witness){.gone = on_gone, .context = s};
  TAILQ_INIT(&s->fetches);
  assert_int_equal(fetch_file_open_sockets(s->sockets), 0);
  *state = s;
  return 0;
}

static int close_scene(void **state)
{
  struct scene *s = *state;
  fetches_end(&s->fetches);
  fetch_queue_destroy(s->workplace.fetches);
  loop_timer_destroy(s->patience);
  loop_destroy(s->workplace.loop);
  json_decref(s->needs);
  close(s->sockets[0]);
  close(s->sockets[1]);
  free(s->failure);
  free(s);
  return 0;
}

static void await_answer(struct scene *s)
{
  loop_timer_set(s->patience, clock_monotonic_ms() + PATIENCE_MS);
  loop_run(s->workplace.loop);
}

struct request {
  struct fetches *of;  /* a worker's; NULL: the scene's */
  const char *type;    /* NULL: "x" */
  uint32_t call;
  const char *method, *url, *header;
  int64_t max_bytes, timeout_ms;
  bool has_file;
  size_t left_out; /* bytes at the end */
};

static int start(struct scene *s, const struct request *request)
{
  struct buffer out = {0};
  struct frame_reader reader = {0};
  struct frame frame;
  size_t at = frame_begin(&out, WORKER_HTTP);
  frame_put_u32(&out, request->call);
  frame_put_i64(&out, 1);
  frame_put_text(&out, request->method ? request->method : "GET");
  frame_put_text(&out, request->url ? request->url : "http://127.0.0.1:1/x");
  frame_put_u32(&out, request->header ? 1 : 0);
  if (request->header)
    frame_put_text(&out, request->header);
  frame_put_u8(&out, 0);
  frame_put_bytes(&out, "", 0);
  frame_put_text(&out, "");
  frame_put_text(&out, "");
  frame_put_i64(&out, request->max_bytes);
  frame_put_i64(&out, request->timeout_ms);
  frame_put_u8(&out, request->has_file);
  out.size_bytes -= request->left_out;
  frame_end(&out, at);
  frame_feed(&reader, out.data, out.size_bytes);
  assert_int_equal(frame_next(&reader, &frame), 1);
  const struct fetch_caller caller = {
      .type = request->type ? request->type : "x", .witness = &s->witness, .context = s,
      .answer = on_answer};
  int rc = fetch_start(request->of ? request->of : &s->fetches, &s->workplace, &frame, s->needs,
                       s->sockets[0], &caller);
  frame_reader_clear(&reader);
  buffer_clear(&out);
  return rc;
}

/* As what is executed: an exclusive name is not free before. */
static void a_helper_is_watched_until_it_is_gone(void **state)
{
  struct scene *s = *state;
  assert_int_equal(start(s, &(struct request){.call = 1}), 0);
  await_answer(s);
  assert_int_equal(s->living, 1);
  s->awaits_end = true;
  while (s->witness.count)
    loop_run(s->workplace.loop);
}

static int count_descriptors(void)
{
  DIR *directory = opendir("/proc/self/fd");
  int found = 0;
  while (readdir(directory))
    found++;
  closedir(directory);
  return found;
}

/* Hands `count` times the descriptor over in one message, and closes it. */
static void hand_over(struct scene *s, uint32_t call, int fd, size_t count)
{
  char room[CMSG_SPACE(8 * sizeof(int))] __attribute__((aligned(8))) = {0};
  struct iovec bytes = {.iov_base = &call, .iov_len = sizeof call};
  struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
  if (count) {
    message.msg_control = room;
    message.msg_controllen = CMSG_SPACE(count * sizeof fd);
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(count * sizeof fd);
    for (size_t i = 0; i < count; i++)
      memcpy(CMSG_DATA(part) + i * sizeof fd, &fd, sizeof fd);
  }
  assert_true(fd >= 0);
  assert_int_equal(sendmsg(s->sockets[1], &message, MSG_DONTWAIT), sizeof call);
  close(fd);
}

static int new_file(int flags)
{
  int fd = open("/tmp", O_TMPFILE | O_CLOEXEC | flags, 0600);
  assert_true(fd >= 0);
  return fd;
}

static void asks_what_is_granted(void **state)
{
  struct scene *s = *state;
  assert_int_equal(start(s, &(struct request){.call = 7}), 0);
  assert_int_equal(s->answers, 0);
  await_answer(s);
  assert_int_equal(s->call, 7);
  assert_string_equal(s->failure, "cannot connect: Connection refused");
  assert_true(TAILQ_EMPTY(&s->fetches));
}

static void asks_nothing_else(void **state)
{
  static const char *const urls[] = {"http://127.0.0.1:2/", "http://invalid/",
                                     "https://a.invalid:1/",
                                     "http://127.0.0.1:1@a.org/", "file:///etc/passwd", "",
                                     "http://127.0.0.1:1/\r\nHost: a"};
  struct scene *s = *state;
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    assert_int_equal(start(s, &(struct request){.url = urls[i]}), 0);
    await_answer(s);
    assert_string_not_equal(s->failure, "");
    assert_null(strstr(s->failure, "connect"));
  }
  json_decref(s->needs);
  s->needs = json_object();
  assert_int_equal(start(s, &(struct request){0}), 0);
  await_answer(s);
  assert_string_equal(s->failure, "its server is not among those that needs.net names");
}

static void sends_no_header_that_is_none(void **state)
{
  static const char *const headers[] = {"Host: a", "A", "A: b\r\nHost: c", "Content-Length: 9"};
  struct scene *s = *state;
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
    assert_int_equal(start(s, &(struct request){.header = headers[i]}), 0);
    await_answer(s);
    assert_null(strstr(s->failure, "connect"));
  }
  assert_int_equal(start(s, &(struct request){.method = "GET / HTTP/1.1\r\nA: b\r\n\r\nGET"}), 0);
  await_answer(s);
  assert_string_equal(s->failure, "no method of HTTP");
}

static void refuses_frames_that_make_no_sense(void **state)
{
  struct scene *s = *state;
  int before = count_descriptors();
  for (size_t left_out = 1; left_out < 70; left_out++)
    assert_int_equal(start(s, &(struct request){.left_out = left_out}), -EPROTO);
  assert_int_equal(start(s, &(struct request){.max_bytes = -1}), -EPROTO);
  assert_int_equal(start(s, &(struct request){.max_bytes = 1 << 30}), -EPROTO);
  assert_int_equal(start(s, &(struct request){.timeout_ms = -1}), -EPROTO);
  assert_int_equal(start(s, &(struct request){.timeout_ms = INT64_MAX}), -EPROTO);
  assert_int_equal(start(s, &(struct request){.has_file = true}), -EPROTO); /* none was sent */
  assert_true(TAILQ_EMPTY(&s->fetches));
  assert_int_equal(count_descriptors(), before);
}

static void takes_the_file_of_the_call(void **state)
{
  struct scene *s = *state;
  int before = count_descriptors();
  hand_over(s, 1, new_file(O_WRONLY), 1);
  hand_over(s, 2, new_file(O_WRONLY), 1);
  assert_int_equal(start(s, &(struct request){.call = 2, .has_file = true, .max_bytes = 9}), 0);
  assert_int_equal(count_descriptors(), before + 1); /* that of call 1 is closed */
  await_answer(s);
  assert_string_equal(s->failure, "cannot connect: Connection refused");
  assert_int_equal(start(s, &(struct request){.call = 1, .has_file = true}), -EPROTO);
}

static int old_file(void)
{
  int fd = new_file(O_WRONLY);
  assert_int_equal(write(fd, "x", 1), 1);
  return fd;
}

static void writes_to_nothing_but_new_files(void **state)
{
  struct scene *s = *state;
  int before = count_descriptors(), pair[2];
  assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
  close(pair[0]);
  int fds[] = {
      new_file(O_RDWR),
      old_file(),
      pair[1],
      open("/dev/null", O_WRONLY | O_CLOEXEC),
      open("/proc/self/comm", O_WRONLY | O_CLOEXEC),
      open("/tmp", O_RDONLY | O_CLOEXEC),
      open("/tmp", O_PATH | O_CLOEXEC),
      open("/etc/passwd", O_RDONLY | O_CLOEXEC),
      new_file(O_WRONLY | O_APPEND),
  };
  for (uint32_t i = 0; i < sizeof fds / sizeof *fds; i++) {
    hand_over(s, i + 1, fds[i], 1);
    assert_int_equal(start(s, &(struct request){.call = i + 1, .has_file = true}), 0);
    await_answer(s);
    assert_string_equal(s->failure, "its file is none that a body is written to");
  }
  assert_int_equal(count_descriptors(), before);
}

static void keeps_no_descriptor_that_it_has_not_asked_for(void **state)
{
  struct scene *s = *state;
  int before = count_descriptors();
  for (uint32_t i = 0; i < 20; i++)
    hand_over(s, 100 + i, new_file(O_WRONLY), 8);
  hand_over(s, 5, new_file(O_WRONLY), 0);
  hand_over(s, 5, new_file(O_WRONLY), 8);
  assert_int_equal(start(s, &(struct request){.call = 5, .has_file = true}), 0);
  assert_int_equal(count_descriptors(), before + 1); /* of eight one */
  await_answer(s);
  assert_string_equal(s->failure, "cannot connect: Connection refused");
}

static void ends_the_one_before(void **state)
{
  struct scene *s = *state;
  for (uint32_t i = 1; i <= 20; i++)
    assert_int_equal(start(s, &(struct request){.call = i}), 0);
  await_answer(s);
  assert_int_equal(s->call, 20);
  assert_int_equal(s->answers, 1);
  assert_true(TAILQ_EMPTY(&s->fetches));
}

/* Listens, and answers nobody. Returns the socket, and its URL in a static place. */
static int listen_in_silence(const char **url)
{
  static char text[64];
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof own;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&own, size), 0);
  assert_int_equal(listen(fd, 16), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &size), 0);
  snprintf(text, sizeof text, "http://127.0.0.1:%u/", ntohs(own.sin_port));
  *url = text;
  return fd;
}

static void on_pause(void *context)
{
  loop_stop(context);
}

/* Whoever has a turn takes it. */
static void give_turns(struct scene *s)
{
  struct loop_timer *pause = loop_timer_create(s->workplace.loop, on_pause, s->workplace.loop);
  loop_timer_set(pause, clock_monotonic_ms() + 20);
  loop_run(s->workplace.loop);
  loop_timer_destroy(pause);
}

static void leaves_a_turn_to_other_handlers(void **state)
{
  enum { WORKERS = 6 };
  struct scene *s = *state;
  struct fetches greedy[WORKERS];
  const char *url;
  int silence = listen_in_silence(&url);
  json_object_set_new(s->needs, "net", json_true());
  for (uint32_t i = 0; i < WORKERS; i++) {
    TAILQ_INIT(&greedy[i]);
    assert_int_equal(start(s, &(struct request){.of = &greedy[i], .type = "greedy", .url = url,
                                                .call = i + 1}), 0);
  }
  for (uint32_t call = 91; call <= 93; call++) {
    give_turns(s);
    assert_int_equal(start(s, &(struct request){.call = call}), 0);
    await_answer(s);
    assert_int_equal(s->call, call);
  }
  assert_int_equal(s->answers, 3);
  for (size_t i = 0; i < WORKERS; i++)
    fetches_end(&greedy[i]);
  close(silence);
}

static void says_that_there_is_no_helper(void **state)
{
  struct scene *s = *state;
  s->workplace.program = (char *)"/nonexistent/kaalua-worker";
  assert_int_equal(start(s, &(struct request){0}), 0);
  await_answer(s);
  assert_non_null(strstr(s->failure, "no such file"));
  assert_true(TAILQ_EMPTY(&s->fetches));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(a_helper_is_watched_until_it_is_gone),
      TEST(asks_what_is_granted),
      TEST(asks_nothing_else),
      TEST(sends_no_header_that_is_none),
      TEST(refuses_frames_that_make_no_sense),
      TEST(takes_the_file_of_the_call),
      TEST(writes_to_nothing_but_new_files),
      TEST(keeps_no_descriptor_that_it_has_not_asked_for),
      TEST(ends_the_one_before),
      TEST(leaves_a_turn_to_other_handlers),
      TEST(says_that_there_is_no_helper),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "worker_peer.h"

#include "base/clock.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEADLINE_MS = 20000 };

static const char *program;
static const char *user_ids; /* NULL: none */
static const char *variable; /* NULL: none */

int peer_find_program(int argc, char **argv)
{
  static char beside[4096];
  ssize_t size = readlink("/proc/self/exe", beside, sizeof beside - 32);
  while (size > 0 && beside[size - 1] != '/')
    size--;
  strcpy(beside + (size > 0 ? size : 0), "../kaalua-worker");
  program = argc > 1 ? argv[1] : getenv("KAALUA_WORKER") ? getenv("KAALUA_WORKER") : beside;
  if (access(program, X_OK)) {
    fputs("usage: worker_test path/to/kaalua-worker\n", stderr);
    return 2;
  }
  return 0;
}

void peer_set_user(const char *ids)
{
  user_ids = ids;
}

void peer_set_variable(const char *name_value)
{
  variable = name_value;
}

/* What a worker is started with; -1 leaves its place closed. */
struct descriptors {
  int out;
  int frames;
  int lifeline;
  int presence;
  int marks;
  bool is_stopped; /* before it begins */
};

/* They come from far above, so none is overwritten before it is moved. */
static void place_descriptors(int in, const struct descriptors *given)
{
  const int from[] = {in, given->out, given->frames, given->lifeline, given->presence,
                      given->marks};
  const int to[] = {0, 1, WORKER_FRAMES_FD, WORKER_LIFELINE_FD, WORKER_PRESENCE_FD,
                    WORKER_MARKS_FD};
  for (int i = 0; i < 6; i++)
    if (from[i] >= 0)
      dup2(from[i], to[i]);
    else if (to[i] != 1)
      close(to[i]);
}

static int up(int fd)
{
  int higher = fcntl(fd, F_DUPFD_CLOEXEC, 20);
  close(fd);
  return higher;
}

static void make_pair(int pair[2])
{
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  pair[0] = up(pair[0]);
  pair[1] = up(pair[1]);
}

static pid_t spawn(char **argv, const struct descriptors *given)
{
  char *environment[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/", (char *)variable, NULL};
  int in = up(open("/dev/null", O_RDWR | O_CLOEXEC));
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (!pid) {
    place_descriptors(in, given);
    if (given->is_stopped)
      raise(SIGSTOP);
    execve(program, argv, environment);
    _exit(126);
  }
  close(in);
  if (given->presence >= 0)
    close(given->presence);
  if (given->marks >= 0)
    close(given->marks);
  return pid;
}

/* A copy far above, or -1. */
static int copy_up(int fd)
{
  return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 20);
}

void peer_start(struct peer *peer)
{
  peer_start_with(peer, -1, -1);
}

void peer_start_with(struct peer *peer, int presence, int marks)
{
  int frames[2], lifeline[2];
  char *argv[] = {(char *)program, "lua", (char *)user_ids, NULL};
  *peer = (struct peer){.output = -1};
  make_pair(frames);
  make_pair(lifeline);
  peer->leader = spawn(argv, &(struct descriptors){.out = -1,
                                                   .frames = frames[1],
                                                   .lifeline = lifeline[1],
                                                   .presence = copy_up(presence),
                                                   .marks = copy_up(marks)});
  close(frames[1]);
  close(lifeline[1]);
  peer->frames = frames[0];
  peer->lifeline = lifeline[0];
}

static void start_program(struct peer *peer, const char *const *given, int presence, bool is_stopped)
{
  int lifeline[2], output[2];
  char *argv[16] = {(char *)program};
  for (int i = 0; given[i]; i++)
    argv[i + 1] = (char *)given[i];
  *peer = (struct peer){.frames = -1};
  make_pair(lifeline);
  assert_int_equal(pipe2(output, O_CLOEXEC), 0);
  peer->output = up(output[0]);
  output[1] = up(output[1]);
  peer->leader = spawn(argv, &(struct descriptors){.out = output[1],
                                                   .frames = -1,
                                                   .lifeline = lifeline[1],
                                                   .presence = copy_up(presence),
                                                   .marks = -1,
                                                   .is_stopped = is_stopped});
  close(output[1]);
  close(lifeline[1]);
  peer->lifeline = lifeline[0];
}

void peer_start_program(struct peer *peer, const char *const *given)
{
  peer_start_program_with(peer, given, -1);
}

void peer_start_program_with(struct peer *peer, const char *const *given, int presence)
{
  start_program(peer, given, presence, false);
}

void peer_start_program_stopped(struct peer *peer, const char *const *given, int presence)
{
  int status;
  start_program(peer, given, presence, true);
  assert_int_equal(waitpid(peer->leader, &status, WUNTRACED), peer->leader);
  assert_true(WIFSTOPPED(status));
}

static void wait_for(int fd)
{
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  if (poll(&ready, 1, DEADLINE_MS) != 1)
    fail_msg("nothing came from the worker within %d ms", DEADLINE_MS);
}

void peer_stop(struct peer *peer)
{
  if (peer->lifeline >= 0)
    close(peer->lifeline);
  if (peer->frames >= 0)
    close(peer->frames);
  if (peer->output >= 0)
    close(peer->output);
  int64_t end_ms = clock_monotonic_ms() + DEADLINE_MS;
  int status;
  pid_t pid;
  while ((pid = waitpid(peer->leader, &status, WNOHANG)) == 0) {
    if (clock_monotonic_ms() > end_ms)
      fail_msg("the leader did not end");
    poll(NULL, 0, 2);
  }
  assert_int_equal(pid, peer->leader);
  assert_int_equal(status, 0);
  frame_reader_clear(&peer->reader);
  buffer_clear(&peer->log);
  buffer_clear(&peer->telemetry);
  buffer_clear(&peer->metadata);
}

void peer_send(struct peer *peer, const struct buffer *out)
{
  size_t at = 0;
  while (at < out->size_bytes) {
    ssize_t n = send(peer->frames, out->data + at, out->size_bytes - at, MSG_NOSIGNAL);
    assert_true(n > 0);
    at += (size_t)n;
  }
}

static void put_version(struct buffer *out, const char *purpose, const char *chunk,
                        const char *source, const char *options)
{
  frame_put_text(out, purpose);
  frame_put_text(out, strcmp(purpose, "config") ? "park" : "");
  frame_put_text(out, chunk);
  frame_put_text(out, source);
  frame_put_text(out, options);
}

void peer_send_version(struct peer *peer, const char *purpose, const char *chunk,
                       const char *source, const char *options)
{
  struct buffer out = {0};
  size_t at = frame_begin(&out, WORKER_VERSION);
  put_version(&out, purpose, chunk, source, options);
  frame_put_u32(&out, 0);
  frame_end(&out, at);
  peer_send(peer, &out);
  buffer_clear(&out);
}

void peer_send_libraries(struct peer *peer, const char *source, const char *const *libraries)
{
  struct buffer out = {0};
  uint32_t count = 0;
  while (libraries[2 * count])
    count++;
  size_t at = frame_begin(&out, WORKER_VERSION);
  put_version(&out, "handler", "park.lua", source, "{}");
  frame_put_u32(&out, count);
  for (uint32_t i = 0; i < count; i++) {
    char chunk[64];
    snprintf(chunk, sizeof chunk, "lib/%s.lua", libraries[2 * i]);
    frame_put_text(&out, libraries[2 * i]);
    frame_put_text(&out, chunk);
    frame_put_text(&out, libraries[2 * i + 1]);
  }
  frame_end(&out, at);
  peer_send(peer, &out);
  buffer_clear(&out);
}

static void put_fields(struct buffer *out, int64_t job, const char *element, int64_t boot_ms,
                       bool is_retried)
{
  frame_put_i64(out, job);
  frame_put_i64(out, job);
  frame_put_text(out, "park");
  frame_put_text(out, "device-1");
  frame_put_i64(out, 1732290000123);
  frame_put_i64(out, boot_ms);
  frame_put_i64(out, job);
  frame_put_u8(out, is_retried);
  frame_put_text(out, element);
}

void peer_put_command_of(struct buffer *out, int64_t job, const char *element, int64_t boot_ms)
{
  size_t at = frame_begin(out, WORKER_COMMAND);
  put_fields(out, job, element, boot_ms, false);
  frame_end(out, at);
}

void peer_put_retried(struct buffer *out, int64_t job, const char *element, int64_t boot_ms)
{
  size_t at = frame_begin(out, WORKER_COMMAND);
  put_fields(out, job, element, boot_ms, true);
  frame_end(out, at);
}

void peer_put_command(struct buffer *out, int64_t job, const char *element)
{
  peer_put_command_of(out, job, element, clock_boot_ms());
}

void peer_put_resume(struct buffer *out, int64_t job, const char *element, const char *saved,
                     int64_t away_ms)
{
  size_t at = frame_begin(out, WORKER_RESUME);
  put_fields(out, job, element, -1, true);
  frame_put_u8(out, saved != NULL);
  frame_put_text(out, saved);
  frame_put_i64(out, away_ms);
  frame_end(out, at);
}

void peer_put_tick(struct buffer *out, int64_t job, const char *endpoint)
{
  size_t at = frame_begin(out, WORKER_TICK);
  frame_put_i64(out, job);
  frame_put_text(out, endpoint);
  frame_end(out, at);
}

void peer_send_command(struct peer *peer, int64_t job, const char *element)
{
  struct buffer out = {0};
  peer_put_command(&out, job, element);
  peer_send(peer, &out);
  buffer_clear(&out);
}

static void keep_text(struct buffer *kept, struct frame *frame)
{
  size_t size;
  const char *text = frame_get_bytes(frame, &size);
  buffer_append(kept, text, size);
  buffer_append_char(kept, '\n');
}

static void keep_sent(struct buffer *kept, struct frame *frame)
{
  char *endpoint = frame_get_text(frame);
  buffer_format(kept, "%s ", endpoint);
  free(endpoint);
  keep_text(kept, frame);
}

static void keep(struct peer *peer, struct frame *frame)
{
  switch (frame->kind) {
  case WORKER_LOG:
    buffer_format(&peer->log, "%d ", frame_get_u8(frame));
    keep_text(&peer->log, frame);
    break;
  case WORKER_TELEMETRY: keep_sent(&peer->telemetry, frame); break;
  case WORKER_METADATA: keep_sent(&peer->metadata, frame); break;
  case WORKER_AT: {
    frame_get_i64(frame);
    char *place = frame_get_text(frame);
    snprintf(peer->place, sizeof peer->place, "%s", place);
    free(place);
    break;
  }
  case WORKER_MARK: peer->marks++; break;
  default: fail_msg("a frame of kind '%c' that was not expected", frame->kind);
  }
}

struct frame peer_expect(struct peer *peer, enum worker_frame kind)
{
  for (;;) {
    struct frame frame;
    int rc;
    while ((rc = frame_next(&peer->reader, &frame)) > 0) {
      if (frame.kind == kind)
        return frame;
      keep(peer, &frame);
    }
    assert_int_equal(rc, 0);
    wait_for(peer->frames);
    char bytes[65536];
    ssize_t n = recv(peer->frames, bytes, sizeof bytes, 0);
    if (n <= 0)
      fail_msg("the worker ended instead of sending '%c'", kind);
    frame_feed(&peer->reader, bytes, (size_t)n);
  }
}

json_t *peer_expect_loaded(struct peer *peer)
{
  struct frame frame = peer_expect(peer, WORKER_LOADED);
  size_t size;
  const char *text = frame_get_bytes(&frame, &size);
  json_error_t error;
  json_t *loaded = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
  if (!loaded)
    fail_msg("LOADED is no JSON: %s in %.*s", error.text, (int)size, text);
  return loaded;
}

struct finished peer_expect_finished(struct peer *peer)
{
  struct frame frame = peer_expect(peer, WORKER_FINISHED);
  struct finished finished = {.job = frame_get_i64(&frame), .status = frame_get_i64(&frame)};
  finished.reason = frame_get_text(&frame);
  bool has_payload = frame_get_u8(&frame);
  finished.payload = frame_get_text(&frame);
  finished.trace = frame_get_text(&frame);
  finished.is_spent = frame_get_u8(&frame);
  finished.waits = frame_get_u8(&frame);
  assert_false(frame.bad);
  assert_int_equal(frame.at, frame.size_bytes);
  if (!has_payload) {
    assert_string_equal(finished.payload, "");
    free(finished.payload);
    finished.payload = NULL;
  }
  return finished;
}

void finished_clear(struct finished *finished)
{
  free(finished->reason);
  free(finished->payload);
  free(finished->trace);
  *finished = (struct finished){0};
}

struct keep peer_expect_keep(struct peer *peer)
{
  struct frame frame = peer_expect(peer, WORKER_KEEP);
  struct keep keep = {.call = frame_get_u32(&frame), .job = frame_get_i64(&frame)};
  keep.what = frame_get_text(&frame);
  keep.scope = frame_get_text(&frame);
  keep.key = frame_get_text(&frame);
  bool has_value = frame_get_u8(&frame);
  keep.value = frame_get_text(&frame);
  keep.within_ms = frame_get_i64(&frame);
  assert_false(frame.bad);
  assert_int_equal(frame.at, frame.size_bytes);
  if (!has_value) {
    assert_string_equal(keep.value, "");
    free(keep.value);
    keep.value = NULL;
  }
  return keep;
}

void keep_clear(struct keep *keep)
{
  free(keep->what);
  free(keep->scope);
  free(keep->key);
  free(keep->value);
  *keep = (struct keep){0};
}

void peer_put_kept(struct buffer *out, uint32_t call, const char *failure, const char *value)
{
  size_t at = frame_begin(out, WORKER_KEPT);
  frame_put_u32(out, call);
  frame_put_text(out, failure);
  frame_put_u8(out, value != NULL);
  frame_put_text(out, value);
  frame_end(out, at);
}

void peer_load(struct peer *peer, const char *source, const char *options)
{
  peer_load_with(peer, source, options, -1);
}

void peer_load_with(struct peer *peer, const char *source, const char *options, int marks)
{
  peer_start_with(peer, -1, marks);
  peer_send_version(peer, "handler", "park.lua", source, options);
  json_t *loaded = peer_expect_loaded(peer);
  json_t *faults = json_object_get(loaded, "faults");
  if (json_array_size(faults) || !json_object_get(loaded, "contract")) {
    char *text = json_dumps(loaded, 0);
    fail_msg("not loaded: %s", text);
  }
  json_decref(loaded);
}

struct finished peer_run(struct peer *peer, const char *payload)
{
  struct buffer element = {0};
  buffer_format(&element, payload ? "{\"id\":7,\"payload\":%s}" : "{\"id\":7}", payload);
  peer_send_command(peer, 7, buffer_text(&element));
  buffer_clear(&element);
  return peer_expect_finished(peer);
}

void peer_expect_result(const char *source, const char *options, const char *payload,
                        int64_t status, const char *reason, const char *answer)
{
  struct peer peer;
  peer_load(&peer, source, options);
  struct finished finished = peer_run(&peer, payload);
  assert_string_equal(finished.reason, reason);
  assert_int_equal(finished.status, status);
  assert_int_equal(finished.job, 7);
  if (answer)
    assert_string_equal(finished.payload ? finished.payload : "(none)", answer);
  else
    assert_null(finished.payload);
  finished_clear(&finished);
  peer_stop(&peer);
}

void peer_expect_fault(const char *source, const char *options, int line, const char *message)
{
  struct peer peer;
  peer_start(&peer);
  peer_send_version(&peer, "handler", "park.lua", source, options);
  json_t *loaded = peer_expect_loaded(&peer);
  json_t *fault = json_array_get(json_object_get(loaded, "faults"), 0);
  assert_int_equal(json_array_size(json_object_get(loaded, "faults")), 1);
  assert_string_equal(json_string_value(json_object_get(fault, "message")), message);
  assert_int_equal(json_integer_value(json_object_get(fault, "line")), line);
  json_decref(loaded);
  peer_stop(&peer);
}

void peer_ask(struct peer *peer)
{
  char ask = WORKER_LIFELINE_ASK;
  assert_int_equal(send(peer->lifeline, &ask, 1, MSG_NOSIGNAL), 1);
}

pid_t peer_worker(const struct peer *peer)
{
  char name[64], text[64] = "";
  snprintf(name, sizeof name, "/proc/%d/task/%d/children", (int)peer->leader, (int)peer->leader);
  int fd = open(name, O_RDONLY | O_CLOEXEC);
  assert_true(read(fd, text, sizeof text - 1) > 0);
  close(fd);
  return (pid_t)atoi(text);
}

struct worker_ending peer_expect_ending(struct peer *peer)
{
  struct worker_ending ending;
  wait_for(peer->lifeline);
  assert_int_equal(recv(peer->lifeline, &ending, sizeof ending, MSG_WAITALL), sizeof ending);
  return ending;
}

char *peer_read_output(struct peer *peer)
{
  struct buffer text = {0};
  for (;;) {
    char bytes[4096];
    wait_for(peer->output);
    ssize_t n = read(peer->output, bytes, sizeof bytes);
    assert_true(n >= 0);
    if (!n)
      return buffer_take(&text);
    buffer_append(&text, bytes, (size_t)n);
  }
}

void peer_expect_gone(pid_t pid)
{
  int64_t end_ms = clock_monotonic_ms() + DEADLINE_MS;
  while (kill(pid, 0) == 0 || errno != ESRCH) {
    if (clock_monotonic_ms() > end_ms)
      fail_msg("process %d still lives", (int)pid);
    poll(NULL, 0, 2);
  }
}

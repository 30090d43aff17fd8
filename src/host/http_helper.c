#include "host/http_helper.h"

#include "base/clock.h"
#include "base/frame.h"
#include "base/http_frames.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct waiting {
  uint32_t number; /* 0: free */
  int64_t until_ms;
};

struct http_helper {
  const struct workplace *workplace;
  const struct config *config;
  struct http_helper_limits limits;
  struct http_helper_ports ports;
  char *program;
  struct process *process; /* NULL: none runs */
  struct frame_reader reader;
  struct waiting waiting[HTTP_HELPER_MAX]; /* for an answer */
  struct loop_timer *watchdog;
};

/* ---- what is waited for ---- */

static struct waiting *find_waiting(struct http_helper *helper, uint32_t number)
{
  for (size_t i = 0; i < HTTP_HELPER_MAX; i++)
    if (helper->waiting[i].number == number)
      return &helper->waiting[i];
  return NULL;
}

static int64_t first_until_ms(const struct http_helper *helper)
{
  int64_t first_ms = INT64_MAX;
  for (size_t i = 0; i < HTTP_HELPER_MAX; i++)
    if (helper->waiting[i].number && helper->waiting[i].until_ms < first_ms)
      first_ms = helper->waiting[i].until_ms;
  return first_ms;
}

static void set_waiting(struct http_helper *helper, struct waiting *place, uint32_t number)
{
  place->number = number;
  place->until_ms = clock_monotonic_ms() + helper->limits.total_ms + helper->limits.grace_ms;
  loop_timer_set(helper->watchdog, first_until_ms(helper));
}

/* ---- its end ---- */

static void release(struct http_helper *helper)
{
  process_release(helper->process);
  helper->process = NULL;
  frame_reader_clear(&helper->reader);
  memset(helper->waiting, 0, sizeof helper->waiting);
  loop_timer_set(helper->watchdog, INT64_MAX);
}

static void lose(struct http_helper *helper, const char *why)
{
  release(helper);
  helper->ports.lost(helper->ports.context, why);
}

/* It keeps its limits itself, unless it hangs. */
static void on_watchdog(void *context)
{
  struct http_helper *helper = context;
  int64_t first_ms = first_until_ms(helper);
  if (first_ms <= clock_monotonic_ms())
    lose(helper, "kaalua-http hangs, and is ended");
  else
    loop_timer_set(helper->watchdog, first_ms);
}

static void on_ended(void *context, const struct worker_ending *ending)
{
  struct http_helper *helper = context;
  char why[160];
  process_format_end("kaalua-http", ending, why, sizeof why);
  lose(helper, why);
}

/* ---- what it says ---- */

static bool on_frame(struct http_helper *helper, struct frame *frame)
{
  struct http_answer answer = {.number = frame_get_u32(frame)};
  answer.status = (int)frame_get_u32(frame);
  answer.is_unreachable = frame_get_u8(frame);
  answer.retry_after_s = frame_get_i64(frame);
  char *note = frame_get_text(frame);
  answer.note = note;
  answer.body = frame_get_bytes(frame, &answer.body_bytes);
  bool is_sound = frame->kind == HTTP_ANSWER && !frame->bad;
  struct waiting *place = answer.number ? find_waiting(helper, answer.number) : NULL;
  if (is_sound && place)
    set_waiting(helper, place, 0);
  if (is_sound)
    helper->ports.answered(helper->ports.context, &answer);
  free(note);
  return is_sound;
}

static void on_received(void *context, enum process_stream stream, const char *bytes, size_t size)
{
  struct http_helper *helper = context;
  if (stream != PROCESS_FRAMES) {
    log_lines(LOG_LEVEL_WARN, "http", bytes, size);
    return;
  }
  frame_feed(&helper->reader, bytes, size);
  struct frame frame;
  bool is_sound = true;
  int rc = 0;
  while (is_sound && (rc = frame_next(&helper->reader, &frame)) > 0)
    is_sound = on_frame(helper, &frame);
  if (!is_sound || rc < 0)
    lose(helper, "kaalua-http does not speak this version's frames");
}

/* ---- what it is told ---- */

static void put_base(const struct config *config, struct buffer *out)
{
  bool is_v6 = strchr(config->host, ':') != NULL;
  char *base = memory_format("%s://%s%s%s:%d%s", config->tls ? "https" : "http", is_v6 ? "[" : "",
                             config->host, is_v6 ? "]" : "", config->port, config->base_path);
  frame_put_text(out, base);
  free(base);
}

static void send_setup(struct http_helper *helper)
{
  const struct config *config = helper->config;
  struct buffer out = {0};
  size_t at = frame_begin(&out, HTTP_SETUP);
  put_base(config, &out);
  const char *const texts[] = {config->ca_file,  config->cert_file, config->key_file,
                               config->username, config->password_file};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    frame_put_text(&out, texts[i]);
  frame_put_i64(&out, helper->limits.connect_ms);
  frame_put_i64(&out, helper->limits.silence_s);
  frame_put_i64(&out, helper->limits.total_ms);
  frame_put_i64(&out, helper->limits.max_body);
  frame_end(&out, at);
  process_send(helper->process, out.data, out.size_bytes);
  buffer_clear(&out);
}

static int check_readable(const char *path, struct error *error)
{
  if (path && access(path, R_OK) < 0)
    return error_set(error, -errno, "%s: %s", path, strerror(errno));
  return 0;
}

int http_helper_check(const struct http_helper *helper, struct error *error)
{
  const struct config *config = helper->config;
  const char *const files[] = {config->ca_file, config->cert_file, config->key_file,
                               config->password_file};
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < sizeof files / sizeof *files; i++)
    rc = check_readable(files[i], error);
  return rc;
}

int http_helper_start(struct http_helper *helper, struct error *error)
{
  if (helper->process)
    return 0;
  if (access(helper->program, X_OK) < 0)
    return error_set(error, -ENOENT, "%s: %s; it is built and installed together with kaalua",
                     helper->program, strerror(errno));
  const char *const arguments[] = {"serve", helper->program, NULL};
  const struct process_options options = {
      .program = helper->workplace->program,
      .arguments = arguments,
      .environment = (const char *const *)helper->workplace->environment,
      .frames = true,
      .presence_fd = helper->workplace->presence_fd,
      .received = on_received,
      .ended = on_ended,
      .context = helper,
  };
  helper->process = process_start(helper->workplace->loop, &options, error);
  if (!helper->process)
    return -EAGAIN;
  send_setup(helper);
  return 0;
}

int http_helper_post(struct http_helper *helper, uint32_t number, const char *path,
                     const char *body, size_t size)
{
  struct waiting *place = find_waiting(helper, 0);
  if (!helper->process || !place)
    return -EAGAIN;
  set_waiting(helper, place, number);
  struct buffer out = {0};
  size_t at = frame_begin(&out, HTTP_REQUEST);
  frame_put_u32(&out, number);
  frame_put_text(&out, path);
  frame_put_bytes(&out, body, size);
  frame_end(&out, at);
  process_send(helper->process, out.data, out.size_bytes);
  buffer_clear(&out);
  return 0;
}

/* ---- its life ---- */

struct http_helper *http_helper_create(const struct workplace *workplace,
                                       const struct config *config,
                                       const struct http_helper_limits *limits,
                                       const struct http_helper_ports *ports)
{
  struct http_helper *helper = memory_zeroed(1, sizeof *helper);
  helper->workplace = workplace;
  helper->config = config;
  helper->limits = *limits;
  helper->ports = *ports;
  const char *slash = strrchr(workplace->program, '/'); /* it lies beside kaalua-worker */
  helper->program = memory_format("%.*s/kaalua-http", (int)(slash - workplace->program),
                                  workplace->program);
  helper->watchdog = loop_timer_create(workplace->loop, on_watchdog, helper);
  return helper;
}

void http_helper_destroy(struct http_helper *helper)
{
  if (!helper)
    return;
  release(helper);
  loop_timer_destroy(helper->watchdog);
  free(helper->program);
  free(helper);
}

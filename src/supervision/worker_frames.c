#include "supervision/worker_parts.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "base/worker_frames.h"
#include "supervision/ceiling.h"
#include "supervision/settings_place.h"
#include "supervision/sound.h"

#include <stdlib.h>
#include <string.h>

/* Of a frame; only what a program is given to read is larger. */
enum { LARGEST_BYTES = 5 * 1024 * 1024 };

/* A native module or an escape may write to our frames. */
static bool is_report(const json_t *report)
{
  const json_t *faults = json_object_get(report, "faults");
  for (size_t i = 0; i < json_array_size(faults); i++) {
    const json_t *fault = json_array_get(faults, i);
    if (!json_is_string(json_object_get(fault, "file")) ||
        !json_is_string(json_object_get(fault, "message")))
      return false;
  }
  return json_is_array(faults);
}

static void start_again(struct worker *worker, const json_t *report)
{
  struct error error = {0};
  if (worker_start_again(worker, report, &error) < 0)
    worker_give_up(worker, error.text);
}

static bool on_loaded(struct worker *worker, struct frame *frame)
{
  size_t size;
  const char *text = frame_get_bytes(frame, &size);
  json_t *report = jsontext_parse(text, size, NULL);
  if (!is_report(report) || worker->loaded) {
    json_decref(report);
    return false;
  }
  ceiling_apply(report, worker->ceiling);
  settings_place(report, worker->places);
  if (worker_may_write_too_little(worker, report)) {
    start_again(worker, report);
    json_decref(report);
    return true;
  }
  worker->loaded = true;
  worker_expect_mark(worker);
  worker->ports.loaded(worker->ports.context, worker, report);
  json_decref(report);
  return true;
}

static bool on_mark(struct worker *worker, struct frame *frame)
{
  int64_t number = frame_get_i64(frame);
  struct job *job = TAILQ_FIRST(&worker->jobs);
  if (frame->bad || !job || job->number != number || job->began_ms || job->is_void)
    return false;
  worker_begin_job(worker, job);
  return true;
}

static bool on_skipped(struct worker *worker, struct frame *frame)
{
  int64_t number = frame_get_i64(frame);
  struct job *job = TAILQ_FIRST(&worker->jobs);
  if (frame->bad || !job || job->number != number || job->began_ms || !job->slot)
    return false;
  worker_skip(worker, job);
  return true;
}

static bool on_progress(struct worker *worker, struct frame *frame)
{
  int64_t number = frame_get_i64(frame);
  int64_t tenths = frame_get_i64(frame);
  char *text = frame_get_text(frame);
  struct job *job = worker_running_job(worker);
  if (frame->bad || !job || job->number != number || !job->command || tenths < -1 ||
      tenths > 1000 || strlen(text) > 256 || !utf8_is_line(text, strlen(text))) {
    free(text);
    return false;
  }
  free(job->progress);
  job->progress = text;
  job->tenths = tenths;
  if (worker->ports.progress)
    worker->ports.progress(worker->ports.context, worker, job->command, (double)tenths / 10, text);
  return true;
}

/* Returns false where the frame makes no sense; *spent tells that the worker ends. */
static bool on_finished(struct worker *worker, struct frame *frame, bool *spent)
{
  int64_t number = frame_get_i64(frame);
  struct command_result result = {.status = (int)frame_get_i64(frame)};
  result.reason = frame_get_text(frame);
  bool has_payload = frame_get_u8(frame);
  size_t size;
  const char *payload = frame_get_bytes(frame, &size);
  char *trace = frame_get_text(frame);
  *spent = frame_get_u8(frame);
  bool waits = frame_get_u8(frame);
  if (has_payload) {
    result.payload = memory_copied(payload, size);
    result.payload_bytes = size;
  }
  struct job *job = worker_running_job(worker);
  bool good = !frame->bad && job && job->number == number && sound_result(&result) &&
              (!waits || worker_may_wait(job));
  if (good)
    worker_finish_job(worker, job, &result, trace, false, waits);
  else
    command_result_clear(&result);
  free(trace);
  return good;
}

static bool on_stands(struct worker *worker)
{
  worker->stands = !worker_running_job(worker) && (worker->is_recalled || worker->is_settled);
  return worker->stands;
}

static bool on_telemetry(struct worker *worker, struct frame *frame)
{
  char *endpoint = frame_get_text(frame);
  size_t size;
  const char *samples = frame_get_bytes(frame, &size);
  bool good = !frame->bad && sound_samples(samples, size);
  if (good)
    worker->ports.telemetry(worker->ports.context, endpoint, samples, size);
  free(endpoint);
  return good;
}

static bool on_metadata(struct worker *worker, struct frame *frame)
{
  char *endpoint = frame_get_text(frame);
  size_t size;
  const char *keys = frame_get_bytes(frame, &size);
  bool good = !frame->bad && sound_metadata(keys, size);
  if (good)
    worker->ports.metadata(worker->ports.context, endpoint, keys, size);
  free(endpoint);
  return good;
}

static bool on_log(struct worker *worker, struct frame *frame)
{
  uint8_t level = frame_get_u8(frame);
  char *message = frame_get_text(frame);
  if (!frame->bad && level <= LOG_LEVEL_ERROR)
    log_event((enum log_level)level, worker->version->type, message, (char *)0);
  free(message);
  return !frame->bad && level <= LOG_LEVEL_ERROR;
}

static bool on_at(struct worker *worker, struct frame *frame)
{
  int64_t number = frame_get_i64(frame);
  char *place = frame_get_text(frame);
  struct job *job = worker_running_job(worker);
  if (frame->bad || !job || job->number != number || !*place || strlen(place) > 256 ||
      !utf8_is_valid(place, strlen(place), NULL)) {
    free(place);
    return !frame->bad;
  }
  free(worker->place);
  worker->place = place;
  return true;
}

static void send_now(void *context, const void *bytes, size_t size)
{
  struct worker *worker = context;
  worker_flow_answer(worker, bytes, size);
}

static bool on_exec(struct worker *worker, struct frame *frame)
{
  const struct execution_caller caller = {
      .witness = worker->witness, .context = worker, .answer = send_now};
  const struct job *job = worker_running_job(worker);
  if (job && job->is_cancelled) /* it may have asked for another just before it heard of that */
    executions_end_awaited(&worker->executions);
  return job && execution_start(&worker->executions, worker->workplace, frame,
                                worker->version->needs, &caller) == 0;
}

static bool on_http(struct worker *worker, struct frame *frame)
{
  const struct fetch_caller caller = {
      .type = worker->version->type, .witness = worker->witness, .context = worker,
      .answer = send_now};
  return worker_running_job(worker) &&
         fetch_start(&worker->fetches, worker->workplace, frame, worker->version->needs,
                     worker->descriptors, &caller) == 0;
}

/* What it waits for an answer to: nobody gives one any more. */
static bool asks(const struct frame *frame)
{
  return frame->kind == WORKER_LOADED || frame->kind == WORKER_EXEC || frame->kind == WORKER_HTTP ||
         frame->kind == WORKER_KEEP;
}

static void give_up_broken(struct worker *worker)
{
  worker->is_broken = true;
  if (!worker->is_settled)
    worker_give_up(worker, "Handler crashed: it broke the worker's protocol");
}

static void take_frame(struct worker *worker, struct frame *frame)
{
  bool good = false, spent = false;
  if (worker->is_settled && asks(frame))
    return;
  if (asks(frame) && !worker_flow_may_ask(worker)) {
    give_up_broken(worker);
    return;
  }
  switch (frame->kind) {
  case WORKER_LOADED: good = on_loaded(worker, frame); break;
  case WORKER_MARK: good = on_mark(worker, frame); break;
  case WORKER_SKIPPED: good = on_skipped(worker, frame); break;
  case WORKER_PROGRESS: good = on_progress(worker, frame); break;
  case WORKER_FINISHED: good = on_finished(worker, frame, &spent); break;
  case WORKER_STANDS: good = on_stands(worker); break;
  case WORKER_TELEMETRY: good = on_telemetry(worker, frame); break;
  case WORKER_METADATA: good = on_metadata(worker, frame); break;
  case WORKER_LOG: good = on_log(worker, frame); break;
  case WORKER_AT: good = on_at(worker, frame); break;
  case WORKER_EXEC: good = on_exec(worker, frame); break;
  case WORKER_HTTP: good = on_http(worker, frame); break;
  case WORKER_KEEP: good = worker_take_keep(worker, frame); break;
  default: break;
  }
  worker_flow_charge_frame(worker, frame);
  if (!good)
    give_up_broken(worker);
  else if (spent && !worker->is_settled)
    worker_end(worker, WORKER_SPENT, "time or memory limit");
  else if (worker->stands && !worker->is_settled)
    worker_end(worker, WORKER_SPENT, "recalled");
}

/* One that is about to be over is heard to the end of what it said. */
static bool is_heard(const struct worker *worker)
{
  const struct worker_flow *flow = &worker->flow;
  bool is_paused = flow->is_paused && !flow->is_lifted && !worker->is_settled;
  return !worker->is_over && !worker->is_broken && !is_paused;
}

/* Nothing is gathered that no worker of ours would send. */
static bool is_too_large(const struct worker *worker)
{
  size_t size;
  uint8_t kind;
  if (!frame_is_announced(&worker->reader, &kind, &size))
    return false;
  bool may_execute = json_object_get(worker->version->needs, "exec") != NULL;
  return size > LARGEST_BYTES && !(kind == WORKER_EXEC && may_execute);
}

void worker_take_frames(struct worker *worker)
{
  struct frame frame;
  int rc = 0;
  while (is_heard(worker) && (rc = frame_next(&worker->reader, &frame)) > 0)
    take_frame(worker, &frame);
  if (rc < 0 || (is_heard(worker) && is_too_large(worker)))
    give_up_broken(worker);
}

void worker_hear(struct worker *worker)
{
  worker->flow.is_lifted = true;
  process_drain(worker->process);
  worker_take_frames(worker);
  worker->flow.is_lifted = false;
}

void worker_on_received(void *context, enum process_stream stream, const char *bytes, size_t size)
{
  struct worker *worker = context;
  if (stream != PROCESS_FRAMES) {
    log_lines(LOG_LEVEL_INFO, worker->version->type, bytes, size); /* of libraries in C, too */
    worker_flow_charge(worker, size);
    return;
  }
  frame_feed(&worker->reader, bytes, size);
  worker_take_frames(worker);
}

#include "host/worker.h"

#include "base/clock.h"
#include "base/frame.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "base/worker_frames.h"
#include "host/execution.h"
#include "host/sound.h"
#include "io/process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>

enum {
  LOAD_MS = 2000,
  GRACE_MS = 1000, /* how long a handler has to stop by itself once it was asked */
  BEGIN_MS = 5000, /* a worker with nothing else to do begins a command within this */
};

struct job {
  TAILQ_ENTRY(job) link;
  int64_t number;
  struct command *command; /* NULL: a tick */
  const char *endpoint;    /* of a tick, or NULL */
  int64_t began_ms; /* 0: it has not */
};

TAILQ_HEAD(job_list, job);

enum limit_stage { LIMIT_NONE, LIMIT_BEGINS, LIMIT_RUNS, LIMIT_ASKED };

struct worker {
  const struct workplace *workplace;
  struct version *version;
  struct worker_ports ports;
  struct process *process;
  struct frame_reader reader;
  struct buffer out; /* commands of this turn, sent in one write */
  struct loop_timer *limit; /* of loading, or of the command that runs */
  struct loop_timer *send;
  enum limit_stage stage;
  bool loaded, is_over;
  char *place; /* where the running handler was when it was asked to stop */
  struct job_list jobs;
  size_t job_count;
  int64_t last_number;
  struct executions executions;
};

static void set_limit(struct worker *worker, enum limit_stage stage, int64_t wait_ms)
{
  worker->stage = stage;
  loop_timer_set(worker->limit, stage == LIMIT_NONE ? INT64_MAX : clock_monotonic_ms() + wait_ms);
}

static struct job *running_job(const struct worker *worker)
{
  struct job *job = TAILQ_FIRST(&worker->jobs);
  return job && job->began_ms ? job : NULL;
}

static void remove_job(struct worker *worker, struct job *job)
{
  TAILQ_REMOVE(&worker->jobs, job, link);
  worker->job_count--;
  free(job);
}

/* The next command's mark is due. */
static void expect_mark(struct worker *worker)
{
  if (worker->loaded && worker->job_count)
    set_limit(worker, LIMIT_BEGINS, BEGIN_MS);
  else if (worker->loaded)
    set_limit(worker, LIMIT_NONE, 0);
}

/* Gives the result of what runs to the owner. */
static void finish(struct worker *worker, struct job *job, struct command_result *result,
                   const char *trace, bool crashed)
{
  struct command *command = job->command;
  const char *endpoint = job->endpoint;
  int64_t run_ms = job->began_ms ? clock_monotonic_ms() - job->began_ms : 0;
  remove_job(worker, job);
  executions_end(&worker->executions);
  expect_mark(worker);
  free(worker->place);
  worker->place = NULL;
  if (command) {
    const struct worker_finish how = {.trace = trace, .run_ms = run_ms, .crashed = crashed};
    worker->ports.finished(worker->ports.context, worker, command, result, &how);
    return;
  }
  worker->ports.ticked(worker->ports.context, worker, endpoint, result->status, result->reason,
                       trace);
  command_result_clear(result);
}

static void finish_with(struct worker *worker, struct job *job, int status, const char *reason,
                        bool crashed)
{
  struct command_result result = {.status = status, .reason = memory_text(reason)};
  finish(worker, job, &result, "", crashed);
}

static void put_back(struct worker *worker, struct job *job)
{
  struct command *command = job->command;
  const char *endpoint = job->endpoint;
  remove_job(worker, job);
  if (command)
    worker->ports.put_back(worker->ports.context, worker, command);
  else
    worker->ports.ticked(worker->ports.context, worker, endpoint, 0, "", "");
}

/* Ends the process; puts back what had not begun. */
static void end(struct worker *worker, enum worker_end how, const char *text)
{
  if (worker->is_over)
    return; /* its owner interrupted it from within a port */
  worker->is_over = true;
  set_limit(worker, LIMIT_NONE, 0);
  loop_timer_set(worker->send, INT64_MAX);
  process_release(worker->process);
  worker->process = NULL;
  executions_end(&worker->executions);
  struct job *job;
  while ((job = TAILQ_LAST(&worker->jobs, job_list)))
    put_back(worker, job);
  worker->ports.over(worker->ports.context, worker, how, text);
}

/* A report like WORKER_LOADED's with one fault, which another try may not have. */
static void report_fault(struct worker *worker, const char *message)
{
  json_t *report = json_pack("{s:[{s:s,s:i,s:s}],s:b}", "faults", "file",
                             worker->version->source.chunk, "line", 0, "message", message,
                             "passing", 1);
  worker->ports.loaded(worker->ports.context, worker, report);
  json_decref(report);
}

static void format_ending(const struct worker_ending *ending, char *text, size_t size)
{
  int status = ending ? ending->wait_status : SIGKILL;
  const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;
  if (!WIFSIGNALED(status))
    snprintf(text, size, "Handler exited with %d", WEXITSTATUS(status));
  else if (name)
    snprintf(text, size, "Handler crashed: SIG%s", name);
  else
    snprintf(text, size, "Handler crashed: signal %d", WTERMSIG(status));
}

/* The worker is gone or not to be believed: answers for what ran. */
static void give_up(struct worker *worker, const char *how)
{
  struct job *job = running_job(worker);
  if (!worker->loaded) {
    char message[160];
    snprintf(message, sizeof message, "%s while the file was loaded", how);
    report_fault(worker, message);
  } else if (job) {
    finish_with(worker, job, 500, how, true);
  }
  end(worker, WORKER_CRASHED, how);
}

static void on_ended(void *context, const struct worker_ending *ending)
{
  struct worker *worker = context;
  char how[128];
  format_ending(ending, how, sizeof how);
  give_up(worker, how);
}

static void on_limit(void *context)
{
  struct worker *worker = context;
  if (worker->stage == LIMIT_BEGINS) {
    give_up(worker, "Handler crashed: its worker stands still");
    return;
  }
  if (worker->stage == LIMIT_RUNS) {
    process_ask(worker->process);
    set_limit(worker, LIMIT_ASKED, GRACE_MS);
    return;
  }
  struct job *job = running_job(worker);
  if (!worker->loaded) {
    report_fault(worker, "loading took longer than 2 s");
  } else if (job) {
    char *reason = memory_format("Timed out after %g s%s%s", (double)worker->version->timeout_ms / 1000,
                                 worker->place ? " at " : "", worker->place ? worker->place : "");
    finish_with(worker, job, 504, reason, false);
    free(reason);
  }
  end(worker, WORKER_SPENT, "time limit");
}

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

static bool on_loaded(struct worker *worker, struct frame *frame)
{
  size_t size;
  const char *text = frame_get_bytes(frame, &size);
  json_t *report = jsontext_parse(text, size, NULL);
  if (!is_report(report) || worker->loaded) {
    json_decref(report);
    return false;
  }
  worker->loaded = true;
  expect_mark(worker);
  worker->ports.loaded(worker->ports.context, worker, report);
  json_decref(report);
  return true;
}

static bool on_mark(struct worker *worker, struct frame *frame)
{
  int64_t number = frame_get_i64(frame);
  struct job *job = TAILQ_FIRST(&worker->jobs);
  if (frame->bad || !job || job->number != number || job->began_ms)
    return false;
  job->began_ms = clock_monotonic_ms();
  set_limit(worker, LIMIT_RUNS, worker->version->timeout_ms);
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
  if (has_payload) {
    result.payload = memory_copied(payload, size);
    result.payload_bytes = size;
  }
  struct job *job = running_job(worker);
  bool good = !frame->bad && job && job->number == number && sound_result(&result);
  if (good)
    finish(worker, job, &result, trace, false);
  else
    command_result_clear(&result);
  free(trace);
  return good;
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
  struct job *job = running_job(worker);
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
  process_send(worker->process, bytes, size);
}

static bool on_exec(struct worker *worker, struct frame *frame)
{
  const struct execution_caller caller = {.context = worker, .answer = send_now};
  return running_job(worker) && execution_start(&worker->executions, worker->workplace, frame,
                                                worker->version->needs, &caller) == 0;
}

/* Returns false once the worker is over. */
static bool take_frame(struct worker *worker, struct frame *frame)
{
  bool good = false, spent = false;
  switch (frame->kind) {
  case WORKER_LOADED: good = on_loaded(worker, frame); break;
  case WORKER_MARK: good = on_mark(worker, frame); break;
  case WORKER_FINISHED: good = on_finished(worker, frame, &spent); break;
  case WORKER_TELEMETRY: good = on_telemetry(worker, frame); break;
  case WORKER_METADATA: good = on_metadata(worker, frame); break;
  case WORKER_LOG: good = on_log(worker, frame); break;
  case WORKER_AT: good = on_at(worker, frame); break;
  case WORKER_EXEC: good = on_exec(worker, frame); break;
  default: break;
  }
  if (!good)
    give_up(worker, "Handler crashed: it broke the worker's protocol");
  else if (spent)
    end(worker, WORKER_SPENT, "time or memory limit");
  return !worker->is_over;
}

/* What C libraries and native modules print. */
static void log_output(const struct worker *worker, const char *bytes, size_t size)
{
  while (size) {
    const char *newline = memchr(bytes, '\n', size);
    size_t length = newline ? (size_t)(newline - bytes) : size;
    char *line = memory_copied(bytes, length);
    if (*line)
      log_info(worker->version->type, line);
    free(line);
    size -= length + (newline != NULL);
    bytes += length + (newline != NULL);
  }
}

static void on_received(void *context, enum process_stream stream, const char *bytes, size_t size)
{
  struct worker *worker = context;
  if (stream != PROCESS_FRAMES) {
    log_output(worker, bytes, size);
    return;
  }
  frame_feed(&worker->reader, bytes, size);
  struct frame frame;
  int rc;
  while ((rc = frame_next(&worker->reader, &frame)) > 0)
    if (!take_frame(worker, &frame))
      return;
  if (rc < 0)
    give_up(worker, "Handler crashed: it broke the worker's protocol");
}

static void on_send(void *context)
{
  struct worker *worker = context;
  process_send(worker->process, worker->out.data, worker->out.size_bytes);
  buffer_reset(&worker->out);
}

static char *version_options(const struct workplace *workplace, const struct worker_options *options)
{
  json_t *object = json_pack("{s:O,s:O}", "private", workplace->private_paths, "handlers",
                             workplace->handler_paths);
  if (options->settings)
    json_object_set(object, "settings", (json_t *)options->settings);
  struct buffer text = {0};
  jsontext_write(&text, object);
  json_decref(object);
  return buffer_take(&text);
}

struct worker *worker_start(const struct workplace *workplace, struct version *version,
                            const struct worker_options *options, const struct worker_ports *ports,
                            struct error *error)
{
  static const char *const arguments[] = {"lua", NULL};
  struct worker *worker = memory_zeroed(1, sizeof *worker);
  struct process_options how = {
      .program = workplace->program,
      .arguments = arguments,
      .environment = (const char *const *)workplace->environment,
      .frames = true,
      .received = on_received,
      .ended = on_ended,
      .context = worker,
  };
  worker->process = process_start(workplace->loop, &how, error);
  if (!worker->process) {
    free(worker);
    return NULL;
  }
  worker->workplace = workplace;
  worker->version = version_keep(version);
  worker->ports = *ports;
  TAILQ_INIT(&worker->jobs);
  TAILQ_INIT(&worker->executions);
  worker->limit = loop_timer_create(workplace->loop, on_limit, worker);
  worker->send = loop_timer_create(workplace->loop, on_send, worker);
  char *text = version_options(workplace, options);
  version_write(version, options->purpose == WORKER_CONFIGURATION ? "config" : "handler", text,
                &worker->out);
  free(text);
  on_send(worker);
  set_limit(worker, LIMIT_RUNS, LOAD_MS);
  return worker;
}

void worker_destroy(struct worker *worker)
{
  if (!worker)
    return;
  process_release(worker->process);
  executions_end(&worker->executions);
  loop_timer_destroy(worker->limit);
  loop_timer_destroy(worker->send);
  struct job *job;
  while ((job = TAILQ_FIRST(&worker->jobs)))
    remove_job(worker, job);
  frame_reader_clear(&worker->reader);
  buffer_clear(&worker->out);
  version_drop(worker->version);
  free(worker->place);
  free(worker);
}

struct version *worker_version(const struct worker *worker)
{
  return worker->version;
}

bool worker_is_loaded(const struct worker *worker)
{
  return worker->loaded;
}

static struct job *add_job(struct worker *worker)
{
  struct job *job = memory_zeroed(1, sizeof *job);
  job->number = ++worker->last_number;
  TAILQ_INSERT_TAIL(&worker->jobs, job, link);
  worker->job_count++;
  if (!worker->out.size_bytes)
    loop_timer_set(worker->send, 0); /* what comes in this turn goes out in one write */
  if (worker->job_count == 1)
    expect_mark(worker);
  return job;
}

void worker_tick(struct worker *worker, const char *endpoint)
{
  struct job *job = add_job(worker);
  job->endpoint = endpoint;
  size_t place = frame_begin(&worker->out, WORKER_TICK);
  frame_put_i64(&worker->out, job->number);
  frame_put_text(&worker->out, endpoint ? endpoint : "");
  frame_end(&worker->out, place);
}

void worker_run(struct worker *worker, struct command *command)
{
  struct job *job = add_job(worker);
  job->command = command;
  size_t place = frame_begin(&worker->out, WORKER_COMMAND);
  frame_put_i64(&worker->out, job->number);
  frame_put_i64(&worker->out, command->key.id);
  frame_put_text(&worker->out, command->key.type);
  frame_put_text(&worker->out, command->key.endpoint);
  frame_put_i64(&worker->out, command->received_wall_ms);
  frame_put_bytes(&worker->out, command->element, command->element_bytes);
  frame_end(&worker->out, place);
}

size_t worker_load(const struct worker *worker)
{
  return worker->job_count;
}

void worker_interrupt(struct worker *worker, int status, const char *reason)
{
  struct job *job = running_job(worker);
  if (job)
    finish_with(worker, job, status, reason, false);
  end(worker, WORKER_SPENT, reason);
}

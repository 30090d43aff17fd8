#include "worker/run.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/worker_frames.h"
#include "worker/call.h"
#include "worker/state.h"
#include "worker/worker.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Memory errors come as such, or as their text where a coroutine or the handler
 * passed them on. */
static bool is_memory_error(struct worker *worker, int status)
{
  static const char text[] = "not enough memory";
  bool is_exhausted = heap_is_exhausted(&worker->heap);
  if (status == LUA_ERRMEM)
    return true;
  if (status == LUA_OK || !is_exhausted || lua_type(worker->lua, -1) != LUA_TSTRING)
    return false;
  size_t size;
  const char *said = lua_tolstring(worker->lua, -1, &size);
  return size >= strlen(text) && !strcmp(said + size - strlen(text), text);
}

static void answer_stopped(struct outcome *outcome, int64_t status, const char *what,
                           const char *place)
{
  char text[REASON_BYTES];
  snprintf(text, sizeof text, "%s%s%s", what, *place ? " at " : "", place);
  outcome_set(outcome, status, text);
  outcome->has_payload = false;
  outcome->waits = false;
  outcome->has_trace = true; /* empty after a memory error */
  outcome->worker->is_spent = true;
}

static void answer_timeout(struct outcome *outcome)
{
  char what[64];
  snprintf(what, sizeof what, "Timed out after %.14g s", outcome->worker->timeout_s);
  answer_stopped(outcome, 504, what, outcome->worker->limit.place);
}

static void answer_memory(struct outcome *outcome)
{
  char what[64];
  snprintf(what, sizeof what, "Out of memory (limit %lld MiB)",
           (long long)outcome->worker->memory_mib);
  answer_stopped(outcome, 500, what, outcome->worker->heap.place);
}

static void run_protected(struct outcome *outcome, lua_CFunction call)
{
  struct worker *worker = outcome->worker;
  heap_watch(&worker->heap);
  limit_begin(&worker->limit, worker->timeout_s);
  int status = state_call(worker, call, outcome);
  if (status != LUA_OK && !worker->limit.is_raised && !is_memory_error(worker, status))
    status = state_call_with_error(worker, call_failed, outcome);
  if (limit_end(&worker->limit))
    answer_timeout(outcome);
  else if (is_memory_error(worker, status))
    answer_memory(outcome);
  else if (status != LUA_OK)
    outcome_set(outcome, 500, "the handler raised an error that cannot be shown");
}

/* Whether it is older than its handler allows; then it is answered. Of one that has begun
 * before nobody knows what it did. */
static bool is_expired(struct outcome *outcome)
{
  const struct worker *worker = outcome->worker;
  double age_s = (double)(clock_boot_ms() - worker->command.received_boot_ms) / 1000;
  char text[REASON_BYTES];
  if (worker->command.received_boot_ms < 0)
    snprintf(text, sizeof text, "Expired: received before the device was started");
  else if (age_s > worker->max_age_s)
    snprintf(text, sizeof text, "Expired: %.14g s old", round(age_s * 10) / 10);
  else
    return false;
  if (worker->command.retried)
    outcome_set(outcome, 500, "Interrupted: the outcome is unknown");
  else
    outcome_set(outcome, 410, text);
  return true;
}

static void send_mark(struct worker *worker)
{
  struct buffer *out = &worker->channel.out;
  size_t at = frame_begin(out, WORKER_MARK);
  frame_put_i64(out, worker->command.job);
  frame_end(out, at);
  channel_flush(&worker->channel);
}

/* Whoever reads the result may look for what the handler has written. */
static void flush_files(struct worker *worker)
{
  static const char text[] = "what was written to a file is not all on it: ";
  if (!fflush(NULL))
    return;
  const char *why = strerror(errno);
  output_write(&worker->output.err, text, strlen(text));
  output_write(&worker->output.err, why, strlen(why));
}

static void put_finished(struct outcome *outcome)
{
  struct worker *worker = outcome->worker;
  struct buffer *out = &worker->channel.out;
  size_t at = frame_begin(out, WORKER_FINISHED);
  frame_put_i64(out, worker->command.job);
  frame_put_i64(out, outcome->status);
  frame_put_text(out, outcome->reason);
  frame_put_u8(out, outcome->has_payload);
  frame_put_bytes(out, worker->answer.data, outcome->has_payload ? worker->answer.size_bytes : 0);
  frame_put_bytes(out, worker->trace.data, outcome->has_trace ? worker->trace.size_bytes : 0);
  frame_put_u8(out, worker->is_spent);
  frame_put_u8(out, outcome->waits);
  frame_end(out, at);
}

/* With the result of the one before. */
static _Noreturn void stand(struct worker *worker)
{
  struct buffer *out = &worker->channel.out;
  frame_end(out, frame_begin(out, WORKER_STANDS));
  channel_flush(&worker->channel);
  for (;;)
    pause();
}

static void put_skipped(struct worker *worker)
{
  struct buffer *out = &worker->channel.out;
  size_t at = frame_begin(out, WORKER_SKIPPED);
  frame_put_i64(out, worker->command.job);
  frame_end(out, at);
}

/* Returns false where the command was cancelled before: it does not begin. */
static bool begin(struct worker *worker)
{
  int rc = worker->marks ? marks_begin(worker->marks, worker->command.sequence) : 0;
  if (rc == -ESTALE)
    put_skipped(worker);
  else if (rc)
    stand(worker);
  else
    send_mark(worker);
  return !rc;
}

/* A result that may be too large for the marks does not wait for the next mark: that
 * comes only once the host has it durable. */
static void finish(struct outcome *outcome)
{
  struct worker *worker = outcome->worker;
  const struct buffer *answer = &worker->answer;
  if (worker->marks && worker->command.sequence)
    marks_finish(worker->marks, (int)outcome->status, outcome->reason,
                 outcome->has_payload ? answer->data : NULL, answer->size_bytes, outcome->waits);
  put_finished(outcome);
  if (answer->size_bytes > MARKS_BYTES / 2)
    channel_flush(&worker->channel);
}

static int read_command(struct command *command, struct frame *frame)
{
  command->job = frame_get_i64(frame);
  command->id = frame_get_i64(frame);
  command->type = frame_get_text(frame);
  command->endpoint = frame_get_text(frame);
  command->received_at_ms = frame_get_i64(frame);
  command->received_boot_ms = frame_get_i64(frame);
  command->sequence = frame_get_i64(frame);
  command->retried = frame_get_u8(frame);
  const char *element = frame_get_bytes(frame, &command->element_bytes);
  command->element = memory_copied(element, command->element_bytes);
  return frame->bad ? -EPROTO : 0;
}

static int read_resume(struct command *command, struct frame *frame)
{
  read_command(command, frame);
  bool has_saved = frame_get_u8(frame);
  const char *saved = frame_get_bytes(frame, &command->saved_bytes);
  command->saved = has_saved ? memory_copied(saved, command->saved_bytes) : NULL;
  command->away_ms = frame_get_i64(frame);
  return frame->bad ? -EPROTO : 0;
}

static int read_tick(struct command *command, struct frame *frame)
{
  command->job = frame_get_i64(frame);
  command->endpoint = frame_get_text(frame);
  return frame->bad ? -EPROTO : 0;
}

static void clear_command(struct command *command)
{
  free(command->type);
  free(command->endpoint);
  free(command->element);
  free(command->saved);
  *command = (struct command){0};
}

static void run(struct worker *worker, lua_CFunction call)
{
  struct outcome outcome = {.worker = worker};
  if (!begin(worker))
    return;
  worker->is_running = true;
  buffer_reset(&worker->answer);
  if (call != call_run || worker->max_age_s <= 0 || !is_expired(&outcome))
    run_protected(&outcome, call);
  worker->is_running = false;
  flush_files(worker);
  worker->is_spent = worker->is_spent || confine_is_outdated(&worker->write_grant) ||
                     confine_is_outdated(&worker->write_ceiling);
  output_settle(&worker->output);
  finish(&outcome);
}

void run_command(struct worker *worker, struct frame *frame)
{
  if (!read_command(&worker->command, frame))
    run(worker, call_run);
  clear_command(&worker->command);
}

void run_resume(struct worker *worker, struct frame *frame)
{
  if (!read_resume(&worker->command, frame))
    run(worker, call_resume);
  clear_command(&worker->command);
}

void run_tick(struct worker *worker, struct frame *frame)
{
  if (!read_tick(&worker->command, frame))
    run(worker, call_tick);
  clear_command(&worker->command);
}

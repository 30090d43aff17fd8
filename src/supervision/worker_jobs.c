#include "supervision/worker_parts.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/worker_frames.h"
#include "supervision/sound.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum {
  LOAD_MS = 2000,
  CANCEL_MS = 2000, /* how long a handler that is cancelled has to end in its own way */
  GRACE_MS = 1000, /* how long a handler has to stop by itself once it was asked */
  BEGIN_MS = 5000, /* a worker with nothing else to do begins a command within this */
  LATE_MS = 20,    /* more than one turn of the loop */
  DISK_MS = 1000,  /* between looks at whether the disk has caught up */
  DISK_MAX_MS = 60000, /* how long a handler's limit is put off for it */
};

static void set_limit(struct worker *worker, enum limit_stage stage, int64_t wait_ms)
{
  worker->stage = stage;
  worker->is_late = false;
  loop_timer_set(worker->limit, stage == LIMIT_NONE ? INT64_MAX : clock_monotonic_ms() + wait_ms);
}

void worker_expect_loaded(struct worker *worker)
{
  set_limit(worker, LIMIT_RUNS, LOAD_MS);
}

struct job *worker_running_job(const struct worker *worker)
{
  struct job *running = NULL, *job;
  TAILQ_FOREACH(job, &worker->jobs, link) {
    if (!job->began_ms && !job->is_void)
      break;
    if (!job->is_void)
      running = job;
  }
  return running;
}

bool worker_may_wait(const struct job *job)
{
  const struct command *command = job->command;
  return command && command->has_saved && command->saved.restart != COMMAND_NO_RESTART;
}

void worker_remove_job(struct worker *worker, struct job *job)
{
  TAILQ_REMOVE(&worker->jobs, job, link);
  worker->job_count--;
  free(job->progress);
  free(job);
}

void worker_expect_mark(struct worker *worker)
{
  if (worker->is_over)
    return;
  if (worker->loaded && worker->job_count)
    set_limit(worker, LIMIT_BEGINS, BEGIN_MS);
  else if (worker->loaded)
    set_limit(worker, LIMIT_NONE, 0);
}

void worker_begin_job(struct worker *worker, struct job *job)
{
  job->began_ms = clock_monotonic_ms();
  set_limit(worker, LIMIT_RUNS, worker->version->timeout_ms);
  if (job->is_cancelled)
    worker_ask_cancelled(worker, job);
}

void worker_hurry(struct worker *worker, const struct job *job)
{
  int64_t left_ms = job->began_ms + worker->version->timeout_ms - clock_monotonic_ms();
  if (worker->stage != LIMIT_ASKED)
    set_limit(worker, LIMIT_CANCELLED, left_ms < CANCEL_MS ? left_ms : CANCEL_MS);
}

void worker_finish_job(struct worker *worker, struct job *job, struct command_result *result,
                   const char *trace, bool crashed, bool waits)
{
  struct command *command = job->command;
  const char *endpoint = job->endpoint;
  int64_t run_ms = job->began_ms ? clock_monotonic_ms() - job->began_ms : 0;
  if (job->is_cancelled) {
    worker_set_cancelled(result);
    waits = false;
  }
  worker_remove_job(worker, job);
  executions_end(&worker->executions);
  fetches_end(&worker->fetches);
  worker_drop_ticket(worker);
  worker_expect_mark(worker);
  free(worker->place);
  worker->place = NULL;
  if (command) {
    const struct worker_finish how = {
        .trace = trace, .run_ms = run_ms, .crashed = crashed, .waits = waits};
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
  worker_finish_job(worker, job, &result, "", crashed, false);
}

static struct job *find_job(struct worker *worker, int64_t sequence)
{
  struct job *job;
  TAILQ_FOREACH(job, &worker->jobs, link)
    if (job->sequence == sequence)
      return job;
  return NULL;
}

/* The worker runs them in order: what comes before one that has begun has begun, too. */
static void set_begun(struct worker *worker, int64_t sequence)
{
  struct job *last = sequence ? find_job(worker, sequence) : NULL;
  for (; last; last = TAILQ_PREV(last, job_list, link))
    if (!last->began_ms && !last->is_void)
      last->began_ms = clock_monotonic_ms();
}

/* A result that was written and not said. */
static void on_written(void *context, const struct marks_result *said)
{
  struct worker *worker = context;
  struct job *job = find_job(worker, said->sequence);
  if (!job || !job->began_ms || (said->waits && !worker_may_wait(job)))
    return;
  struct command_result result = {
      .status = said->status,
      .reason = memory_text(said->reason),
      .payload = said->payload ? memory_copied(said->payload, said->payload_bytes) : NULL,
      .payload_bytes = said->payload_bytes,
  };
  if (sound_result(&result))
    worker_finish_job(worker, job, &result, "", false, said->waits);
  else
    command_result_clear(&result);
}

void worker_recall(struct worker *worker)
{
  if (worker->is_recalled || !worker->marks)
    return;
  worker->is_recalled = true;
  marks_file_revoke(worker->marks);
}

/* First what it says, which holds more than what it writes. */
void worker_settle(struct worker *worker)
{
  if (worker->is_settled)
    return;
  worker->is_settled = true;
  int64_t begun = marks_file_revoke(worker->marks);
  worker_hear(worker);
  set_begun(worker, worker->stands ? 0 : begun);
  if (worker_running_job(worker))
    marks_file_look(worker->marks, on_written, worker);
}

/* What has begun is not put back, also where nothing was read of it. */
static void put_back(struct worker *worker, struct job *job)
{
  struct command *command = job->command;
  const char *endpoint = job->endpoint;
  if (command && job->began_ms) {
    finish_with(worker, job, 500, "Interrupted: the outcome is unknown", false);
    return;
  }
  if (job->is_void || job->is_cancelled) {
    worker_skip(worker, job);
    return;
  }
  worker_remove_job(worker, job);
  if (command)
    worker->ports.put_back(worker->ports.context, worker, command);
  else
    worker->ports.ticked(worker->ports.context, worker, endpoint, 0, "", "");
}

void worker_end(struct worker *worker, enum worker_end how, const char *text)
{
  if (worker->is_over)
    return; /* its owner interrupted it from within a port */
  worker_settle(worker);
  worker->is_over = true;
  set_limit(worker, LIMIT_NONE, 0);
  loop_timer_set(worker->send, INT64_MAX);
  process_release(worker->process);
  worker->process = NULL;
  executions_end(&worker->executions);
  fetches_end(&worker->fetches);
  worker_drop_ticket(worker);
  struct job *job;
  while ((job = TAILQ_LAST(&worker->jobs, job_list)))
    put_back(worker, job);
  marks_file_release(worker->marks);
  worker->marks = NULL;
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

void worker_give_up(struct worker *worker, const char *how)
{
  worker_settle(worker);
  struct job *job = worker_running_job(worker);
  if (!worker->loaded) {
    char message[160];
    snprintf(message, sizeof message, "%s while the file was loaded", how);
    report_fault(worker, message);
  } else if (job) {
    finish_with(worker, job, 500, how, true);
  }
  worker_end(worker, WORKER_CRASHED, how);
}

void worker_on_ended(void *context, const struct worker_ending *ending)
{
  struct worker *worker = context;
  char how[128];
  format_ending(ending, how, sizeof how);
  worker_give_up(worker, how);
}

/* This process may have stood still itself, or reads what the worker says with pauses: what
 * it has said meanwhile, a mark above all, is read first. */
static bool look_again(struct worker *worker)
{
  if (worker->is_late)
    return false;
  worker->is_late = true;
  loop_timer_set(worker->limit, clock_monotonic_ms() + LATE_MS);
  worker_hear(worker); /* may set another limit */
  return true;
}

/* Neither ticks nor what is void are held. */
static size_t count_commands(const struct worker *worker)
{
  size_t count = 0;
  const struct job *job;
  TAILQ_FOREACH(job, &worker->jobs, link)
    count += job->command != NULL;
  return count;
}

/* Results are not durable yet: the worker may be waiting for that in base/marks.h, with
 * nothing running. */
static bool waits_for_disk(struct worker *worker)
{
  if (marks_file_held(worker->marks) <= count_commands(worker))
    return false;
  struct job *job = worker_running_job(worker);
  int64_t most_ms = worker->version->timeout_ms + DISK_MAX_MS;
  if (job && clock_monotonic_ms() - job->began_ms >= most_ms)
    return false;
  loop_timer_set(worker->limit, clock_monotonic_ms() + DISK_MS);
  return true;
}

void worker_on_limit(void *context)
{
  struct worker *worker = context;
  bool is_limit = worker->stage != LIMIT_ASKED && worker->stage != LIMIT_CANCELLED;
  if (is_limit && worker->loaded && waits_for_disk(worker))
    return;
  if (look_again(worker))
    return;
  if (worker->stage == LIMIT_BEGINS) {
    worker_give_up(worker, "Handler crashed: its worker stands still");
    return;
  }
  if (worker->stage == LIMIT_RUNS || worker->stage == LIMIT_CANCELLED) {
    process_ask(worker->process);
    set_limit(worker, LIMIT_ASKED, GRACE_MS);
    return;
  }
  struct job *job = worker_running_job(worker);
  int64_t number = job ? job->number : 0;
  worker_settle(worker);
  job = worker_running_job(worker);
  if (!worker->loaded) {
    report_fault(worker, "loading took longer than 2 s");
  } else if (job && job->number == number) {
    char *reason = memory_format("Timed out after %g s%s%s", (double)worker->version->timeout_ms / 1000,
                                 worker->place ? " at " : "", worker->place ? worker->place : "");
    finish_with(worker, job, 504, reason, false);
    free(reason);
  }
  worker_end(worker, WORKER_SPENT, "time limit");
}

struct job *worker_add_job(struct worker *worker)
{
  struct job *job = memory_zeroed(1, sizeof *job);
  job->number = ++worker->last_number;
  job->tenths = -1;
  TAILQ_INSERT_TAIL(&worker->jobs, job, link);
  worker->job_count++;
  if (!worker->out.size_bytes)
    loop_timer_set(worker->send, 0); /* what comes in this turn goes out in one write */
  if (worker->job_count == 1)
    worker_expect_mark(worker);
  return job;
}

void worker_interrupt(struct worker *worker, int status, const char *reason)
{
  worker_settle(worker);
  struct job *job = worker_running_job(worker);
  if (job)
    finish_with(worker, job, status, reason, false);
  worker_end(worker, WORKER_SPENT, reason);
}

void worker_leave(struct worker *worker)
{
  worker_settle(worker);
  struct job *job = worker_running_job(worker);
  struct command *command = job ? job->command : NULL;
  if (command && job->is_cancelled) {
    finish_with(worker, job, 500, "Interrupted: the outcome is unknown", false);
  } else if (command) {
    worker_remove_job(worker, job);
    worker->ports.left(worker->ports.context, worker, command);
  }
  worker_end(worker, WORKER_SPENT, "");
}

const struct command *worker_running(const struct worker *worker)
{
  const struct job *job = worker_running_job(worker);
  return job ? job->command : NULL;
}

#include "base/memory.h"
#include "core/core.h"
#include "supervision/worker_parts.h"

#include <errno.h>
#include <stdlib.h>

void worker_set_cancelled(struct command_result *result)
{
  result->status = CORE_CANCELLED;
  free(result->reason);
  result->reason = memory_text(CORE_CANCELLED_REASON);
}

static struct job *find_job(const struct worker *worker, const struct command_key *key)
{
  struct job *job;
  TAILQ_FOREACH(job, &worker->jobs, link)
    if (job->command && !command_key_compare(&job->command->key, key))
      return job;
  return NULL;
}

static bool is_taken(const struct worker *worker, size_t slot)
{
  const struct job *job;
  TAILQ_FOREACH(job, &worker->jobs, link)
    if (job->slot == slot)
      return true;
  return false;
}

/* Tells the worker by its marks: the first place is for the one that runs. Returns the sequence
 * that it began last; this one where it cannot be told. */
static int64_t tell(struct worker *worker, struct job *job)
{
  size_t last = job->began_ms ? 1 : MARKS_CANCELLED;
  for (size_t slot = job->began_ms ? 1 : 2; worker->marks && !job->slot && slot <= last; slot++)
    if (!is_taken(worker, slot))
      job->slot = slot;
  return job->slot ? marks_file_cancel(worker->marks, job->slot - 1, job->sequence) : job->sequence;
}

/* It runs them in order: what stands behind one has begun later. */
static bool has_begun(const struct job *job, int64_t begun)
{
  for (; begun && job; job = TAILQ_NEXT(job, link))
    if (job->sequence == begun)
      return true;
  return false;
}

static void answer(struct worker *worker, struct command *command)
{
  const struct worker_finish how = {.trace = "", .never_ran = true};
  struct command_result result = {0};
  worker_set_cancelled(&result);
  marks_file_let_go(worker->marks, command);
  worker->ports.finished(worker->ports.context, worker, command, &result, &how);
}

void worker_skip(struct worker *worker, struct job *job)
{
  struct command *command = job->command;
  worker_remove_job(worker, job);
  worker_expect_mark(worker);
  if (command)
    answer(worker, command);
}

void worker_ask_cancelled(struct worker *worker, struct job *job)
{
  tell(worker, job);
  process_cancel(worker->process);
  executions_end(&worker->executions);
  fetches_end(&worker->fetches);
  worker_hurry(worker, job);
}

/* Returns whether it may have begun. */
static bool cancel(struct worker *worker, struct job *job)
{
  job->is_cancelled = true;
  if (job->began_ms) {
    worker_ask_cancelled(worker, job);
    return true;
  }
  int64_t begun = tell(worker, job);
  if (!job->slot || has_begun(job, begun))
    return true; /* where it has not, it is asked as soon as it does */
  struct command *command = job->command;
  job->command = NULL;
  job->is_void = true;
  answer(worker, command);
  return false;
}

/* First what it has said: one that has ended keeps its result. */
int worker_cancel(struct worker *worker, const struct command_key *key, bool *begun)
{
  struct job *job = find_job(worker, key);
  *begun = true;
  if (!job)
    return -ENOENT;
  if (job->is_cancelled)
    return 0;
  worker_hear(worker);
  job = find_job(worker, key);
  if (job)
    *begun = cancel(worker, job);
  return 0;
}

bool worker_get_running(const struct worker *worker, struct worker_running *running)
{
  const struct job *job = worker_running_job(worker);
  if (!job || !job->command)
    return false;
  *running = (struct worker_running){.command = job->command,
                                     .began_ms = job->began_ms,
                                     .is_cancelled = job->is_cancelled,
                                     .percent = (double)job->tenths / 10,
                                     .text = job->progress};
  return true;
}

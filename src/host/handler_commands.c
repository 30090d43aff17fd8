#include "host/handler.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD_MAX = 32 /* commands with a worker */ };

static const char interrupted[] = "Interrupted: the outcome is unknown";

void handler_commands_finished(void *context, struct worker *worker, struct command *command,
                               struct command_result *result, const struct worker_finish *how)
{
  struct handler *handler = context;
  struct handlers *handlers = handler->table;
  (void)worker;
  if (*how->trace)
    log_warn(handler->type, result->reason, "id", LOG_NUMBER(command->key.id), "endpoint",
             LOG_TOKEN(command->key.endpoint), "trace", how->trace);
  handler->in_flight--;
  handler->run_ms += ((double)how->run_ms - handler->run_ms) / 8;
  handler_count_end(handler, false, !how->crashed);
  if (how->waits) {
    command_result_clear(result);
    handlers->ports.waits(handlers->ports.context, command);
  } else {
    handlers->ports.finished(handlers->ports.context, command, result);
  }
  handler_switch_worker(handler);
  handler_rest(handler);
  handlers->ports.room(handlers->ports.context, handler->type);
}

void handler_commands_put_back(void *context, struct worker *worker, struct command *command)
{
  struct handler *handler = context;
  (void)worker;
  handler->in_flight--;
  handler->table->ports.put_back(handler->table->ports.context, command);
}

void handler_commands_left(void *context, struct worker *worker, struct command *command)
{
  struct handler *handler = context;
  (void)worker;
  handler->in_flight--;
  log_warn(handler->type, "left to the next start", "id", LOG_NUMBER(command->key.id), "endpoint",
           LOG_TOKEN(command->key.endpoint));
}

void handler_commands_keep(void *context, struct worker *worker, struct command *command,
                           const struct worker_keep *keep, struct worker_ticket *ticket)
{
  struct handler *handler = context;
  (void)worker;
  handler->table->ports.keep(handler->table->ports.context, handler->type, command, keep, ticket);
}

/* A slow handler gets one command at a time, so that a new version, or a new
 * worker after a limit, finds few that were handed out in vain. */
static size_t window(const struct handler *handler)
{
  double ahead = handler->run_ms > 1 ? HANDLER_AHEAD_MS / handler->run_ms : AHEAD_MAX;
  return ahead < 1 ? 1 : ahead > AHEAD_MAX ? AHEAD_MAX : (size_t)ahead;
}

/* Whether its commands are answered without running anything. */
static bool is_answered_at_once(const struct handler *handler)
{
  bool has_hope = handler->current || handler->candidate || handler_files_are_awaited(handler);
  return handler->is_removed || !has_hope || handler->deaths >= HANDLER_DEATHS_MAX ||
         (handler->current && !handler->current->has_run);
}

size_t handlers_room(const struct handlers *handlers, const char *type)
{
  if (handlers->stopping)
    return 0;
  const struct handler *handler = handler_find(handlers, type);
  if (!handler || is_answered_at_once(handler))
    return handlers->ready ? SIZE_MAX : 0;
  if (!handler->current || handler_is_changing(handler) || handler->lacks_disk)
    return 0;
  size_t most = window(handler);
  size_t taken = handler->in_flight + handler->handed_out;
  return taken < most ? most - taken : 0;
}

size_t handlers_room_ahead(const struct handlers *handlers, const char *type)
{
  const struct handler *handler = handler_find(handlers, type);
  if (!handler || is_answered_at_once(handler) || !handler->worker ||
      !worker_is_loaded(handler->worker) || !worker_takes_commands(handler->worker))
    return 0;
  return handlers_room(handlers, type);
}

void handlers_handed_out(struct handlers *handlers, const char *type, size_t count)
{
  struct handler *handler = handler_find(handlers, type);
  if (handler && !is_answered_at_once(handler))
    handler->handed_out += count;
}

static void count_arrival(struct handler *handler)
{
  if (handler && handler->handed_out)
    handler->handed_out--;
}

void handlers_withdrawn(struct handlers *handlers, const char *type)
{
  count_arrival(handler_find(handlers, type));
}

static void answer(struct handlers *handlers, struct command *command, int status, char *reason)
{
  struct command_result result = {.status = status, .reason = reason};
  reason[utf8_cut(reason, strlen(reason), 256)] = '\0';
  handlers->ports.finished(handlers->ports.context, command, &result);
}

/* Of a command that has begun before nobody knows what it did: what keeps it from running
 * again, or from being resumed, is no answer to it. Takes `reason`. */
static void refuse(struct handlers *handlers, struct command *command, int status, char *reason)
{
  if (command_has_begun_before(command)) {
    log_warn(command->key.type, command->resumes ? "not resumed" : "not run again", "id",
             LOG_NUMBER(command->key.id), "reason", reason);
    free(reason);
    answer(handlers, command, 500, memory_text(interrupted));
  } else {
    answer(handlers, command, status, reason);
  }
}

/* Returns the reason why the handler runs no command, owned, with the status; NULL
 * where it does. */
static char *objection(const struct handler *handler, const struct command *command, int *status)
{
  *status = 501;
  if (!handler || handler->is_removed)
    return memory_format("No handler for %s", command->key.type);
  if (handler->current && !handler->current->has_run)
    return memory_format("No handler for %s: %s only ticks", handler->type,
                         handler->current->source.chunk);
  *status = 503;
  if (!handler->current)
    return memory_text(handler->fault ? handler->fault : "not loaded");
  if (handler->deaths >= HANDLER_DEATHS_MAX)
    return memory_format("Quarantined: its worker died %d times in a row (%s); it is tried again "
                         "when its file changes",
                         handler->deaths, handler->last_death);
  if (command->resumes && !handler->current->has_resume)
    return memory_text("its handler has no resume any more");
  return NULL;
}

static bool start_worker(struct handler *handler, struct error *error)
{
  int rc = handler_need_worker(handler, true, error);
  handler->lacks_disk = rc == -ENOSPC || rc == -EDQUOT;
  return rc == 0;
}

/* What was handed out together stays in its order: once one was put back, all are. */
static bool find_worker(struct handler *handler, struct error *error)
{
  if (handler->lacks_disk)
    return false;
  bool is_there = start_worker(handler, error);
  if (handler->lacks_disk) {
    log_error(handler->type, "no room on the disk to start a worker: its commands wait", "reason",
              error->text);
    handler->table->ports.lacks_disk(handler->table->ports.context);
  }
  return is_there;
}

void handler_commands_retry(struct handlers *handlers)
{
  struct handler *handler;
  TAILQ_FOREACH(handler, &handlers->all, link) {
    struct error error = {0};
    if (!handler->lacks_disk || handler->next || is_answered_at_once(handler))
      continue;
    if (!start_worker(handler, &error) && handler->lacks_disk)
      continue;
    handler_rest(handler);
    handlers->ports.room(handlers->ports.context, handler->type);
  }
}

/* The version that would run it is not the one whose policy was kept with it: handed out
 * again, it gets the right one. */
static bool is_of_another_version(const struct handler *handler, const struct command *command)
{
  return worker_version(handler->worker)->policy != command->policy;
}

void handlers_run(struct handlers *handlers, struct command *command)
{
  struct handler *handler = handler_find(handlers, command->key.type);
  struct error error = {0};
  int status;
  count_arrival(handler);
  char *reason = objection(handler, command, &status);
  if (!reason && handler_is_changing(handler)) {
    handlers->ports.put_back(handlers->ports.context, command);
    return;
  }
  if (!reason && !find_worker(handler, &error)) {
    if (handler->lacks_disk) {
      handlers->ports.put_back(handlers->ports.context, command);
      return;
    }
    reason = memory_format("No worker could be started: %s", error.text);
  }
  if (reason) {
    refuse(handlers, command, status, reason);
    handlers->ports.room(handlers->ports.context, command->key.type); /* it took none */
  } else if (is_of_another_version(handler, command)) {
    handlers->ports.put_back(handlers->ports.context, command);
    handlers->ports.room(handlers->ports.context, command->key.type); /* and tells the policy */
  } else {
    handler->in_flight++;
    worker_run(handler->worker, command);
  }
}

static bool may_go_on(const struct command *command)
{
  bool awaits_restart = command->has_saved && command->saved.restart != COMMAND_NO_RESTART;
  return awaits_restart || command->policy != COMMAND_REPORT;
}

/* Only a command that is answered as interrupted is answered here; what its handler can
 * go on with is left to the next start. */
static void interrupt(struct handler *handler)
{
  struct worker *worker = handler->worker;
  worker_settle(worker);
  const struct command *command = worker_running(worker);
  if (command && may_go_on(command))
    worker_leave(worker);
  else
    worker_interrupt(worker, 500, interrupted);
}

void handlers_interrupt(struct handlers *handlers)
{
  struct handler *handler;
  TAILQ_FOREACH(handler, &handlers->all, link)
    if (handler->worker && worker_load(handler->worker))
      interrupt(handler);
}

#include "handlers/handler.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char interrupted[] = "Interrupted: the outcome is unknown";

/* A command is with its worker no more. */
static void end(struct handler *handler, const struct worker *worker)
{
  handler->in_flight--;
  crew_end(&handler->crew, crew_find(&handler->crew, worker), clock_monotonic_ms());
}

void handler_commands_finished(void *context, struct worker *worker, struct command *command,
                               struct command_result *result, const struct worker_finish *how)
{
  struct handler *handler = context;
  struct handlers *handlers = handler->table;
  if (*how->trace)
    log_warn(handler->type, result->reason, "id", LOG_NUMBER(command->key.id), "endpoint",
             LOG_TOKEN(command->key.endpoint), "trace", how->trace);
  end(handler, worker);
  if (!how->never_ran) {
    crew_note_run(&handler->crew, how->run_ms);
    handler_count_end(handler, false, !how->crashed);
  }
  if (how->waits) {
    command_result_clear(result);
    handlers->ports.waits(handlers->ports.context, command);
  } else {
    handlers->ports.finished(handlers->ports.context, command, result);
  }
  handler_go_on(handler);
}

void handler_commands_put_back(void *context, struct worker *worker, struct command *command)
{
  struct handler *handler = context;
  end(handler, worker);
  handler->table->ports.put_back(handler->table->ports.context, command);
}

void handler_commands_left(void *context, struct worker *worker, struct command *command)
{
  struct handler *handler = context;
  end(handler, worker);
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

/* Whether a first version may come soon. */
static bool is_awaited(const struct handler *handler)
{
  return !handler->current && (handler->candidate || handler_files_are_awaited(handler));
}

/* Whether its commands are answered without running anything. */
static bool is_answered_at_once(const struct handler *handler)
{
  bool has_hope = handler->current || is_awaited(handler);
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
  return handler->current && !handler->lacks_disk ? crew_room(&handler->crew) : 0;
}

static bool is_ready(const struct worker *worker)
{
  return worker_is_loaded(worker) && worker_takes_commands(worker);
}

/* What has not come yet is of no known endpoint, and may come when it is another's turn. */
size_t handlers_room_ahead(const struct handlers *handlers, const char *type)
{
  const struct handler *handler = handler_find(handlers, type);
  if (!handler || is_answered_at_once(handler) || !handlers_room(handlers, type) ||
      handler->crew.rules.ordered || handler->current->exclusive)
    return 0;
  return crew_room_ready(&handler->crew, is_ready);
}

enum core_answer handlers_offer(struct handlers *handlers, const char *type, const char *endpoint)
{
  static const enum core_answer answers[] = {
      [CREW_KEPT] = CORE_TAKE,
      [CREW_BEHIND] = CORE_PASS,
      [CREW_BUSY] = CORE_STOP,
  };
  struct handler *handler = handler_find(handlers, type);
  if (!handler || is_answered_at_once(handler))
    return CORE_TAKE;
  enum crew_answer answer =
      handler_takes_turn(handler) ? crew_keep(&handler->crew, endpoint) : CREW_BUSY;
  if (answer != CREW_KEPT)
    handler_settle(handler);
  return answers[answer];
}

static void withdraw(struct handler *handler, const char *endpoint)
{
  if (!handler)
    return;
  crew_withdraw(&handler->crew, endpoint);
  handler_settle(handler);
}

void handlers_withdrawn(struct handlers *handlers, const char *type, const char *endpoint)
{
  withdraw(handler_find(handlers, type), endpoint);
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
                         "when its file changes, or by `kaalua reload %s`",
                         handler->deaths, handler->last_death, handler->type);
  if (command->resumes && !handler->current->has_resume)
    return memory_text("its handler has no resume any more");
  return NULL;
}

static bool start_worker(struct handler *handler, struct crew_place *place, struct error *error)
{
  int rc = handler_need_worker(handler, place, true, error);
  handler->lacks_disk = rc == -ENOSPC || rc == -EDQUOT;
  return rc == 0;
}

/* What was handed out together stays in its order: once one was put back, all are. */
static bool find_worker(struct handler *handler, struct crew_place *place, struct error *error)
{
  if (handler->lacks_disk)
    return false;
  bool is_there = start_worker(handler, place, error);
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
    if (!handler->lacks_disk || is_answered_at_once(handler))
      continue;
    struct crew_place *place = crew_take_for_tick(&handler->crew);
    if (!place)
      continue;
    start_worker(handler, place, &error);
    crew_end(&handler->crew, place, clock_monotonic_ms());
    handler_settle(handler);
    if (!handler->lacks_disk)
      handlers->ports.room(handlers->ports.context, handler->type);
  }
}

/* The place that the command takes; NULL where it is put back: another version, or another
 * handler, has its turn first. */
static struct crew_place *take_place(struct handler *handler, const struct command *command)
{
  const char *name = handler->current->exclusive;
  bool has_turn = (name && !handler->dying && exclusion_holds(&handler->seat, name)) ||
                  handler_takes_turn(handler);
  if (!has_turn)
    crew_withdraw(&handler->crew, command->key.endpoint);
  return has_turn ? crew_take(&handler->crew, command->key.endpoint) : NULL;
}

/* The version that would run it is not the one whose policy was kept with it: handed out
 * again, it gets the right one. */
static bool is_of_another_version(const struct crew_place *place, const struct command *command)
{
  return worker_version(place->worker)->policy != command->policy;
}

static void put_back(struct handler *handler, struct crew_place *place, struct command *command)
{
  if (place)
    crew_end(&handler->crew, place, clock_monotonic_ms());
  handler->table->ports.put_back(handler->table->ports.context, command);
  handler_settle(handler);
}

static void refuse_and_tell(struct handlers *handlers, struct command *command, int status,
                            char *reason)
{
  const char *type = command->key.type;
  refuse(handlers, command, status, reason);
  handlers->ports.room(handlers->ports.context, type); /* it took none */
}

static void run_at(struct handler *handler, struct crew_place *place, struct command *command)
{
  struct error error = {0};
  if (!find_worker(handler, place, &error)) {
    if (handler->lacks_disk) {
      put_back(handler, place, command);
      return;
    }
    crew_end(&handler->crew, place, clock_monotonic_ms());
    handler_settle(handler);
    refuse_and_tell(handler->table, command, 503,
                    memory_format("No worker could be started: %s", error.text));
  } else if (is_of_another_version(place, command)) {
    put_back(handler, place, command);
    handler->table->ports.room(handler->table->ports.context, handler->type); /* and the policy */
  } else {
    handler->in_flight++;
    worker_run(place->worker, command);
  }
}

void handlers_run(struct handlers *handlers, struct command *command)
{
  struct handler *handler = handler_find(handlers, command->key.type);
  int status;
  if (handler && !is_answered_at_once(handler) && is_awaited(handler)) {
    crew_withdraw(&handler->crew, command->key.endpoint);
    put_back(handler, NULL, command); /* its file has come since it was handed out */
    return;
  }
  char *reason = objection(handler, command, &status);
  if (reason) {
    withdraw(handler, command->key.endpoint);
    refuse_and_tell(handlers, command, status, reason);
    return;
  }
  struct crew_place *place = take_place(handler, command);
  if (place)
    run_at(handler, place, command);
  else
    put_back(handler, NULL, command);
}

static bool may_go_on(const struct command *command)
{
  bool awaits_restart = command->has_saved && command->saved.restart != COMMAND_NO_RESTART;
  return awaits_restart || command->policy != COMMAND_REPORT;
}

/* Only a command that is answered as interrupted is answered here; what its handler can
 * go on with is left to the next start. */
static void interrupt(struct worker *worker)
{
  worker_settle(worker);
  const struct command *command = worker_running(worker);
  if (command && may_go_on(command))
    worker_leave(worker);
  else
    worker_interrupt(worker, 500, interrupted);
}

static struct crew_place *busy_place(const struct handler *handler)
{
  struct crew_place *place;
  TAILQ_FOREACH(place, &handler->crew.places, link)
    if (place->worker && worker_load(place->worker))
      break;
  return place;
}

void handlers_interrupt(struct handlers *handlers)
{
  struct handler *handler;
  struct crew_place *place;
  TAILQ_FOREACH(handler, &handlers->all, link)
    while ((place = busy_place(handler)))
      interrupt(place->worker);
}

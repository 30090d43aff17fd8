#include "host/handlers.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "host/handler.h"
#include "kp/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { IDLE_MS = 60000 };

struct handler *handler_find(const struct handlers *handlers, const char *type)
{
  struct handler *handler;
  TAILQ_FOREACH(handler, &handlers->all, link)
    if (!strcmp(handler->type, type))
      return handler;
  return NULL;
}

/* A worker is often done with inside one of its own calls. */
void handler_bury(struct handlers *handlers, struct worker *worker)
{
  struct grave *grave;
  SLIST_FOREACH(grave, &handlers->graves, link)
    if (grave->worker == worker)
      return;
  grave = memory_zeroed(1, sizeof *grave);
  grave->worker = worker;
  SLIST_INSERT_HEAD(&handlers->graves, grave, link);
  loop_timer_set(handlers->bury, 0);
}

static void on_bury(void *context)
{
  struct handlers *handlers = context;
  struct grave *grave;
  while ((grave = SLIST_FIRST(&handlers->graves))) {
    SLIST_REMOVE_HEAD(&handlers->graves, link);
    worker_destroy(grave->worker);
    free(grave);
  }
}

void handler_rest(struct handler *handler)
{
  bool is_idle = handler->worker && !worker_load(handler->worker);
  loop_timer_set(handler->idle,
                 is_idle ? clock_monotonic_ms() + handler->table->idle_ms : INT64_MAX);
}

static void on_idle(void *context)
{
  struct handler *handler = context;
  worker_destroy(handler->worker);
  handler->worker = NULL;
  handler->table->ports.room(handler->table->ports.context, handler->type);
}

bool handler_is_changing(const struct handler *handler)
{
  const struct worker *worker = handler->worker;
  return handler->next ||
         (worker && (worker_version(worker) != handler->current || worker_is_recalled(worker)));
}

/* Once the old version has no work left, the new one's worker takes over, or where it has
 * ended meanwhile one that is started when it is needed. */
void handler_switch_worker(struct handler *handler)
{
  if (!handler_is_changing(handler) || (handler->worker && worker_load(handler->worker)))
    return;
  if (handler->worker)
    handler_bury(handler->table, handler->worker);
  handler->worker = handler->next;
  handler->next = NULL;
  handler_rest(handler);
  handler_ticks_go_on(handler);
}

static void on_telemetry(void *context, const char *endpoint, const char *samples, size_t size)
{
  struct handler *handler = context;
  handler->table->ports.telemetry(handler->table->ports.context, endpoint, samples, size);
}

static void on_metadata(void *context, const char *endpoint, const char *keys, size_t size)
{
  struct handler *handler = context;
  handler->table->ports.metadata(handler->table->ports.context, endpoint, keys, size);
}

void handler_count_end(struct handler *handler, bool is_tick, bool is_good)
{
  handler->last_was_tick = is_tick;
  if (is_good && handler->died_in_tick == is_tick)
    handler->deaths = 0;
}

/* At start-up each file is loaded once; nobody knows which will be needed. A file
 * that changes later was changed to be tried: its worker stays for the idle time. */
void handler_retire_new(struct handler *handler)
{
  if (handler->table->ready || !handler->worker || worker_load(handler->worker))
    return;
  handler_bury(handler->table, handler->worker);
  handler->worker = NULL;
}

void handler_count_death(struct handler *handler, const char *how)
{
  handler->deaths++;
  handler->died_in_tick = handler->last_was_tick;
  free(handler->last_death);
  handler->last_death = memory_text(how);
  if (handler->deaths == HANDLER_DEATHS_MAX)
    log_error(handler->type,
              !handler->current || handler->current->has_run
                  ? "quarantined: its commands are answered 503 until its file changes"
                  : "quarantined: it does not tick until its file changes",
              "last", how);
}

static void on_over(void *context, struct worker *worker, enum worker_end end, const char *how)
{
  struct handler *handler = context;
  if (end == WORKER_CRASHED && worker_is_loaded(worker)) {
    log_warn(handler->type, how);
    handler_count_death(handler, how);
  }
  if (handler->worker == worker)
    handler->worker = NULL;
  if (handler->next == worker)
    handler->next = NULL;
  if (handler->loading == worker)
    handler->loading = NULL;
  handler_bury(handler->table, worker);
  handler_switch_worker(handler);
  handler_ticks_go_on(handler);
  handler->table->ports.room(handler->table->ports.context, handler->type);
}

struct worker *handler_start_worker(struct handler *handler, struct version *version,
                                    bool may_lack_marks, struct error *error)
{
  const struct worker_ports ports = {
      .context = handler,
      .loaded = handler_files_loaded,
      .finished = handler_commands_finished,
      .put_back = handler_commands_put_back,
      .left = handler_commands_left,
      .keep = handler_commands_keep,
      .ticked = handler_ticks_ended,
      .telemetry = on_telemetry,
      .metadata = on_metadata,
      .over = on_over,
  };
  const struct worker_options options = {
      .purpose = WORKER_HANDLER,
      .settings = json_object_get(handler->table->settings, handler->type),
      .may_lack_marks = may_lack_marks,
  };
  return worker_start(handler->table->workplace, version, &options, &ports, error);
}

/* It loaded the file while the disk was full. */
static void drop_without_marks(struct handler *handler)
{
  if (!handler->worker || worker_takes_commands(handler->worker) || worker_load(handler->worker))
    return;
  handler_bury(handler->table, handler->worker);
  handler->worker = NULL;
}

int handler_need_worker(struct handler *handler, bool for_command, struct error *error)
{
  if (for_command)
    drop_without_marks(handler);
  if (!handler->worker)
    handler->worker = handler_start_worker(handler, handler->current, !for_command, error);
  if (!handler->worker)
    return error->code;
  if (for_command && !worker_takes_commands(handler->worker))
    return error_set(error, -ENOSPC, "it ticks, and was started when the disk was full");
  loop_timer_set(handler->idle, INT64_MAX);
  return 0;
}

struct handler *handler_add(struct handlers *handlers, char *type)
{
  struct handler *handler = memory_zeroed(1, sizeof *handler);
  handler->table = handlers;
  handler->type = type;
  handler->run_ms = HANDLER_AHEAD_MS;
  handler->idle = loop_timer_create(handlers->workplace->loop, on_idle, handler);
  handler->tick = loop_timer_create(handlers->workplace->loop, handler_ticks_due, handler);
  TAILQ_INSERT_TAIL(&handlers->all, handler, link);
  return handler;
}

void handler_remove(struct handler *handler)
{
  TAILQ_REMOVE(&handler->table->all, handler, link);
  handler_files_drop_candidate(handler);
  worker_destroy(handler->worker);
  worker_destroy(handler->next);
  version_drop(handler->current);
  loop_timer_destroy(handler->idle);
  loop_timer_destroy(handler->tick);
  free(handler->tick_faults.last);
  free(handler->fault);
  free(handler->last_death);
  free(handler->type);
  free(handler);
}

struct handlers *handlers_create(const struct workplace *workplace,
                                 const struct handlers_options *options,
                                 const struct handlers_ports *ports)
{
  struct handlers *handlers = memory_zeroed(1, sizeof *handlers);
  handlers->workplace = workplace;
  handlers->ports = *ports;
  handlers->sources = sources_create(options->directories, options->directory_count);
  handlers->settings = options->settings ? json_incref((json_t *)options->settings) : json_object();
  handlers->idle_ms = options->idle_ms ? options->idle_ms : IDLE_MS;
  handlers->endpoints = options->endpoints;
  handlers->endpoint_count = options->endpoint_count;
  TAILQ_INIT(&handlers->all);
  SLIST_INIT(&handlers->graves);
  handlers->scan = loop_timer_create(workplace->loop, handler_files_scan, handlers);
  handlers->bury = loop_timer_create(workplace->loop, on_bury, handlers);
  return handlers;
}

void handlers_destroy(struct handlers *handlers)
{
  if (!handlers)
    return;
  struct handler *handler;
  while ((handler = TAILQ_FIRST(&handlers->all)))
    handler_remove(handler);
  on_bury(handlers);
  loop_timer_destroy(handlers->scan);
  loop_timer_destroy(handlers->bury);
  sources_destroy(handlers->sources);
  json_decref(handlers->settings);
  free(handlers->directory_fault);
  free(handlers);
}

void handlers_start(struct handlers *handlers)
{
  handlers->started = true;
  loop_timer_set(handlers->scan, 0);
}

void handlers_rescan(struct handlers *handlers)
{
  struct handler *handler;
  TAILQ_FOREACH(handler, &handlers->all, link)
    if (handler->fault || handler->deaths >= HANDLER_DEATHS_MAX)
      handler->has_seen = false; /* what loads leaves quarantine, too */
  handlers_start(handlers);
}

bool handlers_are_ready(const struct handlers *handlers)
{
  return handlers->ready;
}

static int compare_names(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What a new file holds is known once it is loaded; a broken one is answered for. */
bool handler_is_asked_for(const struct handler *handler)
{
  if (!name_is_type(handler->type, strlen(handler->type)))
    return false; /* a faulty name is on no wire */
  if (handler->is_removed)
    return false;
  return handler->current ? handler->current->has_run : handler->fault != NULL;
}

size_t handlers_types(const struct handlers *handlers, const char ***types)
{
  size_t count = 0;
  struct handler *handler;
  TAILQ_FOREACH(handler, &handlers->all, link)
    count++;
  *types = memory_zeroed(count, sizeof **types);
  count = 0;
  TAILQ_FOREACH(handler, &handlers->all, link)
    if (handler_is_asked_for(handler))
      (*types)[count++] = handler->type;
  qsort(*types, count, sizeof **types, compare_names);
  return count;
}

void handlers_stop(struct handlers *handlers)
{
  handlers->stopping = true;
  loop_timer_set(handlers->scan, INT64_MAX);
  struct handler *handler;
  TAILQ_FOREACH(handler, &handlers->all, link) {
    handler_ticks_stop(handler);
    if (handler->worker)
      worker_recall(handler->worker);
    handlers->ports.room(handlers->ports.context, handler->type); /* none */
  }
}

size_t handlers_busy(const struct handlers *handlers)
{
  size_t busy = 0;
  struct handler *handler;
  TAILQ_FOREACH(handler, &handlers->all, link)
    busy += handler->in_flight + handler->ticks.is_out;
  return busy;
}

enum command_policy handlers_policy(const struct handlers *handlers, const char *type)
{
  const struct handler *handler = handler_find(handlers, type);
  return handler && handler->current ? handler->current->policy : COMMAND_REPORT;
}

double handlers_poll_s(const struct handlers *handlers, const char *type)
{
  const struct handler *handler = handler_find(handlers, type);
  return handler && handler->current ? handler->current->poll_s : 0;
}

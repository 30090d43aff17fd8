#include "handlers/handler.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "supervision/ceiling.h"

#include <errno.h>
#include <stdlib.h>

enum { IDLE_MAX = 16 }; /* workers without work; no more are kept for what was only changed */

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

void handler_workers_bury(void *context)
{
  struct handlers *handlers = context;
  struct grave *grave;
  while ((grave = SLIST_FIRST(&handlers->graves))) {
    SLIST_REMOVE_HEAD(&handlers->graves, link);
    worker_destroy(grave->worker);
    free(grave);
  }
}

static void rest(struct handler *handler)
{
  const struct crew_place *place = crew_longest_idle(&handler->crew);
  loop_timer_set(handler->idle,
                 place ? place->idle_since_ms + handler->table->idle_ms : INT64_MAX);
}

void handler_workers_idle(void *context)
{
  struct handler *handler = context;
  int64_t since_ms = clock_monotonic_ms() - handler->table->idle_ms;
  struct crew_place *place;
  while ((place = crew_longest_idle(&handler->crew)) && place->idle_since_ms <= since_ms) {
    worker_destroy(place->worker);
    crew_vacate(&handler->crew, place);
  }
  rest(handler);
  handler->table->ports.room(handler->table->ports.context, handler->type);
}

/* Ends those that leave and have nothing to do. */
static void see_off(struct handler *handler)
{
  struct crew_place *place = crew_idle_leaver(&handler->crew);
  if (!place)
    return;
  for (; place; place = crew_idle_leaver(&handler->crew)) {
    handler_bury(handler->table, place->worker);
    crew_vacate(&handler->crew, place);
  }
  handler_ticks_go_on(handler);
}

void handler_settle(struct handler *handler)
{
  see_off(handler);
  rest(handler);
  handler_yield(handler);
}

void handler_go_on(struct handler *handler)
{
  see_off(handler);
  rest(handler);
  handler->table->ports.room(handler->table->ports.context, handler->type);
  handler_yield(handler);
}

static void recall_leavers(struct handler *handler)
{
  const struct crew_place *place;
  TAILQ_FOREACH(place, &handler->crew.places, link)
    if (place->is_leaving)
      worker_recall(place->worker); /* what it has not begun is put back */
}

void handler_recall(struct handler *handler)
{
  crew_dismiss(&handler->crew);
  recall_leavers(handler);
  handler_settle(handler);
}

static bool has_many_idle(const struct handlers *handlers)
{
  size_t count = 0;
  const struct handler *handler;
  const struct crew_place *place;
  TAILQ_FOREACH(handler, &handlers->all, link)
    TAILQ_FOREACH(place, &handler->crew.places, link)
      count += place->worker && !place->load && !place->kept;
  return count > IDLE_MAX;
}

/* At start-up each file is loaded once; nobody knows which will be needed. A file that
 * changes later was changed to be tried: its worker stays for the idle time. But a library
 * may change a thousand handlers. */
static void retire_new(struct handler *handler, struct worker *worker)
{
  struct crew_place *place = crew_find(&handler->crew, worker);
  bool may_stay = handler->table->ready && !has_many_idle(handler->table);
  if (may_stay || !place || place->load || place->kept)
    return;
  handler_bury(handler->table, worker);
  crew_vacate(&handler->crew, place);
}

void handler_serve(struct handler *handler, struct version *version, struct worker *worker)
{
  const struct crew_rules rules = {
      .workers = version->exclusive ? 1 : version->workers,
      .ordered = !version->exclusive && version->workers > 1 && version->ordered,
  };
  version_keep(version);
  version_drop(handler->current);
  handler->current = version;
  handler->deaths = 0;
  crew_change(&handler->crew, &rules);
  recall_leavers(handler);
  if (worker) {
    crew_join(&handler->crew, worker, clock_monotonic_ms());
    handler_know_worker(handler, worker);
  }
  handler_settle(handler);
  handler_ticks_start(handler);
  if (worker)
    retire_new(handler, worker);
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

static void on_over(void *context, struct worker *worker, enum worker_end end, const char *how)
{
  struct handler *handler = context;
  struct crew_place *place = crew_find(&handler->crew, worker);
  if (end == WORKER_CRASHED && worker_is_loaded(worker)) {
    log_warn(handler->type, how);
    handler_count_death(handler, how);
  }
  if (place)
    crew_vacate(&handler->crew, place);
  handler_watch_end(handler, worker);
  if (handler->loading == worker)
    handler->loading = NULL;
  handler_bury(handler->table, worker);
  handler_go_on(handler);
  handler_ticks_go_on(handler);
}

struct worker *handler_start_worker(struct handler *handler, struct version *version,
                                    bool may_lack_marks, struct error *error)
{
  const struct worker_ports ports = {
      .context = handler,
      .progress = handler_running_progress,
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
  struct remains *remains = handler_watch(handler);
  const struct worker_options options = {
      .purpose = WORKER_HANDLER,
      .settings = json_object_get(handler->table->settings, handler->type),
      .ceiling = ceiling_of(handler->table->ceiling, handler->type),
      .places = handler->table->places,
      .witness = handler_witness(remains),
      .may_lack_marks = may_lack_marks,
  };
  struct worker *worker =
      worker_start(handler->table->workplace, version, &options, &ports, error);
  handler_watch_begins(remains, worker);
  return worker;
}

/* It loaded the file while the disk was full. */
static void drop_without_marks(struct handler *handler, struct crew_place *place)
{
  if (!place->worker || worker_takes_commands(place->worker) || worker_load(place->worker))
    return;
  handler_bury(handler->table, place->worker);
  place->worker = NULL;
}

int handler_need_worker(struct handler *handler, struct crew_place *place, bool for_command,
                        struct error *error)
{
  if (for_command)
    drop_without_marks(handler, place);
  if (!place->worker)
    place->worker = handler_start_worker(handler, handler->current, !for_command, error);
  if (!place->worker)
    return error->code;
  if (for_command && !worker_takes_commands(place->worker))
    return error_set(error, -ENOSPC, "it ticks, and was started when the disk was full");
  return 0;
}

#include "handlers/handlers.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "handlers/handler.h"
#include "handlers/last_good.h"
#include "kp/name.h"
#include "supervision/ceiling.h"

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

void handler_count_end(struct handler *handler, bool is_tick, bool is_good)
{
  handler->last_was_tick = is_tick;
  if (is_good && handler->died_in_tick == is_tick)
    handler->deaths = 0;
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
                  ? "quarantined: its commands are answered 503 until its file changes, or "
                    "`kaalua reload TYPE`"
                  : "quarantined: it does not tick until its file changes, or `kaalua reload TYPE`",
              "last", how);
}

struct handler *handler_add(struct handlers *handlers, char *type)
{
  struct handler *handler = memory_zeroed(1, sizeof *handler);
  handler->table = handlers;
  handler->type = type;
  crew_init(&handler->crew);
  LIST_INIT(&handler->remains);
  exclusion_join(&handlers->exclusions, &handler->seat, handler);
  handler->idle = loop_timer_create(handlers->workplace->loop, handler_workers_idle, handler);
  handler->tick = loop_timer_create(handlers->workplace->loop, handler_ticks_due, handler);
  TAILQ_INSERT_TAIL(&handlers->all, handler, link);
  return handler;
}

void handler_remove(struct handler *handler)
{
  TAILQ_REMOVE(&handler->table->all, handler, link);
  handler_workers_bury(handler->table); /* those that wait for it may still call their ports */
  handler_files_drop_candidate(handler);
  const struct crew_place *place;
  TAILQ_FOREACH(place, &handler->crew.places, link)
    worker_destroy(place->worker);
  crew_clear(&handler->crew);
  handler_forget_remains(handler);
  exclusion_part(&handler->table->exclusions, &handler->seat);
  version_drop(handler->current);
  loop_timer_destroy(handler->idle);
  loop_timer_destroy(handler->tick);
  free(handler->tick_faults.last);
  free(handler->fault);
  json_decref(handler->faults);
  free(handler->last_death);
  free(handler->type);
  free(handler);
}

static void on_turn(void *context)
{
  const struct handlers *handlers = context;
  loop_timer_set(handlers->turn, 0);
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
  handlers->ceiling = json_incref((json_t *)options->ceiling);
  handlers->places = json_incref((json_t *)options->places);
  handlers->idle_ms = options->idle_ms ? options->idle_ms : IDLE_MS;
  handlers->endpoints = options->endpoints;
  handlers->endpoint_count = options->endpoint_count;
  handlers->last_good = options->state ? last_good_create(options->state, 0) : NULL;
  handlers->forgettable = json_object();
  handlers->forget = loop_timer_create(workplace->loop, handler_kept_forget, handlers);
  TAILQ_INIT(&handlers->all);
  SLIST_INIT(&handlers->graves);
  handlers->scan = handler_scan_create(handlers);
  handlers->bury = loop_timer_create(workplace->loop, handler_workers_bury, handlers);
  handlers->turn = loop_timer_create(workplace->loop, handler_turns_call, handlers);
  exclusions_init(&handlers->exclusions, on_turn, handlers);
  return handlers;
}

void handlers_destroy(struct handlers *handlers)
{
  if (!handlers)
    return;
  struct handler *handler;
  while ((handler = TAILQ_FIRST(&handlers->all)))
    handler_remove(handler);
  handler_scan_destroy(handlers->scan);
  loop_timer_destroy(handlers->bury);
  loop_timer_destroy(handlers->turn);
  sources_destroy(handlers->sources);
  json_decref(handlers->settings);
  json_decref(handlers->ceiling);
  json_decref(handlers->places);
  free(handlers->directory_fault);
  loop_timer_destroy(handlers->forget);
  json_decref(handlers->forgettable);
  last_good_destroy(handlers->last_good);
  free(handlers);
}

void handlers_start(struct handlers *handlers)
{
  handlers->started = true;
  handler_scan_now(handlers->scan, false);
}

void handlers_rescan(struct handlers *handlers)
{
  struct handler *handler;
  TAILQ_FOREACH(handler, &handlers->all, link)
    if (handler->fault || handler->deaths >= HANDLER_DEATHS_MAX)
      handler->has_seen = false; /* what loads leaves quarantine, too */
  handler_scan_now(handlers->scan, true);
}

static void forgive(struct handler *handler)
{
  if (handler->deaths < HANDLER_DEATHS_MAX || !handler->fault)
    return;
  handler->deaths = 0; /* its file does not end the quarantine: it is faulty */
  handler_ticks_go_on(handler);
  handler->table->ports.room(handler->table->ports.context, handler->type);
}

int handlers_reload(struct handlers *handlers, const char *const *types, size_t count)
{
  if (handlers->stopping)
    return -ESHUTDOWN;
  handlers_rescan(handlers);
  for (size_t i = 0; i < count; i++) {
    struct handler *handler = handler_find(handlers, types[i]);
    if (handler)
      handler->has_seen = false;
  }
  struct handler *handler;
  TAILQ_FOREACH(handler, &handlers->all, link)
    forgive(handler);
  handler_scan_look(handlers->scan);
  return 0;
}

bool handlers_are_settled(const struct handlers *handlers)
{
  const struct handler *handler;
  if (!handlers->ready)
    return false;
  TAILQ_FOREACH(handler, &handlers->all, link)
    if (handler->candidate)
      return false;
  return !sources_are_settling(handlers->sources);
}

bool handlers_have(const struct handlers *handlers, const char *type)
{
  const struct handler *handler = handler_find(handlers, type);
  return handler && !handler->is_removed;
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
  handler_scan_stop(handlers->scan);
  struct handler *handler;
  TAILQ_FOREACH(handler, &handlers->all, link) {
    handler_ticks_stop(handler);
    handler_recall(handler);
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

enum core_order handlers_order(const struct handlers *handlers, const char *type)
{
  const struct handler *handler = handler_find(handlers, type);
  if (!handler || handler->crew.rules.workers <= 1)
    return CORE_ORDER_TYPE;
  return handler->crew.rules.ordered ? CORE_ORDER_ENDPOINT : CORE_ORDER_NONE;
}

double handlers_poll_s(const struct handlers *handlers, const char *type)
{
  const struct handler *handler = handler_find(handlers, type);
  return handler && handler->current ? handler->current->poll_s : 0;
}

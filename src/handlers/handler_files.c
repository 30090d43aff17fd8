#include "handlers/handler.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum {
  LOADING_MAX = 8,  /* at the same time */
  RETRY_MS = 1000,  /* of a load that ended in a death or took too long; doubling … */
  RETRY_MAX_MS = 300000, /* … up to this */
};

/* "park.lua:3: unknown key …" of the n-th fault; returns owned. */
static char *fault_text(const json_t *fault)
{
  const char *file = json_string_value(json_object_get(fault, "file"));
  long long line = json_integer_value(json_object_get(fault, "line"));
  const char *message = json_string_value(json_object_get(fault, "message"));
  return line ? memory_format("%s:%lld: %s", file ? file : "?", line, message ? message : "?")
              : memory_format("%s: %s", file ? file : "?", message ? message : "?");
}

/* Takes `text`; NULL: none any more. `list` as WORKER_LOADED reports it, or NULL. */
static void set_fault(struct handler *handler, char *text, const json_t *list)
{
  free(handler->fault);
  handler->fault = text;
  json_decref(handler->faults);
  handler->faults = list ? json_incref((json_t *)list) : NULL;
  if (!text) {
    handler->faulty_since_ms = 0;
  } else if (!handler->faulty_since_ms) {
    handler->faulty_since_ms = clock_wall_ms();
    handler_kept_faulty(handler);
  }
}

void handler_files_set_fault(struct handler *handler, char *text)
{
  set_fault(handler, text, NULL);
}

bool handler_files_are_awaited(const struct handler *handler)
{
  return !handler->current && handler->retry_at_ms && handler->passing_loads < HANDLER_LOADS_MAX;
}

static void log_fault(const struct handler *handler, const char *text)
{
  const char *service = handler->current                     ? "the last good version"
                        : handler_kept_may_serve(handler)    ? "the last good version, once loaded"
                        : handler_files_are_awaited(handler) ? "none: its commands wait"
                                                             : "none: 503";
  log_error(handler->type, text, "service", service);
}

static void take_faults(struct handler *handler, const json_t *faults)
{
  for (size_t i = 0; i < json_array_size(faults); i++) {
    char *text = fault_text(json_array_get(faults, i));
    log_fault(handler, text);
    if (i == 0)
      set_fault(handler, text, faults);
    else
      free(text);
  }
}

static void log_taken(const struct handler *handler, const struct version *version)
{
  char since[CLOCK_STAMP_BYTES];
  clock_stamp(handler->faulty_since_ms, since);
  if (handler->candidate_is_kept)
    log_warn(handler->type, "in service by the last good version", "since", since, "file",
             version->path);
  else
    log_info(handler->type, handler->current ? "changed version is in service" : "in service",
             "file", version->path);
}

static void take_version(struct handler *handler, struct worker *worker, const json_t *report)
{
  struct version *version = handler->candidate;
  version_set_contract(version, json_object_get(report, "contract"));
  log_taken(handler, version);
  handler->taken++;
  if (!handler->candidate_is_kept) {
    set_fault(handler, NULL, NULL);
    handler->retry_wait_ms = 0;
    handler->passing_loads = 0;
  }
  handler_serve(handler, version, worker);
  handler_kept_taken(handler);
}

/* The file may be good: a busy boot, or somebody ended the worker. */
static void plan_retry(struct handler *handler)
{
  handler->retry_wait_ms = handler->retry_wait_ms ? handler->retry_wait_ms * 2 : RETRY_MS;
  if (handler->retry_wait_ms > RETRY_MAX_MS)
    handler->retry_wait_ms = RETRY_MAX_MS;
  handler->retry_at_ms = clock_monotonic_ms() + handler->retry_wait_ms;
  handler->passing_loads++;
}

static void take_faulty(struct handler *handler, const json_t *report)
{
  const json_t *faults = json_object_get(report, "faults");
  if (json_is_true(json_object_get(report, "passing")) && !handler->retry_at_ms)
    plan_retry(handler);
  if (!handler->candidate_is_kept) {
    take_faults(handler, faults);
    return;
  }
  char *text = fault_text(json_array_get(faults, 0));
  log_error(handler->type, "the last good version does not load, either", "reason", text);
  free(text);
}

/* A version that once was good does not load any more (a device is gone, memory
 * is short): counts like a death, so that its commands are answered in the end. */
static void fail_again(struct handler *handler, struct worker *worker, const json_t *faults)
{
  char *text = fault_text(json_array_get(faults, 0));
  log_warn(handler->type, text);
  handler_count_death(handler, text);
  free(text);
  worker_interrupt(worker, 0, "");
}

/* Said once, until a process can be started again. */
static void tell_starved(struct handlers *handlers, const struct error *error)
{
  if (error->code && !handlers->is_starved)
    log_error("handler", "no worker could be started; tried again each second", "reason",
              error->text);
  handlers->is_starved = error->code != 0;
}

/* Starts the loading of candidates, a few at a time; tells when the first round is over. */
static void start_loads(struct handlers *handlers)
{
  size_t loading = 0, waiting = 0;
  struct handler *handler;
  TAILQ_FOREACH(handler, &handlers->all, link)
    loading += handler->loading != NULL;
  TAILQ_FOREACH(handler, &handlers->all, link) {
    if (!handler->candidate || handler->loading)
      continue;
    if (loading < LOADING_MAX) {
      struct error error = {0};
      handler->loading = handler_start_worker(handler, handler->candidate, true, &error);
      tell_starved(handlers, &error);
    }
    if (handler->loading)
      loading++;
    else
      waiting++; /* the next look tries again where no process could be started */
  }
  if (handlers->started && !handlers->ready && !loading && !waiting &&
      !sources_are_settling(handlers->sources)) {
    handlers->ready = true;
    handlers->ports.changed(handlers->ports.context);
  }
}

void handler_files_loaded(void *context, struct worker *worker, const json_t *report)
{
  struct handler *handler = context;
  const json_t *faults = json_object_get(report, "faults");
  if (handler->loading != worker) {
    if (json_array_size(faults))
      fail_again(handler, worker, faults);
    return;
  }
  bool was_asked_for = handler_is_asked_for(handler);
  handler->loading = NULL;
  if (json_array_size(faults)) {
    take_faulty(handler, report);
    handler_bury(handler->table, worker);
  } else {
    take_version(handler, worker, report);
  }
  version_drop(handler->candidate);
  handler->candidate = NULL;
  handler->candidate_is_kept = false;
  if (handler->fault)
    handler_kept_fall_back(handler);
  if (handler->table->ready && handler_is_asked_for(handler) != was_asked_for)
    handler->table->ports.changed(handler->table->ports.context);
  start_loads(handler->table);
  handler->table->ports.room(handler->table->ports.context, handler->type);
}

void handler_files_drop_candidate(struct handler *handler)
{
  worker_destroy(handler->loading);
  handler->loading = NULL;
  version_drop(handler->candidate);
  handler->candidate = NULL;
  handler->candidate_is_kept = false;
}

/* Takes a file that is there. Returns whether its type is asked for from now on. */
static bool take_file(struct handlers *handlers, const struct source_file *file)
{
  char *type = sources_type_of(file);
  struct handler *handler = handler_find(handlers, type);
  bool is_new = !handler;
  if (is_new)
    handler = handler_add(handlers, type);
  else
    free(type);
  bool was_asked_for = !is_new && handler_is_asked_for(handler);
  if (handler->stands_in_for)
    return false;
  handler->is_removed = false;
  if (handler->retry_at_ms && clock_monotonic_ms() >= handler->retry_at_ms) {
    handler->retry_at_ms = 0;
    handler->has_seen = false;
  }
  if (handler->has_seen && handler->seen_hash == file->hash)
    return handler_is_asked_for(handler) && !was_asked_for;
  if (handler->has_seen) /* another content */
    handler->retry_wait_ms = handler->passing_loads = 0;
  handler->has_seen = true;
  handler->was_kept_tried = false;
  handler->seen_hash = file->hash;
  handler->retry_at_ms = 0;
  handler_files_drop_candidate(handler);
  if (file->fault) {
    set_fault(handler, memory_format("%s: %s", file->name, file->fault), NULL);
    log_fault(handler, handler->fault);
    handler_kept_fall_back(handler);
    handlers->ports.room(handlers->ports.context, handler->type); /* 503 is an answer, too */
  } else {
    handler->candidate =
        version_create(handler->type, file->path, file->name, file->text, file->text_bytes,
                       sources_library(handlers->sources));
  }
  return handler_is_asked_for(handler) && !was_asked_for;
}

/* A file is away for good: its type is answered 501 from now on, what runs runs to its
 * end. Should it come back, it is another one, with no good version before it and no deaths.
 * Returns whether it was served before. */
static bool take_removal(struct handler *handler)
{
  struct handlers *handlers = handler->table;
  bool was_served = !handler->is_removed;
  if (was_served) {
    handler_kept_removed(handler);
    log_info(handler->type, handler_is_asked_for(handler) ? "removed: its commands are answered 501"
                                                          : "removed: it ticks no more");
    handler->is_removed = true;
    handler_ticks_stop(handler);
    handler_recall(handler);
    handler_files_drop_candidate(handler);
    version_drop(handler->current);
    handler->current = NULL;
    handler->has_seen = handler->lacks_disk = false;
    handler->deaths = handler->passing_loads = 0;
    handler->retry_at_ms = handler->retry_wait_ms = 0;
    set_fault(handler, NULL, NULL);
    handlers->ports.room(handlers->ports.context, handler->type);
  }
  if (handler_is_at_rest(handler))
    handler_remove(handler);
  return was_served;
}

static bool take_removals(struct handlers *handlers)
{
  bool changed = false;
  struct handler *handler = TAILQ_FIRST(&handlers->all);
  while (handler) {
    struct handler *following = TAILQ_NEXT(handler, link);
    if (!handler->stands_in_for && !sources_find(handlers->sources, handler->type))
      changed |= take_removal(handler);
    handler = following;
  }
  return changed;
}

void handler_files_take(struct handlers *handlers)
{
  bool changed = false;
  handler_kept_scanned(handlers);
  const struct source_file *file;
  for (size_t i = 0; (file = sources_at(handlers->sources, i)); i++)
    if (!source_file_is_library(file))
      changed |= take_file(handlers, file);
  changed |= take_removals(handlers);
  start_loads(handlers);
  handler_commands_retry(handlers);
  if (changed && handlers->ready)
    handlers->ports.changed(handlers->ports.context);
}


#include "handlers/handler.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "handlers/last_good.h"

#include <stdlib.h>

enum { ABSENT_MS = 2000 }; /* a removal is often the first half of a replacement */

static void keep(struct handler *handler)
{
  if (handler->current && !handler->fault && !handler->is_kept && !handler->is_removed)
    last_good_keep(handler->table->last_good, handler->current);
}

void handler_kept_taken(struct handler *handler)
{
  handler->is_kept = handler->candidate_is_kept;
  keep(handler);
}

void handler_kept_faulty(struct handler *handler)
{
  if (handler->current)
    last_good_set_since(handler->table->last_good, handler->type, handler->faulty_since_ms);
}

void handler_kept_removed(struct handler *handler)
{
  last_good_forget(handler->table->last_good, handler->type);
}

/* Loads a version that was read; takes the reference. */
static void load(struct handler *handler, struct version *version, int64_t since_ms)
{
  handler_files_drop_candidate(handler);
  handler->candidate = version;
  handler->candidate_is_kept = true;
  if (since_ms)
    handler->faulty_since_ms = since_ms;
  else
    last_good_set_since(handler->table->last_good, handler->type, handler->faulty_since_ms);
}

bool handler_kept_may_serve(const struct handler *handler)
{
  return !handler->current && !handler->was_kept_tried &&
         last_good_has(handler->table->last_good, handler->type);
}

void handler_kept_fall_back(struct handler *handler)
{
  int64_t since_ms;
  if (!handler_kept_may_serve(handler))
    return;
  struct version *version = last_good_read(handler->table->last_good, handler->type, &since_ms);
  handler->was_kept_tried = true;
  bool is_what_failed = version && version->hash == handler->seen_hash && !handler->retry_at_ms;
  if (is_what_failed)
    log_error(handler->type, "the last good version is the same, and not good any more");
  if (version && !is_what_failed)
    load(handler, version, since_ms);
  else
    version_drop(version);
}

/* ---- what was kept and has no file at the start ---- */

static void stand_in(struct handlers *handlers, struct version *version, int directory,
                     int64_t since_ms)
{
  struct handler *handler = handler_find(handlers, version->type);
  if (!handler)
    handler = handler_add(handlers, memory_text(version->type));
  handler->stands_in_for = directory + 1;
  handler_files_set_fault(handler, memory_text(sources_directory_fault(handlers->sources, directory)));
  load(handler, version, since_ms);
}

/* A missing directory is a fault and no removal: what was served from it is served, before what
 * an earlier directory has. One that cannot be read may be of that directory, too. Returns whether
 * the type was dealt with. */
static bool stand_in_for(struct handlers *handlers, const char *type)
{
  const struct source_file *file = sources_find(handlers->sources, type);
  int64_t since_ms;
  struct version *version = last_good_read(handlers->last_good, type, &since_ms);
  if (!version)
    return true;
  int directory = sources_directory_of(handlers->sources, version->path);
  if (directory < 0 || sources_directory_was_read(handlers->sources, directory) ||
      (file && file->directory > directory)) {
    version_drop(version);
    return false;
  }
  stand_in(handlers, version, directory, since_ms);
  return true;
}

/* What went while no agent ran is forgotten as any other, after a while of absence. */
static void expect_removal(struct handlers *handlers, const char *type)
{
  if (sources_find(handlers->sources, type))
    return;
  json_object_set_new(handlers->forgettable, type, json_true());
  loop_timer_set(handlers->forget, clock_monotonic_ms() + ABSENT_MS);
}

void handler_kept_forget(void *context)
{
  struct handlers *handlers = context;
  const char *type;
  json_t *one;
  json_object_foreach(handlers->forgettable, type, one) {
    if (handler_find(handlers, type))
      continue;
    log_info(type, "removed while no agent ran: its last good version is forgotten");
    last_good_forget(handlers->last_good, type);
  }
  json_object_clear(handlers->forgettable);
}

static void begin(struct handlers *handlers)
{
  char **types = last_good_types(handlers->last_good);
  bool is_any_missing = sources_fault(handlers->sources, 0) != NULL;
  for (char **type = types; *type; type++) {
    if (!is_any_missing || !stand_in_for(handlers, *type))
      expect_removal(handlers, *type);
    free(*type);
  }
  free(types);
}

/* The directory is there: what it holds counts, and what it does not hold is gone. */
static void stand_down(struct handlers *handlers)
{
  struct handler *handler;
  TAILQ_FOREACH(handler, &handlers->all, link) {
    int directory = handler->stands_in_for - 1;
    if (directory < 0 || !sources_directory_was_read(handlers->sources, directory))
      continue;
    handler->stands_in_for = 0;
    handler->has_seen = false;
  }
}

static void keep_again(struct handlers *handlers)
{
  struct handler *handler;
  TAILQ_FOREACH(handler, &handlers->all, link)
    keep(handler);
}

void handler_kept_scanned(struct handlers *handlers)
{
  if (!handlers->has_begun_kept)
    begin(handlers);
  else
    stand_down(handlers);
  handlers->has_begun_kept = true;
  if (last_good_is_to_be_repeated(handlers->last_good))
    keep_again(handlers);
}

#include "handlers/handler_scan.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "handlers/handler.h"
#include "io/watch.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

enum {
  EVENTS_MS = 10, /* from the first event to the look: what comes meanwhile goes with it */
  SHARE = 4,      /* of the time that events may have spent on looks: a fifth */
  SCAN_MS = 2000,
  BLIND_MS = 1000, /* without events */
  RETRY_MS = 1000, /* of what could not be started */
};

/* An event of the time of a look, given to sources_hint() behind it. */
struct late_event {
  char *folder;
  char *name;
  unsigned what;
};

struct handler_scan {
  struct handlers *handlers;
  struct watch *watch;
  struct loop_timer *timer;
  int64_t at_ms;   /* of the next look; INT64_MAX: none */
  int64_t rest_ms; /* no event brings a look before this */
  bool at_once;
  bool is_blind, was_blind; /* inotify cannot be had */
  bool is_looking;
  struct late_event *late;
  size_t late_count;
};

static void plan(struct handler_scan *scan, int64_t at_ms)
{
  scan->at_ms = at_ms;
  loop_timer_set(scan->timer, at_ms);
}

static void keep_late(struct handler_scan *scan, const char *folder, const char *name,
                      unsigned what)
{
  scan->late = memory_resized(scan->late, (scan->late_count + 1) * sizeof *scan->late);
  scan->late[scan->late_count++] =
      (struct late_event){memory_text(folder), memory_text(name), what};
}

static void on_event(void *context, const char *folder, const char *name, unsigned what)
{
  struct handler_scan *scan = context;
  if (scan->handlers->stopping || !scan->handlers->started)
    return;
  if (scan->is_looking) {
    keep_late(scan, folder, name, what);
    return;
  }
  sources_hint(scan->handlers->sources, folder, name, what);
  if (what == WATCH_WRITTEN)
    return; /* its close is told of, too */
  int64_t at_ms = clock_monotonic_ms() + EVENTS_MS;
  at_ms = at_ms > scan->rest_ms ? at_ms : scan->rest_ms;
  if (at_ms < scan->at_ms)
    plan(scan, at_ms);
}

/* Returns whether such a folder is there. */
static bool watch_folder(struct handler_scan *scan, const char *folder, const char *only)
{
  struct error error = {0};
  int rc = watch_add(scan->watch, folder, only, &error);
  if (rc == 0 || rc == -ENOENT || rc == -ENOTDIR || rc == -EACCES || rc == -ELOOP)
    return rc == 0;
  if (!scan->is_blind && !scan->was_blind)
    log_warn("handler", "changes are seen by a look each second only", "reason", error.text);
  scan->is_blind = true;
  return true;
}

static void on_folder(void *context, const char *path)
{
  watch_folder(context, path, NULL);
}

static bool on_is_written(void *context, const char *path)
{
  struct handler_scan *scan = context;
  watch_catch_up(scan->watch);
  for (size_t i = 0; i < scan->late_count; i++) {
    const struct late_event *late = &scan->late[i];
    size_t size = strlen(late->folder);
    if (late->what & WATCH_LOST ||
        (late->what & (WATCH_WRITTEN | WATCH_CLOSED) && !strncmp(path, late->folder, size) &&
         path[size] == '/' && !strcmp(path + size + 1, late->name)))
      return true;
  }
  return false;
}

static void tell_late(struct handler_scan *scan)
{
  struct late_event *late = scan->late;
  size_t count = scan->late_count;
  scan->late = NULL;
  scan->late_count = 0;
  for (size_t i = 0; i < count; i++) {
    on_event(scan, late[i].folder, late[i].name, late[i].what);
    free(late[i].folder);
    free(late[i].name);
  }
  free(late);
}

/* The folder that holds a name, or where it is missing the nearest one above. */
static void watch_above(struct handler_scan *scan, const char *path)
{
  char *rest = memory_text(path);
  for (bool found = false; !found && strcmp(rest, "/") && strcmp(rest, ".");) {
    char *for_name = memory_text(rest), *for_folder = memory_text(rest);
    const char *folder = dirname(for_folder);
    found = watch_folder(scan, folder, basename(for_name));
    free(rest);
    rest = memory_text(folder);
    free(for_name);
    free(for_folder);
  }
  free(rest);
}

/* A directory may be moved away, removed, or be a symbolic link that is swapped. */
static void watch_parents(struct handler_scan *scan)
{
  const char *path;
  for (size_t i = 0; (path = sources_directory(scan->handlers->sources, i)); i++) {
    char *target = realpath(path, NULL);
    watch_above(scan, path);
    if (target && strcmp(target, path) != 0)
      watch_above(scan, target);
    free(target);
  }
}

/* Logs what is wrong with the directories, once per change. */
static void tell_directory_faults(struct handlers *handlers)
{
  struct buffer all = {0};
  const char *fault;
  for (size_t i = 0; (fault = sources_fault(handlers->sources, i)); i++)
    buffer_format(&all, "%s%s", i ? "; " : "", fault);
  const struct source_file *file;
  for (size_t i = 0; (file = sources_at(handlers->sources, i)); i++)
    if (source_file_is_library(file) && file->fault)
      buffer_format(&all, "%s%s: %s", all.size_bytes ? "; " : "", file->path, file->fault);
  char *text = buffer_take(&all);
  const char *before = handlers->directory_fault ? handlers->directory_fault : "";
  if (strcmp(text, before) != 0)
    log_event(*text ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "handler",
              *text ? text : "the handler directories are well again", (char *)0);
  free(handlers->directory_fault);
  handlers->directory_fault = text;
}

/* When something that failed is tried again, or when the next look is at the latest. */
static int64_t next_look_ms(const struct handler_scan *scan, int64_t now_ms)
{
  int64_t next_ms = now_ms + (scan->is_blind ? BLIND_MS : SCAN_MS);
  const struct handler *handler;
  TAILQ_FOREACH(handler, &scan->handlers->all, link)
    if (handler->retry_at_ms || handler->lacks_disk || handler->is_removed ||
        (handler->candidate && !handler->loading))
      next_ms = now_ms + RETRY_MS;
  return next_ms;
}

static void on_look(void *context)
{
  struct handler_scan *scan = context;
  struct handlers *handlers = scan->handlers;
  const struct sources_ports ports = {
      .context = scan, .folder = on_folder, .is_written = on_is_written};
  int64_t began_ms = clock_monotonic_ms();
  scan->was_blind = scan->is_blind;
  scan->is_blind = false;
  scan->is_looking = true;
  watch_begin(scan->watch);
  watch_parents(scan);
  int64_t due_ms = sources_look(handlers->sources,
                                scan->at_once ? ARRIVAL_AT_ONCE : ARRIVAL_CAREFUL, &ports);
  watch_end(scan->watch);
  scan->is_looking = false;
  scan->at_once = false;
  tell_directory_faults(handlers);
  handler_files_take(handlers);
  int64_t now_ms = clock_monotonic_ms();
  scan->rest_ms = now_ms + SHARE * (now_ms - began_ms);
  int64_t next_ms = next_look_ms(scan, now_ms);
  if (handlers->stopping)
    plan(scan, INT64_MAX);
  else
    plan(scan, due_ms < next_ms ? due_ms : next_ms);
  tell_late(scan);
}

struct handler_scan *handler_scan_create(struct handlers *handlers)
{
  struct handler_scan *scan = memory_zeroed(1, sizeof *scan);
  const struct watch_ports ports = {.context = scan, .event = on_event};
  scan->handlers = handlers;
  scan->at_ms = INT64_MAX;
  scan->watch = watch_create(handlers->workplace->loop, &ports);
  scan->timer = loop_timer_create(handlers->workplace->loop, on_look, scan);
  return scan;
}

void handler_scan_destroy(struct handler_scan *scan)
{
  watch_destroy(scan->watch);
  loop_timer_destroy(scan->timer);
  free(scan);
}

void handler_scan_now(struct handler_scan *scan, bool at_once)
{
  scan->at_once |= at_once;
  plan(scan, 0);
}

void handler_scan_look(struct handler_scan *scan)
{
  scan->at_once = true;
  on_look(scan);
}

void handler_scan_stop(struct handler_scan *scan)
{
  plan(scan, INT64_MAX);
}

#include "handlers/handlers_report.h"

#include "base/clock.h"
#include "base/memory.h"
#include "handlers/handler.h"
#include "base/plain_text.h"
#include "kp/name.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HASH_DIGITS = 12 };

static bool is_quarantined(const struct handler *handler)
{
  return handler->deaths >= HANDLER_DEATHS_MAX;
}

static json_t *fault_of(const struct handler *handler)
{
  if (!is_quarantined(handler))
    return plain_text(handler->fault);
  char *text = memory_format("quarantined: its worker died %d times in a row (%s)", handler->deaths,
                             handler->last_death);
  json_t *fault = plain_text(text);
  free(text);
  return fault;
}

json_t *handlers_report(const struct handlers *handlers)
{
  json_int_t in_service = 0;
  json_t *faulty = json_array();
  const struct handler *handler;
  TAILQ_FOREACH(handler, &handlers->all, link) {
    if (handler->is_removed)
      continue;
    bool serves = handler->current && !is_quarantined(handler);
    json_t *fault = fault_of(handler);
    in_service += serves;
    if (fault)
      json_array_append_new(faulty, json_pack("{s:s,s:o,s:b}", "type", handler->type, "fault", fault,
                                              "in_service", serves));
  }
  return json_pack("{s:I,s:o,s:o*}", "in_service", in_service, "faulty", faulty, "directories",
                   plain_text(handlers->directory_fault));
}

static const char *state_of(const struct handler *handler)
{
  if (!name_is_type(handler->type, strlen(handler->type)) || !strncmp(handler->type, "kaalua-", 7))
    return "refused";
  if (handler->is_removed)
    return "removed";
  if (is_quarantined(handler))
    return "quarantined";
  if (!handler->current)
    return handler->candidate || !handler->fault ? "loading" : "faulty";
  if (handler->fault)
    return "stale";
  return handler->current->has_run ? "in service" : "ticks only";
}

static json_t *shadows_of(const struct handlers *handlers, const char *type)
{
  json_t *shadows = json_array();
  const struct source_file *file = sources_find(handlers->sources, type);
  for (const char **path = file ? file->shadows : NULL; path && *path; path++)
    json_array_append_new(shadows, plain_text(*path));
  return shadows;
}

static void set(json_t *entry, const char *key, json_t *value)
{
  if (value)
    json_object_set_new(entry, key, value);
}

static int compare_names(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A worker tells them in any order. */
static json_t *sorted_needs(const json_t *needs)
{
  const char **names = memory_zeroed(json_object_size(needs), sizeof *names);
  size_t count = 0;
  const char *name;
  json_t *value, *sorted = json_object();
  json_object_foreach((json_t *)needs, name, value)
    names[count++] = name;
  qsort(names, count, sizeof *names, compare_names);
  for (size_t i = 0; i < count; i++)
    json_object_set(sorted, names[i], json_object_get(needs, names[i]));
  free(names);
  return sorted;
}

static void describe_version(json_t *entry, const struct version *version)
{
  char hash[17];
  snprintf(hash, sizeof hash, "%016llx", (unsigned long long)version->hash);
  hash[HASH_DIGITS] = '\0';
  set(entry, "hash", json_string(hash));
  set(entry, "summary", plain_text(version->summary));
  set(entry, "needs", sorted_needs(version->needs));
  if (version->every_s > 0)
    set(entry, "every_s", json_real(version->every_s));
}

static void describe_fault(json_t *entry, const struct handler *handler)
{
  char since[CLOCK_STAMP_BYTES];
  set(entry, "fault", fault_of(handler));
  if (!handler->fault)
    return;
  if (handler->faulty_since_ms) {
    clock_stamp(handler->faulty_since_ms, since);
    set(entry, "since", json_string(since));
  }
  if (json_array_size(handler->faults))
    set(entry, "faults", json_incref(handler->faults));
}

static json_t *describe(const struct handlers *handlers, const struct handler *handler)
{
  const struct source_file *file = sources_find(handlers->sources, handler->type);
  const char *path = handler->current ? handler->current->path : file ? file->path : NULL;
  size_t workers = crew_workers(&handler->crew) + (handler->loading != NULL);
  json_t *entry = json_pack("{s:o,s:s}", "type", plain_text(handler->type), "state",
                            state_of(handler));
  set(entry, "file", plain_text(path));
  if (handler->current)
    describe_version(entry, handler->current);
  describe_fault(entry, handler);
  set(entry, "shadows", shadows_of(handlers, handler->type));
  set(entry, "taken", json_integer(handler->taken));
  set(entry, "workers", json_integer((json_int_t)workers));
  set(entry, "running", json_integer((json_int_t)handler->in_flight));
  return entry;
}

static int compare_types(const void *a, const void *b)
{
  return strcmp((*(const struct handler *const *)a)->type, (*(const struct handler *const *)b)->type);
}

json_t *handlers_list(const struct handlers *handlers)
{
  json_t *list = json_array();
  size_t count = 0;
  const struct handler *handler;
  TAILQ_FOREACH(handler, &handlers->all, link)
    count++;
  const struct handler **sorted = memory_zeroed(count, sizeof *sorted);
  count = 0;
  TAILQ_FOREACH(handler, &handlers->all, link)
    sorted[count++] = handler;
  if (count)
    qsort(sorted, count, sizeof *sorted, compare_types);
  for (size_t i = 0; i < count; i++)
    json_array_append_new(list, describe(handlers, sorted[i]));
  free(sorted);
  return list;
}

json_t *handlers_list_one(const struct handlers *handlers, const char *type)
{
  const struct handler *handler = handler_find(handlers, type);
  return handler ? describe(handlers, handler) : NULL;
}

static void add_line(json_t *list, const char *text)
{
  json_t *line = plain_text(text);
  if (line)
    json_array_append_new(list, line);
}

json_t *handlers_directory_faults(const struct handlers *handlers)
{
  json_t *list = json_array();
  const char *fault;
  for (size_t i = 0; (fault = sources_fault(handlers->sources, i)); i++)
    add_line(list, fault);
  const struct source_file *file;
  for (size_t i = 0; (file = sources_at(handlers->sources, i)); i++)
    if (source_file_is_library(file) && file->fault) {
      char *text = memory_format("%s: %s", file->path, file->fault);
      add_line(list, text);
      free(text);
    }
  return list;
}

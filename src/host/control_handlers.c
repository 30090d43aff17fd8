#include "host/control_parts.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/nearest.h"
#include "handlers/handlers_report.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 20, PATIENCE_MS = 10000, TYPES_MAX = 1000 };

/* A request that is answered once the files are loaded. */
struct reloading {
  LIST_ENTRY(reloading) link;
  struct control_answers *answers;
  struct control_request *request;
  json_t *before;     /* object: type → its entry of handlers_list() */
  const char **types; /* NULL: all */
  size_t type_count;
  json_t *asked;      /* for the texts that `types` borrows */
  int64_t ends_ms;
  struct loop_timer *timer;
};

static json_t *by_type(const struct handlers *handlers)
{
  json_t *all = json_object(), *list = handlers_list(handlers);
  size_t i;
  json_t *each;
  json_array_foreach(list, i, each)
    json_object_set(all, json_string_value(json_object_get(each, "type")), each);
  json_decref(list);
  return all;
}

static bool is_equal(const json_t *before, const json_t *after, const char *key)
{
  return json_equal(json_object_get(before, key), json_object_get(after, key));
}

static const char *outcome(const json_t *before, const json_t *after)
{
  const char *state = json_string_value(json_object_get(after, "state"));
  if (!after || !strcmp(state, "removed"))
    return "removed";
  if (json_object_get(after, "fault"))
    return "faulty";
  if (!json_object_get(before, "hash"))
    return json_object_get(before, "fault") ? "mended" : "new";
  if (!is_equal(before, after, "hash"))
    return "changed";
  if (json_object_get(before, "since"))
    return "mended";
  return is_equal(before, after, "taken") ? "unchanged" : "loaded again";
}

static void add_outcome(json_t *list, const struct reloading *reloading, const char *type)
{
  const json_t *before = json_object_get(reloading->before, type);
  json_t *after = handlers_list_one(reloading->answers->sources.handlers, type);
  const char *text = outcome(before, after);
  if (!after)
    after = json_pack("{s:s,s:s}", "type", type, "state", "removed");
  json_object_set_new(after, "outcome", json_string(text));
  json_array_append_new(list, after);
}

static int compare_types(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All that there were and are, sorted. */
static json_t *all_outcomes(const struct reloading *reloading)
{
  json_t *types = by_type(reloading->answers->sources.handlers), *list = json_array();
  json_object_update_missing(types, reloading->before);
  const char **names = memory_zeroed(json_object_size(types), sizeof *names);
  size_t count = 0;
  const char *type;
  json_t *entry;
  json_object_foreach(types, type, entry)
    names[count++] = type;
  qsort(names, count, sizeof *names, compare_types);
  for (size_t i = 0; i < count; i++)
    add_outcome(list, reloading, names[i]);
  free(names);
  json_decref(types);
  return list;
}

static json_t *outcomes(const struct reloading *reloading)
{
  if (!reloading->types)
    return all_outcomes(reloading);
  json_t *list = json_array();
  for (size_t i = 0; i < reloading->type_count; i++)
    add_outcome(list, reloading, reloading->types[i]);
  return list;
}

/* The first that there is no handler for, nor was, or NULL. */
static const char *find_unknown(const struct reloading *reloading)
{
  for (size_t i = 0; i < reloading->type_count; i++)
    if (!handlers_have(reloading->answers->sources.handlers, reloading->types[i]) &&
        !json_object_get(reloading->before, reloading->types[i]))
      return reloading->types[i];
  return NULL;
}

static void refuse_unknown(struct reloading *reloading, const char *type)
{
  json_t *known = by_type(reloading->answers->sources.handlers);
  const char **names = memory_zeroed(json_object_size(known), sizeof *names);
  size_t count = 0;
  const char *name;
  json_t *entry;
  json_object_foreach(known, name, entry)
    names[count++] = name;
  const char *near = nearest_name(type, names, count);
  control_refuse(reloading->request, CONTROL_FAILED, "reload: there is no handler %.64s%s%s%s", type,
                 near ? ", did you mean " : "", near ? near : "", near ? "?" : "");
  free(names);
  json_decref(known);
}

static void finish(struct reloading *reloading)
{
  LIST_REMOVE(reloading, link);
  loop_timer_destroy(reloading->timer);
  json_decref(reloading->before);
  json_decref(reloading->asked);
  free(reloading->types);
  free(reloading);
}

static void answer(struct reloading *reloading)
{
  const char *unknown = find_unknown(reloading);
  if (unknown)
    refuse_unknown(reloading, unknown);
  else
    control_reply(reloading->request,
                  json_pack("{s:o,s:o}", "handlers", outcomes(reloading), "directories",
                            handlers_directory_faults(reloading->answers->sources.handlers)));
}

static void look(void *context)
{
  struct reloading *reloading = context;
  int64_t now_ms = clock_monotonic_ms();
  if (handlers_are_settled(reloading->answers->sources.handlers)) {
    answer(reloading);
    finish(reloading);
  } else if (now_ms >= reloading->ends_ms) {
    control_refuse(reloading->request, CONTROL_TRY_AGAIN,
                   "reload: files are still being loaded after %d s; kaalua handlers shows which",
                   PATIENCE_MS / 1000);
    finish(reloading);
  } else {
    loop_timer_set(reloading->timer, now_ms + LOOK_MS);
  }
}

void control_handlers_close(struct control_answers *answers)
{
  struct reloading *reloading;
  while ((reloading = LIST_FIRST(&answers->reloadings))) {
    control_refuse(reloading->request, CONTROL_TRY_AGAIN, "reload: the agent ends");
    finish(reloading);
  }
}

static bool read_types(struct reloading *reloading, const json_t *types)
{
  size_t count = json_array_size(types);
  if (types && (!json_is_array(types) || count > TYPES_MAX))
    return false;
  if (!count)
    return true;
  reloading->types = memory_zeroed(count, sizeof *reloading->types);
  reloading->type_count = count;
  for (size_t i = 0; i < count; i++)
    if (!(reloading->types[i] = json_string_value(json_array_get(types, i))))
      return false;
  return true;
}

static void reload(struct reloading *reloading)
{
  struct handlers *handlers = reloading->answers->sources.handlers;
  struct buffer types = {0};
  for (size_t i = 0; i < reloading->type_count; i++)
    buffer_format(&types, "%s%s", i ? "," : "", reloading->types[i]);
  log_info("handler", "reload", "types", buffer_text(&types));
  buffer_clear(&types);
  reloading->before = by_type(handlers);
  if (handlers_reload(handlers, reloading->types, reloading->type_count) < 0) {
    control_refuse(reloading->request, CONTROL_TRY_AGAIN,
                   "reload: nothing is loaded while the agent ends, or the journal is read-only");
    finish(reloading);
  } else {
    look(reloading);
  }
}

void control_answer_reload(struct control_answers *answers, struct control_request *request,
                           json_t *asked)
{
  json_error_t fault;
  json_t *types = NULL;
  const char *name;
  struct reloading *reloading = memory_zeroed(1, sizeof *reloading);
  *reloading = (struct reloading){
      .answers = answers,
      .request = request,
      .asked = json_incref(asked),
      .ends_ms = clock_monotonic_ms() + PATIENCE_MS,
      .timer = loop_timer_create(answers->loop, look, reloading),
  };
  LIST_INSERT_HEAD(&answers->reloadings, reloading, link);
  if (json_unpack_ex(asked, &fault, JSON_STRICT, "{s:s,s?o}", "ask", &name, "types", &types) < 0) {
    control_refuse(request, CONTROL_USAGE, "reload: %s", fault.text);
    finish(reloading);
  } else if (!read_types(reloading, types)) {
    control_refuse(request, CONTROL_USAGE, "reload: expected types as an array of at most %d texts",
                   TYPES_MAX);
    finish(reloading);
  } else {
    reload(reloading);
  }
}

void control_answer_handlers(struct control_answers *answers, struct control_request *request,
                             json_t *asked)
{
  const struct handlers *handlers = answers->sources.handlers;
  json_error_t fault;
  const char *name;
  if (json_unpack_ex(asked, &fault, JSON_STRICT, "{s:s}", "ask", &name) < 0)
    control_refuse(request, CONTROL_USAGE, "handlers: %s", fault.text);
  else
    control_reply(request, json_pack("{s:o,s:o}", "handlers", handlers_list(handlers),
                                     "directories", handlers_directory_faults(handlers)));
}

#include "host/agent_metadata.h"

#include "base/clock.h"
#include "base/jsontext.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "handlers/handlers_report.h"

#include <stdlib.h>
#include <string.h>

enum {
  SETTLE_MS = 1000,    /* a change seldom comes alone */
  GAP_MS = 10000,      /* between two contents */
  STEP_MS = 100,       /* while it is spread over the endpoints: */
  STEP_ENDPOINTS = 50, /* so many at a time, */
  WAITING_MAX = 64,    /* and none while as many messages wait */
  MAP_BYTES = 8 * 1024,
  FAULT_BYTES = 256,
};

struct agent_metadata {
  struct agent_metadata_options options;
  struct loop_timer *timer;
  char *text;     /* what the endpoints before `next` were sent; NULL: nothing yet */
  size_t next;    /* the first that was not */
  int64_t began_ms;
  bool is_connected;
  bool is_changed; /* perhaps */
};

/* ---- what is told ---- */

/* A map that is filled up to MAP_BYTES. */
struct map {
  json_t *object;
  size_t bytes;
  size_t left_out;
};

static void add(struct map *map, const char *key, const char *value)
{
  size_t size = utf8_cut(value, strlen(value), FAULT_BYTES);
  map->bytes += strlen(key) + size + strlen("\"\":\"\",");
  if (map->bytes > MAP_BYTES)
    map->left_out++;
  else
    json_object_set_new(map->object, key, json_stringn(value, size));
}

static json_t *end_map(struct map *map)
{
  char more[32];
  snprintf(more, sizeof more, "%zu more", map->left_out);
  if (map->left_out)
    json_object_set_new(map->object, "…", json_string(more));
  return map->object;
}

static void add_handlers(const struct handlers *handlers, struct map *hashes, struct map *faults)
{
  json_t *list = handlers_list(handlers);
  size_t i;
  json_t *entry;
  json_array_foreach(list, i, entry) {
    const char *type = json_string_value(json_object_get(entry, "type"));
    const char *state = json_string_value(json_object_get(entry, "state"));
    const char *hash = json_string_value(json_object_get(entry, "hash"));
    const char *fault = json_string_value(json_object_get(entry, "fault"));
    if (!type || !strcmp(state, "removed"))
      continue;
    if (hash)
      add(hashes, type, hash);
    if (fault)
      add(faults, type, fault);
  }
  json_decref(list);
}

static void add_directories(const struct handlers *handlers, struct map *faults)
{
  json_t *list = handlers_directory_faults(handlers);
  if (json_array_size(list))
    add(faults, "handlers/", json_string_value(json_array_get(list, 0)));
  json_decref(list);
}

/* Returns owned. */
static char *make_text(const struct agent_metadata *metadata)
{
  struct map hashes = {.object = json_object()}, faults = {.object = json_object()};
  add_handlers(metadata->options.handlers, &hashes, &faults);
  add_directories(metadata->options.handlers, &faults);
  json_t *all = json_pack("{s:s,s:o,s:o}", "kaalua_version", KAALUA_VERSION, "kaalua_handlers",
                          end_map(&hashes), "kaalua_faults", end_map(&faults));
  if (*metadata->options.boot_id)
    json_object_set_new(all, "boot_id", json_string(metadata->options.boot_id));
  struct buffer text = {0};
  jsontext_write(&text, all);
  json_decref(all);
  return buffer_take(&text);
}

/* ---- when, and to whom ---- */

static void take_news(struct agent_metadata *metadata, int64_t now_ms)
{
  char *text = make_text(metadata);
  metadata->is_changed = false;
  if (metadata->text && !strcmp(text, metadata->text)) {
    free(text);
    return;
  }
  free(metadata->text);
  metadata->text = text;
  metadata->next = 0;
  metadata->began_ms = now_ms;
}

static void send(struct agent_metadata *metadata, int64_t now_ms)
{
  const struct config *config = metadata->options.config;
  struct core *core = metadata->options.core;
  struct core_counts counts;
  core_get_counts(core, &counts);
  for (int i = 0; i < STEP_ENDPOINTS && metadata->next < config->token_count; i++) {
    if (counts.metadata_waiting + (size_t)i >= WAITING_MAX)
      return;
    core_metadata(core, config->tokens[metadata->next++], metadata->text, strlen(metadata->text),
                  clock_wall_ms(), now_ms);
  }
}

static int64_t next_content_ms(const struct agent_metadata *metadata, int64_t now_ms)
{
  int64_t settled_ms = now_ms + SETTLE_MS;
  int64_t free_ms = metadata->began_ms + GAP_MS;
  return !metadata->text || settled_ms > free_ms ? settled_ms : free_ms;
}

static bool is_spreading(const struct agent_metadata *metadata)
{
  return metadata->text && metadata->next < metadata->options.config->token_count;
}

static void set_timer(struct agent_metadata *metadata, int64_t now_ms)
{
  int64_t at_ms = INT64_MAX;
  if (metadata->is_connected && is_spreading(metadata))
    at_ms = now_ms + STEP_MS;
  else if (metadata->is_connected && metadata->is_changed)
    at_ms = next_content_ms(metadata, now_ms);
  loop_timer_set(metadata->timer, at_ms);
}

static void on_timer(void *context)
{
  struct agent_metadata *metadata = context;
  int64_t now_ms = clock_monotonic_ms();
  if (!metadata->is_connected)
    return;
  bool may_begin = !metadata->text || now_ms >= metadata->began_ms + GAP_MS;
  if (metadata->is_changed && may_begin && !is_spreading(metadata))
    take_news(metadata, now_ms);
  send(metadata, now_ms);
  set_timer(metadata, now_ms);
}

void agent_metadata_changed(struct agent_metadata *metadata)
{
  if (!metadata || metadata->is_changed)
    return;
  metadata->is_changed = true;
  set_timer(metadata, clock_monotonic_ms());
}

void agent_metadata_set_connected(struct agent_metadata *metadata, bool is_connected)
{
  if (!metadata || metadata->is_connected == is_connected)
    return;
  metadata->is_connected = is_connected;
  loop_timer_set(metadata->timer, is_connected ? clock_monotonic_ms() : INT64_MAX);
}

struct agent_metadata *agent_metadata_create(const struct agent_metadata_options *options,
                                             struct loop *loop)
{
  struct agent_metadata *metadata = memory_zeroed(1, sizeof *metadata);
  metadata->options = *options;
  metadata->is_changed = true;
  metadata->timer = loop_timer_create(loop, on_timer, metadata);
  return metadata;
}

void agent_metadata_destroy(struct agent_metadata *metadata)
{
  if (!metadata)
    return;
  loop_timer_destroy(metadata->timer);
  free(metadata->text);
  free(metadata);
}

#include "device_extensions.h"

#include "data_store.h"

#include "base/clock.h"
#include "base/jsontext.h"
#include "base/utf8.h"

#include <string.h>

static bool starts_with_level(const char *resource, const char *level)
{
  size_t size = strlen(level);
  return !strncmp(resource, level, size) && (resource[size] == '\0' || resource[size] == '/');
}

/* Tells and stores samples; takes `samples`, an array. */
static void take_samples(struct service *service, const struct endpoint *endpoint,
                         json_t *samples)
{
  struct database *database = service->options.database;
  int64_t at_ms = clock_wall_ms();
  struct buffer json = {0};
  database_begin(database);
  for (size_t i = 0; i < json_array_size(samples); i++)
    data_store_add_sample(database, endpoint->id, at_ms, json_array_get(samples, i));
  database_commit(database);
  buffer_append_text(&json, "{\"endpointId\":");
  jsontext_write_string(&json, endpoint->id, strlen(endpoint->id));
  buffer_format(&json, ",\"at\":%lld,\"samples\":", (long long)at_ms);
  jsontext_write(&json, samples);
  buffer_append_char(&json, '}');
  service->options.outputs.event(service->options.outputs.context, endpoint->id, "telemetry",
                                 buffer_text(&json));
  buffer_clear(&json);
  json_decref(samples);
}

/* plain/<name>: the body is the value itself, a JSON number, else a text. */
static json_t *read_plain(const char *name, const struct device_request *request)
{
  if (!*name || strchr(name, '/') || !utf8_is_valid(request->body, request->body_bytes, NULL))
    return NULL;
  json_t *value = jsontext_parse(request->body, request->body_bytes, NULL);
  if (!json_is_number(value)) {
    json_decref(value);
    value = json_stringn(request->body, request->body_bytes);
  }
  json_t *sample = json_object();
  json_object_set_new(sample, name, value);
  return sample;
}

/* An array is a batch; a single sample is let pass (Kaa 1.3). */
static json_t *read_json(const struct device_request *request, struct device_reply *reply)
{
  struct json_fault fault;
  json_t *samples = jsontext_parse(request->body, request->body_bytes, &fault);
  if (!samples)
    device_refuse(reply, 400, "The samples are not JSON: %s", fault.text);
  else if (!json_is_array(samples) && !json_is_object(samples))
    device_refuse(reply, 400, "The samples are neither an array nor one object");
  for (size_t i = 0; i < json_array_size(samples) && reply->status == 200; i++)
    if (!json_is_object(json_array_get(samples, i)))
      device_refuse(reply, 400, "Sample %zu is not an object", i + 1);
  return samples;
}

void device_dcx(struct service *service, struct endpoint *endpoint, const char *resource,
                const struct device_request *request, struct device_reply *reply)
{
  json_t *samples = NULL;
  if (starts_with_level(resource, "json")) {
    samples = read_json(request, reply);
  } else if (starts_with_level(resource, "plain")) {
    samples = read_plain(resource + strlen("plain") + (resource[strlen("plain")] == '/'), request);
    if (!samples)
      device_refuse(reply, 400, "The path is plain/<name>, the body UTF-8");
  } else {
    device_refuse(reply, 404, "dcx has json and plain/<name>, not %s", resource);
  }
  if (reply->status != 200) {
    json_decref(samples);
    return;
  }
  if (!json_is_array(samples)) {
    json_t *batch = json_array();
    json_array_append_new(batch, samples);
    samples = batch;
  }
  take_samples(service, endpoint, samples);
}

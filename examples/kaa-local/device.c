#include "device.h"

#include "device_extensions.h"
#include "device_path.h"

#include "base/clock.h"
#include "base/jsontext.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void device_refuse(struct device_reply *reply, int status, const char *format, ...)
{
  reply->status = status;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(reply->reason, sizeof reply->reason, format, arguments);
  va_end(arguments);
  reply->reason[utf8_whole(reply->reason, strlen(reply->reason))] = '\0';
  utf8_make_plain(reply->reason, strlen(reply->reason));
}

/* An endpoint that comes over a connection for the first time is asked for nothing: with
 * the switch it is sent what waits for it. */
static void replay(struct service *service, const struct endpoint *endpoint)
{
  char *text = command_store_outstanding_types(service->options.database, endpoint->id,
                                               clock_wall_ms());
  json_t *types = jsontext_parse(text, strlen(text), NULL);
  for (size_t i = 0; i < json_array_size(types); i++) {
    const char *type = json_string_value(json_array_get(types, i));
    struct buffer elements = {0};
    service_write_outstanding(service, endpoint, type, &elements);
    service_push(service, endpoint, type, buffer_text(&elements));
    buffer_clear(&elements);
  }
  json_decref(types);
  free(text);
}

static void note_endpoint(struct service *service, struct endpoint *endpoint, uint64_t connection)
{
  bool is_new = connection && endpoint->connection != connection;
  endpoint->last_seen_ms = clock_wall_ms();
  endpoint->is_touched = true;
  if (connection) {
    endpoint_route(endpoint, connection);
    endpoint->mqtt_seen_ms = clock_monotonic_ms();
  } else {
    endpoint->http_seen_ms = clock_monotonic_ms();
  }
  service_tell_endpoint(service, endpoint);
  const struct switches *switches = service->options.switches;
  if (is_new && switches->replay_on_connect && !switches->silent)
    replay(service, endpoint);
}

static struct endpoint *find_endpoint(struct service *service, const struct device_path *path,
                                      struct device_reply *reply)
{
  if (strcmp(path->app_version, service->options.app_version) != 0) {
    device_refuse(reply, 404, "There is no application version %s", path->app_version);
    return NULL;
  }
  struct endpoint *endpoint = registry_by_token(service->registry, path->token);
  if (endpoint)
    return endpoint;
  if (!service->options.is_open) {
    device_refuse(reply, 404, "There is no endpoint with the token %s", path->token);
    return NULL;
  }
  struct error error;
  endpoint = service_add_endpoint(service, path->token, NULL, &error);
  if (!endpoint)
    device_refuse(reply, 400, "%s", error.text);
  return endpoint;
}

static void dispatch(struct service *service, const struct device_path *path,
                     const struct device_request *request, struct device_reply *reply)
{
  static const struct {
    const char *name;
    void (*handle)(struct service *service, struct endpoint *endpoint, const char *resource,
                   const struct device_request *request, struct device_reply *reply);
  } extensions[] = {{"cex", device_cex}, {"dcx", device_dcx}, {"epmx", device_epmx}};
  struct endpoint *endpoint = find_endpoint(service, path, reply);
  if (!endpoint)
    return;
  note_endpoint(service, endpoint, request->connection);
  if (service->options.switches->silent) {
    reply->status = 0;
    return;
  }
  if (service->options.switches->refuse) {
    device_refuse(reply, (int)service->options.switches->refuse, "Refused, as a switch wants it");
    return;
  }
  if (request->body_bytes > DEVICE_MAX_BYTES) {
    device_refuse(reply, 413, "The message has %zu bytes; the limit is %d", request->body_bytes,
                  DEVICE_MAX_BYTES);
    return;
  }
  for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++)
    if (!strcmp(path->extension, extensions[i].name)) {
      extensions[i].handle(service, endpoint, path->resource, request, reply);
      return;
    }
  device_refuse(reply, 404, "There is no extension %s", path->extension);
}

void device_handle(struct service *service, const struct device_request *request,
                   struct device_reply *reply)
{
  *reply = (struct device_reply){.status = 200};
  struct device_path path;
  struct error error;
  int rc = device_path_read(&path, request->path, &error);
  reply->request_id = path.request_id;
  if (path.is_response && request->connection)
    reply->status = 0; /* a topic of answers: what is there is none of ours to answer */
  else if (path.is_response)
    device_refuse(reply, 400, "A path that ends in status or error is no request");
  else if (rc)
    device_refuse(reply, 400, "%s", error.text);
  else
    dispatch(service, &path, request, reply);
  device_path_clear(&path);
}

void device_reply_clear(struct device_reply *reply)
{
  buffer_clear(&reply->body);
}

void device_write_error(struct buffer *out, const struct device_reply *reply)
{
  buffer_format(out, "{\"statusCode\":%d,\"reasonPhrase\":", reply->status);
  jsontext_write_string(out, reply->reason, strlen(reply->reason));
  buffer_append_char(out, '}');
}

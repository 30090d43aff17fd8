#include "service_state.h"

#include "data_store.h"
#include "descriptor.h"
#include "reserialise.h"

#include "base/clock.h"
#include "base/jsontext.h"
#include "base/log.h"
#include "base/memory.h"
#include "kp/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* HTTP has no connection that lasts: an endpoint that polls counts as connected. */
enum { HTTP_CONNECTED_MS = 30 * 1000 };

/* How long a result of a command that no request lists (retention 0) is waited for. */
enum { UNKEPT_MS = SERVICE_MAX_WAIT_S * 1000 };

static void load_endpoint(void *context, const char *token, const char *id, int64_t last_seen_ms)
{
  struct service *service = context;
  registry_add(service->registry, token, id)->last_seen_ms = last_seen_ms;
}

struct service *service_create(const struct service_options *options)
{
  struct service *service = memory_zeroed(1, sizeof *service);
  service->options = *options;
  service->registry = registry_create();
  data_store_endpoints(options->database, load_endpoint, service);
  return service;
}

void service_destroy(struct service *service)
{
  if (!service)
    return;
  registry_destroy(service->registry);
  free(service);
}

const struct registry *service_endpoints(const struct service *service)
{
  return service->registry;
}

struct database *service_database(const struct service *service)
{
  return service->options.database;
}

/* A UUID of version 8 (RFC 9562, 5.8) from a digest of the token: a second start without a
 * database gives the same. */
static char *make_id(const char *token)
{
  uint8_t b[JSONTEXT_DIGEST_BYTES];
  json_t *value = json_string(token);
  jsontext_digest(value, b);
  json_decref(value);
  return memory_format("%02x%02x%02x%02x-%02x%02x-8%01x%02x-%01x%01x%02x-%02x%02x%02x%02x%02x%02x",
                       b[0], b[1], b[2], b[3], b[4], b[5], b[6] & 0xf, b[7], 8 + (b[8] & 3),
                       b[8] >> 4, b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* Kaa: ^[a-zA-Z0-9._~-]+$; "commands" is a path of the REST API itself. */
static bool is_endpoint_id(const char *id)
{
  static const char allowed[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-";
  return *id && strlen(id) <= 128 && !id[strspn(id, allowed)] && strcmp(id, "commands") != 0;
}

struct endpoint *service_add_endpoint(struct service *service, const char *token, const char *id,
                                      struct error *error)
{
  struct endpoint *known = registry_by_token(service->registry, token);
  if (known && (!id || !strcmp(known->id, id)))
    return known;
  if (!name_is_level(token, strlen(token)) || strchr(token, '.')) {
    error_set(error, -EINVAL, "the token '%s' is not one: it holds no / + # .", token);
    return NULL;
  }
  char *own_id = id ? memory_text(id) : make_id(token);
  struct endpoint *endpoint = NULL;
  if (!is_endpoint_id(own_id))
    error_set(error, -EINVAL, "the endpoint id '%s' is not one: it holds A-Z a-z 0-9 . _ ~ -", id);
  else if (known || registry_by_id(service->registry, own_id) ||
           data_store_add_endpoint(service->options.database, token, own_id))
    error_set(error, -EEXIST, "the token %s or the endpoint id %s stands for another endpoint",
              token, own_id);
  else
    endpoint = registry_add(service->registry, token, own_id);
  free(own_id);
  if (endpoint)
    service_tell_endpoint(service, endpoint);
  return endpoint;
}

bool service_can_push(const struct service *service, const struct endpoint *endpoint)
{
  int64_t cutoff_s = service->options.switches->idle_cutoff_s;
  return endpoint->connection &&
         (!cutoff_s || clock_monotonic_ms() - endpoint->mqtt_seen_ms < cutoff_s * 1000);
}

/* "mqtt", "http", or "" where it is not connected. */
static const char *transport_of(const struct service *service, const struct endpoint *endpoint)
{
  if (service_can_push(service, endpoint))
    return "mqtt";
  return endpoint->http_seen_ms &&
                 clock_monotonic_ms() - endpoint->http_seen_ms < HTTP_CONNECTED_MS
             ? "http"
             : "";
}

static void write_text(struct buffer *out, const char *before, const char *text)
{
  buffer_append_text(out, before);
  jsontext_write_string(out, text, strlen(text));
}

void service_write_endpoint(const struct service *service, const struct endpoint *endpoint,
                            struct buffer *out)
{
  const char *transport = transport_of(service, endpoint);
  write_text(out, "{\"endpointId\":", endpoint->id);
  write_text(out, ",\"token\":", endpoint->token);
  write_text(out, ",\"appVersion\":", service->options.app_version);
  buffer_format(out, ",\"connected\":%s,\"transport\":", *transport ? "true" : "false");
  buffer_format(out, *transport ? "\"%s\"" : "null", transport);
  if (endpoint->last_seen_ms) {
    char stamp[CLOCK_STAMP_BYTES];
    clock_stamp(endpoint->last_seen_ms, stamp);
    buffer_format(out, ",\"lastSeenAt\":\"%s\"}", stamp);
  } else {
    buffer_append_text(out, ",\"lastSeenAt\":null}");
  }
}

static void tell(struct service *service, const char *endpoint_id, const char *name,
                 struct buffer *json)
{
  service->options.outputs.event(service->options.outputs.context, endpoint_id, name,
                                 buffer_text(json));
  buffer_clear(json);
}

void service_tell_endpoint(struct service *service, struct endpoint *endpoint)
{
  const char *transport = transport_of(service, endpoint);
  if (endpoint->announced && !strcmp(endpoint->announced, transport))
    return;
  endpoint->announced = transport;
  struct buffer json = {0};
  service_write_endpoint(service, endpoint, &json);
  tell(service, endpoint->id, "endpoint", &json);
}

void service_tell_command(struct service *service, const struct stored_command *command)
{
  struct buffer json = {0};
  descriptor_write(&json, command);
  tell(service, command->endpoint_id, "command", &json);
  if (command->state != COMMAND_PENDING)
    service->options.outputs.settled(service->options.outputs.context, command, false);
}

static bool is_turn(uint64_t count, int64_t every)
{
  return every > 0 && count % (uint64_t)every == 0;
}

bool service_write_element(struct service *service, const struct stored_command *command,
                           struct buffer *out)
{
  uint64_t count = ++service->delivered;
  buffer_format(out, "{\"id\":%lld", (long long)command->id);
  if (command->payload) {
    buffer_append_text(out, ",\"payload\":");
    json_t *value = is_turn(count, service->options.switches->reserialise_every)
                        ? jsontext_parse(command->payload, strlen(command->payload), NULL)
                        : NULL;
    if (value)
      reserialise(out, value);
    else
      buffer_append_text(out, command->payload);
    json_decref(value);
  }
  buffer_append_char(out, '}');
  return is_turn(count, service->options.switches->deliver_twice_every);
}

struct writing {
  struct service *service;
  struct buffer *out;
  bool is_full;
};

static void append_element(struct writing *writing, const struct stored_command *command)
{
  if (writing->out->size_bytes)
    buffer_append_char(writing->out, ',');
  if (!service_write_element(writing->service, command, writing->out))
    return;
  buffer_append_char(writing->out, ',');
  service_write_element(writing->service, command, writing->out);
}

/* What goes beyond the limit is listed once there is less before it. */
static void write_outstanding(void *context, const struct stored_command *command)
{
  struct writing *writing = context;
  if (writing->is_full)
    return;
  size_t size_before = writing->out->size_bytes;
  uint64_t delivered_before = writing->service->delivered;
  append_element(writing, command);
  if (!size_before || writing->out->size_bytes <= SERVICE_LISTED_BYTES)
    return;
  writing->is_full = true;
  writing->out->size_bytes = size_before;
  writing->service->delivered = delivered_before;
}

void service_write_outstanding(struct service *service, const struct endpoint *endpoint,
                               const char *type, struct buffer *out)
{
  struct writing writing = {.service = service, .out = out};
  command_store_outstanding(service->options.database, endpoint->id, type, clock_wall_ms(),
                            write_outstanding, &writing);
}

void service_push(struct service *service, const struct endpoint *endpoint, const char *type,
                  const char *elements)
{
  struct buffer topic = {0}, body = {0};
  buffer_format(&topic, "kp1/%s/cex/%s/command/%s/", service->options.app_version, endpoint->token,
                type);
  const struct interest *interest = endpoint_interest(endpoint, type);
  if (service->options.switches->push_with_request_id && interest && interest->request_id)
    buffer_format(&topic, "%u/", interest->request_id);
  buffer_append_text(&topic, "status");
  buffer_append_char(&body, '[');
  buffer_append_text(&body, elements);
  buffer_append_char(&body, ']');
  service->options.outputs.push(service->options.outputs.context, endpoint->connection,
                                buffer_text(&topic), body.data, body.size_bytes);
  buffer_clear(&topic);
  buffer_clear(&body);
}

/* 11/CEP: after {"observe":false} it must not be pushed; without a word it may. A plain
 * broker passes on to who has subscribed, whoever that is. */
static bool wants_push(const struct service *service, const struct endpoint *endpoint,
                       const char *type)
{
  const struct interest *interest = endpoint_interest(endpoint, type);
  const struct switches *switches = service->options.switches;
  return (service_can_push(service, endpoint) || switches->require_subscribe) &&
         !switches->silent && !(interest && interest->is_unwanted);
}

static void push_command(struct service *service, const struct endpoint *endpoint,
                         const struct stored_command *command)
{
  struct buffer element = {0};
  bool is_twice = service_write_element(service, command, &element);
  service_push(service, endpoint, command->type, buffer_text(&element));
  if (is_twice) {
    buffer_reset(&element);
    service_write_element(service, command, &element);
    service_push(service, endpoint, command->type, buffer_text(&element));
  }
  buffer_clear(&element);
}

struct stored_command *service_invoke(struct service *service, struct endpoint *endpoint,
                                      const char *type, const char *payload, int64_t ttl_ms)
{
  bool is_pushed = wants_push(service, endpoint, type);
  struct stored_command *command = memory_zeroed(1, sizeof *command);
  command->endpoint_id = memory_text(endpoint->id);
  command->type = memory_text(type);
  command->payload = memory_text(payload);
  command->is_kept = ttl_ms > 0;
  command->created_ms = command->updated_ms = clock_wall_ms();
  command->expires_ms = command->created_ms + (command->is_kept ? ttl_ms : UNKEPT_MS);
  if (!command->is_kept && !is_pushed) /* nobody will ever see it */
    command->state = COMMAND_EXPIRED;
  command_store_add(service->options.database, command);
  service_tell_command(service, command);
  if (is_pushed)
    push_command(service, endpoint, command);
  log_info("command", "invoked", "type", type, "id", LOG_NUMBER(command->id), "endpoint",
           LOG_TOKEN(endpoint->token), "pushed", is_pushed ? "yes" : "no");
  return command;
}

bool service_remove(struct service *service, const char *endpoint_id, const char *type, int64_t id)
{
  struct stored_command *command =
      command_store_find(service->options.database, endpoint_id, type, id);
  if (!command)
    return false;
  command_store_remove(service->options.database, endpoint_id, type, id);
  struct buffer json = {0};
  write_text(&json, "{\"endpointId\":", endpoint_id);
  write_text(&json, ",\"commandType\":", type);
  buffer_format(&json, ",\"commandId\":%lld}", (long long)id);
  tell(service, endpoint_id, "deleted", &json);
  service->options.outputs.settled(service->options.outputs.context, command, true);
  stored_command_destroy(command);
  return true;
}

void service_connection_ended(struct service *service, uint64_t connection)
{
  struct endpoint *endpoint;
  for (unsigned i = 0; (endpoint = registry_at(service->registry, i)); i++)
    if (connection && endpoint->connection == connection) {
      endpoint_route(endpoint, 0);
      service_tell_endpoint(service, endpoint);
    }
}

void service_expire(struct service *service)
{
  struct stored_command *command;
  while ((command = command_store_overdue(service->options.database, clock_wall_ms()))) {
    command->state = COMMAND_EXPIRED;
    command->updated_ms = clock_wall_ms();
    command_store_update(service->options.database, command);
    log_info("command", "expired", "type", command->type, "id", LOG_NUMBER(command->id));
    service_tell_command(service, command);
    stored_command_destroy(command);
    if (database_has_failed(service->options.database))
      return;
  }
}

void service_tick(struct service *service)
{
  struct endpoint *endpoint;
  for (unsigned i = 0; (endpoint = registry_at(service->registry, i)); i++) {
    if (endpoint->is_touched) {
      data_store_seen(service->options.database, endpoint->id, endpoint->last_seen_ms);
      endpoint->announced = NULL; /* its time has changed */
    }
    endpoint->is_touched = false;
    service_tell_endpoint(service, endpoint);
  }
}

#include "base/log.h"
#include "base/memory.h"
#include "host/transport.h"
#include "io/mqtt.h"
#include "kp/cep.h"
#include "kp/topic.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { EVENTS_A_TURN = 256 }; /* then timers and workers have their turn */

struct mqtt_transport {
  struct transport_events events;
  const struct config *config;
  struct topic_scheme scheme;
  struct loop_wake *wake;
  struct mqtt *mqtt;
};

/* Called on the MQTT thread; the configuration does not change. */
static bool filter(void *context, size_t n, struct buffer *out)
{
  const struct mqtt_transport *transport = context;
  size_t endpoint = n / TOPIC_FILTERS;
  if (endpoint >= transport->config->token_count)
    return false;
  topic_filter(out, &transport->scheme, transport->config->tokens[endpoint],
               (int)(n % TOPIC_FILTERS));
  return true;
}

/* Called on the MQTT thread. */
static void notify(void *context)
{
  struct mqtt_transport *transport = context;
  loop_wake(transport->wake);
}

static enum core_message message_kind(enum topic_kind kind)
{
  switch (kind) {
  case TOPIC_COMMAND: return CORE_REQUEST;
  case TOPIC_RESULT: return CORE_RESULT;
  case TOPIC_METADATA: return CORE_METADATA;
  default: return CORE_TELEMETRY;
  }
}

static void on_answer(struct mqtt_transport *transport, const struct topic_response *response,
                      const char *endpoint, const char *type, const struct mqtt_event *event)
{
  int status = 0;
  char reason[256] = "";
  if (response->is_error)
    cep_read_error(event->payload ? event->payload : "", event->payload_bytes, &status, reason);
  if (response->is_error && status <= 0)
    status = 500; /* an error without a readable code is still none to believe in */
  transport->events.answered(transport->events.context, message_kind(response->kind), endpoint, type,
                             response->request_id, status, reason);
}

static void on_message(struct mqtt_transport *transport, const struct mqtt_event *event)
{
  struct topic_response response;
  if (!topic_read(&transport->scheme, event->text, &response)) {
    log_debug("mqtt", "message on a topic that is not ours");
    return;
  }
  char *endpoint = memory_copied(response.token, response.token_bytes);
  char *type = response.type ? memory_copied(response.type, response.type_bytes) : NULL;
  if (response.kind == TOPIC_COMMAND && !response.is_error)
    transport->events.commands(transport->events.context, endpoint, type, response.request_id,
                               event->payload ? event->payload : "", event->payload_bytes);
  else
    on_answer(transport, &response, endpoint, type, event);
  free(endpoint);
  free(type);
}

/* kp1/<app>/<extension>/<token>/…: a token is never logged whole. */
static void log_refusal(const char *filter)
{
  const char *level = filter;
  for (int i = 0; i < 3 && level; i++)
    level = (level = strchr(level, '/')) ? level + 1 : NULL;
  char *token = level ? memory_copied(level, strcspn(level, "/")) : memory_text("");
  log_warn("mqtt", "subscription refused; the platform may push without", "endpoint",
           LOG_TOKEN(token), "filter", level ? level + strlen(token) : filter);
  free(token);
}

static void on_event(struct mqtt_transport *transport, const struct mqtt_event *event)
{
  const struct transport_events *events = &transport->events;
  switch (event->kind) {
  case MQTT_CONNECTED:
    log_info("mqtt", "connected", "url", transport->config->url);
    events->connected(events->context);
    break;
  case MQTT_DISCONNECTED:
    log_warn("mqtt", "disconnected", "reason", event->text, "retry_ms", LOG_NUMBER(event->retry_in_ms));
    events->failed(events->context, event->text);
    events->disconnected(events->context);
    break;
  case MQTT_FAILED:
    log_warn("mqtt", "cannot connect, and keeps trying", "url", transport->config->url, "reason",
             event->text, "retry_ms", LOG_NUMBER(event->retry_in_ms));
    events->failed(events->context, event->text);
    break;
  case MQTT_SUBSCRIPTION_REFUSED:
    log_refusal(event->text);
    break;
  case MQTT_MESSAGE: on_message(transport, event); break;
  case MQTT_PUBLISHED: events->published(events->context, event->cookie); break;
  case MQTT_WRITABLE: events->writable(events->context); break;
  }
}

static void on_wake(void *context)
{
  struct mqtt_transport *transport = context;
  struct mqtt_event event;
  for (int i = 0; i < EVENTS_A_TURN; i++) {
    if (!mqtt_next_event(transport->mqtt, &event))
      return;
    on_event(transport, &event);
    mqtt_event_clear(&event);
  }
  loop_wake(transport->wake);
}

static int transport_send(void *context, enum core_message kind, const char *endpoint,
                          const char *type, uint32_t request_id, const char *body, size_t size)
{
  static const enum topic_kind kinds[] = {
      [CORE_REQUEST] = TOPIC_COMMAND,
      [CORE_RESULT] = TOPIC_RESULT,
      [CORE_TELEMETRY] = TOPIC_TELEMETRY,
      [CORE_METADATA] = TOPIC_METADATA,
  };
  struct mqtt_transport *transport = context;
  struct buffer topic = {0};
  topic_write(&topic, &transport->scheme, kinds[kind], endpoint, type, request_id);
  int rc = mqtt_publish(transport->mqtt, buffer_text(&topic), body, size, request_id);
  log_debug("mqtt", "publish", "endpoint", LOG_TOKEN(endpoint), "type", type ? type : "", "request",
            LOG_NUMBER(request_id), "bytes", LOG_NUMBER(size), "rc", LOG_NUMBER(rc));
  buffer_clear(&topic);
  return rc;
}

static void transport_close(void *context, int64_t patience_ms)
{
  struct mqtt_transport *transport = context;
  mqtt_stop(transport->mqtt, patience_ms);
  loop_wake_destroy(transport->wake);
  free(transport);
}

int mqtt_transport_open(struct transport *transport, struct loop *loop, const struct config *config,
                        const struct state *state, const struct transport_events *events,
                        struct error *error)
{
  struct mqtt_transport *self = memory_zeroed(1, sizeof *self);
  self->events = *events;
  self->config = config;
  self->scheme = config_topic_scheme(config);
  self->wake = loop_wake_create(loop, on_wake, self);
  struct mqtt_options options = {
      .host = config->host,
      .port = config->port,
      .tls = config->tls,
      .ca_file = config->ca_file,
      .cert_file = config->cert_file,
      .key_file = config->key_file,
      .username = config->username,
      .password_file = config->password_file,
      .client_id = state->client_id,
      .keepalive_s = config->keepalive_s,
      .filter = filter,
      .notify = notify,
      .context = self,
  };
  if (getrandom(&options.seed, sizeof options.seed, 0) < 0)
    options.seed = (uint64_t)(uintptr_t)self;
  self->mqtt = mqtt_start(&options, error);
  if (!self->mqtt) {
    loop_wake_destroy(self->wake);
    free(self);
    return error && error->code ? error->code : -1;
  }
  *transport = (struct transport){.context = self, .send = transport_send, .close = transport_close};
  return 0;
}

#include "device_mqtt.h"

#include "device.h"

#include "base/memory.h"

#include <stdlib.h>

struct delayed {
  struct device_mqtt *mqtt;
  uint64_t connection;
  int qos;
  char *topic;
  char *payload;
  size_t size;
};

static void clear_delayed(void *context)
{
  struct delayed *delayed = context;
  free(delayed->topic);
  free(delayed->payload);
  free(delayed);
}

static void send_delayed(void *context)
{
  const struct delayed *delayed = context;
  link_push(delayed->mqtt->link, delayed->connection, delayed->qos, delayed->topic,
            delayed->payload, delayed->size);
  clear_delayed(context);
}

static void send_out(struct device_mqtt *mqtt, uint64_t connection, int qos, const char *topic,
                     const char *payload, size_t size)
{
  if (mqtt->switches->require_subscribe)
    connection = 0;
  if (!mqtt->switches->delay_ms) {
    link_push(mqtt->link, connection, qos, topic, payload, size);
    return;
  }
  struct delayed *delayed = memory_zeroed(1, sizeof *delayed);
  *delayed = (struct delayed){.mqtt = mqtt, .connection = connection, .qos = qos,
                              .topic = memory_text(topic),
                              .payload = memory_copied(payload, size), .size = size};
  timers_add(mqtt->timers, mqtt->switches->delay_ms, send_delayed, clear_delayed, delayed);
}

void device_mqtt_push(struct device_mqtt *mqtt, uint64_t connection, const char *topic,
                      const char *payload, size_t size)
{
  send_out(mqtt, connection, (int)mqtt->switches->push_qos, topic, payload, size);
}

void device_mqtt_take(struct device_mqtt *mqtt, uint64_t connection, int qos, const char *topic,
                      const char *payload, size_t size)
{
  struct device_reply reply;
  device_handle(mqtt->service,
                &(struct device_request){.path = topic, .body = payload, .body_bytes = size,
                                         .connection = connection},
                &reply);
  struct buffer body = {0};
  bool is_error = reply.status >= 400;
  if (is_error)
    device_write_error(&body, &reply);
  else
    buffer_append(&body, reply.body.data, reply.body.size_bytes);
  if (is_error || (reply.status && (reply.request_id || body.size_bytes))) {
    char *response = memory_format("%s/%s", topic, is_error ? "error" : "status");
    send_out(mqtt, connection, qos, response, body.data ? body.data : "", body.size_bytes);
    free(response);
  }
  buffer_clear(&body);
  device_reply_clear(&reply);
}

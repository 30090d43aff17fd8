/* The plugin in kaa-local's mosquitto: makes a broker behave as Kaa's server does.
 *
 * What a device publishes goes to kaa-local and to nobody else. What kaa-local has for a
 * connection goes to that connection, subscribed or not. With the switch require_subscribe
 * it is a plain broker again, in which kaa-local hears everything. */
#include "connections.h"
#include "link_frames.h"

#include "base/frame.h"
#include "base/memory.h"

#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>

#include <mosquitto.h>
#include <stdlib.h>
#include <string.h>

struct plugin {
  mosquitto_plugin_id_t *id;
  struct connections *connections;
  char *service_id, *service_password; /* kaa-local's own client */
  char *username, *password;           /* of the devices; "": everyone may connect */
  bool is_plain;
};

static bool is_service(const struct plugin *plugin, const struct mosquitto *client)
{
  const char *id = mosquitto_client_id(client);
  return id && !strcmp(id, plugin->service_id);
}

static void tell(const struct plugin *plugin, struct buffer *frames)
{
  mosquitto_broker_publish_copy(plugin->service_id, LINK_FROM_PLUGIN, (int)frames->size_bytes,
                                frames->data, 0, false, NULL);
  buffer_clear(frames);
}

static void tell_gone(struct plugin *plugin, int64_t number)
{
  struct buffer frames = {0};
  size_t at = frame_begin(&frames, LINK_GONE);
  frame_put_i64(&frames, number);
  frame_end(&frames, at);
  connections_remove(plugin->connections, number);
  tell(plugin, &frames);
}

static void cut_all(struct plugin *plugin)
{
  for (int64_t number; (number = connections_any(plugin->connections));) {
    char *id = memory_text(connections_id(plugin->connections, number));
    tell_gone(plugin, number);
    mosquitto_kick_client_by_clientid(id, false);
    free(id);
  }
}

static void push(const struct plugin *plugin, struct frame *frame)
{
  int64_t number = frame_get_i64(frame);
  int qos = frame_get_u8(frame);
  char *topic = frame_get_text(frame);
  size_t size;
  const char *payload = frame_get_bytes(frame, &size);
  const char *id = connections_id(plugin->connections, number);
  if (!frame->bad && (id || number == LINK_EVERYONE))
    mosquitto_broker_publish_copy(id, topic, (int)size, size ? payload : NULL, qos, false, NULL);
  free(topic);
}

static void take_settings(struct plugin *plugin, struct frame *frame)
{
  plugin->is_plain = frame_get_u8(frame);
  char *username = frame_get_text(frame);
  char *password = frame_get_text(frame);
  bool is_same = !strcmp(username, plugin->username) && !strcmp(password, plugin->password);
  free(plugin->username);
  free(plugin->password);
  plugin->username = username;
  plugin->password = password;
  if (!is_same)
    cut_all(plugin);
  struct buffer frames = {0};
  frame_end(&frames, frame_begin(&frames, LINK_READY));
  tell(plugin, &frames);
}

static void obey(struct plugin *plugin, const void *payload, size_t size)
{
  struct frame_reader reader = {0};
  struct frame frame;
  frame_feed(&reader, payload, size);
  while (frame_next(&reader, &frame) > 0) {
    switch (frame.kind) {
    case LINK_PUSH: push(plugin, &frame); break;
    case LINK_SETTINGS: take_settings(plugin, &frame); break;
    case LINK_CUT: cut_all(plugin); break;
    default: break;
    }
  }
  frame_reader_clear(&reader);
}

static void forward(struct plugin *plugin, const struct mosquitto_evt_message *message)
{
  int64_t number = connections_number(plugin->connections, message->client);
  if (!number)
    number = connections_add(plugin->connections, message->client,
                             mosquitto_client_id(message->client));
  struct buffer frames = {0};
  size_t at = frame_begin(&frames, LINK_MESSAGE);
  frame_put_i64(&frames, number);
  frame_put_u8(&frames, message->qos);
  frame_put_text(&frames, message->topic);
  frame_put_bytes(&frames, message->payload, message->payloadlen);
  frame_end(&frames, at);
  tell(plugin, &frames);
}

static int on_message(int event, void *data, void *context)
{
  (void)event;
  struct plugin *plugin = context;
  struct mosquitto_evt_message *message = data;
  if (is_service(plugin, message->client)) {
    if (!strcmp(message->topic, LINK_TO_PLUGIN))
      obey(plugin, message->payload, message->payloadlen);
    return MOSQ_ERR_SUCCESS;
  }
  if (!plugin->is_plain)
    message->retain = false; /* Kaa's server keeps nothing */
  if (!strncmp(message->topic, "kp1/", 4))
    forward(plugin, message);
  return MOSQ_ERR_SUCCESS;
}

static bool are_equal(const char *given, const char *wanted)
{
  return given && !strcmp(given, wanted);
}

static int on_auth(int event, void *data, void *context)
{
  (void)event;
  struct plugin *plugin = context;
  const struct mosquitto_evt_basic_auth *auth = data;
  if (is_service(plugin, auth->client))
    return are_equal(auth->password, plugin->service_password) ? MOSQ_ERR_SUCCESS : MOSQ_ERR_AUTH;
  if (*plugin->username && (!are_equal(auth->username, plugin->username) ||
                            !are_equal(auth->password, plugin->password)))
    return MOSQ_ERR_AUTH;
  connections_add(plugin->connections, auth->client, mosquitto_client_id(auth->client));
  return MOSQ_ERR_SUCCESS;
}

/* Whether a topic is ours: "kaa-local/…". A filter with a wildcard there is let pass,
 * because nothing is delivered to it. */
static bool is_reserved(const char *topic)
{
  return !strncmp(topic, LINK_ROOT, strlen(LINK_ROOT));
}

static int on_access(int event, void *data, void *context)
{
  (void)event;
  const struct plugin *plugin = context;
  const struct mosquitto_evt_acl_check *check = data;
  if (is_service(plugin, check->client))
    return MOSQ_ERR_SUCCESS;
  bool is_delivery = check->access == MOSQ_ACL_READ;
  if (is_reserved(check->topic) || (is_delivery && !plugin->is_plain))
    return MOSQ_ERR_ACL_DENIED;
  return MOSQ_ERR_SUCCESS;
}

static int on_disconnect(int event, void *data, void *context)
{
  (void)event;
  struct plugin *plugin = context;
  const struct mosquitto_evt_disconnect *disconnect = data;
  int64_t number = connections_number(plugin->connections, disconnect->client);
  if (number)
    tell_gone(plugin, number);
  return MOSQ_ERR_SUCCESS;
}

static const struct {
  int event;
  int (*handle)(int event, void *data, void *context);
} handlers[] = {
    {MOSQ_EVT_MESSAGE, on_message},
    {MOSQ_EVT_BASIC_AUTH, on_auth},
    {MOSQ_EVT_ACL_CHECK, on_access},
    {MOSQ_EVT_DISCONNECT, on_disconnect},
};
enum { HANDLERS = sizeof handlers / sizeof *handlers };

/* All else is hidden: the broker has names of its own. */
#define EXPORTED __attribute__((visibility("default")))

EXPORTED int mosquitto_plugin_version(int count, const int *versions)
{
  for (int i = 0; i < count; i++)
    if (versions[i] == MOSQ_PLUGIN_VERSION)
      return MOSQ_PLUGIN_VERSION;
  return -1;
}

EXPORTED int mosquitto_plugin_init(mosquitto_plugin_id_t *id, void **context,
                                   struct mosquitto_opt *options, int count)
{
  struct plugin *plugin = memory_zeroed(1, sizeof *plugin);
  plugin->id = id;
  plugin->connections = connections_create();
  plugin->username = memory_text("");
  plugin->password = memory_text("");
  for (int i = 0; i < count; i++) {
    if (!strcmp(options[i].key, "client_id"))
      plugin->service_id = memory_text(options[i].value);
    if (!strcmp(options[i].key, "password"))
      plugin->service_password = memory_text(options[i].value);
  }
  if (!plugin->service_id || !plugin->service_password)
    return MOSQ_ERR_INVAL; /* the broker ends */
  *context = plugin;
  for (int i = 0; i < HANDLERS; i++)
    mosquitto_callback_register(id, handlers[i].event, handlers[i].handle, NULL, plugin);
  return MOSQ_ERR_SUCCESS;
}

EXPORTED int mosquitto_plugin_cleanup(void *context, struct mosquitto_opt *options, int count)
{
  (void)options;
  (void)count;
  struct plugin *plugin = context;
  for (int i = 0; i < HANDLERS; i++)
    mosquitto_callback_unregister(plugin->id, handlers[i].event, handlers[i].handle, NULL);
  connections_destroy(plugin->connections);
  free(plugin->service_id);
  free(plugin->service_password);
  free(plugin->username);
  free(plugin->password);
  free(plugin);
  return MOSQ_ERR_SUCCESS;
}

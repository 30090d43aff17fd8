#include "device_extensions.h"

#include "data_store.h"

#include "base/jsontext.h"

#include <string.h>

/* 10/EPMP: ^[a-zA-Z0-9_]+$ */
static bool is_key(const char *key)
{
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  return key && *key && !key[strspn(key, allowed)];
}

static bool is_key_list(const json_t *list)
{
  json_t *seen = json_object();
  bool is_right = json_is_array(list);
  for (size_t i = 0; is_right && i < json_array_size(list); i++) {
    const char *key = json_string_value(json_array_get(list, i));
    is_right = is_key(key) && !json_object_get(seen, key);
    if (is_right)
      json_object_set_new(seen, key, json_true());
  }
  json_decref(seen);
  return is_right;
}

static bool is_key_object(const json_t *object)
{
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)object, key, value)
    if (!is_key(key))
      return false;
  return json_object_size(object) > 0;
}

static void tell_metadata(struct service *service, const struct endpoint *endpoint)
{
  struct buffer json = {0};
  buffer_append_text(&json, "{\"endpointId\":");
  jsontext_write_string(&json, endpoint->id, strlen(endpoint->id));
  buffer_append_text(&json, ",\"metadata\":");
  data_store_metadata(service->options.database, endpoint->id, NULL, &json);
  buffer_append_char(&json, '}');
  service->options.outputs.event(service->options.outputs.context, endpoint->id, "metadata",
                                 buffer_text(&json));
  buffer_clear(&json);
}

static void get(struct service *service, struct endpoint *endpoint, const json_t *body,
                struct device_reply *reply)
{
  const json_t *keys = json_object_get(body, "keys");
  if (body && (!json_is_object(body) || json_object_size(body) != (keys ? 1 : 0) ||
               (keys && !is_key_list(keys))))
    device_refuse(reply, 400, "The request is not empty, {} or {\"keys\":[\"…\"]}");
  else
    data_store_metadata(service->options.database, endpoint->id, keys, &reply->body);
}

static void get_keys(struct service *service, struct endpoint *endpoint, const json_t *body,
                     struct device_reply *reply)
{
  if (body && (!json_is_object(body) || json_object_size(body)))
    device_refuse(reply, 400, "The request is not empty");
  else
    data_store_metadata_keys(service->options.database, endpoint->id, &reply->body);
}

static void update(struct service *service, struct endpoint *endpoint, const json_t *body,
                   struct device_reply *reply, bool is_whole)
{
  if (!is_key_object(body)) {
    device_refuse(reply, 400,
                  "The metadata is not an object with at least one key of A-Z a-z 0-9 _");
    return;
  }
  data_store_set_metadata(service->options.database, endpoint->id, body, is_whole);
  tell_metadata(service, endpoint);
}

static void update_whole(struct service *service, struct endpoint *endpoint, const json_t *body,
                         struct device_reply *reply)
{
  update(service, endpoint, body, reply, true);
}

static void update_keys(struct service *service, struct endpoint *endpoint, const json_t *body,
                        struct device_reply *reply)
{
  update(service, endpoint, body, reply, false);
}

static void delete_keys(struct service *service, struct endpoint *endpoint, const json_t *body,
                        struct device_reply *reply)
{
  if (!is_key_list(body) || !json_array_size(body)) {
    device_refuse(reply, 400, "The request is not an array of at least one key, none twice");
    return;
  }
  data_store_remove_metadata(service->options.database, endpoint->id, body);
  tell_metadata(service, endpoint);
}

void device_epmx(struct service *service, struct endpoint *endpoint, const char *resource,
                 const struct device_request *request, struct device_reply *reply)
{
  static const struct {
    const char *name;
    void (*handle)(struct service *service, struct endpoint *endpoint, const json_t *body,
                   struct device_reply *reply);
  } resources[] = {{"get", get},
                   {"get/keys", get_keys},
                   {"update", update_whole},
                   {"update/keys", update_keys},
                   {"delete/keys", delete_keys}};
  struct json_fault fault;
  json_t *body = request->body_bytes
                     ? jsontext_parse(request->body, request->body_bytes, &fault)
                     : NULL;
  if (request->body_bytes && !body) {
    device_refuse(reply, 400, "The request is not JSON: %s", fault.text);
    return;
  }
  size_t i = 0, count = sizeof resources / sizeof *resources;
  while (i < count && strcmp(resources[i].name, resource) != 0)
    i++;
  if (i < count)
    resources[i].handle(service, endpoint, body, reply);
  else
    device_refuse(reply, 404, "epmx has get, get/keys, update, update/keys and delete/keys, not %s",
                  resource);
  json_decref(body);
}

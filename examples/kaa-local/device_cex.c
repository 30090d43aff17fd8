#include "device_extensions.h"

#include "result.h"

#include "base/clock.h"
#include "base/jsontext.h"
#include "base/log.h"
#include "base/memory.h"
#include "kp/name.h"

#include <stdlib.h>
#include <string.h>

/* Reads the body of a command request (0011-command-request.schema.json): an object that
 * holds nothing but a boolean "observe". Returns false where it is not one. An empty body
 * counts as {}: 1/KP over HTTP is used like that. */
static bool read_observe(const struct device_request *request, struct interest *interest,
                         struct device_reply *reply)
{
  struct json_fault fault;
  if (!request->body_bytes)
    return true;
  json_t *body = jsontext_parse(request->body, request->body_bytes, &fault);
  const json_t *observe = json_object_get(body, "observe");
  bool is_right = json_is_object(body) && json_object_size(body) == (observe ? 1 : 0) &&
                  (!observe || json_is_boolean(observe));
  if (!body)
    device_refuse(reply, 400, "The request is not JSON: %s", fault.text);
  else if (!is_right)
    device_refuse(reply, 400, "The request is not {} or {\"observe\":true|false}");
  else if (observe && interest)
    interest->is_unwanted = json_is_false(observe);
  json_decref(body);
  return is_right;
}

static void request_commands(struct service *service, struct endpoint *endpoint, const char *type,
                             const struct device_request *request, struct device_reply *reply)
{
  struct interest *interest = NULL;
  if (request->connection) { /* HTTP has nothing to observe over */
    interest = endpoint_make_interest(endpoint, type);
    interest->request_id = reply->request_id;
  }
  if (!read_observe(request, interest, reply))
    return;
  struct buffer elements = {0};
  service_write_outstanding(service, endpoint, type, &elements);
  buffer_append_char(&reply->body, '[');
  buffer_append(&reply->body, elements.data, elements.size_bytes);
  buffer_append_char(&reply->body, ']');
  buffer_clear(&elements);
}

/* Records a result; returns the command as it is now, owned, or NULL where no pending command
 * has this id. */
static struct stored_command *execute(struct service *service, const struct endpoint *endpoint,
                                      const char *type, const struct result *result)
{
  struct database *database = service->options.database;
  struct stored_command *command = command_store_find(database, endpoint->id, type, result->id);
  if (!command || command->state != COMMAND_PENDING) {
    stored_command_destroy(command);
    return NULL;
  }
  command->state = COMMAND_EXECUTED;
  command->status_code = result->status_code;
  command->reason = memory_text(result->reason);
  command->response = memory_text(result->payload);
  command->updated_ms = clock_wall_ms();
  command_store_update(database, command);
  log_info("command", "executed", "type", type, "id", LOG_NUMBER(result->id), "status",
           LOG_NUMBER(result->status_code));
  return command;
}

/* What is told to the device once its results are stored. */
static void confirm(struct service *service, const struct device_request *request,
                    struct device_reply *reply)
{
  const struct switches *switches = service->options.switches;
  uint64_t count = ++service->confirmed;
  bool is_dropped =
      switches->confirm_drop_every && count % (uint64_t)switches->confirm_drop_every == 0;
  /* Over HTTP every request has an answer: "not confirmed" is MQTT's. */
  if (is_dropped || (!switches->confirm_results && request->connection))
    reply->status = 0;
}

/* An id that is not pending: unknown, expired, or executed already. */
static void answer_unknown(const struct service *service, const char *type, int64_t id,
                           struct device_reply *reply)
{
  switch ((enum unknown_result)service->options.switches->unknown_result) {
  case UNKNOWN_OK: break;
  case UNKNOWN_SILENT: reply->status = 0; break;
  case UNKNOWN_404:
  case UNKNOWN_409:
    device_refuse(reply, service->options.switches->unknown_result == UNKNOWN_404 ? 404 : 409,
                  "There is no pending command %s %lld", type, (long long)id);
  }
}

static void take_results(struct service *service, struct endpoint *endpoint, const char *type,
                         const struct device_request *request, struct device_reply *reply)
{
  struct results results;
  struct error error;
  if (results_read(&results, request->body, request->body_bytes, &error)) {
    device_refuse(reply, 400, "%s", error.text);
    results_clear(&results);
    return;
  }
  service_expire(service);
  struct stored_command **executed = memory_zeroed(results.count + 1, sizeof *executed);
  confirm(service, request, reply);
  database_begin(service->options.database);
  for (size_t i = 0; i < results.count; i++) {
    executed[i] = execute(service, endpoint, type, &results.list[i]);
    if (!executed[i])
      answer_unknown(service, type, results.list[i].id, reply);
  }
  database_commit(service->options.database);
  for (size_t i = 0; i < results.count; i++) {
    if (executed[i])
      service_tell_command(service, executed[i]);
    stored_command_destroy(executed[i]);
  }
  free(executed);
  results_clear(&results);
}

void device_cex(struct service *service, struct endpoint *endpoint, const char *resource,
                const struct device_request *request, struct device_reply *reply)
{
  const char *slash = strchr(resource, '/');
  const char *type = slash ? slash + 1 : "";
  size_t size = (size_t)(slash ? slash - resource : 0);
  bool is_command = size == strlen("command") && !memcmp(resource, "command", size);
  bool is_result = size == strlen("result") && !memcmp(resource, "result", size);
  if (!is_command && !is_result)
    device_refuse(reply, 404, "cex has command/<type> and result/<type>, not %s", resource);
  else if (!name_is_type(type, strlen(type)))
    device_refuse(reply, 400, "The command type '%s' is not one: A-Z a-z 0-9 _ -", type);
  else if (is_command)
    request_commands(service, endpoint, type, request, reply);
  else
    take_results(service, endpoint, type, request, reply);
}

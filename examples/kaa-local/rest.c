#include "rest_state.h"

#include "answer.h"
#include "descriptor.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "kp/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_WAIT_S = 5, DEFAULT_TTL_MS = 60000, MAX_LEVELS = 6 };

/* An invocation that waits for its command's result. */
struct waiter {
  struct rest *rest;
  struct waiter *next;
  struct http_request *request;
  char *endpoint_id, *type;
  int64_t id;
  uint64_t timer;
};

struct levels {
  char *memory;
  const char *list[MAX_LEVELS];
  size_t count;
};

struct rest *rest_create(struct service *service, struct timers *timers, const char *app_version)
{
  struct rest *rest = memory_zeroed(1, sizeof *rest);
  *rest = (struct rest){.service = service, .timers = timers, .app_version = app_version};
  return rest;
}

static void free_waiter(struct waiter *waiter)
{
  free(waiter->endpoint_id);
  free(waiter->type);
  free(waiter);
}

void rest_destroy(struct rest *rest)
{
  if (!rest)
    return;
  while (rest->waiters) {
    struct waiter *waiter = rest->waiters;
    rest->waiters = waiter->next;
    timers_cancel(rest->timers, waiter->timer);
    free_waiter(waiter);
  }
  free(rest);
}

/* 200 with the result's payload; 202 and where to ask where there is none yet, or will be
 * none. */
static void answer_invocation(struct http_request *request, const struct stored_command *command)
{
  if (command->state == COMMAND_EXECUTED) {
    struct buffer body = {0};
    if (command->response)
      buffer_append_text(&body, command->response);
    answer_json(request, 200, &body);
    return;
  }
  char *location = descriptor_location(command);
  http_add_header(request, "Location", location);
  http_answer(request, 202, NULL, NULL);
  free(location);
}

static void take_out(struct rest *rest, struct waiter *waiter)
{
  struct waiter **place = &rest->waiters;
  while (*place != waiter)
    place = &(*place)->next;
  *place = waiter->next;
}

static void waited_long_enough(void *context)
{
  struct waiter *waiter = context;
  take_out(waiter->rest, waiter);
  answer_invocation(waiter->request, &(struct stored_command){.endpoint_id = waiter->endpoint_id,
                                                              .type = waiter->type,
                                                              .id = waiter->id});
  free_waiter(waiter);
}

static void await_result(struct rest *rest, struct http_request *request,
                         const struct stored_command *command, int64_t wait_s)
{
  struct waiter *waiter = memory_zeroed(1, sizeof *waiter);
  *waiter = (struct waiter){.rest = rest, .next = rest->waiters, .request = request,
                            .endpoint_id = memory_text(command->endpoint_id),
                            .type = memory_text(command->type), .id = command->id};
  waiter->timer = timers_add(rest->timers, wait_s * 1000, waited_long_enough, NULL, waiter);
  rest->waiters = waiter;
}

void rest_settled(struct rest *rest, const struct stored_command *command, bool is_deleted)
{
  struct waiter *waiter = rest->waiters;
  while (waiter && (waiter->id != command->id || strcmp(waiter->type, command->type) != 0 ||
                    strcmp(waiter->endpoint_id, command->endpoint_id) != 0))
    waiter = waiter->next;
  if (!waiter)
    return;
  take_out(rest, waiter);
  timers_cancel(rest->timers, waiter->timer);
  if (is_deleted)
    answer_fault(waiter->request, 404, "The command was deleted");
  else
    answer_invocation(waiter->request, command);
  free_waiter(waiter);
}

/* Reads a query parameter; returns false where the request has been answered. */
static bool read_number(struct http_request *request, const char *name, int64_t most,
                        const char *unit, int64_t *number)
{
  const char *text = http_query_one(request, name);
  if (!text)
    return true;
  errno = 0;
  long long value = strtoll(text, NULL, 10);
  if (!*text || text[strspn(text, "0123456789")] || errno || value > most) {
    answer_fault(request, 400, "%s is a whole number of %s from 0 to %lld", name, unit,
                 (long long)most);
    return false;
  }
  *number = value;
  return true;
}

/* The command's payload as JSON: of a text/plain body a string, of none NULL. Returns false
 * where the request has been answered. */
static bool read_payload(struct http_request *request, struct buffer *payload)
{
  const struct buffer *body = http_body(request);
  if (body->size_bytes > JSONTEXT_MAX_BYTES || http_is_too_large(request)) {
    answer_fault(request, 413, "The body is over %d bytes", JSONTEXT_MAX_BYTES);
    return false;
  }
  if (!body->size_bytes)
    return true;
  if (answer_has_type(request, "text/plain")) {
    bool is_text = utf8_is_valid(body->data, body->size_bytes, NULL);
    if (is_text)
      jsontext_write_string(payload, body->data, body->size_bytes);
    else
      answer_fault(request, 400, "The text is not valid UTF-8");
    return is_text;
  }
  if (!answer_has_type(request, "application/json")) {
    answer_fault(request, 415, "The Content-Type is to be application/json or text/plain");
    return false;
  }
  json_t *value = answer_read_json(request);
  if (value)
    jsontext_write(payload, value);
  json_decref(value);
  return value != NULL;
}

static void invoke(struct rest *rest, struct http_request *request, struct endpoint *endpoint,
                   const char *type)
{
  int64_t wait_s = DEFAULT_WAIT_S, ttl_ms = DEFAULT_TTL_MS;
  struct buffer payload = {0};
  if (!read_number(request, "awaitTimeout", SERVICE_MAX_WAIT_S, "seconds", &wait_s) ||
      !read_number(request, "commandTtl", SERVICE_MAX_TTL_MS, "milliseconds", &ttl_ms) ||
      !read_payload(request, &payload)) {
    buffer_clear(&payload);
    return;
  }
  struct stored_command *command =
      service_invoke(rest->service, endpoint, type,
                     payload.size_bytes ? buffer_text(&payload) : NULL, ttl_ms);
  if (command->state == COMMAND_PENDING && wait_s)
    await_result(rest, request, command, wait_s);
  else
    answer_invocation(request, command);
  stored_command_destroy(command);
  buffer_clear(&payload);
}

static void answer_command(struct http_request *request, struct stored_command *command,
                           const char *type, const char *what)
{
  struct buffer body = {0};
  if (command) {
    descriptor_write(&body, command);
    answer_json(request, 200, &body);
  } else {
    answer_fault(request, 404, "There is no command %s %s", type, what);
  }
  stored_command_destroy(command);
}

static void one_command(struct rest *rest, struct http_request *request, const char *endpoint_id,
                        const char *type, const char *id_text)
{
  errno = 0;
  int64_t id = strtoll(id_text, NULL, 10);
  if (!*id_text || id_text[strspn(id_text, "0123456789")] || errno) {
    answer_fault(request, 400, "The command id '%s' is not a number", id_text);
  } else if (!strcmp(http_method(request), "DELETE")) {
    if (service_remove(rest->service, endpoint_id, type, id))
      http_answer(request, 204, NULL, NULL);
    else
      answer_fault(request, 404, "There is no command %s %s", type, id_text);
  } else {
    answer_command(request,
                   command_store_find(service_database(rest->service), endpoint_id, type, id),
                   type, id_text);
  }
}

/* endpoints/<id>/commands/<type>[/<command id>|/last] */
static void handle_type(struct rest *rest, struct http_request *request,
                        const struct levels *levels)
{
  const char *type = levels->list[3], *last = levels->count > 4 ? levels->list[4] : NULL;
  struct endpoint *endpoint = registry_by_id(service_endpoints(rest->service), levels->list[1]);
  bool is_last = last && !strcmp(last, "last");
  if (!answer_allows(request, !last ? "POST" : is_last ? "GET" : "GET, DELETE"))
    return;
  if (!endpoint)
    answer_fault(request, 404, "There is no endpoint %s", levels->list[1]);
  else if (!name_is_type(type, strlen(type)))
    answer_fault(request, 400,
                 "The command type '%s' is not one: 1 to 64 of A-Z a-z 0-9 _ -, not only digits, "
                 "not status or error", type);
  else if (!last)
    invoke(rest, request, endpoint, type);
  else if (is_last)
    answer_command(request,
                   command_store_last(service_database(rest->service), endpoint->id, type), type,
                   "yet");
  else
    one_command(rest, request, endpoint->id, type, last);
}

static bool are(const struct levels *levels, size_t n, const char *name)
{
  return levels->count > n && !strcmp(levels->list[n], name);
}

/* Fixed paths come before those with a name in them. */
static void dispatch(struct rest *rest, struct http_request *request, const struct levels *levels)
{
  bool is_common = are(levels, 0, "endpoints") && are(levels, 1, "commands");
  if (is_common && levels->count == 2)
    rest_history(rest, request);
  else if (is_common && levels->count == 3 && are(levels, 2, "last"))
    rest_history_last(rest, request);
  else if (is_common && levels->count == 3)
    rest_history_pages(rest, request, levels->list[2]);
  else if (are(levels, 0, "endpoints") && are(levels, 2, "commands") &&
           (levels->count == 4 || levels->count == 5))
    handle_type(rest, request, levels);
  else
    answer_fault(request, 404, "There is no such path; see README.md of kaa-local");
}

void rest_handle(struct rest *rest, struct http_request *request)
{
  struct levels levels = {.memory = memory_text(http_path(request) + strlen(REST_ROOT))};
  char *remaining = levels.memory;
  while (remaining && levels.count < MAX_LEVELS)
    levels.list[levels.count++] = strsep(&remaining, "/");
  service_expire(rest->service);
  dispatch(rest, request, &levels);
  free(levels.memory);
}

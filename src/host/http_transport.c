#include "base/jsontext.h"
#include "base/log.h"
#include "base/memory.h"
#include "host/http_connection.h"
#include "host/http_helper.h"
#include "host/transport.h"
#include "kp/cep.h"
#include "kp/elements.h"
#include "kp/topic.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  REQUESTS_MAX = HTTP_HELPER_MAX, /* under way; the core sends at most six polls */
  HOLD_MAX_S = 300,       /* of Retry-After */
  NO_ANSWER_STATUS = 504, /* what a message without an answer is told to have got */
  NO_STATUS = -1,         /* the same for a command request, which tells it in words */
};

struct request {
  uint32_t number; /* 0: free */
  enum core_message kind;
  uint32_t request_id;
  char *endpoint;
  char *type; /* NULL for telemetry and metadata */
  uint64_t answers; /* http_connection_answers() when it began */
};

struct http_transport {
  struct transport_events events;
  const struct config *config;
  struct topic_scheme scheme;
  struct http_helper *helper;
  struct http_connection *connection;
  struct request requests[REQUESTS_MAX];
  uint32_t last_number;
  bool is_full; /* a message was turned away */
};

/* ---- requests ---- */

static struct request *find(struct http_transport *transport, uint32_t number)
{
  for (size_t i = 0; i < REQUESTS_MAX; i++)
    if (transport->requests[i].number == number)
      return &transport->requests[i];
  return NULL;
}

static void forget(struct request *request)
{
  free(request->endpoint);
  free(request->type);
  *request = (struct request){0};
}

static void forget_all(struct http_transport *transport)
{
  for (size_t i = 0; i < REQUESTS_MAX; i++)
    forget(&transport->requests[i]);
}

/* The topic as a path: what a token may hold and a URL may not is escaped. */
static void write_path(struct buffer *out, const char *topic)
{
  buffer_append_char(out, '/');
  for (const char *c = topic; *c; c++) {
    if (isalnum((unsigned char)*c) || strchr("/-_.~", *c))
      buffer_append_char(out, *c);
    else
      buffer_format(out, "%%%02X", (unsigned char)*c);
  }
}

static int post(struct http_transport *transport, struct request *request, const char *body,
                size_t size)
{
  static const enum topic_kind kinds[] = {
      [CORE_REQUEST] = TOPIC_COMMAND,
      [CORE_RESULT] = TOPIC_RESULT,
      [CORE_TELEMETRY] = TOPIC_TELEMETRY,
      [CORE_METADATA] = TOPIC_METADATA,
  };
  struct buffer topic = {0}, path = {0};
  topic_write(&topic, &transport->scheme, kinds[request->kind], request->endpoint, request->type,
              0);
  write_path(&path, buffer_text(&topic));
  int rc = http_helper_post(transport->helper, request->number, buffer_text(&path), body, size);
  log_debug("http", "post", "type", request->type ? request->type : "", "endpoint",
            LOG_TOKEN(request->endpoint), "request", LOG_NUMBER(request->number), "bytes",
            LOG_NUMBER(size), "rc", LOG_NUMBER(rc));
  buffer_clear(&topic);
  buffer_clear(&path);
  return rc;
}

static int begin(struct http_transport *transport, enum core_message kind, const char *endpoint,
                 const char *type, uint32_t request_id, const char *body, size_t size)
{
  struct request *request = find(transport, 0);
  if (!request)
    return -EAGAIN;
  transport->last_number += transport->last_number == UINT32_MAX ? 2 : 1;
  *request = (struct request){
      .number = transport->last_number,
      .kind = kind,
      .request_id = request_id,
      .endpoint = memory_text(endpoint),
      .type = memory_text(type),
      .answers = http_connection_answers(transport->connection),
  };
  int rc = post(transport, request, body, size);
  if (rc)
    forget(request);
  return rc;
}

static int transport_send(void *context, enum core_message kind, const char *endpoint,
                          const char *type, uint32_t request_id, const char *body, size_t size)
{
  struct http_transport *transport = context;
  int rc = -EAGAIN;
  if (http_connection_is_open(transport->connection))
    rc = begin(transport, kind, endpoint, type, request_id, body, size);
  transport->is_full |= rc != 0;
  if (!rc && kind == CORE_REQUEST)
    http_connection_poll_sent(transport->connection, endpoint, type);
  return rc;
}

static void tell_room(struct http_transport *transport)
{
  if (!transport->is_full || !http_connection_is_open(transport->connection) ||
      !find(transport, 0))
    return;
  transport->is_full = false;
  transport->events.writable(transport->events.context);
}

/* ---- the connection ---- */

static void on_connected(void *context)
{
  struct http_transport *transport = context;
  transport->events.connected(transport->events.context);
}

static void on_disconnected(void *context)
{
  struct http_transport *transport = context;
  transport->events.disconnected(transport->events.context);
}

static void on_failed(void *context, const char *why)
{
  struct http_transport *transport = context;
  transport->events.failed(transport->events.context, why);
}

static void on_open(void *context)
{
  tell_room(context);
}

static int on_probe(void *context, const char *endpoint, const char *type, struct error *error)
{
  struct http_transport *transport = context;
  int rc = http_helper_start(transport->helper, error);
  if (rc < 0 || !endpoint)
    return rc;
  rc = begin(transport, CORE_REQUEST, endpoint, type, 0, CEP_POLL, strlen(CEP_POLL));
  return rc < 0 ? error_set(error, rc, "all requests are waited for") : 0;
}

static void on_lost(void *context, const char *why)
{
  struct http_transport *transport = context;
  forget_all(transport);
  http_connection_lost(transport->connection, why);
}

/* ---- answers ---- */

static bool is_blank(const struct http_answer *answer)
{
  for (size_t i = 0; i < answer->body_bytes; i++)
    if (!strchr(" \t\r\n", answer->body[i]) || !answer->body[i])
      return false;
  return true;
}

/* Whether a success may be the platform's: a captive portal says 200 to all, with a
 * page. No content is no command. */
static bool is_understood(const struct request *request, const struct http_answer *answer)
{
  if (is_blank(answer))
    return true;
  if (request->kind == CORE_REQUEST) {
    struct elements elements;
    return elements_open(&elements, answer->body, answer->body_bytes, NULL) == 0;
  }
  json_t *value = jsontext_parse(answer->body, answer->body_bytes, NULL);
  json_decref(value);
  return value != NULL;
}

static void tell_answer(struct http_transport *transport, const struct request *request, int status,
                        const char *reason)
{
  transport->events.answered(transport->events.context, request->kind, request->endpoint,
                             request->type, request->request_id, status, reason);
}

/* A body that is no list of commands is told as such and under no request; the
 * request ended with its HTTP status, not with commands. */
static void tell_commands(struct http_transport *transport, const struct request *request,
                          const struct http_answer *answer)
{
  bool is_empty = is_blank(answer);
  bool is_list = is_understood(request, answer);
  transport->events.commands(transport->events.context, request->endpoint, request->type,
                             is_list ? request->request_id : 0, is_empty ? "[]" : answer->body,
                             is_empty ? 2 : answer->body_bytes);
  if (!is_list)
    tell_answer(transport, request, answer->status, "");
}

/* Only where to: the path mostly holds the token, a user name may be before the host. */
static void describe_redirect(const char *url, char *reason, size_t size)
{
  const char *host = strstr(url, "://");
  size_t shown = host ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?#") : 0;
  if (!shown || memchr(url, '@', shown))
    snprintf(reason, size, "a redirect, which is not followed");
  else
    snprintf(reason, size, "a redirect to %.*s, which is not followed", (int)shown, url);
}

static void tell_no_answer(struct http_transport *transport, const struct request *request,
                           const char *why)
{
  char reason[256];
  snprintf(reason, sizeof reason, "no answer: %s", why);
  tell_answer(transport, request, request->kind == CORE_REQUEST ? NO_STATUS : NO_ANSWER_STATUS,
              reason);
}

/* The status is HTTP's; an error object's phrase says more. */
static void tell_error(struct http_transport *transport, const struct request *request,
                       const struct http_answer *answer)
{
  int status = 0;
  char reason[256] = "";
  if (answer->status >= 300 && answer->status < 400)
    describe_redirect(answer->note, reason, sizeof reason);
  else if (*answer->note)
    snprintf(reason, sizeof reason, "%s", answer->note);
  else
    cep_read_error(answer->body, answer->body_bytes, &status, reason);
  tell_answer(transport, request, answer->status, reason);
}

static void on_no_answer(struct http_transport *transport, const struct request *request,
                         const char *why, bool is_unreachable)
{
  const struct http_failure failure = {
      .why = why,
      .answers = request->answers,
      .is_probe = !request->request_id,
      .is_unreachable = is_unreachable,
  };
  if (http_connection_failed(transport->connection, &failure))
    tell_no_answer(transport, request, why);
}

/* Of Retry-After: 503 speaks for the platform, 429 and others for what was asked. */
static void hold(struct http_transport *transport, const struct request *request,
                 const struct http_answer *answer)
{
  if (answer->status < 400 || answer->retry_after_s <= 0)
    return;
  int64_t wait_ms =
      (answer->retry_after_s < HOLD_MAX_S ? answer->retry_after_s : HOLD_MAX_S) * 1000;
  if (answer->status == 503)
    http_connection_hold(transport->connection, wait_ms);
  else
    transport->events.hold(transport->events.context, request->kind, request->request_id, wait_ms);
}

static void on_success(struct http_transport *transport, const struct request *request,
                       const struct http_answer *answer)
{
  bool is_told = request->kind == CORE_REQUEST && !http_connection_is_down(transport->connection);
  if (*answer->note) {
    http_connection_answered(transport->connection);
    tell_no_answer(transport, request, answer->note);
  } else if (!is_told && !is_understood(request, answer)) {
    on_no_answer(transport, request, "what answers is not the platform: its body is no JSON",
                 false);
  } else {
    http_connection_answered(transport->connection);
    if (request->kind == CORE_REQUEST)
      tell_commands(transport, request, answer);
    else
      tell_answer(transport, request, 0, "");
  }
}

static void on_answer(void *context, const struct http_answer *answer)
{
  struct http_transport *transport = context;
  struct request *slot = find(transport, answer->number);
  if (!answer->number || !slot)
    return;
  struct request request = *slot;
  *slot = (struct request){0};
  log_debug("http", "answer", "request", LOG_NUMBER(answer->number), "status",
            LOG_NUMBER(answer->status), "bytes", LOG_NUMBER(answer->body_bytes));
  if (answer->status && request.kind == CORE_REQUEST)
    http_connection_poll_answered(transport->connection, request.endpoint, request.type);
  if (!answer->status) {
    on_no_answer(transport, &request, answer->note, answer->is_unreachable);
  } else if (answer->status < 300) {
    on_success(transport, &request, answer);
  } else {
    hold(transport, &request, answer);
    http_connection_answered(transport->connection);
    tell_error(transport, &request, answer);
  }
  forget(&request);
  tell_room(transport);
}

/* ---- life ---- */

/* Whatever was not answered is not confirmed: the core sends it again one day. */
static void transport_close(void *context, int64_t patience_ms)
{
  struct http_transport *transport = context;
  (void)patience_ms;
  http_helper_destroy(transport->helper);
  http_connection_destroy(transport->connection);
  forget_all(transport);
  free(transport);
}

int http_transport_open(struct transport *transport, const struct workplace *workplace,
                        const struct config *config, const struct transport_events *events,
                        struct error *error)
{
  struct http_transport *self = memory_zeroed(1, sizeof *self);
  self->events = *events;
  self->config = config;
  self->scheme = config_topic_scheme(config);
  const struct http_helper_ports ports = {.context = self, .answered = on_answer, .lost = on_lost};
  const struct http_helper_limits limits = {
      .connect_ms = 10 * 1000,
      .silence_s = 10,
      .total_ms = 120 * 1000,
      .max_body = 16 * 1024 * 1024,
      .grace_ms = 10 * 1000,
  };
  self->helper = http_helper_create(workplace, config, &limits, &ports);
  const struct http_connection_ports connection_ports = {
      .context = self,
      .connected = on_connected,
      .disconnected = on_disconnected,
      .failed = on_failed,
      .open = on_open,
      .probe = on_probe,
  };
  self->connection = http_connection_create(workplace->loop, config->url, &connection_ports);
  int rc = http_helper_check(self->helper, error);
  if (rc == 0)
    rc = http_helper_start(self->helper, error);
  if (rc < 0) {
    transport_close(self, 0);
    return rc;
  }
  http_connection_begin(self->connection);
  *transport = (struct transport){
      .context = self, .send = transport_send, .close = transport_close};
  return 0;
}

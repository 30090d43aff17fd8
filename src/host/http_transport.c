#include "base/clock.h"
#include "base/jsontext.h"
#include "base/log.h"
#include "base/memory.h"
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
#include <sys/random.h>

enum {
  REQUESTS_MAX = 8,      /* under way; the core sends at most six polls */
  FAILURES_MAX = 3,      /* in a row without one answer: disconnected */
  RETRY_MIN_MS = 5000,   /* doubling */
  RETRY_MAX_MS = 300000, /* of Retry-After, too */
  NO_ANSWER_STATUS = 504, /* what a message without an answer is told to have got */
  NO_STATUS = -1,         /* the same for a command request, which tells it in words */
};

enum stage {
  STAGE_TRIES, /* the core may send; nothing was answered yet */
  STAGE_UP,
  STAGE_DOWN,  /* only the probe is sent */
};

struct request {
  uint32_t number; /* 0: free */
  enum core_message kind;
  uint32_t request_id;
  char *endpoint;
  char *type; /* NULL for telemetry and metadata */
};

struct http_transport {
  struct transport_events events;
  const struct config *config;
  struct topic_scheme scheme;
  struct http_helper *helper;
  struct loop_timer *probe; /* tries again, and in the beginning: begins */
  struct loop_timer *hold;  /* Retry-After is over */
  struct request requests[REQUESTS_MAX];
  uint32_t last_number;
  bool is_full;        /* a message was turned away */
  int64_t held_until_ms;
  enum stage stage;
  bool has_told_down;  /* since the last answer */
  unsigned failures;   /* requests without an answer in a row */
  unsigned retries;    /* since the last answer */
  char *probe_endpoint; /* of the last poll, which is tried while down; NULL: none yet */
  char *probe_type;
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

static void set(char **place, const char *value)
{
  free(*place);
  *place = memory_text(value);
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
  };
  int rc = post(transport, request, body, size);
  if (rc)
    forget(request);
  return rc;
}

static bool is_held(const struct http_transport *transport)
{
  return clock_monotonic_ms() < transport->held_until_ms;
}

static int transport_send(void *context, enum core_message kind, const char *endpoint,
                          const char *type, uint32_t request_id, const char *body, size_t size)
{
  struct http_transport *transport = context;
  int rc = -EAGAIN;
  if (transport->stage != STAGE_DOWN && !is_held(transport))
    rc = begin(transport, kind, endpoint, type, request_id, body, size);
  transport->is_full |= rc != 0;
  if (!rc && kind == CORE_REQUEST) {
    set(&transport->probe_endpoint, endpoint);
    set(&transport->probe_type, type);
  }
  return rc;
}

static void tell_room(struct http_transport *transport)
{
  if (!transport->is_full || transport->stage == STAGE_DOWN || is_held(transport) ||
      !find(transport, 0))
    return;
  transport->is_full = false;
  transport->events.writable(transport->events.context);
}

/* ---- the connection: whether requests are answered ---- */

static int64_t jittered(int64_t ms)
{
  uint16_t random = UINT16_MAX / 2;
  if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
    random = UINT16_MAX / 2;
  return ms * 8 / 10 + ms * 4 * random / (10 * UINT16_MAX);
}

static int64_t arm_probe(struct http_transport *transport)
{
  int64_t delay_ms = RETRY_MIN_MS;
  for (unsigned i = 0; i < transport->retries && delay_ms < RETRY_MAX_MS; i++)
    delay_ms *= 2;
  transport->retries++;
  delay_ms = jittered(delay_ms < RETRY_MAX_MS ? delay_ms : RETRY_MAX_MS);
  int64_t now_ms = clock_monotonic_ms();
  int64_t at_ms = now_ms + delay_ms;
  if (at_ms < transport->held_until_ms)
    at_ms = transport->held_until_ms;
  loop_timer_set(transport->probe, at_ms);
  return at_ms - now_ms;
}

static void go_up(struct http_transport *transport)
{
  enum stage before = transport->stage;
  transport->stage = STAGE_UP;
  transport->failures = 0;
  transport->retries = 0;
  transport->has_told_down = false;
  if (before == STAGE_UP)
    return;
  loop_timer_set(transport->probe, INT64_MAX);
  log_info("http", "connected", "url", transport->config->url);
  if (before == STAGE_DOWN)
    transport->events.connected(transport->events.context);
}

static void go_down(struct http_transport *transport, const char *why)
{
  enum stage before = transport->stage;
  transport->stage = STAGE_DOWN;
  int64_t retry_ms = arm_probe(transport);
  if (before == STAGE_UP)
    log_warn("http", "disconnected", "reason", why, "retry_ms", LOG_NUMBER(retry_ms));
  else if (!transport->has_told_down)
    log_warn("http", "cannot connect, and keeps trying", "url", transport->config->url, "reason",
             why, "retry_ms", LOG_NUMBER(retry_ms));
  else
    log_debug("http", "cannot connect", "reason", why, "retry_ms", LOG_NUMBER(retry_ms));
  transport->has_told_down = true;
  if (before != STAGE_DOWN)
    transport->events.disconnected(transport->events.context);
}

/* Has the core send, which tells whether it is answered. */
static void try(struct http_transport *transport)
{
  transport->stage = STAGE_TRIES;
  transport->failures = 0;
  transport->events.connected(transport->events.context);
}

/* While down, one poll is tried again and again, so that the core need not send
 * everything in vain; where there is no type to poll, the core tries. */
static void on_probe(void *context)
{
  struct http_transport *transport = context;
  struct error error = {0};
  if (http_helper_start(transport->helper, &error) < 0)
    go_down(transport, error.text);
  else if (!transport->probe_endpoint)
    try(transport);
  else if (begin(transport, CORE_REQUEST, transport->probe_endpoint, transport->probe_type, 0,
                 CEP_POLL, strlen(CEP_POLL)))
    go_down(transport, "all requests are waited for");
}

static void on_hold(void *context)
{
  struct http_transport *transport = context;
  if (is_held(transport)) /* the timer was early, or the hold was prolonged */
    loop_timer_set(transport->hold, transport->held_until_ms);
  else
    tell_room(transport);
}

/* 429 and 503 mostly: nothing more is sent until then. */
static void hold(struct http_transport *transport, const struct http_answer *answer)
{
  if (answer->status < 400 || answer->retry_after_s <= 0)
    return;
  int64_t wait_ms = answer->retry_after_s < RETRY_MAX_MS / 1000 ? answer->retry_after_s * 1000
                                                                : RETRY_MAX_MS;
  int64_t until_ms = clock_monotonic_ms() + wait_ms;
  if (!is_held(transport))
    log_warn("http", "the platform asks to wait", "status", LOG_NUMBER(answer->status), "wait_ms",
             LOG_NUMBER(wait_ms));
  if (until_ms <= transport->held_until_ms)
    return;
  transport->held_until_ms = until_ms;
  loop_timer_set(transport->hold, until_ms);
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

/* While others are answered, one connection that could not be made is a failure like
 * any other. */
static void on_no_answer(struct http_transport *transport, const struct request *request,
                         const char *why, bool is_unreachable)
{
  bool is_lost = is_unreachable && transport->stage != STAGE_UP;
  transport->failures++;
  if (transport->stage == STAGE_DOWN) {
    bool is_probe = !request->request_id;
    if (is_probe)
      go_down(transport, why);
  } else if (is_lost || transport->failures >= FAILURES_MAX) {
    go_down(transport, why);
  } else {
    tell_no_answer(transport, request, why);
  }
}

static void on_success(struct http_transport *transport, const struct request *request,
                       const struct http_answer *answer)
{
  bool is_told = request->kind == CORE_REQUEST && transport->stage != STAGE_DOWN;
  if (*answer->note) {
    go_up(transport);
    tell_no_answer(transport, request, answer->note);
  } else if (!is_told && !is_understood(request, answer)) {
    on_no_answer(transport, request, "what answers is not the platform: its body is no JSON",
                 false);
  } else {
    go_up(transport);
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
  if (!answer->status) {
    on_no_answer(transport, &request, answer->note, answer->is_unreachable);
  } else if (answer->status < 300) {
    on_success(transport, &request, answer);
  } else {
    hold(transport, answer);
    go_up(transport);
    tell_error(transport, &request, answer);
  }
  forget(&request);
  tell_room(transport);
}

static void on_lost(void *context, const char *why)
{
  struct http_transport *transport = context;
  forget_all(transport);
  go_down(transport, why);
}

/* ---- life ---- */

/* Whatever was not answered is not confirmed: the core sends it again one day. */
static void transport_close(void *context, int64_t patience_ms)
{
  struct http_transport *transport = context;
  (void)patience_ms;
  http_helper_destroy(transport->helper);
  loop_timer_destroy(transport->probe);
  loop_timer_destroy(transport->hold);
  forget_all(transport);
  free(transport->probe_endpoint);
  free(transport->probe_type);
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
  self->helper = http_helper_create(workplace, config, &ports);
  self->probe = loop_timer_create(workplace->loop, on_probe, self);
  self->hold = loop_timer_create(workplace->loop, on_hold, self);
  self->stage = STAGE_DOWN;
  int rc = http_helper_check(self->helper, error);
  if (rc == 0)
    rc = http_helper_start(self->helper, error);
  if (rc < 0) {
    transport_close(self, 0);
    return rc;
  }
  loop_timer_set(self->probe, 0); /* tells of it from the loop */
  *transport = (struct transport){
      .context = self, .send = transport_send, .close = transport_close};
  return 0;
}

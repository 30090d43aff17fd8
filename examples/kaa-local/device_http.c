#include "device_http.h"

#include "answer.h"
#include "device.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* An answer that waits for its time. */
struct delayed {
  struct http_request *request;
  struct device_reply reply;
};

static void give(struct http_request *request, struct device_reply *reply)
{
  static const char type[] = "application/json";
  if (!reply->status) { /* not a word, as a switch wants it */
    http_drop(request);
  } else if (reply->status >= 400) {
    struct buffer body = {0};
    device_write_error(&body, reply);
    http_answer(request, (unsigned)reply->status, type, &body);
  } else if (reply->status == 204) {
    http_answer(request, 204, NULL, NULL);
  } else {
    http_answer(request, (unsigned)reply->status, type, &reply->body);
  }
  device_reply_clear(reply);
}

static void give_delayed(void *context)
{
  struct delayed *delayed = context;
  give(delayed->request, &delayed->reply);
  free(delayed);
}

/* The server stops before its time: the request is not ours any more. */
static void forget(void *context)
{
  struct delayed *delayed = context;
  device_reply_clear(&delayed->reply);
  free(delayed);
}

/* A reply that says nothing, or that nothing is outstanding. */
static bool is_empty(const struct buffer *body)
{
  return !body->size_bytes || (body->size_bytes == 2 && !memcmp(body->data, "[]", 2));
}

static void apply_switches(const struct switches *switches, struct http_request *request,
                           struct device_reply *reply)
{
  if (reply->status == 200 && switches->http_success == 204 && is_empty(&reply->body))
    reply->status = 204;
  if (switches->refuse && switches->retry_after_s) {
    char *seconds = memory_format("%lld", (long long)switches->retry_after_s);
    http_add_header(request, "Retry-After", seconds);
    free(seconds);
  }
}

void device_http_handle(struct service *service, const struct switches *switches,
                        struct timers *timers, struct http_request *request)
{
  if (!answer_allows(request, "POST"))
    return;
  const struct buffer *body = http_body(request);
  struct delayed *delayed = memory_zeroed(1, sizeof *delayed);
  delayed->request = request;
  device_handle(service,
                &(struct device_request){.path = http_path(request) + 1,
                                         .body = body->data,
                                         .body_bytes = http_is_too_large(request)
                                                           ? DEVICE_MAX_BYTES + (size_t)1
                                                           : body->size_bytes},
                &delayed->reply);
  apply_switches(switches, request, &delayed->reply);
  enum { SILENCE_MS = 60 * 1000 };
  int64_t delay_ms = switches->silent ? SILENCE_MS : switches->delay_ms;
  if (delay_ms)
    timers_add(timers, delay_ms, give_delayed, forget, delayed);
  else
    give_delayed(delayed);
}

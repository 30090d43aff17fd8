#include "supervision/fetch_request.h"

#include "base/http_frames.h"
#include "base/http_url.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
  TEXTS_MAX = 4096,
  CONNECT_MS = 30000,
  SILENCE_S = 60,
  BODY_MAX_BYTES = 4 * 1024 * 1024, /* that goes through this process */
  TIMEOUT_MAX_MS = 86400 * 1000,    /* what kaa.http takes as its timeout_s */
};

static const char *grant_fault(const char *text, const json_t *needs)
{
  const json_t *net = json_object_get(needs, "net");
  struct http_url url;
  const char *fault = http_url_read(text, &url);
  if (fault || json_is_true(net))
    return fault;
  for (size_t i = 0; i < json_array_size(net); i++) {
    const char *entry = json_string_value(json_array_get(net, i));
    if (entry && http_url_is_named(&url, entry))
      return NULL;
  }
  return "its server is not among those that needs.net names";
}

static void put_servers(struct buffer *out, const json_t *needs)
{
  const json_t *net = json_object_get(needs, "net");
  frame_put_u8(out, !json_is_true(net));
  frame_put_u32(out, (uint32_t)json_array_size(net));
  for (size_t i = 0; i < json_array_size(net); i++)
    frame_put_text(out, json_string_value(json_array_get(net, i)));
}

static void copy_texts(struct frame *frame, struct buffer *out)
{
  uint32_t count = frame_get_u32(frame);
  frame->bad = frame->bad || count > TEXTS_MAX;
  frame_put_u32(out, frame->bad ? 0 : count);
  for (uint32_t i = 0; i < count && !frame->bad; i++) {
    size_t size;
    const char *text = frame_get_bytes(frame, &size);
    frame_put_bytes(out, text, size);
  }
}

static void copy_bytes(struct frame *frame, struct buffer *out)
{
  size_t size;
  const char *bytes = frame_get_bytes(frame, &size);
  frame_put_bytes(out, bytes, size);
}

static void read_target(struct fetch_request *request, struct frame *frame, const json_t *needs)
{
  char *method = frame_get_text(frame);
  char *url = frame_get_text(frame);
  request->place = http_url_place(method, url);
  utf8_make_plain(request->place, strlen(request->place));
  request->failure = memory_text(grant_fault(url, needs));
  frame_put_text(&request->order, method);
  frame_put_text(&request->order, url);
  free(method);
  free(url);
}

/* From WORKER_HTTP to HTTP_FETCH, field by field. */
int fetch_request_read(struct fetch_request *request, struct frame *frame, const json_t *needs)
{
  struct buffer *out = &request->order;
  *request = (struct fetch_request){.call = frame_get_u32(frame)};
  frame_get_i64(frame); /* job: a worker runs one at a time */
  request->order_place = frame_begin(out, HTTP_FETCH);
  read_target(request, frame, needs);
  copy_texts(frame, out); /* headers */
  frame_put_u8(out, frame_get_u8(frame));
  copy_bytes(frame, out); /* body */
  put_servers(out, needs);
  copy_bytes(frame, out); /* sha256 */
  copy_bytes(frame, out); /* ca */
  int64_t max_bytes = frame_get_i64(frame);
  request->timeout_ms = frame_get_i64(frame);
  request->has_file = frame_get_u8(frame);
  frame_put_i64(out, max_bytes);
  frame_put_u8(out, request->has_file);
  frame_put_i64(out, CONNECT_MS);
  frame_put_i64(out, SILENCE_S);
  frame_put_i64(out, request->timeout_ms);
  bool is_bounded = max_bytes >= 0 && (request->has_file || max_bytes <= BODY_MAX_BYTES);
  bool ends = request->timeout_ms >= 0 && request->timeout_ms <= TIMEOUT_MAX_MS;
  return frame->bad || !is_bounded || !ends ? -EPROTO : 0;
}

void fetch_request_complete(struct fetch_request *request, int64_t left_ms)
{
  frame_put_i64(&request->order, !request->timeout_ms ? 0 : left_ms > 0 ? left_ms : 1);
  frame_end(&request->order, request->order_place);
}

void fetch_request_clear(struct fetch_request *request)
{
  free(request->place);
  free(request->failure);
  buffer_clear(&request->order);
  *request = (struct fetch_request){0};
}

#include "http/fetch_order.h"

#include "base/http_frames.h"
#include "base/http_text.h"
#include "base/http_url.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { LIST_MAX = 4096, SHA256_DIGITS = 64 };

static char **read_texts(struct frame *frame)
{
  uint32_t count = frame_get_u32(frame);
  if (count > LIST_MAX) {
    frame->bad = true;
    count = 0;
  }
  char **texts = memory_zeroed(count + 1, sizeof *texts);
  for (uint32_t i = 0; i < count; i++)
    texts[i] = frame_get_text(frame);
  return texts;
}

static void free_texts(char **texts)
{
  for (char **text = texts; text && *text; text++)
    free(*text);
  free(texts);
}

static const char *header_fault(const char *header)
{
  const char *colon = strstr(header, ": ");
  if (!colon)
    return "a header without a colon";
  return http_text_header_fault(header, (size_t)(colon - header), colon + 2, strlen(colon + 2));
}

static const char *check(const struct fetch_order *order)
{
  struct http_url url;
  const char *fault = http_url_read(order->url, &url);
  for (char **header = order->headers; !fault && *header; header++)
    fault = header_fault(*header);
  if (fault)
    return fault;
  if (!http_text_is_method(order->method))
    return "no method of HTTP";
  if (*order->sha256 && strspn(order->sha256, "0123456789abcdef") != SHA256_DIGITS)
    return "no sha256";
  return fetch_order_allows(order, &url) ? NULL : "its server is not in needs.net";
}

const char *fetch_order_read(struct fetch_order *order, struct frame *frame)
{
  *order = (struct fetch_order){.method = frame_get_text(frame), .url = frame_get_text(frame)};
  order->headers = read_texts(frame);
  order->has_body = frame_get_u8(frame);
  const char *body = frame_get_bytes(frame, &order->body_bytes);
  order->body = memory_copied(body, order->body_bytes);
  order->is_narrowed = frame_get_u8(frame);
  order->servers = read_texts(frame);
  order->sha256 = frame_get_text(frame);
  order->ca = frame_get_text(frame);
  order->max_bytes = frame_get_i64(frame);
  order->to_file = frame_get_u8(frame);
  order->connect_ms = frame_get_i64(frame);
  order->silence_s = frame_get_i64(frame);
  order->timeout_ms = frame_get_i64(frame);
  order->total_ms = frame_get_i64(frame);
  if (frame->bad || frame->kind != HTTP_FETCH)
    return "a frame that is not of this version";
  return check(order);
}

void fetch_order_clear(struct fetch_order *order)
{
  free(order->method);
  free(order->url);
  free_texts(order->headers);
  free(order->body);
  free_texts(order->servers);
  free(order->sha256);
  free(order->ca);
  *order = (struct fetch_order){0};
}

bool fetch_order_allows(const struct fetch_order *order, const struct http_url *url)
{
  bool is_named = !order->is_narrowed;
  for (char **entry = order->servers; !is_named && *entry; entry++)
    is_named = http_url_is_named(url, *entry);
  return is_named;
}

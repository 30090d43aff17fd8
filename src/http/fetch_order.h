/* What `kaalua-http fetch` is asked for: the HTTP_FETCH frame (base/http_frames.h), read and
 * checked. It comes from a worker, by way of the host, and is not believed. */
#ifndef KAALUA_HTTP_FETCH_ORDER_H
#define KAALUA_HTTP_FETCH_ORDER_H

#include "base/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fetch_order {
  char *method, *url;
  char **headers; /* "Name: value", NULL ends */
  bool has_body;
  char *body;
  size_t body_bytes;
  bool is_narrowed;
  char **servers; /* entries of needs.net, NULL ends */
  char *sha256;   /* "" for any */
  char *ca;       /* "" for the system's authorities */
  int64_t max_bytes;
  bool to_file;
  int64_t connect_ms, silence_s, timeout_ms, total_ms;
};

/* Fills `order`, copies. Returns NULL, or why it is none: a borrowed text. The order is to be
 * cleared in either case. */
const char *fetch_order_read(struct fetch_order *order, struct frame *frame);

void fetch_order_clear(struct fetch_order *order);

/* Whether this server may be asked. */
struct http_url;
bool fetch_order_allows(const struct fetch_order *order, const struct http_url *url);

#endif

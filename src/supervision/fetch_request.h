/* What a worker asks for with a WORKER_HTTP frame, checked against its handler's grant and
 * written anew for kaalua-http. */
#ifndef KAALUA_SUPERVISION_FETCH_REQUEST_H
#define KAALUA_SUPERVISION_FETCH_REQUEST_H

#include "base/frame.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct fetch_request {
  uint32_t call;
  char *place;    /* "GET https://host/path", for messages */
  char *failure;  /* why it is not granted, or NULL */
  bool has_file;  /* one was handed over */
  int64_t timeout_ms; /* 0: none */
  struct buffer order; /* HTTP_FETCH but for its last field */
  size_t order_place;
};

/* Fills `request`, to be cleared in either case. `needs` is the contract's: its "net" is true or
 * a list (base/http_url.h). Returns -EPROTO for a frame that makes no sense, else 0. */
int fetch_request_read(struct fetch_request *request, struct frame *frame, const json_t *needs);

/* Completes the order with what is left of its time; it is in `request->order`. */
void fetch_request_complete(struct fetch_request *request, int64_t left_ms);

void fetch_request_clear(struct fetch_request *request);

#endif

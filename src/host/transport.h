/* How the core's messages reach the platform and what comes back, whatever the
 * wire. One implementation a wire; everything on the loop's thread. */
#ifndef KAALUA_HOST_TRANSPORT_H
#define KAALUA_HOST_TRANSPORT_H

#include "base/error.h"
#include "core/core.h"
#include "host/config.h"
#include "host/state.h"
#include "io/loop.h"

#include <stddef.h>
#include <stdint.h>

/* What a transport tells. All texts are borrowed for the call. */
struct transport_events {
  void *context;
  void (*connected)(void *context);
  void (*disconnected)(void *context);
  /* Why there is no connection, one line: before `disconnected`, and when an attempt has
   * failed for another reason than the one before. */
  void (*failed)(void *context, const char *why);
  void (*writable)(void *context);
  /* The peer has the message with this id. */
  void (*published)(void *context, uint32_t request_id);
  /* Commands, pushed or asked for. */
  void (*commands)(void *context, const char *endpoint, const char *type, uint32_t request_id,
                   const char *text, size_t size);
  /* Right before `answered` with an error: the platform asks to wait (core_hold). */
  void (*hold)(void *context, enum core_message kind, uint32_t request_id, int64_t wait_ms);
  /* The platform's answer; `status` 0 for success. */
  void (*answered)(void *context, enum core_message kind, const char *endpoint, const char *type,
                   uint32_t request_id, int status, const char *reason);
};

struct transport {
  void *context;
  /* As core_ports.send. */
  int (*send)(void *context, enum core_message kind, const char *endpoint, const char *type,
              uint32_t request_id, const char *body, size_t size);
  /* Sends what was taken, closes, frees. Waits at most `patience_ms`. */
  void (*close)(void *context, int64_t patience_ms);
};

/* MQTT (host/mqtt_transport.c). Returns 0 and fills `transport`, or a negative
 * errno with `error`. Logs each change of the connection's state. Config, state
 * and loop outlive it. */
int mqtt_transport_open(struct transport *transport, struct loop *loop, const struct config *config,
                        const struct state *state, const struct transport_events *events,
                        struct error *error);

/* HTTP, through the process kaalua-http (host/http_transport.c). The same. It
 * counts as connected while requests are answered, with whatever status, and tells
 * `connected` once before the first one, for the core to send it; it is
 * disconnected where no connection can be made, or three requests that began after
 * the last answer have none. Each message that send() took is answered, or `disconnected` is
 * told. A 2xx answer to a result confirms it; other statuses are told as they
 * are, no answer as 504. A 503 with Retry-After speaks for the platform: nothing is
 * sent until then; another error with it holds what was asked (at most 300 s). */
int http_transport_open(struct transport *transport, const struct workplace *workplace,
                        const struct config *config, const struct transport_events *events,
                        struct error *error);

#endif

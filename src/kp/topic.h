/* 1/KP paths as MQTT topics (Kaa RFC 1/KP, 11/CEP, 2/DCP, 10/EPMP):
 *
 *   kp1/<app version>/<extension instance>/<token>/<path>[/<request id>][/status|/error]
 *
 * Pure. A type is matched whole: RESET never catches RESET_ALL. */
#ifndef KAALUA_KP_TOPIC_H
#define KAALUA_KP_TOPIC_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Instance names of the extensions; configuration. All borrowed. */
struct topic_scheme {
  const char *app_version;
  const char *cex; /* 11/CEP, commands */
  const char *dcx; /* 2/DCP, telemetry */
  const char *epmx; /* 10/EPMP, metadata */
};

enum topic_kind {
  TOPIC_COMMAND,   /* cex …/command/<type> */
  TOPIC_RESULT,    /* cex …/result/<type> */
  TOPIC_TELEMETRY, /* dcx …/json */
  TOPIC_METADATA,  /* epmx …/update/keys */
};

/* Appends the topic of a request. `type` is NULL for telemetry and metadata;
 * `request_id` 0 leaves it out. */
void topic_write(struct buffer *out, const struct topic_scheme *scheme, enum topic_kind kind,
                 const char *token, const char *type, uint32_t request_id);

struct topic_response {
  enum topic_kind kind;
  const char *token; /* borrowed from the topic, not NUL-terminated */
  size_t token_bytes;
  const char *type; /* likewise; NULL for telemetry and metadata */
  size_t type_bytes;
  uint32_t request_id; /* 0: none */
  bool is_error;       /* …/error, else …/status */
};

/* Reads the topic of a response or a push; returns false for any other topic,
 * our own requests echoed by a plain broker among them. A level of digits alone is
 * the request id; one over INT32_MAX (1/KP) makes the topic another's. */
bool topic_read(const struct topic_scheme *scheme, const char *topic,
                struct topic_response *response);

enum { TOPIC_FILTERS = 12 };

/* Appends the n-th (from 0) of the filters that an endpoint's responses need. */
void topic_filter(struct buffer *out, const struct topic_scheme *scheme, const char *token, int n);

#endif

/* Words for the end of a connection, for a technician who reads them in the log. */
#ifndef KAALUA_IO_MQTT_REASON_H
#define KAALUA_IO_MQTT_REASON_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum mqtt_phase {
  MQTT_PHASE_OPENING,     /* name lookup, TCP connect */
  MQTT_PHASE_HANDSHAKE,   /* TLS handshake */
  MQTT_PHASE_CONNACK,     /* CONNECT is sent, its answer awaited */
  MQTT_PHASE_SUBSCRIBING, /* connected */
  MQTT_PHASE_READY,
};

struct mqtt_failure {
  enum mqtt_phase phase;
  int rc;             /* of libmosquitto; 0: a deadline has passed */
  int system_error;   /* errno right after */
  int connack;        /* return code of CONNACK (MQTT 3.1.1, 3.2.2.3), 0 where there was none */
  const char *tls;    /* tls_refusal(), or "" */
  bool expects_tls;   /* the URL says mqtts */
  bool has_certificate; /* of the client */
  const char *host;
  int port;
  int keepalive_s;
  int64_t waited_ms;
};

/* Fills `error` and returns its code: -ECONNREFUSED where CONNACK refused, -ETIMEDOUT,
 * -EPROTO, or -EIO. */
int mqtt_reason(struct error *error, const struct mqtt_failure *failure);

#endif

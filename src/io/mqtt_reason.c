#include "io/mqtt_reason.h"

#include <errno.h>
#include <mosquitto.h>
#include <netdb.h>
#include <string.h>

static const char *connack_words(int code)
{
  switch (code) {
  case 1:
    return "it does not accept MQTT 3.1.1";
  case 2:
    return "client identifier rejected";
  case 3:
    return "server unavailable";
  case 4:
    return "bad user name or password";
  case 5:
    return "not authorized";
  default:
    return "unknown reason";
  }
}

static int lookup(struct error *error, const struct mqtt_failure *failure)
{
  switch (failure->system_error) {
  case EAI_NONAME:
#ifdef EAI_NODATA
  case EAI_NODATA:
#endif
    return error_set(error, -EIO, "no such host %s", failure->host);
  case EAI_AGAIN:
    return error_set(error, -EIO, "name lookup of %s failed: no name server answers",
                     failure->host);
  default:
    return error_set(error, -EIO, "name lookup of %s failed: %s", failure->host,
                     gai_strerror(failure->system_error));
  }
}

static int opening(struct error *error, const struct mqtt_failure *failure)
{
  const char *host = failure->host;
  int port = failure->port;
  switch (failure->system_error) {
  case EINTR:
  case ETIMEDOUT:
    return error_set(error, -ETIMEDOUT, "no answer from %s port %d within %lld s", host, port,
                     (long long)((failure->waited_ms + 500) / 1000));
  case ECONNREFUSED:
    return error_set(error, -EIO, "connection refused by %s port %d", host, port);
  case ECONNRESET:
  case EPIPE:
    return error_set(error, -EIO, "%s port %d closed the connection at once", host, port);
  default:
    return error_set(error, -EIO, "cannot connect to %s port %d: %s", host, port,
                     failure->system_error ? strerror(failure->system_error)
                                           : mosquitto_strerror(failure->rc));
  }
}

static int timed_out(struct error *error, const struct mqtt_failure *failure)
{
  long long seconds = (long long)((failure->waited_ms + 500) / 1000);
  if (failure->phase == MQTT_PHASE_HANDSHAKE)
    return error_set(error, -ETIMEDOUT,
                     "no TLS handshake within %lld s (the broker may not speak TLS here)", seconds);
  return error_set(error, -ETIMEDOUT, "no answer to CONNECT within %lld s%s", seconds,
                   failure->expects_tls ? "" : " (the broker may expect TLS: mqtts://)");
}

static int before_connack(struct error *error, const struct mqtt_failure *failure)
{
  if (failure->phase == MQTT_PHASE_HANDSHAKE)
    return error_set(error, -EPROTO, "the broker closed the connection during the TLS handshake "
                                     "(it may not speak TLS here)");
  if (failure->rc == MOSQ_ERR_PROTOCOL || failure->rc == MOSQ_ERR_MALFORMED_PACKET)
    return error_set(error, -EPROTO, "what answers at %s port %d is no MQTT broker%s",
                     failure->host, failure->port,
                     failure->expects_tls ? "" : ", or expects TLS (mqtts://)");
  return error_set(error, -EIO,
                   "the broker closed the connection without an answer to CONNECT (it may %s)",
                   !failure->expects_tls      ? "expect TLS: mqtts://"
                   : failure->has_certificate ? "not accept the client certificate"
                                              : "want a client certificate");
}

static int connected(struct error *error, const struct mqtt_failure *failure)
{
  switch (failure->rc) {
  case MOSQ_ERR_CONN_LOST:
    return error_set(error, -EIO, "the broker closed the connection");
  case MOSQ_ERR_KEEPALIVE:
    return error_set(error, -ETIMEDOUT, "no answer from the broker to a ping within %d s",
                     failure->keepalive_s);
  case MOSQ_ERR_PROTOCOL:
  case MOSQ_ERR_MALFORMED_PACKET:
  case MOSQ_ERR_NOT_FOUND:
  case MOSQ_ERR_MALFORMED_UTF8:
    return error_set(error, -EPROTO, "the broker broke the MQTT protocol (%s)",
                     mosquitto_strerror(failure->rc));
  case MOSQ_ERR_ERRNO:
    if (failure->system_error && failure->system_error != EPROTO)
      return error_set(error, -EIO, "connection lost: %s", strerror(failure->system_error));
    return error_set(error, -EIO, "connection lost");
  default:
    return error_set(error, -EIO, "connection lost: %s", mosquitto_strerror(failure->rc));
  }
}

int mqtt_reason(struct error *error, const struct mqtt_failure *failure)
{
  if (failure->connack)
    return error_set(error, -ECONNREFUSED, "the broker refuses: %s (CONNACK %d)",
                     connack_words(failure->connack), failure->connack);
  if (*failure->tls)
    return error_set(error, -EPROTO, "%s", failure->tls);
  if (failure->rc == MOSQ_ERR_NOMEM)
    return error_set(error, -ENOMEM, "out of memory");
  if (failure->rc == MOSQ_ERR_EAI)
    return lookup(error, failure);
  if (failure->rc == 0)
    return timed_out(error, failure);
  if (failure->phase == MQTT_PHASE_OPENING)
    return opening(error, failure);
  if (failure->phase < MQTT_PHASE_SUBSCRIBING)
    return before_connack(error, failure);
  return connected(error, failure);
}

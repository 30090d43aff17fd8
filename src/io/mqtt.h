/* An MQTT 3.1.1 connection that is kept up for ever, on a thread of its own
 * that alone touches libmosquitto. Everything here is called from the thread
 * that started it (the loop's), except the two callbacks named below.
 *
 * What arrives waits in a bounded queue: the thread calls `notify` (on its own
 * thread: it may only wake the loop up), the loop then takes events with
 * mqtt_next_event() until there is none. While 1,024 events or 4 MB wait the
 * thread does not read; what one read of the library holds may go above.
 *
 * A connection is made with a fresh library client each time, so that nothing
 * is resent behind the core's back, and files (authorities, certificate, key,
 * password) are read anew; back-off after a failure 1, 2, 4 … 60 s ± 20 %, begun
 * anew after a connection that stood for 10 s. A TCP connect to one address or a
 * handshake that hangs is given up after 20 s; a name lookup has the limits of
 * the system's resolver.
 *
 * The thread interrupts its own connect() by SIGRTMIN+1, for which mqtt_start()
 * sets an empty handler; it has all other signals blocked, SIGPIPE too.
 * libmosquitto opens its sockets without FD_CLOEXEC: whoever starts processes
 * closes all descriptors that these do not need. */
#ifndef KAALUA_IO_MQTT_H
#define KAALUA_IO_MQTT_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mqtt;

enum { MQTT_MAX_PAYLOAD_BYTES = 16 * 1024 * 1024 }; /* what is larger is dropped, and logged */

struct mqtt_options {
  const char *host;
  int port;
  bool tls;             /* mqtts */
  const char *ca_file;  /* NULL: the system's authorities */
  const char *cert_file; /* client certificate and key, or NULL */
  const char *key_file;
  const char *username; /* or NULL */
  const char *password_file; /* or NULL; read anew at each connect, a last newline is ignored */
  const char *client_id;
  int keepalive_s; /* 0: 60; at least 5 */
  uint64_t seed;   /* of the back-off's jitter */
  int64_t attempt_ms;     /* 0: 20,000; for a TCP connect, and for a handshake */
  int64_t first_retry_ms; /* 0: 1,000 */
  int64_t max_retry_ms;   /* 0: 60,000 */
  /* Appends the n-th topic filter to subscribe to at each connect and returns
   * true, or returns false past the last. Called on the MQTT thread. */
  bool (*filter)(void *context, size_t n, struct buffer *out);
  /* There are events, or room again after -EAGAIN. Called on the MQTT thread. */
  void (*notify)(void *context);
  void *context;
};

enum mqtt_event_kind {
  MQTT_CONNECTED,    /* connected, and all subscriptions answered or, after 5 s, given up */
  MQTT_DISCONNECTED, /* a connection that stood has ended; `text` says why */
  MQTT_FAILED,       /* an attempt failed; `text` says why. One for each change of the reason */
  MQTT_MESSAGE,      /* topic and payload; retained ones are never given out. May come before
                        CONNECTED, while subscriptions are being answered */
  MQTT_PUBLISHED,    /* PUBACK; `cookie` as given to mqtt_publish. Never of an earlier connection */
  MQTT_SUBSCRIPTION_REFUSED, /* `text` is the filter; not fatal */
  MQTT_WRITABLE,     /* room again after mqtt_publish returned -EAGAIN */
};

struct mqtt_event {
  enum mqtt_event_kind kind;
  char *text;    /* owned by the event; topic for MESSAGE */
  char *payload; /* owned; NUL-terminated behind payload_bytes; NULL unless MESSAGE */
  size_t payload_bytes;
  uint32_t cookie;
  int64_t retry_in_ms; /* DISCONNECTED, FAILED: until the next attempt */
};

/* Checks the options (files that cannot be read, a certificate without its key)
 * and starts the thread. Returns owned, or NULL with `error`. Copies the texts. */
struct mqtt *mqtt_start(const struct mqtt_options *options, struct error *error);

/* Publishes at QoS 1, not retained. Copies. Returns 0; -ENOTCONN from the event that
 * ends a connection to the CONNECTED of the next, as the caller has taken them, and
 * where the connection is down already; -EAGAIN where 200 messages or 8 MB are on
 * their way; -EINVAL for a topic that cannot be published to, or over 16 MB.
 * Messages not PUBLISHED when the connection ends are dropped. */
int mqtt_publish(struct mqtt *mqtt, const char *topic, const void *payload, size_t size,
                 uint32_t cookie);

/* Takes the next event; returns false where there is none. */
bool mqtt_next_event(struct mqtt *mqtt, struct mqtt_event *event);
void mqtt_event_clear(struct mqtt_event *event);

/* Sends what mqtt_publish took and waits for its PUBACKs, says DISCONNECT, ends the
 * thread and frees all, events not taken among it. Waits at most `patience_ms`; a
 * thread that is stuck in a name lookup is left behind: it calls nothing of the
 * options any more and frees its memory should the lookup end. Takes NULL. */
void mqtt_stop(struct mqtt *mqtt, int64_t patience_ms);

#endif

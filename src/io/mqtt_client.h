/* One attempt at an MQTT connection, from the name lookup to its end: a fresh
 * libmosquitto client, driven by the caller's poll loop. This and mqtt_reason.c are
 * the only places with mosquitto.h. Used by the MQTT thread alone.
 *
 *   mqtt_client_create
 *   mqtt_client_open            blocks: lookup, TCP connect
 *   then in turns: poll {mqtt_client_fd, mqtt_client_events, mqtt_client_timeout_ms},
 *                  mqtt_client_turn, mqtt_client_publish
 *   mqtt_client_destroy
 *
 * A function that fails has ended the connection; destroy follows. */
#ifndef KAALUA_IO_MQTT_CLIENT_H
#define KAALUA_IO_MQTT_CLIENT_H

#include "io/mqtt.h"

struct mqtt_client;

/* Called from mqtt_client_turn(). */
struct mqtt_client_ports {
  void *context;
  bool (*filter)(void *context, size_t n, struct buffer *out); /* as in mqtt_options */
  void (*ready)(void *context);                                /* connected and subscribed */
  void (*refused)(void *context, const char *filter);
  void (*message)(void *context, const char *topic, const void *payload, size_t size);
  void (*published)(void *context, uint32_t cookie, size_t payload_bytes);
};

/* Reads the password and the TLS files. Borrows the options, copies the ports. Returns
 * owned, or NULL with `error`. */
struct mqtt_client *mqtt_client_create(const struct mqtt_options *options,
                                       const struct mqtt_client_ports *ports, struct error *error);
void mqtt_client_destroy(struct mqtt_client *client);

/* Looks the host up and connects to its addresses in turn. A connect() that hangs
 * waits until a signal interrupts it, then the next address is tried. */
int mqtt_client_open(struct mqtt_client *client, struct error *error);

/* What to poll for; 0: the socket is left out. */
int mqtt_client_fd(const struct mqtt_client *client);
short mqtt_client_events(const struct mqtt_client *client, bool may_read);

/* How long poll() may wait, at most one second. */
int mqtt_client_timeout_ms(const struct mqtt_client *client, bool may_read, int64_t now_ms);

/* Reads, writes and does what is due; `events` is what poll() said of the socket. */
int mqtt_client_turn(struct mqtt_client *client, short events, bool may_read, int64_t now_ms,
                     struct error *error);

/* Hands a message over at QoS 1; at most 200 may be without PUBACK. */
int mqtt_client_publish(struct mqtt_client *client, const char *topic, const void *payload,
                        size_t size, uint32_t cookie, struct error *error);

/* Whether everything was written and every message has its PUBACK. */
bool mqtt_client_is_settled(const struct mqtt_client *client);

/* Says DISCONNECT, if the socket takes it at once. */
void mqtt_client_say_goodbye(struct mqtt_client *client);

/* Whether mqtt_publish() can carry this topic. */
bool mqtt_client_is_topic(const char *topic);

/* The library's own set-up and clean-up; once for each mqtt_start and mqtt_stop. */
void mqtt_client_begin_library(void);
void mqtt_client_end_library(void);

#endif

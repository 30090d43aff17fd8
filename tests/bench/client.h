/* What the bench's two MQTT clients share: a connection to the broker on this machine
 * with a poll loop of their own, TCP_NODELAY and a window of 1,000 messages. A failure ends
 * the program. */
#ifndef KAALUA_TESTS_BENCH_CLIENT_H
#define KAALUA_TESTS_BENCH_CLIENT_H

#include <mosquitto.h>
#include <stddef.h>

#define CLIENT_PREFIX "kp1/bench-v1/cex/"

typedef void client_message(void *context, const struct mosquitto_message *message);

struct client {
  struct mosquitto *library;
  void *context;
  client_message *message;
  int missing; /* subscriptions that are not granted yet */
};

/* Connects and subscribes; prints "ready" once all is granted. The struct stays where it is. */
void client_open(struct client *client, const char *port, const char *const *filters, size_t count,
                 client_message *message, void *context);
void client_publish(struct client *client, const char *topic, const char *body, size_t size);

/* Serves the connection until standard input has something or `wait_ms` are over;
 * returns whether it has. */
int client_serve(struct client *client, int wait_ms);
void client_close(struct client *client);

_Noreturn void client_fail(const char *what, const char *why);

#endif

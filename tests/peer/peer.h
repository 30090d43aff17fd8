/* The parts of the peer: peer.c connects and prints events, commands.c reads the
 * commands, platform.c answers as the Kaa platform does. peer.c holds the manual. */
#ifndef KAALUA_TESTS_PEER_H
#define KAALUA_TESTS_PEER_H

#include "base/buffer.h"

#include <mosquitto.h>
#include <stdbool.h>
#include <stddef.h>

struct subscription {
  char *filter;
  int mid; /* of the last SUBSCRIBE */
};

struct burst {
  size_t count, missing; /* messages, and those without PUBACK */
};

struct flight {
  unsigned number;     /* of the "pub", or 0 */
  struct burst *burst; /* or NULL */
};

struct peer {
  struct mosquitto *library;
  bool is_connected, is_away, is_over, is_quiet, has_said_why;
  struct buffer input;
  struct subscription *subscriptions;
  size_t subscription_count;
  unsigned published; /* so far */
  struct flight flights[65536]; /* by packet id */

  /* the platform's part */
  bool confirms, replies, takes_telemetry;
  int refusal; /* status code, or 0 */
  char refusal_reason[256];
  size_t message_count, result_count;
};

/* Prints one line. */
void peer_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

void peer_subscribe(struct peer *peer, const char *filter);
void peer_unsubscribe(struct peer *peer, const char *filter);

struct publishing {
  bool is_qos0, is_retained;
  unsigned number;     /* 0: its PUBACK is not told */
  struct burst *burst; /* or NULL */
};

void peer_publish(struct peer *peer, const char *topic, const void *bytes, size_t size,
                  const struct publishing *how);

/* Carries out the next command if all of it is there; returns whether it was. */
bool commands_next(struct peer *peer);

/* Switches "confirm", "replies" or "telemetry"; returns false for another name. */
bool platform_switch(struct peer *peer, const char *name, bool is_on);

/* Counts a message and answers it where it is to be answered. */
void platform_answer(struct peer *peer, const char *topic, const char *payload);

#endif

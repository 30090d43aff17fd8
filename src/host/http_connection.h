/* Whether the platform answers over HTTP: what counts as connected, when what is
 * away is tried again, and when nothing may be sent. It sends nothing itself. On
 * the loop's thread.
 *
 *   http_connection_create → http_connection_begin → port connected: messages are
 *   sent while http_connection_is_open(); each ends as http_connection_answered or
 *   http_connection_failed → http_connection_destroy
 *
 * It counts as connected while requests are answered, with whatever status, and
 * `connected` is told once before the first one. Disconnected it is where no
 * connection can be made, or three requests have no answer that all began after the
 * last one that was answered: what hangs beside others that are answered is the
 * trouble of its own endpoint. Then one poll is sent, again and again (5 s, doubling
 * up to 300 s, ± 20 %), until any request is answered: in turn one of the polls that
 * were answered last, or, until one was, of the first that were sent. */
#ifndef KAALUA_HOST_HTTP_CONNECTION_H
#define KAALUA_HOST_HTTP_CONNECTION_H

#include "base/error.h"
#include "io/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct http_connection_ports {
  void *context;
  void (*connected)(void *context);
  void (*disconnected)(void *context);
  /* Why it is down, each time that a try has failed; right before `disconnected`, if told. */
  void (*failed)(void *context, const char *why);
  /* A hold is over. */
  void (*open)(void *context);
  /* Sends this poll, after which answered or failed is called; NULL: none was sent
   * yet, only makes sure that one could be. Returns 0, or a negative errno with
   * `error`. */
  int (*probe)(void *context, const char *endpoint, const char *type, struct error *error);
};

struct http_connection;

/* Returns owned. Loop and url, which is only told in the log, outlive it. */
struct http_connection *http_connection_create(struct loop *loop, const char *url,
                                               const struct http_connection_ports *ports);

/* Tells `connected` from the loop. */
void http_connection_begin(struct http_connection *connection);

bool http_connection_is_down(const struct http_connection *connection);

/* Whether messages may be sent: it is not down, and nothing is held. */
bool http_connection_is_open(const struct http_connection *connection);

/* A poll was sent for the core, or answered. Copies. */
void http_connection_poll_sent(struct http_connection *connection, const char *endpoint,
                               const char *type);
void http_connection_poll_answered(struct http_connection *connection, const char *endpoint,
                                   const char *type);

/* The platform answered a request. */
void http_connection_answered(struct http_connection *connection);

/* How many requests were answered so far. */
uint64_t http_connection_answers(const struct http_connection *connection);

struct http_failure {
  const char *why;
  uint64_t answers; /* http_connection_answers() when it began */
  bool is_probe;
  bool is_unreachable; /* no connection could be made */
};

/* A request has no answer. Returns whether the connection stands all the same, so
 * that the request alone failed; else `disconnected` was told. */
bool http_connection_failed(struct http_connection *connection, const struct http_failure *failure);

/* Nothing can be sent, and what was under way is gone. */
void http_connection_lost(struct http_connection *connection, const char *why);

/* The platform as a whole asks to wait: nothing more is sent for so long. */
void http_connection_hold(struct http_connection *connection, int64_t wait_ms);

void http_connection_destroy(struct http_connection *connection); /* NULL is fine */

#endif

/* The process kaalua-http, as the host has it: requests go in, answers come out
 * (base/http_frames.h). On the loop's thread. */
#ifndef KAALUA_HOST_HTTP_HELPER_H
#define KAALUA_HOST_HTTP_HELPER_H

#include "base/error.h"
#include "host/config.h"
#include "supervision/workplace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_HELPER_MAX = 8 }; /* requests under way */

struct http_helper_limits {
  int64_t connect_ms, silence_s, total_ms, max_body; /* of a request, as in HTTP_SETUP */
  int64_t grace_ms; /* behind total_ms: a process that has not answered by then hangs */
};

/* As HTTP_ANSWER. Borrowed for the call. */
struct http_answer {
  uint32_t number;
  int status; /* 0: none */
  bool is_unreachable;
  int64_t retry_after_s;
  const char *note;
  const char *body; /* not NUL-terminated */
  size_t body_bytes;
};

struct http_helper_ports {
  void *context;
  void (*answered)(void *context, const struct http_answer *answer);
  /* The process is gone, or hung and was ended, and with it every request that was not
   * answered. http_helper_start() starts another. */
  void (*lost)(void *context, const char *why);
};

struct http_helper;

/* Returns owned; nothing runs yet. Workplace and config outlive it; copies the rest. */
struct http_helper *http_helper_create(const struct workplace *workplace,
                                       const struct config *config,
                                       const struct http_helper_limits *limits,
                                       const struct http_helper_ports *ports);

/* Whether the files that the configuration names can be read. Returns 0, or a
 * negative errno with `error`. */
int http_helper_check(const struct http_helper *helper, struct error *error);

/* Starts the process where none runs. Returns 0, or a negative errno with `error`. */
int http_helper_start(struct http_helper *helper, struct error *error);

/* POSTs; `path` as in HTTP_REQUEST, `number` not 0 and not under way. Returns 0, or
 * -EAGAIN where no process runs or HTTP_HELPER_MAX requests are under way. Copies. */
int http_helper_post(struct http_helper *helper, uint32_t number, const char *path,
                     const char *body, size_t size);

/* Ends the process; nothing is told any more. NULL is fine. */
void http_helper_destroy(struct http_helper *helper);

#endif

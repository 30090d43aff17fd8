/* The HTTP server (libmicrohttpd), driven by the program's own poll loop: everything runs
 * in one thread.
 *
 * A request is given to the handler when its body is there. The handler answers it with
 * http_answer(), at once or later: until then the connection rests. */
#ifndef KAA_LOCAL_HTTP_H
#define KAA_LOCAL_HTTP_H

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct http;
struct http_request;
struct http_stream;

typedef void http_handler(void *context, struct http_request *request);

/* Listens where listener_open() says. Returns 0 with `*http` owned, or a negative code. */
int http_start(const char *address, bool may_move, http_handler *handler, void *context,
               struct http **http, struct error *error);

/* Ends all connections; requests and streams are gone afterwards. */
void http_stop(struct http *http); /* NULL: nothing */

/* "http://127.0.0.1:8080", borrowed. */
const char *http_url(const struct http *http);

/* What to poll for reading, and for how long at most (milliseconds, -1: no limit). */
int http_fd(const struct http *http);
int http_wait_ms(const struct http *http);

/* Does what there is to do, without waiting. To be called in each turn of the loop. */
void http_turn(struct http *http);

/* Of a request; what is returned is borrowed. */
const char *http_method(const struct http_request *request);
const char *http_path(const struct http_request *request);
const char *http_header(const struct http_request *request, const char *name); /* or NULL */
const struct buffer *http_body(const struct http_request *request);

/* The body was over 1 MiB and is not kept. */
bool http_is_too_large(const struct http_request *request);

/* Gives the values of each query parameter of a name ("" for one without a value); returns
 * how many there are. */
size_t http_query(const struct http_request *request, const char *name,
                  void (*each)(void *context, const char *value), void *context);

/* The last value, or NULL. */
const char *http_query_one(const struct http_request *request, const char *name);

/* Adds a header to the answer; both are copied. At most 4. */
void http_add_header(struct http_request *request, const char *name, const char *value);

/* Answers; the request is gone afterwards. `body` is emptied; NULL or empty: no body. */
void http_answer(struct http_request *request, unsigned status, const char *type,
                 struct buffer *body);

/* The same with a body that outlives the server. */
void http_answer_static(struct http_request *request, unsigned status, const char *type,
                        const void *body, size_t size);

/* Closes the connection without an answer. */
void http_drop(struct http_request *request);

/* Answers with a body that grows. `closed` is called once, when the other side has gone (it
 * is noticed at the next write), or the server stops; the stream is gone after that. */
struct http_stream *http_stream(struct http_request *request, const char *type,
                                void (*closed)(void *context), void *context);

void http_stream_write(struct http_stream *stream, const char *text, size_t size);

#endif

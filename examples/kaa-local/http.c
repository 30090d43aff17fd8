#include "http.h"

#include "listener.h"

#include "base/memory.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  BODY_MAX_BYTES = 1024 * 1024,
  STREAM_MAX_BYTES = 1024 * 1024, /* that a reader may lag behind */
  IDLE_S = 90,
  MAX_HEADERS = 4,
};

struct http {
  struct MHD_Daemon *daemon;
  http_handler *handler;
  void *context;
  char *url;
  struct http_request *resting; /* doubly linked */
  struct http_stream *streams;
  bool has_resumed; /* a connection, which MHD_run() is to take up */
  bool is_stopping; /* no connection may be suspended any more */
};

enum stage { IS_ARRIVING, IS_HANDLED, IS_RESTING, IS_DECIDED };

struct http_request {
  struct http *http;
  struct http_request *next, *before; /* of http->resting */
  struct MHD_Connection *connection;
  char *method, *path;
  struct buffer body;
  bool is_too_large;
  enum stage stage;
  unsigned status;
  struct MHD_Response *response; /* NULL though decided: dropped */
  char *headers[MAX_HEADERS][2];
  size_t header_count;
};

struct http_stream {
  struct http *http;
  struct http_stream *next, *before;
  struct MHD_Connection *connection;
  struct buffer waiting;
  bool is_resting, is_ended;
  void (*closed)(void *context);
  void *context;
};

const char *http_method(const struct http_request *request)
{
  return request->method;
}

const char *http_path(const struct http_request *request)
{
  return request->path;
}

const struct buffer *http_body(const struct http_request *request)
{
  return &request->body;
}

bool http_is_too_large(const struct http_request *request)
{
  return request->is_too_large;
}

const char *http_header(const struct http_request *request, const char *name)
{
  return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

struct query {
  const char *name;
  void (*each)(void *context, const char *value);
  void *context;
  size_t count;
};

static enum MHD_Result take_value(void *context, enum MHD_ValueKind kind, const char *key,
                                  const char *value)
{
  (void)kind;
  struct query *query = context;
  if (strcmp(key, query->name) != 0)
    return MHD_YES;
  query->count++;
  query->each(query->context, value ? value : "");
  return MHD_YES;
}

size_t http_query(const struct http_request *request, const char *name,
                  void (*each)(void *context, const char *value), void *context)
{
  struct query query = {name, each, context, 0};
  MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, take_value, &query);
  return query.count;
}

static void keep_value(void *context, const char *value)
{
  *(const char **)context = value;
}

const char *http_query_one(const struct http_request *request, const char *name)
{
  const char *value = NULL;
  http_query(request, name, keep_value, &value);
  return value;
}

void http_add_header(struct http_request *request, const char *name, const char *value)
{
  if (request->header_count == MAX_HEADERS)
    return;
  char **header = request->headers[request->header_count++];
  header[0] = memory_text(name);
  header[1] = memory_text(value);
}

/* The answer of a resting request is given by MHD's next call of on_request(). */
static void decide(struct http_request *request, unsigned status, const char *type,
                   struct MHD_Response *response)
{
  request->status = status;
  request->response = response;
  if (response && type)
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
  for (size_t i = 0; response && i < request->header_count; i++)
    MHD_add_response_header(response, request->headers[i][0], request->headers[i][1]);
  bool was_resting = request->stage == IS_RESTING;
  request->stage = IS_DECIDED;
  if (!was_resting)
    return;
  *(request->before ? &request->before->next : &request->http->resting) = request->next;
  if (request->next)
    request->next->before = request->before;
  request->http->has_resumed = true;
  MHD_resume_connection(request->connection);
}

void http_answer(struct http_request *request, unsigned status, const char *type,
                 struct buffer *body)
{
  size_t size = body ? body->size_bytes : 0;
  decide(request, status, size ? type : NULL,
         MHD_create_response_from_buffer(size, size ? buffer_take(body) : "",
                                         size ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT));
}

void http_answer_static(struct http_request *request, unsigned status, const char *type,
                        const void *body, size_t size)
{
  decide(request, status, type,
         MHD_create_response_from_buffer(size, (void *)body, MHD_RESPMEM_PERSISTENT));
}

void http_drop(struct http_request *request)
{
  decide(request, 0, NULL, NULL);
}

static ssize_t read_stream(void *context, uint64_t position, char *out, size_t size)
{
  (void)position;
  struct http_stream *stream = context;
  if (stream->is_ended || stream->http->is_stopping)
    return MHD_CONTENT_READER_END_OF_STREAM;
  if (!stream->waiting.size_bytes) {
    stream->is_resting = true;
    MHD_suspend_connection(stream->connection);
    return 0;
  }
  size_t n = stream->waiting.size_bytes < size ? stream->waiting.size_bytes : size;
  memcpy(out, stream->waiting.data, n);
  buffer_drop_front(&stream->waiting, n);
  return (ssize_t)n;
}

static void free_stream(void *context)
{
  struct http_stream *stream = context;
  *(stream->before ? &stream->before->next : &stream->http->streams) = stream->next;
  if (stream->next)
    stream->next->before = stream->before;
  stream->closed(stream->context);
  buffer_clear(&stream->waiting);
  free(stream);
}

struct http_stream *http_stream(struct http_request *request, const char *type,
                                void (*closed)(void *context), void *context)
{
  struct http_stream *stream = memory_zeroed(1, sizeof *stream);
  *stream = (struct http_stream){.http = request->http, .next = request->http->streams,
                                 .connection = request->connection,
                                 .closed = closed, .context = context};
  if (stream->next)
    stream->next->before = stream;
  request->http->streams = stream;
  decide(request, MHD_HTTP_OK, type,
         MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16384, read_stream, stream,
                                           free_stream));
  return stream;
}

static void wake_stream(struct http_stream *stream)
{
  if (!stream->is_resting)
    return;
  stream->is_resting = false;
  stream->http->has_resumed = true;
  MHD_resume_connection(stream->connection);
}

void http_stream_write(struct http_stream *stream, const char *text, size_t size)
{
  /* A reader that lags is let go: it comes back and asks for all there is. */
  if (stream->waiting.size_bytes + size > STREAM_MAX_BYTES)
    stream->is_ended = true;
  else
    buffer_append(&stream->waiting, text, size);
  wake_stream(stream);
}

static struct http_request *create_request(struct http *http, struct MHD_Connection *connection,
                                           const char *method, const char *path)
{
  struct http_request *request = memory_zeroed(1, sizeof *request);
  request->http = http;
  request->connection = connection;
  request->method = memory_text(method);
  request->path = memory_text(path);
  return request;
}

static void take_body(struct http_request *request, const char *bytes, size_t size)
{
  request->is_too_large =
      request->is_too_large || request->body.size_bytes + size > BODY_MAX_BYTES;
  if (request->is_too_large)
    buffer_clear(&request->body);
  else
    buffer_append(&request->body, bytes, size);
}

static void rest(struct http_request *request)
{
  struct http *http = request->http;
  request->stage = IS_RESTING;
  request->next = http->resting;
  request->before = NULL;
  if (request->next)
    request->next->before = request;
  http->resting = request;
  MHD_suspend_connection(request->connection);
}

static enum MHD_Result give_answer(struct http_request *request)
{
  if (!request->response)
    return MHD_NO; /* closes the connection */
  enum MHD_Result result =
      MHD_queue_response(request->connection, request->status, request->response);
  MHD_destroy_response(request->response); /* the connection holds it now */
  request->response = NULL;
  return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *bytes, size_t *size, void **place)
{
  (void)version;
  struct http *http = context;
  struct http_request *request = *place;
  if (http->is_stopping)
    return MHD_NO;
  if (!request) { /* the head is there */
    *place = create_request(http, connection, method, path);
    return MHD_YES;
  }
  if (*size) {
    take_body(request, bytes, *size);
    *size = 0;
    return MHD_YES;
  }
  if (request->stage == IS_ARRIVING) {
    request->stage = IS_HANDLED;
    buffer_text(&request->body);
    http->handler(http->context, request);
    if (request->stage != IS_DECIDED) {
      rest(request);
      return MHD_YES;
    }
  }
  return request->stage == IS_DECIDED ? give_answer(request) : MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **place,
                         enum MHD_RequestTerminationCode code)
{
  (void)context;
  (void)connection;
  (void)code;
  struct http_request *request = *place;
  if (!request)
    return;
  if (request->response)
    MHD_destroy_response(request->response);
  for (size_t i = 0; i < request->header_count; i++) {
    free(request->headers[i][0]);
    free(request->headers[i][1]);
  }
  free(request->method);
  free(request->path);
  buffer_clear(&request->body);
  free(request);
  *place = NULL;
}

int http_start(const char *address, bool may_move, http_handler *handler, void *context,
               struct http **http, struct error *error)
{
  char *url = NULL;
  int fd = listener_open(address, may_move, &url, error);
  if (fd < 0)
    return fd;
  struct http *self = memory_zeroed(1, sizeof *self);
  *self = (struct http){.handler = handler, .context = context, .url = url};
  self->daemon = MHD_start_daemon(
      MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
      on_request, self, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_TIMEOUT,
      (unsigned)IDLE_S, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
  if (!self->daemon) {
    close(fd);
    free(url);
    free(self);
    return error_set(error, -EIO, "the HTTP server does not start");
  }
  *http = self;
  return 0;
}

void http_stop(struct http *http)
{
  if (!http)
    return;
  http->is_stopping = true;
  while (http->resting)
    http_drop(http->resting);
  for (struct http_stream *stream = http->streams; stream; stream = stream->next) {
    stream->is_ended = true;
    wake_stream(stream);
  }
  MHD_run(http->daemon); /* a suspended connection must not meet MHD_stop_daemon() */
  MHD_stop_daemon(http->daemon);
  free(http->url);
  free(http);
}

const char *http_url(const struct http *http)
{
  return http->url;
}

int http_fd(const struct http *http)
{
  return MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int http_wait_ms(const struct http *http)
{
  MHD_UNSIGNED_LONG_LONG wait_ms;
  if (http->has_resumed)
    return 0;
  if (MHD_get_timeout(http->daemon, &wait_ms) != MHD_YES)
    return -1;
  return wait_ms > 60000 ? 60000 : (int)wait_ms;
}

void http_turn(struct http *http)
{
  http->has_resumed = false;
  MHD_run(http->daemon);
}

#include "io/control.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "io/control_socket.h"
#include "io/uv_loop.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

enum { BACKLOG = 128, PATIENCE_MS = 10000, USAGE_STATUS = 2, TRY_AGAIN_STATUS = 75 };

struct connection {
  LIST_ENTRY(connection) link;
  struct control *control; /* NULL: it is being closed */
  uv_pipe_t pipe;
  uv_timer_t timer;
  int open_handles;
  struct buffer in;
  bool has_asked;
  bool is_ended; /* closed once all is written */
  struct control_request *request; /* while it is to be answered */
};

struct control_request {
  struct connection *connection; /* NULL: gone */
};

struct control {
  struct control_options options; /* without the path */
  struct loop *loop;
  struct control_socket socket;
  uv_pipe_t listener;
  LIST_HEAD(, connection) connections;
  size_t connection_count;
};

struct line {
  uv_write_t write;
  char bytes[];
};

/* ---- connections ---- */

static void on_handle_closed(uv_handle_t *handle)
{
  struct connection *connection = handle->data;
  if (--connection->open_handles)
    return;
  buffer_clear(&connection->in);
  free(connection);
}

static void cut(struct connection *connection)
{
  struct control *control = connection->control;
  if (!control)
    return;
  connection->control = NULL;
  control->connection_count--;
  LIST_REMOVE(connection, link);
  if (connection->request)
    connection->request->connection = NULL;
  connection->request = NULL;
  uv_close((uv_handle_t *)&connection->pipe, on_handle_closed);
  uv_close((uv_handle_t *)&connection->timer, on_handle_closed);
}

static void on_patience_over(uv_timer_t *timer);

static void be_patient(struct connection *connection)
{
  uv_update_time(connection->timer.loop);
  uv_timer_start(&connection->timer, on_patience_over,
                 (uint64_t)connection->control->options.patience_ms, 0);
}

static size_t unread_bytes(const struct connection *connection)
{
  return uv_stream_get_write_queue_size((const uv_stream_t *)&connection->pipe);
}

static void on_written(uv_write_t *write, int status)
{
  struct connection *connection = write->data;
  free(write); /* the first member of struct line */
  if (!connection->control)
    return;
  bool is_done = !unread_bytes(connection);
  if (status < 0 || (is_done && connection->is_ended))
    cut(connection);
  else if (is_done)
    uv_timer_stop(&connection->timer);
  else
    be_patient(connection);
}

static int send_line(struct connection *connection, const char *text, size_t size)
{
  if (unread_bytes(connection) + size + 1 > CONTROL_UNREAD_BYTES) {
    cut(connection);
    return -EPIPE;
  }
  struct line *line = memory_resized(NULL, sizeof *line + size + 1);
  memcpy(line->bytes, text, size);
  line->bytes[size] = '\n';
  line->write.data = connection;
  uv_buf_t bytes = uv_buf_init(line->bytes, (unsigned)size + 1);
  if (uv_write(&line->write, (uv_stream_t *)&connection->pipe, &bytes, 1, on_written) < 0) {
    free(line);
    cut(connection);
    return -EPIPE;
  }
  if (!uv_is_active((uv_handle_t *)&connection->timer))
    be_patient(connection);
  return 0;
}

static void refuse(struct connection *connection, int status, const char *text)
{
  const struct control_options *options = &connection->control->options;
  connection->has_asked = connection->is_ended = true;
  uv_read_stop((uv_stream_t *)&connection->pipe);
  char *line = options->refusal(options->context, status, text);
  be_patient(connection);
  send_line(connection, line, strlen(line));
  free(line);
}

static void on_patience_over(uv_timer_t *timer)
{
  struct connection *connection = timer->data;
  if (connection->has_asked)
    cut(connection);
  else
    refuse(connection, USAGE_STATUS, "no request came in time: a request is one line of JSON");
}

/* ---- requests ---- */

/* Both directions are shut down, not only the client's. */
static bool is_gone(const struct connection *connection)
{
  uv_os_fd_t fd;
  if (uv_fileno((const uv_handle_t *)&connection->pipe, &fd) < 0)
    return true;
  struct pollfd events = {.fd = fd};
  return poll(&events, 1, 0) > 0 && (events.revents & (POLLHUP | POLLERR));
}

static void take_request(struct connection *connection, size_t size)
{
  const struct control_options *options = &connection->control->options;
  connection->has_asked = true;
  uv_timer_stop(&connection->timer);
  struct control_request *request = memory_zeroed(1, sizeof *request);
  request->connection = connection;
  connection->request = request;
  connection->in.data[size] = '\0';
  char *line = buffer_take(&connection->in); /* the connection may end within */
  options->ask(options->context, request, line, size);
  free(line);
}

/* What follows the line is of no interest, but for its end; and a flood is cut off. */
static void take_bytes(struct connection *connection, const char *bytes, size_t size)
{
  size_t before = connection->in.size_bytes;
  if (before + size > CONTROL_REQUEST_BYTES) {
    if (connection->has_asked)
      cut(connection);
    else
      refuse(connection, USAGE_STATUS, "the request is longer than 64 kB");
    return;
  }
  buffer_append(&connection->in, bytes, size);
  char *end = connection->has_asked ? NULL : memchr(connection->in.data + before, '\n', size);
  if (end)
    take_request(connection, (size_t)(end - connection->in.data));
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room)
{
  (void)wanted;
  struct connection *connection = handle->data;
  *room = uv_buf_init(loop_scratch(connection->control->loop), LOOP_SCRATCH_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *bytes)
{
  struct connection *connection = stream->data;
  if (size > 0) {
    take_bytes(connection, bytes->base, (size_t)size);
  } else if (size < 0) {
    uv_read_stop(stream);
    if (size != UV_EOF || !connection->has_asked || is_gone(connection))
      cut(connection);
  }
}

/* ---- the listener ---- */

static void on_connection(uv_stream_t *listener, int status)
{
  struct control *control = listener->data;
  if (status < 0)
    return;
  struct connection *connection = memory_zeroed(1, sizeof *connection);
  connection->control = control;
  connection->open_handles = 2;
  uv_pipe_init(listener->loop, &connection->pipe, 0);
  uv_timer_init(listener->loop, &connection->timer);
  connection->pipe.data = connection->timer.data = connection;
  LIST_INSERT_HEAD(&control->connections, connection, link);
  bool is_too_many = ++control->connection_count > CONTROL_CONNECTIONS;
  if (uv_accept(listener, (uv_stream_t *)&connection->pipe) < 0) {
    cut(connection);
  } else if (is_too_many) {
    refuse(connection, TRY_AGAIN_STATUS, "too many ask at once, try again");
  } else {
    be_patient(connection);
    uv_read_start((uv_stream_t *)&connection->pipe, on_room, on_read);
  }
}

int control_open(struct control **control, struct loop *loop, const struct control_options *options,
                 struct error *error)
{
  struct control *made = memory_zeroed(1, sizeof *made);
  made->options = *options;
  made->options.path = NULL;
  made->loop = loop;
  if (!made->options.patience_ms)
    made->options.patience_ms = PATIENCE_MS;
  LIST_INIT(&made->connections);
  int rc = control_socket_bind(&made->socket, options->path, error);
  if (rc < 0) {
    if (made->socket.fd >= 0)
      close(made->socket.fd);
    control_socket_remove(&made->socket);
    free(made);
    return rc;
  }
  uv_pipe_init(loop_uv(loop), &made->listener, 0);
  made->listener.data = made;
  rc = uv_pipe_open(&made->listener, made->socket.fd);
  if (!rc)
    rc = uv_listen((uv_stream_t *)&made->listener, BACKLOG, on_connection);
  if (rc < 0) {
    error_set(error, rc, "%s: %s", options->path, uv_strerror(rc));
    control_close(made);
    return rc;
  }
  *control = made;
  return 0;
}

static void on_listener_closed(uv_handle_t *handle)
{
  free(handle->data);
}

void control_close(struct control *control)
{
  if (!control)
    return;
  struct connection *connection;
  while ((connection = LIST_FIRST(&control->connections)))
    cut(connection);
  control_socket_remove(&control->socket);
  uv_close((uv_handle_t *)&control->listener, on_listener_closed);
}

/* ---- answers ---- */

int control_tell(struct control_request *request, const char *line, size_t size)
{
  return request->connection ? send_line(request->connection, line, size) : -EPIPE;
}

void control_end(struct control_request *request)
{
  struct connection *connection = request->connection;
  free(request);
  if (!connection)
    return;
  connection->request = NULL;
  connection->is_ended = true;
  if (!unread_bytes(connection))
    cut(connection);
}

void control_answer(struct control_request *request, const char *line, size_t size)
{
  control_tell(request, line, size);
  control_end(request);
}

#include "link.h"

#include "link_frames.h"

#include "base/clock.h"
#include "base/frame.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <mosquitto.h>
#include <stdlib.h>
#include <string.h>

enum { KEEPALIVE_S = 60, ANSWER_MS = 1000 };

struct link {
  struct mosquitto *library;
  struct link_handlers handlers;
  char *client_id, *password;
  bool is_connected, is_ready;
};

static void send_frames(struct link *link, struct buffer *frames)
{
  mosquitto_publish(link->library, NULL, LINK_TO_PLUGIN, (int)frames->size_bytes, frames->data, 0,
                    false);
  buffer_clear(frames);
}

static void take_message(const struct link *link, struct frame *frame)
{
  uint64_t connection = (uint64_t)frame_get_i64(frame);
  int qos = frame_get_u8(frame);
  char *topic = frame_get_text(frame);
  size_t size;
  const char *payload = frame_get_bytes(frame, &size);
  if (!frame->bad)
    link->handlers.message(link->handlers.context, connection, qos, topic, payload, size);
  free(topic);
}

static void on_message(struct mosquitto *library, void *context,
                       const struct mosquitto_message *message)
{
  (void)library;
  struct link *link = context;
  struct frame_reader reader = {0};
  struct frame frame;
  frame_feed(&reader, message->payload, (size_t)message->payloadlen);
  while (frame_next(&reader, &frame) > 0) {
    switch (frame.kind) {
    case LINK_READY: link->is_ready = true; break;
    case LINK_MESSAGE: take_message(link, &frame); break;
    case LINK_GONE:
      link->handlers.gone(link->handlers.context, (uint64_t)frame_get_i64(&frame));
      break;
    default: break;
    }
  }
  frame_reader_clear(&reader);
}

static void on_connect(struct mosquitto *library, void *context, int code)
{
  (void)library;
  struct link *link = context;
  link->is_connected = !code;
}

struct link *link_create(const char *client_id, const char *password,
                         const struct link_handlers *handlers)
{
  struct link *link = memory_zeroed(1, sizeof *link);
  link->handlers = *handlers;
  link->client_id = memory_text(client_id);
  link->password = memory_text(password);
  mosquitto_lib_init();
  return link;
}

static void discard(struct link *link)
{
  if (link->library)
    mosquitto_destroy(link->library);
  link->library = NULL;
  link->is_connected = link->is_ready = false;
}

void link_destroy(struct link *link)
{
  if (!link)
    return;
  discard(link);
  mosquitto_lib_cleanup();
  free(link->client_id);
  free(link->password);
  free(link);
}

static bool await(struct link *link, const bool *flag)
{
  int64_t ends_ms = clock_monotonic_ms() + ANSWER_MS;
  while (!*flag && clock_monotonic_ms() < ends_ms)
    if (mosquitto_loop(link->library, 10, 1))
      return false;
  return *flag;
}

int link_connect(struct link *link, int port)
{
  discard(link);
  link->library = mosquitto_new(link->client_id, true, link);
  mosquitto_username_pw_set(link->library, link->client_id, link->password);
  mosquitto_connect_callback_set(link->library, on_connect);
  mosquitto_message_callback_set(link->library, on_message);
  mosquitto_int_option(link->library, MOSQ_OPT_TCP_NODELAY, 1);
  if (mosquitto_connect(link->library, "127.0.0.1", port, KEEPALIVE_S) ||
      !await(link, &link->is_connected))
    return -EAGAIN;
  fcntl(mosquitto_socket(link->library), F_SETFD, FD_CLOEXEC);
  link_settings(link, false, "");
  return await(link, &link->is_ready) ? 0 : -EAGAIN; /* else it is another's broker */
}

int link_fd(const struct link *link)
{
  return mosquitto_socket(link->library);
}

bool link_wants_write(const struct link *link)
{
  return mosquitto_want_write(link->library);
}

int link_turn(struct link *link, bool can_read)
{
  int rc = MOSQ_ERR_SUCCESS;
  if (can_read)
    rc = mosquitto_loop_read(link->library, 1);
  if (!rc && mosquitto_want_write(link->library))
    rc = mosquitto_loop_write(link->library, 1);
  if (!rc)
    rc = mosquitto_loop_misc(link->library);
  return rc ? -EIO : 0;
}

void link_push(struct link *link, uint64_t connection, int qos, const char *topic,
               const char *payload, size_t size)
{
  struct buffer frames = {0};
  size_t at = frame_begin(&frames, LINK_PUSH);
  frame_put_i64(&frames, (int64_t)connection);
  frame_put_u8(&frames, (uint8_t)qos);
  frame_put_text(&frames, topic);
  frame_put_bytes(&frames, payload, size);
  frame_end(&frames, at);
  send_frames(link, &frames);
}

void link_settings(struct link *link, bool is_plain, const char *credentials)
{
  struct buffer frames = {0};
  size_t user_bytes = strcspn(credentials, ":");
  size_t at = frame_begin(&frames, LINK_SETTINGS);
  frame_put_u8(&frames, is_plain);
  frame_put_bytes(&frames, credentials, user_bytes);
  frame_put_text(&frames, credentials[user_bytes] ? credentials + user_bytes + 1 : "");
  frame_end(&frames, at);
  send_frames(link, &frames);
}

void link_cut(struct link *link)
{
  struct buffer frames = {0};
  frame_end(&frames, frame_begin(&frames, LINK_CUT));
  send_frames(link, &frames);
}

#include "io/mqtt_queue.h"

#include "base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
  MAX_EVENTS = 1024,
  MAX_EVENT_BYTES = 4 * 1024 * 1024,
  MAX_ON_WAY = 200,
  MAX_ON_WAY_BYTES = 8 * 1024 * 1024,
};

struct event_node {
  struct event_node *next;
  struct mqtt_event event;
  uint64_t connection; /* CONNECTED: its number */
};

struct message_node {
  struct message_node *next;
  struct mqtt_message message;
};

struct mqtt_queue {
  pthread_mutex_t mutex;
  int wake_fd;
  void (*notify)(void *context);
  void *context;
  struct event_node *events, **events_end;
  size_t event_count, event_bytes;
  struct message_node *messages, **messages_end;
  size_t on_way, on_way_bytes; /* in `messages`, or sent and without PUBACK */
  uint64_t connections;        /* so far */
  uint64_t current, believed;  /* the connection that stands, and the one the loop knows; or 0 */
  bool wants_room, is_paused, is_closed;
};

struct mqtt_queue *mqtt_queue_create(void (*notify)(void *context), void *context,
                                     struct error *error)
{
  int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) {
    error_set(error, -errno, "no eventfd: %s", strerror(errno));
    return NULL;
  }
  struct mqtt_queue *queue = memory_zeroed(1, sizeof *queue);
  pthread_mutex_init(&queue->mutex, NULL);
  queue->wake_fd = wake_fd;
  queue->notify = notify;
  queue->context = context;
  queue->events_end = &queue->events;
  queue->messages_end = &queue->messages;
  return queue;
}

static void wake(struct mqtt_queue *queue)
{
  eventfd_write(queue->wake_fd, 1);
}

static size_t event_size(const struct mqtt_event *event)
{
  return event->payload_bytes + (event->text ? strlen(event->text) : 0);
}

static void pop_event(struct mqtt_queue *queue, struct mqtt_event *event, uint64_t *connection)
{
  struct event_node *node = queue->events;
  queue->events = node->next;
  if (!queue->events)
    queue->events_end = &queue->events;
  *event = node->event;
  *connection = node->connection;
  free(node);
  queue->event_count--;
  queue->event_bytes -= event_size(event);
}

static void pop_message(struct mqtt_queue *queue, struct mqtt_message *message)
{
  struct message_node *node = queue->messages;
  queue->messages = node->next;
  if (!queue->messages)
    queue->messages_end = &queue->messages;
  *message = node->message;
  free(node);
}

static void drop_messages(struct mqtt_queue *queue)
{
  while (queue->messages) {
    struct mqtt_message message;
    pop_message(queue, &message);
    mqtt_message_clear(&message);
  }
  queue->on_way = queue->on_way_bytes = 0;
  queue->wants_room = false;
}

static void drop_events(struct mqtt_queue *queue)
{
  while (queue->events) {
    struct mqtt_event event;
    uint64_t connection;
    pop_event(queue, &event, &connection);
    mqtt_event_clear(&event);
  }
}

void mqtt_queue_destroy(struct mqtt_queue *queue)
{
  if (!queue)
    return;
  drop_messages(queue);
  drop_events(queue);
  close(queue->wake_fd);
  pthread_mutex_destroy(&queue->mutex);
  free(queue);
}

bool mqtt_queue_take(struct mqtt_queue *queue, struct mqtt_event *event)
{
  pthread_mutex_lock(&queue->mutex);
  bool is_there = queue->events != NULL;
  if (is_there) {
    uint64_t connection;
    pop_event(queue, event, &connection);
    if (event->kind == MQTT_CONNECTED)
      queue->believed = connection;
    else if (event->kind == MQTT_DISCONNECTED)
      queue->believed = 0;
    if (queue->is_paused && queue->event_count <= MAX_EVENTS / 2 &&
        queue->event_bytes <= MAX_EVENT_BYTES / 2) {
      queue->is_paused = false;
      wake(queue);
    }
  }
  pthread_mutex_unlock(&queue->mutex);
  return is_there;
}

static bool has_room(const struct mqtt_queue *queue, size_t size)
{
  return queue->on_way == 0 ||
         (queue->on_way < MAX_ON_WAY && queue->on_way_bytes + size <= MAX_ON_WAY_BYTES);
}

static void append_message(struct mqtt_queue *queue, const char *topic, const void *payload,
                           size_t size, uint32_t cookie)
{
  size_t topic_size = strlen(topic) + 1;
  struct message_node *node = memory_zeroed(1, sizeof *node);
  char *bytes = memory_resized(NULL, topic_size + size);
  memcpy(bytes, topic, topic_size);
  if (size)
    memcpy(bytes + topic_size, payload, size);
  node->message = (struct mqtt_message){
      .topic = bytes, .payload = bytes + topic_size, .payload_bytes = size, .cookie = cookie};
  if (!queue->messages)
    wake(queue);
  *queue->messages_end = node;
  queue->messages_end = &node->next;
  queue->on_way++;
  queue->on_way_bytes += size;
}

int mqtt_queue_offer(struct mqtt_queue *queue, const char *topic, const void *payload, size_t size,
                     uint32_t cookie)
{
  int rc = 0;
  pthread_mutex_lock(&queue->mutex);
  if (queue->is_closed || !queue->current || queue->believed != queue->current) {
    rc = -ENOTCONN;
  } else if (!has_room(queue, size)) {
    queue->wants_room = true;
    rc = -EAGAIN;
  } else {
    append_message(queue, topic, payload, size, cookie);
  }
  pthread_mutex_unlock(&queue->mutex);
  return rc;
}

void mqtt_queue_close(struct mqtt_queue *queue)
{
  pthread_mutex_lock(&queue->mutex);
  queue->is_closed = true;
  drop_events(queue);
  wake(queue);
  pthread_mutex_unlock(&queue->mutex);
}

int mqtt_queue_wake_fd(const struct mqtt_queue *queue)
{
  return queue->wake_fd;
}

void mqtt_queue_woken(struct mqtt_queue *queue)
{
  eventfd_t count;
  eventfd_read(queue->wake_fd, &count);
}

static void append_event(struct mqtt_queue *queue, const struct mqtt_event *event)
{
  struct event_node *node = memory_zeroed(1, sizeof *node);
  node->event = *event;
  node->connection = queue->current;
  bool was_empty = !queue->events;
  *queue->events_end = node;
  queue->events_end = &node->next;
  queue->event_count++;
  queue->event_bytes += event_size(event);
  if (was_empty)
    queue->notify(queue->context);
}

void mqtt_queue_push(struct mqtt_queue *queue, struct mqtt_event *event)
{
  pthread_mutex_lock(&queue->mutex);
  if (event->kind == MQTT_CONNECTED) {
    queue->current = ++queue->connections;
  } else if (event->kind == MQTT_DISCONNECTED) {
    queue->current = 0;
    drop_messages(queue);
  }
  if (queue->is_closed)
    mqtt_event_clear(event);
  else
    append_event(queue, event);
  pthread_mutex_unlock(&queue->mutex);
}

bool mqtt_queue_is_full(struct mqtt_queue *queue)
{
  pthread_mutex_lock(&queue->mutex);
  bool is_full = queue->event_count >= MAX_EVENTS || queue->event_bytes >= MAX_EVENT_BYTES;
  if (is_full)
    queue->is_paused = true;
  bool is_paused = queue->is_paused && !queue->is_closed;
  pthread_mutex_unlock(&queue->mutex);
  return is_paused;
}

bool mqtt_queue_next(struct mqtt_queue *queue, struct mqtt_message *message)
{
  pthread_mutex_lock(&queue->mutex);
  bool is_there = queue->messages != NULL;
  if (is_there)
    pop_message(queue, message);
  pthread_mutex_unlock(&queue->mutex);
  return is_there;
}

void mqtt_message_clear(struct mqtt_message *message)
{
  free(message->topic);
  *message = (struct mqtt_message){0};
}

void mqtt_queue_landed(struct mqtt_queue *queue, size_t payload_bytes)
{
  pthread_mutex_lock(&queue->mutex);
  queue->on_way--;
  queue->on_way_bytes -= payload_bytes;
  if (queue->wants_room && queue->on_way <= MAX_ON_WAY * 3 / 4 &&
      queue->on_way_bytes <= MAX_ON_WAY_BYTES * 3 / 4) {
    queue->wants_room = false;
    if (!queue->is_closed)
      append_event(queue, &(struct mqtt_event){.kind = MQTT_WRITABLE});
  }
  pthread_mutex_unlock(&queue->mutex);
}

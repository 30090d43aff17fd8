/* What passes between the loop's thread and the MQTT thread: events one way,
 * messages to publish the other way, both bounded. It also knows which
 * connection the loop believes in, so that a message is never taken for a
 * connection whose beginning the loop has not yet seen.
 *
 * The MQTT thread waits on mqtt_queue_wake_fd() beside its socket. */
#ifndef KAALUA_IO_MQTT_QUEUE_H
#define KAALUA_IO_MQTT_QUEUE_H

#include "io/mqtt.h"

struct mqtt_queue;

/* `notify(context)` is called on the pushing thread, with the queue locked, when
 * an event comes to an empty queue. Returns owned, or NULL with `error`. */
struct mqtt_queue *mqtt_queue_create(void (*notify)(void *context), void *context,
                                     struct error *error);
void mqtt_queue_destroy(struct mqtt_queue *queue);

/* The loop's side */

/* As mqtt_next_event(). */
bool mqtt_queue_take(struct mqtt_queue *queue, struct mqtt_event *event);

/* As mqtt_publish(), without its -EINVAL. */
int mqtt_queue_offer(struct mqtt_queue *queue, const char *topic, const void *payload, size_t size,
                     uint32_t cookie);

/* From now on nothing is offered, pushed events are dropped, and `notify` is not
 * called any more. Messages already taken stay for the MQTT thread. */
void mqtt_queue_close(struct mqtt_queue *queue);

/* The MQTT thread's side */

int mqtt_queue_wake_fd(const struct mqtt_queue *queue);

/* Makes the descriptor unreadable again; before looking for what has changed. */
void mqtt_queue_woken(struct mqtt_queue *queue);

/* Takes what the event owns. CONNECTED opens the queue for messages; DISCONNECTED
 * drops those that are on their way. Never refused: see mqtt_queue_is_full(). */
void mqtt_queue_push(struct mqtt_queue *queue, struct mqtt_event *event);

/* Whether so many events wait that no more should be read; then the descriptor
 * becomes readable when half of them are gone. Never full once closed. */
bool mqtt_queue_is_full(struct mqtt_queue *queue);

struct mqtt_message {
  char *topic; /* owned by the message, the payload behind its NUL */
  const char *payload;
  size_t payload_bytes;
  uint32_t cookie;
};

/* Takes the next message to publish; returns false where there is none. It counts
 * as on its way until mqtt_queue_landed(). */
bool mqtt_queue_next(struct mqtt_queue *queue, struct mqtt_message *message);
void mqtt_message_clear(struct mqtt_message *message);

/* A message of this size has its PUBACK. */
void mqtt_queue_landed(struct mqtt_queue *queue, size_t payload_bytes);

#endif

#include "io/mqtt_queue.h"

#include "base/memory.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void on_notify(void *context)
{
  ++*(int *)context;
}

static struct mqtt_queue *created(int *notified)
{
  *notified = 0;
  struct error error = {0};
  struct mqtt_queue *queue = mqtt_queue_create(on_notify, notified, &error);
  assert_non_null(queue);
  return queue;
}

static void push(struct mqtt_queue *queue, enum mqtt_event_kind kind)
{
  mqtt_queue_push(queue, &(struct mqtt_event){.kind = kind});
}

static void push_message(struct mqtt_queue *queue, size_t size)
{
  mqtt_queue_push(queue, &(struct mqtt_event){.kind = MQTT_MESSAGE,
                                              .text = memory_text("t"),
                                              .payload = memory_zeroed(1, size),
                                              .payload_bytes = size - 1});
}

static void take(struct mqtt_queue *queue, enum mqtt_event_kind kind)
{
  struct mqtt_event event;
  assert_true(mqtt_queue_take(queue, &event));
  assert_int_equal(event.kind, kind);
  mqtt_event_clear(&event);
}

static void connect_seen(struct mqtt_queue *queue)
{
  push(queue, MQTT_CONNECTED);
  take(queue, MQTT_CONNECTED);
}

static int is_awake(const struct mqtt_queue *queue)
{
  struct pollfd polled = {.fd = mqtt_queue_wake_fd(queue), .events = POLLIN};
  return poll(&polled, 1, 0);
}

static void events_come_in_order_and_the_loop_is_woken_once(void **state)
{
  (void)state;
  int notified;
  struct mqtt_queue *queue = created(&notified);
  push(queue, MQTT_CONNECTED);
  push_message(queue, 10);
  push(queue, MQTT_DISCONNECTED);
  assert_int_equal(notified, 1);
  take(queue, MQTT_CONNECTED);
  take(queue, MQTT_MESSAGE);
  take(queue, MQTT_DISCONNECTED);
  struct mqtt_event event;
  assert_false(mqtt_queue_take(queue, &event));
  push(queue, MQTT_CONNECTED);
  assert_int_equal(notified, 2);
  mqtt_queue_destroy(queue); /* with an event in it */
}

static void it_is_full_at_1024_events_until_half_are_gone(void **state)
{
  (void)state;
  int notified;
  struct mqtt_queue *queue = created(&notified);
  for (int i = 0; i < 1024; i++) {
    assert_false(mqtt_queue_is_full(queue));
    push(queue, MQTT_PUBLISHED);
  }
  assert_true(mqtt_queue_is_full(queue));
  for (int i = 0; i < 511; i++)
    take(queue, MQTT_PUBLISHED);
  assert_true(mqtt_queue_is_full(queue));
  assert_false(is_awake(queue));
  take(queue, MQTT_PUBLISHED);
  assert_true(is_awake(queue));
  assert_false(mqtt_queue_is_full(queue));
  mqtt_queue_woken(queue);
  assert_false(is_awake(queue));
  mqtt_queue_destroy(queue);
}

static void it_is_full_at_4_mb(void **state)
{
  (void)state;
  int notified;
  struct mqtt_queue *queue = created(&notified);
  push_message(queue, 3 * 1024 * 1024);
  assert_false(mqtt_queue_is_full(queue));
  push_message(queue, 1024 * 1024);
  assert_true(mqtt_queue_is_full(queue));
  take(queue, MQTT_MESSAGE);
  take(queue, MQTT_MESSAGE);
  assert_false(mqtt_queue_is_full(queue));
  push_message(queue, 10 * 1024 * 1024);
  assert_true(mqtt_queue_is_full(queue));
  mqtt_queue_destroy(queue);
}

static void messages_are_for_the_connection_that_the_loop_has_seen(void **state)
{
  (void)state;
  int notified;
  struct mqtt_queue *queue = created(&notified);
  assert_int_equal(mqtt_queue_offer(queue, "t", "x", 1, 1), -ENOTCONN);
  push(queue, MQTT_CONNECTED);
  assert_int_equal(mqtt_queue_offer(queue, "t", "x", 1, 1), -ENOTCONN);
  take(queue, MQTT_CONNECTED);
  assert_int_equal(mqtt_queue_offer(queue, "t", "x", 1, 1), 0);
  push(queue, MQTT_DISCONNECTED);
  struct mqtt_message message;
  assert_false(mqtt_queue_next(queue, &message)); /* dropped */
  assert_int_equal(mqtt_queue_offer(queue, "t", "x", 1, 2), -ENOTCONN);
  push(queue, MQTT_CONNECTED);
  assert_int_equal(mqtt_queue_offer(queue, "t", "x", 1, 2), -ENOTCONN);
  take(queue, MQTT_DISCONNECTED);
  assert_int_equal(mqtt_queue_offer(queue, "t", "x", 1, 2), -ENOTCONN);
  take(queue, MQTT_CONNECTED);
  assert_int_equal(mqtt_queue_offer(queue, "t", "xyz", 3, 3), 0);
  assert_true(is_awake(queue));
  assert_true(mqtt_queue_next(queue, &message));
  assert_string_equal(message.topic, "t");
  assert_memory_equal(message.payload, "xyz", 3);
  assert_int_equal(message.cookie, 3);
  mqtt_message_clear(&message);
  mqtt_queue_destroy(queue);
}

static void two_hundred_may_be_on_their_way(void **state)
{
  (void)state;
  int notified;
  struct mqtt_queue *queue = created(&notified);
  connect_seen(queue);
  for (uint32_t i = 0; i < 200; i++)
    assert_int_equal(mqtt_queue_offer(queue, "t", "x", 1, i), 0);
  assert_int_equal(mqtt_queue_offer(queue, "t", "x", 1, 200), -EAGAIN);
  struct mqtt_message message;
  for (int i = 0; i < 200; i++) {
    assert_true(mqtt_queue_next(queue, &message));
    mqtt_message_clear(&message);
  }
  assert_int_equal(mqtt_queue_offer(queue, "t", "x", 1, 200), -EAGAIN); /* without PUBACK */
  struct mqtt_event event;
  for (int i = 0; i < 49; i++)
    mqtt_queue_landed(queue, 1);
  assert_false(mqtt_queue_take(queue, &event));
  mqtt_queue_landed(queue, 1);
  take(queue, MQTT_WRITABLE);
  mqtt_queue_landed(queue, 1);
  assert_false(mqtt_queue_take(queue, &event)); /* once for each -EAGAIN */
  mqtt_queue_destroy(queue);
}

static void eight_mb_may_be_on_their_way_or_one_message(void **state)
{
  (void)state;
  int notified;
  struct mqtt_queue *queue = created(&notified);
  connect_seen(queue);
  size_t size = 16 * 1024 * 1024;
  char *large = memory_zeroed(1, size);
  assert_int_equal(mqtt_queue_offer(queue, "t", large, size, 1), 0);
  assert_int_equal(mqtt_queue_offer(queue, "t", "x", 1, 2), -EAGAIN);
  struct mqtt_message message;
  assert_true(mqtt_queue_next(queue, &message));
  mqtt_message_clear(&message);
  mqtt_queue_landed(queue, size);
  take(queue, MQTT_WRITABLE);
  assert_int_equal(mqtt_queue_offer(queue, "t", large, size / 2, 2), 0);
  assert_int_equal(mqtt_queue_offer(queue, "t", "x", 1, 3), -EAGAIN);
  push(queue, MQTT_DISCONNECTED); /* nothing is on its way any more */
  take(queue, MQTT_DISCONNECTED);
  connect_seen(queue);
  assert_int_equal(mqtt_queue_offer(queue, "t", "x", 1, 4), 0);
  free(large);
  mqtt_queue_destroy(queue);
}

static void closed_it_gives_out_what_it_took_and_takes_no_more(void **state)
{
  (void)state;
  int notified;
  struct mqtt_queue *queue = created(&notified);
  connect_seen(queue);
  assert_int_equal(mqtt_queue_offer(queue, "t", "x", 1, 1), 0);
  for (int i = 0; i < 1024; i++)
    push(queue, MQTT_PUBLISHED);
  mqtt_queue_close(queue);
  notified = 0;
  assert_int_equal(mqtt_queue_offer(queue, "t", "x", 1, 2), -ENOTCONN);
  for (int i = 0; i < 2000; i++)
    push_message(queue, 10);
  assert_false(mqtt_queue_is_full(queue));
  struct mqtt_event event;
  assert_false(mqtt_queue_take(queue, &event));
  assert_int_equal(notified, 0);
  struct mqtt_message message;
  assert_true(mqtt_queue_next(queue, &message));
  mqtt_message_clear(&message);
  mqtt_queue_destroy(queue);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(events_come_in_order_and_the_loop_is_woken_once),
      cmocka_unit_test(it_is_full_at_1024_events_until_half_are_gone),
      cmocka_unit_test(it_is_full_at_4_mb),
      cmocka_unit_test(messages_are_for_the_connection_that_the_loop_has_seen),
      cmocka_unit_test(two_hundred_may_be_on_their_way),
      cmocka_unit_test(eight_mb_may_be_on_their_way_or_one_message),
      cmocka_unit_test(closed_it_gives_out_what_it_took_and_takes_no_more),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* src/io/mqtt.c over plain TCP, against a real broker and against servers that do
 * what no broker should. TLS: mqtt_tls_test.c. */
#include "mqtt_scene.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const all[] = {"#", NULL};

static void start_on(struct scene *scene, const struct broker *broker)
{
  scene_start(scene, &(struct mqtt_options){.port = broker->port});
}

static void connected_to(struct scene *scene, const struct broker *broker, const char *id)
{
  scene_start(scene, &(struct mqtt_options){.port = broker->port, .client_id = id});
  scene_await_connected(scene, 5000);
}

static void publish(struct scene *scene, const char *topic, const char *payload, uint32_t cookie)
{
  assert_int_equal(mqtt_publish(scene->mqtt, topic, payload, strlen(payload), cookie), 0);
}

static struct broker *running_broker(void)
{
  struct broker *broker = broker_create("allow_anonymous true\n");
  broker_start(broker);
  return broker;
}

static void a_message_goes_out_and_comes_back(void **state)
{
  (void)state;
  struct broker *broker = running_broker();
  struct scene scene = {.filters = all};
  connected_to(&scene, broker, "a");
  publish(&scene, "x/y", "hello", 4711);
  struct mqtt_event message = {0}, published = {0};
  for (int i = 0; i < 2; i++) {
    struct mqtt_event event = scene_next(&scene, 5000);
    *(event.kind == MQTT_MESSAGE ? &message : &published) = event;
  }
  assert_string_equal(message.text, "x/y");
  assert_int_equal(message.payload_bytes, 5);
  assert_string_equal(message.payload, "hello");
  assert_int_equal(published.kind, MQTT_PUBLISHED);
  assert_int_equal(published.cookie, 4711);
  mqtt_event_clear(&message);
  mqtt_event_clear(&published);
  publish(&scene, "empty", "", 1);
  message = scene_await(&scene, MQTT_MESSAGE, 5000);
  assert_int_equal(message.payload_bytes, 0);
  assert_string_equal(message.payload, "");
  mqtt_event_clear(&message);
  scene_stop(&scene);
  broker_destroy(broker);
}

static void its_socket_is_closed_on_exec_after_connecting(void **state)
{
  (void)state;
  struct broker *broker = running_broker();
  struct scene scene = {0};
  connected_to(&scene, broker, "a");
  int found = 0;
  for (int fd = 3; fd < 256; fd++) {
    struct sockaddr_in peer = {0};
    socklen_t size = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &size) || peer.sin_family != AF_INET)
      continue;
    found += ntohs(peer.sin_port) == broker->port;
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  }
  assert_int_equal(found, 1);
  scene_stop(&scene);
  broker_destroy(broker);
}

static void a_broker_that_starts_later_is_found(void **state)
{
  (void)state;
  struct broker *broker = broker_create("allow_anonymous true\n");
  struct scene scene = {0};
  start_on(&scene, broker);
  scene_await_text(&scene, MQTT_FAILED, "connection refused by 127.0.0.1 port", 5000);
  assert_int_equal(mqtt_publish(scene.mqtt, "a", "b", 1, 1), -ENOTCONN);
  assert_true(scene_is_quiet(&scene, 300)); /* the same reason is said once */
  broker_start(broker);
  struct mqtt_event event = scene_next(&scene, 5000);
  assert_int_equal(event.kind, MQTT_CONNECTED);
  scene_stop(&scene);
  broker_destroy(broker);
}

static void a_host_that_does_not_exist_is_named(void **state)
{
  (void)state;
  struct scene scene = {0};
  scene_start(&scene, &(struct mqtt_options){.host = "kaalua.invalid", .port = 1883});
  struct mqtt_event event = scene_await(&scene, MQTT_FAILED, 20000);
  assert_non_null(strstr(event.text, "kaalua.invalid"));
  assert_true(strstr(event.text, "no such host") || strstr(event.text, "name lookup"));
  mqtt_event_clear(&event);
  scene_stop(&scene);
}

/* A listener whose backlog is full drops each further SYN. */
static int black_hole(int *port, int fillers[2])
{
  int listener = listener_open(port, 0);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)*port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  for (int i = 0; i < 2; i++) {
    fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    connect(fillers[i], (struct sockaddr *)&address, sizeof address);
  }
  return listener;
}

static void close_hole(int listener, const int fillers[2])
{
  close(fillers[0]);
  close(fillers[1]);
  close(listener);
}

static void a_connect_that_hangs_is_given_up(void **state)
{
  (void)state;
  int port, fillers[2], listener = black_hole(&port, fillers);
  struct scene scene = {0};
  int64_t before_ms = clock_monotonic_ms();
  scene_start(&scene, &(struct mqtt_options){.port = port, .attempt_ms = 600});
  scene_await_text(&scene, MQTT_FAILED, "no answer from 127.0.0.1 port", 5000);
  assert_in_range(clock_monotonic_ms() - before_ms, 550, 3000);
  scene_stop(&scene);
  close_hole(listener, fillers);
}

static void a_connect_that_hangs_does_not_keep_it_from_stopping(void **state)
{
  (void)state;
  int port, fillers[2], listener = black_hole(&port, fillers);
  struct scene scene = {0};
  scene_start(&scene, &(struct mqtt_options){.port = port});
  assert_true(scene_is_quiet(&scene, 100));
  int64_t before_ms = clock_monotonic_ms();
  scene_stop(&scene);
  assert_in_range(clock_monotonic_ms() - before_ms, 0, 1000);
  close_hole(listener, fillers);
}

static void a_broker_that_is_killed_and_restarted_is_found_again(void **state)
{
  (void)state;
  struct broker *broker = running_broker();
  struct scene scene = {.filters = all};
  connected_to(&scene, broker, "a");
  for (int i = 0; i < 3; i++) {
    broker_kill(broker);
    scene_await_text(&scene, MQTT_DISCONNECTED, "the broker closed the connection", 5000);
    assert_int_equal(mqtt_publish(scene.mqtt, "a", "b", 1, 1), -ENOTCONN);
    broker_start(broker);
    scene_await_connected(&scene, 5000);
    publish(&scene, "again", "x", 1);
    struct mqtt_event event = scene_await(&scene, MQTT_MESSAGE, 5000);
    mqtt_event_clear(&event);
  }
  scene_stop(&scene);
  broker_destroy(broker);
}

static void a_broker_that_hangs_is_found_out_by_the_keep_alive(void **state)
{
  (void)state;
  struct broker *broker = running_broker();
  struct scene scene = {0};
  scene_start(&scene, &(struct mqtt_options){.port = broker->port, .keepalive_s = 5});
  scene_await_connected(&scene, 5000);
  kill(broker->pid, SIGSTOP);
  int64_t used_ms = processor_ms();
  scene_await_text(&scene, MQTT_DISCONNECTED, "no answer from the broker to a ping", 15000);
  assert_true(processor_ms() - used_ms < 200);
  kill(broker->pid, SIGCONT);
  scene_await_connected(&scene, 5000);
  scene_stop(&scene);
  broker_destroy(broker);
}

static void the_keep_alive_keeps_an_idle_connection(void **state)
{
  (void)state;
  struct broker *broker = running_broker();
  struct scene scene = {0};
  scene_start(&scene, &(struct mqtt_options){.port = broker->port, .keepalive_s = 5});
  scene_await_connected(&scene, 5000);
  assert_true(scene_is_quiet(&scene, 9000)); /* the broker gives up after 7.5 s of silence */
  scene_stop(&scene);
  broker_destroy(broker);
}

static void a_wrong_password_is_said_and_a_new_one_taken(void **state)
{
  (void)state;
  struct broker *broker = broker_create("");
  char *passwords = folder_file(broker->folder, "passwords", NULL);
  char *line = memory_format("mosquitto_passwd -b -c %s user right 2>/dev/null", passwords);
  assert_int_equal(system(line), 0);
  char *configuration = memory_format("listener %d 127.0.0.1\nuser root\nlog_dest none\n"
                                      "allow_anonymous false\npassword_file %s\n",
                                      broker->port, passwords);
  free(folder_file(broker->folder, "conf", configuration));
  broker_start(broker);
  char *password = folder_file(broker->folder, "password", "wrong\n");
  struct scene scene = {0};
  scene_start(&scene, &(struct mqtt_options){
                          .port = broker->port, .username = "user", .password_file = password});
  scene_await_text(&scene, MQTT_FAILED, "not authorized (CONNACK 5)", 5000);
  free(folder_file(broker->folder, "password", "right\n"));
  scene_await_connected(&scene, 5000);
  scene_stop(&scene);
  free(password);
  free(configuration);
  free(line);
  free(passwords);
  broker_destroy(broker);
}

/* Serves one connection by closing it after `answer`. */
static void answers(int listener, const void *answer, size_t size)
{
  int fd = listener_accept(listener);
  uint8_t body[512];
  size_t body_size;
  read_packet(fd, body, &body_size);
  write_all(fd, answer, size);
  char rest;
  if (size)
    while (recv(fd, &rest, 1, 0) > 0) {
    }
  close(fd);
}

static void garbage_is_told_from_a_broker(void **state)
{
  (void)state;
  int port, listener = listener_open(&port, 8);
  struct scene scene = {0};
  scene_start(&scene, &(struct mqtt_options){.port = port, .attempt_ms = 500});
  static const char http[] = "HTTP/1.1 400 Bad Request\r\nServer: a web server, and no broker\r\n"
                             "Content-Length: 0\r\nConnection: close\r\n\r\n";
  answers(listener, http, sizeof http - 1);
  scene_await_text(&scene, MQTT_FAILED, "is no MQTT broker", 5000);
  answers(listener, "", 0);
  scene_await_text(&scene, MQTT_FAILED, "without an answer to CONNECT", 5000);
  answers(listener, "\x20\x02\x00", 3);
  scene_await_text(&scene, MQTT_FAILED, "no answer to CONNECT within", 5000);
  answers(listener, "\x20\x02\x00\x02", 4);
  scene_await_text(&scene, MQTT_FAILED, "client identifier rejected (CONNACK 2)", 5000);
  answers(listener, "\x20\x02\x00\x04", 4);
  scene_await_text(&scene, MQTT_FAILED, "bad user name or password (CONNACK 4)", 5000);
  answers(listener, "\x20\x02\x00\x63", 4);
  scene_await_text(&scene, MQTT_FAILED, "CONNACK 99", 5000);
  answers(listener, "\x20\x00", 2);
  scene_await_text(&scene, MQTT_FAILED, "is no MQTT broker", 5000);
  answers(listener, "\xff\xff\xff\xff\xff\xff\xff", 7);
  assert_true(scene_is_quiet(&scene, 100)); /* the same reason again */
  scene_stop(&scene);
  close(listener);
}

static int serve_suback(int listener, const char *codes, uint8_t count)
{
  int fd = listener_accept(listener);
  uint8_t body[512];
  size_t size;
  accept_connect(fd);
  assert_int_equal(read_packet(fd, body, &size), 0x82);
  uint8_t suback[8] = {0x90, (uint8_t)(2 + count), body[0], body[1]};
  memcpy(suback + 4, codes, count);
  write_all(fd, suback, 4u + count);
  return fd;
}

static void subscriptions_that_are_refused_are_named(void **state)
{
  (void)state;
  static const char *const filters[] = {"a", "b", "c", NULL};
  int port, listener = listener_open(&port, 8);
  struct scene scene = {.filters = filters};
  scene_start(&scene, &(struct mqtt_options){.port = port});
  for (int round = 0; round < 2; round++) { /* refused; and not answered for at all */
    int fd = serve_suback(listener, "\x01\x80\x80", round ? 1 : 3);
    for (int i = 1; i < 3; i++) {
      struct mqtt_event event = scene_await(&scene, MQTT_SUBSCRIPTION_REFUSED, 5000);
      assert_string_equal(event.text, filters[i]);
      mqtt_event_clear(&event);
    }
    struct mqtt_event event = scene_await(&scene, MQTT_CONNECTED, 5000);
    mqtt_event_clear(&event);
    close(fd);
    scene_await_text(&scene, MQTT_DISCONNECTED, "", 5000);
  }
  /* Without any code: libmosquitto with the cure of CVE-2024-10525 ends the connection. */
  int fd = serve_suback(listener, "", 0);
  struct mqtt_event event = scene_next(&scene, 5000);
  assert_true(event.kind == MQTT_FAILED || event.kind == MQTT_SUBSCRIPTION_REFUSED);
  mqtt_event_clear(&event);
  close(fd);
  scene_stop(&scene);
  close(listener);
}

static void without_suback_it_is_connected_after_5_s(void **state)
{
  (void)state;
  int port, listener = listener_open(&port, 8);
  struct scene scene = {.filter_count = 1000};
  scene_start(&scene, &(struct mqtt_options){.port = port});
  int fd = listener_accept(listener);
  accept_connect(fd);
  int64_t before_ms = clock_monotonic_ms();
  struct mqtt_event event = scene_await(&scene, MQTT_CONNECTED, 8000);
  assert_in_range(clock_monotonic_ms() - before_ms, 4000, 7000);
  mqtt_event_clear(&event);
  uint8_t body[4096];
  size_t size;
  for (int i = 0; i < 16; i++) /* 1,000 filters, 64 each */
    assert_int_equal(read_packet(fd, body, &size), 0x82);
  scene_stop(&scene);
  close(fd);
  close(listener);
}

static void a_thousand_filters_are_all_subscribed(void **state)
{
  (void)state;
  struct broker *broker = running_broker();
  struct scene scene = {.filter_count = 1000};
  connected_to(&scene, broker, "a");
  const char *const topics[] = {"many/0", "many/63", "many/64", "many/511", "many/999"};
  for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
    publish(&scene, topics[i], "x", 1);
    struct mqtt_event event = scene_await(&scene, MQTT_MESSAGE, 5000);
    assert_string_equal(event.text, topics[i]);
    mqtt_event_clear(&event);
  }
  scene_stop(&scene);
  broker_destroy(broker);
}

static void what_was_on_its_way_is_not_sent_on_the_next_connection(void **state)
{
  (void)state;
  int port, listener = listener_open(&port, 8);
  struct scene scene = {0};
  scene_start(&scene, &(struct mqtt_options){.port = port});
  int fd = listener_accept(listener);
  accept_connect(fd);
  scene_await_connected(&scene, 5000);
  publish(&scene, "a", "1", 1);
  publish(&scene, "a", "2", 2);
  uint8_t body[64];
  size_t size;
  assert_int_equal(read_packet(fd, body, &size), 0x32);
  close(fd);
  /* The loop has not seen the end yet: the message is for a connection that is gone. */
  fd = listener_accept(listener);
  accept_connect(fd);
  int rc;
  do
    rc = mqtt_publish(scene.mqtt, "a", "3", 1, 3);
  while (rc == 0); /* until the thread has noticed */
  assert_true(rc == -ENOTCONN || rc == -EAGAIN);
  struct mqtt_event event;
  for (event = scene_next(&scene, 5000); event.kind == MQTT_WRITABLE;)
    event = scene_next(&scene, 5000);
  assert_int_equal(event.kind, MQTT_DISCONNECTED);
  mqtt_event_clear(&event);
  scene_await_connected(&scene, 5000);
  publish(&scene, "b", "4", 4);
  assert_int_equal(read_packet(fd, body, &size), 0x32);
  assert_memory_equal(body, "\0\1b", 3);
  uint8_t puback[] = {0x40, 2, body[3], body[4]};
  write_all(fd, puback, 4);
  event = scene_next(&scene, 5000);
  assert_int_equal(event.kind, MQTT_PUBLISHED);
  assert_int_equal(event.cookie, 4);
  scene_stop(&scene);
  close(fd);
  close(listener);
}

static void a_full_window_says_so_and_when_there_is_room_again(void **state)
{
  (void)state;
  struct broker *broker = running_broker();
  struct scene scene = {0};
  connected_to(&scene, broker, "a");
  kill(broker->pid, SIGSTOP);
  for (uint32_t i = 0; i < 200; i++)
    publish(&scene, "a", "x", i);
  assert_int_equal(mqtt_publish(scene.mqtt, "a", "x", 1, 200), -EAGAIN);
  kill(broker->pid, SIGCONT);
  struct mqtt_event event = scene_await(&scene, MQTT_WRITABLE, 5000);
  mqtt_event_clear(&event);
  publish(&scene, "a", "x", 200);
  while (scene.published < 201) {
    event = scene_await(&scene, MQTT_PUBLISHED, 5000);
    scene.published++;
    mqtt_event_clear(&event);
  }
  scene_stop(&scene);
  broker_destroy(broker);
}

static void large_messages_have_their_limits(void **state)
{
  (void)state;
  struct broker *broker = running_broker();
  struct scene scene = {.filters = all};
  connected_to(&scene, broker, "a");
  size_t size = MQTT_MAX_PAYLOAD_BYTES;
  char *large = memory_zeroed(1, size + 1);
  memset(large, 'x', size + 1);
  assert_int_equal(mqtt_publish(scene.mqtt, "a", large, size + 1, 1), -EINVAL);
  assert_int_equal(mqtt_publish(scene.mqtt, "a", large, size, 1), 0);
  assert_int_equal(mqtt_publish(scene.mqtt, "a", "x", 1, 2), -EAGAIN);
  struct mqtt_event event = scene_await(&scene, MQTT_MESSAGE, 20000);
  assert_int_equal(event.payload_bytes, size);
  assert_memory_equal(event.payload, large, size);
  mqtt_event_clear(&event);
  free(large);
  scene_stop(&scene);
  broker_destroy(broker);
}

static void a_message_over_16_mb_is_dropped(void **state)
{
  (void)state;
  int port, listener = listener_open(&port, 8);
  struct scene scene = {0};
  log_set_level(LOG_LEVEL_ERROR);
  scene_start(&scene, &(struct mqtt_options){.port = port});
  int fd = listener_accept(listener);
  accept_connect(fd);
  scene_await_connected(&scene, 5000);
  const uint8_t head[] = {0x30, 0x84, 0x80, 0x80, 0x08, 0, 1, 'a'}; /* 16 MB + 4 */
  char *payload = memory_zeroed(1, MQTT_MAX_PAYLOAD_BYTES + 1);
  write_all(fd, head, sizeof head);
  write_all(fd, payload, MQTT_MAX_PAYLOAD_BYTES + 1);
  write_all(fd, "\x30\x04\0\1aN", 6);
  struct mqtt_event event = scene_next(&scene, 20000);
  assert_int_equal(event.kind, MQTT_MESSAGE);
  assert_string_equal(event.payload, "N");
  mqtt_event_clear(&event);
  free(payload);
  scene_stop(&scene);
  log_set_level(LOG_LEVEL_INFO);
  close(fd);
  close(listener);
}

static void topics_that_cannot_be_published_to_are_refused(void **state)
{
  (void)state;
  struct broker *broker = running_broker();
  struct scene scene = {0};
  connected_to(&scene, broker, "a");
  const char *const topics[] = {"", "a/+", "#", "bad\xff"};
  for (size_t i = 0; i < sizeof topics / sizeof *topics; i++)
    assert_int_equal(mqtt_publish(scene.mqtt, topics[i], "", 0, 1), -EINVAL);
  publish(&scene, "good", "", 7);
  struct mqtt_event event = scene_await(&scene, MQTT_PUBLISHED, 5000);
  assert_int_equal(event.cookie, 7);
  scene_stop(&scene);
  broker_destroy(broker);
}

static void retained_messages_are_ignored(void **state)
{
  (void)state;
  int port, listener = listener_open(&port, 8);
  struct scene scene = {0};
  scene_start(&scene, &(struct mqtt_options){.port = port});
  int fd = listener_accept(listener);
  accept_connect(fd);
  scene_await_connected(&scene, 5000);
  write_all(fd, "\x31\x04\0\1aR", 6);
  write_all(fd, "\x30\x04\0\1aN", 6);
  struct mqtt_event event = scene_next(&scene, 5000);
  assert_int_equal(event.kind, MQTT_MESSAGE);
  assert_string_equal(event.payload, "N");
  mqtt_event_clear(&event);
  scene_stop(&scene);
  close(fd);
  close(listener);
}

enum { MANY = 20000 };

/* Hands out as many of the MANY numbered messages as there is room for. */
static void send_more(struct scene *scene, const char *topic, uint32_t *next)
{
  for (int rc = 0; *next < MANY && rc == 0;) {
    char payload[32];
    snprintf(payload, sizeof payload, "%u", *next);
    rc = mqtt_publish(scene->mqtt, topic, payload, strlen(payload), *next);
    *next += rc == 0;
    assert_true(rc == 0 || rc == -EAGAIN);
  }
}

struct counts {
  uint32_t next, published, messages;
};

static void take_all(struct scene *scene, struct counts *counts)
{
  struct mqtt_event event;
  while (mqtt_next_event(scene->mqtt, &event)) {
    assert_true(event.kind == MQTT_PUBLISHED || event.kind == MQTT_MESSAGE ||
                event.kind == MQTT_WRITABLE);
    if (event.kind == MQTT_PUBLISHED)
      assert_int_equal(event.cookie, counts->published++);
    if (event.kind == MQTT_MESSAGE)
      assert_int_equal(strtoul(event.payload, NULL, 10), counts->messages++);
    mqtt_event_clear(&event);
  }
}

static void twenty_thousand_messages_each_way_arrive_in_order(void **state)
{
  (void)state;
  static const char *const to_a[] = {"to/a", NULL}, *const to_b[] = {"to/b", NULL};
  struct broker *broker = running_broker();
  struct scene a = {.filters = to_a}, b = {.filters = to_b};
  connected_to(&a, broker, "a");
  connected_to(&b, broker, "b");
  struct counts of_a = {0}, of_b = {0};
  int64_t deadline_ms = clock_monotonic_ms() + 60000;
  for (unsigned round = 0; of_a.published + of_b.published + of_a.messages + of_b.messages <
                           4 * MANY; round++) {
    assert_true(clock_monotonic_ms() < deadline_ms);
    send_more(&a, "to/b", &of_a.next);
    send_more(&b, "to/a", &of_b.next);
    take_all(&a, &of_a);
    if (round % 64 == 0 || of_a.messages + of_a.published == 2 * MANY)
      take_all(&b, &of_b); /* a slow reader: its queue runs full */
    struct pollfd polled[] = {{.fd = a.wake_fd, .events = POLLIN},
                              {.fd = b.wake_fd, .events = POLLIN}};
    poll(polled, 2, 1);
  }
  assert_true(scene_is_quiet(&a, 50) && scene_is_quiet(&b, 50));
  scene_stop(&a);
  scene_stop(&b);
  broker_destroy(broker);
}

static void a_reader_that_sleeps_loses_nothing(void **state)
{
  (void)state;
  static const char *const to_b[] = {"to/b", NULL};
  struct broker *broker = running_broker();
  struct scene a = {0}, b = {.filters = to_b};
  connected_to(&a, broker, "a");
  connected_to(&b, broker, "b");
  char *payload = memory_zeroed(1, 4000);
  for (uint32_t sent = 0, landed = 0; landed < 3000;) { /* three times what b's queue holds */
    int rc = sent < 3000 ? mqtt_publish(a.mqtt, "to/b", payload, 4000, sent) : -EAGAIN;
    sent += rc == 0;
    if (rc == 0)
      continue;
    struct mqtt_event event = scene_next(&a, 10000);
    landed += event.kind == MQTT_PUBLISHED;
    mqtt_event_clear(&event);
  }
  for (int i = 0; i < 3000; i++) {
    struct mqtt_event event = scene_next(&b, 10000);
    assert_int_equal(event.kind, MQTT_MESSAGE);
    assert_int_equal(event.payload_bytes, 4000);
    mqtt_event_clear(&event);
  }
  free(payload);
  scene_stop(&a);
  scene_stop(&b);
  broker_destroy(broker);
}

static void stopping_sends_what_was_taken(void **state)
{
  (void)state;
  static const char *const to_b[] = {"to/b", NULL};
  struct broker *broker = running_broker();
  struct scene a = {0}, b = {.filters = to_b};
  connected_to(&b, broker, "b");
  for (int round = 0; round < 20; round++) {
    connected_to(&a, broker, "a");
    for (uint32_t i = 0; i < 150; i++)
      publish(&a, "to/b", "x", i);
    scene_stop(&a);
    for (int i = 0; i < 150; i++) {
      struct mqtt_event event = scene_await(&b, MQTT_MESSAGE, 5000);
      mqtt_event_clear(&event);
    }
  }
  scene_stop(&b);
  broker_destroy(broker);
}

static void stop_within(struct scene *scene, int64_t limit_ms)
{
  int64_t before_ms = clock_monotonic_ms();
  scene_stop(scene);
  assert_in_range(clock_monotonic_ms() - before_ms, 0, limit_ms);
}

static void it_stops_in_every_state(void **state)
{
  (void)state;
  struct broker *broker = running_broker();
  struct scene scene = {.filters = all};
  for (int i = 0; i < 30; i++) { /* somewhere between the start and being connected */
    start_on(&scene, broker);
    poll(NULL, 0, i / 3);
    stop_within(&scene, 1000);
    scene.filters = all;
  }
  connected_to(&scene, broker, "a");
  stop_within(&scene, 1000);
  int port = free_port();
  scene_start(&scene, &(struct mqtt_options){.port = port, .first_retry_ms = 60000});
  scene_await_text(&scene, MQTT_FAILED, "refused", 5000); /* backing off for a minute */
  stop_within(&scene, 1000);
  int listener = listener_open(&port, 8);
  scene_start(&scene, &(struct mqtt_options){.port = port});
  int fd = listener_accept(listener); /* awaiting CONNACK */
  stop_within(&scene, 1000);
  close(fd);
  scene.filters = all;
  scene_start(&scene, &(struct mqtt_options){.port = port});
  fd = listener_accept(listener);
  accept_connect(fd);
  uint8_t body[64];
  size_t size;
  assert_int_equal(read_packet(fd, body, &size), 0x82); /* awaiting SUBACK */
  stop_within(&scene, 1000);
  close(fd);
  close(listener);
  connected_to(&scene, broker, "a");
  publish(&scene, "a", "b", 1);
  kill(broker->pid, SIGSTOP);
  publish(&scene, "a", "b", 2); /* no PUBACK will come */
  int64_t before_ms = clock_monotonic_ms();
  mqtt_stop(scene.mqtt, 400);
  assert_in_range(clock_monotonic_ms() - before_ms, 250, 800);
  close(scene.wake_fd);
  free(scene.thread);
  kill(broker->pid, SIGCONT);
  broker_destroy(broker);
  mqtt_stop(NULL, 0);
}

static int thread_count(void)
{
  DIR *tasks = opendir("/proc/self/task");
  int count = 0;
  while (readdir(tasks))
    count++;
  closedir(tasks);
  return count;
}

static void a_thread_left_behind_touches_nothing_of_its_owner(void **state)
{
  (void)state;
  int port, fillers[2], listener = black_hole(&port, fillers);
  struct scene scene = {.filters = all};
  int before = thread_count();
  scene_start(&scene, &(struct mqtt_options){.port = port, .attempt_ms = 500});
  assert_int_equal(thread_count(), before + 1);
  mqtt_stop(scene.mqtt, 0);
  close(scene.wake_fd);
  free(scene.thread);
  int64_t deadline_ms = clock_monotonic_ms() + 5000;
  while (thread_count() > before) {
    assert_true(clock_monotonic_ms() < deadline_ms);
    poll(NULL, 0, 10);
  }
  close_hole(listener, fillers);
}

static void expect_refused(const struct mqtt_options *options, const char *text)
{
  struct mqtt_options complete = *options;
  if (!complete.client_id)
    complete.client_id = "a";
  struct error error = {0};
  assert_null(mqtt_start(&complete, &error));
  assert_true(error.code < 0);
  if (!strstr(error.text, text))
    fail_msg("\"%s\" is not in \"%s\"", text, error.text);
}

static void wrong_options_are_refused_with_the_reason(void **state)
{
  (void)state;
  char *folder = folder_create();
  char *nul = folder_file(folder, "long", NULL);
  FILE *stream = fopen(nul, "we");
  fwrite("a\0b", 1, 3, stream);
  fclose(stream);
  expect_refused(&(struct mqtt_options){.port = 1}, "no host");
  expect_refused(&(struct mqtt_options){.host = "h"}, "port 0");
  expect_refused(&(struct mqtt_options){.host = "h", .port = 65536}, "port 65536");
  expect_refused(&(struct mqtt_options){.host = "h", .port = 1, .keepalive_s = 4}, "keep-alive");
  expect_refused(&(struct mqtt_options){.host = "h", .port = 1, .client_id = "\xff"}, "client id");
  expect_refused(&(struct mqtt_options){.host = "h", .port = 1, .password_file = nul}, "username");
  expect_refused(&(struct mqtt_options){.host = "h", .port = 1, .username = "\xff"}, "user name");
  expect_refused(&(struct mqtt_options){
                     .host = "h", .port = 1, .username = "u", .password_file = "/does/not/exist"},
                 "cannot read password_file /does/not/exist: No such file");
  expect_refused(
      &(struct mqtt_options){.host = "h", .port = 1, .username = "u", .password_file = nul},
      "holds no password");
  free(nul);
  folder_remove(folder);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_message_goes_out_and_comes_back),
      cmocka_unit_test(its_socket_is_closed_on_exec_after_connecting),
      cmocka_unit_test(a_broker_that_starts_later_is_found),
      cmocka_unit_test(a_host_that_does_not_exist_is_named),
      cmocka_unit_test(a_connect_that_hangs_is_given_up),
      cmocka_unit_test(a_connect_that_hangs_does_not_keep_it_from_stopping),
      cmocka_unit_test(a_broker_that_is_killed_and_restarted_is_found_again),
      cmocka_unit_test(a_broker_that_hangs_is_found_out_by_the_keep_alive),
      cmocka_unit_test(the_keep_alive_keeps_an_idle_connection),
      cmocka_unit_test(a_wrong_password_is_said_and_a_new_one_taken),
      cmocka_unit_test(garbage_is_told_from_a_broker),
      cmocka_unit_test(subscriptions_that_are_refused_are_named),
      cmocka_unit_test(without_suback_it_is_connected_after_5_s),
      cmocka_unit_test(a_thousand_filters_are_all_subscribed),
      cmocka_unit_test(what_was_on_its_way_is_not_sent_on_the_next_connection),
      cmocka_unit_test(a_full_window_says_so_and_when_there_is_room_again),
      cmocka_unit_test(large_messages_have_their_limits),
      cmocka_unit_test(a_message_over_16_mb_is_dropped),
      cmocka_unit_test(topics_that_cannot_be_published_to_are_refused),
      cmocka_unit_test(retained_messages_are_ignored),
      cmocka_unit_test(twenty_thousand_messages_each_way_arrive_in_order),
      cmocka_unit_test(a_reader_that_sleeps_loses_nothing),
      cmocka_unit_test(stopping_sends_what_was_taken),
      cmocka_unit_test(it_stops_in_every_state),
      cmocka_unit_test(a_thread_left_behind_touches_nothing_of_its_owner),
      cmocka_unit_test(wrong_options_are_refused_with_the_reason),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

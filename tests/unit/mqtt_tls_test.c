/* src/io/mqtt.c and src/io/tls.c over TLS: what is trusted, what is refused, and
 * in which words. */
#include "mqtt_scene.h"

#include "base/clock.h"
#include "base/memory.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct files {
  char *folder;
  char *ca, *other_ca, *client, *client_key, *stranger, *stranger_key;
};

static int make_files(void **state)
{
  struct files *files = memory_zeroed(1, sizeof *files);
  files->folder = folder_create();
  make_certificates(files->folder);
  files->ca = folder_file(files->folder, "ca.crt", NULL);
  files->other_ca = folder_file(files->folder, "other-ca.crt", NULL);
  files->client = folder_file(files->folder, "client.crt", NULL);
  files->client_key = folder_file(files->folder, "client.key", NULL);
  files->stranger = folder_file(files->folder, "stranger.crt", NULL);
  files->stranger_key = folder_file(files->folder, "stranger.key", NULL);
  *state = files;
  return 0;
}

static int remove_files(void **state)
{
  struct files *files = *state;
  char *paths[] = {files->ca,         files->other_ca, files->client,
                   files->client_key, files->stranger, files->stranger_key};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
    free(paths[i]);
  folder_remove(files->folder);
  free(files);
  return 0;
}

static struct broker *tls_broker(const struct files *files, const char *name, const char *more)
{
  char *lines = memory_format("allow_anonymous true\ncafile %s\ncertfile %s/%s.crt\n"
                              "keyfile %s/%s.key\n%s",
                              files->ca, files->folder, name, files->folder, name, more);
  struct broker *broker = broker_create(lines);
  free(lines);
  broker_start(broker);
  return broker;
}

/* Expects this reason, or a connection where `text` is NULL. */
static void expect(const struct broker *broker, const struct mqtt_options *options,
                   const char *text)
{
  struct mqtt_options complete = *options;
  complete.port = broker->port;
  complete.tls = true;
  struct scene scene = {0};
  scene_start(&scene, &complete);
  if (text)
    scene_await_text(&scene, MQTT_FAILED, text, 5000);
  else
    scene_await_connected(&scene, 5000);
  scene_stop(&scene);
}

static void a_broker_is_verified_by_name_and_by_address(void **state)
{
  const struct files *files = *state;
  struct broker *broker = tls_broker(files, "localhost", "");
  expect(broker, &(struct mqtt_options){.host = "127.0.0.1", .ca_file = files->ca}, NULL);
  expect(broker, &(struct mqtt_options){.host = "localhost", .ca_file = files->ca}, NULL);
  expect(broker, &(struct mqtt_options){.host = "127.0.0.1", .ca_file = files->other_ca},
         "certificate of 127.0.0.1 is not trusted: ");
  expect(broker, &(struct mqtt_options){.host = "127.0.0.1"},
         "certificate of 127.0.0.1 is not trusted: self-signed certificate in certificate chain "
         "(depth 1, CN=authority ca)");
  broker_destroy(broker);
}

static void a_certificate_for_others_is_refused_with_its_names(void **state)
{
  const struct files *files = *state;
  struct broker *broker = tls_broker(files, "elsewhere", "");
  expect(broker, &(struct mqtt_options){.host = "localhost", .ca_file = files->ca},
         "certificate of localhost is for other names: other.example, 10.1.2.3 (depth 0");
  expect(broker, &(struct mqtt_options){.host = "127.0.0.1", .ca_file = files->ca},
         "certificate of 127.0.0.1 is for other names: other.example, 10.1.2.3");
  broker_destroy(broker);
}

static void an_expired_certificate_is_refused_with_its_date(void **state)
{
  const struct files *files = *state;
  struct broker *broker = tls_broker(files, "expired", "");
  expect(broker, &(struct mqtt_options){.host = "127.0.0.1", .ca_file = files->ca},
         "certificate of 127.0.0.1 has expired: valid until 20");
  broker_destroy(broker);
}

static void a_client_certificate_is_shown_where_it_is_wanted(void **state)
{
  const struct files *files = *state;
  struct broker *broker = tls_broker(files, "localhost", "require_certificate true\n");
  const struct mqtt_options known = {
      .ca_file = files->ca, .cert_file = files->client, .key_file = files->client_key};
  const struct mqtt_options unknown = {
      .ca_file = files->ca, .cert_file = files->stranger, .key_file = files->stranger_key};
  expect(broker, &known, NULL);
  expect(broker, &(struct mqtt_options){.ca_file = files->ca},
         "a client certificate");
  expect(broker, &unknown, "the client certificate");
  broker_destroy(broker);
  broker = tls_broker(files, "localhost", "require_certificate true\ntls_version tlsv1.2\n");
  expect(broker, &known, NULL);
  expect(broker, &(struct mqtt_options){.ca_file = files->ca}, "client certificate");
  broker_destroy(broker);
}

static void tls_and_plain_do_not_meet(void **state)
{
  const struct files *files = *state;
  struct broker *plain = broker_create("allow_anonymous true\n");
  broker_start(plain);
  expect(plain, &(struct mqtt_options){.ca_file = files->ca}, "not speak TLS here");
  broker_destroy(plain);
  struct broker *broker = tls_broker(files, "localhost", "");
  struct scene scene = {0};
  scene_start(&scene, &(struct mqtt_options){.port = broker->port, .attempt_ms = 1000});
  scene_await_text(&scene, MQTT_FAILED, "it may expect TLS: mqtts://", 5000);
  scene_stop(&scene);
  broker_destroy(broker);
}

static void handshakes_that_break_are_told_and_tried_again(void **state)
{
  const struct files *files = *state;
  int port, listener = listener_open(&port, 8);
  struct scene scene = {0};
  scene_start(&scene, &(struct mqtt_options){
                          .port = port, .tls = true, .ca_file = files->ca, .attempt_ms = 600});
  char hello[512];
  int fd = listener_accept(listener);
  read_exactly(fd, hello, 100);
  write_all(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
  scene_await_text(&scene, MQTT_FAILED, "the broker does not speak TLS here", 5000);
  close(fd);
  fd = listener_accept(listener); /* closes before and in the middle of the handshake */
  close(fd);
  scene_await_text(&scene, MQTT_FAILED, "during the TLS handshake", 5000);
  fd = listener_accept(listener);
  read_exactly(fd, hello, 100);
  write_all(fd, "\x16\x03\x03\x00\x7a\x02", 6);
  shutdown(fd, SHUT_WR);
  assert_true(scene_is_quiet(&scene, 100)); /* the same reason */
  close(fd);
  fd = listener_accept(listener); /* says nothing, and costs nothing */
  int64_t used_ms = processor_ms();
  scene_await_text(&scene, MQTT_FAILED, "no TLS handshake within", 5000);
  assert_true(processor_ms() - used_ms < 100);
  close(fd);
  fd = listener_accept(listener);
  read_exactly(fd, hello, 100);
  write_all(fd, "\x15\x03\x03\x00\x02\x02\x28", 7); /* alert: handshake failure */
  scene_await_text(&scene, MQTT_FAILED, "refused the TLS handshake", 5000);
  close(fd);
  scene_stop(&scene);
  close(listener);
}

static void it_stops_in_the_middle_of_a_handshake(void **state)
{
  const struct files *files = *state;
  int port, listener = listener_open(&port, 8);
  struct scene scene = {0};
  scene_start(&scene,
              &(struct mqtt_options){.port = port, .tls = true, .ca_file = files->ca});
  int fd = listener_accept(listener);
  char hello[100];
  read_exactly(fd, hello, sizeof hello);
  int64_t before_ms = clock_monotonic_ms();
  scene_stop(&scene);
  assert_in_range(clock_monotonic_ms() - before_ms, 0, 1000);
  close(fd);
  close(listener);
}

static void a_killed_broker_is_found_again(void **state)
{
  const struct files *files = *state;
  struct broker *broker = tls_broker(files, "localhost", "");
  struct scene scene = {0};
  scene_start(&scene, &(struct mqtt_options){
                          .port = broker->port, .tls = true, .ca_file = files->ca});
  scene_await_connected(&scene, 5000);
  for (int i = 0; i < 3; i++) {
    broker_kill(broker);
    scene_await_text(&scene, MQTT_DISCONNECTED, "the broker closed the connection", 5000);
    broker_start(broker);
    scene_await_connected(&scene, 5000);
  }
  scene_stop(&scene);
  broker_destroy(broker);
}

static void rotated_authorities_are_taken(void **state)
{
  const struct files *files = *state;
  struct broker *broker = tls_broker(files, "localhost", "");
  char *path = folder_file(broker->folder, "authorities", NULL);
  char *line = memory_format("cp %s %s", files->other_ca, path);
  assert_int_equal(system(line), 0);
  free(line);
  struct scene scene = {0};
  scene_start(&scene,
              &(struct mqtt_options){.port = broker->port, .tls = true, .ca_file = path});
  scene_await_text(&scene, MQTT_FAILED, "is not trusted", 5000);
  assert_int_equal(unlink(path), 0);
  scene_await_text(&scene, MQTT_FAILED, "cannot read the certificate authorities", 5000);
  line = memory_format("cp %s %s.new && mv %s.new %s", files->ca, path, path, path);
  assert_int_equal(system(line), 0);
  free(line);
  scene_await_connected(&scene, 5000);
  scene_stop(&scene);
  free(path);
  broker_destroy(broker);
}

/* Under AddressSanitizer this shows whether the library gives its reference of the
 * context back, in every way that an attempt can end. */
static void a_hundred_attempts_leave_nothing_behind(void **state)
{
  const struct files *files = *state;
  struct broker *broker = tls_broker(files, "localhost", "");
  for (int i = 0; i < 50; i++)
    expect(broker, &(struct mqtt_options){.ca_file = files->ca}, NULL);
  expect(broker, &(struct mqtt_options){.ca_file = files->other_ca}, "not trusted");
  broker_kill(broker);
  for (int i = 0; i < 5; i++)
    expect(broker, &(struct mqtt_options){.ca_file = files->ca}, "connection refused");
  broker_destroy(broker);
  int port, listener = listener_open(&port, 8);
  struct scene scene = {0};
  scene_start(&scene, &(struct mqtt_options){.port = port,
                                             .tls = true,
                                             .ca_file = files->ca,
                                             .first_retry_ms = 1,
                                             .max_retry_ms = 1});
  for (int i = 0; i < 50; i++) {
    int fd = listener_accept(listener);
    const struct linger at_once = {.l_onoff = 1};
    if (i % 2)
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
  }
  scene_stop(&scene);
  close(listener);
}

/* openssl's own server: what is written to `in` goes out as one record. */
static pid_t serve_tls(const struct files *files, int port, int *in)
{
  int pipes[2];
  assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
  char *accept = memory_format("127.0.0.1:%d", port);
  char *certificate = memory_format("%s/localhost.crt", files->folder);
  char *key = memory_format("%s/localhost.key", files->folder);
  pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_WRONLY);
    dup2(pipes[0], STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execlp("openssl", "openssl", "s_server", "-quiet", "-accept", accept, "-cert", certificate,
           "-key", key, (char *)0);
    _exit(127);
  }
  close(pipes[0]);
  free(accept);
  free(certificate);
  free(key);
  *in = pipes[1];
  return pid;
}

/* Decrypted bytes that wait in the library are invisible to poll(). */
static void messages_in_one_record_are_all_given_out(void **state)
{
  int in;
  struct scene scene = {0};
  int port = free_port();
  pid_t pid = serve_tls(*state, port, &in);
  const struct files *files = *state;
  scene_start(&scene, &(struct mqtt_options){.port = port, .tls = true, .ca_file = files->ca});
  assert_int_equal(write(in, "\x20\x02\0\0", 4), 4); /* CONNACK */
  scene_await_connected(&scene, 5000);
  assert_int_equal(write(in, "\x30\x04\0\1a1\x30\x04\0\1a2\x30\x04\0\1a3", 18), 18);
  for (char expected = '1'; expected <= '3'; expected++) {
    struct mqtt_event event = scene_await(&scene, MQTT_MESSAGE, 5000);
    assert_int_equal(event.payload[0], expected);
    mqtt_event_clear(&event);
  }
  scene_stop(&scene);
  close(in);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
}

static void five_thousand_messages_of_all_sizes_arrive(void **state)
{
  static const char *const to_b[] = {"to/b", NULL};
  const struct files *files = *state;
  struct broker *broker = tls_broker(files, "localhost", "");
  struct scene a = {0}, b = {.filters = to_b};
  const struct mqtt_options options = {.port = broker->port, .tls = true, .ca_file = files->ca};
  struct mqtt_options of_a = options, of_b = options;
  of_a.client_id = "a";
  of_b.client_id = "b";
  scene_start(&a, &of_a);
  scene_start(&b, &of_b);
  scene_await_connected(&a, 5000);
  scene_await_connected(&b, 5000);
  static char payload[20000];
  uint32_t sent = 0, landed = 0, got = 0;
  for (;;) {
    size_t size = sent % 100 ? 10 + sent % 200 : sizeof payload;
    int rc = sent < 5000 ? mqtt_publish(a.mqtt, "to/b", payload, size, sent) : -1;
    sent += rc == 0;
    if (rc == 0)
      continue;
    struct mqtt_event event;
    while (mqtt_next_event(b.mqtt, &event)) {
      assert_int_equal(event.payload_bytes, got % 100 ? 10 + got % 200 : sizeof payload);
      got++;
      mqtt_event_clear(&event);
    }
    while (mqtt_next_event(a.mqtt, &event))
      landed += event.kind == MQTT_PUBLISHED;
    struct pollfd polled[] = {{.fd = a.wake_fd, .events = POLLIN},
                              {.fd = b.wake_fd, .events = POLLIN}};
    if (landed == 5000 && got == 5000)
      break;
    eventfd_t count;
    assert_true(poll(polled, 2, 10000) > 0);
    if (polled[0].revents)
      eventfd_read(a.wake_fd, &count);
    if (polled[1].revents)
      eventfd_read(b.wake_fd, &count);
  }
  scene_stop(&a);
  scene_stop(&b);
  broker_destroy(broker);
}

static void expect_refused(const struct mqtt_options *options, const char *text)
{
  struct mqtt_options complete = *options;
  complete.host = "127.0.0.1";
  complete.port = 8883;
  complete.client_id = "a";
  complete.tls = true;
  struct error error = {0};
  assert_null(mqtt_start(&complete, &error));
  if (!strstr(error.text, text))
    fail_msg("\"%s\" is not in \"%s\"", text, error.text);
}

static void wrong_files_are_refused_at_the_start(void **state)
{
  const struct files *files = *state;
  char *locked = folder_file(files->folder, "locked.key", NULL);
  char *line = memory_format("openssl ec -in %s -out %s -aes128 -passout pass:secret 2>/dev/null",
                             files->client_key, locked);
  assert_int_equal(system(line), 0);
  free(line);
  expect_refused(&(struct mqtt_options){.ca_file = "/does/not/exist"},
                 "cannot read the certificate authorities /does/not/exist: No such file");
  expect_refused(&(struct mqtt_options){.ca_file = files->client_key},
                 "no certificate authority in");
  expect_refused(&(struct mqtt_options){.ca_file = files->ca, .cert_file = files->client},
                 "key_file is missing");
  expect_refused(&(struct mqtt_options){.ca_file = files->ca, .key_file = files->client},
                 "cert_file is missing");
  expect_refused(&(struct mqtt_options){.ca_file = files->ca,
                                        .cert_file = files->client,
                                        .key_file = files->stranger_key},
                 "does not belong to the certificate");
  expect_refused(&(struct mqtt_options){.ca_file = files->ca,
                                        .cert_file = files->client_key,
                                        .key_file = files->client_key},
                 "no certificate in");
  expect_refused(&(struct mqtt_options){.ca_file = files->ca,
                                        .cert_file = files->client,
                                        .key_file = files->client},
                 "no usable key in");
  expect_refused(
      &(struct mqtt_options){.ca_file = files->ca, .cert_file = files->client, .key_file = locked},
      "a passphrase is not supported");
  free(locked);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_broker_is_verified_by_name_and_by_address),
      cmocka_unit_test(a_certificate_for_others_is_refused_with_its_names),
      cmocka_unit_test(an_expired_certificate_is_refused_with_its_date),
      cmocka_unit_test(a_client_certificate_is_shown_where_it_is_wanted),
      cmocka_unit_test(tls_and_plain_do_not_meet),
      cmocka_unit_test(handshakes_that_break_are_told_and_tried_again),
      cmocka_unit_test(it_stops_in_the_middle_of_a_handshake),
      cmocka_unit_test(a_killed_broker_is_found_again),
      cmocka_unit_test(rotated_authorities_are_taken),
      cmocka_unit_test(a_hundred_attempts_leave_nothing_behind),
      cmocka_unit_test(messages_in_one_record_are_all_given_out),
      cmocka_unit_test(five_thousand_messages_of_all_sizes_arrive),
      cmocka_unit_test(wrong_files_are_refused_at_the_start),
  };
  return cmocka_run_group_tests(tests, make_files, remove_files);
}

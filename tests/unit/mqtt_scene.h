/* What the tests of src/io/mqtt.c share: an MQTT connection whose events are
 * awaited with a deadline, a real broker on a free loopback port, a server that
 * does what the test says, and certificates. Everything ends or is removed by its
 * own stop function; a failed wait fails the test. */
#ifndef KAALUA_TESTS_MQTT_SCENE_H
#define KAALUA_TESTS_MQTT_SCENE_H

#include "io/mqtt.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <sys/types.h>

/* A new folder under /tmp, removed with all that is in it. */
char *folder_create(void);
void folder_remove(char *folder);
char *folder_file(const char *folder, const char *name, const char *content);

int free_port(void);

struct broker {
  char *folder;
  int port;
  pid_t pid; /* 0: does not run */
};

/* Prepares a broker: a free port, and `lines` as its configuration ("%s" in it
 * is the folder). It does not run yet. */
struct broker *broker_create(const char *lines);
void broker_start(struct broker *broker); /* returns when it listens */
void broker_kill(struct broker *broker);
void broker_destroy(struct broker *broker);

/* A server of the test's own. */
int listener_open(int *port, int backlog);
int listener_accept(int listener); /* within 5 s */
void read_exactly(int fd, void *bytes, size_t size);
void write_all(int fd, const void *bytes, size_t size);
/* Reads one MQTT packet; returns its first byte, or -1 at the end. */
int read_packet(int fd, uint8_t *body, size_t *size);
void accept_connect(int fd); /* reads CONNECT, answers CONNACK 0 */

struct scene_thread; /* what the MQTT thread uses: it outlives a test that fails */

struct scene {
  struct mqtt *mqtt;
  struct scene_thread *thread;
  int wake_fd; /* written by notify */
  const char *const *filters; /* ended by NULL; or NULL */
  size_t filter_count; /* where not 0: filters "many/0", "many/1", … instead */
  size_t published; /* PUBLISHED events that await() passed over */
  size_t messages;  /* MESSAGE events that await() passed over */
};

/* Starts with these options, quick retries and keep-alive, and the scene's callbacks. */
void scene_start(struct scene *scene, const struct mqtt_options *options);
void scene_stop(struct scene *scene);

/* The next event, or a failed test after `deadline_ms`. */
struct mqtt_event scene_next(struct scene *scene, int64_t deadline_ms);

/* The next event of this kind; others are passed over and counted. A FAILED or
 * DISCONNECTED that is not awaited fails the test. */
struct mqtt_event scene_await(struct scene *scene, enum mqtt_event_kind kind, int64_t deadline_ms);

/* Awaits FAILED or DISCONNECTED with this in its text. */
void scene_await_text(struct scene *scene, enum mqtt_event_kind kind, const char *text,
                      int64_t deadline_ms);

/* Whether no event comes within `ms`. */
int scene_is_quiet(struct scene *scene, int ms);

/* Awaits CONNECTED, past whatever comes before it. */
void scene_await_connected(struct scene *scene, int64_t deadline_ms);

/* ca.crt, other-ca.crt, and NAME.crt with NAME.key for the names localhost (also IP
 * 127.0.0.1), elsewhere (other.example), expired, client, stranger (of the other authority). */
void make_certificates(const char *folder);

/* Processor time of this process so far. */
int64_t processor_ms(void);

#endif

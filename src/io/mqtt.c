#include "io/mqtt.h"

#include "base/clock.h"
#include "base/memory.h"
#include "io/mqtt_client.h"
#include "io/mqtt_loop.h"
#include "io/mqtt_queue.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  KEEPALIVE_S = 60,
  MIN_KEEPALIVE_S = 5, /* libmosquitto takes no less */
  ATTEMPT_MS = 20000,
  FIRST_RETRY_MS = 1000,
  MAX_RETRY_MS = 60000,
  INTERRUPT_AGAIN_MS = 20,
};

struct mqtt {
  struct mqtt_options options; /* texts owned */
  struct mqtt_queue *queue;
  struct mqtt_loop *loop;
  pthread_t thread;
  pthread_mutex_t mutex; /* of these: */
  pthread_cond_t ended;
  bool has_ended, is_abandoned;
};

static void destroy(struct mqtt *mqtt)
{
  const struct mqtt_options *options = &mqtt->options;
  const char *const texts[] = {options->host,     options->ca_file,  options->cert_file,
                               options->key_file, options->username, options->password_file,
                               options->client_id};
  mqtt_loop_destroy(mqtt->loop);
  mqtt_queue_destroy(mqtt->queue);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    free((char *)texts[i]);
  pthread_cond_destroy(&mqtt->ended);
  pthread_mutex_destroy(&mqtt->mutex);
  free(mqtt);
}

static void *run(void *context)
{
  struct mqtt *mqtt = context;
  mqtt_loop_run(mqtt->loop);
  pthread_mutex_lock(&mqtt->mutex);
  mqtt->has_ended = true;
  bool is_abandoned = mqtt->is_abandoned;
  pthread_cond_signal(&mqtt->ended);
  pthread_mutex_unlock(&mqtt->mutex);
  if (is_abandoned)
    destroy(mqtt);
  return NULL;
}

static int check(const struct mqtt_options *options, struct error *error)
{
  if (!options->host || !*options->host)
    return error_set(error, -EINVAL, "no host");
  if (options->port < 1 || options->port > 65535)
    return error_set(error, -EINVAL, "port %d is not 1 to 65535", options->port);
  if (!options->client_id || !*options->client_id)
    return error_set(error, -EINVAL, "no client id");
  if (options->keepalive_s &&
      (options->keepalive_s < MIN_KEEPALIVE_S || options->keepalive_s > 65535))
    return error_set(error, -EINVAL, "a keep-alive of %d s is not %d to 65535 s",
                     options->keepalive_s, MIN_KEEPALIVE_S);
  if (options->password_file && !options->username)
    return error_set(error, -EINVAL, "a password_file needs a username");
  return 0;
}

static struct mqtt *created(const struct mqtt_options *options)
{
  struct mqtt *mqtt = memory_zeroed(1, sizeof *mqtt);
  struct mqtt_options *copy = &mqtt->options;
  *copy = *options;
  copy->host = memory_text(options->host);
  copy->ca_file = memory_text(options->ca_file);
  copy->cert_file = memory_text(options->cert_file);
  copy->key_file = memory_text(options->key_file);
  copy->username = memory_text(options->username);
  copy->password_file = memory_text(options->password_file);
  copy->client_id = memory_text(options->client_id);
  copy->keepalive_s = options->keepalive_s ? options->keepalive_s : KEEPALIVE_S;
  copy->attempt_ms = options->attempt_ms ? options->attempt_ms : ATTEMPT_MS;
  copy->first_retry_ms = options->first_retry_ms ? options->first_retry_ms : FIRST_RETRY_MS;
  copy->max_retry_ms = options->max_retry_ms ? options->max_retry_ms : MAX_RETRY_MS;
  pthread_mutex_init(&mqtt->mutex, NULL);
  pthread_cond_init(&mqtt->ended, NULL);
  return mqtt;
}

static int try_files(const struct mqtt_options *options, struct error *error)
{
  const struct mqtt_client_ports none = {0};
  struct mqtt_client *client = mqtt_client_create(options, &none, error);
  mqtt_client_destroy(client);
  return client ? 0 : -EINVAL;
}

static void on_interrupt(int number)
{
  (void)number; /* that it came is enough: connect() returns EINTR */
}

/* With all signals blocked but the one that interrupts and those of a fault of its own. */
static int start_thread(struct mqtt *mqtt, struct error *error)
{
  struct sigaction action = {.sa_handler = on_interrupt};
  sigemptyset(&action.sa_mask);
  sigaction(MQTT_LOOP_SIGNAL, &action, NULL);
  const int open_signals[] = {MQTT_LOOP_SIGNAL, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
  sigset_t blocked, before;
  sigfillset(&blocked);
  for (size_t i = 0; i < sizeof open_signals / sizeof *open_signals; i++)
    sigdelset(&blocked, open_signals[i]);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  int rc = pthread_create(&mqtt->thread, NULL, run, mqtt);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc ? error_set(error, -rc, "no thread for MQTT: %s", strerror(rc)) : 0;
}

struct mqtt *mqtt_start(const struct mqtt_options *options, struct error *error)
{
  if (check(options, error))
    return NULL;
  mqtt_client_begin_library();
  struct mqtt *mqtt = created(options);
  if (try_files(&mqtt->options, error))
    goto failed;
  mqtt->queue = mqtt_queue_create(options->notify, options->context, error);
  if (!mqtt->queue)
    goto failed;
  mqtt->loop = mqtt_loop_create(&mqtt->options, mqtt->queue);
  if (start_thread(mqtt, error))
    goto failed;
  return mqtt;
failed:
  destroy(mqtt);
  mqtt_client_end_library();
  return NULL;
}

int mqtt_publish(struct mqtt *mqtt, const char *topic, const void *payload, size_t size,
                 uint32_t cookie)
{
  if (size > MQTT_MAX_PAYLOAD_BYTES || !mqtt_client_is_topic(topic))
    return -EINVAL;
  return mqtt_queue_offer(mqtt->queue, topic, payload, size, cookie);
}

bool mqtt_next_event(struct mqtt *mqtt, struct mqtt_event *event)
{
  return mqtt_queue_take(mqtt->queue, event);
}

void mqtt_event_clear(struct mqtt_event *event)
{
  free(event->text);
  free(event->payload);
  *event = (struct mqtt_event){0};
}

static struct timespec soon(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  time.tv_nsec += INTERRUPT_AGAIN_MS * 1000000;
  time.tv_sec += time.tv_nsec / 1000000000;
  time.tv_nsec %= 1000000000;
  return time;
}

/* Returns whether the thread has ended; if not, it is on its own from now on. */
static bool await_end(struct mqtt *mqtt, int64_t until_ms)
{
  pthread_mutex_lock(&mqtt->mutex);
  while (!mqtt->has_ended && clock_monotonic_ms() < until_ms) {
    mqtt_loop_interrupt(mqtt->loop, mqtt->thread);
    struct timespec again = soon();
    pthread_cond_clockwait(&mqtt->ended, &mqtt->mutex, CLOCK_MONOTONIC, &again);
  }
  bool has_ended = mqtt->has_ended;
  mqtt->is_abandoned = !has_ended;
  if (!has_ended)
    pthread_detach(mqtt->thread);
  pthread_mutex_unlock(&mqtt->mutex);
  return has_ended;
}

void mqtt_stop(struct mqtt *mqtt, int64_t patience_ms)
{
  if (!mqtt)
    return;
  int64_t now_ms = clock_monotonic_ms();
  mqtt_loop_stop(mqtt->loop, now_ms + patience_ms * 3 / 4);
  mqtt_queue_close(mqtt->queue);
  if (!await_end(mqtt, now_ms + patience_ms))
    return;
  pthread_join(mqtt->thread, NULL);
  destroy(mqtt);
  mqtt_client_end_library();
}

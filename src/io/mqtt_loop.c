#include "io/mqtt_loop.h"

#include "base/clock.h"
#include "base/memory.h"
#include "io/mqtt_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { STEADY_MS = 10000 }; /* a connection that stood so long begins the back-off anew */

struct mqtt_loop {
  const struct mqtt_options *options;
  struct mqtt_queue *queue;
  pthread_mutex_t mutex;  /* of these: */
  bool is_opening;        /* the thread may hang in connect() */
  bool is_stopping;
  int64_t flush_until_ms; /* once stopping */

  /* the thread's own */
  struct mqtt_client *client;
  bool has_stood; /* CONNECTED was given out for this connection */
  int64_t stood_since_ms;
  int64_t retry_ms; /* the next back-off, before jitter */
  uint64_t random;
  char *last_reason; /* of FAILED */
};

struct mqtt_loop *mqtt_loop_create(const struct mqtt_options *options, struct mqtt_queue *queue)
{
  struct mqtt_loop *loop = memory_zeroed(1, sizeof *loop);
  loop->options = options;
  loop->queue = queue;
  loop->retry_ms = options->first_retry_ms;
  loop->random = options->seed;
  pthread_mutex_init(&loop->mutex, NULL);
  return loop;
}

void mqtt_loop_destroy(struct mqtt_loop *loop)
{
  if (!loop)
    return;
  free(loop->last_reason);
  pthread_mutex_destroy(&loop->mutex);
  free(loop);
}

static bool is_stopping(struct mqtt_loop *loop)
{
  pthread_mutex_lock(&loop->mutex);
  bool is = loop->is_stopping;
  pthread_mutex_unlock(&loop->mutex);
  return is;
}

static bool on_filter(void *context, size_t n, struct buffer *out)
{
  struct mqtt_loop *loop = context;
  pthread_mutex_lock(&loop->mutex); /* once stopping, the options' context may be gone */
  bool is_there = !loop->is_stopping && loop->options->filter &&
                  loop->options->filter(loop->options->context, n, out);
  pthread_mutex_unlock(&loop->mutex);
  return is_there;
}

static void on_ready(void *context)
{
  struct mqtt_loop *loop = context;
  loop->has_stood = true;
  loop->stood_since_ms = clock_monotonic_ms();
  free(loop->last_reason);
  loop->last_reason = NULL;
  mqtt_queue_push(loop->queue, &(struct mqtt_event){.kind = MQTT_CONNECTED});
}

static void on_refused(void *context, const char *filter)
{
  struct mqtt_loop *loop = context;
  mqtt_queue_push(loop->queue, &(struct mqtt_event){.kind = MQTT_SUBSCRIPTION_REFUSED,
                                                    .text = memory_text(filter)});
}

static void on_message(void *context, const char *topic, const void *payload, size_t size)
{
  struct mqtt_loop *loop = context;
  mqtt_queue_push(loop->queue, &(struct mqtt_event){.kind = MQTT_MESSAGE,
                                                    .text = memory_text(topic),
                                                    .payload = memory_copied(payload, size),
                                                    .payload_bytes = size});
}

static void on_published(void *context, uint32_t cookie, size_t payload_bytes)
{
  struct mqtt_loop *loop = context;
  mqtt_queue_push(loop->queue, &(struct mqtt_event){.kind = MQTT_PUBLISHED, .cookie = cookie});
  mqtt_queue_landed(loop->queue, payload_bytes);
}

static int publish_waiting(struct mqtt_loop *loop, struct error *error)
{
  struct mqtt_message message;
  while (mqtt_queue_next(loop->queue, &message)) {
    int rc = mqtt_client_publish(loop->client, message.topic, message.payload,
                                 message.payload_bytes, message.cookie, error);
    mqtt_message_clear(&message);
    if (rc)
      return rc;
  }
  return 0;
}

/* One round of the poll loop. */
static int turn(struct mqtt_loop *loop, struct error *error)
{
  bool may_read = !mqtt_queue_is_full(loop->queue);
  short events = mqtt_client_events(loop->client, may_read);
  struct pollfd polled[] = {
      /* A socket without events is left out: poll() would report a hang-up for ever. */
      {.fd = events ? mqtt_client_fd(loop->client) : -1, .events = events},
      {.fd = mqtt_queue_wake_fd(loop->queue), .events = POLLIN},
  };
  poll(polled, 2, mqtt_client_timeout_ms(loop->client, may_read, clock_monotonic_ms()));
  if (polled[1].revents)
    mqtt_queue_woken(loop->queue);
  return mqtt_client_turn(loop->client, polled[0].revents, may_read, clock_monotonic_ms(), error);
}

/* Whether to leave a connection; reads the order before `settled` is looked at. */
static bool is_over(struct mqtt_loop *loop, bool *is_late)
{
  pthread_mutex_lock(&loop->mutex);
  bool is = loop->is_stopping;
  *is_late = clock_monotonic_ms() >= loop->flush_until_ms;
  pthread_mutex_unlock(&loop->mutex);
  return is;
}

/* Returns when the connection has ended, with the reason, or to stop. */
static void serve(struct mqtt_loop *loop, struct error *error)
{
  for (;;) {
    bool is_late;
    bool is_stopping_now = is_over(loop, &is_late); /* nothing is offered after this order */
    if (loop->has_stood && publish_waiting(loop, error))
      return;
    if (is_stopping_now &&
        (is_late || !loop->has_stood || mqtt_client_is_settled(loop->client)))
      break;
    if (turn(loop, error))
      return;
  }
  mqtt_client_say_goodbye(loop->client);
}

static void set_opening(struct mqtt_loop *loop, bool is_opening)
{
  pthread_mutex_lock(&loop->mutex);
  loop->is_opening = is_opening;
  pthread_mutex_unlock(&loop->mutex);
}

/* A connect() that hangs is interrupted each attempt_ms, so that each address of
 * the host has that time. */
static int open_client(struct mqtt_loop *loop, struct error *error)
{
  struct sigevent how = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = MQTT_LOOP_SIGNAL};
  how.sigev_notify_thread_id = gettid();
  timer_t timer;
  if (timer_create(CLOCK_MONOTONIC, &how, &timer))
    return error_set(error, -errno, "no timer: %s", strerror(errno));
  int64_t ms = loop->options->attempt_ms;
  struct timespec span = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
  set_opening(loop, true);
  int rc = -ECANCELED;
  if (!is_stopping(loop)) {
    timer_settime(timer, 0, &(struct itimerspec){.it_interval = span, .it_value = span}, NULL);
    rc = mqtt_client_open(loop->client, error);
  }
  set_opening(loop, false);
  timer_delete(timer);
  return rc;
}

/* One connection from its beginning to its end, for which it gives the reason. */
static void connect_once(struct mqtt_loop *loop, struct error *why)
{
  const struct mqtt_client_ports ports = {
      .context = loop,
      .filter = on_filter,
      .ready = on_ready,
      .refused = on_refused,
      .message = on_message,
      .published = on_published,
  };
  loop->has_stood = false;
  loop->client = mqtt_client_create(loop->options, &ports, why);
  if (loop->client && open_client(loop, why) == 0)
    serve(loop, why);
  mqtt_client_destroy(loop->client);
  loop->client = NULL;
}

static int64_t jittered(struct mqtt_loop *loop, int64_t ms)
{
  loop->random = loop->random * 6364136223846793005u + 1442695040888963407u; /* Knuth, MMIX */
  return ms * (int64_t)(800 + (loop->random >> 33) % 401) / 1000;
}

static int64_t next_retry_ms(struct mqtt_loop *loop)
{
  if (loop->has_stood && clock_monotonic_ms() - loop->stood_since_ms >= STEADY_MS)
    loop->retry_ms = loop->options->first_retry_ms;
  int64_t ms = loop->retry_ms;
  int64_t max_ms = loop->options->max_retry_ms;
  loop->retry_ms = ms * 2 < max_ms ? ms * 2 : max_ms;
  return jittered(loop, ms);
}

static void report(struct mqtt_loop *loop, const struct error *why, int64_t retry_ms)
{
  if (!loop->has_stood) {
    if (loop->last_reason && !strcmp(loop->last_reason, why->text))
      return;
    free(loop->last_reason);
    loop->last_reason = memory_text(why->text);
  }
  mqtt_queue_push(loop->queue,
                  &(struct mqtt_event){.kind = loop->has_stood ? MQTT_DISCONNECTED : MQTT_FAILED,
                                       .text = memory_text(why->text),
                                       .retry_in_ms = retry_ms});
}

static void wait_for(struct mqtt_loop *loop, int64_t ms)
{
  int64_t until_ms = clock_monotonic_ms() + ms;
  struct pollfd polled = {.fd = mqtt_queue_wake_fd(loop->queue), .events = POLLIN};
  for (int64_t left_ms = ms; left_ms > 0 && !is_stopping(loop);
       left_ms = until_ms - clock_monotonic_ms())
    if (poll(&polled, 1, (int)left_ms) > 0)
      mqtt_queue_woken(loop->queue);
}

void mqtt_loop_run(struct mqtt_loop *loop)
{
  while (!is_stopping(loop)) {
    struct error why = {0};
    connect_once(loop, &why);
    if (is_stopping(loop))
      break;
    int64_t retry_ms = next_retry_ms(loop);
    report(loop, &why, retry_ms);
    wait_for(loop, retry_ms);
  }
}

void mqtt_loop_stop(struct mqtt_loop *loop, int64_t flush_until_ms)
{
  pthread_mutex_lock(&loop->mutex);
  loop->is_stopping = true;
  loop->flush_until_ms = flush_until_ms;
  pthread_mutex_unlock(&loop->mutex);
}

void mqtt_loop_interrupt(struct mqtt_loop *loop, pthread_t thread)
{
  pthread_mutex_lock(&loop->mutex);
  if (loop->is_opening)
    pthread_kill(thread, MQTT_LOOP_SIGNAL);
  pthread_mutex_unlock(&loop->mutex);
}

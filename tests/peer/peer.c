/* An MQTT client with a line protocol, for tests that are not written in C.
 *
 *   peer --host H --port P [--id ID] [--cafile F [--cert F --key F]]
 *        [--username U --password W] [--keepalive S]
 *
 * It connects, again every 100 ms after a failure, and subscribes anew each time.
 * It ends with 0 at "quit" or at the end of its standard input.
 *
 * Commands, one a line on standard input:
 *
 *   sub FILTER            subscribes at QoS 1
 *   unsub FILTER
 *   pub TOPIC BYTES [qos0] [retain]
 *   <BYTES raw bytes>     publishes, at QoS 1; a newline follows the bytes
 *   burst COUNT FIRST TOPIC BYTES
 *   <BYTES raw bytes>     publishes the bytes COUNT times, "%d" in them replaced by
 *                         FIRST, FIRST + 1, …
 *   confirm on|off        answers each result  kp1/A/cex/T/result/TYPE/ID  by an empty
 *                         message on …/status
 *   refuse CODE REASON    answers results on …/error instead; "refuse off" ends it
 *   replies on|off        answers each command request  kp1/A/cex/T/command/TYPE/ID
 *                         by "[]" on …/status
 *   telemetry on|off      confirms samples (dcx) and metadata (epmx) likewise
 *                         (each of these subscribes to what it needs, as "sub" does)
 *   quiet on|off          messages are counted and answered, but not printed
 *   count                 prints and resets the counts
 *   disconnect            says DISCONNECT and stays away; "connect" returns
 *   connect
 *   quit
 *
 * Events, one a line on standard output, flushed:
 *
 *   connected             before the subscriptions are sent
 *   disconnected TEXT     also for an attempt that fails, once until it succeeds
 *   suback FILTER CODE    granted QoS, or 128
 *   published N           PUBACK of the N-th "pub" of this process (qos0: sent)
 *   burst COUNT           PUBACK of all messages of the oldest burst
 *   message TOPIC BYTES [retained]
 *   <BYTES raw bytes>     followed by a newline
 *   count MESSAGES RESULTS    results: how often "statusCode" was in them
 *   error TEXT            a command that cannot be carried out; a publish while there is
 *                         no connection is one
 */
#include "peer.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RETRY_MS = 100, TURN_MS = 500 };

static const char *argument(int argc, char **argv, const char *name, const char *otherwise)
{
  for (int i = 1; i + 1 < argc; i += 2)
    if (!strcmp(argv[i], name))
      return argv[i + 1];
  return otherwise;
}

void peer_say(const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  putchar('\n');
  fflush(stdout);
}

static void send_subscription(struct peer *peer, struct subscription *subscription)
{
  if (peer->is_connected)
    mosquitto_subscribe(peer->library, &subscription->mid, subscription->filter, 1);
}

void peer_subscribe(struct peer *peer, const char *filter)
{
  for (size_t i = 0; i < peer->subscription_count; i++)
    if (!strcmp(peer->subscriptions[i].filter, filter)) {
      send_subscription(peer, &peer->subscriptions[i]);
      return;
    }
  size_t count = ++peer->subscription_count;
  peer->subscriptions = memory_resized(peer->subscriptions, count * sizeof *peer->subscriptions);
  peer->subscriptions[count - 1] = (struct subscription){.filter = memory_text(filter)};
  send_subscription(peer, &peer->subscriptions[count - 1]);
}

void peer_unsubscribe(struct peer *peer, const char *filter)
{
  for (size_t i = 0; i < peer->subscription_count; i++) {
    if (strcmp(peer->subscriptions[i].filter, filter) != 0)
      continue;
    free(peer->subscriptions[i].filter);
    peer->subscriptions[i] = peer->subscriptions[--peer->subscription_count];
    break;
  }
  if (peer->is_connected)
    mosquitto_unsubscribe(peer->library, NULL, filter);
}

void peer_publish(struct peer *peer, const char *topic, const void *bytes, size_t size,
                  const struct publishing *how)
{
  int mid = 0;
  int rc = peer->is_connected ? mosquitto_publish(peer->library, &mid, topic, (int)size, bytes,
                                                  how->is_qos0 ? 0 : 1, how->is_retained)
                              : MOSQ_ERR_NO_CONN;
  if (rc) {
    peer_say("error cannot publish to %s: %s", topic, mosquitto_strerror(rc));
    return;
  }
  if (how->is_qos0 && how->number)
    peer_say("published %u", how->number);
  else if (how->number || how->burst)
    peer->flights[mid & 0xffff] = (struct flight){.number = how->number, .burst = how->burst};
}

static void on_connect(struct mosquitto *library, void *context, int code)
{
  (void)library;
  struct peer *peer = context;
  if (code)
    return;
  peer->is_connected = true;
  peer->has_said_why = false;
  peer_say("connected");
  for (size_t i = 0; i < peer->subscription_count; i++)
    send_subscription(peer, &peer->subscriptions[i]);
}

static void on_subscribe(struct mosquitto *library, void *context, int mid, int count,
                         const int *codes)
{
  (void)library;
  struct peer *peer = context;
  for (size_t i = 0; i < peer->subscription_count; i++)
    if (peer->subscriptions[i].mid == mid)
      peer_say("suback %s %d", peer->subscriptions[i].filter, count > 0 ? codes[0] : 128);
}

static void on_publish(struct mosquitto *library, void *context, int mid)
{
  (void)library;
  struct peer *peer = context;
  struct flight flight = peer->flights[mid & 0xffff];
  peer->flights[mid & 0xffff] = (struct flight){0};
  if (flight.number)
    peer_say("published %u", flight.number);
  if (flight.burst && --flight.burst->missing == 0) {
    peer_say("burst %zu", flight.burst->count);
    free(flight.burst);
  }
}

static void on_message(struct mosquitto *library, void *context,
                       const struct mosquitto_message *message)
{
  (void)library;
  struct peer *peer = context;
  if (!peer->is_quiet) {
    printf("message %s %d%s\n", message->topic, message->payloadlen,
           message->retain ? " retained" : "");
    if (message->payloadlen)
      fwrite(message->payload, 1, (size_t)message->payloadlen, stdout);
    peer_say("%s", "");
  }
  platform_answer(peer, message->topic, message->payload ? message->payload : "");
}

static void set_up(struct peer *peer, int argc, char **argv)
{
  char id[32];
  snprintf(id, sizeof id, "peer-%ld", (long)getpid());
  peer->library = mosquitto_new(argument(argc, argv, "--id", id), true, peer);
  mosquitto_connect_callback_set(peer->library, on_connect);
  mosquitto_subscribe_callback_set(peer->library, on_subscribe);
  mosquitto_publish_callback_set(peer->library, on_publish);
  mosquitto_message_callback_set(peer->library, on_message);
  mosquitto_int_option(peer->library, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_max_inflight_messages_set(peer->library, 1000);
  mosquitto_username_pw_set(peer->library, argument(argc, argv, "--username", NULL),
                            argument(argc, argv, "--password", NULL));
  const char *cafile = argument(argc, argv, "--cafile", NULL);
  if (cafile && mosquitto_tls_set(peer->library, cafile, NULL, argument(argc, argv, "--cert", NULL),
                                  argument(argc, argv, "--key", NULL), NULL))
    peer_say("error cannot use the TLS files");
}

static void connection_ended(struct peer *peer, const char *why)
{
  if (!peer->has_said_why)
    peer_say("disconnected %s", why);
  peer->has_said_why = true;
  peer->is_connected = false; /* the library sends what has no PUBACK again */
}

static void connect_again(struct peer *peer, int argc, char **argv)
{
  int rc = mosquitto_connect(peer->library, argument(argc, argv, "--host", "127.0.0.1"),
                             atoi(argument(argc, argv, "--port", "1883")),
                             atoi(argument(argc, argv, "--keepalive", "60")));
  if (rc)
    connection_ended(peer, rc == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(rc));
  else
    fcntl(mosquitto_socket(peer->library), F_SETFD, FD_CLOEXEC);
}

static void serve_socket(struct peer *peer, short events)
{
  int rc = MOSQ_ERR_SUCCESS;
  if (events & (POLLIN | POLLHUP | POLLERR))
    rc = mosquitto_loop_read(peer->library, 1);
  if (!rc && mosquitto_want_write(peer->library))
    rc = mosquitto_loop_write(peer->library, 1);
  if (!rc)
    rc = mosquitto_loop_misc(peer->library);
  if (rc)
    connection_ended(peer, mosquitto_strerror(rc));
}

/* Returns false at the end of the input. */
static bool serve_input(struct peer *peer)
{
  char bytes[65536];
  ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
  if (n <= 0)
    return n < 0 && errno == EINTR;
  buffer_append(&peer->input, bytes, (size_t)n);
  while (!peer->is_over && commands_next(peer)) {
  }
  return !peer->is_over;
}

static void run(struct peer *peer, int argc, char **argv)
{
  for (;;) {
    int fd = mosquitto_socket(peer->library);
    if (fd < 0 && !peer->is_away) {
      connect_again(peer, argc, argv);
      fd = mosquitto_socket(peer->library);
    }
    bool wants_write = fd >= 0 && mosquitto_want_write(peer->library);
    struct pollfd polled[] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = fd, .events = (short)(POLLIN | (wants_write ? POLLOUT : 0))},
    };
    poll(polled, 2, fd < 0 ? RETRY_MS : TURN_MS);
    if (polled[0].revents && !serve_input(peer))
      return;
    if (fd >= 0 && mosquitto_socket(peer->library) >= 0)
      serve_socket(peer, polled[1].revents);
  }
}

int main(int argc, char **argv)
{
  struct peer *peer = memory_zeroed(1, sizeof *peer);
  mosquitto_lib_init();
  set_up(peer, argc, argv);
  run(peer, argc, argv);
  mosquitto_disconnect(peer->library);
  mosquitto_destroy(peer->library);
  mosquitto_lib_cleanup();
  for (size_t i = 0; i < peer->subscription_count; i++)
    free(peer->subscriptions[i].filter);
  free(peer->subscriptions);
  for (size_t mid = 0; mid <= 0xffff; mid++)
    if (peer->flights[mid].burst && --peer->flights[mid].burst->missing == 0)
      free(peer->flights[mid].burst);
  buffer_clear(&peer->input);
  free(peer);
  return 0;
}

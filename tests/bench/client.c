#include "client.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void client_fail(const char *what, const char *why)
{
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static void check(const char *what, int rc)
{
  if (rc)
    client_fail(what, mosquitto_strerror(rc));
}

static void on_subscribe(struct mosquitto *library, void *context, int mid, int count,
                         const int *granted)
{
  (void)library;
  (void)mid;
  struct client *client = context;
  if (count != 1 || granted[0] != 1)
    client_fail("subscribing", "not granted");
  if (--client->missing)
    return;
  puts("ready");
  fflush(stdout);
}

static void on_message(struct mosquitto *library, void *context,
                       const struct mosquitto_message *message)
{
  (void)library;
  struct client *client = context;
  client->message(client->context, message);
}

void client_open(struct client *client, const char *port, const char *const *filters, size_t count,
                 client_message *message, void *context)
{
  *client = (struct client){.context = context, .message = message, .missing = (int)count};
  mosquitto_lib_init();
  client->library = mosquitto_new(NULL, true, client);
  mosquitto_subscribe_callback_set(client->library, on_subscribe);
  mosquitto_message_callback_set(client->library, on_message);
  mosquitto_int_option(client->library, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_max_inflight_messages_set(client->library, 1000);
  check("connecting", mosquitto_connect(client->library, "127.0.0.1", atoi(port), 60));
  for (size_t i = 0; i < count; i++)
    check("subscribing", mosquitto_subscribe(client->library, NULL, filters[i], 1));
}

void client_publish(struct client *client, const char *topic, const char *body, size_t size)
{
  check("publishing", mosquitto_publish(client->library, NULL, topic, (int)size, body, 1, false));
}

int client_serve(struct client *client, int wait_ms)
{
  struct pollfd polled[] = {
      {.fd = STDIN_FILENO, .events = POLLIN},
      {.fd = mosquitto_socket(client->library), .events = POLLIN},
  };
  if (mosquitto_want_write(client->library))
    polled[1].events |= POLLOUT;
  poll(polled, 2, wait_ms);
  if (polled[1].revents & ~POLLOUT)
    check("reading", mosquitto_loop_read(client->library, 1));
  if (mosquitto_want_write(client->library))
    check("writing", mosquitto_loop_write(client->library, 1));
  check("the connection", mosquitto_loop_misc(client->library));
  return polled[0].revents;
}

void client_close(struct client *client)
{
  mosquitto_disconnect(client->library);
  mosquitto_destroy(client->library);
  mosquitto_lib_cleanup();
}

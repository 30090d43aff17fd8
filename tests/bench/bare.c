/* What kaalua is measured against: a bare C program that answers every command of an
 * endpoint with a constant, one PUBLISH each. No Lua, no journal, no repeats.
 *
 *   bench_bare PORT TOKEN
 *
 * It receives the platform's confirmations and ignores them. Ends with its standard input. */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bare {
  struct client client;
  const char *token;
  unsigned request_id;
};

static void answer(struct bare *bare, const char *type, long id)
{
  char topic[200], body[200];
  snprintf(topic, sizeof topic, CLIENT_PREFIX "%s/result/%s/%u", bare->token, type,
           ++bare->request_id);
  int size = snprintf(body, sizeof body,
                      "[{\"id\":%ld,\"statusCode\":200,\"reasonPhrase\":\"OK\","
                      "\"payload\":{\"light\":\"on\",\"level\":7}}]",
                      id);
  client_publish(&bare->client, topic, body, (size_t)size);
}

static void on_message(void *context, const struct mosquitto_message *message)
{
  struct bare *bare = context;
  char token[64], type[64];
  if (!message->payloadlen ||
      sscanf(message->topic, CLIENT_PREFIX "%63[^/]/command/%63[^/]/", token, type) != 2)
    return;
  for (const char *at = message->payload; (at = strstr(at, "\"id\":")); at++)
    answer(bare, type, atol(at + 5));
}

int main(int argc, char **argv)
{
  if (argc != 3)
    client_fail("usage", "bench_bare PORT TOKEN");
  struct bare bare = {.token = argv[2]};
  char commands[200], confirmations[200];
  snprintf(commands, sizeof commands, CLIENT_PREFIX "%s/command/+/status", bare.token);
  snprintf(confirmations, sizeof confirmations, CLIENT_PREFIX "%s/result/+/+/status", bare.token);
  client_open(&bare.client, argv[1], (const char *const[]){commands, confirmations}, 2, on_message,
              &bare);
  while (!client_serve(&bare.client, 1000)) {
  }
  client_close(&bare.client);
  return 0;
}

#include "connections.h"

#include "base/memory.h"

#include <search.h>
#include <stdlib.h>

struct connection {
  struct connection *next, *before;
  const struct mosquitto *client; /* compared, never followed */
  char *id;
  int64_t number;
};

struct connections {
  void *by_client; /* trees of tsearch(3) */
  void *by_number;
  struct connection *first;
  int64_t count; /* ever made */
};

static int compare_clients(const void *a, const void *b)
{
  uintptr_t first = (uintptr_t)((const struct connection *)a)->client;
  uintptr_t second = (uintptr_t)((const struct connection *)b)->client;
  return (first > second) - (first < second);
}

static int compare_numbers(const void *a, const void *b)
{
  int64_t first = ((const struct connection *)a)->number;
  int64_t second = ((const struct connection *)b)->number;
  return (first > second) - (first < second);
}

struct connections *connections_create(void)
{
  return memory_zeroed(1, sizeof(struct connections));
}

void connections_destroy(struct connections *connections)
{
  if (!connections)
    return;
  while (connections->first)
    connections_remove(connections, connections->first->number);
  free(connections);
}

static struct connection *find_number(const struct connections *connections, int64_t number)
{
  struct connection key = {.number = number};
  struct connection **found = tfind(&key, &connections->by_number, compare_numbers);
  return found ? *found : NULL;
}

int64_t connections_number(const struct connections *connections, const struct mosquitto *client)
{
  struct connection key = {.client = client};
  struct connection **found = tfind(&key, &connections->by_client, compare_clients);
  return found ? (*found)->number : 0;
}

const char *connections_id(const struct connections *connections, int64_t number)
{
  const struct connection *connection = find_number(connections, number);
  return connection ? connection->id : NULL;
}

int64_t connections_any(const struct connections *connections)
{
  return connections->first ? connections->first->number : 0;
}

int64_t connections_add(struct connections *connections, const struct mosquitto *client,
                        const char *id)
{
  connections_remove(connections, connections_number(connections, client));
  struct connection *connection = memory_zeroed(1, sizeof *connection);
  *connection = (struct connection){.next = connections->first, .client = client,
                                    .id = memory_text(id), .number = ++connections->count};
  if (connection->next)
    connection->next->before = connection;
  connections->first = connection;
  tsearch(connection, &connections->by_client, compare_clients);
  tsearch(connection, &connections->by_number, compare_numbers);
  return connection->number;
}

void connections_remove(struct connections *connections, int64_t number)
{
  struct connection *connection = find_number(connections, number);
  if (!connection)
    return;
  tdelete(connection, &connections->by_client, compare_clients);
  tdelete(connection, &connections->by_number, compare_numbers);
  *(connection->before ? &connection->before->next : &connections->first) = connection->next;
  if (connection->next)
    connection->next->before = connection->before;
  free(connection->id);
  free(connection);
}

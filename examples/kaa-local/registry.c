#include "registry.h"

#include "base/memory.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct registry {
  void *by_token; /* trees of tsearch(3) */
  void *by_id;
  struct endpoint **endpoints;
  unsigned count;
};

static int compare_tokens(const void *a, const void *b)
{
  return strcmp(((const struct endpoint *)a)->token, ((const struct endpoint *)b)->token);
}

static int compare_ids(const void *a, const void *b)
{
  return strcmp(((const struct endpoint *)a)->id, ((const struct endpoint *)b)->id);
}

struct registry *registry_create(void)
{
  return memory_zeroed(1, sizeof(struct registry));
}

void registry_destroy(struct registry *registry)
{
  if (!registry)
    return;
  for (unsigned i = 0; i < registry->count; i++) {
    struct endpoint *endpoint = registry->endpoints[i];
    tdelete(endpoint, &registry->by_token, compare_tokens);
    tdelete(endpoint, &registry->by_id, compare_ids);
    endpoint_route(endpoint, 0);
    free(endpoint->token);
    free(endpoint->id);
    free(endpoint);
  }
  free(registry->endpoints);
  free(registry);
}

struct endpoint *registry_add(struct registry *registry, const char *token, const char *id)
{
  struct endpoint *endpoint = memory_zeroed(1, sizeof *endpoint);
  endpoint->token = memory_text(token);
  endpoint->id = memory_text(id);
  tsearch(endpoint, &registry->by_token, compare_tokens);
  tsearch(endpoint, &registry->by_id, compare_ids);
  unsigned count = ++registry->count;
  registry->endpoints = memory_resized(registry->endpoints, count * sizeof *registry->endpoints);
  registry->endpoints[count - 1] = endpoint;
  return endpoint;
}

struct endpoint *registry_by_token(const struct registry *registry, const char *token)
{
  struct endpoint key = {.token = (char *)token};
  struct endpoint **found = tfind(&key, &registry->by_token, compare_tokens);
  return found ? *found : NULL;
}

struct endpoint *registry_by_id(const struct registry *registry, const char *id)
{
  struct endpoint key = {.id = (char *)id};
  struct endpoint **found = tfind(&key, &registry->by_id, compare_ids);
  return found ? *found : NULL;
}

struct endpoint *registry_at(const struct registry *registry, unsigned n)
{
  return n < registry->count ? registry->endpoints[n] : NULL;
}

void endpoint_route(struct endpoint *endpoint, uint64_t connection)
{
  if (endpoint->connection == connection)
    return;
  endpoint->connection = connection;
  while (endpoint->interests) {
    struct interest *interest = endpoint->interests;
    endpoint->interests = interest->next;
    free(interest->type);
    free(interest);
  }
}

struct interest *endpoint_interest(const struct endpoint *endpoint, const char *type)
{
  struct interest *interest = endpoint->interests;
  while (interest && strcmp(interest->type, type) != 0)
    interest = interest->next;
  return interest;
}

struct interest *endpoint_make_interest(struct endpoint *endpoint, const char *type)
{
  struct interest *interest = endpoint_interest(endpoint, type);
  if (interest)
    return interest;
  interest = memory_zeroed(1, sizeof *interest);
  interest->type = memory_text(type);
  interest->next = endpoint->interests;
  endpoint->interests = interest;
  return interest;
}

#include "core/state.h"

#include "base/memory.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

enum { BACK_OFF_MAX_MS = 300 * 1000 };

/* The trees hold the names; the struct begins before its name. */
#define FROM_NAME(type, name, member) ((type *)(void *)((name) - offsetof(type, member)))

static int compare_names(const void *a, const void *b)
{
  return strcmp(a, b);
}

struct endpoint *state_find_endpoint(const struct core *core, const char *token)
{
  char **node = tfind(token, &core->endpoint_names, compare_names);
  return node ? FROM_NAME(struct endpoint, *node, token) : NULL;
}

struct endpoint *state_add_endpoint(struct core *core, const char *token)
{
  size_t size = strlen(token) + 1;
  struct endpoint *endpoint = memory_zeroed(1, sizeof *endpoint + size);
  memcpy(endpoint->token, token, size);
  tsearch(endpoint->token, &core->endpoint_names, compare_names);
  return endpoint;
}

struct type *state_find_type(const struct core *core, const char *name)
{
  char **node = tfind(name, &core->type_names, compare_names);
  return node ? FROM_NAME(struct type, *node, name) : NULL;
}

struct type *state_intern_type(struct core *core, const char *name, bool has_handler)
{
  struct type *type = state_find_type(core, name);
  if (type)
    return type;
  if (!has_handler && core->nameless_types >= STATE_MAX_TYPES)
    return NULL;
  core->nameless_types += !has_handler;
  size_t size = strlen(name) + 1;
  type = memory_zeroed(1, sizeof *type + size);
  memcpy(type->name, name, size);
  TAILQ_INIT(&type->queue);
  TAILQ_INIT(&type->handed);
  ask_type_init(&type->ask);
  tsearch(type->name, &core->type_names, compare_names);
  return type;
}

static void free_endpoint(void *name)
{
  free(FROM_NAME(struct endpoint, (char *)name, token));
}

static void free_type(void *name)
{
  free(FROM_NAME(struct type, (char *)name, name));
}

void state_clear(struct core *core)
{
  tdestroy(core->endpoint_names, free_endpoint);
  tdestroy(core->type_names, free_type);
}

void state_set_wall(struct core *core, int64_t wall_ms)
{
  core->wall_ms = wall_ms;
  core->wall_at_ms = core->now_ms;
}

int64_t state_wall_ms(struct core *core)
{
  if (core->wall_at_ms == INT64_MIN)
    core->wall_at_ms = core->now_ms;
  return core->wall_ms ? core->wall_ms + core->now_ms - core->wall_at_ms : 0;
}

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(struct core *core)
{
  uint64_t z = core->random += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

double state_random(struct core *core)
{
  return (double)(next_random(core) >> 11) * 0x1p-53;
}

int64_t state_jitter(struct core *core, int64_t ms)
{
  return (int64_t)((double)ms * (0.8 + 0.4 * state_random(core)));
}

uint32_t state_next_request_id(struct core *core)
{
  if (!core->next_request_id) /* the first one */
    core->next_request_id = 1 + (uint32_t)(next_random(core) % INT32_MAX);
  uint32_t id;
  do {
    id = core->next_request_id;
    core->next_request_id = id == INT32_MAX ? 1 : id + 1;
  } while (report_is_known(core, id));
  return id;
}

int64_t state_back_off_ms(int64_t first_ms, unsigned times)
{
  while (times-- && first_ms < BACK_OFF_MAX_MS)
    first_ms *= 2;
  return first_ms < BACK_OFF_MAX_MS ? first_ms : BACK_OFF_MAX_MS;
}

int state_send(struct core *core, enum core_message kind, const struct endpoint *endpoint,
               const struct type *type, uint32_t request_id, const char *body, size_t body_bytes)
{
  if (core->is_blocked)
    return -EAGAIN;
  if (!core->ports.send(core->ports.context, kind, endpoint->token, type ? type->name : NULL,
                        request_id, body, body_bytes))
    return 0;
  core->is_blocked = true;
  deadline_arm(&core->deadlines, &core->send_again, core->now_ms + STATE_SEND_AGAIN_MS,
               deadline_wake);
  return -EAGAIN;
}

void state_unblock(struct core *core)
{
  core->is_blocked = false;
  deadline_disarm(&core->deadlines, &core->send_again);
}

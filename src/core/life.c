#include "core/life.h"

#include "base/memory.h"
#include "core/state.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

static int compare_lives(const void *a, const void *b)
{
  return command_key_compare(a, b);
}

static int compare_pointers(const void *a, const void *b)
{
  uintptr_t left = (uintptr_t)a, right = (uintptr_t)b;
  return left < right ? -1 : left > right;
}

static int compare_lanes(const void *a, const void *b)
{
  const struct lane *left = a, *right = b;
  int order = compare_pointers(left->endpoint, right->endpoint);
  return order ? order : compare_pointers(left->type, right->type);
}

static struct lane *lane_of(struct core *core, struct endpoint *endpoint, struct type *type)
{
  struct lane wanted = {.endpoint = endpoint, .type = type};
  struct lane **node = tfind(&wanted, &core->lives.lanes, compare_lanes);
  if (node)
    return *node;
  struct lane *lane = memory_zeroed(1, sizeof *lane);
  lane->endpoint = endpoint;
  lane->type = type;
  TAILQ_INIT(&lane->ready);
  tsearch(lane, &core->lives.lanes, compare_lanes);
  return lane;
}

void life_release_lane(struct core *core, struct lane *lane)
{
  if (lane->lives || lane->outstanding)
    return;
  tdelete(lane, &core->lives.lanes, compare_lanes);
  free(lane);
}

static void count(struct core *core, const struct command_life *life, size_t more)
{
  core->lives.counts[life->command.state] += more;
  if (life->command.state == COMMAND_RECEIVED || life->command.state == COMMAND_QUEUED)
    life->lane->type->backlog += more;
}

static void uncount(struct core *core, const struct command_life *life)
{
  count(core, life, (size_t)-1);
}

struct command_life *life_create(struct core *core, struct endpoint *endpoint, struct type *type,
                                 int64_t id, int64_t sequence)
{
  struct command_life *life = memory_zeroed(1, sizeof *life);
  life->command.key =
      (struct command_key){.endpoint = endpoint->token, .type = type->name, .id = id};
  life->command.life = life;
  life->lane = lane_of(core, endpoint, type);
  life->lane->lives++;
  life->command.sequence = sequence;
  life->command.state = COMMAND_RECEIVED;
  count(core, life, 1);
  core->lives.element_bytes += LIFE_BYTES;
  tsearch(life, &core->lives.tree, compare_lives);
  return life;
}

int64_t life_next_sequence(struct core *core)
{
  return ++core->lives.last_sequence;
}

struct command_life *life_find(struct core *core, const struct command_key *key)
{
  struct command_life **node = tfind(key, &core->lives.tree, compare_lives);
  return node ? *node : NULL;
}

void life_set_state(struct core *core, struct command_life *life, enum command_state state)
{
  uncount(core, life);
  life->command.state = state;
  count(core, life, 1);
}

static void drop_element(struct core *core, struct command_life *life)
{
  core->lives.element_bytes -= life->command.element_bytes;
  free(life->command.element);
  life->command.element = NULL;
  life->command.element_bytes = 0;
}

void life_set_element(struct core *core, struct command_life *life, const char *text, size_t size)
{
  life->command.element = memory_copied(text, size);
  life->command.element_bytes = size;
  core->lives.element_bytes += size;
}

void life_set_again(struct core *core, struct command_life *life, const char *text, size_t size)
{
  life->again = memory_copied(text, size);
  life->again_bytes = size;
  core->lives.element_bytes += size;
}

static size_t result_bytes(const struct command_life *life)
{
  const struct command_result *result = &life->command.result;
  return result->payload_bytes + (result->reason ? strlen(result->reason) : 0);
}

static void drop_result(struct core *core, struct command_life *life)
{
  if (life->has_result)
    core->lives.result_bytes -= result_bytes(life) + LIFE_BYTES;
  else
    core->lives.element_bytes -= LIFE_BYTES;
  command_result_clear(&life->command.result);
}

void life_set_result(struct core *core, struct command_life *life, struct command_result *result)
{
  drop_element(core, life);
  drop_result(core, life);
  life->command.result = *result;
  life->has_result = true;
  *result = (struct command_result){0};
  core->lives.result_bytes += result_bytes(life) + LIFE_BYTES;
}

void life_destroy(struct core *core, struct command_life *life)
{
  report_leave(core, life);
  deadline_disarm(&core->deadlines, &life->retry);
  drop_element(core, life);
  drop_result(core, life);
  core->lives.element_bytes -= life->again_bytes;
  free(life->again);
  command_saved_clear(&life->command.saved);
  uncount(core, life);
  tdelete(life, &core->lives.tree, compare_lives);
  life->lane->lives--;
  life_release_lane(core, life->lane);
  free(life);
}

static void free_life(void *node)
{
  struct command_life *life = node;
  free(life->command.element);
  command_result_clear(&life->command.result);
  command_saved_clear(&life->command.saved);
  free(life->again);
  free(life);
}

void life_clear(struct lives *lives)
{
  tdestroy(lives->tree, free_life);
  tdestroy(lives->lanes, free);
}

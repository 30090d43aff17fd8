#include "core/stale.h"

#include "base/memory.h"
#include "core/drop.h"
#include "core/intake.h"
#include "core/pace.h"
#include "core/queue.h"
#include "core/state.h"

#include <search.h>
#include <stdlib.h>

#define LOST "Journal lost: the outcome is unknown"

struct stale_pair {
  struct ask_pair pair; /* first: the tree compares through it */
  TAILQ_ENTRY(stale_pair) holding; /* while it holds any */
  struct life_list held;
  uint32_t request_id; /* the last one, on this connection; 0: none yet */
  uint32_t connection;
  size_t undecided; /* after a loss: commands that the storage has not answered to */
  bool is_replied;  /* after a loss: the first reply is dealt with when those are */
  bool is_listing;  /* LISTED is gathered */
  bool is_listed;
};

void stale_init(struct stales *stales)
{
  TAILQ_INIT(&stales->holding);
}

void stale_clear(struct stales *stales)
{
  tdestroy(stales->pairs, free);
  stales->pairs = NULL;
}

static struct stale_pair *find(const struct core *core, const struct ask_pair *wanted)
{
  struct stale_pair **node = tfind(wanted, &core->stales.pairs, ask_pair_compare);
  return node ? *node : NULL;
}

static struct stale_pair *intern(struct core *core, const struct ask_pair *wanted)
{
  struct stale_pair *pair = find(core, wanted);
  if (pair)
    return pair;
  pair = memory_zeroed(1, sizeof *pair);
  pair->pair = *wanted;
  TAILQ_INIT(&pair->held);
  tsearch(pair, &core->stales.pairs, ask_pair_compare);
  return pair;
}

static struct stale_pair *pair_of(struct core *core, const struct command_life *life)
{
  return intern(core, &(struct ask_pair){life->lane->endpoint, life->lane->type});
}

/* ---- held commands ---- */

static size_t held_bytes(const struct command_life *life)
{
  return life->command.element_bytes + LIFE_BYTES;
}

void stale_hold(struct core *core, struct command_life *life)
{
  struct stales *stales = &core->stales;
  struct stale_pair *pair = pair_of(core, life);
  if (TAILQ_EMPTY(&pair->held))
    TAILQ_INSERT_TAIL(&stales->holding, pair, holding);
  TAILQ_INSERT_TAIL(&pair->held, life, place);
  life->is_held = true;
  life_set_state(core, life, COMMAND_QUEUED);
  stales->held++;
  stales->held_bytes += held_bytes(life);
}

void stale_unhold(struct core *core, struct command_life *life)
{
  struct stales *stales = &core->stales;
  struct stale_pair *pair = pair_of(core, life);
  TAILQ_REMOVE(&pair->held, life, place);
  life->is_held = false;
  stales->held--;
  stales->held_bytes -= held_bytes(life);
  if (!TAILQ_EMPTY(&pair->held))
    return;
  TAILQ_REMOVE(&stales->holding, pair, holding);
  if (core->options.is_lost)
    return;
  tdelete(pair, &stales->pairs, ask_pair_compare);
  free(pair);
}

void stale_release(struct core *core, struct command_life *life)
{
  stale_unhold(core, life);
  pace_saw_command(core, life->lane->endpoint, life->lane->type);
  queue_enter(core, life);
}

static void drop_all(struct core *core, struct stale_pair *pair)
{
  struct command_life *next;
  for (struct command_life *life = TAILQ_FIRST(&pair->held); life; life = next) {
    const struct command_key *key = &life->command.key;
    next = TAILQ_NEXT(life, place); /* the pair goes with its last one */
    notes_add(core, CORE_NOTE_DROPPED, key->endpoint, key->type, key->id,
              "it waited when the host ended, and the platform lists it no more");
    stale_unhold(core, life);
    drop_life(core, life);
  }
}

/* ---- requests and replies ---- */

void stale_ask(struct core *core)
{
  struct stale_pair *pair;
  TAILQ_FOREACH(pair, &core->stales.holding, holding)
    if (!pair->pair.type->has_handler)
      left_add(core, pair->pair.endpoint, pair->pair.type);
}

void stale_asked(struct core *core, const struct ask_pair *asked, uint32_t request_id)
{
  struct stale_pair *pair =
      core->options.is_lost ? intern(core, asked) : find(core, asked);
  if (!pair)
    return;
  pair->request_id = request_id;
  pair->connection = core->connection;
}

static void list_when_decided(struct core *core, struct stale_pair *pair)
{
  if (!pair->is_replied || pair->undecided || pair->is_listing)
    return;
  pair->is_listing = true;
  batch_append(core, CHANGE_LISTED)->pair =
      (struct command_key){.endpoint = pair->pair.endpoint->token, .type = pair->pair.type->name};
}

void stale_replied(struct core *core, const struct intake *intake, bool is_whole)
{
  struct stale_pair *pair =
      find(core, &(struct ask_pair){intake->endpoint, intake->type});
  if (!pair || !core->is_connected || pair->connection != core->connection ||
      pair->request_id != intake->request_id)
    return;
  if (core->options.is_lost && is_whole) {
    pair->is_replied = true;
    list_when_decided(core, pair);
  }
  drop_all(core, pair);
}

/* ---- the loss of a journal ---- */

bool stale_is_lost(const struct core *core, struct endpoint *endpoint, struct type *type)
{
  if (!core->options.is_lost)
    return false;
  const struct stale_pair *pair = find(core, &(struct ask_pair){endpoint, type});
  return !pair || !pair->is_listed;
}

void stale_refuse_lost(struct core *core, struct command_life *life)
{
  struct command_result result = {.status = 500, .reason = memory_text(LOST)};
  life->is_refusal = true;
  life->is_lost = true;
  life_set_result(core, life, &result);
  pair_of(core, life)->undecided++;
}

static void decide(struct core *core, struct command_life *life)
{
  struct stale_pair *pair = pair_of(core, life);
  life->is_lost = false;
  pair->undecided--;
  list_when_decided(core, pair);
}

void stale_lost_accepted(struct core *core, struct command_life *life)
{
  const struct command_key *key = &life->command.key;
  notes_add(core, CORE_NOTE_LOST, key->endpoint, key->type, key->id, "500 %s", LOST);
  decide(core, life);
}

void stale_lost_known(struct core *core, struct command_life *life)
{
  decide(core, life);
}

/* The reply was not the last one: it will be listed again. */
void stale_lost_left(struct core *core, struct command_life *life)
{
  pair_of(core, life)->is_replied = false;
  decide(core, life);
}

void stale_listed(struct core *core, const struct command_key *key)
{
  struct endpoint *endpoint = state_find_endpoint(core, key->endpoint);
  struct type *type = state_intern_type(core, key->type, true);
  if (endpoint)
    intern(core, &(struct ask_pair){endpoint, type})->is_listed = true;
}

void core_restore_listed(struct core *core, const char *endpoint, const char *type)
{
  if (core->options.is_lost)
    stale_listed(core, &(struct command_key){.endpoint = endpoint, .type = type});
}

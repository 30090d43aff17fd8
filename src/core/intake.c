#include "core/intake.h"

#include "base/memory.h"
#include "core/drop.h"
#include "core/left.h"
#include "core/queue.h"
#include "core/stale.h"
#include "core/state.h"
#include "core/verdict.h"
#include "kp/cep.h"
#include "kp/elements.h"

#include <string.h>

void intake_malformed(struct core *core, const char *endpoint, const char *type, const char *why)
{
  core->counts.malformed++;
  notes_add(core, CORE_NOTE_MALFORMED, endpoint, type, 0, "%s", why);
}

/* An element that cannot be read has no value to compare: its bytes tell one
 * from another. */
static void digest_bytes(const char *text, size_t size, uint8_t digest[JSONTEXT_DIGEST_BYTES])
{
  json_t *bytes = json_stringn_nocheck(text, size);
  jsontext_digest(bytes, digest);
  json_decref(bytes);
}

static void refuse_element(struct core *core, struct command_life *life,
                           const struct cep_refusal *refusal)
{
  const struct command_key *key = &life->command.key;
  struct command_result result = {.status = refusal->status,
                                  .reason = memory_text(refusal->reason)};
  life->is_refusal = true;
  life_set_result(core, life, &result);
  notes_add(core, CORE_NOTE_REFUSED_ELEMENT, key->endpoint, key->type, key->id, "%d %s",
            refusal->status, refusal->reason);
}

/* A command that is not alive; `refusal` is NULL where its element is sound. */
static void take(struct core *core, const struct intake *intake, const struct element *element,
                 const struct cep_command *read, const struct cep_refusal *refusal)
{
  struct command_life *life = life_create(core, intake->endpoint, intake->type, read->id,
                                          life_next_sequence(core));
  life->command.received_wall_ms = intake->received_wall_ms;
  life->command.received_boot_ms = intake->received_boot_ms;
  memcpy(life->command.digest, read->digest, sizeof read->digest);
  if (refusal)
    refuse_element(core, life, refusal);
  else if (stale_is_lost(core, intake->endpoint, intake->type))
    stale_refuse_lost(core, life);
  else
    life_set_element(core, life, element->text, element->size_bytes);
  queue_accept(core, life, CHANGE_ACCEPT);
}

/* The platform has the result, the storage does not know yet: what it will say
 * of this delivery is asked once it does. */
static void keep_for_later(struct core *core, struct command_life *life,
                           const struct intake *intake, const struct element *element)
{
  if (life->again) {
    core->counts.repeats++;
    return;
  }
  if (queue_is_full(core, intake->type)) {
    left_for_room(core, intake->endpoint, intake->type, life->command.key.id);
    return;
  }
  life_set_again(core, life, element->text, element->size_bytes);
  life->again_wall_ms = intake->received_wall_ms;
  life->again_boot_ms = intake->received_boot_ms;
}

/* The platform still has a stale command; under its id it may have another by now. */
static void take_held(struct core *core, struct command_life *life, const struct intake *intake,
                      const struct element *element, const uint8_t digest[])
{
  if (repeat_is_same(core, life->command.digest, digest)) {
    stale_release(core, life);
    return;
  }
  stale_unhold(core, life);
  drop_life(core, life);
  keep_for_later(core, life, intake, element);
}

static void take_element(struct core *core, const struct intake *intake,
                         const struct element *element)
{
  struct cep_command read = {0};
  struct cep_refusal refusal = {0};
  bool is_refused = cep_read_command(element->text, element->size_bytes, &read, &refusal) != 0;
  if (is_refused && !refusal.has_id) {
    intake_malformed(core, intake->endpoint->token, intake->type->name, refusal.reason);
    return;
  }
  if (is_refused) {
    read.id = refusal.id;
    digest_bytes(element->text, element->size_bytes, read.digest);
  }
  struct command_key key = {intake->endpoint->token, intake->type->name, read.id};
  struct command_life *life = life_find(core, &key);
  if (life && life->where == LIFE_SETTLING) {
    keep_for_later(core, life, intake, element);
    return;
  }
  if (life && life->is_held) {
    take_held(core, life, intake, element, read.digest);
    return;
  }
  if (life && repeat_is_new(core, life, read.digest)) {
    verdict_drop_answer(core, life);
    life = NULL;
  }
  if (life || repeat_is_too_soon(core, &key, read.digest)) {
    core->counts.repeats++;
    if (life)
      report_hasten(core, life);
  } else if (queue_is_full(core, intake->type)) {
    left_for_room(core, intake->endpoint, intake->type, read.id);
  } else {
    take(core, intake, element, &read, is_refused ? &refusal : NULL);
  }
}

void intake_again(struct core *core, const struct intake *intake)
{
  const struct element element = {.text = intake->text, .size_bytes = intake->size_bytes};
  take_element(core, intake, &element);
}

static void note_malformed_message(struct core *core, const struct intake *intake, const char *why)
{
  if (ask_is_malformed_news(core, intake->endpoint))
    intake_malformed(core, intake->endpoint->token, intake->type->name, why);
  else
    core->counts.malformed++;
}

void intake_message(struct core *core, const struct intake *intake)
{
  struct elements elements;
  struct json_fault fault;
  if (elements_open(&elements, intake->text, intake->size_bytes, &fault)) {
    note_malformed_message(core, intake, fault.text);
    return;
  }
  uint64_t left = core->counts.left;
  for (struct element element; elements_next(&elements, &element);)
    take_element(core, intake, &element);
  if (intake->request_id)
    stale_replied(core, intake, core->counts.left == left);
}

#include "core/intake.h"

#include "base/memory.h"
#include "core/queue.h"
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

/* What cannot be accepted is left with the platform, which has it still. */
static void leave(struct core *core, const struct intake *intake, int64_t id)
{
  core->counts.left++;
  if (!core->asks.lefts.is_told)
    notes_add(core, CORE_NOTE_LEFT, intake->endpoint->token, intake->type->name, id,
              "no room: %zu commands wait, %zu results are not confirmed; asked for again later",
              core->lives.counts[COMMAND_RECEIVED] + core->lives.counts[COMMAND_QUEUED],
              core->lives.counts[COMMAND_DONE]);
  core->asks.lefts.is_told = true;
  left_add(core, intake->endpoint, intake->type);
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
  struct command_life *life = life_create(core, intake->endpoint, intake->type, read->id);
  life->command.received_wall_ms = intake->received_wall_ms;
  memcpy(life->command.digest, read->digest, sizeof read->digest);
  if (refusal)
    refuse_element(core, life, refusal);
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
    leave(core, intake, life->command.key.id);
    return;
  }
  life_set_again(core, life, element->text, element->size_bytes);
  life->again_wall_ms = intake->received_wall_ms;
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
  if (life && repeat_is_new(core, life, read.digest)) {
    verdict_drop_answer(core, life);
    life = NULL;
  }
  if (life || repeat_is_too_soon(core, &key, read.digest)) {
    core->counts.repeats++;
    if (life)
      report_hasten(core, life);
  } else if (queue_is_full(core, intake->type)) {
    leave(core, intake, read.id);
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
  for (struct element element; elements_next(&elements, &element);)
    take_element(core, intake, &element);
}

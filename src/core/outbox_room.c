#include "core/outbox_room.h"

#include "base/jsontext.h"
#include "base/memory.h"
#include "core/outbox_hold.h"
#include "core/outbox_message.h"
#include "core/state.h"

#include <stdlib.h>

static const int64_t plausible_from_wall_ms = 1704067200000; /* 2024-01-01 */

static size_t cost(size_t size)
{
  return size + OUTBOX_MESSAGE_BYTES;
}

void outbox_room_remove(struct core *core, struct outbox *outbox, struct message *message)
{
  outbox_keep_gone(core, message);
  outbox_hold_gone(outbox, message);
  TAILQ_REMOVE(&outbox->list, message, place);
  outbox->count--;
  outbox->bytes -= cost(message->size_bytes);
  outbox->under_way -= message->is_under_way;
  if (message->endpoint->metadata == message)
    message->endpoint->metadata = NULL;
  free(message->body);
  free(message);
}

static void count_full(struct outbox *outbox)
{
  outbox->dropped++;
  outbox->untold_drops++;
}

/* The oldest, but where requests are answered one by one: what is under way will
 * mostly be taken. Those stand first, and are few. */
static struct message *first_to_go(const struct core *core, const struct outbox *outbox)
{
  struct message *message = TAILQ_FIRST(&outbox->list);
  while (message && core->options.polls && message->is_under_way)
    message = TAILQ_NEXT(message, place);
  return message ? message : TAILQ_FIRST(&outbox->list);
}

/* Returns whether `bytes` more fit into this outbox. */
static bool make_room(struct core *core, const struct outbox *outbox, size_t bytes)
{
  size_t most = core->options.max_telemetry_bytes;
  if (outbox->kind == CORE_TELEMETRY)
    most -= core->metadata.bytes;
  if (bytes > most || bytes > UINT32_MAX)
    return false;
  while (core->telemetry.bytes + core->metadata.bytes + bytes > core->options.max_telemetry_bytes) {
    struct outbox *from = core->telemetry.count ? &core->telemetry : &core->metadata;
    outbox_room_remove(core, from, first_to_go(core, from));
    count_full(from);
  }
  return true;
}

/* Takes the body. */
static struct message *create(struct outbox *outbox, struct endpoint *endpoint, char *body,
                              size_t size, int64_t wall_ms)
{
  struct message *message = memory_zeroed(1, sizeof *message);
  message->endpoint = endpoint;
  message->is_metadata = outbox->kind == CORE_METADATA;
  message->size_bytes = (uint32_t)size;
  message->body = body;
  message->wall_ms = wall_ms;
  message->taken_before = outbox->taken_count;
  outbox->count++;
  outbox->bytes += cost(size);
  return message;
}

/* Returns NULL where it is larger than all the room there is. */
static struct message *add(struct core *core, struct outbox *outbox, struct endpoint *endpoint,
                           const char *body, size_t size, int64_t wall_ms)
{
  if (!make_room(core, outbox, cost(size))) {
    count_full(outbox);
    return NULL;
  }
  struct message *message = create(outbox, endpoint, memory_copied(body, size), size, wall_ms);
  message->number = ++core->keep.last_number;
  TAILQ_INSERT_TAIL(&outbox->list, message, place);
  outbox_keep_changed(core, message);
  return message;
}

void outbox_add(struct core *core, struct outbox *outbox, struct endpoint *endpoint,
                const char *body, size_t size, int64_t wall_ms)
{
  add(core, outbox, endpoint, body, size, wall_ms);
}

/* Returns both objects as one of at most `most` bytes, owned, or NULL. */
static char *merged(const struct message *earlier, const char *object, size_t size, size_t most,
                    size_t *merged_bytes)
{
  json_t *all = jsontext_parse(earlier->body, earlier->size_bytes, NULL);
  json_t *later = jsontext_parse(object, size, NULL);
  struct buffer text = {0};
  if (json_object_update(all, later) == 0)
    jsontext_write(&text, all);
  json_decref(all);
  json_decref(later);
  *merged_bytes = text.size_bytes;
  if (text.size_bytes && text.size_bytes <= most)
    return buffer_take(&text);
  buffer_clear(&text);
  return NULL;
}

/* Takes the body. */
static void replace_body(struct core *core, struct outbox *outbox, struct message *message,
                         char *body, size_t size, int64_t wall_ms)
{
  outbox->bytes -= message->size_bytes;
  make_room(core, outbox, size);
  outbox->bytes += size;
  free(message->body);
  message->body = body;
  message->size_bytes = (uint32_t)size;
  message->wall_ms = wall_ms;
  message->tries = 0;
  message->strikes = 0;
  if (message->request_id) /* a late answer to what was sent is none to this */
    message->request_id = state_next_request_id(core);
  outbox_keep_changed(core, message);
}

void outbox_merge(struct core *core, struct outbox *outbox, struct endpoint *endpoint,
                  const char *object, size_t size, int64_t wall_ms)
{
  struct message *earlier = endpoint->metadata; /* the last one of this endpoint */
  char *both = NULL;
  size_t merged_bytes = 0;
  if (earlier && !earlier->is_under_way) {
    size_t most = core->options.max_telemetry_bytes - outbox->bytes + earlier->size_bytes;
    both = merged(earlier, object, size, most < JSONTEXT_MAX_BYTES ? most : JSONTEXT_MAX_BYTES,
                  &merged_bytes);
  }
  if (both)
    replace_body(core, outbox, earlier, both, merged_bytes, wall_ms);
  else
    endpoint->metadata = add(core, outbox, endpoint, object, size, wall_ms);
}

static void insert_by_number(struct outbox *outbox, struct message *message)
{
  struct message *before = TAILQ_LAST(&outbox->list, message_list);
  while (before && before->number > message->number)
    before = TAILQ_PREV(before, message_list, place);
  if (before)
    TAILQ_INSERT_AFTER(&outbox->list, before, message, place);
  else
    TAILQ_INSERT_HEAD(&outbox->list, message, place);
}

void outbox_restore(struct core *core, struct outbox *outbox, struct endpoint *endpoint,
                    const struct storage_message *stored)
{
  bool fits = make_room(core, outbox, cost(stored->body_bytes));
  char *body = memory_copied(stored->body, stored->body_bytes);
  struct message *message = create(outbox, endpoint, body, stored->body_bytes, stored->wall_ms);
  message->number = stored->number;
  outbox_keep_restored(core, message);
  insert_by_number(outbox, message);
  struct message *last = endpoint->metadata;
  if (message->is_metadata && (!last || last->number < message->number))
    endpoint->metadata = message;
  if (!fits) {
    count_full(outbox);
    outbox_room_remove(core, outbox, message);
  }
}

static void note_drop(struct core *core, const struct outbox *outbox, const char *endpoint,
                      const char *why)
{
  enum core_note note =
      outbox->kind == CORE_METADATA ? CORE_NOTE_METADATA_DROPPED : CORE_NOTE_TELEMETRY_DROPPED;
  notes_add(core, note, endpoint, NULL, 0, "%s", why);
}

void outbox_room_drop(struct core *core, struct outbox *outbox, const char *endpoint,
                      const char *why)
{
  outbox->dropped++;
  note_drop(core, outbox, endpoint, why);
}

static bool is_old(const struct core *core, const struct message *message, int64_t wall_ms)
{
  if (!message->is_restored)
    return core->now_ms - message->since_ms > OUTBOX_MAX_AGE_MS;
  return message->wall_ms >= plausible_from_wall_ms &&
         wall_ms - message->wall_ms > OUTBOX_MAX_AGE_MS;
}

static void drop_old(struct core *core, struct outbox *outbox, int64_t wall_ms)
{
  size_t count = 0;
  struct message *message, *following;
  for (message = TAILQ_FIRST(&outbox->list); message; message = following) {
    following = TAILQ_NEXT(message, place);
    if (message->is_under_way || !is_old(core, message, wall_ms))
      continue;
    outbox_room_remove(core, outbox, message);
    count++;
  }
  if (!count)
    return;
  char *text = memory_format("%zu messages: older than 7 days", count);
  outbox->dropped += count;
  note_drop(core, outbox, NULL, text);
  free(text);
}

void outbox_room_drop_old(struct core *core)
{
  struct outbox_keep *keep = &core->keep;
  if (core->now_ms < keep->next_age_ms)
    return;
  keep->next_age_ms = core->now_ms + OUTBOX_AGE_EVERY_MS;
  int64_t wall_ms = state_wall_ms(core);
  drop_old(core, &core->telemetry, wall_ms);
  drop_old(core, &core->metadata, wall_ms);
}

int64_t outbox_room_tell_drops(struct core *core, struct outbox *outbox)
{
  if (!outbox->untold_drops)
    return INT64_MAX;
  if (core->now_ms < outbox->told_ms + OUTBOX_TELL_MS)
    return outbox->told_ms + OUTBOX_TELL_MS;
  char *text = memory_format("%llu messages: the outbox is full",
                             (unsigned long long)outbox->untold_drops);
  note_drop(core, outbox, NULL, text);
  free(text);
  outbox->untold_drops = 0;
  outbox->told_ms = core->now_ms;
  return INT64_MAX;
}

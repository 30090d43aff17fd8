#include "core/outbox.h"

#include "base/jsontext.h"
#include "base/memory.h"
#include "core/state.h"

#include <stdlib.h>
#include <string.h>

struct message {
  TAILQ_ENTRY(message) place;
  struct endpoint *endpoint;
  uint32_t request_id; /* 0: never sent; stays, so that a late answer is understood */
  uint8_t tries;       /* that the broker took */
  uint8_t failures;    /* over a transport that polls: its own, of those that may pass */
  uint8_t strikes;     /* of them, while the platform took others */
  bool is_under_way;
  uint32_t taken_before; /* outbox.taken_count at the last failure */
  int64_t held_ms;   /* not sent before; after a failure of its own */
  int64_t silent_ms; /* while under way: when it will have been silent for too long */
  size_t size_bytes;
  char *body;
};

/* Each has two allocations. */
_Static_assert(sizeof(struct message) + 32 <= OUTBOX_MESSAGE_BYTES, "with the allocator's part");

static size_t cost(size_t size)
{
  return size + OUTBOX_MESSAGE_BYTES;
}

void outbox_init(struct outbox *outbox, enum core_message kind)
{
  outbox->kind = kind;
  outbox->told_ms = INT64_MIN / 2;
  TAILQ_INIT(&outbox->list);
}

static void destroy(struct outbox *outbox, struct message *message)
{
  TAILQ_REMOVE(&outbox->list, message, place);
  outbox->count--;
  outbox->bytes -= cost(message->size_bytes);
  outbox->under_way -= message->is_under_way;
  if (message->endpoint->metadata == message)
    message->endpoint->metadata = NULL;
  free(message->body);
  free(message);
}

void outbox_clear(struct outbox *outbox)
{
  for (struct message *message; (message = TAILQ_FIRST(&outbox->list));)
    destroy(outbox, message);
}

static void count_drop(struct outbox *outbox)
{
  outbox->dropped++;
  outbox->untold_drops++;
}

/* Takes the body. Returns NULL where it is larger than all the room there is. */
static struct message *add(struct core *core, struct outbox *outbox, struct endpoint *endpoint,
                           char *body, size_t size)
{
  size_t limit = core->options.max_telemetry_bytes;
  if (cost(size) > limit) {
    count_drop(outbox);
    free(body);
    return NULL;
  }
  while (outbox->bytes + cost(size) > limit) {
    destroy(outbox, TAILQ_FIRST(&outbox->list));
    count_drop(outbox);
  }
  struct message *message = memory_zeroed(1, sizeof *message);
  message->endpoint = endpoint;
  message->size_bytes = size;
  message->body = body;
  message->taken_before = outbox->taken_count;
  TAILQ_INSERT_TAIL(&outbox->list, message, place);
  outbox->count++;
  outbox->bytes += cost(size);
  return message;
}

void outbox_add(struct core *core, struct outbox *outbox, struct endpoint *endpoint,
                const char *body, size_t size)
{
  add(core, outbox, endpoint, memory_copied(body, size), size);
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

void outbox_merge(struct core *core, struct outbox *outbox, struct endpoint *endpoint,
                  const char *object, size_t size)
{
  struct message *earlier = endpoint->metadata; /* the last one of this endpoint */
  char *both = NULL;
  size_t merged_bytes = 0;
  if (earlier && !earlier->is_under_way) {
    size_t most = core->options.max_telemetry_bytes - outbox->bytes + earlier->size_bytes;
    both = merged(earlier, object, size, most < JSONTEXT_MAX_BYTES ? most : JSONTEXT_MAX_BYTES,
                  &merged_bytes);
  }
  if (!both) {
    endpoint->metadata = add(core, outbox, endpoint, memory_copied(object, size), size);
    return;
  }
  outbox->bytes += merged_bytes - earlier->size_bytes;
  free(earlier->body);
  earlier->body = both;
  earlier->tries = 0;
  earlier->strikes = 0;
  if (earlier->request_id) /* a late answer to what was sent is none to this */
    earlier->request_id = state_next_request_id(core);
  earlier->size_bytes = merged_bytes;
}

/* Those that were sent stand first, and are few. */
static struct message *find(struct outbox *outbox, uint32_t request_id)
{
  struct message *message;
  TAILQ_FOREACH(message, &outbox->list, place) {
    if (!message->request_id)
      break;
    if (message->request_id == request_id)
      return message;
  }
  return NULL;
}

static void note_drop(struct core *core, const struct outbox *outbox, const char *endpoint,
                      const char *text)
{
  enum core_note note =
      outbox->kind == CORE_METADATA ? CORE_NOTE_METADATA_DROPPED : CORE_NOTE_TELEMETRY_DROPPED;
  notes_add(core, note, endpoint, NULL, 0, "%s", text);
}

/* It keeps its place and its id. */
static void wait_again(struct outbox *outbox, struct message *message)
{
  outbox->under_way -= message->is_under_way;
  message->is_under_way = false;
}

static bool was_taken(const struct outbox *outbox, uint32_t request_id)
{
  for (size_t i = 0; i < OUTBOX_WINDOW; i++)
    if (outbox->taken[i] == request_id)
      return true;
  return false;
}

static void hold_all(struct core *core, struct outbox *outbox, unsigned times)
{
  if (deadline_is_armed(&outbox->retry))
    return; /* failures of one moment count once */
  int64_t delay_ms = state_back_off_ms(OUTBOX_RETRY_MS, times);
  if (outbox->failures < UINT8_MAX)
    outbox->failures++;
  deadline_arm(&core->deadlines, &outbox->retry, core->now_ms + state_jitter(core, delay_ms),
               deadline_wake);
}

static void drop_failing(struct core *core, struct outbox *outbox, struct message *message,
                         int status, const char *reason)
{
  char *text = memory_format("it failed again and again, others do not: %d %s", status, reason);
  outbox->dropped++;
  note_drop(core, outbox, message->endpoint->token, text);
  free(text);
  destroy(outbox, message);
}

/* Where requests are answered one by one, one that fails holds back its own
 * endpoint, and all only where nothing is taken. */
static void hold_one(struct core *core, struct outbox *outbox, struct message *message)
{
  int64_t delay_ms = state_back_off_ms(OUTBOX_RETRY_MS, message->failures);
  message->held_ms = core->now_ms + state_jitter(core, delay_ms);
  bool is_first = !message->failures;
  if (message->failures < UINT8_MAX)
    message->failures++;
  if (is_first && outbox->failures + 1 < OUTBOX_OUTAGE)
    outbox->failures++;
  else if (is_first)
    hold_all(core, outbox, outbox->failures + 1 - OUTBOX_OUTAGE);
}

/* A failure that may pass: the platform has trouble, or a proxy on the way. */
static void try_later(struct core *core, struct outbox *outbox, struct message *message,
                      int status, const char *reason)
{
  wait_again(outbox, message);
  if (!core->options.polls) {
    hold_all(core, outbox, outbox->failures);
    return;
  }
  if (message->taken_before != outbox->taken_count)
    message->strikes++;
  message->taken_before = outbox->taken_count;
  if (message->strikes >= OUTBOX_TRIES)
    drop_failing(core, outbox, message, status, reason);
  else
    hold_one(core, outbox, message);
}

void outbox_answered(struct core *core, struct outbox *outbox, const struct endpoint *endpoint,
                     uint32_t request_id, int status, const char *reason)
{
  struct message *message = request_id ? find(outbox, request_id) : NULL;
  if (message && message->endpoint != endpoint)
    message = NULL;
  if (!status && (message || (request_id && was_taken(outbox, request_id))))
    outbox->is_answered = true;
  bool is_refusal = status >= 400 && status < 500 && status != 408 && status != 429;
  if (message && status && !is_refusal) {
    try_later(core, outbox, message, status, reason);
    return;
  }
  outbox->failures = 0;
  outbox->taken_count += !status;
  if (status) { /* mostly after the broker had it, so that it is gone already */
    char *text = memory_format("the platform refused it: %d %s", status, reason);
    outbox->dropped++;
    note_drop(core, outbox, endpoint->token, text);
    free(text);
  }
  if (message)
    destroy(outbox, message);
}

bool outbox_published(struct core *core, struct outbox *outbox, uint32_t request_id)
{
  struct message *message = request_id ? find(outbox, request_id) : NULL;
  if (!message)
    return false;
  bool is_awaited = outbox->is_answered && outbox->kind != CORE_METADATA;
  if (is_awaited && message->tries + 1 < OUTBOX_TRIES) {
    message->tries++;
    message->silent_ms = core->now_ms + core->options.silence_ms;
    return true;
  }
  outbox->taken[outbox->taken_at] = request_id;
  outbox->taken_at = (outbox->taken_at + 1) % OUTBOX_WINDOW;
  destroy(outbox, message);
  return true;
}

void outbox_disconnected(struct core *core, struct outbox *outbox)
{
  struct message *message;
  TAILQ_FOREACH(message, &outbox->list, place) {
    message->is_under_way = false;
    message->failures = 0;
    message->held_ms = INT64_MIN;
  }
  outbox->under_way = 0;
  outbox->failures = 0;
  deadline_disarm(&core->deadlines, &outbox->retry);
  deadline_disarm(&core->deadlines, &outbox->silence);
}

static bool is_held(const struct core *core, const struct message *message)
{
  return message->held_ms > core->now_ms;
}

/* Whether a message of this endpoint is to be waited for. */
static bool is_busy(const struct core *core, const struct outbox *outbox,
                    const struct endpoint *endpoint)
{
  const struct message *message;
  TAILQ_FOREACH(message, &outbox->list, place) {
    if (!message->request_id)
      break;
    if (message->endpoint == endpoint && (message->is_under_way || is_held(core, message)))
      return true;
  }
  return false;
}

/* The first that waits. Requests of a transport that polls overtake each other:
 * there, one of an endpoint at a time, and one chosen that was never sent comes to
 * stand first of those. */
static struct message *next(const struct core *core, struct outbox *outbox)
{
  struct message *message, *first = NULL;
  TAILQ_FOREACH(message, &outbox->list, place) {
    if (message->is_under_way || is_held(core, message))
      continue;
    if (!first && !message->request_id)
      first = message;
    if (!core->options.polls || !is_busy(core, outbox, message->endpoint))
      break;
  }
  if (message && first && message != first) {
    TAILQ_REMOVE(&outbox->list, message, place);
    TAILQ_INSERT_BEFORE(first, message, place);
  }
  return message;
}

static int64_t earlier(int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/* Where neither broker nor platform said anything for long it is to be sent
 * again; returns when that will be so of the next, or of one that failed. */
static int64_t give_up_silent(struct core *core, struct outbox *outbox)
{
  int64_t next_ms = INT64_MAX;
  struct message *message;
  TAILQ_FOREACH(message, &outbox->list, place) {
    if (!message->request_id)
      break;
    if (!message->is_under_way && is_held(core, message))
      next_ms = earlier(next_ms, message->held_ms);
    if (!message->is_under_way)
      continue;
    if (message->silent_ms <= core->now_ms)
      wait_again(outbox, message);
    else
      next_ms = earlier(next_ms, message->silent_ms);
  }
  return next_ms;
}

/* At most once in a while, summed. Returns when there will be some to tell. */
static int64_t tell_drops(struct core *core, struct outbox *outbox)
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

/* The port may answer at once, so that the message is looked for by its id after
 * the call. */
static void send_next(struct core *core, struct outbox *outbox)
{
  while (core->is_connected && !core->is_blocked && !deadline_is_armed(&outbox->retry) &&
         outbox->under_way < OUTBOX_WINDOW) {
    struct message *message = next(core, outbox);
    if (!message)
      return;
    if (!message->request_id)
      message->request_id = state_next_request_id(core);
    uint32_t request_id = message->request_id;
    message->is_under_way = true;
    /* a transport that polls answers everything itself */
    message->silent_ms =
        core->options.polls ? INT64_MAX : core->now_ms + OUTBOX_UNPUBLISHED_MS;
    outbox->under_way++;
    if (state_send(core, outbox->kind, message->endpoint, NULL, request_id, message->body,
                   message->size_bytes) &&
        (message = find(outbox, request_id)))
      wait_again(outbox, message);
  }
}

void outbox_send(struct core *core, struct outbox *outbox)
{
  int64_t tell_ms = tell_drops(core, outbox);
  give_up_silent(core, outbox);
  send_next(core, outbox);
  int64_t next_ms = earlier(give_up_silent(core, outbox), tell_ms);
  if (next_ms == INT64_MAX)
    deadline_disarm(&core->deadlines, &outbox->silence);
  else
    deadline_arm(&core->deadlines, &outbox->silence, next_ms, deadline_wake);
}

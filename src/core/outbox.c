#include "core/outbox.h"

#include "base/memory.h"
#include "core/outbox_hold.h"
#include "core/outbox_message.h"
#include "core/outbox_room.h"
#include "core/state.h"

#include <stdlib.h>
#include <string.h>

void outbox_init(struct outbox *outbox, enum core_message kind)
{
  outbox->kind = kind;
  outbox->told_ms = INT64_MIN / 2;
  TAILQ_INIT(&outbox->list);
}

void outbox_clear(struct core *core, struct outbox *outbox)
{
  for (struct message *message; (message = TAILQ_FIRST(&outbox->list));)
    outbox_room_remove(core, outbox, message);
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

/* It keeps its place and its id. */
static void wait_again(struct outbox *outbox, struct message *message)
{
  outbox->under_way -= message->is_under_way;
  message->is_under_way = false;
  message->until_ms = INT64_MIN;
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
  outbox_room_drop(core, outbox, message->endpoint->token, text);
  free(text);
  outbox_room_remove(core, outbox, message);
}

/* Of the one who sends, or of the moment: the message is sound. */
static bool is_sound(int status)
{
  return status == 401 || status == 407 || status == 408 || status == 429;
}

/* The platform has trouble, or a proxy on the way. */
static bool may_pass(int status)
{
  return status && (status < 400 || status >= 500 || is_sound(status));
}

static void try_later(struct core *core, struct outbox *outbox, struct message *message,
                      int status, const char *reason)
{
  wait_again(outbox, message);
  if (!core->options.polls) {
    hold_all(core, outbox, outbox->failures);
    return;
  }
  if (message->taken_before != outbox->taken_count && !is_sound(status))
    message->strikes++;
  message->taken_before = outbox->taken_count;
  if (message->strikes >= OUTBOX_TRIES)
    drop_failing(core, outbox, message, status, reason);
  else
    outbox_hold_failed(core, outbox, message);
}

void outbox_answered(struct core *core, struct outbox *outbox, struct endpoint *endpoint,
                     uint32_t request_id, int status, const char *reason)
{
  struct message *message = request_id ? find(outbox, request_id) : NULL;
  if (message && message->endpoint != endpoint)
    message = NULL;
  if (!status && (message || (request_id && was_taken(outbox, request_id))))
    outbox->is_answered = true;
  if (message && may_pass(status)) {
    try_later(core, outbox, message, status, reason);
    return;
  }
  if (core->options.polls && may_pass(status))
    return; /* the message went meanwhile, and was counted */
  outbox_hold_over(core, outbox, endpoint);
  outbox->taken_count += !status;
  if (status) { /* mostly after the broker had it, so that it is gone already */
    char *text = memory_format("the platform refused it: %d %s", status, reason);
    outbox_room_drop(core, outbox, endpoint->token, text);
    free(text);
  }
  if (message)
    outbox_room_remove(core, outbox, message);
}

bool outbox_published(struct core *core, struct outbox *outbox, uint32_t request_id)
{
  struct message *message = request_id ? find(outbox, request_id) : NULL;
  if (!message)
    return false;
  bool is_awaited = outbox->is_answered && outbox->kind != CORE_METADATA;
  if (is_awaited && message->tries + 1 < OUTBOX_TRIES) {
    message->tries++;
    if (message->is_under_way)
      message->until_ms = core->now_ms + core->options.silence_ms;
    return true;
  }
  outbox->taken[outbox->taken_at] = request_id;
  outbox->taken_at = (outbox->taken_at + 1) % OUTBOX_WINDOW;
  outbox_room_remove(core, outbox, message);
  return true;
}

void outbox_disconnected(struct core *core, struct outbox *outbox)
{
  struct message *message;
  TAILQ_FOREACH(message, &outbox->list, place) {
    message->is_under_way = false;
    message->until_ms = INT64_MIN;
  }
  outbox_hold_disconnected(core, outbox);
  outbox->under_way = 0;
  outbox->failures = 0;
  deadline_disarm(&core->deadlines, &outbox->retry);
  deadline_disarm(&core->deadlines, &outbox->silence);
}

static bool is_held(const struct core *core, const struct message *message)
{
  return !message->is_under_way && message->until_ms > core->now_ms;
}

static int64_t earlier(int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/* The first that waits. Requests of a transport that polls overtake each other:
 * there, one of an endpoint at a time. One chosen that was never sent comes to stand
 * first of those. `*next_ms` becomes when the hold of an endpoint ends, where that is
 * earlier. */
static struct message *next(const struct core *core, struct outbox *outbox, int64_t *next_ms)
{
  struct message *message, *first = NULL;
  TAILQ_FOREACH(message, &outbox->list, place) {
    if (!first && !message->request_id)
      first = message;
    if (message->is_under_way || is_held(core, message) || !outbox_keep_allows(message))
      continue;
    if (!core->options.polls || message->request_id)
      break;
    int64_t until_ms = outbox_hold_until_ms(core, outbox, message->endpoint);
    if (until_ms <= core->now_ms)
      break;
    *next_ms = earlier(*next_ms, until_ms);
  }
  if (message && first && message != first) {
    TAILQ_REMOVE(&outbox->list, message, place);
    TAILQ_INSERT_BEFORE(first, message, place);
  }
  return message;
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
    if (message->is_under_way && message->until_ms <= core->now_ms)
      wait_again(outbox, message);
    else if (message->is_under_way || is_held(core, message))
      next_ms = earlier(next_ms, message->until_ms);
  }
  return next_ms;
}

static void give_id(struct core *core, const struct outbox *outbox, struct message *message)
{
  if (!message->request_id)
    message->request_id = state_next_request_id(core);
  outbox_hold_sent(outbox, message);
}

/* The port may answer at once, so that the message is looked for by its id after
 * the call. Returns when one may go that waits for its time alone. */
static int64_t send_next(struct core *core, struct outbox *outbox)
{
  int64_t next_ms = INT64_MAX;
  while (core->is_connected && !core->is_blocked && !deadline_is_armed(&outbox->retry) &&
         outbox->under_way < OUTBOX_WINDOW) {
    struct message *message = next(core, outbox, &next_ms);
    if (!message)
      break;
    give_id(core, outbox, message);
    uint32_t request_id = message->request_id;
    message->is_under_way = true;
    /* a transport that polls answers everything itself */
    message->until_ms =
        core->options.polls ? INT64_MAX : core->now_ms + OUTBOX_UNPUBLISHED_MS;
    outbox->under_way++;
    if (state_send(core, outbox->kind, message->endpoint, NULL, request_id, message->body,
                   message->size_bytes) &&
        (message = find(outbox, request_id)))
      wait_again(outbox, message);
  }
  return next_ms;
}

void outbox_send(struct core *core, struct outbox *outbox)
{
  int64_t tell_ms = outbox_room_tell_drops(core, outbox);
  give_up_silent(core, outbox);
  int64_t hold_ms = send_next(core, outbox);
  int64_t next_ms = earlier(earlier(give_up_silent(core, outbox), hold_ms), tell_ms);
  if (next_ms == INT64_MAX)
    deadline_disarm(&core->deadlines, &outbox->silence);
  else
    deadline_arm(&core->deadlines, &outbox->silence, next_ms, deadline_wake);
}

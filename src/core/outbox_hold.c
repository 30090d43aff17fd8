#include "core/outbox_hold.h"

#include "core/outbox_message.h"
#include "core/state.h"

enum { SECONDS_MASK = 0xffffff, SECONDS_MOST = 600 }; /* longer than any wait */

_Static_assert(sizeof(struct outbox_endpoint) == 4, "there may be many");

static struct outbox_endpoint *of(const struct outbox *outbox, struct endpoint *endpoint)
{
  return &endpoint->outboxes[outbox->kind == CORE_METADATA];
}

static uint32_t second_of(int64_t ms)
{
  return (uint32_t)((ms + 999) / 1000);
}

/* Its seconds are counted in a ring: what lies too far ahead is long past. */
static uint32_t seconds_left(const struct core *core, const struct outbox_endpoint *own)
{
  uint32_t left = (own->until_s - (uint32_t)(core->now_ms / 1000)) & SECONDS_MASK;
  return own->failures && left <= SECONDS_MOST ? left : 0;
}

static void pause_all(struct core *core, struct outbox *outbox)
{
  if (!deadline_is_armed(&outbox->retry))
    deadline_arm(&core->deadlines, &outbox->retry,
                 core->now_ms + state_jitter(core, OUTBOX_PAUSE_MS), deadline_wake);
}

void outbox_hold_failed(struct core *core, struct outbox *outbox, struct message *message)
{
  struct outbox_endpoint *own = of(outbox, message->endpoint);
  bool is_first = !own->failures;
  int64_t delay_ms = state_back_off_ms(OUTBOX_RETRY_MS, own->failures);
  message->until_ms = core->now_ms + state_jitter(core, delay_ms);
  own->until_s = second_of(message->until_ms) & SECONDS_MASK;
  if (own->failures < OUTBOX_FAILURES_MOST)
    own->failures++;
  if (!is_first)
    return;
  if (outbox->failures < OUTBOX_OUTAGE)
    outbox->failures++;
  if (outbox->failures == OUTBOX_OUTAGE)
    pause_all(core, outbox);
}

/* What is left of a wait is cut to a part of OUTBOX_RELEASE_MS, so that a fleet
 * does not come back in one moment. */
static int64_t released_ms(struct core *core)
{
  return core->now_ms + (int64_t)(OUTBOX_RELEASE_MS * state_random(core));
}

static void release_all(struct core *core, struct outbox *outbox)
{
  deadline_disarm(&core->deadlines, &outbox->retry);
  struct message *message;
  TAILQ_FOREACH(message, &outbox->list, place) {
    if (!message->request_id)
      break;
    int64_t until_ms = released_ms(core);
    if (!message->is_under_way && message->until_ms > until_ms)
      message->until_ms = until_ms;
  }
  for (size_t i = 0; i < core->asks.endpoint_count; i++) {
    struct outbox_endpoint *own = of(outbox, core->asks.endpoints[i]);
    int64_t until_ms = released_ms(core);
    if (core->now_ms + (int64_t)seconds_left(core, own) * 1000 > until_ms)
      own->until_s = second_of(until_ms) & SECONDS_MASK;
  }
}

void outbox_hold_over(struct core *core, struct outbox *outbox, struct endpoint *endpoint)
{
  of(outbox, endpoint)->failures = 0;
  if (core->options.polls && outbox->failures >= OUTBOX_OUTAGE)
    release_all(core, outbox);
  outbox->failures = 0;
}

int64_t outbox_hold_until_ms(const struct core *core, const struct outbox *outbox,
                             const struct endpoint *endpoint)
{
  const struct outbox_endpoint *own = &endpoint->outboxes[outbox->kind == CORE_METADATA];
  if (own->has_sent)
    return INT64_MAX;
  uint32_t left = seconds_left(core, own);
  return left ? (core->now_ms / 1000 + left) * 1000 : INT64_MIN;
}

void outbox_hold_sent(const struct outbox *outbox, const struct message *message)
{
  of(outbox, message->endpoint)->has_sent = true;
}

void outbox_hold_gone(const struct outbox *outbox, const struct message *message)
{
  if (message->request_id)
    of(outbox, message->endpoint)->has_sent = false;
}

void outbox_hold_disconnected(struct core *core, const struct outbox *outbox)
{
  for (size_t i = 0; i < core->asks.endpoint_count; i++)
    of(outbox, core->asks.endpoints[i])->failures = 0;
}

#include "core/outbox.h"

#include "base/memory.h"
#include "core/state.h"

#include <stdlib.h>
#include <string.h>

struct samples {
  TAILQ_ENTRY(samples) place;
  struct endpoint *endpoint;
  uint32_t request_id; /* 0: never sent; stays, so that a late answer is understood */
  uint8_t tries;       /* that the broker took */
  bool is_under_way;
  int64_t silent_ms; /* while under way: when it will have been silent for too long */
  size_t size_bytes;
  char body[];
};

_Static_assert(sizeof(struct samples) + 16 <= OUTBOX_MESSAGE_BYTES, "with the allocator's part");

static size_t cost(size_t size)
{
  return size + OUTBOX_MESSAGE_BYTES;
}

void outbox_init(struct outbox *outbox)
{
  TAILQ_INIT(&outbox->list);
}

static void destroy(struct outbox *outbox, struct samples *samples)
{
  TAILQ_REMOVE(&outbox->list, samples, place);
  outbox->count--;
  outbox->bytes -= cost(samples->size_bytes);
  outbox->under_way -= samples->is_under_way;
  free(samples);
}

void outbox_clear(struct outbox *outbox)
{
  for (struct samples *samples; (samples = TAILQ_FIRST(&outbox->list));)
    destroy(outbox, samples);
}

static void count_drop(struct outbox *outbox)
{
  outbox->dropped++;
  outbox->untold_drops++;
}

void outbox_add(struct core *core, struct endpoint *endpoint, const char *text, size_t size)
{
  struct outbox *outbox = &core->outbox;
  size_t limit = core->options.max_telemetry_bytes;
  if (cost(size) > limit) {
    count_drop(outbox);
    return;
  }
  while (outbox->bytes + cost(size) > limit) {
    destroy(outbox, TAILQ_FIRST(&outbox->list));
    count_drop(outbox);
  }
  struct samples *samples = memory_zeroed(1, sizeof *samples + size);
  samples->endpoint = endpoint;
  samples->size_bytes = size;
  memcpy(samples->body, text, size);
  TAILQ_INSERT_TAIL(&outbox->list, samples, place);
  outbox->count++;
  outbox->bytes += cost(size);
}

/* Those that were sent stand first, and are few. */
static struct samples *find(struct outbox *outbox, uint32_t request_id)
{
  struct samples *samples;
  TAILQ_FOREACH(samples, &outbox->list, place) {
    if (!samples->request_id)
      break;
    if (samples->request_id == request_id)
      return samples;
  }
  return NULL;
}

static bool was_taken(const struct outbox *outbox, uint32_t request_id)
{
  for (size_t i = 0; i < OUTBOX_WINDOW; i++)
    if (outbox->taken[i] == request_id)
      return true;
  return false;
}

void outbox_answered(struct core *core, const char *endpoint, uint32_t request_id, int status,
                     const char *reason)
{
  struct outbox *outbox = &core->outbox;
  struct samples *samples = request_id ? find(outbox, request_id) : NULL;
  if (samples && strcmp(samples->endpoint->token, endpoint) != 0)
    samples = NULL;
  if (!status && (samples || (request_id && was_taken(outbox, request_id))))
    outbox->is_answered = true;
  if (status) { /* mostly after the broker had them, so that they are gone already */
    outbox->dropped++;
    notes_add(core, CORE_NOTE_TELEMETRY_DROPPED, endpoint, NULL, 0,
              "the platform refused samples: %d %s", status, reason);
  }
  if (samples)
    destroy(outbox, samples);
}

void outbox_published(struct core *core, uint32_t request_id)
{
  struct outbox *outbox = &core->outbox;
  struct samples *samples = request_id ? find(outbox, request_id) : NULL;
  if (!samples)
    return;
  if (outbox->is_answered && samples->tries + 1 < OUTBOX_TRIES) {
    samples->tries++;
    samples->silent_ms = core->now_ms + core->options.silence_ms;
    return;
  }
  outbox->taken[outbox->taken_at] = request_id;
  outbox->taken_at = (outbox->taken_at + 1) % OUTBOX_WINDOW;
  destroy(outbox, samples);
}

void outbox_disconnected(struct core *core)
{
  struct samples *samples;
  TAILQ_FOREACH(samples, &core->outbox.list, place)
    samples->is_under_way = false;
  core->outbox.under_way = 0;
  deadline_disarm(&core->deadlines, &core->outbox.silence);
}

static struct samples *next(struct outbox *outbox)
{
  struct samples *samples;
  TAILQ_FOREACH(samples, &outbox->list, place)
    if (!samples->is_under_way)
      return samples;
  return NULL;
}

/* Where neither broker nor platform said anything for long it is to be sent
 * again; returns when that will be so of the next. */
static int64_t give_up_silent(struct core *core)
{
  struct outbox *outbox = &core->outbox;
  int64_t next_ms = INT64_MAX;
  struct samples *samples;
  TAILQ_FOREACH(samples, &outbox->list, place) {
    if (!samples->request_id)
      break;
    if (!samples->is_under_way)
      continue;
    if (samples->silent_ms <= core->now_ms) {
      samples->is_under_way = false;
      outbox->under_way--;
    } else if (samples->silent_ms < next_ms) {
      next_ms = samples->silent_ms;
    }
  }
  return next_ms;
}

static void tell_drops(struct core *core)
{
  struct outbox *outbox = &core->outbox;
  if (outbox->untold_drops)
    notes_add(core, CORE_NOTE_TELEMETRY_DROPPED, NULL, NULL, 0,
              "%llu messages with samples dropped: the outbox is full",
              (unsigned long long)outbox->untold_drops);
  outbox->untold_drops = 0;
}

/* The port may answer at once, so that the samples are looked for by their id
 * after the call. */
static void send_next(struct core *core)
{
  struct outbox *outbox = &core->outbox;
  while (core->is_connected && !core->is_blocked && outbox->under_way < OUTBOX_WINDOW) {
    struct samples *samples = next(outbox);
    if (!samples)
      return;
    if (!samples->request_id)
      samples->request_id = state_next_request_id(core);
    uint32_t request_id = samples->request_id;
    samples->is_under_way = true;
    samples->silent_ms = core->now_ms + OUTBOX_UNPUBLISHED_MS;
    outbox->under_way++;
    if (state_send(core, CORE_TELEMETRY, samples->endpoint, NULL, request_id, samples->body,
                   samples->size_bytes) &&
        (samples = find(outbox, request_id))) {
      samples->is_under_way = false;
      outbox->under_way--;
    }
  }
}

void outbox_send(struct core *core)
{
  tell_drops(core);
  give_up_silent(core);
  send_next(core);
  int64_t next_ms = give_up_silent(core);
  if (next_ms == INT64_MAX)
    deadline_disarm(&core->deadlines, &core->outbox.silence);
  else
    deadline_arm(&core->deadlines, &core->outbox.silence, next_ms, deadline_wake);
}

#include "core/outbox.h"

#include "base/memory.h"
#include "core/state.h"

#include <stdlib.h>
#include <string.h>

struct samples {
  TAILQ_ENTRY(samples) place;
  struct endpoint *endpoint;
  uint32_t request_id; /* 0: not under way */
  size_t size_bytes;
  char body[];
};

void outbox_init(struct outbox *outbox)
{
  TAILQ_INIT(&outbox->list);
}

static void destroy(struct outbox *outbox, struct samples *samples)
{
  TAILQ_REMOVE(&outbox->list, samples, place);
  outbox->count--;
  outbox->bytes -= samples->size_bytes;
  outbox->under_way -= samples->request_id != 0;
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
  if (size > limit) {
    count_drop(outbox);
    return;
  }
  while (outbox->bytes + size > limit) {
    destroy(outbox, TAILQ_FIRST(&outbox->list));
    count_drop(outbox);
  }
  struct samples *samples = memory_zeroed(1, sizeof *samples + size);
  samples->endpoint = endpoint;
  samples->size_bytes = size;
  memcpy(samples->body, text, size);
  TAILQ_INSERT_TAIL(&outbox->list, samples, place);
  outbox->count++;
  outbox->bytes += size;
}

/* Those under way stand first, and are few. */
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

void outbox_answered(struct core *core, const char *endpoint, uint32_t request_id, int status,
                     const char *reason)
{
  struct outbox *outbox = &core->outbox;
  struct samples *samples = request_id ? find(outbox, request_id) : NULL;
  if (samples && strcmp(samples->endpoint->token, endpoint) != 0)
    samples = NULL;
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
  struct samples *samples = find(&core->outbox, request_id);
  if (samples)
    destroy(&core->outbox, samples);
}

void outbox_disconnected(struct core *core)
{
  struct samples *samples;
  TAILQ_FOREACH(samples, &core->outbox.list, place)
    samples->request_id = 0;
  core->outbox.under_way = 0;
}

static struct samples *next(struct outbox *outbox)
{
  struct samples *samples;
  TAILQ_FOREACH(samples, &outbox->list, place)
    if (!samples->request_id)
      return samples;
  return NULL;
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
void outbox_send(struct core *core)
{
  struct outbox *outbox = &core->outbox;
  tell_drops(core);
  while (core->is_connected && !core->is_blocked && outbox->under_way < OUTBOX_WINDOW) {
    struct samples *samples = next(outbox);
    if (!samples)
      return;
    uint32_t request_id = state_next_request_id(core);
    samples->request_id = request_id;
    outbox->under_way++;
    if (state_send(core, CORE_TELEMETRY, samples->endpoint, NULL, request_id, samples->body,
                   samples->size_bytes) &&
        (samples = find(outbox, request_id))) {
      samples->request_id = 0;
      outbox->under_way--;
    }
  }
}

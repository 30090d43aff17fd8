#include "core/core.h"

#include "base/memory.h"
#include "core/intake.h"
#include "core/outbox_room.h"
#include "core/queue.h"
#include "core/state.h"
#include "core/verdict.h"
#include "kp/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct core_options with_defaults(const struct core_options *options)
{
  struct core_options full = *options;
  if (!full.max_queued)
    full.max_queued = 1000;
  if (!full.ask_interval_ms)
    full.ask_interval_ms = 300 * 1000;
  if (!full.silence_ms)
    full.silence_ms = 10 * 1000;
  if (!full.poll_interval_ms)
    full.poll_interval_ms = 10 * 1000;
  if (!full.max_telemetry_bytes)
    full.max_telemetry_bytes = 16 * 1024 * 1024;
  return full;
}

struct core *core_create(const struct core_ports *ports, const struct storage *storage,
                         const struct core_options *options)
{
  struct core *core = memory_zeroed(1, sizeof *core);
  core->ports = *ports;
  core->storage = *storage;
  core->options = with_defaults(options);
  core->random = options->seed;
  TAILQ_INIT(&core->grown);
  core->lives.last_sequence = options->last_sequence;
  notes_init(&core->notes);
  stale_init(&core->stales);
  report_init(&core->reports);
  core->reports.was_answered = options->was_answered;
  ask_init(&core->asks);
  outbox_init(&core->telemetry, CORE_TELEMETRY);
  outbox_init(&core->metadata, CORE_METADATA);
  outbox_keep_init(core);
  core->wall_ms = options->wall_ms;
  core->wall_at_ms = INT64_MIN;
  return core;
}

void core_destroy(struct core *core)
{
  if (!core)
    return;
  outbox_clear(core, &core->telemetry);
  outbox_clear(core, &core->metadata);
  outbox_keep_clear(core);
  ask_clear(core);
  report_clear(core);
  repeat_clear(&core->repeats);
  stale_clear(&core->stales);
  life_clear(&core->lives);
  batch_clear(&core->batches);
  notes_clear(&core->notes);
  deadlines_clear(&core->deadlines);
  state_clear(core);
  free(core);
}

void core_add_endpoint(struct core *core, const char *token)
{
  if (!state_find_endpoint(core, token))
    ask_add_endpoint(core, state_add_endpoint(core, token));
}

void core_set_policy(struct core *core, const char *name, enum command_policy policy)
{
  state_intern_type(core, name, true)->policy = policy;
}

void core_set_order(struct core *core, const char *name, enum core_order order)
{
  state_intern_type(core, name, true)->order = order;
}

void core_set_types(struct core *core, const char *const *names, size_t count)
{
  struct type **types = memory_zeroed(count, sizeof *types);
  for (size_t i = 0; i < count; i++)
    types[i] = state_intern_type(core, names[i], true);
  ask_set_types(core, types, count);
}

void core_connected(struct core *core, int64_t now_ms)
{
  core->now_ms = now_ms;
  core->is_connected = true;
  core->connection++;
  core->connected_ms = now_ms;
  state_unblock(core);
  repeat_clear(&core->repeats);
  report_connected(core);
  ask_connected(core);
}

void core_disconnected(struct core *core, int64_t now_ms)
{
  core->now_ms = now_ms;
  if (!core->is_connected)
    return;
  core->is_connected = false;
  state_unblock(core);
  report_disconnected(core);
  ask_disconnected(core);
  outbox_disconnected(core, &core->telemetry);
  outbox_disconnected(core, &core->metadata);
}

void core_writable(struct core *core)
{
  state_unblock(core);
}

void core_commands(struct core *core, const char *endpoint, const char *type, uint32_t request_id,
                   const char *text, size_t size, int64_t received_wall_ms,
                   int64_t received_boot_ms, int64_t now_ms)
{
  core->now_ms = now_ms;
  state_set_wall(core, received_wall_ms);
  struct intake intake = {
      .endpoint = state_find_endpoint(core, endpoint),
      .text = text,
      .size_bytes = size,
      .received_wall_ms = received_wall_ms,
      .received_boot_ms = received_boot_ms,
      .request_id = request_id,
  };
  if (!intake.endpoint) {
    intake_malformed(core, endpoint, type, "an endpoint that is not of this agent");
    return;
  }
  if (request_id)
    ask_answered(core, intake.endpoint, type, request_id, 0, "");
  if (!name_is_type(type, strlen(type))) {
    intake_malformed(core, endpoint, type, "not a command type");
    return;
  }
  intake.type = state_intern_type(core, type, false);
  if (intake.type)
    intake_message(core, &intake);
  else
    intake_malformed(core, endpoint, type, "too many command types without a handler");
}

void core_answered(struct core *core, enum core_message kind, const char *endpoint,
                   const char *type, uint32_t request_id, int status, const char *reason,
                   int64_t now_ms)
{
  core->now_ms = now_ms;
  struct endpoint *known = state_find_endpoint(core, endpoint);
  if (!known)
    return;
  if (!reason)
    reason = "";
  switch (kind) {
  case CORE_REQUEST: ask_answered(core, known, type, request_id, status, reason); break;
  case CORE_RESULT: verdict_answered(core, endpoint, type, request_id, status, reason); break;
  case CORE_TELEMETRY:
    outbox_answered(core, &core->telemetry, known, request_id, status, reason);
    break;
  case CORE_METADATA:
    outbox_answered(core, &core->metadata, known, request_id, status, reason);
    break;
  }
}

void core_hold(struct core *core, enum core_message kind, uint32_t request_id, int64_t wait_ms)
{
  if (kind == CORE_REQUEST)
    pace_hold(core, request_id, wait_ms);
  else if (kind == CORE_RESULT)
    verdict_hold(core, request_id, wait_ms);
}

void core_published(struct core *core, uint32_t request_id, int64_t now_ms)
{
  core->now_ms = now_ms;
  if (!verdict_published(core, request_id) && !outbox_published(core, &core->telemetry, request_id))
    outbox_published(core, &core->metadata, request_id);
}

int core_restore_message(struct core *core, const struct storage_message *message)
{
  struct endpoint *known = state_find_endpoint(core, message->endpoint);
  if (!known)
    return -ENOENT;
  outbox_restore(core, message->is_metadata ? &core->metadata : &core->telemetry, known, message);
  return 0;
}

void core_telemetry(struct core *core, const char *endpoint, const char *samples, size_t size,
                    int64_t wall_ms, int64_t now_ms)
{
  core->now_ms = now_ms;
  state_set_wall(core, wall_ms);
  struct endpoint *known = state_find_endpoint(core, endpoint);
  if (known)
    outbox_add(core, &core->telemetry, known, samples, size, wall_ms);
}

void core_metadata(struct core *core, const char *endpoint, const char *keys, size_t size,
                   int64_t wall_ms, int64_t now_ms)
{
  core->now_ms = now_ms;
  state_set_wall(core, wall_ms);
  struct endpoint *known = state_find_endpoint(core, endpoint);
  if (known)
    outbox_merge(core, &core->metadata, known, keys, size, wall_ms);
}

void core_keep_messages(struct core *core)
{
  core->keep.is_hurried = true;
}

/* The batch goes last: what the ports called back with is in it. */
void core_flush(struct core *core, int64_t now_ms)
{
  core->now_ms = now_ms;
  if (core->is_calling)
    return;
  core->is_calling = true;
  queue_announce(core);
  report_send(core);
  ask_send(core);
  outbox_room_drop_old(core);
  outbox_send(core, &core->metadata);
  outbox_send(core, &core->telemetry);
  report_send_suspect(core);
  notes_tell(core);
  outbox_keep_write(core);
  core->is_calling = false;
  batch_submit(core);
}

void core_stored(struct core *core, int64_t now_ms)
{
  core->now_ms = now_ms;
  bool was_calling = core->is_calling;
  core->is_calling = true;
  batch_stored(core);
  core->is_calling = was_calling;
}

int64_t core_next_deadline(const struct core *core)
{
  return deadline_next_ms(&core->deadlines);
}

void core_tick(struct core *core, int64_t now_ms)
{
  if (core->is_calling)
    return;
  core->now_ms = now_ms;
  for (struct deadline *due; (due = deadline_take(&core->deadlines, now_ms));)
    due->expire(core, due);
  state_unblock(core);
}

void core_get_counts(const struct core *core, struct core_counts *counts)
{
  *counts = core->counts;
  counts->received = core->lives.counts[COMMAND_RECEIVED];
  counts->queued = core->lives.counts[COMMAND_QUEUED];
  counts->running = core->lives.counts[COMMAND_RUNNING];
  counts->waiting = core->lives.counts[COMMAND_WAITING];
  counts->held = core->stales.held;
  counts->done = core->lives.counts[COMMAND_DONE];
  counts->telemetry_waiting = core->telemetry.count;
  counts->telemetry_dropped = core->telemetry.dropped;
  counts->metadata_waiting = core->metadata.count;
  counts->metadata_dropped = core->metadata.dropped;
}

bool core_is_settled(const struct core *core)
{
  return !core->lives.counts[COMMAND_DONE] && !core->telemetry.count && !core->metadata.count;
}

#include "host/work.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "host/notes.h"
#include "supervision/marks_files.h"

#include <stdlib.h>

/* A handler waits for what it wants kept with its command. */
struct saving {
  LIST_ENTRY(saving) link;
  const struct command *command;
  struct worker_ticket *ticket;
};

struct offer {
  struct handlers *handlers;
  const char *type;
};

static enum core_answer on_offer(void *context, const char *endpoint)
{
  const struct offer *offer = context;
  return handlers_offer(offer->handlers, offer->type, endpoint);
}

/* One that is handed out and put back would be handed out again at once, without end. */
static void hand_out_own(struct work *work, const char *type)
{
  if (work->is_stopped)
    return;
  size_t count = core_hand_out(work->core, type, own_commands_room(work->own, type));
  own_commands_expect(work->own, type, count);
}

static void hand_out(struct work *work, const char *type)
{
  if (!work->is_open) {
    json_object_set_new(work->waiting, type, json_true());
    return;
  }
  if (own_commands_has(type)) {
    hand_out_own(work, type);
    return;
  }
  size_t room = handlers_room(work->handlers, type);
  struct offer offer = {.handlers = work->handlers, .type = type};
  if (room)
    core_hand_out_to(work->core, type, room, on_offer, &offer);
  core_hand_out_ahead(work->core, type, handlers_room_ahead(work->handlers, type));
}

void work_open(struct work *work)
{
  work->is_open = true;
  const char *type;
  json_t *one;
  json_object_foreach(work->waiting, type, one)
    hand_out(work, type);
  json_object_clear(work->waiting);
}

void work_stop(struct work *work)
{
  work->is_stopped = true;
}

void work_end(struct work *work)
{
  work->is_open = false;
  work->is_stopped = true;
  work->handlers = NULL;
}

void work_tell_type(struct work *work, const char *type)
{
  if (own_commands_has(type)) {
    core_set_poll_interval(work->core, type, OWN_COMMANDS_POLL_MS);
    core_set_poll_steady(work->core, type);
    core_set_policy(work->core, type, COMMAND_RETRY);
    return;
  }
  core_set_poll_interval(work->core, type, (int64_t)(handlers_poll_s(work->handlers, type) * 1000));
  core_set_policy(work->core, type, handlers_policy(work->handlers, type));
  core_set_order(work->core, type, handlers_order(work->handlers, type));
}

/* The core's ports */

static void on_queued(void *context, const char *type)
{
  hand_out(context, type);
}

static void on_run(void *context, struct command *command)
{
  struct work *work = context;
  if (work->is_stopped)
    core_put_back(work->core, command);
  else if (own_commands_has(command->key.type))
    own_commands_run(work->own, command);
  else
    handlers_run(work->handlers, command);
}

static void on_withdrawn(void *context, const char *type, const char *endpoint)
{
  struct work *work = context;
  if (own_commands_has(type))
    own_commands_withdrawn(work->own, type);
  else if (work->handlers)
    handlers_withdrawn(work->handlers, type, endpoint);
}

static struct saving *find_saving(struct work *work, const struct command *command)
{
  struct saving *saving;
  LIST_FOREACH(saving, &work->savings, link)
    if (saving->command == command)
      return saving;
  return NULL;
}

static void end_saving(struct saving *saving, const char *failure)
{
  if (!saving)
    return;
  LIST_REMOVE(saving, link);
  worker_kept(saving->ticket, failure, NULL, 0);
  free(saving);
}

static void on_saved(void *context, struct command *command)
{
  end_saving(find_saving(context, command), NULL);
}

static void on_ended(void *context, struct command *command)
{
  end_saving(find_saving(context, command), "the command has ended");
  marks_file_ended(command);
}

static int on_send(void *context, enum core_message kind, const char *endpoint, const char *type,
                   uint32_t request_id, const char *body, size_t size)
{
  const struct work_owner *owner = &((struct work *)context)->owner;
  return owner->send(owner->context, kind, endpoint, type, request_id, body, size);
}

void work_fill_core_ports(struct work *work, struct core_ports *ports)
{
  *ports = (struct core_ports){
      .context = work,
      .queued = on_queued,
      .run = on_run,
      .withdrawn = on_withdrawn,
      .ended = on_ended,
      .saved = on_saved,
      .send = on_send,
      .note = notes_log,
  };
}

/* The handlers' ports */

static void on_changed(void *context)
{
  const struct work_owner *owner = &((struct work *)context)->owner;
  owner->changed(owner->context);
}

static void on_room(void *context, const char *type)
{
  const struct work_owner *owner = &((struct work *)context)->owner;
  if (owner->news)
    owner->news(owner->context);
  work_tell_type(context, type);
  hand_out(context, type);
}

static void on_own_room(void *context, const char *type)
{
  hand_out(context, type);
}

static void on_finished(void *context, struct command *command, struct command_result *result)
{
  struct work *work = context;
  log_debug(command->key.type, "answered", "id", LOG_NUMBER(command->key.id), "status",
            LOG_NUMBER(result->status), "reason", result->reason);
  core_finish(work->core, command, result);
}

static void on_waits(void *context, struct command *command)
{
  struct work *work = context;
  log_info(command->key.type, "waits for a restart", "id", LOG_NUMBER(command->key.id), "of",
           command->saved.restart == COMMAND_REBOOT ? "the machine" : "the agent");
  core_wait(work->core, command);
}

static void on_lacks_disk(void *context)
{
  struct work *work = context;
  journal_lack_room(work->journal);
}

static void on_put_back(void *context, struct command *command)
{
  struct work *work = context;
  core_put_back(work->core, command);
}

static void save(struct work *work, struct command *command, const struct worker_keep *keep,
                 struct worker_ticket *ticket)
{
  struct command_saved saved = {
      .restart = keep->restart,
      .within_ms = keep->within_ms,
      .wall_ms = clock_wall_ms(),
      .boot_ms = clock_boot_ms(),
      .text = keep->value ? memory_copied(keep->value, keep->value_bytes) : NULL,
      .text_bytes = keep->value ? keep->value_bytes : 0,
  };
  struct saving *saving = memory_zeroed(1, sizeof *saving);
  saving->command = command;
  saving->ticket = ticket;
  LIST_INSERT_HEAD(&work->savings, saving, link);
  core_save(work->core, command, &saved);
}

static void on_stored(void *ticket, const char *failure, const char *value, size_t value_bytes)
{
  worker_kept(ticket, failure, value, value_bytes);
}

static void on_keep(void *context, const char *type, struct command *command,
                    const struct worker_keep *keep, struct worker_ticket *ticket)
{
  static const enum journal_store_kind kinds[] = {
      [WORKER_KEEP_GET] = JOURNAL_GET,
      [WORKER_KEEP_SET] = JOURNAL_SET,
      [WORKER_KEEP_DELETE] = JOURNAL_DELETE,
  };
  struct work *work = context;
  if (keep->kind == WORKER_KEEP_CHECKPOINT || keep->kind == WORKER_KEEP_RESUME_AFTER)
    save(work, command, keep, ticket);
  else
    journal_store(work->journal, kinds[keep->kind], keep->of_device ? NULL : type, keep->key,
                  keep->value, keep->value_bytes, on_stored, ticket);
}

static void on_progress(void *context, const struct command *command, double percent,
                        const char *text)
{
  const struct work_owner *owner = &((struct work *)context)->owner;
  if (owner->progress)
    owner->progress(owner->context, command, percent, text);
}

static void on_telemetry(void *context, const char *endpoint, const char *samples, size_t size)
{
  struct work *work = context;
  core_telemetry(work->core, endpoint, samples, size, clock_wall_ms(), clock_monotonic_ms());
}

static void on_metadata(void *context, const char *endpoint, const char *keys, size_t size)
{
  struct work *work = context;
  core_metadata(work->core, endpoint, keys, size, clock_wall_ms(), clock_monotonic_ms());
}

void work_fill_handlers_ports(struct work *work, struct handlers_ports *ports)
{
  *ports = (struct handlers_ports){
      .context = work,
      .changed = on_changed,
      .room = on_room,
      .finished = on_finished,
      .waits = on_waits,
      .lacks_disk = on_lacks_disk,
      .put_back = on_put_back,
      .keep = on_keep,
      .progress = on_progress,
      .telemetry = on_telemetry,
      .metadata = on_metadata,
  };
}

void work_fill_own_ports(struct work *work, struct own_commands_ports *ports)
{
  *ports = (struct own_commands_ports){
      .context = work, .finished = on_finished, .room = on_own_room};
}

void work_init(struct work *work, const struct work_owner *owner)
{
  *work = (struct work){.owner = *owner, .waiting = json_object()};
  LIST_INIT(&work->savings);
}

void work_clear(struct work *work)
{
  struct saving *saving;
  while ((saving = LIST_FIRST(&work->savings)))
    end_saving(saving, "the agent ends");
  json_decref(work->waiting);
}

#include "core/outbox_keep.h"

#include "base/memory.h"
#include "core/outbox_message.h"
#include "core/state.h"

#include <stdlib.h>

struct release {
  int64_t number;
  struct endpoint *endpoint;
  bool is_metadata;
};

void outbox_keep_init(struct core *core)
{
  core->keep.last_number = core->options.last_message;
  core->keep.next_age_ms = INT64_MIN;
  TAILQ_INIT(&core->keep.unkept);
  TAILQ_INIT(&core->keep.writing);
}

void outbox_keep_clear(struct core *core)
{
  free(core->keep.releases);
}

static void leave_list(struct outbox_keep *keep, struct message *message)
{
  if (message->keeping == MESSAGE_UNKEPT)
    TAILQ_REMOVE(&keep->unkept, message, keeping_place);
  if (message->keeping == MESSAGE_WRITING)
    TAILQ_REMOVE(&keep->writing, message, keeping_place);
  message->keeping = MESSAGE_APART;
}

void outbox_keep_changed(struct core *core, struct message *message)
{
  struct outbox_keep *keep = &core->keep;
  message->is_restored = false;
  if (message->keeping == MESSAGE_UNKEPT)
    return; /* its time is running */
  leave_list(keep, message);
  message->keeping = MESSAGE_UNKEPT;
  message->since_ms = core->now_ms;
  TAILQ_INSERT_TAIL(&keep->unkept, message, keeping_place);
}

static void enter_disk(struct message *message)
{
  if (!message->is_on_disk && message->is_metadata)
    message->endpoint->kept_metadata++;
  message->is_on_disk = true;
}

void outbox_keep_restored(struct core *core, struct message *message)
{
  if (core->keep.last_number < message->number)
    core->keep.last_number = message->number;
  message->is_restored = true;
  message->keeping = MESSAGE_STORED;
  enter_disk(message);
}

void outbox_keep_gone(struct core *core, struct message *message)
{
  struct outbox_keep *keep = &core->keep;
  leave_list(keep, message);
  if (!message->is_on_disk)
    return;
  if (keep->release_count == keep->release_capacity) {
    keep->release_capacity = keep->release_capacity ? keep->release_capacity * 2 : 16;
    keep->releases =
        memory_resized(keep->releases, keep->release_capacity * sizeof *keep->releases);
  }
  if (!keep->release_count)
    keep->released_ms = core->now_ms;
  keep->releases[keep->release_count++] = (struct release){
      .number = message->number,
      .endpoint = message->endpoint,
      .is_metadata = message->is_metadata,
  };
}

bool outbox_keep_allows(const struct message *message)
{
  return !message->is_metadata || message->keeping == MESSAGE_STORED ||
         !message->endpoint->kept_metadata;
}

static void gather_releases(struct core *core)
{
  struct outbox_keep *keep = &core->keep;
  for (size_t i = 0; i < keep->release_count; i++) {
    const struct release *release = &keep->releases[i];
    batch_append(core, CHANGE_RELEASE)->message = (struct storage_message){
        .number = release->number,
        .is_metadata = release->is_metadata,
        .endpoint = release->endpoint->token,
    };
  }
  free(keep->releases);
  keep->releases = NULL;
  keep->release_count = 0;
  keep->release_capacity = 0;
}

static void gather_unkept(struct core *core)
{
  struct message *message;
  TAILQ_FOREACH(message, &core->keep.unkept, keeping_place) {
    batch_append(core, CHANGE_KEEP)->message = (struct storage_message){
        .number = message->number,
        .is_metadata = message->is_metadata,
        .endpoint = message->endpoint->token,
        .wall_ms = message->wall_ms,
        .body = memory_copied(message->body, message->size_bytes),
        .body_bytes = message->size_bytes,
    };
    message->keeping = MESSAGE_WRITING;
    enter_disk(message);
  }
  TAILQ_CONCAT(&core->keep.writing, &core->keep.unkept, keeping_place);
}

/* Returns when the next writing is due. What it is about came after the last one
 * was gathered, so that the writings are far enough from each other. */
static int64_t due_ms(const struct core *core)
{
  const struct outbox_keep *keep = &core->keep;
  const struct message *first = TAILQ_FIRST(&keep->unkept);
  int64_t since_ms = first ? first->since_ms : INT64_MAX;
  if (keep->release_count && keep->released_ms < since_ms)
    since_ms = keep->released_ms;
  if (since_ms == INT64_MAX || keep->is_writing)
    return INT64_MAX;
  return keep->is_hurried ? core->now_ms : since_ms + OUTBOX_KEEP_MS;
}

void outbox_keep_write(struct core *core)
{
  struct outbox_keep *keep = &core->keep;
  int64_t next_ms = due_ms(core);
  if (next_ms <= core->now_ms) {
    gather_releases(core);
    gather_unkept(core);
    keep->is_writing = true;
    keep->is_hurried = false;
    next_ms = INT64_MAX;
  }
  if (next_ms == INT64_MAX && !keep->is_writing)
    keep->is_hurried = false; /* there was nothing */
  if (next_ms == INT64_MAX)
    deadline_disarm(&core->deadlines, &keep->due);
  else
    deadline_arm(&core->deadlines, &keep->due, next_ms, deadline_wake);
}

/* The disk has nothing of it: nothing old can come back behind it. */
static void left(struct core *core, struct message *message)
{
  if (message->is_metadata)
    message->endpoint->kept_metadata--;
  message->is_on_disk = false;
  outbox_keep_changed(core, message);
}

/* The messages of a writing are in the order of its changes; those that were changed or
 * have gone meanwhile are not among them. */
static void written(struct core *core, const struct change *change)
{
  struct outbox_keep *keep = &core->keep;
  struct message *message = TAILQ_FIRST(&keep->writing);
  if (!message || message->number != change->message.number)
    return;
  leave_list(keep, message);
  message->keeping = MESSAGE_STORED;
  if (change->is_left)
    left(core, message);
}

void outbox_keep_stored(struct core *core, struct change *change)
{
  core->keep.is_writing = false;
  if (change->kind == CHANGE_KEEP)
    written(core, change);
  if (change->kind == CHANGE_RELEASE && change->message.is_metadata)
    state_find_endpoint(core, change->message.endpoint)->kept_metadata--;
  free(change->message.body);
  change->message.body = NULL;
}

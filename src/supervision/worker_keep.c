#include "supervision/worker_parts.h"

#include "base/jsontext.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "base/worker_frames.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_MAX_BYTES = 256, VALUE_MAX_BYTES = 64 * 1024 };

static const int64_t WITHIN_MAX_MS = INT64_C(366) * 24 * 3600 * 1000;

struct worker_ticket {
  struct worker *worker; /* NULL: it is over */
  uint32_t call;
};

static bool read_kind(const char *what, enum worker_keep_kind *kind)
{
  static const char *const names[] = {
      [WORKER_KEEP_GET] = "get",
      [WORKER_KEEP_SET] = "set",
      [WORKER_KEEP_DELETE] = "delete",
      [WORKER_KEEP_CHECKPOINT] = "checkpoint",
      [WORKER_KEEP_RESUME_AFTER] = "resume_after",
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcmp(what, names[i])) {
      *kind = (enum worker_keep_kind)i;
      return true;
    }
  return false;
}

static bool is_of_command(const struct worker_keep *keep)
{
  return keep->kind == WORKER_KEEP_CHECKPOINT || keep->kind == WORKER_KEEP_RESUME_AFTER;
}

static bool read_scope(struct worker_keep *keep, const char *scope)
{
  if (keep->kind == WORKER_KEEP_CHECKPOINT)
    return !*scope;
  if (keep->kind == WORKER_KEEP_RESUME_AFTER) {
    keep->restart = !strcmp(scope, "reboot")    ? COMMAND_REBOOT
                    : !strcmp(scope, "restart") ? COMMAND_AGENT_RESTART
                                                : COMMAND_NO_RESTART;
    return keep->restart != COMMAND_NO_RESTART;
  }
  keep->of_device = !strcmp(scope, "device");
  return keep->of_device || !strcmp(scope, "handler");
}

static bool is_sound_key(const struct worker_keep *keep)
{
  size_t size = strlen(keep->key);
  if (is_of_command(keep))
    return !size;
  return size >= 1 && size <= KEY_MAX_BYTES && utf8_is_valid(keep->key, size, NULL);
}

static bool is_sound_value(const struct worker_keep *keep)
{
  if (!keep->value)
    return keep->kind != WORKER_KEEP_SET;
  if (keep->kind == WORKER_KEEP_GET || keep->kind == WORKER_KEEP_DELETE ||
      keep->value_bytes > VALUE_MAX_BYTES)
    return false;
  json_t *value = jsontext_parse(keep->value, keep->value_bytes, NULL);
  json_decref(value);
  return value != NULL;
}

static bool is_sound_time(const struct worker_keep *keep)
{
  return keep->kind == WORKER_KEEP_RESUME_AFTER
             ? keep->within_ms > 0 && keep->within_ms <= WITHIN_MAX_MS
             : keep->within_ms == 0;
}

/* Fills `keep`; *key is owned by the caller. */
static bool read_keep(struct frame *frame, struct worker_keep *keep, char **key)
{
  char *what = frame_get_text(frame);
  char *scope = frame_get_text(frame);
  keep->key = *key = frame_get_text(frame);
  bool has_value = frame_get_u8(frame);
  const char *value = frame_get_bytes(frame, &keep->value_bytes);
  keep->value = has_value ? value : NULL;
  keep->within_ms = frame_get_i64(frame);
  bool good = !frame->bad && read_kind(what, &keep->kind) && read_scope(keep, scope) &&
              is_sound_key(keep) && is_sound_value(keep) && is_sound_time(keep);
  free(what);
  free(scope);
  return good;
}

bool worker_take_keep(struct worker *worker, struct frame *frame)
{
  struct worker_keep keep = {0};
  uint32_t call = frame_get_u32(frame);
  int64_t number = frame_get_i64(frame);
  struct job *job = worker_running_job(worker);
  char *key;
  bool good = read_keep(frame, &keep, &key) && job && job->number == number && !worker->ticket &&
              (job->command || !is_of_command(&keep));
  if (good) {
    struct worker_ticket *ticket = memory_zeroed(1, sizeof *ticket);
    *ticket = (struct worker_ticket){.worker = worker, .call = call};
    worker->ticket = ticket;
    worker->ports.keep(worker->ports.context, worker, job->command, &keep, ticket);
  }
  free(key);
  return good;
}

void worker_kept(struct worker_ticket *ticket, const char *failure, const char *value,
                 size_t value_bytes)
{
  struct worker *worker = ticket->worker;
  if (worker) {
    struct buffer out = {0};
    size_t place = frame_begin(&out, WORKER_KEPT);
    frame_put_u32(&out, ticket->call);
    frame_put_text(&out, failure);
    frame_put_u8(&out, value != NULL);
    frame_put_bytes(&out, value, value ? value_bytes : 0);
    frame_end(&out, place);
    worker_flow_answer(worker, out.data, out.size_bytes);
    buffer_clear(&out);
    worker->ticket = NULL;
  }
  free(ticket);
}

void worker_drop_ticket(struct worker *worker)
{
  if (worker->ticket)
    worker->ticket->worker = NULL;
  worker->ticket = NULL;
}

#include "host/own_commands.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "handlers/handlers_running.h"
#include "host/control_status.h"
#include "kp/name.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { ROOM = 32 /* commands of a type at a time */, REASON_BYTES = 256 };

#define OWN_PREFIX "kaalua-"

static const char *const types[] = {OWN_PREFIX "cancel", OWN_PREFIX "status"};
enum { TYPE_COUNT = sizeof types / sizeof *types };

/* A command that cancels another one, which has not ended. */
struct cancel {
  TAILQ_ENTRY(cancel) link;
  struct own_commands *own;
  struct command *command;
  char *type; /* of the other one, which is of the same endpoint */
  int64_t id;
  const char *state; /* what it was; NULL: it was not there */
  bool is_asking;    /* the journal */
};

struct own_commands {
  struct control_sources sources;
  struct handlers *handlers;
  struct own_commands_ports ports;
  int64_t started_ms;
  TAILQ_HEAD(, cancel) cancels;
  size_t cancel_count;
  size_t coming[TYPE_COUNT]; /* handed out, not run yet */
  bool is_closed;
};

/* ---- the types ---- */

bool own_commands_has(const char *type)
{
  for (size_t i = 0; i < TYPE_COUNT; i++)
    if (!strcmp(types[i], type))
      return true;
  return false;
}

static size_t index_of(const char *type)
{
  return strcmp(type, types[0]) ? 1 : 0;
}

static int compare_names(const void *a, const void *b)
{
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t own_commands_add_types(const char ***all, size_t count)
{
  *all = memory_resized(*all, (count + TYPE_COUNT) * sizeof **all);
  for (size_t i = 0; i < TYPE_COUNT; i++)
    (*all)[count++] = types[i];
  qsort(*all, count, sizeof **all, compare_names);
  return count;
}

/* ---- answers ---- */

/* Takes `reason` and `payload`, which may be NULL. Another one may come in its place. */
static void finish(struct own_commands *own, struct command *command, int status, char *reason,
                   json_t *payload)
{
  struct command_result result = {.status = status, .reason = reason};
  reason[utf8_cut(reason, strlen(reason), REASON_BYTES)] = '\0';
  if (payload) {
    struct buffer text = {0};
    jsontext_write(&text, payload);
    result.payload_bytes = text.size_bytes;
    result.payload = buffer_take(&text);
    json_decref(payload);
  }
  own->ports.finished(own->ports.context, command, &result);
  own->ports.room(own->ports.context, command->key.type);
}

static void refuse(struct own_commands *own, struct command *command, const char *fault)
{
  finish(own, command, 400, memory_text(fault), NULL);
}

/* ---- kaalua-status ---- */

static void run_status(struct own_commands *own, struct command *command)
{
  finish(own, command, 200, memory_text("OK"),
         control_status_bounded(&own->sources, own->started_ms, JSONTEXT_MAX_BYTES));
}

/* ---- kaalua-cancel ---- */

static void end_cancel(struct cancel *cancel, int status, char *reason, json_t *payload)
{
  struct own_commands *own = cancel->own;
  TAILQ_REMOVE(&own->cancels, cancel, link);
  own->cancel_count--;
  finish(own, cancel->command, status, reason, payload);
  free(cancel->type);
  free(cancel);
}

static void end_cancelled(struct cancel *cancel, const char *state)
{
  log_info(cancel->type, "cancelled", "id", LOG_NUMBER(cancel->id), "endpoint",
           LOG_TOKEN(cancel->command->key.endpoint), "was", state);
  end_cancel(cancel, 200, memory_text("OK"), json_pack("{s:s}", "state", state));
}

static void end_too_late(struct cancel *cancel, const char *state, int status, const char *reason)
{
  if (status == CORE_CANCELLED) {
    end_cancelled(cancel, cancel->state ? cancel->state : "done");
    return;
  }
  char *text = memory_format("%s %lld has ended: %d %s", cancel->type, (long long)cancel->id,
                             status, reason);
  end_cancel(cancel, 409, text, json_pack("{s:s,s:i,s:s}", "state", state, "statusCode", status,
                                          "reasonPhrase", reason));
}

static void end_unknown(struct cancel *cancel)
{
  end_cancel(cancel, 404, memory_format("No command %s %lld is under way here", cancel->type,
                                        (long long)cancel->id), NULL);
}

/* It is not alive: it is over, or never was. */
static void on_found(void *context, const json_t *found, const char *failure)
{
  struct cancel *cancel = context;
  cancel->is_asking = false;
  if (cancel->own->is_closed)
    return;
  const json_t *row = json_array_get(found, 0);
  int status = (int)json_integer_value(json_object_get(row, "status"));
  const char *reason = json_string_value(json_object_get(row, "reason"));
  if (!found)
    end_cancel(cancel, 503, memory_format("The journal cannot be read: %s", failure), NULL);
  else if (status)
    end_too_late(cancel, json_string_value(json_object_get(row, "state")), status,
                 reason ? reason : "");
  else
    end_unknown(cancel);
}

static void ask_journal(struct cancel *cancel)
{
  const struct journal_query query = {.endpoint = cancel->command->key.endpoint,
                                      .type = cancel->type,
                                      .id = cancel->id,
                                      .has_id = true,
                                      .limit = 1};
  cancel->is_asking = true;
  journal_query(cancel->own->sources.journal, &query, on_found, cancel);
}

static const char *name_of(enum command_state state)
{
  return command_state_name(state == COMMAND_RECEIVED || state == COMMAND_RUNNING ? COMMAND_QUEUED
                                                                                  : state);
}

/* Asks whoever has it to end it. Returns as core_cancel(). */
static int ask(struct cancel *cancel, struct core_cancelling *found)
{
  const struct command_key key = {cancel->command->key.endpoint, cancel->type, cancel->id};
  struct core *core = cancel->own->sources.core;
  bool begun;
  int rc = core_cancel(core, key.endpoint, key.type, key.id, found);
  const char *state = rc == 0 ? name_of(found->state) : NULL;
  if (rc == -EBUSY && handlers_cancel(cancel->own->handlers, &key, &begun) == 0)
    state = begun ? command_state_name(COMMAND_RUNNING) : command_state_name(COMMAND_QUEUED);
  if (!cancel->state)
    cancel->state = state;
  return rc == 0 || rc == -EBUSY ? core_cancel(core, key.endpoint, key.type, key.id, found) : rc;
}

static void look(struct cancel *cancel)
{
  struct core_cancelling found;
  if (cancel->is_asking)
    return;
  int rc = ask(cancel, &found);
  if (rc == -EALREADY)
    end_too_late(cancel, command_state_name(COMMAND_DONE), found.status, found.reason);
  else if (rc == -ENOENT)
    ask_journal(cancel);
}

void own_commands_look(struct own_commands *own)
{
  struct cancel *cancel = TAILQ_FIRST(&own->cancels), *next;
  for (; cancel && !own->is_closed; cancel = next) {
    next = TAILQ_NEXT(cancel, link);
    look(cancel);
  }
}

static bool read_id(const json_t *value, int64_t *id)
{
  double number = json_real_value(value);
  if (json_is_integer(value))
    *id = json_integer_value(value);
  else if (json_is_real(value) && number == floor(number) && fabs(number) < 9e15)
    *id = (int64_t)number;
  else
    return false;
  return true;
}

/* Returns what is wrong, owned, or NULL with *type (borrowed) and *id. */
static char *read_payload(const json_t *payload, const char **type, int64_t *id)
{
  const char *key;
  json_t *value;
  if (!json_is_object(payload))
    return memory_text("payload: expected an object, as {\"type\": \"reboot\", \"id\": 5}");
  json_object_foreach((json_t *)payload, key, value)
    if (strcmp(key, "type") != 0 && strcmp(key, "id") != 0)
      return memory_format("%.64s: unknown field; expected type and id", key);
  *type = json_string_value(json_object_get(payload, "type"));
  if (!*type || !name_is_type(*type, strlen(*type)))
    return memory_text("type: expected the type of a command, as \"reboot\"");
  if (!strncmp(*type, OWN_PREFIX, strlen(OWN_PREFIX)))
    return memory_format("type: %s is the agent's own, and cannot be cancelled", *type);
  if (!read_id(json_object_get(payload, "id"), id))
    return memory_text("id: expected the id of a command, an integer");
  return NULL;
}

static void run_cancel(struct own_commands *own, struct command *command)
{
  const char *type = NULL;
  int64_t id = 0;
  json_t *element = jsontext_parse(command->element, command->element_bytes, NULL);
  char *fault = read_payload(json_object_get(element, "payload"), &type, &id);
  if (fault) {
    refuse(own, command, fault);
  } else {
    struct cancel *cancel = memory_zeroed(1, sizeof *cancel);
    *cancel = (struct cancel){.own = own, .command = command, .type = memory_text(type), .id = id};
    TAILQ_INSERT_TAIL(&own->cancels, cancel, link);
    own->cancel_count++;
    look(cancel);
  }
  free(fault);
  json_decref(element);
}

/* ---- their life ---- */

size_t own_commands_room(const struct own_commands *own, const char *type)
{
  size_t i = index_of(type);
  size_t taken = own->coming[i] + (i ? 0 : own->cancel_count);
  return taken < ROOM ? ROOM - taken : 0;
}

void own_commands_expect(struct own_commands *own, const char *type, size_t count)
{
  own->coming[index_of(type)] += count;
}

void own_commands_withdrawn(struct own_commands *own, const char *type)
{
  own->coming[index_of(type)]--;
}

void own_commands_run(struct own_commands *own, struct command *command)
{
  own->coming[index_of(command->key.type)]--;
  if (index_of(command->key.type))
    run_status(own, command);
  else
    run_cancel(own, command);
}

size_t own_commands_busy(const struct own_commands *own)
{
  return own->cancel_count;
}

struct own_commands *own_commands_create(const struct control_sources *sources,
                                         struct handlers *handlers,
                                         const struct own_commands_ports *ports)
{
  struct own_commands *own = memory_zeroed(1, sizeof *own);
  own->sources = *sources;
  own->handlers = handlers;
  own->ports = *ports;
  own->started_ms = clock_monotonic_ms();
  TAILQ_INIT(&own->cancels);
  return own;
}

void own_commands_close(struct own_commands *own)
{
  if (own)
    own->is_closed = true;
}

void own_commands_destroy(struct own_commands *own)
{
  if (!own)
    return;
  struct cancel *cancel;
  while ((cancel = TAILQ_FIRST(&own->cancels))) {
    TAILQ_REMOVE(&own->cancels, cancel, link);
    free(cancel->type);
    free(cancel);
  }
  free(own);
}

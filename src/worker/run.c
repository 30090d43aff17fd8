#include "worker/run.h"

#include "base/jsontext.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "base/worker_frames.h"
#include "worker/decode.h"
#include "worker/encode.h"
#include "worker/state.h"
#include "worker/worker.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  REASON_BYTES = 256,  /* kaa.result */
  RESULTS_JUDGED = 10, /* more than kaa.result takes: none of the others matters */
};

/* The result as it comes about; the payload is in worker->answer. */
struct run {
  struct worker *worker;
  int64_t status;
  char reason[REASON_BYTES + 1];
  bool has_payload;
  bool has_trace;
};

/* `text` is short, ours but for names of files. */
static void answer_plain(struct run *run, int64_t status, const char *text)
{
  run->status = status;
  snprintf(run->reason, sizeof run->reason, "%s", text);
  utf8_make_plain(run->reason, strlen(run->reason));
}

/* ---- inside the protected call ---- */

/* The reason is at the top of the stack: any text. It is left as one line. */
static void answer(lua_State *L, struct run *run, int64_t status)
{
  luaL_checkstack(L, 4, "reason");
  state_push_kept(L, STATE_REASON);
  lua_pushinteger(L, status);
  lua_pushvalue(L, -3);
  lua_call(L, 2, 1);
  run->status = status;
  snprintf(run->reason, sizeof run->reason, "%s", luaL_checkstring(L, -1));
  lua_pop(L, 1);
}

static void answer_text(lua_State *L, struct run *run, int64_t status, const char *text)
{
  luaL_checkstack(L, 4, "reason");
  lua_pushstring(L, text);
  answer(L, run, status);
  lua_pop(L, 1);
}

/* What the handler gave is no result. The place is where the handler begins. */
static void answer_no_result(lua_State *L, struct run *run, const char *message)
{
  luaL_checkstack(L, 4, "reason");
  state_push_kept(L, STATE_CONTRACT);
  lua_getfield(L, -1, "place");
  lua_pushfstring(L, "%s: %s", lua_tostring(L, -1), message);
  answer(L, run, 500);
  lua_pop(L, 3);
}

static void answer_too_large(lua_State *L, struct run *run, size_t size)
{
  char text[80];
  bool uncounted = size > ENCODE_COUNTED_BYTES;
  snprintf(text, sizeof text, "Result too large: %s%zu bytes, limit %d", uncounted ? "over " : "",
           uncounted ? (size_t)ENCODE_COUNTED_BYTES : size, JSONTEXT_MAX_BYTES);
  answer_text(L, run, 500, text);
}

/* Status, reason and payload are the three values at the top of the stack. */
static void take_result(lua_State *L, struct run *run)
{
  lua_pushvalue(L, -2);
  answer(L, run, lua_tointeger(L, -4));
  lua_pop(L, 1);
  run->has_payload = false;
  if (lua_isnil(L, -1))
    return;
  struct encode_fault fault;
  struct buffer *out = &run->worker->answer;
  int rc = encode_json(L, -1, out, "payload", JSONTEXT_MAX_BYTES, &fault);
  if (rc == -EMSGSIZE)
    answer_too_large(L, run, fault.size_bytes);
  else if (rc)
    answer_no_result(L, run, fault.text);
  run->has_payload = !rc;
}

/* Pushes the payload of the command, nil where it has none; false: bad JSON. */
static bool push_payload(lua_State *L, struct run *run)
{
  const struct command *command = &run->worker->command;
  if (!decode_json(L, command->element, command->element_bytes) || !lua_istable(L, -1)) {
    answer_text(L, run, 400, lua_isstring(L, -1) ? lua_tostring(L, -1) : "no JSON object");
    return false;
  }
  lua_pushliteral(L, "payload");
  lua_rawget(L, -2);
  lua_remove(L, -2);
  return true;
}

/* Replaces the payload at the top by what `params` makes of it. */
static bool apply_params(lua_State *L, struct run *run)
{
  state_push_kept(L, STATE_PARAMS_OF);
  lua_insert(L, -2);
  state_push_kept(L, STATE_CONTRACT);
  lua_insert(L, -2);
  lua_call(L, 2, 2);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return true;
  }
  answer_text(L, run, 400, luaL_checkstring(L, -1));
  return false;
}

/* Replaces the payload at the top by the handler's argument. */
static void wrap_command(lua_State *L, const struct command *command)
{
  lua_createtable(L, 0, 5);
  lua_insert(L, -2);
  lua_setfield(L, -2, "payload");
  lua_pushinteger(L, command->id);
  lua_setfield(L, -2, "id");
  lua_pushstring(L, command->type);
  lua_setfield(L, -2, "type");
  lua_pushstring(L, command->endpoint);
  lua_setfield(L, -2, "endpoint");
  lua_pushnumber(L, (lua_Number)command->received_at_ms / 1000);
  lua_setfield(L, -2, "received_at");
}

static int call_handler(lua_State *L)
{
  struct run *run = lua_touserdata(L, 1);
  lua_settop(L, 0);
  state_push_kept(L, STATE_NORMALISE);
  state_push_kept(L, STATE_CONTRACT);
  lua_getfield(L, -1, "run");
  lua_remove(L, -2);
  if (!push_payload(L, run) || !apply_params(L, run))
    return 0;
  wrap_command(L, &run->worker->command);
  lua_call(L, 1, LUA_MULTRET);
  luaL_checkstack(L, 4, "results");
  lua_pushinteger(L, lua_gettop(L) - 1);
  lua_insert(L, 2);
  if (lua_gettop(L) > 2 + RESULTS_JUDGED)
    lua_settop(L, 2 + RESULTS_JUDGED);
  lua_call(L, lua_gettop(L) - 1, 3);
  if (lua_isnil(L, -3)) {
    answer_no_result(L, run, luaL_checkstring(L, -2));
  } else {
    take_result(L, run);
  }
  return 0;
}

static int judge_failure(lua_State *L)
{
  struct run *run = lua_touserdata(L, 1);
  state_push(L, "kaa.result", "failure");
  lua_pushvalue(L, 2);
  lua_call(L, 1, 3);
  if (!lua_isnil(L, -3)) {
    take_result(L, run);
    return 0;
  }
  luaL_tolstring(L, 2, NULL); /* __tostring runs under the time limit */
  answer(L, run, 500);
  run->has_trace = true;
  return 0;
}

/* ---- outside ---- */

/* Memory errors come as such, or as their text where a coroutine or the handler
 * passed them on. */
static bool is_memory_error(struct worker *worker, int status)
{
  static const char text[] = "not enough memory";
  bool is_exhausted = heap_is_exhausted(&worker->heap);
  if (status == LUA_ERRMEM)
    return true;
  if (status == LUA_OK || !is_exhausted || lua_type(worker->lua, -1) != LUA_TSTRING)
    return false;
  size_t size;
  const char *said = lua_tolstring(worker->lua, -1, &size);
  return size >= strlen(text) && !strcmp(said + size - strlen(text), text);
}

static void answer_stopped(struct run *run, int64_t status, const char *what, const char *place)
{
  char text[REASON_BYTES];
  snprintf(text, sizeof text, "%s%s%s", what, *place ? " at " : "", place);
  answer_plain(run, status, text);
  run->has_payload = false;
  run->has_trace = true; /* empty after a memory error */
  run->worker->is_spent = true;
}

static void answer_timeout(struct run *run)
{
  char what[64];
  snprintf(what, sizeof what, "Timed out after %.14g s", run->worker->timeout_s);
  answer_stopped(run, 504, what, run->worker->limit.place);
}

static void answer_memory(struct run *run)
{
  char what[64];
  snprintf(what, sizeof what, "Out of memory (limit %lld MiB)", (long long)run->worker->memory_mib);
  answer_stopped(run, 500, what, run->worker->heap.place);
}

static void run_protected(struct run *run)
{
  struct worker *worker = run->worker;
  heap_watch(&worker->heap);
  limit_begin(&worker->limit, worker->timeout_s);
  int status = state_call(worker, call_handler, run);
  if (status != LUA_OK && !worker->limit.is_raised && !is_memory_error(worker, status))
    status = state_call_with_error(worker, judge_failure, run);
  if (limit_end(&worker->limit))
    answer_timeout(run);
  else if (is_memory_error(worker, status))
    answer_memory(run);
  else if (status != LUA_OK)
    answer_plain(run, 500, "the handler raised an error that cannot be shown");
}

static void send_mark(struct worker *worker)
{
  struct buffer *out = &worker->channel.out;
  size_t at = frame_begin(out, WORKER_MARK);
  frame_put_i64(out, worker->command.job);
  frame_end(out, at);
  channel_flush(&worker->channel);
}

/* Whoever reads the result may look for what the handler has written. */
static void flush_files(struct worker *worker)
{
  static const char text[] = "what was written to a file is not all on it: ";
  if (!fflush(NULL))
    return;
  const char *why = strerror(errno);
  output_write(&worker->output.err, text, strlen(text));
  output_write(&worker->output.err, why, strlen(why));
}

static void put_finished(struct run *run)
{
  struct worker *worker = run->worker;
  struct buffer *out = &worker->channel.out;
  size_t at = frame_begin(out, WORKER_FINISHED);
  frame_put_i64(out, worker->command.job);
  frame_put_i64(out, run->status);
  frame_put_text(out, run->reason);
  frame_put_u8(out, run->has_payload);
  frame_put_bytes(out, worker->answer.data, run->has_payload ? worker->answer.size_bytes : 0);
  frame_put_bytes(out, worker->trace.data, run->has_trace ? worker->trace.size_bytes : 0);
  frame_put_u8(out, worker->is_spent);
  frame_end(out, at);
}

static int read_command(struct command *command, struct frame *frame)
{
  command->job = frame_get_i64(frame);
  command->id = frame_get_i64(frame);
  command->type = frame_get_text(frame);
  command->endpoint = frame_get_text(frame);
  command->received_at_ms = frame_get_i64(frame);
  const char *element = frame_get_bytes(frame, &command->element_bytes);
  command->element = memory_copied(element, command->element_bytes);
  return frame->bad ? -EPROTO : 0;
}

static void clear_command(struct command *command)
{
  free(command->type);
  free(command->endpoint);
  free(command->element);
  *command = (struct command){0};
}

void run_command(struct worker *worker, struct frame *frame)
{
  struct run run = {.worker = worker};
  if (!read_command(&worker->command, frame)) {
    send_mark(worker);
    worker->is_running = true;
    buffer_reset(&worker->answer);
    run_protected(&run);
    worker->is_running = false;
    flush_files(worker);
    output_settle(&worker->output);
    put_finished(&run);
  }
  clear_command(&worker->command);
}

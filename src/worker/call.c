#include "worker/call.h"

#include "base/jsontext.h"
#include "base/utf8.h"
#include "worker/decode.h"
#include "worker/encode.h"
#include "worker/state.h"
#include "worker/worker.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

enum { RESULTS_JUDGED = 10 }; /* more than kaa.result takes: none of the others matters */

void outcome_set(struct outcome *outcome, int64_t status, const char *reason)
{
  outcome->status = status;
  snprintf(outcome->reason, sizeof outcome->reason, "%s", reason);
  utf8_make_plain(outcome->reason, strlen(outcome->reason));
}

/* ---- inside the protected call ---- */

/* The reason is at the top of the stack: any text. It is left as one line. */
static void answer(lua_State *L, struct outcome *outcome, int64_t status)
{
  luaL_checkstack(L, 4, "reason");
  state_push_kept(L, STATE_REASON);
  lua_pushinteger(L, status);
  lua_pushvalue(L, -3);
  lua_call(L, 2, 1);
  outcome->status = status;
  snprintf(outcome->reason, sizeof outcome->reason, "%s", luaL_checkstring(L, -1));
  lua_pop(L, 1);
}

static void answer_text(lua_State *L, struct outcome *outcome, int64_t status, const char *text)
{
  luaL_checkstack(L, 4, "reason");
  lua_pushstring(L, text);
  answer(L, outcome, status);
  lua_pop(L, 1);
}

/* Pushes where the function begins that was called. */
static const char *push_place(lua_State *L, const struct outcome *outcome)
{
  state_push_kept(L, STATE_CONTRACT);
  lua_getfield(L, -1, "place");
  if (outcome->resumes && lua_getfield(L, -2, "resume_place") == LUA_TNIL)
    lua_pop(L, 1);
  return lua_tostring(L, -1);
}

/* What the handler gave is no result. */
static void answer_no_result(lua_State *L, struct outcome *outcome, const char *message)
{
  int top = lua_gettop(L);
  luaL_checkstack(L, 8, "reason");
  lua_pushfstring(L, "%s: %s", push_place(L, outcome), message);
  answer(L, outcome, 500);
  lua_settop(L, top);
}

static void answer_too_large(lua_State *L, struct outcome *outcome, size_t size)
{
  char text[80];
  bool uncounted = size > ENCODE_COUNTED_BYTES;
  snprintf(text, sizeof text, "Result too large: %s%zu bytes, limit %d", uncounted ? "over " : "",
           uncounted ? (size_t)ENCODE_COUNTED_BYTES : size, JSONTEXT_MAX_BYTES);
  answer_text(L, outcome, 500, text);
}

/* Status, reason and payload are the three values at the top of the stack. */
static void take_result(lua_State *L, struct outcome *outcome)
{
  lua_pushvalue(L, -2);
  answer(L, outcome, lua_tointeger(L, -4));
  lua_pop(L, 1);
  outcome->has_payload = false;
  if (lua_isnil(L, -1))
    return;
  struct encode_fault fault;
  struct buffer *out = &outcome->worker->answer;
  int rc = encode_json(L, -1, out, "payload", JSONTEXT_MAX_BYTES, &fault);
  if (rc == -EMSGSIZE)
    answer_too_large(L, outcome, fault.size_bytes);
  else if (rc)
    answer_no_result(L, outcome, fault.text);
  outcome->has_payload = !rc;
}

/* Pushes the payload of the command, nil where it has none; false: bad JSON. */
static bool push_payload(lua_State *L, struct outcome *outcome)
{
  const struct command *command = &outcome->worker->command;
  if (!decode_json(L, command->element, command->element_bytes) || !lua_istable(L, -1)) {
    answer_text(L, outcome, 400, lua_isstring(L, -1) ? lua_tostring(L, -1) : "no JSON object");
    return false;
  }
  lua_pushliteral(L, "payload");
  lua_rawget(L, -2);
  lua_remove(L, -2);
  return true;
}

/* Replaces the payload at the top by what `params` makes of it. */
static bool apply_params(lua_State *L, struct outcome *outcome)
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
  answer_text(L, outcome, 400, luaL_checkstring(L, -1));
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

/* What the handler returned after kaa.resume_after is no answer; where it looks like one
 * its author hears of it. Status, or nil, and reason are at -3 and -2. */
static void answer_waiting(lua_State *L, struct outcome *outcome)
{
  static const char how[] = "ignored after kaa.resume_after: the command waits; write: "
                            "kaa.fail(%d, \"…\")";
  lua_Integer status = lua_tointeger(L, -3);
  const char *reason = lua_tostring(L, -2);
  struct output_line line = {0};
  if (status < 200 || status > 299) {
    const char *place = push_place(L, outcome);
    const char *text =
        status ? lua_pushfstring(L, "%s: returned %d \"%s\", ", place, (int)status, reason)
               : lua_pushfstring(L, "%s: %s; ", place, reason);
    const char *advice = lua_pushfstring(L, how, status ? (int)status : 500);
    output_add(&line, text, strlen(text));
    output_add(&line, advice, strlen(advice));
    output_send(&outcome->worker->output, LOG_LEVEL_WARN, &line);
  }
  outcome_set(outcome, 200, "OK");
  outcome->waits = true;
}

/* The handler's values lie above kaa.result.normalise, which is at index 1. */
static void judge(lua_State *L, struct outcome *outcome)
{
  luaL_checkstack(L, 8, "results");
  bool has_failed = lua_gettop(L) > 2 && !lua_toboolean(L, 2) && lua_type(L, 3) == LUA_TSTRING;
  lua_pushinteger(L, lua_gettop(L) - 1);
  lua_insert(L, 2);
  if (lua_gettop(L) > 2 + RESULTS_JUDGED)
    lua_settop(L, 2 + RESULTS_JUDGED);
  lua_call(L, lua_gettop(L) - 1, 3);
  if (outcome->worker->command.waits && !has_failed)
    answer_waiting(L, outcome);
  else if (lua_isnil(L, -3))
    answer_no_result(L, outcome, luaL_checkstring(L, -2));
  else
    take_result(L, outcome);
}

/* Leaves kaa.result.normalise at index 1 and a function of the contract at 2. */
static void push_function(lua_State *L, const char *name)
{
  lua_settop(L, 0);
  state_push_kept(L, STATE_NORMALISE);
  state_push_kept(L, STATE_CONTRACT);
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
}

int call_run(lua_State *L)
{
  struct outcome *outcome = lua_touserdata(L, 1);
  push_function(L, "run");
  if (!push_payload(L, outcome) || !apply_params(L, outcome))
    return 0;
  wrap_command(L, &outcome->worker->command);
  lua_call(L, 1, LUA_MULTRET);
  judge(L, outcome);
  return 0;
}

/* The file may be another than the one that ran: what fits its params no longer is
 * passed as it is. */
static void push_resumed_payload(lua_State *L, struct outcome *outcome)
{
  int place = lua_gettop(L) + 1;
  if (push_payload(L, outcome)) {
    lua_pushvalue(L, -1);
    if (apply_params(L, outcome))
      lua_replace(L, place);
    lua_settop(L, place);
  } else {
    lua_settop(L, place - 1);
    lua_pushnil(L);
  }
}

static void push_saved(lua_State *L, const struct command *command)
{
  if (!command->saved || !decode_json(L, command->saved, command->saved_bytes)) {
    lua_settop(L, 3);
    lua_pushnil(L);
  }
}

static void push_away(lua_State *L, const struct command *command)
{
  lua_createtable(L, 0, 1);
  if (command->away_ms < 0)
    return;
  lua_pushnumber(L, (lua_Number)command->away_ms / 1000);
  lua_setfield(L, -2, "s");
}

int call_resume(lua_State *L)
{
  struct outcome *outcome = lua_touserdata(L, 1);
  const struct command *command = &outcome->worker->command;
  outcome->resumes = true;
  push_function(L, "resume");
  if (lua_isnil(L, -1)) {
    answer_no_result(L, outcome, "the file has no resume function any more");
    return 0;
  }
  push_resumed_payload(L, outcome);
  wrap_command(L, command);
  push_saved(L, command);
  push_away(L, command);
  lua_call(L, 3, LUA_MULTRET);
  judge(L, outcome);
  return 0;
}

/* What a tick returns is of no interest, but for Lua's way to fail: nil, message. */
int call_tick(lua_State *L)
{
  struct outcome *outcome = lua_touserdata(L, 1);
  const char *endpoint = outcome->worker->command.endpoint;
  lua_settop(L, 0);
  state_push_kept(L, STATE_CONTRACT);
  lua_getfield(L, -1, "tick");
  lua_pushstring(L, *endpoint ? endpoint : NULL);
  lua_call(L, 1, 2);
  if (!lua_toboolean(L, -2) && lua_type(L, -1) == LUA_TSTRING)
    answer(L, outcome, 500);
  else
    answer_text(L, outcome, 200, "OK");
  return 0;
}

int call_failed(lua_State *L)
{
  struct outcome *outcome = lua_touserdata(L, 1);
  state_push(L, "kaa.result", "failure");
  lua_pushvalue(L, 2);
  lua_call(L, 1, 3);
  if (!lua_isnil(L, -3)) {
    take_result(L, outcome);
    return 0;
  }
  luaL_tolstring(L, 2, NULL); /* __tostring runs under the time limit */
  answer(L, outcome, 500);
  outcome->has_trace = true;
  return 0;
}

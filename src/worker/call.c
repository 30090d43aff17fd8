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

/* What the handler gave is no result. The place is where the handler begins. */
static void answer_no_result(lua_State *L, struct outcome *outcome, const char *message)
{
  luaL_checkstack(L, 4, "reason");
  state_push_kept(L, STATE_CONTRACT);
  lua_getfield(L, -1, "place");
  lua_pushfstring(L, "%s: %s", lua_tostring(L, -1), message);
  answer(L, outcome, 500);
  lua_pop(L, 3);
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

int call_run(lua_State *L)
{
  struct outcome *outcome = lua_touserdata(L, 1);
  lua_settop(L, 0);
  state_push_kept(L, STATE_NORMALISE);
  state_push_kept(L, STATE_CONTRACT);
  lua_getfield(L, -1, "run");
  lua_remove(L, -2);
  if (!push_payload(L, outcome) || !apply_params(L, outcome))
    return 0;
  wrap_command(L, &outcome->worker->command);
  lua_call(L, 1, LUA_MULTRET);
  luaL_checkstack(L, 4, "results");
  lua_pushinteger(L, lua_gettop(L) - 1);
  lua_insert(L, 2);
  if (lua_gettop(L) > 2 + RESULTS_JUDGED)
    lua_settop(L, 2 + RESULTS_JUDGED);
  lua_call(L, lua_gettop(L) - 1, 3);
  if (lua_isnil(L, -3)) {
    answer_no_result(L, outcome, luaL_checkstring(L, -2));
  } else {
    take_result(L, outcome);
  }
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

#include "worker/restart.h"

#include "worker/capability.h"
#include "worker/keep.h"
#include "worker/misuse.h"
#include "worker/state.h"
#include "worker/worker.h"

#include <lauxlib.h>
#include <string.h>

enum { DEFAULT_WITHIN_S = 900, LONGEST_WITHIN_S = 86400 };

#define RIGHT_CALL "write: kaa.resume_after(\"reboot\", saved, { within_s = 900 })"

static void require_run(lua_State *L, const char *call)
{
  capability_require_command(L, call);
  if (!worker_of(L)->command.type)
    luaL_error(L, "%s is for a command: call it in run or resume, not in tick", call);
}

static void require_resume_function(lua_State *L)
{
  state_push_kept(L, STATE_CONTRACT);
  lua_pushliteral(L, "resume");
  if (lua_rawget(L, -2) != LUA_TFUNCTION)
    luaL_error(L, "kaa.resume_after needs a resume function: return { run = …, resume = "
                  "function(command, saved, away) return 200, \"OK\" end }");
  lua_pop(L, 2);
}

/* Of a value at an index: itself, or 0 where it is nil. */
static int given(lua_State *L, int index)
{
  return lua_isnil(L, index) ? 0 : index;
}

int restart_checkpoint(lua_State *L)
{
  static const char call[] = "kaa.checkpoint";
  lua_settop(L, 1);
  require_run(L, call);
  if (worker_of(L)->command.waits)
    return luaL_error(L, "kaa.checkpoint after kaa.resume_after, which has its own saved: "
                      RIGHT_CALL);
  struct keep request = {.call = call, .what = "checkpoint", .scope = "", .value = given(L, 1)};
  return keep_call(L, &request);
}

static const char *restart_option(lua_State *L)
{
  static const char *const restarts[] = {"reboot", "restart", NULL};
  if (lua_type(L, 1) != LUA_TSTRING)
    luaL_error(L, "kaa.resume_after takes \"reboot\" or \"restart\", got a %s; " RIGHT_CALL,
               luaL_typename(L, 1));
  for (int i = 0; restarts[i]; i++)
    if (!strcmp(lua_tostring(L, 1), restarts[i]))
      return restarts[i];
  misuse_unknown(L, "kaa.resume_after takes \"reboot\" or \"restart\", got \"%s\"",
                 lua_tostring(L, 1), restarts);
  return NULL;
}

static void check_options(lua_State *L)
{
  static const char *const names[] = {"within_s", NULL};
  if (!lua_istable(L, 3))
    luaL_error(L, "kaa.resume_after: the options are a table, got a %s; " RIGHT_CALL,
               luaL_typename(L, 3));
  for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
    if (strcmp(key, names[0]))
      misuse_unknown(L, "kaa.resume_after has no option \"%s\"", key, names);
  }
}

static int64_t within_ms_option(lua_State *L)
{
  double seconds = DEFAULT_WITHIN_S;
  if (lua_isnil(L, 3))
    return DEFAULT_WITHIN_S * 1000;
  check_options(L);
  lua_pushliteral(L, "within_s");
  int type = lua_rawget(L, 3);
  if (type != LUA_TNIL)
    seconds = type == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
  if (!(seconds >= 1 && seconds <= LONGEST_WITHIN_S))
    luaL_error(L, "kaa.resume_after: within_s: expected seconds from 1 to %d; " RIGHT_CALL,
               LONGEST_WITHIN_S);
  lua_pop(L, 1);
  return (int64_t)(seconds * 1000);
}

int restart_resume_after(lua_State *L)
{
  static const char call[] = "kaa.resume_after";
  lua_settop(L, 3);
  require_run(L, call);
  require_resume_function(L);
  const char *restart = restart_option(L);
  struct keep request = {.call = call,
                         .what = "resume_after",
                         .scope = restart,
                         .value = given(L, 2),
                         .within_ms = within_ms_option(L)};
  int results = keep_call(L, &request);
  if (results == 1)
    worker_of(L)->command.waits = true;
  return results;
}

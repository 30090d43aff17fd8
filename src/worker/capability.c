#include "worker/capability.h"

#include "worker/state.h"
#include "worker/worker.h"

#include <lauxlib.h>
#include <string.h>

void capability_require_command(lua_State *L, const char *what)
{
  if (worker_of(L)->is_loading)
    luaL_error(L, "%s acts: call it in run, not while the file loads", what);
}

void capability_require_endpoint(lua_State *L, const char *what)
{
  capability_require_command(L, what);
  if (!*worker_of(L)->command.endpoint)
    luaL_error(L, "%s is for one endpoint, and this tick is for all; write: per = \"endpoint\"",
               what);
}

static void push_raw_field(lua_State *L, const char *name)
{
  if (lua_istable(L, -1)) {
    lua_pushstring(L, name);
    lua_rawget(L, -2);
  } else {
    lua_pushnil(L);
  }
  lua_remove(L, -2);
}

void capability_push(lua_State *L, const char *name)
{
  state_push_kept(L, STATE_CONTRACT);
  push_raw_field(L, "needs");
  push_raw_field(L, name);
}

void capability_demand(lua_State *L, const char *name, const char *what)
{
  capability_require_command(L, what);
  capability_push(L, name);
  if (!lua_toboolean(L, -1))
    luaL_error(L, "%s needs \"%s\": return { needs = { \"%s\" }, run = … }", what, name, name);
}

bool capability_lists(lua_State *L, const char *text)
{
  if (!lua_istable(L, -1))
    return lua_toboolean(L, -1);
  bool found = false;
  for (lua_Integer i = 1; !found && lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
    found = !strcmp(lua_tostring(L, -1), text);
    lua_pop(L, 1);
  }
  if (!found)
    lua_pop(L, 1);
  return found;
}
